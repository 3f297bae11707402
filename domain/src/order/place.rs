//! Placing an order: what it demands of each SKU, and what it is once they have answered. Both are pure.

use compact_str::CompactString;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::charge::plan_charge;
use super::event::{LineClaim, OrderEvent, PlacedLine};
use super::kit::Kit;
use super::pay::PaymentPlan;
use super::promoted::{Origin, Pricer, Promoted};
use super::request::{LINES_MAX, NewOrder};
use crate::codec::list;
use crate::promotion::pricing::GrantedGift;
use crate::refusal::Shortage;
use crate::stock::market::{MarketDemand, MarketFill};
use crate::{Amount, Currency, Money, Quantity, Refusal, SkuId, Timestamp, check_quantity};

/// Up to this many SKUs a linear search beats a map.
const LINEAR_SKUS_MAX: usize = 16;
/// Totals stay far from overflow, so that sums of them cannot either.
pub(crate) const TOTAL_MAX: i64 = i64::MAX / 1024;

/// What an order wants of its SKUs: lines of one SKU are summed for stock and stay lines for price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Units by SKU, in the order of first mention.
    pub units: SmallVec<[(SkuId, Quantity); 1]>,
    /// For each line, its index in `units`, or `KIT` and its index in `kits`.
    of_line: SmallVec<[u16; 8]>,
    kits: Vec<Kit>,
    /// What lines want of books, each with the index of its SKU in `units`.
    market: Vec<(u16, MarketDemand)>,
}

/// Marks the index of a kit.
const KIT: u16 = 1 << 15;

impl Demand {
    /// Whether all of it is wanted or nothing, whatever the order allows: a kit is whole.
    pub fn is_indivisible(&self) -> bool {
        !self.kits.is_empty()
    }

    /// What lines want of the book of the SKU at this place in `units`.
    pub fn of_book(&self, at: usize) -> Vec<MarketDemand> {
        let rows = self.market.iter().filter(|(sku, _)| usize::from(*sku) == at);
        rows.map(|(_, demand)| demand.clone()).collect()
    }

    /// Whether any line takes from a book.
    pub fn takes_from_books(&self) -> bool {
        !self.market.is_empty()
    }

    fn kit_of(&self, line: usize) -> Option<&Kit> {
        (self.of_line[line] & KIT != 0).then(|| &self.kits[(self.of_line[line] & !KIT) as usize])
    }
}

/// What a SKU gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// List price of one.
    pub price: Money,
    /// How long an unpaid hold lasts.
    pub hold_ttl_seconds: u32,
    /// What the house keeps of sellers' sales, in hundredths of a percent.
    pub commission_bps: u32,
    /// Units held.
    pub filled: Quantity,
    /// Units that wait.
    pub backordered: Quantity,
    /// The order holds nothing here and waits to be let in.
    pub waiting: bool,
    /// Its category, for promotions.
    pub category: Option<CompactString>,
    /// Its brand, for promotions.
    pub brand: Option<CompactString>,
}

/// An order about to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The event that makes it; in a box, because all of this is handed on and on.
    pub placed: Box<OrderEvent>,
    /// Its total.
    pub total: Money,
    /// How it is paid.
    pub plan: PaymentPlan,
    /// Gifts that promotions grant; if the order has not their lines, it is to be placed again with them.
    pub gifts: Vec<GrantedGift>,
}

impl Placement {
    /// What promotions did.
    pub fn promoted(&self) -> Option<&Promoted> {
        match &*self.placed {
            OrderEvent::Placed { promoted, .. } => promoted.as_deref(),
            _ => None,
        }
    }
}

/// Checks the request by itself and sums its lines by SKU; no SKU is a kit.
pub fn demand(order: &NewOrder) -> Result<Demand, Refusal> {
    demand_with(order, |_| None)
}

