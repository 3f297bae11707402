//! Rows on their way into a run: one buffer for all their bytes, sorted once, used again.

use super::error::PackedError;
use super::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// An empty batch keeps at most this much memory for bytes, and as much for rows.
const RECYCLED_BYTES_MAX: usize = 16 << 20;

/// One row within the buffer.
#[derive(Clone, Copy)]
struct Row {
    /// The first eight bytes of the key, big-endian: decides most comparisons without touching the buffer.
    prefix: u64,
    start: usize,
    /// Its place in the batch: of equal keys the later one counts.
    order: u32,
    key_len: u32,
    /// `None` is a tombstone.
    value_len: Option<u32>,
}

/// Rows to be written as one run. A key may occur more than once: the last one counts.
#[derive(Default)]
pub struct RowBatch {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl RowBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), PackedError> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(PackedError::ValueTooLong { bytes: value.len(), max: VALUE_BYTES_MAX });
        }
        self.push(key, Some(value))
    }

    /// Adds a tombstone: from this run on the key is not there.
    pub fn remove(&mut self, key: &[u8]) -> Result<(), PackedError> {
        self.push(key, None)
    }

    /// Rows and tombstones added, equal keys counted apart.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the rows and keeps the memory, unless it is that of a burst.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(RECYCLED_BYTES_MAX);
        self.rows.clear();
        self.rows.shrink_to(RECYCLED_BYTES_MAX / size_of::<Row>());
    }

    fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), PackedError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(PackedError::KeyTooLong { bytes: key.len(), max: KEY_BYTES_MAX });
        }
        let (start, order) = (self.bytes.len(), self.rows.len() as u32);
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        // Both lengths are below their limits, so they fit.
        let (key_len, value_len) = (key.len() as u32, value.map(|value| value.len() as u32));
        self.rows.push(Row { prefix: prefix(key), start, order, key_len, value_len });
        Ok(())
    }

    /// Sorts by key, the later of equal keys last.
    pub(crate) fn sort(&mut self) {
        let bytes = &self.bytes;
        let key = |row: &Row| &bytes[row.start..row.start + row.key_len as usize];
        self.rows.sort_unstable_by(|a, b| {
            a.prefix.cmp(&b.prefix).then_with(|| key(a).cmp(key(b))).then_with(|| a.order.cmp(&b.order))
        });
    }

    /// The rows of a sorted batch, each key once with its last value.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let last = self.rows.len();
        (0..last).filter_map(move |at| {
            let row = self.rows[at];
            let key = self.key(row);
            let overwritten =
                at + 1 < last && self.rows[at + 1].prefix == row.prefix && self.key(self.rows[at + 1]) == key;
            (!overwritten).then(|| (key, self.value(row)))
        })
    }

    fn key(&self, row: Row) -> &[u8] {
        &self.bytes[row.start..row.start + row.key_len as usize]
    }

    fn value(&self, row: Row) -> Option<&[u8]> {
        let start = row.start + row.key_len as usize;
        row.value_len.map(|len| &self.bytes[start..start + len as usize])
    }
}

fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = key.len().min(8);
    first[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(first)
}
