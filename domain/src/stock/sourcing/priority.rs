//! The declared order of locations.

use super::{Ranking, Shelf, Sourcing};
use crate::{Location, Quantity};

/// Draws from the named locations in turn, then from the others.
#[derive(Debug, Clone, Copy)]
pub struct Priority<'a> {
    /// The declared order.
    pub locations: &'a [Location],
}

impl Sourcing for Priority<'_> {
    fn rank(&self, shelves: &[Shelf<'_>], _: Quantity) -> Ranking {
        let place = |shelf: &Shelf<'_>| {
            self.locations.iter().position(|location| location == shelf.location).unwrap_or(usize::MAX)
        };
        let mut ranking: Ranking = (0..shelves.len()).collect();
        ranking.sort_by_key(|index| (place(&shelves[*index]), *index));
        ranking
    }
}
