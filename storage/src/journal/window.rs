//! A piece of a segment in memory that moves along with whoever reads it.

use super::damage::ReadError;
use super::source::Source;

/// What is read first; somebody who wants one frame should not pay for many.
const READ_FIRST: usize = 32 << 10;

/// Reads ahead, further each time, and keeps the bytes it has read until others are asked for.
#[derive(Debug)]
pub(crate) struct Window {
    source: Source,
    read_ahead: usize,
    next_read: usize,
    bytes: Vec<u8>,
    start: u64,
    filled: usize,
    /// Nothing behind it is read.
    end: u64,
}

impl Window {
    pub(crate) fn new(source: Source, read_ahead: usize) -> Self {
        Self::up_to(source, read_ahead, u64::MAX)
    }

    /// A window that reads ahead only up to an offset.
    pub(crate) fn up_to(source: Source, read_ahead: usize, end: u64) -> Self {
        Self { source, read_ahead, next_read: READ_FIRST.min(read_ahead), bytes: Vec::new(), start: 0, filled: 0, end }
    }

    /// Up to `length` bytes from `offset`; fewer only at the end of the segment.
    pub(crate) fn bytes(&mut self, offset: u64, length: usize) -> Result<&[u8], ReadError> {
        let inside = offset >= self.start && offset + length as u64 <= self.start + self.filled as u64;
        if !inside {
            let ahead = self.end.saturating_sub(offset).min(self.next_read as u64) as usize;
            let wanted = length.max(ahead);
            self.next_read = (self.next_read * 2).min(self.read_ahead);
            if self.bytes.len() < wanted {
                self.bytes.resize(wanted, 0);
            }
            // A failed read must not leave old bytes behind under a new offset.
            self.filled = 0;
            self.start = offset;
            self.filled = self.source.read_at(offset, &mut self.bytes[..wanted])?;
        }
        let from = (offset - self.start) as usize;
        Ok(&self.bytes[from..self.filled.min(from + length)])
    }
}
