//! What goods are worth, by plain arithmetic over the journal: nothing here asks the order.

use super::shop::Shop;
use crate::entity::Event;
use crate::order::{Line, Order, OrderEvent, Outcome, PlacedLine, Promoted};
use crate::promotion::pricing::Target;
use crate::{Amount, Currency, Quantity};

/// `floor(units T / n)` in whole minor units.
pub(super) fn share(worth: i64, all: Quantity, units: Quantity, currency: Currency) -> i64 {
    if all == 0 {
        return 0;
    }
    let unit = i128::from(currency.minor_unit());
    let share = i128::from(worth) / unit * i128::from(units) / i128::from(all);
    i64::try_from(share * unit).unwrap()
}

/// What a line cost: its price, rounded to the minor unit, less its discount.
fn net(unit_price: Amount, units: Quantity, discount: Amount, currency: Currency) -> i64 {
    let unit = i128::from(currency.minor_unit());
    let exact = i128::from(unit_price.0) * i128::from(units);
    // Half of a minor unit counts as a whole one.
    let rounded = (2 * exact + unit).div_euclid(2 * unit) * unit;
    i64::try_from(rounded).unwrap() - discount.0
}

/// What the units of a line that the buyer keeps are worth: the first to be given up takes `floor(T/n)` with it, the k-th
/// `floor(kT/n) - floor((k-1)T/n)`.
pub(super) fn kept(line: &Line, currency: Currency) -> i64 {
    let all = line.quantity - line.unfilled;
    let net = net(line.unit_price, all, line.discount, currency);
    net - share(net, all, line.cancelled + line.returned, currency)
}

/// What `units` more to be given up are worth, one by one.
pub(super) fn of_next(line: &Line, units: Quantity, currency: Currency) -> i64 {
    let all = line.quantity - line.unfilled;
    let net = net(line.unit_price, all, line.discount, currency);
    let given_up = line.cancelled + line.returned;
    (given_up + 1..=given_up + units).map(|k| share(net, all, k, currency) - share(net, all, k - 1, currency)).sum()
}

/// What an order costs now.
pub(super) fn total(order: &Order) -> i64 {
    let goods: i64 = order.lines.iter().map(|line| kept(line, order.currency)).sum();
    goods + if order.outcome == Outcome::Open { charges(order) } else { 0 }
}

pub(super) fn charges(order: &Order) -> i64 {
    let listed: i64 = order.charges.iter().map(|charge| charge.money.amount.0).sum();
    let off = order.promoted.iter().flat_map(|promoted| &promoted.discounts);
    listed - off.filter(|one| matches!(one.target, Target::Charge(_))).map(|one| one.amount.0).sum::<i64>()
}

/// What a seller has earned of a line, what the house keeps of that, and what promotions had taken off.
pub(super) fn earned(line: &Line, bps: u32, currency: Currency) -> (i64, i64, i64) {
    let all = line.quantity - line.unfilled;
    let away = all - (line.shipped - line.returned);
    let full = net(line.unit_price, all, Amount::ZERO, currency);
    let with_buyer = |worth: i64| worth - share(worth, all, away, currency);
    let gross = with_buyer(full);
    let unit = currency.minor_unit();
    let commission = gross / unit * i64::from(bps) / 10_000 * unit;
    (gross, commission, gross - with_buyer(full - line.discount.0))
}

/// The discounts of lines and charges are what promotions took off, and no line costs less than nothing.
fn check_discounts(lines: &[PlacedLine], promoted: Option<&Promoted>, currency: Currency) {
    let discounts = || promoted.iter().flat_map(|promoted| &promoted.discounts);
    for (index, line) in lines.iter().enumerate() {
        let off = discounts().filter(|one| one.target == Target::Line(index as u32));
        assert_eq!(line.discount.0, off.map(|one| one.amount.0).sum::<i64>(), "line {index} of {lines:?}");
        assert!(net(line.unit_price, line.filled + line.backordered, line.discount, currency) >= 0, "{line:?}");
        assert!(line.discount.is_rounded(currency));
    }
    let of_lines: i64 = lines.iter().map(|line| line.discount.0).sum();
    let of_charges = discounts().filter(|one| matches!(one.target, Target::Charge(_)));
    let all: i64 = discounts().map(|one| one.amount.0).sum();
    assert_eq!(of_lines + of_charges.map(|one| one.amount.0).sum::<i64>(), all, "they sum to the order's discount");
}

impl Shop {
    pub(super) fn check_all_discounts(&self) {
        for (_, event, _) in &self.journal {
            if let Event::Order(OrderEvent::Placed { lines, promoted, .. } | OrderEvent::Edited { lines, promoted }) =
                event
            {
                check_discounts(lines, promoted.as_deref(), self.currency);
            }
        }
    }
}
