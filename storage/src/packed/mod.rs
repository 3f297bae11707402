//! The derived store: snapshots of actors and query models as packed sorted runs, on sled or in memory.
//!
//! # What it is
//!
//! A small log-structured merge tree whose unit of storage is not a row but a *block* of many rows, because a key costs
//! sled 6-8 us and its value next to nothing. Rows are written as *runs*: sorted, immutable, chained by hash.
//!
//! ```text
//!  projector                                                                          readers
//!  ---------                                                                          -------
//!  RowBatch --write_run--> RunWriter --blocks--> Blocks (SledBlocks | MemoryBlocks) <--- get, scan
//!                             |                    ^          ^                           |
//!                             v                    |          |                           |
//!                      list of runs (Bloom, sparse index in memory) <---------------------+
//!                             |                    |          |
//!  compact_step ------------> neighbours of a size merged     removed when in neither of the last two manifests
//!  manifest ----------------> sync, then {runs, roots, through} --> journal --> journaled(number)
//!  open_with(manifest) <----- every block proven against the roots, or `Damaged {run, block, flaw}`
//! ```
//!
//! # What it promises
//!
//! - A run is visible to readers as soon as it is written, and durable once a manifest that names it is journaled.
//! - Nothing damaged is ever read as an answer: opening proves every block by hash, reading verifies its checksum and that it
//!   is the very block the run was sealed with.
//! - Of rows with equal keys the newest run's counts; a tombstone hides what is older.
//!
//! # What it is not
//!
//! Not the truth: that is the journal, from which everything here can be made again. It has no transactions, no row that
//! is changed in place and no writer but one.
//!
//! | file | concept |
//! |---|---|
//! | `store` | [`PackedStore`]: reading, writing, opening |
//! | `row_batch`, `range`, `options`, `stats`, `error` | what goes in and comes out |
//! | `manifest` | [`Manifest`], [`RunMeta`]: what the journal keeps of the store |
//! | `run`, `run_writer`, `run_loader` | a run in memory, how it is written, how it is proven |
//! | `block`, `varint`, `bloom` | the bytes of a block, and what spares reading one |
//! | `cursor`, `merged` | going through one run, and through many as one |
//! | `compaction`, `retention` | fewer runs, and the removal of those out of use |
//! | `blocks`, `sled_blocks`, `memory_blocks` | the port below, and what stands behind it |

mod block;
mod blocks;
mod bloom;
mod compaction;
mod cursor;
mod error;
mod manifest;
mod memory_blocks;
mod merged;
mod options;
mod range;
mod retention;
mod row_batch;
mod run;
mod run_loader;
mod run_writer;
mod sled_blocks;
mod stats;
mod store;
pub(crate) mod varint;

use std::fmt;

use minicbor::{Decode, Encode};

pub use blocks::Blocks;
pub use error::{Damaged, Flaw, ManifestError, PackedError, StoreError};
pub use manifest::{Manifest, RunMeta, SpaceThrough};
pub use memory_blocks::{MemoryBlocks, MemoryFault};
pub use options::Options;
pub use range::{Direction, KeyRange};
pub use row_batch::RowBatch;
pub use sled_blocks::{SledBlocks, SledOptions};
pub use stats::{SpaceStats, Stats};
pub use store::{Compaction, PackedStore, Page};

/// The longest key of a row, in bytes.
pub const KEY_BYTES_MAX: usize = 1 << 10;

/// The longest value of a row, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 << 20;

/// A namespace: each query model and each kind of snapshot has its own runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Space(#[n(0)] pub u8);

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "space {}", self.0)
    }
}
