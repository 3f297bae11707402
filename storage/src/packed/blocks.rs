//! The port to whatever keeps the blocks: sled on disk, memory in tests and in engines without a disk.

use super::error::StoreError;

/// Run numbers stay below this, so that counting them up can never overflow.
pub(crate) const RUN_NUMBER_END: u64 = 1 << 63;

/// Keeps the blocks of runs: values of a few kibibytes under the numbers of their run and of the block in it.
///
/// The packed store puts each block once, in order, and drops a run as a whole when it is no longer needed. All it asks of
/// an implementation is that a value read back is whole; whether it is the right one, it proves for itself.
pub trait Blocks: Send + Sync {
    /// Makes room for a run of about so many blocks; comes before its first `put`.
    fn start_run(&self, run: u64, blocks_expected: u32) -> Result<(), StoreError>;

    /// Stores a block. It survives a crash only after [`Blocks::sync`].
    fn put(&self, run: u64, block: u32, bytes: &[u8]) -> Result<(), StoreError>;

    /// The bytes of a block, or `None`.
    fn get(&self, run: u64, block: u32) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes all blocks of a run; dropping what is not there is no error.
    fn drop_run(&self, run: u64) -> Result<(), StoreError>;

    /// The numbers of all runs that have been started and not dropped, ascending.
    fn runs(&self) -> Vec<u64>;

    /// Returns when everything put and dropped before is on the disk.
    ///
    /// After one failure every later call fails with [`StoreError::Poisoned`]: a second try would find clean pages.
    fn sync(&self) -> Result<(), StoreError>;

    /// The largest block [`Blocks::put`] takes.
    fn block_bytes_max(&self) -> usize;
}
