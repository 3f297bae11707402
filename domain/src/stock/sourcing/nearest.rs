//! By the distance to the buyer.

use super::{Distances, Ranking, Shelf, Sourcing};
use crate::Quantity;
use crate::name::Region;

/// Draws from the nearest location first; without a region, or where no distance is known, in the order of the shelves.
#[derive(Debug, Clone, Copy)]
pub struct Nearest<'a> {
    /// Where the buyer is.
    pub region: Option<&'a Region>,
    /// How far it is from there.
    pub distances: &'a Distances,
}

impl Sourcing for Nearest<'_> {
    fn rank(&self, shelves: &[Shelf<'_>], _: Quantity) -> Ranking {
        let mut ranking: Ranking = (0..shelves.len()).collect();
        if let Some(region) = self.region {
            ranking.sort_by_key(|index| (self.distances.between(region, shelves[*index].location), *index));
        }
        ranking
    }
}
