//! One block: a few kibibytes of sorted rows, or a piece of a value too long for one.
//!
//! ```text
//!  0  format, 1                           body of a row block: rows, each
//!  1  CRC32C of everything after it         varint bytes shared with the key before (0 at a restart)
//!  5  kind: 0 rows, 1 piece of a value      varint bytes of its own, varint what the value is:
//!  6  number of the run                       0 a tombstone, 1 spilled into pieces, 2 + n inline of n bytes
//! 14  number of the block in the run        its own key bytes, then the value, or varint first piece, varint length
//! 18  rows in the run up to here          then the place of each restart (u32) and how many there are (u32)
//! 26  BLAKE3 of the block before it
//! 58  body                                body of a piece: its bytes. All numbers little-endian.
//! ```
//!
//! Each block carries the hash of the one before, so the hash of the last proves the whole run, and walking back from it
//! names the very block that is wrong.

use std::cmp::Ordering;
use std::ops::Range;

use super::error::Flaw;
use super::varint;

/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 58;
const FORMAT: u8 = 1;
const CRC_AT: usize = 1;
const KIND_AT: usize = 5;
const RUN_AT: usize = 6;
const BLOCK_AT: usize = 14;
const ROWS_AT: usize = 18;
const PREVIOUS_AT: usize = 26;
/// Every so many rows a key is written whole, so that a block can be searched by halves.
const RESTART_EVERY: u32 = 16;
/// What a row costs at most beside its own key and value bytes: three varints of its lengths and its share of a restart.
const ROW_OVERHEAD_MAX: usize = 24;

/// A BLAKE3 hash.
pub(crate) type Hash = [u8; 32];

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rows,
    Piece,
}

/// The place and the past of a block, as its header says them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) run: u64,
    pub(crate) block: u32,
    /// Rows of the run in this block and all before it.
    pub(crate) rows: u64,
    /// Hash of the block before; zeros in the first.
    pub(crate) previous: Hash,
}

/// What proves a sealed block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    pub(crate) crc: u32,
    pub(crate) hash: Hash,
}

/// The value of a row, as the block holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Tombstone,
    /// The value's place in the block.
    Inline(Range<usize>),
    /// The value lies in pieces from block `first` on.
    Spilled {
        first: u32,
        bytes: u64,
    },
}

/// A value to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Tombstone,
    Inline(&'a [u8]),
    Spilled { first: u32, bytes: u64 },
}

/// Collects rows, or one piece, and seals them into a block; its memory is used again for the next.
pub(crate) struct BlockBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    last_key: Vec<u8>,
    rows: u32,
}

impl BlockBuilder {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEADER_BYTES], restarts: Vec::new(), last_key: Vec::new(), rows: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// The largest the block can be once another row of this key and value is in it.
    pub(crate) fn bytes_with(&self, key: &[u8], value_bytes: usize) -> usize {
        self.bytes.len() + self.restarts.len() * 4 + ROW_OVERHEAD_MAX + key.len() + value_bytes
    }

    /// Adds a row; the caller sees to it that keys ascend.
    pub(crate) fn push(&mut self, key: &[u8], value: Value<'_>) {
        let shared = if self.rows.is_multiple_of(RESTART_EVERY) {
            self.restarts.push(self.bytes.len() as u32);
            0
        } else {
            self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count()
        };
        let own = &key[shared..];
        varint::put(&mut self.bytes, shared as u64);
        varint::put(&mut self.bytes, own.len() as u64);
        match value {
            Value::Tombstone => varint::put(&mut self.bytes, 0),
            Value::Spilled { .. } => varint::put(&mut self.bytes, 1),
            Value::Inline(value) => varint::put(&mut self.bytes, value.len() as u64 + 2),
        }
        self.bytes.extend_from_slice(own);
        match value {
            Value::Tombstone => {}
            Value::Inline(value) => self.bytes.extend_from_slice(value),
            Value::Spilled { first, bytes } => {
                varint::put(&mut self.bytes, u64::from(first));
                varint::put(&mut self.bytes, bytes);
            }
        }
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(own);
        self.rows += 1;
    }

    /// Ends a block of rows. The block is in [`BlockBuilder::sealed`] until [`BlockBuilder::reset`].
    pub(crate) fn seal_rows(&mut self, header: Header) -> Seal {
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        let count = self.restarts.len() as u32;
        self.bytes.extend_from_slice(&count.to_le_bytes());
        self.seal(header)
    }

    /// Makes a block of one piece of a value.
    pub(crate) fn seal_piece(&mut self, header: Header, piece: &[u8]) -> Seal {
        self.bytes.extend_from_slice(piece);
        self.seal(header)
    }

    pub(crate) fn sealed(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn reset(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.restarts.clear();
        self.last_key.clear();
        self.rows = 0;
    }

    fn seal(&mut self, header: Header) -> Seal {
        let bytes = &mut self.bytes;
        bytes[0] = FORMAT;
        bytes[KIND_AT] = match header.kind {
            Kind::Rows => 0,
            Kind::Piece => 1,
        };
        bytes[RUN_AT..BLOCK_AT].copy_from_slice(&header.run.to_le_bytes());
        bytes[BLOCK_AT..ROWS_AT].copy_from_slice(&header.block.to_le_bytes());
        bytes[ROWS_AT..PREVIOUS_AT].copy_from_slice(&header.rows.to_le_bytes());
        bytes[PREVIOUS_AT..HEADER_BYTES].copy_from_slice(&header.previous);
        let crc = crc32c::crc32c(&bytes[KIND_AT..]);
        bytes[CRC_AT..KIND_AT].copy_from_slice(&crc.to_le_bytes());
        Seal { crc, hash: *blake3::hash(bytes).as_bytes() }
    }
}

