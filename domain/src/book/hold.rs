//! Held fills are settled or released, in whole or in parts.

use super::entry::NONE;
use super::event::{BookEvent, FillId, Maker};
use super::place::check_units;
use super::refusal::BookRefusal;
use super::state::{Book, Hold};
use super::take::HouseLeft;
use super::{Key, Side};
use crate::Quantity;

impl<K: Key> Book<K> {
    fn find_hold(&self, fill: FillId, quantity: Quantity) -> Result<Hold<K>, BookRefusal> {
        let hold = *self.holds.get(&fill.0).ok_or(BookRefusal::FillUnknown)?;
        check_units(quantity)?;
        if quantity > hold.held {
            return Err(BookRefusal::QuantityTooLarge { limit: hold.held });
        }
        Ok(hold)
    }

    pub(super) fn settle(
        &mut self,
        fill: FillId,
        quantity: Quantity,
        events: &mut Vec<BookEvent<K>>,
    ) -> Result<(), BookRefusal> {
        self.find_hold(fill, quantity)?;
        events.push(BookEvent::Settled { fill, quantity });
        self.settled(fill, quantity);
        Ok(())
    }

    pub(super) fn release(
        &mut self,
        (fill, quantity, returns): (FillId, Quantity, Side),
        house: &mut HouseLeft,
        events: &mut Vec<BookEvent<K>>,
    ) -> Result<(), BookRefusal> {
        let hold = self.find_hold(fill, quantity)?;
        let reopened = self.released(fill, quantity, returns);
        events.push(BookEvent::Released { fill, quantity, returns, reopened });
        if returns == Side::Supply && hold.supply == Maker::House {
            house.regain(quantity);
        }
        Ok(())
    }

    /// Lowers what a fill holds; forgets it when nothing is left.
    fn lower_hold(&mut self, fill: FillId, quantity: Quantity) -> [u32; 2] {
        let Some(hold) = self.holds.get_mut(&fill.0) else { return [NONE; 2] };
        hold.held -= quantity;
        let slots = hold.slots;
        if hold.held == 0 {
            self.holds.remove(&fill.0);
        }
        slots
    }

    /// Held units of both sides are sold.
    pub(super) fn settled(&mut self, fill: FillId, quantity: Quantity) {
        for slot in self.lower_hold(fill, quantity).into_iter().filter(|&slot| slot != NONE) {
            let account = &mut self.accounts[slot as usize];
            account.held -= quantity;
            account.sold += quantity;
            account.owed = account.owed.min(account.held);
            self.tidy(slot);
        }
    }

    /// Held units of one side go back to their order, those of the other are withdrawn. Returns how many are open
    /// again.
    pub(super) fn released(&mut self, fill: FillId, quantity: Quantity, returns: Side) -> Quantity {
        let house = self.holds.get(&fill.0).is_some_and(|hold| hold.supply == Maker::House);
        let mut reopened = if house && returns == Side::Supply { quantity } else { 0 };
        let slots = self.lower_hold(fill, quantity);
        for side in [Side::Supply, Side::Demand] {
            let slot = slots[side as usize];
            if slot == NONE {
                continue;
            }
            let account = &mut self.accounts[slot as usize];
            account.held -= quantity;
            let owed = account.owed.min(quantity);
            account.owed -= owed;
            let back = if side == returns { quantity - owed } else { 0 };
            account.withdrawn += quantity - back;
            if back > 0 {
                self.reopen(slot, back);
                reopened = back;
            }
            self.tidy(slot);
        }
        reopened
    }

    /// Units come back to an order, at its price and ordinal; behind the slice that an iceberg shows.
    fn reopen(&mut self, slot: u32, quantity: Quantity) {
        if self.entry(slot).open > 0
            && let Some(cold) = self.cold.get_mut(&slot)
            && cold.terms.displayed.is_some()
        {
            cold.reserve += quantity;
        } else {
            self.show(slot, self.entry(slot).open + quantity);
        }
    }
}
