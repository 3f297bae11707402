//! What the packed store holds, for metrics and for the bound on the projector's lag.

use super::Space;

/// One space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceStats {
    /// The space.
    pub space: Space,
    /// Runs a read may have to look into.
    pub runs: usize,
    /// Rows of all runs, overwritten ones and tombstones included.
    pub rows: u64,
    /// Blocks of all runs.
    pub blocks: u64,
    /// Bytes of all blocks.
    pub bytes: u64,
    /// Bytes of memory for indexes and Bloom filters.
    pub memory_bytes: u64,
    /// How far the space has followed the journal.
    pub through: u64,
}

/// The whole store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Each space, ascending.
    pub spaces: Vec<SpaceStats>,
    /// Merges under way.
    pub merges: usize,
    /// Runs out of use that are not yet removed.
    pub runs_leaving: usize,
}
