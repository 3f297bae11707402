//! What is freed is offered at once to those who wait, until nothing more can trade.

use stockade_domain::book::{BookEvent, House, Key, Side, UnfillableHead};

use super::state::NaiveBook;

impl<K: Key> NaiveBook<K> {
    /// Waiting demand takes from supply, in priority order; then supply with an unmet minimum from demand. After
    /// each execution the search begins anew.
    pub(super) fn come_to_rest(&mut self, house: &mut Option<House>, events: &mut Vec<BookEvent<K>>) {
        while !self.in_auction
            && (self.one_takes(Side::Demand, house, events) || self.one_takes(Side::Supply, house, events))
        {}
    }

    /// The first one in line that can take does.
    fn one_takes(&mut self, side: Side, house: &mut Option<House>, events: &mut Vec<BookEvent<K>>) -> bool {
        for order in self.queue(side) {
            if side == Side::Supply && !order.has_unmet_minimum() {
                continue;
            }
            let mut taker = self.as_taker(&order);
            let (walked, _) = self.try_walk(&taker, *house);
            if walked.taken >= taker.least || !taker.has_wish && walked.was_prevented {
                self.walk(&mut taker, house, events);
                return true;
            }
            if walked.taken > 0 && self.config.unfillable_head == UnfillableHead::Block {
                return false;
            }
        }
        false
    }
}
