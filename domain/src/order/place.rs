//! Placing an order: what it demands of each SKU, and what it is once they have answered. Both are pure.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::event::{OrderEvent, PlacedLine};
use super::pay::{PaymentPlan, plan_payments};
use super::request::{LINES_MAX, NewOrder};
use crate::codec::list;
use crate::{Amount, Currency, Money, Quantity, Refusal, SkuId, Timestamp, check_quantity};

/// Up to this many lines a linear search beats a map.
const LINEAR_LINES_MAX: usize = 16;
/// Totals stay far from overflow, so that sums of them cannot either.
const TOTAL_MAX: i64 = i64::MAX / 1024;

/// What an order wants of its SKUs: lines of one SKU are summed for stock and stay lines for price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Units by SKU, in the order of first mention.
    pub units: SmallVec<[(SkuId, Quantity); 1]>,
    /// For each line, its index in `units`.
    of_line: SmallVec<[u16; 8]>,
}

/// What a SKU gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// List price of one.
    pub price: Money,
    /// How long an unpaid hold lasts.
    pub hold_ttl_seconds: u32,
    /// Units held.
    pub filled: Quantity,
    /// Units that wait.
    pub backordered: Quantity,
}

/// An order about to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The event that makes it.
    pub placed: OrderEvent,
    /// Its total.
    pub total: Money,
    /// How it is paid.
    pub plan: PaymentPlan,
}

/// Checks the request by itself and sums its lines by SKU.
pub fn demand(order: &NewOrder) -> Result<Demand, Refusal> {
    if order.lines.is_empty() {
        return Err(Refusal::BodyInvalid { field: "lines", why: "an order has at least one line".into() });
    }
    if order.lines.len() > LINES_MAX {
        return Err(Refusal::TooManyLines { limit: LINES_MAX, found: order.lines.len() });
    }
    let mut units: SmallVec<[(SkuId, Quantity); 1]> = SmallVec::new();
    let mut of_line = SmallVec::new();
    let mut index: FxHashMap<&SkuId, u16> = FxHashMap::default();
    for line in &order.lines {
        check_quantity(line.quantity)?;
        if line.unit_price.is_some_and(|price| price.amount.is_negative()) {
            return Err(Refusal::MoneyInvalid { why: "a unit price is not negative".into() });
        }
        let known = if order.lines.len() <= LINEAR_LINES_MAX {
            units.iter().position(|(sku, _)| *sku == line.sku).map(|at| at as u16)
        } else {
            index.get(&line.sku).copied()
        };
        let at = known.unwrap_or_else(|| {
            units.push((line.sku.clone(), 0));
            if order.lines.len() > LINEAR_LINES_MAX {
                index.insert(&line.sku, units.len() as u16 - 1);
            }
            units.len() as u16 - 1
        });
        units[at as usize].1 += line.quantity;
        check_quantity(units[at as usize].1)?;
        of_line.push(at);
    }
    Ok(Demand { units, of_line })
}

/// Prices the whole and plans its payments, given what each SKU of the demand gave.
pub fn place(order: &NewOrder, demand: &Demand, fills: &[Fill], now: Timestamp) -> Result<Placement, Refusal> {
    assert_eq!(demand.units.len(), fills.len(), "every SKU has answered");
    let price_of = |index: usize| order.lines[index].unit_price.unwrap_or(fills[demand.of_line[index] as usize].price);
    let currency = price_of(0).currency;
    let mut left: SmallVec<[(Quantity, Quantity); 1]> =
        list::gather(fills.iter().map(|fill| (fill.filled, fill.backordered)));
    let mut lines = SmallVec::new();
    let mut total = Amount::ZERO;
    for (index, line) in order.lines.iter().enumerate() {
        let price = price_of(index);
        check_currency(currency, price.currency)?;
        let (filled_left, backordered_left) = &mut left[demand.of_line[index] as usize];
        let filled = line.quantity.min(*filled_left);
        let backordered = (line.quantity - filled).min(*backordered_left);
        *filled_left -= filled;
        *backordered_left -= backordered;
        let net = line_net(price.amount, filled + backordered, currency).ok_or_else(too_large)?;
        total = total.checked_add(net).ok_or_else(too_large)?;
        lines.push(PlacedLine {
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit_price: price.amount,
            filled,
            backordered,
        });
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
    let total = Money::new(total, currency);
    check_expected(order.expected_total, total)?;
    let plan = plan_payments(total, &order.payments, order.customer.as_ref())?;
    let hold_ttl_seconds = fills.iter().map(|fill| fill.hold_ttl_seconds).min().unwrap_or(0);
    let placed = OrderEvent::Placed {
        customer: order.customer.clone(),
        purchaser_key: order.purchaser_key.clone(),
        currency,
        lines,
        charges: list::gather(order.charges.iter().cloned()),
        payments: list::gather(plan.payments.iter().cloned()),
        hold_expires_at: now.plus_seconds(hold_ttl_seconds),
        body_digest: order.body_digest,
        attempt: order.attempt,
    };
    Ok(Placement { placed, total, plan })
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
