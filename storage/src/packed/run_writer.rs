//! Writes sorted rows as the blocks of one new run.

use std::mem::{replace, take};
use std::sync::Arc;

use super::Space;
use super::block::{BlockBuilder, HEADER_BYTES, Hash, Header, Kind, Seal, Value};
use super::blocks::Blocks;
use super::bloom::Bloom;
use super::error::StoreError;
use super::manifest::RunMeta;
use super::options::Options;
use super::run::{Run, SparseIndex};

/// A value above this share of a block is spilled into pieces, so that rows beside it stay close together.
const INLINE_SHARE: usize = 4;

/// A run in the making. Nobody reads it before it is finished; its blocks are garbage if it never is.
pub(crate) struct RunWriter {
    blocks: Arc<dyn Blocks>,
    space: Space,
    id: u64,
    block_bytes: usize,
    builder: BlockBuilder,
    /// The first key of the block being built.
    block_first: Vec<u8>,
    piece: BlockBuilder,
    previous: Hash,
    rows_sealed: u64,
    bytes: u64,
    key_min: Vec<u8>,
    key_last: Vec<u8>,
    index: SparseIndex,
    crcs: Vec<u32>,
    bloom: Bloom,
}

impl RunWriter {
    /// Starts run `id` of about so many rows in so many bytes. After an error of this or any other call the run is to be
    /// dropped.
    pub(crate) fn new(
        blocks: Arc<dyn Blocks>,
        options: &Options,
        space: Space,
        id: u64,
        (rows, bytes): (u64, u64),
    ) -> Result<Self, StoreError> {
        let blocks_expected = u32::try_from(bytes / options.block_bytes as u64 + 1).unwrap_or(u32::MAX);
        blocks.start_run(id, blocks_expected)?;
        Ok(Self {
            blocks,
            space,
            id,
            block_bytes: options.block_bytes,
            builder: BlockBuilder::new(),
            block_first: Vec::new(),
            piece: BlockBuilder::new(),
            previous: [0; 32],
            rows_sealed: 0,
            bytes: 0,
            key_min: Vec::new(),
            key_last: Vec::new(),
            index: SparseIndex::default(),
            crcs: Vec::new(),
            bloom: Bloom::for_rows(rows, options.bloom_bits_per_row),
        })
    }

    /// The run's number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Adds a row above all before it; `None` is a tombstone.
    pub(crate) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        let empty = self.rows_sealed == 0 && self.builder.is_empty();
        debug_assert!(empty || self.key_last.as_slice() < key, "rows of a run ascend");
        let value = match value {
            None => Value::Tombstone,
            Some(value) if value.len() <= self.block_bytes / INLINE_SHARE => Value::Inline(value),
            Some(value) => self.spill(value)?,
        };
        let value_bytes = if let Value::Inline(value) = value { value.len() } else { 0 };
        if !self.builder.is_empty() && self.builder.bytes_with(key, value_bytes) > self.block_bytes {
            self.seal_rows()?;
        }
        if empty {
            self.key_min.extend_from_slice(key);
        }
        if self.builder.is_empty() {
            self.block_first.clear();
            self.block_first.extend_from_slice(key);
        }
        self.builder.push(key, value);
        self.bloom.insert(Bloom::hash(key));
        self.key_last.clear();
        self.key_last.extend_from_slice(key);
        Ok(())
    }

    /// Seals the last block; `None` if there was no row.
    pub(crate) fn finish(&mut self, through: u64) -> Result<Option<Run>, StoreError> {
        if !self.builder.is_empty() {
            self.seal_rows()?;
        }
        if self.rows_sealed == 0 {
            return Ok(None);
        }
        let meta = RunMeta {
            id: self.id,
            space: self.space,
            blocks: self.block_next(),
            rows: self.rows_sealed,
            bytes: self.bytes,
            through,
            root: self.previous,
            key_min: take(&mut self.key_min),
            key_max: take(&mut self.key_last),
        };
        let bloom = replace(&mut self.bloom, Bloom::for_rows(0, 0));
        Ok(Some(Run { meta, index: take(&mut self.index), crcs: take(&mut self.crcs), bloom }))
    }

    fn block_next(&self) -> u32 {
        self.crcs.len() as u32
    }

    fn header(&self, kind: Kind, rows: u64) -> Header {
        Header { kind, run: self.id, block: self.block_next(), rows, previous: self.previous }
    }

    fn seal_rows(&mut self) -> Result<(), StoreError> {
        let rows = self.rows_sealed + u64::from(self.builder.rows());
        let header = self.header(Kind::Rows, rows);
        let seal = self.builder.seal_rows(header);
        self.blocks.put(self.id, header.block, self.builder.sealed())?;
        self.index.push(&self.block_first, header.block);
        self.rows_sealed = rows;
        self.took(seal, self.builder.sealed().len());
        self.builder.reset();
        Ok(())
    }

    /// Writes a long value as blocks of its own; they come before the block of the row that names them.
    fn spill(&mut self, value: &[u8]) -> Result<Value<'static>, StoreError> {
        let first = self.block_next();
        for part in value.chunks(self.block_bytes - HEADER_BYTES) {
            let header = self.header(Kind::Piece, self.rows_sealed);
            let seal = self.piece.seal_piece(header, part);
            self.blocks.put(self.id, header.block, self.piece.sealed())?;
            self.took(seal, self.piece.sealed().len());
            self.piece.reset();
        }
        Ok(Value::Spilled { first, bytes: value.len() as u64 })
    }

    fn took(&mut self, seal: Seal, bytes: usize) {
        self.crcs.push(seal.crc);
        self.previous = seal.hash;
        self.bytes += bytes as u64;
    }
}
