//! The journal in files.

use std::sync::Arc;

use stockade_sync::Group;

use super::Journal;
use super::catalog::{Catalog, Segment, Stage};
use super::damage::JournalError;
use super::frame::{ChainHash, FRAME_OVERHEAD, FrameHeader, PAYLOAD_MAX, chain_hash, frame_length, tail};
use super::segment::{SEGMENT_HEADER, SegmentHeader, segment_name};
use super::source::Source;
use super::spares::{Room, Spares};
use super::sparse_index::SparseIndex;
use crate::disk::{DiskError, DiskFile, DiskLock};
use crate::record::{Seq, count_records};
use stockade_domain::mistake::{Mistake, made};

/// Bytes of a seal.
const SEAL: u64 = frame_length(0);

/// The journal in files: one write and one sync for each group, and nothing allocated for it once warm.
///
/// After any error it is of no more use: [`JournalError::GenerationEnded`].
#[derive(Debug)]
pub struct FileJournal {
    pub(super) catalog: Arc<Catalog>,
    pub(super) spares: Arc<Spares>,
    #[allow(dead_code, reason = "the directory stays ours while somebody may write to it")]
    pub(super) lock: Arc<DiskLock>,
    pub(super) segment: Writing,
    pub(super) last: Seq,
    pub(super) chain: ChainHash,
    /// The last frame is a seal, so there is nothing to prove.
    pub(super) sealed: bool,
    pub(super) ended: bool,
}

/// The segment being written.
#[derive(Debug)]
pub(super) struct Writing {
    pub number: u64,
    pub file: Arc<dyn DiskFile>,
    pub length: u64,
    /// Where the next frame goes.
    pub offset: u64,
    /// What goes before the first frame, in one write with it.
    pub header: Option<SegmentHeader>,
}

impl Journal for FileJournal {
    fn submit(&mut self, group: &Group, expected_last: Seq) -> Result<(), JournalError> {
        if self.ended {
            return Err(JournalError::GenerationEnded);
        }
        let result = self.check(group, expected_last).and_then(|()| self.write_frame(&group.bytes, group.records));
        self.ended = result.is_err();
        result
    }

    fn durable_to(&self) -> Seq {
        self.last
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        if self.ended {
            return Err(JournalError::GenerationEnded);
        }
        if self.sealed {
            return Ok(());
        }
        let result = self.write_frame(&[], 0);
        self.ended = result.is_err();
        result
    }

    fn close(&mut self) -> Result<(), JournalError> {
        let result = self.seal();
        self.ended = true;
        result
    }
}

impl FileJournal {
    /// Tells admission whether there is room.
    pub fn room(&self) -> Room {
        Room(Arc::clone(&self.spares))
    }

    /// Refuses what could not be opened again.
    fn check(&self, group: &Group, expected_last: Seq) -> Result<(), JournalError> {
        if expected_last != self.last || group.first != self.last + 1 {
            return Err(JournalError::OutOfOrder { expected_last, last: self.last });
        }
        if group.bytes.len() > PAYLOAD_MAX {
            return Err(JournalError::TooLarge { bytes: group.bytes.len() });
        }
        let whole = count_records(&group.bytes).is_ok_and(|count| count == u64::from(group.records));
        if whole && group.records > 0 { Ok(()) } else { Err(JournalError::Malformed { records: group.records }) }
    }

    /// Proves what recovery found, and says how much room there is.
    pub(super) fn begin(&mut self) -> Result<(), DiskError> {
        self.spares.set_left_in_segment(self.left());
        if self.sealed { Ok(()) } else { self.append(&[], 0) }
    }

    fn write_frame(&mut self, payload: &[u8], records: u32) -> Result<(), JournalError> {
        let (first, last) = (self.last + 1, self.last + u64::from(records));
        let file = |journal: &Self| segment_name(journal.segment.number);
        self.append(payload, records).map_err(|source| JournalError::Write { first, last, file: file(self), source })
    }

    fn append(&mut self, payload: &[u8], records: u32) -> Result<(), DiskError> {
        let first = self.last + 1;
        let header = FrameHeader::new(self.catalog.key, payload, records, first, self.last, self.chain);
        let header_bytes = header.encode(self.catalog.key);
        self.make_room(header.frame_length())?;
        self.write_and_sync(&[&header_bytes, payload, tail(payload.len())])?;
        let offset = self.segment.offset;
        self.last += u64::from(records);
        self.chain = chain_hash(&header_bytes, payload);
        self.sealed = records == 0;
        self.segment.offset = offset + header.frame_length();
        self.spares.set_left_in_segment(self.left());
        self.catalog.extend(first, self.last, offset, self.segment.offset);
        Ok(())
    }

    /// Goes on to the next segment unless the frame, and a seal after it, find room in this one.
    fn make_room(&mut self, frame: u64) -> Result<(), DiskError> {
        if frame <= self.left() {
            return Ok(());
        }
        let spare = self.spares.take(SEGMENT_HEADER as u64 + frame + SEAL)?;
        self.segment = Writing::spare(spare, self.catalog.journal, self.last + 1, self.chain);
        Ok(())
    }

    fn left(&self) -> u64 {
        self.segment.length.saturating_sub(self.segment.offset + SEAL)
    }

    fn write_and_sync(&mut self, parts: &[&[u8]; 3]) -> Result<(), DiskError> {
        let segment = &mut self.segment;
        match &segment.header {
            None => {
                segment.file.write_at(segment.offset, parts)?;
                if made(Mistake::SyncSkipped) {
                    return Ok(());
                }
                segment.file.sync_data()
            }
            Some(header) => {
                let bytes = header.encode();
                segment.file.write_at(0, &[&bytes, parts[0], parts[1], parts[2]])?;
                segment.file.sync_data()?;
                self.catalog.begin_segment(Segment {
                    number: header.number,
                    first: header.first,
                    last: header.first - 1,
                    end: SEGMENT_HEADER as u64,
                    previous: header.previous,
                    stage: Stage::Open {
                        source: Source::Plain(Arc::clone(&segment.file)),
                        index: SparseIndex::with_room_for(segment.length),
                    },
                    archived: false,
                });
                segment.header = None;
                Ok(())
            }
        }
    }
}

impl Writing {
    /// A segment that nothing has been written to yet.
    pub(super) fn spare(spare: super::spares::Spare, journal: [u8; 16], first: Seq, previous: ChainHash) -> Self {
        let header = SegmentHeader { journal, number: spare.number, first, previous };
        Self {
            number: spare.number,
            file: spare.file,
            length: spare.length,
            offset: SEGMENT_HEADER as u64,
            header: Some(header),
        }
    }
}

const _: () = assert!(SEAL <= FRAME_OVERHEAD, "a seal is a frame without a payload");
