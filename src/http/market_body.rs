//! Bodies of sellers and bidders, and how their offers, bids and books are shown.

use serde::{Deserialize, Serialize};
use stockade_actors::command::{BookView, PartyAnswer};
use stockade_domain::book::{LevelDepth, SelfTrade, Side, TimeInForce};
use stockade_domain::stock::MarketRules;
use stockade_domain::stock::market::MarketCommand;
use stockade_domain::{Amount, BookOrderId, Currency, Money, OrderId};

use super::body::Object;
use super::fields::{MoneyField, QuantityField};
use super::problem::{Code, Problem};
use super::requests::{one_of, refused, time};
use crate::engine::{Bid, MoneyJson, Offer, Text, TimeJson};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Force {
    Gtc,
    Gtd,
    Ioc,
    Fok,
}

const FORCES: [(Force, &str); 4] = [(Force::Gtc, "gtc"), (Force::Gtd, "gtd"), (Force::Ioc, "ioc"), (Force::Fok, "fok")];

/// `expires_at` goes with `gtd`, and alone means it.
fn time_in_force(force: Option<&str>, expires_at: Option<&str>) -> Result<TimeInForce, Problem> {
    let force = force.map(|text| one_of("time_in_force", text, &FORCES)).transpose()?;
    match (force, expires_at) {
        (None | Some(Force::Gtd), Some(at)) => Ok(TimeInForce::Gtd(time("expires_at", at)?)),
        (Some(Force::Gtd), None) => Err(Problem::invalid("expires_at", "`gtd` says until when")),
        (Some(_), Some(_)) => Err(Problem::invalid("expires_at", "goes with `gtd` only")),
        (None | Some(Force::Gtc), None) => Ok(TimeInForce::Gtc),
        (Some(Force::Ioc), None) => Ok(TimeInForce::Ioc),
        (Some(Force::Fok), None) => Ok(TimeInForce::Fok),
    }
}

/// Reads the id of an offer or bid in a body.
fn id_in_body(id: Option<&str>) -> Result<Option<BookOrderId>, Problem> {
    id.map(|id| BookOrderId::parse(id).map_err(|refusal| refused(&refusal))).transpose()
}

