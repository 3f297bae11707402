//! Which units serve a demand: first expired, first out, then the bin that was there first; over all locations, or
//! location by location where the SKU or the order has a sourcing strategy.

use smallvec::SmallVec;

use super::definition::Definition;
use super::event::{Pick, Picks};
use super::sourcing::{self, Distances, HoldContext, SourcingPlan};
use super::state::Bin;
use crate::mistake::{Mistake, made};
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

    /// Puts bins into the order of their locations' ranks; within a location they keep theirs.
    fn by_location(&self, source: &Source<'_>, quantity: Quantity, order: &mut SmallVec<[usize; 8]>) {
        let shelf = |(first, available): &(usize, _)| sourcing::Shelf {
            location: &self.bins[*first].location,
            available: *available,
        };
        let shelves: SmallVec<[_; 8]> = self.left.iter().map(shelf).collect();
        let ranking = sourcing::rank(source.plan, source.context, source.distances, &shelves, quantity);
        let Some(ranking) = ranking else { return };
        let rank = |bin: usize| ranking.iter().position(|at| shelves[*at].location == &self.bins[bin].location);
        order.retain(|bin| rank(*bin).is_some());
        order.sort_by_key(|bin| rank(*bin));
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

/// What decides where units come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    safety_level: Quantity,
    plan: Option<&'a SourcingPlan>,
    context: Option<&'a HoldContext>,
    distances: &'a Distances,
}

impl<'a> Source<'a> {
    pub(super) fn of(definition: &'a Definition, context: Option<&'a HoldContext>, distances: &'a Distances) -> Self {
        Self { safety_level: definition.safety_level, plan: definition.sourcing.as_deref(), context, distances }
    }

    /// Whether it can matter where the buyer is or what his order says.
    pub(super) fn has_strategy(&self) -> bool {
        self.plan.is_some() || self.context.is_some_and(|context| context.sourcing.is_some())
    }
}

/// Picks up to `quantity` units.
pub(super) fn pick(bins: &[Bin], source: &Source<'_>, now: Timestamp, quantity: Quantity) -> Picks {
    let safety_level = source.safety_level;
    let mut picks = Picks::new();
    if let [_] = bins {
        let one_more = Quantity::from(made(Mistake::SellOneMore));
        let quantity = quantity.min(available(bins, safety_level, now) + one_more);
        if quantity > 0 {
            picks.push(Pick { bin: 0, quantity });
        }
        return picks;
    }
    let mut order: SmallVec<[usize; 8]> = (0..bins.len()).filter(|index| !bins[*index].is_past(now)).collect();
    order.sort_by_key(|index| (bins[*index].expires_at.unwrap_or(Timestamp(i64::MAX)), *index));
    let mut budgets = Budgets::new(bins, safety_level, now);
    if source.has_strategy() {
        budgets.by_location(source, quantity, &mut order);
    }
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

    fn source(safety_level: Quantity) -> Source<'static> {
        Source { safety_level, plan: None, context: None, distances: Distances::NONE }
    }

    #[test]
    fn within_a_location_the_lot_that_expires_first_leaves_first_whatever_the_strategy() {
        let bins = [
            bin("a", None, None, 5),
            bin("b", Some("l2"), Some(90), 5),
            bin("b", Some("l1"), Some(50), 3),
            bin("a", Some("l0"), Some(10), 5),
        ];
        let plan = SourcingPlan { strategy: sourcing::SourcingStrategy::MostStock, locations: Vec::new() };
        let source = Source { safety_level: 1, plan: Some(&plan), context: None, distances: Distances::NONE };
        let got: Vec<_> = pick(&bins, &source, Timestamp(10), 9).iter().map(|pick| (pick.bin, pick.quantity)).collect();
        assert_eq!(got, [(2, 3), (1, 4), (0, 2)], "each location keeps its safety level");
    }

    #[test]
    fn the_lot_that_expires_first_leaves_first_and_an_expired_one_never() {
        let bins = [
            bin("a", None, None, 5),
            bin("a", Some("l2"), Some(90), 5),
            bin("b", Some("l1"), Some(50), 5),
            bin("b", Some("l0"), Some(10), 5),
        ];
        let picks = pick(&bins, &source(0), Timestamp(10), 12);
        let got: Vec<_> = picks.iter().map(|pick| (pick.bin, pick.quantity)).collect();
        assert_eq!(got, [(2, 5), (1, 5), (0, 2)]);
        assert_eq!(available(&bins, 0, Timestamp(10)), 15);
    }

    #[test]
    fn the_safety_level_stays_in_each_location() {
        let bins = [bin("a", None, None, 5), bin("a", Some("l"), Some(90), 1), bin("b", None, None, 2)];
        assert_eq!(available(&bins, 3, Timestamp(0)), 3);
        let total: Quantity = pick(&bins, &source(3), Timestamp(0), 100).iter().map(|pick| pick.quantity).sum();
        assert_eq!(total, 3);
    }
}
