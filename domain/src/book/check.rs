//! The book's self-check: every identity, from scratch.

use rustc_hash::FxHashMap;

use super::command::Owner;
use super::entry::{NONE, PARTICULAR, TERMS};
use super::event::Maker;
use super::state::Book;
use super::{Key, Side};

impl<K: Key> Book<K> {
    /// Panics, naming what is wrong, unless every identity holds.
    pub(super) fn check_all(&self) {
        let mut linked = 0;
        for side in [Side::Supply, Side::Demand] {
            linked += self.check_side(side);
        }
        let live: Vec<_> = (0..self.entries.len() as u32).filter(|&slot| self.lives(slot)).collect();
        assert_eq!(live.len() + self.vacant.len(), self.entries.len(), "no slot is lost");
        assert_eq!(live.len(), self.index.len(), "the index knows the orders and nobody else");
        assert_eq!(live.iter().filter(|&&slot| self.entry(slot).open > 0).count(), linked, "who is open is in line");
        self.check_owners(&live);
        let due = live.iter().filter(|&&slot| self.terms(slot).expires_at.is_some() && self.standing(slot) > 0);
        assert_eq!(due.count(), self.due.len(), "who expires is due");
        let cold = live.iter().filter(|&&slot| self.entry(slot).flags & TERMS != 0).count();
        assert_eq!(cold, self.cold.len(), "who has terms has them written down");
        self.check_accounts(&live);
        if !self.auction && self.particular == [0, 0] {
            let (bid, offer) = (self.ladders[1].best_rank(), self.ladders[0].best_rank());
            assert!(bid == i64::MIN || offer == i64::MIN || bid < -offer, "a book at rest is not crossed");
        }
    }

    fn check_side(&self, side: Side) -> usize {
        let ladder = &self.ladders[side as usize];
        ladder.check();
        let (mut linked, mut particular) = (0, 0);
        for level in ladder.iter() {
            let (mut quantity, mut orders, mut before) = (0, 0, NONE);
            let mut slot = ladder.level(level).head;
            while slot != NONE {
                let entry = self.entry(slot);
                assert!(entry.open > 0, "who stands in line is open");
                assert_eq!((entry.side, entry.level, entry.prev), (side, level, before), "a line is chained both ways");
                assert_eq!(entry.price, ladder.price(level), "who stands at a level has its price");
                assert!(before == NONE || self.entry(before).ordinal < entry.ordinal, "a line is in order of time");
                assert!(entry.ordinal <= self.ordinal_last, "no ordinal comes from the future");
                quantity += u128::from(entry.open);
                orders += 1;
                particular += u32::from(entry.flags & PARTICULAR != 0);
                (before, slot) = (slot, entry.next);
            }
            let known = ladder.level(level);
            assert_eq!((known.quantity, known.orders, known.tail), (quantity, orders, before), "a level is its orders");
            assert!(orders > 0, "no level is empty");
            linked += orders as usize;
        }
        assert_eq!(particular, self.particular[side as usize], "who cannot trade with everybody is counted");
        linked
    }

    fn check_owners(&self, live: &[u32]) {
        let mut orders: FxHashMap<Owner, usize> = FxHashMap::default();
        for owner in live.iter().map(|&slot| self.entry(slot).owner).filter(|owner| *owner != Owner::NOBODY) {
            *orders.entry(owner).or_default() += 1;
        }
        assert_eq!(orders.len(), self.owners.len(), "an owner without an order is forgotten");
        for (owner, orders) in orders {
            assert_eq!(self.owners.of(owner).count(), orders, "{owner:?} has its orders");
            assert!(self.owners.of(owner).all(|slot| self.entry(slot).owner == owner), "and nobody else's");
        }
    }

    fn check_accounts(&self, live: &[u32]) {
        if !self.holds_fills() {
            assert!(self.holds.is_empty() && self.accounts.is_empty(), "a bare exchange holds nothing");
            assert!(live.iter().all(|&slot| self.total(slot) > 0), "nothing is left of who is gone");
            return;
        }
        let mut held = vec![0; self.entries.len()];
        for (fill, hold) in &self.holds {
            assert!(hold.held > 0 && *fill <= self.fill_last, "a fill that is known holds something");
            for (side, slot) in hold.slots.into_iter().enumerate().filter(|(_, slot)| *slot != NONE) {
                held[slot as usize] += hold.held;
                let party = if side == 0 { hold.supply } else { Maker::Order(hold.demand) };
                assert_eq!(party, Maker::Order(self.entry(slot).id), "a fill knows its parties");
            }
        }
        for &slot in live {
            let (account, total) = (self.account(slot), self.total(slot));
            let sum = total + account.held + account.sold + account.withdrawn;
            assert_eq!(account.offered, sum, "offered = open + held + sold + withdrawn of {:?}", self.entry(slot).id);
            assert_eq!(account.held, held[slot as usize], "who is held is held by fills");
            assert!(account.owed <= account.held, "only held units can be owed");
            assert!(total + account.held > 0, "nothing is left of who is gone");
        }
    }
}
