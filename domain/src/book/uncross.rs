//! What a command freed is offered to those who wait, until nothing at rest is crossed that could trade.

use super::config::UnfillableHead;
use super::entry::{NONE, UNMET};
use super::event::BookEvent;
use super::ladder::rank;
use super::state::Book;
use super::take::HouseLeft;
use super::{Key, Side};

impl<K: Key> Book<K> {
    /// Waiting demand takes from supply, in priority order; then supply with an unmet minimum from demand.
    #[inline]
    pub(super) fn uncross(&mut self, house: &mut HouseLeft, events: &mut Vec<BookEvent<K>>) {
        let demand = self.ladders[Side::Demand as usize].best_rank();
        if demand == i64::MIN || self.auction {
            return;
        }
        // A house that does not sell has the lowest rank of all.
        let offered = if house.left > 0 { house.rank } else { i64::MIN };
        if -demand <= self.ladders[Side::Supply as usize].best_rank().max(offered) {
            self.uncross_crossed(house, events);
        }
    }

    #[cold]
    fn uncross_crossed(&mut self, house: &mut HouseLeft, events: &mut Vec<BookEvent<K>>) {
        while let Some(slot) = self.next_to_take(house) {
            let mut taker = self.taker_of(slot);
            self.take(&mut taker, house, events);
            if !taker.ended {
                self.tidy(slot);
            }
        }
    }

    /// Who takes next.
    fn next_to_take(&self, house: &HouseLeft) -> Option<u32> {
        if self.particular == [0, 0] {
            let demand = &self.ladders[Side::Demand as usize];
            if demand.best() == NONE {
                return None;
            }
            let slot = demand.level(demand.best()).head;
            let best = self.ladders[Side::Supply as usize].best_rank();
            let taker = self.taker_of(slot);
            let crossed = best != i64::MIN && best >= taker.limit || house.rank_for(&taker) != i64::MIN;
            return crossed.then_some(slot);
        }
        self.first_able(Side::Demand, house).or_else(|| self.first_able(Side::Supply, house))
    }

    /// The first of a side that can take something now. Of supply only those whose minimum is unmet need to: all
    /// others are found by demand.
    fn first_able(&self, side: Side, house: &HouseLeft) -> Option<u32> {
        let other = side.opposite();
        let offered = if side == Side::Demand && house.left > 0 { house.rank } else { i64::MIN };
        let top = self.ladders[other as usize].best_rank().max(offered);
        let ladder = &self.ladders[side as usize];
        for level in ladder.iter() {
            if top == i64::MIN || rank(other, ladder.price(level)) > top {
                return None;
            }
            let mut slot = ladder.level(level).head;
            while slot != NONE {
                let unmet = self.entry(slot).flags & UNMET != 0;
                if side == Side::Demand || unmet {
                    let probe = self.probe(&self.taker_of(slot), house);
                    if probe.acts && probe.traded >= self.minimum(slot) {
                        return Some(slot);
                    }
                    let blocks = self.config.unfillable_head == UnfillableHead::Block;
                    if blocks && unmet && probe.traded > 0 {
                        return None;
                    }
                }
                slot = self.entry(slot).next;
            }
        }
        None
    }
}
