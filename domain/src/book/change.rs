//! Orders that rest are cancelled, reduced, amended; or their time comes.

use super::command::Owner;
use super::config::Context;
use super::entry::UNMET;
use super::event::{BookEvent, EndReason};
use super::ladder::rank;
use super::refusal::BookRefusal;
use super::state::Book;
use super::take::HouseLeft;
use super::{Key, Price, Side};
use crate::{Quantity, Timestamp};

/// The most units an order brings over all its amendments.
const OFFERED_MAX: Quantity = 1 << 60;

impl<K: Key> Book<K> {
    /// The slot of an order of which something stands.
    #[inline]
    fn find_standing(&self, id: K) -> Result<u32, BookRefusal> {
        match self.find(id) {
            Some(slot) if !self.holds_fills() || self.standing(slot) > 0 => Ok(slot),
            _ => Err(BookRefusal::OrderUnknown),
        }
    }

    #[inline]
    pub(super) fn cancel(&mut self, id: K, events: &mut Vec<BookEvent<K>>) -> Result<(), BookRefusal> {
        let slot = self.find_standing(id)?;
        self.end_telling(slot, EndReason::Cancelled, events);
        Ok(())
    }

    pub(super) fn reduce_by(&mut self, id: K, by: Quantity, events: &mut Vec<BookEvent<K>>) -> Result<(), BookRefusal> {
        let slot = self.find_standing(id)?;
        self.check_quantity(by)?;
        let limit = self.standing(slot);
        if by > limit {
            return Err(BookRefusal::QuantityTooLarge { limit });
        }
        if by == limit {
            self.end_telling(slot, EndReason::Cancelled, events);
            return Ok(());
        }
        events.push(BookEvent::Reduced { id, quantity: by, reason: EndReason::Cancelled });
        self.reduce(slot, by);
        self.tidy(slot);
        Ok(())
    }

    pub(super) fn amend_to(
        &mut self,
        (id, price, quantity): (K, Option<Price>, Option<Quantity>),
        house: &mut HouseLeft,
        events: &mut Vec<BookEvent<K>>,
    ) -> Result<(), BookRefusal> {
        let slot = self.find_standing(id)?;
        if let Some(quantity) = quantity {
            self.check_quantity(quantity)?;
        }
        if let Some(price) = price {
            self.check_price(price)?;
        }
        if price.is_none() && quantity.is_none() {
            return Err(BookRefusal::TermsInvalid { why: "an amendment names a price or a quantity" });
        }
        let before = self.total(slot);
        let (old_price, side) = (self.entry(slot).price, self.entry(slot).side);
        let (price, quantity) = (price.unwrap_or(old_price), quantity.unwrap_or(before));
        if price == old_price && quantity <= before {
            if quantity < before {
                let reason = EndReason::Cancelled;
                events.push(BookEvent::Reduced { id, quantity: before - quantity, reason });
                self.reduce(slot, before - quantity);
            }
            return Ok(());
        }
        // What an order ever brought is counted, so that it cannot grow for ever.
        let limit = OFFERED_MAX.saturating_sub(self.account(slot).offered);
        if quantity.saturating_sub(before) > limit {
            return Err(BookRefusal::QuantityTooLarge { limit });
        }
        let mut taker = self.taker_of(slot);
        taker.limit = rank(side.opposite(), price);
        taker.remaining = quantity;
        let blocked = self.is_behind_blocked(side, rank(side, price), slot, house);
        let unmet = self.entry(slot).flags & UNMET != 0;
        let minimum = if unmet { self.terms(slot).minimum.min(quantity) } else { 0 };
        let mut waits = self.auction || blocked;
        if !waits && (minimum > 1 || self.terms(slot).post_only) {
            let probe = self.probe(&taker, house);
            if self.terms(slot).post_only && probe.acts {
                return Err(BookRefusal::WouldTrade);
            }
            waits = probe.traded < minimum;
        }
        let ordinal = self.ordinal_last + 1;
        events.push(BookEvent::Amended { id, price, quantity, ordinal });
        self.amend(slot, price, quantity, ordinal);
        if !waits && quantity > 0 {
            self.take(&mut taker, house, events);
        }
        if !taker.ended {
            self.tidy(slot);
        }
        Ok(())
    }

    pub(super) fn cancel_all(&mut self, owner: Option<Owner>, side: Option<Side>, events: &mut Vec<BookEvent<K>>) {
        let slots: Vec<u32> = match owner {
            Some(owner) if owner != Owner::NOBODY => self.owners.of(owner).collect(),
            _ => (0..self.entries.len() as u32).filter(|&slot| self.lives(slot)).collect(),
        };
        let mut found: Vec<_> = slots
            .into_iter()
            .filter(|&slot| self.standing(slot) > 0)
            .map(|slot| (slot, self.entry(slot)))
            .filter(|(_, entry)| owner.is_none_or(|owner| entry.owner == owner))
            .filter(|(_, entry)| side.is_none_or(|side| entry.side == side))
            .map(|(slot, entry)| ((entry.side, -rank(entry.side, entry.price), entry.ordinal), slot))
            .collect();
        found.sort_unstable();
        for (_, slot) in found {
            self.end_telling(slot, EndReason::Cancelled, events);
        }
    }

    /// True if the slot is in use.
    pub(super) fn lives(&self, slot: u32) -> bool {
        self.find(self.entry(slot).id) == Some(slot)
    }

    pub(super) fn expire(&mut self, context: &Context, events: &mut Vec<BookEvent<K>>) {
        while let Some(&(_, id)) = self.due.first().filter(|(time, _)| *time <= context.now)
            && let Some(slot) = self.find(id)
        {
            self.end_telling(slot, EndReason::Expired, events);
        }
    }

    /// When the next order expires.
    pub(super) fn due_first(&self) -> Option<Timestamp> {
        self.due.first().map(|(time, _)| *time)
    }
}