/// Reads the id of an offer or bid in a path: what is no id is not there.
pub(super) fn id_in_path(id: &str) -> Result<BookOrderId, Problem> {
    BookOrderId::parse(id).map_err(|_| Problem::new(Code::NotFound))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfferBody {
    id: Option<String>,
    seller: String,
    quantity: QuantityField,
    unit_price: MoneyField,
    time_in_force: Option<String>,
    expires_at: Option<String>,
    post_only: Option<bool>,
    minimum: Option<QuantityField>,
    displayed: Option<QuantityField>,
    serials: Option<Vec<String>>,
}

impl OfferBody {
    pub(super) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The offer; `digest` is that of the request.
    pub(super) fn offer(self, digest: u64) -> Result<Offer, Problem> {
        let mut offer = Offer::new(&self.seller, self.quantity.0, self.unit_price.0).digest(digest);
        match time_in_force(self.time_in_force.as_deref(), self.expires_at.as_deref())? {
            TimeInForce::Gtd(at) => offer = offer.until(at),
            TimeInForce::Gtc => {}
            TimeInForce::Ioc | TimeInForce::Fok => {
                return Err(Problem::invalid("time_in_force", "an offer stands: `gtc` or `gtd`"));
            }
        }
        if let Some(id) = id_in_body(self.id.as_deref())? {
            offer = offer.id(id);
        }
        if self.post_only == Some(true) {
            offer = offer.post_only();
        }
        if let Some(minimum) = self.minimum {
            offer = offer.minimum(minimum.0);
        }
        if let Some(displayed) = self.displayed {
            offer = offer.displayed(displayed.0);
        }
        Ok(offer.serials(self.serials.unwrap_or_default()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BidPaymentBody {
    method: String,
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BidBody {
    id: Option<String>,
    customer: String,
    quantity: QuantityField,
    limit_price: MoneyField,
    time_in_force: Option<String>,
    expires_at: Option<String>,
    post_only: Option<bool>,
    minimum: Option<QuantityField>,
    seller: Option<String>,
    payments: Vec<Object<BidPaymentBody>>,
}

impl BidBody {
    pub(super) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The bid; `digest` is that of the request.
    pub(super) fn bid(self, digest: u64) -> Result<Bid, Problem> {
        let wrong = || Problem::invalid("payments", "a bid is paid by one `wallet`, or one `card` with its `token`");
        let [Object(payment)] = <[Object<BidPaymentBody>; 1]>::try_from(self.payments).map_err(|_| wrong())?;
        let force = time_in_force(self.time_in_force.as_deref(), self.expires_at.as_deref())?;
        let mut bid = Bid::new(&self.customer, self.quantity.0, self.limit_price.0).digest(digest).time_in_force(force);
        bid = match (payment.method.as_str(), payment.token) {
            ("wallet", None) => bid,
            ("card", Some(token)) => bid.card(token),
            _ => return Err(wrong()),
        };
        if let Some(id) = id_in_body(self.id.as_deref())? {
            bid = bid.id(id);
        }
        if let Some(seller) = &self.seller {
            bid = bid.seller(seller);
        }
        if self.post_only == Some(true) {
            bid = bid.post_only();
        }
        if let Some(minimum) = self.minimum {
            bid = bid.minimum(minimum.0);
        }
        Ok(bid)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AmendBody {
    unit_price: Option<MoneyField>,
    limit_price: Option<MoneyField>,
    quantity: Option<QuantityField>,
}

impl AmendBody {
    pub(super) fn command(self, side: Side, id: BookOrderId) -> Result<MarketCommand, Problem> {
        let (price, foreign, field) = match side {
            Side::Supply => (self.unit_price, self.limit_price, "limit_price"),
            Side::Demand => (self.limit_price, self.unit_price, "unit_price"),
        };
        if foreign.is_some() {
            return Err(Problem::invalid(field, "offers have a `unit_price`, bids a `limit_price`"));
        }
        let (price, quantity) = (price.map(|price| price.0), self.quantity.map(|quantity| quantity.0));
        if price.is_none() && quantity.is_none() {
            return Err(Problem::invalid("quantity", "send a new price, a new number of open units, or both"));
        }
        Ok(MarketCommand::Amend { id, side, price, quantity })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BandBody {
    low: MoneyField,
    high: MoneyField,
}

/// The rules of a SKU's book, in its definition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MarketBody {
    tick: Option<MoneyField>,
    lot: Option<QuantityField>,
    band: Option<Object<BandBody>>,
    self_trade: Option<String>,
    commission_bps: Option<u32>,
}

impl MarketBody {
    pub(super) fn rules(self, currency: Currency) -> Result<MarketRules, Problem> {
        let amount = |money: MoneyField| match money.0.currency == currency {
            true => Ok(money.0.amount),
            false => Err(Problem::new(Code::CurrencyMismatch).detail("the book has the currency of the price")),
        };
        let mut rules = MarketRules::default();
        if let Some(tick) = self.tick {
            rules.tick = amount(tick)?;
        }
        if let Some(lot) = self.lot {
            rules.lot = lot.0;
        }
        if let Some(Object(band)) = self.band {
            rules.band = Some((amount(band.low)?, amount(band.high)?));
        }
        if let Some(text) = &self.self_trade {
            rules.self_trade = one_of("self_trade", text, &SelfTrade::ALL)?;
        }
        if let Some(rate) = self.commission_bps {
            rules.commission_bps = rate;
        }
        Ok(rules)
    }
}

/// An offer or bid as it is shown.
#[derive(Serialize)]
pub(super) struct PartyJson<'a> {
    id: Text<BookOrderId>,
    sku: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price: Option<MoneyJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_price: Option<MoneyJson>,
    status: &'static str,
    quantity: u64,
    open: u64,
    held: u64,
    allocated: u64,
    sold: u64,
    withdrawn: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    serials: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orders: Vec<Text<OrderId>>,
    created_at: TimeJson,
    expires_at: Option<TimeJson>,
    as_of: Text<u64>,
}

impl<'a> PartyJson<'a> {
    pub(super) fn of(answer: &'a PartyAnswer) -> Self {
        let party = &answer.view.party;
        let price = MoneyJson(answer.view.price);
        let is_offer = party.side == Side::Supply;
        let owner = party.owner.as_str();
        Self {
            id: Text(answer.view.id),
            sku: answer.sku.as_str(),
            seller: if is_offer { Some(owner) } else { party.seller.as_ref().map(|seller| seller.as_str()) },
            customer: (!is_offer).then_some(owner),
            unit_price: is_offer.then_some(price),
            limit_price: (!is_offer).then_some(price),
            status: if party.open > 0 { "open" } else { "closed" },
            quantity: party.offered,
            open: party.open,
            held: party.held - party.allocated,
            allocated: party.allocated,
            sold: party.sold,
            withdrawn: party.withdrawn(),
            serials: party.serials.as_ref().map(|serials| serials.open().map(|serial| serial.as_str()).collect()),
            orders: answer.orders.iter().map(|order| Text(*order)).collect(),
            created_at: TimeJson(party.created_at),
            expires_at: party.expires_at.map(TimeJson),
            as_of: Text(answer.as_of),
        }
    }
}

#[derive(Serialize)]
struct LevelJson {
    price: MoneyJson,
    quantity: u64,
    orders: u32,
}

#[derive(Serialize)]
struct HouseJson {
    price: MoneyJson,
    available: u64,
}

/// The depth of a book as it is shown.
#[derive(Serialize)]
pub(super) struct BookJson<'a> {
    sku: &'a str,
    sequence: Text<u64>,
    house: Option<HouseJson>,
    best_offer: Option<MoneyJson>,
    best_bid: Option<MoneyJson>,
    offers: Vec<LevelJson>,
    bids: Vec<LevelJson>,
    as_of: Text<u64>,
}

impl<'a> BookJson<'a> {
    pub(super) fn of(book: &'a BookView) -> Self {
        let levels = &book.levels;
        let money = |amount| MoneyJson(Money::new(amount, levels.currency));
        let level = |level: &LevelDepth| LevelJson {
            price: money(Amount(level.price)),
            quantity: u64::try_from(level.quantity).unwrap_or(u64::MAX),
            orders: level.orders,
        };
        let house = levels.house.map(|(price, available)| HouseJson { price: money(price), available });
        // The house comes before offers of equal price.
        let of_offers = levels.offers.first().map(|level| Amount(level.price));
        let best_offer = [levels.house.map(|(price, _)| price), of_offers].into_iter().flatten().min();
        Self {
            sku: book.sku.as_str(),
            sequence: Text(levels.sequence),
            house,
            best_offer: best_offer.map(money),
            best_bid: levels.bids.first().map(|level| money(Amount(level.price))),
            offers: levels.offers.iter().map(level).collect(),
            bids: levels.bids.iter().map(level).collect(),
            as_of: Text(book.as_of),
        }
    }
}
