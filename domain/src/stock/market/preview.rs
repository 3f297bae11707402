//! What lines of an order would get from the book, nothing of it done.

use std::borrow::Cow;

use super::Market;
use super::rules::MarketRules;
use crate::book::{
    Book, BookCommand, BookEvent, Context, House, Maker, Matcher, Place, PreviewFill, Side, Source, TimeInForce,
};
use crate::order::LINES_MAX;
use crate::refusal::Shortage;
use crate::stock::definition::{Definition, SkuStatus};
use crate::stock::pick::{self, Source as StockSource};
use crate::stock::{HoldContext, HoldMode, Setting, Stock, units};
use crate::{Amount, BookOrderId, CustomerId, Money, OrderId, Quantity, Refusal, check_quantity};

/// From whom a line buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seller {
    /// From the house and every offer, the cheapest first.
    Any,
    /// From offers of this seller.
    Named(CustomerId),
}

/// A line that takes from the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketDemand {
    /// Its index in the request.
    pub line: u32,
    /// Units.
    pub quantity: Quantity,
    /// From whom.
    pub seller: Seller,
    /// What a unit may cost, at most.
    pub max_unit_price: Option<Money>,
}

/// What a line gets from one seller at one price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketFill {
    /// The line's index in the request.
    pub line: u32,
    /// Units.
    pub quantity: Quantity,
    /// Price of one.
    pub unit_price: Amount,
    /// Whose units; nobody's: the house's.
    pub seller: Option<CustomerId>,
    /// Of offers: the number among the order's claims of the SKU.
    pub claim: Option<u32>,
}

/// What the lines of an order get from one SKU's book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarketPlan {
    /// By line, then the cheapest first.
    pub fills: Vec<MarketFill>,
    /// Of these, units of the house.
    pub house: Quantity,
}

impl MarketPlan {
    /// All units.
    pub fn units(&self) -> Quantity {
        self.fills.iter().map(|fill| fill.quantity).sum()
    }
}

/// What an order wants of a SKU's book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketWish<'a> {
    /// Which order.
    pub order: OrderId,
    /// Who buys; a customer does not buy from himself.
    pub customer: Option<&'a CustomerId>,
    /// Units that plain lines of the order take from the house first.
    pub plain: Quantity,
    /// The lines.
    pub lines: &'a [MarketDemand],
    /// What becomes of what cannot be filled.
    pub mode: HoldMode,
    /// Where the goods should come from.
    pub context: Option<&'a HoldContext>,
}

impl Stock {
    /// What lines that take from the book would get now.
    pub fn plan_market(&self, setting: &Setting<'_>, wish: &MarketWish<'_>) -> Result<MarketPlan, Refusal> {
        let definition = self.check_market()?;
        let market = self.market();
        let rules = definition.market.as_deref().copied().unwrap_or_default();
        if market.is_some_and(|market| market.party(wish.order.into()).is_some()) {
            // The book knows takers by the ids of their orders.
            return Err(Refusal::IdConflict { id: wish.order.to_string() });
        }
        let mut wanted = 0;
        for line in wish.lines {
            check_demand(definition, &rules, line)?;
            wanted += line.quantity;
        }
        let mut book = match market {
            Some(market) => Cow::Borrowed(&market.book),
            None => Cow::Owned(Book::new(rules.book_config())),
        };
        let mut house = self.house_for(definition, setting, wish);
        let mut plan = MarketPlan::default();
        let mut claims = 0;
        for (index, line) in wish.lines.iter().enumerate() {
            let Some(place) = place_of(market, &book, wish.order, wish.customer, line) else { continue };
            let context = Context { now: setting.now, house };
            let fills = if wish.lines.len() == 1 {
                book.preview(&place, &context).map_err(|refusal| super::trade::refuse(&refusal, self, wanted))?
            } else {
                // The next line meets what this one leaves.
                let mut events = Vec::new();
                let done = book.to_mut().execute(&BookCommand::Place(place), &context, &mut events);
                done.map_err(|refusal| super::trade::refuse(&refusal, self, wanted))?;
                fills_of(place.id, &events)
            };
            let before = plan.fills.len();
            for fill in fills {
                let seller = match fill.maker {
                    Maker::House => {
                        plan.house += fill.quantity;
                        if let Some(house) = &mut house {
                            house.available -= fill.quantity;
                        }
                        None
                    }
                    Maker::Order(id) => market.and_then(|market| market.party(id)).map(|party| party.owner.clone()),
                };
                plan.add(before, wish.lines[index].line, &fill, seller, &mut claims);
                if plan.fills.len() > LINES_MAX {
                    return Err(Refusal::TooManyLines { limit: LINES_MAX, found: plan.fills.len() });
                }
            }
        }
        let found = plan.units();
        if found == 0 || (found < wanted && !wish.mode.partial) {
            let items = vec![Shortage { sku: self.sku.clone(), requested: wanted, available: found }];
            return Err(Refusal::StockExhausted { items, as_of: 0 });
        }
        Ok(plan)
    }

