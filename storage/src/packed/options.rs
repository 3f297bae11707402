//! How the packed store trades memory, writing and reading.

use super::blocks::Blocks;
use super::compaction::INPUTS_MAX;
use super::error::PackedError;

/// Room for the longest key, an inline value and the lengths around them.
const BLOCK_BYTES_MIN: usize = 4 << 10;

/// The settings of a packed store. They may differ from one opening to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The largest block, in bytes. Larger ones write and scan faster, smaller ones make a single cold row cheaper.
    pub block_bytes: usize,
    /// Memory for the Bloom filter of a run, in bits for each row; ten let one miss in a hundred read a block.
    pub bloom_bits_per_row: u32,
    /// How many neighbouring runs of a size are merged into one.
    pub fan_in: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { block_bytes: 32 << 10, bloom_bits_per_row: 10, fan_in: 8 }
    }
}

impl Options {
    pub(crate) fn check(&self, blocks: &dyn Blocks) -> Result<(), PackedError> {
        if self.block_bytes < BLOCK_BYTES_MIN {
            return Err(PackedError::Options("block_bytes must be at least 4096"));
        }
        if self.block_bytes > blocks.block_bytes_max() {
            return Err(PackedError::Options(
                "block_bytes is above what the blocks' store takes; enlarge its segments",
            ));
        }
        if !(2..=INPUTS_MAX).contains(&self.fan_in) {
            return Err(PackedError::Options("fan_in must be from 2 to 32"));
        }
        Ok(())
    }
}