/// A block read back, its checksum and its place verified.
pub(crate) struct Block {
    bytes: Vec<u8>,
    header: Header,
    crc: u32,
}

impl Block {
    /// Takes the bytes of block `block` of run `run`.
    pub(crate) fn open(bytes: Vec<u8>, run: u64, block: u32) -> Result<Self, Flaw> {
        let crc = u32_at(&bytes, CRC_AT).ok_or(Flaw::Corrupt)?;
        if bytes.len() < HEADER_BYTES || bytes[0] != FORMAT || crc32c::crc32c(&bytes[KIND_AT..]) != crc {
            return Err(Flaw::Corrupt);
        }
        let kind = match bytes[KIND_AT] {
            0 => Kind::Rows,
            1 => Kind::Piece,
            _ => return Err(Flaw::Corrupt),
        };
        let mut previous = [0; 32];
        previous.copy_from_slice(&bytes[PREVIOUS_AT..HEADER_BYTES]);
        let header = Header {
            kind,
            run: u64_at(&bytes, RUN_AT).ok_or(Flaw::Corrupt)?,
            block: u32_at(&bytes, BLOCK_AT).ok_or(Flaw::Corrupt)?,
            rows: u64_at(&bytes, ROWS_AT).ok_or(Flaw::Corrupt)?,
            previous,
        };
        if (header.run, header.block) != (run, block) {
            return Err(Flaw::Stale);
        }
        Ok(Self { bytes, header, crc })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }

