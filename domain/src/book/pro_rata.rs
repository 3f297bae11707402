//! All orders at one price share a taker in proportion to their open units.

use super::Key;
use super::command::SelfTrade;
use super::entry::NONE;
use super::event::BookEvent;
use super::state::Book;
use super::take::{Taker, Walk};
use crate::Quantity;

/// Memory for sharing a level out, empty of meaning between commands.
#[derive(Debug, Clone, Default)]
pub(super) struct Sharing {
    /// Makers and what each has open.
    line: Vec<(u32, Quantity)>,
    /// Makers of the taker's own owner.
    own: Vec<u32>,
    /// What each of the line gets.
    pub shares: Vec<Quantity>,
    /// What each of the line is short of its exact share, and its place in it.
    remainders: Vec<(u128, usize)>,
}

/// Shares `units` among makers by their open units, in whole lots; lots left over go one each to the largest
/// remainders, the older first among equals. If anybody has part of a lot, a lot is one unit.
pub(super) fn share(units: Quantity, lot: Quantity, makers: &[(u32, Quantity)], sharing: &mut Sharing) {
    let Sharing { shares, remainders, .. } = sharing;
    shares.clear();
    remainders.clear();
    let open: u128 = makers.iter().map(|maker| u128::from(maker.1)).sum();
    if u128::from(units) >= open {
        shares.extend(makers.iter().map(|maker| maker.1));
        return;
    }
    let whole = lot == 1 || units.is_multiple_of(lot) && makers.iter().all(|maker| maker.1.is_multiple_of(lot));
    let lot = if whole { lot } else { 1 };
    let (wanted, lots) = (u128::from(units / lot), open / u128::from(lot));
    let mut left = wanted;
    for (at, maker) in makers.iter().enumerate() {
        let exact = wanted * u128::from(maker.1 / lot);
        // A share is below the maker's own open units, so it fits.
        shares.push((exact / lots) as Quantity * lot);
        left -= exact / lots;
        remainders.push((exact % lots, at));
    }
    // No two are equal, so this order is as stable as it needs to be, and takes no memory.
    remainders.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for &(_, at) in remainders.iter().take(left as usize) {
        shares[at] += lot;
    }
}

impl<K: Key> Book<K> {
    /// One level; as often as icebergs show a new slice.
    pub(super) fn share_level(&mut self, taker: &mut Taker<K>, level: u32, events: &mut Vec<BookEvent<K>>) -> Walk {
        let mut sharing = std::mem::take(&mut self.sharing);
        let walk = self.share_level_in(&mut sharing, taker, level, events);
        self.sharing = sharing;
        walk
    }

    fn share_level_in(
        &mut self,
        sharing: &mut Sharing,
        taker: &mut Taker<K>,
        level: u32,
        events: &mut Vec<BookEvent<K>>,
    ) -> Walk {
        let side = taker.side.opposite() as usize;
        let mut ends_taker = false;
        let mut slot = self.ladders[side].level(level).head;
        let level_rank = self.ladders[side].level(level).rank;
        sharing.own.clear();
        while slot != NONE {
            if self.compatible(taker, slot) && self.is_own(taker, slot) {
                sharing.own.push(slot);
            }
            slot = self.entry(slot).next;
        }
        for &slot in &sharing.own {
            match taker.self_trade {
                SelfTrade::Allow => {}
                SelfTrade::CancelNewest => ends_taker = true,
                SelfTrade::CancelBoth => {
                    ends_taker = true;
                    self.end_telling(slot, super::EndReason::SelfTrade, events);
                }
                SelfTrade::CancelOldest | SelfTrade::Decrement => {
                    if self.avoid(taker, slot, events) == Walk::Stop {
                        return Walk::Stop;
                    }
                }
            }
        }
        let mut line = std::mem::take(&mut sharing.line);
        while taker.remaining > 0 {
            self.line_up(taker, level_rank, &mut line);
            if line.is_empty() {
                break;
            }
            share(taker.remaining, self.config.lot, &line, sharing);
            for (&(slot, _), &quantity) in line.iter().zip(&sharing.shares).filter(|(_, quantity)| **quantity > 0) {
                self.fill(taker, slot, quantity, events);
            }
        }
        sharing.line = line;
        if ends_taker && taker.remaining > 0 {
            self.end_taker(taker, events);
        }
        if ends_taker { Walk::Stop } else { Walk::On }
    }

    /// The makers at a rank that the taker may trade with, oldest first.
    fn line_up(&self, taker: &Taker<K>, level_rank: i64, line: &mut Vec<(u32, Quantity)>) {
        line.clear();
        let ladder = &self.ladders[taker.side.opposite() as usize];
        let Some(level) = ladder.next_worse(level_rank + 1).filter(|&level| ladder.level(level).rank == level_rank)
        else {
            return;
        };
        let mut slot = ladder.level(level).head;
        while slot != NONE {
            if self.compatible(taker, slot) && !self.is_own(taker, slot) {
                line.push((slot, self.entry(slot).open));
            }
            slot = self.entry(slot).next;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Sharing, share};

    fn shared(units: u64, lot: u64, opens: &[u64]) -> Vec<u64> {
        let makers: Vec<_> = opens.iter().map(|&open| (0, open)).collect();
        let mut sharing = Sharing::default();
        share(units, lot, &makers, &mut sharing);
        sharing.shares
    }

    #[test]
    fn units_left_over_go_to_the_largest_remainders_and_among_equals_to_the_older() {
        for (units, lot, opens, wanted) in [
            (5, 1, &[6, 3, 1][..], &[3, 2, 0][..]),
            (4, 1, &[5, 5, 5], &[2, 1, 1]),
            (10, 10, &[50, 50], &[10, 0]),
            (30, 10, &[50, 30], &[20, 10]),
            (99, 1, &[5, 5], &[5, 5]),
            (1, 1, &[1 << 53, 1 << 53], &[1, 0]),
        ] {
            assert_eq!(shared(units, lot, opens), wanted, "{units} over {opens:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_sum_exactly_and_nobody_gets_more_than_one_lot_beside_the_exact_share(
            lot in 1_u64..4, opens in proptest::collection::vec(1_u64..1000, 1..12), units in 1_u64..4000,
        ) {
            let opens: Vec<_> = opens.iter().map(|open| open * lot).collect();
            let (units, total) = (units * lot, opens.iter().sum::<u64>());
            let shares = shared(units, lot, &opens);
            prop_assert_eq!(shares.iter().sum::<u64>(), units.min(total));
            for (share, open) in shares.iter().zip(&opens) {
                prop_assert!(share <= open && share % lot == 0);
                let exact = units.min(total) as f64 * *open as f64 / total as f64;
                prop_assert!((*share as f64 - exact).abs() < lot as f64 + 1e-6);
            }
        }
    }
}
