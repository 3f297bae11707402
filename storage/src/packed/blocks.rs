//! The port to whatever keeps the blocks: sled on disk, memory in tests and in engines without a disk.

use super::error::StoreError;

/// A flat map from short keys to blocks of a few kibibytes.
///
/// The packed store writes every key once, never overwrites it and removes it when its run is no longer needed; so all
/// it asks of an implementation is that a value read back is whole. Whether it is the right one, it proves for itself.
pub trait Blocks: Send + Sync {
    /// The block under `key`, or `None`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Stores a block. It survives a crash only after [`Blocks::sync`].
    fn put(&self, key: &[u8], block: &[u8]) -> Result<(), StoreError>;

    /// Removes a block; removing what is not there is no error.
    fn remove(&self, key: &[u8]) -> Result<(), StoreError>;

    /// Returns when everything put and removed before is on the disk.
    ///
    /// After one failure every later call fails with [`StoreError::Poisoned`]: a second try would find clean pages.
    fn sync(&self) -> Result<(), StoreError>;

    /// Shows every key once, in ascending order.
    fn scan_keys(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), StoreError>;

    /// The largest block [`Blocks::put`] takes.
    fn block_bytes_max(&self) -> usize;
}
