//! From which locations a demand is served. Within a location the lot that expires first leaves first.
//!
//! A strategy only ranks locations; how much each may give is settled before. Locations come in the order in which
//! the SKU first had stock there, and whatever a strategy cannot tell apart keeps that order, so that equal histories
//! give equal answers.

mod distances;
mod fewest_parcels;
mod most_stock;
mod nearest;
mod priority;

use minicbor::{Decode, Encode};
use smallvec::SmallVec;

pub use self::distances::Distances;
pub use self::fewest_parcels::FewestParcels;
pub use self::most_stock::MostStock;
pub use self::nearest::Nearest;
pub use self::priority::Priority;
use crate::name::Region;
use crate::{Location, Quantity};

/// What one location can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelf<'a> {
    /// Which.
    pub location: &'a Location,
    /// Units for sale there.
    pub available: Quantity,
}

/// Locations as indices into the shelves, the first to be drawn from first.
pub type Ranking = SmallVec<[usize; 8]>;

/// Ranks locations for a demand. Must be a function of its arguments alone.
pub trait Sourcing {
    /// The order in which shelves are drawn from for `wanted` units. A shelf that is left out gives nothing.
    fn rank(&self, shelves: &[Shelf<'_>], wanted: Quantity) -> Ranking;
}

/// The strategies that a definition or an order can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum SourcingStrategy {
    /// The declared order of locations.
    #[n(0)]
    Priority,
    /// Where most is, so that locations empty evenly.
    #[n(1)]
    MostStock,
    /// From as few locations as possible.
    #[n(2)]
    FewestParcels,
    /// By the distance to the buyer's region.
    #[n(3)]
    Nearest,
}

impl SourcingStrategy {
    /// Every strategy with its public name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Priority, "priority"),
        (Self::MostStock, "most_stock"),
        (Self::FewestParcels, "fewest_parcels"),
        (Self::Nearest, "nearest"),
    ];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// How a SKU is sourced.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SourcingPlan {
    /// The strategy, unless the order names another.
    #[n(0)]
    pub strategy: SourcingStrategy,
    /// The declared order of locations; those that are not in it come last.
    #[n(1)]
    pub locations: Vec<Location>,
}

/// What an order says about where its goods should come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct HoldContext {
    /// Where the buyer is.
    #[n(0)]
    pub region: Option<Region>,
    /// In place of the SKU's own strategy.
    #[n(1)]
    pub sourcing: Option<SourcingStrategy>,
}

/// Ranks shelves for a demand; none when neither the SKU nor the order has a strategy.
pub(super) fn rank(
    plan: Option<&SourcingPlan>,
    context: Option<&HoldContext>,
    distances: &Distances,
    shelves: &[Shelf<'_>],
    wanted: Quantity,
) -> Option<Ranking> {
    let strategy = context.and_then(|context| context.sourcing).or_else(|| plan.map(|plan| plan.strategy))?;
    let locations = plan.map_or(&[][..], |plan| &plan.locations);
    let region = context.and_then(|context| context.region.as_ref());
    let sourcing: &dyn Sourcing = match strategy {
        SourcingStrategy::Priority => &Priority { locations },
        SourcingStrategy::MostStock => &MostStock,
        SourcingStrategy::FewestParcels => &FewestParcels,
        SourcingStrategy::Nearest => &Nearest { region, distances },
    };
    Some(sourcing.rank(shelves, wanted))
}

#[cfg(test)]
mod tests;
