//! What a partition reads of the past: snapshots of actors that left memory, and old records.

use stockade_domain::entity::EntityKind;

/// The past could not be read; the actor cannot be loaded now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the past of {what}: {why}")]
pub struct ShelfError {
    /// Of what.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// Reads snapshots and records. Calls may read the disk.
pub trait Shelf: Send + Sync {
    /// The last snapshot of an actor; none is no answer about its existence.
    fn snapshot(&self, kind: EntityKind, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError>;

    /// Whether the journal knows an order with this id; for ids that memory does not know.
    fn knows_order(&self, id: [u8; 16]) -> Result<bool, ShelfError>;

    /// Shows every durable record from this sequence on, with its sequence, until there are no more.
    fn records_from(&self, seq: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), ShelfError>;

    /// Waits until everything appended so far is durable.
    fn settle(&self) -> Result<(), ShelfError>;
}

/// A shelf with nothing on it.
#[derive(Debug, Default, Clone, Copy)]
pub struct EmptyShelf;

impl Shelf for EmptyShelf {
    fn snapshot(&self, _: EntityKind, _: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(None)
    }

    fn knows_order(&self, _: [u8; 16]) -> Result<bool, ShelfError> {
        Ok(false)
    }

    fn records_from(&self, _: u64, _: &mut dyn FnMut(u64, &[u8])) -> Result<(), ShelfError> {
        Ok(())
    }

    fn settle(&self) -> Result<(), ShelfError> {
        Ok(())
    }
}
