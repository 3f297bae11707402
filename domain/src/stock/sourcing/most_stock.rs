//! Where most is.

use std::cmp::Reverse;

use super::{Ranking, Shelf, Sourcing};
use crate::Quantity;

/// Draws from the location with most units first, so that locations empty evenly.
#[derive(Debug, Clone, Copy)]
pub struct MostStock;

impl Sourcing for MostStock {
    fn rank(&self, shelves: &[Shelf<'_>], _: Quantity) -> Ranking {
        let mut ranking: Ranking = (0..shelves.len()).collect();
        ranking.sort_by_key(|index| (Reverse(shelves[*index].available), *index));
        ranking
    }
}
