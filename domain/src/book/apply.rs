//! Events of the journal rebuild the book.

use super::entry::NONE;
use super::event::{BookEvent, FillId, Maker};
use super::state::{Book, Hold};
use super::{Key, Price, Side};
use crate::Quantity;

impl<K: Key> Book<K> {
    pub(super) fn apply_event(&mut self, event: &BookEvent<K>) {
        self.sequence += 1;
        match *event {
            BookEvent::Placed { id, owner, side, price, quantity, ordinal, ref terms } => {
                let slot = self.insert(id, owner, side, price, quantity, ordinal, (terms, terms.flags()));
                self.tidy(slot);
            }
            BookEvent::Filled { fill, maker, taker, side, price, quantity } => {
                self.apply_fill(fill, maker, (taker, side), price, quantity);
            }
            BookEvent::Ended { id, .. } => {
                // An immediate order has no entry that could end.
                if let Some(slot) = self.find(id) {
                    self.end(slot);
                }
            }
            BookEvent::Reduced { id, quantity, .. } => {
                if let Some(slot) = self.find(id) {
                    self.reduce(slot, quantity);
                    self.tidy(slot);
                }
            }
            BookEvent::Amended { id, price, quantity, ordinal } => {
                if let Some(slot) = self.find(id) {
                    self.amend(slot, price, quantity, ordinal);
                    self.tidy(slot);
                }
            }
            BookEvent::Refreshed { id, ordinal, .. } => {
                if let Some(slot) = self.find(id) {
                    self.refresh(slot, ordinal);
                }
            }
            BookEvent::Settled { fill, quantity } => self.settled(fill, quantity),
            BookEvent::Released { fill, quantity, returns, .. } => {
                self.released(fill, quantity, returns);
            }
            BookEvent::BandSet { band } => self.config.band = band,
            BookEvent::AuctionOpened => self.auction = true,
            BookEvent::Uncrossed { .. } => self.auction = false,
        }
    }

    fn apply_fill(
        &mut self,
        fill: FillId,
        maker: Maker<K>,
        (taker, side): (K, Side),
        price: Price,
        quantity: Quantity,
    ) {
        self.fill_last = fill.0;
        let making = match maker {
            Maker::House => NONE,
            Maker::Order(id) => self.find(id).unwrap_or(NONE),
        };
        let taking = self.find(taker).unwrap_or(NONE);
        if making != NONE {
            self.fill_maker(making, quantity);
        }
        if taking != NONE {
            self.fill_taker(taking, quantity);
        }
        if self.holds_fills() {
            match maker {
                Maker::Order(_) if making != NONE => self.hold(fill, making, (taker, side, taking), price, quantity),
                _ => {
                    let slots = [NONE, taking];
                    self.remember(fill, Hold { supply: maker, demand: taker, price, held: quantity, slots });
                }
            }
        }
        for slot in [making, taking].into_iter().filter(|&slot| slot != NONE) {
            self.tidy(slot);
        }
    }
}