/// Checks the request by itself and sums its lines by SKU, kits by their components.
pub fn demand_with(order: &NewOrder, kit: impl Fn(&SkuId) -> Option<Kit>) -> Result<Demand, Refusal> {
    if order.lines.is_empty() {
        return Err(Refusal::BodyInvalid { field: "lines", why: "an order has at least one line".into() });
    }
    if order.lines.len() > LINES_MAX {
        return Err(Refusal::TooManyLines { limit: LINES_MAX, found: order.lines.len() });
    }
    let mut sums = Sums::default();
    let (mut of_line, mut kits, mut market) = (SmallVec::new(), Vec::new(), Vec::new());
    for (index, line) in order.lines.iter().enumerate() {
        check_quantity(line.quantity)?;
        if line.unit_price.is_some_and(|price| price.amount.is_negative()) {
            return Err(Refusal::MoneyInvalid { why: "a unit price is not negative".into() });
        }
        if let Some(supply) = &line.supply {
            check_supply(line, kit(&line.sku).is_some())?;
            let at = sums.index_of(&line.sku)?;
            let demand = MarketDemand {
                line: index as u32,
                quantity: line.quantity,
                seller: supply.seller.clone(),
                max_unit_price: supply.max_unit_price,
            };
            market.push((at, demand));
            of_line.push(at);
            continue;
        }
        let Some(sold) = kit(&line.sku) else {
            of_line.push(sums.add(&line.sku, line.quantity)?);
            continue;
        };
        for part in &sold.parts {
            if kit(&part.sku).is_some() {
                return Err(Refusal::SkuNotSellable { sku: line.sku.clone(), status: "a kit that contains a kit" });
            }
            sums.add(&part.sku, part.quantity.saturating_mul(line.quantity))?;
        }
        of_line.push(KIT | kits.len() as u16);
        kits.push(sold);
    }
    Ok(Demand { units: sums.units, of_line, kits, market })
}

fn check_supply(line: &super::NewLine, is_kit: bool) -> Result<(), Refusal> {
    if line.unit_price.is_some() {
        let why = "a line that names a `seller` is paid at the seller's price: leave `unit_price` out".into();
        return Err(Refusal::BodyInvalid { field: "lines", why });
    }
    if is_kit {
        return Err(Refusal::SkuNotSellable { sku: line.sku.clone(), status: "a kit without a book of its own" });
    }
    Ok(())
}

/// Units by SKU.
#[derive(Default)]
struct Sums {
    units: SmallVec<[(SkuId, Quantity); 1]>,
    /// Where a SKU stands, once there are so many that a search is slower.
    index: FxHashMap<SkuId, u16>,
}

impl Sums {
    /// Adds units of a SKU and says where it stands.
    fn add(&mut self, sku: &SkuId, quantity: Quantity) -> Result<u16, Refusal> {
        let at = self.index_of(sku)?;
        let sum = &mut self.units[at as usize].1;
        *sum = sum.saturating_add(quantity);
        check_quantity(*sum)?;
        Ok(at)
    }

    /// Where a SKU stands; a new one is added with no units.
    fn index_of(&mut self, sku: &SkuId) -> Result<u16, Refusal> {
        let known = if self.units.len() <= LINEAR_SKUS_MAX {
            self.units.iter().position(|(known, _)| known == sku).map(|at| at as u16)
        } else {
            self.index.get(sku).copied()
        };
        known.map_or_else(|| self.push(sku), Ok)
    }

    fn push(&mut self, sku: &SkuId) -> Result<u16, Refusal> {
        if self.units.len() >= LINES_MAX {
            // Kits can have more components than an order may have lines.
            return Err(Refusal::TooManyLines { limit: LINES_MAX, found: self.units.len() + 1 });
        }
        self.units.push((sku.clone(), 0));
        let last = self.units.len() - 1;
        if last == LINEAR_SKUS_MAX {
            self.index = self.units.iter().enumerate().map(|(at, (sku, _))| (sku.clone(), at as u16)).collect();
        } else if last > LINEAR_SKUS_MAX {
            self.index.insert(sku.clone(), last as u16);
        }
        Ok(last as u16)
    }
}

/// Prices the whole and plans its payments, given what each SKU of the demand gave; without promotions.
pub fn place(
    order: &NewOrder,
    demand: &Demand,
    fills: &[Fill],
    market: &[MarketFill],
    now: Timestamp,
) -> Result<Placement, Refusal> {
    place_with(order, demand, fills, market, now, Pricer::default())
}

