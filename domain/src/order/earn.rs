//! What sellers earn of an order: by goods that were shipped and kept, less what the house keeps of the sale.
//!
//! Of a line of `n` units that cost `T`, of which `u` are not with the buyer (not shipped yet, cancelled, or come back), a
//! seller has earned `T - floor(u T / n)` in whole minor units, less the commission of that, rounded down. What is told is
//! always the difference to what was earned before, so all of it adds up however the goods were shipped in parts and came
//! back in parts: once nothing is left to ship, it is what the buyer was charged and not given back.
//!
//! What the house's promotions took off is the house's affair: a seller earns of the price without it.

use super::event::OrderEvent;
use super::state::{Line, Order};
use crate::mistake::{Mistake, made};
use crate::money::share_of_units;
use crate::{Amount, Currency, Quantity};

/// What a seller has earned of a line so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Earned {
    /// Before the commission.
    gross: Amount,
    /// The commission.
    commission: Amount,
    /// What promotions had taken off.
    promoted: Amount,
}

/// What the house keeps of a sale, rounded down to the minor unit.
fn commission_of(sale: Amount, bps: u32, currency: Currency) -> Amount {
    let unit = i128::from(currency.minor_unit());
    let kept = (i128::from(sale.0) / unit * i128::from(bps)).div_euclid(10_000) * unit;
    Amount(i64::try_from(kept).expect("a commission is at most the sale"))
}

impl Line {
    fn earned(&self, currency: Currency) -> Earned {
        let Some(claim) = self.claim.as_ref().filter(|_| self.units() > 0) else { return Earned::default() };
        let away: Quantity = self.units() - (self.shipped - self.returned);
        let bps = if made(Mistake::CommissionForgotten) { 0 } else { claim.commission_bps };
        let kept = |worth: Amount| Amount(worth.0 - share_of_units(worth, self.units(), 0, away, currency).0);
        let gross = kept(Amount(self.net.0 + self.discount.0));
        let promoted = Amount(gross.0 - kept(self.net).0);
        Earned { gross, commission: commission_of(gross, bps, currency), promoted }
    }
}

/// Tells what sellers have earned, or earn no more, by the last event of `out`.
pub(super) fn earn(order: &Order, out: &mut Vec<OrderEvent>) {
    let Some(last) = out.last().filter(|_| order.lines.iter().any(|line| line.claim.is_some())) else { return };
    let mut after = order.clone();
    after.apply(last);
    for (index, (before, after)) in order.lines.iter().zip(&after.lines).enumerate() {
        let Some(claim) = &after.claim else { continue };
        let (was, is) = (before.earned(order.currency), after.earned(order.currency));
        if was != is {
            let commission = Amount(is.commission.0 - was.commission.0);
            out.push(OrderEvent::PayoutDue {
                line: index as u32,
                seller: claim.seller.clone(),
                amount: Amount(is.gross.0 - was.gross.0 - commission.0),
                commission,
                promoted: Amount(is.promoted.0 - was.promoted.0),
            });
        }
    }
}