    pub(crate) fn hash(&self) -> Hash {
        *blake3::hash(&self.bytes).as_bytes()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of a piece of a value.
    pub(crate) fn piece(&self) -> Result<&[u8], Flaw> {
        if self.header.kind == Kind::Piece { Ok(&self.bytes[HEADER_BYTES..]) } else { Err(Flaw::Corrupt) }
    }

    /// Looks one key up without decoding the others.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Cell>, Flaw> {
        let (rows, restarts) = self.body()?;
        // The last restart whose key is not above the one sought; below the first there is nothing.
        let (mut low, mut high) = (0, restarts.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let row = self.row(rows.end, restarts.place(middle)?)?;
            if self.bytes[row.own].cmp(key) == Ordering::Greater {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let Some(restart) = low.checked_sub(1) else { return Ok(None) };
        let end = if low < restarts.len() { restarts.place(low)? } else { rows.end };
        let mut at = restarts.place(restart)?;
        let mut found = Vec::with_capacity(key.len());
        while at < end {
            let row = self.row(rows.end, at)?;
            if row.shared > found.len() {
                return Err(Flaw::Corrupt);
            }
            found.truncate(row.shared);
            found.extend_from_slice(&self.bytes[row.own]);
            match found.as_slice().cmp(key) {
                Ordering::Less => at = row.next,
                Ordering::Equal => return Ok(Some(row.cell)),
                Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Decodes all rows, for cursors, which go both ways.
    pub(crate) fn table(&self, table: &mut RowTable) -> Result<(), Flaw> {
        table.clear();
        let (rows, _) = self.body()?;
        let mut at = rows.start;
        while at < rows.end {
            let row = self.row(rows.end, at)?;
            if !table.push(row.shared, &self.bytes[row.own], row.cell) {
                return Err(Flaw::Corrupt);
            }
            at = row.next;
        }
        if table.len() == 0 { Err(Flaw::Corrupt) } else { Ok(()) }
    }

    /// Where the rows lie, and the restarts behind them.
    fn body(&self) -> Result<(Range<usize>, Restarts<'_>), Flaw> {
        if self.header.kind != Kind::Rows {
            return Err(Flaw::Corrupt);
        }
        let count_at = self.bytes.len().checked_sub(4).filter(|at| *at >= HEADER_BYTES).ok_or(Flaw::Corrupt)?;
        let count = u32_at(&self.bytes, count_at).ok_or(Flaw::Corrupt)? as usize;
        let rows_end = count.checked_mul(4).and_then(|bytes| count_at.checked_sub(bytes)).ok_or(Flaw::Corrupt)?;
        if rows_end < HEADER_BYTES || count == 0 {
            return Err(Flaw::Corrupt);
        }
        Ok((HEADER_BYTES..rows_end, Restarts(&self.bytes[rows_end..count_at])))
    }

    /// Reads the row at `at`, which must end at or before `end`.
    fn row(&self, end: usize, mut at: usize) -> Result<RawRow, Flaw> {
        let bytes = self.bytes.get(..end).ok_or(Flaw::Corrupt)?;
        let number = |at: &mut usize| varint::take(bytes, at).ok_or(Flaw::Corrupt);
        let shared = usize::try_from(number(&mut at)?).map_err(|_| Flaw::Corrupt)?;
        let own_bytes = number(&mut at)?;
        let tag = number(&mut at)?;
        let own = span(at, own_bytes, end)?;
        at = own.end;
        let cell = match tag {
            0 => Cell::Tombstone,
            1 => Cell::Spilled {
                first: u32::try_from(number(&mut at)?).map_err(|_| Flaw::Corrupt)?,
                bytes: number(&mut at)?,
            },
            inline => {
                let value = span(at, inline - 2, end)?;
                at = value.end;
                Cell::Inline(value)
            }
        };
        Ok(RawRow { shared, own, cell, next: at })
    }
}

struct RawRow {
    shared: usize,
    own: Range<usize>,
    cell: Cell,
    next: usize,
}

struct Restarts<'a>(&'a [u8]);

impl Restarts<'_> {
    fn len(&self) -> usize {
        self.0.len() / 4
    }

    fn place(&self, index: usize) -> Result<usize, Flaw> {
        u32_at(self.0, index * 4).map(|at| at as usize).filter(|at| *at >= HEADER_BYTES).ok_or(Flaw::Corrupt)
    }
}

/// The rows of one block with their keys whole.
#[derive(Default)]
pub(crate) struct RowTable {
    keys: Vec<u8>,
    rows: Vec<(Range<usize>, Cell)>,
}

impl RowTable {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn key(&self, row: usize) -> &[u8] {
        &self.keys[self.rows[row].0.clone()]
    }

    pub(crate) fn cell(&self, row: usize) -> &Cell {
        &self.rows[row].1
    }

    /// How many rows, from the first on, have a key for which `before` holds.
    pub(crate) fn partition_point(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        self.rows.partition_point(|(key, _)| before(&self.keys[key.clone()]))
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.rows.clear();
    }

    /// Adds a row; refuses one whose key does not ascend.
    fn push(&mut self, shared: usize, own: &[u8], cell: Cell) -> bool {
        let start = self.keys.len();
        let last = self.rows.last().map_or(0..0, |(key, _)| key.clone());
        if shared > last.len() {
            return false;
        }
        self.keys.extend_from_within(last.start..last.start + shared);
        self.keys.extend_from_slice(own);
        let ascends = self.rows.is_empty() || self.keys[last] < self.keys[start..];
        self.rows.push((start..self.keys.len(), cell));
        ascends
    }
}

fn span(start: usize, bytes: u64, end: usize) -> Result<Range<usize>, Flaw> {
    let bytes = usize::try_from(bytes).map_err(|_| Flaw::Corrupt)?;
    let stop = start.checked_add(bytes).filter(|stop| *stop <= end).ok_or(Flaw::Corrupt)?;
    Ok(start..stop)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
