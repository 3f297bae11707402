//! What can go wrong in the derived store, one variant for each thing a caller can act on.

use std::path::PathBuf;

use super::Space;

/// The place that keeps the blocks could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store could not be opened: move its directory away, the engine rebuilds it from the journal.
    #[error(
        "the derived store at {path} cannot be opened ({why}); remove the directory and it is rebuilt from the journal"
    )]
    Open {
        /// The directory that was to be opened.
        path: PathBuf,
        /// What the store said.
        why: String,
    },
    /// Another process (or a handle not yet dropped) has the store open: stop it and try again.
    #[error("the derived store at {path} is in use; stop the other process and open it again")]
    InUse {
        /// The directory that is locked.
        path: PathBuf,
    },
    /// The store answered with an error, or panicked: nothing written since the last sync may be relied on.
    #[error("the derived store failed ({0}); check the disk, then reopen")]
    Failed(String),
    /// A value is larger than the store keeps inside its log.
    #[error("a value of {bytes} bytes is above the store's limit of {max}; write smaller blocks")]
    ValueTooLarge {
        /// Size of the value.
        bytes: usize,
        /// The largest value that is taken.
        max: usize,
    },
    /// An earlier sync failed; the kernel may have dropped what it could not write, so a retry would lie.
    #[error("an earlier sync of the derived store failed; reopen it from the last journaled manifest")]
    Poisoned,
}

/// One block of a run is not what the run's manifest proves it to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {block} of run {run} in {space} {flaw}; open the previous manifest or rebuild from the journal")]
pub struct Damaged {
    /// The space the run belongs to.
    pub space: Space,
    /// The run's number.
    pub run: u64,
    /// The block's number within the run.
    pub block: u32,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// In which way a block is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The store has no such block.
    #[error("is lost")]
    Lost,
    /// The block's own checksum or shape is wrong.
    #[error("is corrupt")]
    Corrupt,
    /// The block is sound, but another one (or an older one) than the run was sealed with.
    #[error("is stale")]
    Stale,
}

/// Why the derived store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum PackedError {
    /// The place that keeps the blocks failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block is lost, corrupt or stale.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// A manifest contradicts itself; it cannot have been made by this store.
    #[error("the manifest is invalid: {0}; open the previous one or rebuild from the journal")]
    Manifest(#[from] ManifestError),
    /// A key is longer than [`super::KEY_BYTES_MAX`].
    #[error("a key of {bytes} bytes is above the limit of {max}; shorten it")]
    KeyTooLong {
        /// Size of the key.
        bytes: usize,
        /// The longest key that is taken.
        max: usize,
    },
    /// A value is longer than [`super::VALUE_BYTES_MAX`].
    #[error("a value of {bytes} bytes is above the limit of {max}; split it over several rows")]
    ValueTooLong {
        /// Size of the value.
        bytes: usize,
        /// The longest value that is taken.
        max: usize,
    },
    /// Rows that rest on an older sequence than the space already holds would wrongly win over newer ones.
    #[error("rows through {through} come after rows through {held} in {space}; project the journal in order")]
    OutOfOrder {
        /// The space that was written.
        space: Space,
        /// The sequence the refused rows rest on.
        through: u64,
        /// The sequence the space already rests on.
        held: u64,
    },
    /// The options ask for blocks that the store cannot keep, or for a merge of fewer than two runs.
    #[error("the options of the derived store are invalid: {0}")]
    Options(&'static str),
}

/// Why the bytes of a manifest, or what they say, were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Written by a newer version of this program.
    #[error("its format {0} is newer than this program reads; use the version that wrote it")]
    Newer(u32),
    /// Not a manifest.
    #[error("its bytes are malformed")]
    Malformed,
    /// Two runs carry the same number, or a number that was not given out yet.
    #[error("run {0} is listed twice or was never given out")]
    RunNumber(u64),
    /// A run's description contradicts itself: no blocks, no rows, or its first key above its last.
    #[error("the description of run {0} contradicts itself")]
    RunShape(u64),
    /// A run rests on more of the journal than its space.
    #[error("run {0} rests on more of the journal than its space does")]
    Through(u64),
}
