//! The shortest way for what nearly all orders ask of a SKU that has no rules of its own: units of one bin are held,
//! settled and shipped, and nobody waits for any.
//!
//! Nothing is decided differently here: what is not recognised goes the long way, and a test takes both.

use super::command::StockCommand;
use super::definition::{Definition, SkuStatus};
use super::event::{Pick, Picks, StockEvent};
use super::state::{Bin, Commitment, CommittedPick, Stock};
use crate::{OrderId, QUANTITY_MAX, Quantity, Timestamp};

impl Definition {
    /// Whether demand has nothing to ask but how much is there.
    #[inline]
    fn is_plain(&self) -> bool {
        self.status == SkuStatus::Active
            && self.admission.is_none()
            && self.limit_per_customer.is_none()
            && self.kit.is_none()
            && self.sourcing.is_none()
    }
}

impl Stock {
    /// Decides a command if it is plain, and says whether it was.
    #[inline]
    pub(super) fn decide_plainly(&self, command: &StockCommand, now: Timestamp, out: &mut Vec<StockEvent>) -> bool {
        // Nobody waits and nothing expires, so nothing follows from what orders do with their own units.
        let [bin] = &self.bins[..] else { return false };
        if !self.backorders.is_empty() || bin.is_past(now) {
            return false;
        }
        use StockCommand as C;
        match *command {
            C::Hold { order, quantity, settled, tentative, context: None, taking: None, .. } => {
                if !self.is_plainly_there(bin, order, quantity) {
                    return false;
                }
                put(out, || {
                    let (picks, backordered, buyer, context) = (one(0, quantity), 0, None, None);
                    StockEvent::Held { order, picks, backordered, settled, buyer, tentative, context }
                });
            }
            C::Settle { order } => {
                if self.commitments.get(&order).is_none_or(|commitment| commitment.units().0 == 0) {
                    return false;
                }
                put(out, || StockEvent::Settled { order });
            }
            C::Ship { order, quantity } => {
                let Some([pick]) = self.commitments.get(&order).map(|commitment| &commitment.picks[..]) else {
                    return false;
                };
                if quantity == 0 || quantity > pick.allocated.min(QUANTITY_MAX) {
                    return false;
                }
                let bin = pick.bin;
                put(out, || StockEvent::Shipped { order, picks: one(bin, quantity) });
            }
            _ => return false,
        }
        true
    }

    #[inline]
    fn is_plainly_there(&self, bin: &Bin, order: OrderId, quantity: Quantity) -> bool {
        let Some(definition) = self.definition.as_deref() else { return false };
        let available = bin.counters.free.saturating_sub(definition.safety_level);
        definition.is_plain()
            && self.rare.is_none()
            && quantity > 0
            && quantity <= available.min(QUANTITY_MAX)
            && !self.commitments.contains_key(&order)
    }

    /// Takes an event in if it is plain, and says whether it was.
    #[inline]
    pub(super) fn apply_plainly(&mut self, event: &StockEvent) -> bool {
        match event {
            StockEvent::Held { order, picks, backordered: 0, settled, buyer: None, tentative, context: None } => {
                let [pick] = picks[..] else { return false };
                self.take_plain_hold(*order, pick, *settled, *tentative);
                true
            }
            StockEvent::Settled { order } => {
                self.settle(*order);
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn take_plain_hold(&mut self, order: OrderId, pick: Pick, settled: bool, tentative: bool) {
        let counters = &mut self.bins[pick.bin as usize].counters;
        counters.free = counters.free.checked_sub(pick.quantity).expect("free covers it");
        let (held, allocated) = if settled { (0, pick.quantity) } else { (pick.quantity, 0) };
        counters.held += held;
        counters.allocated += allocated;
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        let picks = smallvec::SmallVec::from_buf([CommittedPick { bin: pick.bin, held, allocated }]);
        let before = self.commitments.insert(order, Commitment { picks, ordinal, buyer: None, tentative });
        assert!(before.is_none(), "an order holds a SKU once");
    }
}

#[inline]
fn one(bin: u16, quantity: Quantity) -> Picks {
    Picks::from_buf([Pick { bin, quantity }])
}

/// An event is made where it stays: one that is pushed is made elsewhere and copied, which costs more than all else here.
#[inline(always)]
fn put(out: &mut Vec<StockEvent>, event: impl FnOnce() -> StockEvent) {
    out.extend(std::iter::once_with(event));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock::{HoldMode, ReleaseReason, decide};
    use crate::{Location, Money, SkuId};

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn order(n: u128) -> OrderId {
        OrderId::new(NOW, n)
    }

    fn hold(n: u128, quantity: Quantity) -> StockCommand {
        StockCommand::Hold {
            order: order(n),
            quantity,
            mode: HoldMode { partial: false, backorder: false },
            settled: false,
            buyer: None,
            tentative: false,
            context: None,
            taking: None,
        }
    }

    fn stock(definition: Definition) -> Stock {
        let mut stock = Stock::new(SkuId::new("MUG").unwrap());
        let (location, quantity) = (Location::main(), 5);
        let receive = StockCommand::Receive { location, lot: None, expires_at: None, quantity, unit_cost: None };
        for command in [StockCommand::Define(Box::new(definition)), receive] {
            run(&mut stock, &command);
        }
        stock
    }

    fn run(stock: &mut Stock, command: &StockCommand) {
        let mut events = Vec::new();
        decide(stock, command, NOW, &mut events).unwrap();
        events.iter().for_each(|event| stock.apply(event));
    }

    fn is_plain(stock: &Stock, command: &StockCommand) -> bool {
        stock.decide_plainly(command, NOW, &mut Vec::new())
    }

    #[test]
    fn what_nearly_all_orders_ask_goes_the_short_way() {
        let price = Money::parse("1.00 EUR").unwrap();
        let mut stock = stock(Definition::new("mug", price));
        let (settle, ship) =
            (StockCommand::Settle { order: order(1) }, StockCommand::Ship { order: order(1), quantity: 2 });
        for command in [hold(1, 2), settle.clone(), ship] {
            assert!(is_plain(&stock, &command), "{command:?}");
            run(&mut stock, &command);
        }
        assert!(!is_plain(&stock, &settle), "nothing is left to settle");
        assert!(!is_plain(&stock, &hold(2, 4)), "a refusal is told at length");
        let reason = ReleaseReason::Cancelled;
        assert!(!is_plain(&stock, &StockCommand::ReleaseAll { order: order(1), reason }));
    }

    #[test]
    fn a_sku_with_a_rule_of_its_own_goes_the_long_way() {
        let price = Money::parse("1.00 EUR").unwrap();
        let limited = Definition { limit_per_customer: Some(9), ..Definition::new("mug", price) };
        assert!(!is_plain(&stock(limited), &hold(1, 1)));
        let paused = Definition { status: SkuStatus::Paused, ..Definition::new("mug", price) };
        assert!(!is_plain(&stock(paused), &hold(1, 1)));
    }
}
