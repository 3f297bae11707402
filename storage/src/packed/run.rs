//! A run as readers hold it: its description and, in memory, what finds a block without reading others.

use super::block::{Block, Cell};
use super::blocks::Blocks;
use super::bloom::Bloom;
use super::error::{Damaged, Flaw, PackedError};
use super::manifest::RunMeta;

/// The first key of every block of rows.
#[derive(Default)]
pub(crate) struct SparseIndex {
    keys: Vec<u8>,
    /// Where each key ends in `keys`, and the number of its block.
    entries: Vec<(usize, u32)>,
}

impl SparseIndex {
    pub(crate) fn push(&mut self, first_key: &[u8], block: u32) {
        self.keys.extend_from_slice(first_key);
        self.entries.push((self.keys.len(), block));
    }

    fn key(&self, entry: usize) -> &[u8] {
        let start = entry.checked_sub(1).map_or(0, |before| self.entries[before].0);
        &self.keys[start..self.entries[entry].0]
    }

    /// The entry of the last block whose first key is not above `key`.
    fn entry_for(&self, key: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.entries.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.key(middle) <= key { low = middle + 1 } else { high = middle }
        }
        low.checked_sub(1)
    }
}

/// One run, never changed once made.
pub(crate) struct Run {
    pub(crate) meta: RunMeta,
    pub(crate) index: SparseIndex,
    /// The checksum every block was sealed with: a sound block of another time is told by it.
    pub(crate) crcs: Vec<u32>,
    pub(crate) bloom: Bloom,
}

impl Run {
    /// How many blocks of rows there are.
    pub(crate) fn row_blocks(&self) -> usize {
        self.index.entries.len()
    }

    /// Which block of rows may hold `key`.
    pub(crate) fn entry_for(&self, key: &[u8]) -> Option<usize> {
        self.index.entry_for(key)
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        let index = self.index.keys.capacity() + self.index.entries.capacity() * size_of::<(usize, u32)>();
        (index + self.crcs.capacity() * 4) as u64 + self.bloom.memory_bytes()
    }

    /// Whether any block must be read to know about `key`, whose hash is `hash`.
    fn may_hold(&self, key: &[u8], hash: u64) -> bool {
        *key >= *self.meta.key_min && *key <= *self.meta.key_max && self.bloom.may_hold(hash)
    }

    /// Looks a key up: `None` if the run does not speak of it, `Some(None)` if it says that the key is gone.
    pub(crate) fn get(
        &self,
        blocks: &dyn Blocks,
        key: &[u8],
        hash: u64,
    ) -> Result<Option<Option<Vec<u8>>>, PackedError> {
        if !self.may_hold(key, hash) {
            return Ok(None);
        }
        let Some(entry) = self.entry_for(key) else { return Ok(None) };
        let block = self.read_entry(blocks, entry)?;
        let number = block.header().block;
        match block.find(key).map_err(|flaw| self.damaged(number, flaw))? {
            None => Ok(None),
            Some(Cell::Tombstone) => Ok(Some(None)),
            Some(Cell::Inline(value)) => Ok(Some(Some(block.bytes()[value].to_vec()))),
            Some(Cell::Spilled { first, bytes }) => {
                let mut value = Vec::new();
                self.read_pieces(blocks, first, bytes, &mut value)?;
                Ok(Some(Some(value)))
            }
        }
    }

    /// Reads the block of rows behind an entry of the index.
    pub(crate) fn read_entry(&self, blocks: &dyn Blocks, entry: usize) -> Result<Block, PackedError> {
        self.read(blocks, self.index.entries[entry].1)
    }

    /// Puts a spilled value together.
    pub(crate) fn read_pieces(
        &self,
        blocks: &dyn Blocks,
        first: u32,
        bytes: u64,
        value: &mut Vec<u8>,
    ) -> Result<(), PackedError> {
        value.clear();
        let mut number = first;
        while (value.len() as u64) < bytes {
            let block = self.read(blocks, number)?;
            let piece = block.piece().map_err(|flaw| self.damaged(number, flaw))?;
            value.extend_from_slice(piece);
            if piece.is_empty() || value.len() as u64 > bytes {
                return Err(self.damaged(number, Flaw::Corrupt).into());
            }
            number = number.checked_add(1).ok_or_else(|| self.damaged(number, Flaw::Corrupt))?;
        }
        Ok(())
    }

    /// Reads a block and verifies that it is the one the run was sealed with.
    fn read(&self, blocks: &dyn Blocks, number: u32) -> Result<Block, PackedError> {
        let crc = self.crcs.get(number as usize).ok_or_else(|| self.damaged(number, Flaw::Corrupt))?;
        let block = read_block(blocks, &self.meta, number)?;
        if block.crc() == *crc { Ok(block) } else { Err(self.damaged(number, Flaw::Stale).into()) }
    }

    pub(crate) fn damaged(&self, block: u32, flaw: Flaw) -> Damaged {
        damaged(&self.meta, block, flaw)
    }
}

pub(crate) fn damaged(run: &RunMeta, block: u32, flaw: Flaw) -> Damaged {
    Damaged { space: run.space, run: run.id, block, flaw }
}

/// Reads a block and verifies its checksum and its place, all that can be verified without knowing the run.
pub(crate) fn read_block(blocks: &dyn Blocks, run: &RunMeta, number: u32) -> Result<Block, PackedError> {
    let bytes = blocks.get(run.id, number)?.ok_or_else(|| damaged(run, number, Flaw::Lost))?;
    Ok(Block::open(bytes, run.id, number).map_err(|flaw| damaged(run, number, flaw))?)
}
