//! From as few locations as possible.

use super::{MostStock, Ranking, Shelf, Sourcing};
use crate::Quantity;

/// Draws from the fewest locations. The fullest ones give all they have; the last parcel comes from the location that
/// just covers the rest, so that large stocks stay whole for large orders.
#[derive(Debug, Clone, Copy)]
pub struct FewestParcels;

impl Sourcing for FewestParcels {
    fn rank(&self, shelves: &[Shelf<'_>], wanted: Quantity) -> Ranking {
        // The fullest first reach any quantity in the fewest steps; only the last of them can be another.
        let mut ranking = MostStock.rank(shelves, wanted);
        let mut missing = wanted;
        let Some(last) = ranking.iter().position(|index| {
            let covers = shelves[*index].available >= missing;
            missing -= if covers { 0 } else { shelves[*index].available };
            covers
        }) else {
            return ranking;
        };
        let covering = ranking.iter().enumerate().skip(last).filter(|(_, index)| shelves[**index].available >= missing);
        let (at, _) = covering.min_by_key(|(_, index)| (shelves[**index].available, **index)).expect("one covers it");
        ranking[last..=at].rotate_right(1);
        ranking
    }
}
