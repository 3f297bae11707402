//! Where in a segment to begin reading for a sequence: one entry for every few frames.

use super::frame::Frame;
use crate::record::Seq;

/// A frame is indexed when it begins at least so many bytes behind the one indexed before.
pub(crate) const STRIDE: u64 = 16 << 10;

#[derive(Debug, Default, Clone)]
pub(crate) struct SparseIndex {
    /// First sequence and offset of some of the frames, ascending.
    entries: Vec<(Seq, u64)>,
}

impl SparseIndex {
    /// An index of a segment of this size; it will not have to grow.
    pub(crate) fn with_room_for(bytes: u64) -> Self {
        Self { entries: Vec::with_capacity((bytes / STRIDE + 1) as usize) }
    }

    pub(crate) fn from_entries(entries: Vec<(Seq, u64)>) -> Self {
        Self { entries }
    }

    pub(crate) fn entries(&self) -> &[(Seq, u64)] {
        &self.entries
    }

    pub(crate) fn note(&mut self, first: Seq, offset: u64) {
        if self.entries.last().is_none_or(|(_, indexed)| offset >= indexed + STRIDE) {
            self.entries.push((first, offset));
        }
    }

    pub(crate) fn note_frame(&mut self, frame: &Frame<'_>) {
        if !frame.header.is_seal() {
            self.note(frame.header.first, frame.offset);
        }
    }

    /// Where a frame begins that stands at or before the one with this sequence.
    pub(crate) fn start_for(&self, seq: Seq) -> Option<u64> {
        let behind = self.entries.partition_point(|(first, _)| *first <= seq);
        behind.checked_sub(1).map(|at| self.entries[at].1)
    }
}