    /// Refuses a SKU whose book takes no new demand or supply.
    pub(super) fn check_market(&self) -> Result<&Definition, Refusal> {
        let Some(definition) = self.definition.as_deref() else {
            return Err(Refusal::SkuUnknown { sku: self.sku.to_string() });
        };
        if definition.status != SkuStatus::Active {
            return Err(Refusal::SkuNotSellable { sku: self.sku.clone(), status: definition.status.name() });
        }
        if definition.kit.is_some() {
            return Err(Refusal::SkuNotSellable { sku: self.sku.clone(), status: "a kit without a book of its own" });
        }
        Ok(definition)
    }

    /// The house as the book may see it: nothing while somebody waits for its units, or where they are given by a rule
    /// of admission.
    pub(super) fn house(&self, setting: &Setting<'_>) -> Option<House> {
        let definition = self.definition.as_deref()?;
        let sells = definition.status == SkuStatus::Active
            && definition.kit.is_none()
            && definition.admission.is_none()
            && self.backorders.is_empty();
        let available = self.available(setting.now);
        (sells && available > 0).then_some(House { price: definition.price.amount.0, available })
    }

    /// The same for an order whose plain lines come first, and whose goods may have to come from certain places.
    fn house_for(&self, definition: &Definition, setting: &Setting<'_>, wish: &MarketWish<'_>) -> Option<House> {
        let mut house = self.house(setting)?;
        let source = StockSource::of(definition, wish.context, setting.distances);
        if source.has_strategy() {
            let picks = pick::pick(&self.bins, &source, setting.now, house.available);
            house.available = units(&picks);
        }
        house.available = house.available.saturating_sub(wish.plain);
        (house.available > 0).then_some(house)
    }
}

impl MarketPlan {
    /// Adds a fill to what the line has from the same seller at the same price.
    fn add(
        &mut self,
        before: usize,
        line: u32,
        fill: &PreviewFill<BookOrderId>,
        seller: Option<CustomerId>,
        claims: &mut u32,
    ) {
        let unit_price = Amount(fill.price);
        let same = |row: &&mut MarketFill| row.unit_price == unit_price && row.seller == seller;
        if let Some(row) = self.fills[before..].iter_mut().find(same) {
            row.quantity += fill.quantity;
            return;
        }
        let claim = seller.is_some().then_some(*claims);
        *claims += u32::from(claim.is_some());
        self.fills.push(MarketFill { line, quantity: fill.quantity, unit_price, seller, claim });
    }
}

fn check_demand(definition: &Definition, rules: &MarketRules, line: &MarketDemand) -> Result<(), Refusal> {
    check_quantity(line.quantity)?;
    if !line.quantity.is_multiple_of(rules.lot) {
        return Err(Refusal::BodyInvalid { field: "lines", why: format!("quantities are multiples of {}", rules.lot) });
    }
    let Some(max) = line.max_unit_price else {
        return match line.seller {
            Seller::Named(_) => Ok(()),
            Seller::Any => Err(Refusal::BodyInvalid {
                field: "lines",
                why: "a line that buys from `any` names its `max_unit_price`".into(),
            }),
        };
    };
    if max.currency != definition.price.currency {
        let (wanted, found) = (definition.price.currency.to_string(), max.currency.to_string());
        return Err(Refusal::CurrencyMismatch { wanted, found });
    }
    if max.amount.is_negative() {
        return Err(Refusal::MoneyInvalid { why: "a highest price is not negative".into() });
    }
    Ok(())
}

/// How a line takes from the book; nothing if it names a seller who offers nothing.
pub(super) fn place_of(
    market: Option<&Market>,
    book: &Book<BookOrderId>,
    order: OrderId,
    customer: Option<&CustomerId>,
    line: &MarketDemand,
) -> Option<Place<BookOrderId>> {
    let owner_of = |name| market.map(|market| market.owner(name)).unwrap_or_default();
    let source = match &line.seller {
        Seller::Any => Source::Anyone,
        Seller::Named(name) => match owner_of(name) {
            nobody if nobody == Default::default() => return None,
            owner => Source::Seller(owner),
        },
    };
    let config = book.config();
    // A buyer's highest price need be no price at which anybody may sell.
    let price = line.max_unit_price.map(|max| {
        let within = config.band.map_or(max.amount.0, |band| max.amount.0.min(band.high));
        within.min(crate::book::PRICE_MAX) / config.tick * config.tick
    });
    if price.zip(config.band).is_some_and(|(price, band)| price < band.low) {
        return None;
    }
    let place = Place::limit(BookOrderId::from(order), Side::Demand, 0, line.quantity);
    let owner = customer.map(owner_of).unwrap_or_default();
    Some(Place { owner, price, time_in_force: TimeInForce::Ioc, source, ..place })
}

/// The fills of a taker among the events of its command.
pub(super) fn fills_of(taker: BookOrderId, events: &[BookEvent<BookOrderId>]) -> Vec<PreviewFill<BookOrderId>> {
    let fill = |event: &BookEvent<BookOrderId>| match *event {
        BookEvent::Filled { maker, taker: by, side: Side::Demand, price, quantity, .. } if by == taker => {
            Some(PreviewFill { maker, price, quantity })
        }
        _ => None,
    };
    events.iter().filter_map(fill).collect()
}
