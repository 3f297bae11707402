//! How far each location is from each region: configuration, handed to decisions as data.

use std::collections::BTreeMap;

use crate::Location;
use crate::name::Region;

/// A table of distances, in any unit as long as it is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distances(BTreeMap<Region, BTreeMap<Location, u32>>);

impl Distances {
    /// The table of those who have none.
    pub const NONE: &'static Self = &Self(BTreeMap::new());

    /// Adds a distance.
    pub fn set(&mut self, region: Region, location: Location, distance: u32) {
        self.0.entry(region).or_default().insert(location, distance);
    }

    /// How far it is; an unknown way is the farthest of all.
    pub fn between(&self, region: &Region, location: &Location) -> u32 {
        self.0.get(region).and_then(|row| row.get(location)).copied().unwrap_or(u32::MAX)
    }
}
