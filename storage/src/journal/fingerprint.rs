//! What the footer's index knows an actor or an idempotency key by.

use crate::record::{KIND_ORDER, KIND_PAYMENT, KeyDigest, RecordHead};

/// A hash of what is looked up. Two things may share one: whoever finds a record looks whether it is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint {
    /// What the table is sorted by.
    pub id: u64,
    /// Chooses the block of the Bloom filter.
    pub block: u64,
    /// Chooses the bits in the block.
    pub bits: u64,
}

impl Fingerprint {
    /// Of all records of an actor.
    pub(crate) fn of_actor(kind: u8, key: &[u8]) -> Self {
        Self::of(kind, key)
    }

    /// Of the record that binds an idempotency key.
    pub(crate) fn of_digest(digest: &KeyDigest) -> Self {
        // No actor is of this kind.
        Self::of(u8::MAX, digest)
    }

    fn of(kind: u8, key: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]);
        hasher.update(key);
        let hash = hasher.finalize();
        let part = |place: usize| super::frame::u64_at(hash.as_bytes(), place * 8);
        Self { id: part(0), block: part(1), bits: part(2) }
    }

    /// What a record is to be found by: actors that come and go by their id, and idempotency keys. SKUs, accounts and the
    /// ledger have their last state in snapshots, and so many records that a list of them would be no index.
    pub(crate) fn of_record(head: &RecordHead<'_>) -> impl Iterator<Item = Self> {
        let by_id = matches!(head.kind, KIND_ORDER | KIND_PAYMENT).then(|| Self::of_actor(head.kind, head.key));
        by_id.into_iter().chain(head.digests.iter().map(Self::of_digest))
    }
}