/// Prices the whole and plans its payments, given what each SKU of the demand gave.
pub fn place_with(
    order: &NewOrder,
    demand: &Demand,
    fills: &[Fill],
    market: &[MarketFill],
    now: Timestamp,
    pricer: Pricer<'_>,
) -> Result<Placement, Refusal> {
    assert_eq!(demand.units.len(), fills.len(), "every SKU has answered");
    let waiting = check_waiting(order, demand, fills)?;
    let list_price = |index: usize| match demand.kit_of(index) {
        Some(kit) => kit.price,
        None => fills[demand.of_line[index] as usize].price,
    };
    let price_of = |index: usize| order.lines[index].unit_price.unwrap_or_else(|| list_price(index));
    let currency = order.lines[0].supply.as_ref().map_or_else(|| price_of(0), |_| list_price(0)).currency;
    let mut left: SmallVec<[(Quantity, Quantity); 1]> =
        list::gather(fills.iter().map(|fill| (fill.filled, fill.backordered)));
    let mut lines = SmallVec::new();
    let mut origins: SmallVec<[Origin<'_>; 4]> = SmallVec::new();
    let mut total = Amount::ZERO;
    for (index, line) in order.lines.iter().enumerate() {
        let fill = demand.kit_of(index).is_none().then(|| &fills[demand.of_line[index] as usize]);
        if line.supply.is_some() {
            check_currency(currency, list_price(index).currency)?;
            let commission_bps = fill.map_or(0, |fill| fill.commission_bps);
            let net = take_from_book(order, index, (list_price(index), commission_bps), market, &mut lines)?;
            total = total.checked_add(net).ok_or_else(too_large)?;
            origins.resize(lines.len(), Origin { line: index, fill });
            continue;
        }
        let price = price_of(index);
        check_currency(currency, price.currency)?;
        let kit = demand.kit_of(index);
        let (filled, backordered) = match kit {
            // It was all or nothing, and it was not nothing.
            Some(_) => (line.quantity, 0),
            None => take(&mut left[demand.of_line[index] as usize], line.quantity),
        };
        let net = line_net(price.amount, filled + backordered, currency).ok_or_else(too_large)?;
        total = total.checked_add(net).ok_or_else(too_large)?;
        lines.push(PlacedLine {
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit_price: price.amount,
            filled,
            backordered,
            kit: kit.map(|kit| Box::new(kit.parts.clone())),
            claim: None,
            discount: Amount::ZERO,
        });
        origins.push(Origin { line: index, fill });
    }
    if lines.len() > LINES_MAX {
        return Err(Refusal::TooManyLines { limit: LINES_MAX, found: lines.len() });
    }
    if lines.iter().all(|line: &PlacedLine| line.filled + line.backordered == 0) {
        // What a line was to have of a book can be lost to a shortfall while other partitions are asked.
        let short = |line: &PlacedLine| Shortage { sku: line.sku.clone(), requested: line.quantity, available: 0 };
        return Err(Refusal::StockExhausted { items: lines.iter().map(short).collect(), as_of: 0 });
    }
    for charge in &order.charges {
        check_currency(currency, charge.money.currency)?;
        if charge.money.amount.is_negative() || !charge.money.amount.is_rounded(currency) {
            return Err(Refusal::MoneyInvalid { why: "a charge is a positive amount in whole minor units".into() });
        }
        total = total.checked_add(charge.money.amount).ok_or_else(too_large)?;
    }
    if total.0 > TOTAL_MAX {
        return Err(too_large());
    }
    let promoted = pricer.apply(order, &mut lines, &origins, currency, now)?;
    let (promoted, gifts) = promoted.map_or((None, Vec::new()), |(promoted, gifts)| (Some(promoted), gifts));
    let off: i64 = promoted.iter().flat_map(|promoted| &promoted.discounts).map(|discount| discount.amount.0).sum();
    let total = Money::new(Amount(total.0 - off), currency);
    check_expected(order.expected_total, total)?;
    let of_kits = demand.kits.iter().map(|kit| kit.hold_ttl_seconds);
    let hold_ttl_seconds = fills.iter().map(|fill| fill.hold_ttl_seconds).chain(of_kits).min().unwrap_or(0);
    let units_wait = lines.iter().any(|line: &PlacedLine| line.backordered > 0) && !waiting;
    let (mut plan, deferred) = plan_charge(order, total, hold_ttl_seconds, units_wait)?;
    plan.with_order = true;
    let placed = Box::new(OrderEvent::Placed {
        customer: order.customer.clone(),
        purchaser_key: order.purchaser_key.clone(),
        currency,
        lines,
        charges: list::gather(order.charges.iter().cloned()),
        payments: list::gather(plan.payments.iter().cloned()),
        hold_expires_at: now.plus_seconds(hold_ttl_seconds),
        body_digest: order.body_digest,
        attempt: order.attempt,
        waiting,
        bid: None,
        promoted: promoted.filter(Promoted::says_anything).map(Box::new),
        deferred,
    });
    Ok(Placement { placed, total, plan, gifts })
}

/// Lines for what a line of the request has got from a book: one for each seller and price. What it did not get stays
/// with the last. Says what they cost.
fn take_from_book(
    order: &NewOrder,
    index: usize,
    (list_price, commission_bps): (Money, u32),
    market: &[MarketFill],
    lines: &mut SmallVec<[PlacedLine; 1]>,
) -> Result<Amount, Refusal> {
    let (sku, mut wanted) = (&order.lines[index].sku, order.lines[index].quantity);
    let line_of = |quantity, filled, unit_price, claim| {
        let sku = sku.clone();
        PlacedLine { sku, quantity, unit_price, filled, backordered: 0, kit: None, claim, discount: Amount::ZERO }
    };
    let mut net = Amount::ZERO;
    let before = lines.len();
    for fill in market.iter().filter(|fill| fill.line as usize == index) {
        let claim = fill.claim.zip(fill.seller.clone());
        let claim = claim.map(|(number, seller)| Box::new(LineClaim { number, seller, commission_bps }));
        lines.push(line_of(fill.quantity, fill.quantity, fill.unit_price, claim));
        wanted -= fill.quantity;
        let cost = line_net(fill.unit_price, fill.quantity, list_price.currency).ok_or_else(too_large)?;
        net = net.checked_add(cost).ok_or_else(too_large)?;
    }
    match lines[before..].last_mut() {
        Some(last) => last.quantity += wanted,
        None => lines.push(line_of(wanted, 0, list_price.amount, None)),
    }
    Ok(net)
}

/// Gives a line what its SKU gave, as far as lines before it have left it: filled units first.
fn take((filled_left, backordered_left): &mut (Quantity, Quantity), quantity: Quantity) -> (Quantity, Quantity) {
    let filled = quantity.min(*filled_left);
    let backordered = (quantity - filled).min(*backordered_left);
    *filled_left -= filled;
    *backordered_left -= backordered;
    (filled, backordered)
}

/// Whether the order waits to be let in. Only an order of one SKU can: it holds nothing meanwhile, and several SKUs
/// cannot be offered at once. It is paid when it is offered.
fn check_waiting(order: &NewOrder, demand: &Demand, fills: &[Fill]) -> Result<bool, Refusal> {
    let Some(at) = fills.iter().position(|fill| fill.waiting) else { return Ok(false) };
    if fills.len() > 1 || demand.is_indivisible() || demand.takes_from_books() {
        let (sku, requested) = demand.units[at].clone();
        return Err(Refusal::StockExhausted { items: vec![Shortage { sku, requested, available: 0 }], as_of: 0 });
    }
    if !order.payments.is_empty() {
        let why = "the order has to wait: place it without payment, and pay when its units are offered".into();
        return Err(Refusal::BodyInvalid { field: "payments", why });
    }
    Ok(true)
}

/// What `units` cost together, rounded to the minor unit.
pub(super) fn line_net(unit_price: Amount, units: Quantity, currency: Currency) -> Option<Amount> {
    unit_price.checked_times(units)?.rounded(currency)
}

fn check_expected(expected: Option<Money>, actual: Money) -> Result<(), Refusal> {
    let Some(expected) = expected else { return Ok(()) };
    check_currency(actual.currency, expected.currency)?;
    if actual.amount > expected.amount {
        return Err(Refusal::PriceChanged { expected, actual });
    }
    Ok(())
}

fn check_currency(wanted: Currency, found: Currency) -> Result<(), Refusal> {
    if wanted != found {
        return Err(Refusal::CurrencyMismatch { wanted: wanted.to_string(), found: found.to_string() });
    }
    Ok(())
}

fn too_large() -> Refusal {
    Refusal::MoneyInvalid { why: "the total is larger than can be counted".into() }
}
