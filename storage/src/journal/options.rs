//! How a journal is kept.

use super::frame::FRAME_OVERHEAD;
use super::segment::SEGMENT_HEADER;

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// The id that a new journal gets; an existing one keeps its own. It must be random and stay inside: it is what keeps
    /// bytes that a caller had recorded from passing for a frame.
    pub journal_id: [u8; 16],
    /// Bytes of a segment. A frame that is larger gets a segment of its own.
    pub segment_bytes: u64,
    /// Segments prepared ahead.
    pub spares: usize,
    /// How many threads check segments when a journal is opened.
    pub readers: usize,
    /// Bytes that stay free on the disk when spares are made, so that indexes and snapshots can still be written.
    pub free_bytes_min: u64,
}

impl JournalOptions {
    /// Segments of 64 MiB, one of them prepared ahead and as much left free, checked by one thread.
    pub fn new(journal_id: [u8; 16]) -> Self {
        Self { journal_id, segment_bytes: 64 << 20, spares: 1, readers: 1, free_bytes_min: 64 << 20 }
    }

    /// The size of a segment, at least large enough for its header and two seals, and a multiple of the alignment.
    pub(crate) fn segment_length(&self) -> u64 {
        let least = SEGMENT_HEADER as u64 + 2 * FRAME_OVERHEAD;
        self.segment_bytes.max(least).next_multiple_of(super::frame::ALIGNMENT)
    }
}
