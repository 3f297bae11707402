//! Which units serve a demand: first expired, first out, then the bin that was there first.

use smallvec::SmallVec;

use super::event::{Pick, Picks};
use super::state::Bin;
use crate::{Quantity, Timestamp};

/// What each location may still give: its free units beyond the safety level.
struct Budgets<'a> {
    bins: &'a [Bin],
    /// The first bin of a location stands for it.
    left: SmallVec<[(usize, Quantity); 2]>,
}

impl<'a> Budgets<'a> {
    fn new(bins: &'a [Bin], safety_level: Quantity, now: Timestamp) -> Self {
        let mut left: SmallVec<[(usize, Quantity); 2]> = SmallVec::new();
        for (index, bin) in bins.iter().enumerate() {
            let free = if bin.is_past(now) { 0 } else { bin.counters.free };
            match left.iter_mut().find(|(first, _)| bins[*first].location == bin.location) {
                Some((_, budget)) => *budget += free,
                None => left.push((index, free)),
            }
        }
        left.iter_mut().for_each(|(_, budget)| *budget = budget.saturating_sub(safety_level));
        Self { bins, left }
    }

    fn of(&mut self, bin: usize) -> &mut Quantity {
        let location = &self.bins[bin].location;
        let found = self.left.iter_mut().find(|(first, _)| self.bins[*first].location == *location);
        &mut found.expect("every location has a budget").1
    }
}

/// Units for sale at `now`.
pub(super) fn available(bins: &[Bin], safety_level: Quantity, now: Timestamp) -> Quantity {
    match bins {
        [] => 0,
        [bin] if bin.is_past(now) => 0,
        [bin] => bin.counters.free.saturating_sub(safety_level),
        _ => Budgets::new(bins, safety_level, now).left.iter().map(|(_, budget)| budget).sum(),
    }
}

/// Picks up to `quantity` units.
pub(super) fn pick(bins: &[Bin], safety_level: Quantity, now: Timestamp, quantity: Quantity) -> Picks {
    let mut picks = Picks::new();
    if let [_] = bins {
        let quantity = quantity.min(available(bins, safety_level, now));
        if quantity > 0 {
            picks.push(Pick { bin: 0, quantity });
        }
        return picks;
    }
    let mut order: SmallVec<[usize; 8]> = (0..bins.len()).filter(|index| !bins[*index].is_past(now)).collect();
    order.sort_by_key(|index| (bins[*index].expires_at.unwrap_or(Timestamp(i64::MAX)), *index));
    let mut budgets = Budgets::new(bins, safety_level, now);
    let mut missing = quantity;
    for index in order {
        let budget = budgets.of(index);
        let taken = missing.min(bins[index].counters.free).min(*budget);
        if taken > 0 {
            *budget -= taken;
            missing -= taken;
            picks.push(Pick { bin: index as u16, quantity: taken });
        }
    }
    picks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock::Counters;
    use crate::{Location, Lot};

    fn bin(location: &str, lot: Option<&str>, expires_at: Option<i64>, free: Quantity) -> Bin {
        Bin {
            location: Location::new(location).unwrap(),
            lot: lot.map(|lot| Lot::new(lot).unwrap()),
            expires_at: expires_at.map(Timestamp),
            counters: Counters { free, received: free, ..Counters::default() },
        }
    }

    #[test]
    fn the_lot_that_expires_first_leaves_first_and_an_expired_one_never() {
        let bins = [
            bin("a", None, None, 5),
            bin("a", Some("l2"), Some(90), 5),
            bin("b", Some("l1"), Some(50), 5),
            bin("b", Some("l0"), Some(10), 5),
        ];
        let picks = pick(&bins, 0, Timestamp(10), 12);
        let got: Vec<_> = picks.iter().map(|pick| (pick.bin, pick.quantity)).collect();
        assert_eq!(got, [(2, 5), (1, 5), (0, 2)]);
        assert_eq!(available(&bins, 0, Timestamp(10)), 15);
    }

    #[test]
    fn the_safety_level_stays_in_each_location() {
        let bins = [bin("a", None, None, 5), bin("a", Some("l"), Some(90), 1), bin("b", None, None, 2)];
        assert_eq!(available(&bins, 3, Timestamp(0)), 3);
        let total: Quantity = pick(&bins, 3, Timestamp(0), 100).iter().map(|pick| pick.quantity).sum();
        assert_eq!(total, 3);
    }
}
