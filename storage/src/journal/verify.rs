//! Checking a journal when it is opened: headers, and the chain of frames through all segments.

use super::catalog::{Segment, Stage};
use super::damage::{OpenError, Reason};
use super::footer::SegmentFacts;
use super::frame::{ALIGNMENT, ChainHash, CrcKey, FORMAT_VERSION, Frame, HEADER, NoFrame, NoHeader, tail};
use super::scan::{FrameScanner, READ_AHEAD, Scanned};
use super::segment::{NoSegmentHeader, SEGMENT_HEADER, SegmentHeader};
use super::source::Source;
use super::sparse_index::SparseIndex;
use super::tail::{Tail, frame_follows, judge, last_written};
use super::window::Window;
use crate::record::{Seq, count_records};

/// The segment's header, or none when it was prepared and never used.
///
/// The header is written with the first frame in one piece. A power loss may leave a part of that; nothing in it was ever
/// acknowledged.
pub(super) fn read_header(
    source: &Source,
    number: u64,
    key: Option<CrcKey>,
) -> Result<Option<SegmentHeader>, OpenError> {
    let file = || source.file_name(number);
    let mut window = Window::new(source.clone(), READ_AHEAD);
    let bytes = window.bytes(0, SEGMENT_HEADER)?;
    if let Some(bytes) = bytes.first_chunk::<SEGMENT_HEADER>() {
        match SegmentHeader::decode(bytes) {
            Ok(header) if header.number == number => return Ok(Some(header)),
            Ok(_) => return Err(OpenError::damaged(file(), 0, Reason::SegmentPlace)),
            Err(NoSegmentHeader::Newer(found)) => return Err(newer(file(), found)),
            Err(NoSegmentHeader::Invalid) => {}
        }
    }
    let header_unwritten = bytes.iter().all(|byte| *byte == 0);
    let length = source.length()?;
    let Some(last) = last_written(&mut window, 0, length)? else { return Ok(None) };
    let start = SEGMENT_HEADER as u64;
    if last < start {
        return Ok(None);
    }
    let begun = match key {
        Some(key) if header_unwritten => !frame_follows(&mut window, key, start - ALIGNMENT, last + 1, length, 1)?,
        _ => false,
    };
    if begun { Ok(None) } else { Err(OpenError::damaged(file(), 0, Reason::SegmentHeader)) }
}

pub(super) fn newer(file: String, found: u32) -> OpenError {
    OpenError::FormatNewer { file, found, known: FORMAT_VERSION }
}

/// How far the chain has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    /// Hash of the last frame.
    pub hash: ChainHash,
    /// Sequence of its last record.
    pub last: Seq,
}

/// A segment whose frames were followed.
pub(super) struct Verified {
    pub segment: Segment,
    pub source: Source,
    pub chain: Chain,
    /// Where the last frame begins, if there is one, and whether it is a seal.
    pub last_frame: Option<(u64, bool)>,
    /// Why the frames end where they do.
    stopped: Option<NoFrame>,
    length: u64,
}

impl Verified {
    /// Follows the frames of a segment from its beginning to the first place where none begins.
    pub(super) fn follow(source: Source, header: &SegmentHeader, key: CrcKey) -> Result<Self, OpenError> {
        let start = SEGMENT_HEADER as u64;
        let length = source.length()?;
        let stage = Stage::Open { source: source.clone(), index: SparseIndex::with_room_for(length) };
        let segment = Segment {
            number: header.number,
            first: header.first,
            last: header.first - 1,
            end: start,
            previous: header.previous,
            stage,
            archived: matches!(source, Source::Archived(_)),
        };
        let chain = Chain { hash: header.previous, last: header.first - 1 };
        let mut scanner = FrameScanner::new(source.clone(), key, start, length, READ_AHEAD);
        let mut verified = Self { segment, source, chain, last_frame: None, stopped: None, length };
        loop {
            match scanner.next()? {
                Scanned::Frame(frame) => verified.accept(&frame)?,
                Scanned::End => return Ok(verified),
                Scanned::Nothing(NoFrame::Header(NoHeader::Newer(found))) => return Err(newer(verified.file(), found)),
                Scanned::Nothing(none) => {
                    verified.stopped = Some(none);
                    return Ok(verified);
                }
            }
        }
    }

    pub(super) fn file(&self) -> String {
        self.source.file_name(self.segment.number)
    }

    fn accept(&mut self, frame: &Frame<'_>) -> Result<(), OpenError> {
        let header = &frame.header;
        let damaged = |reason| OpenError::damaged(self.file(), frame.offset, reason);
        if header.previous != self.chain.hash {
            return Err(damaged(Reason::Chain));
        }
        if header.first != self.chain.last + 1 {
            return Err(damaged(Reason::Sequence));
        }
        if count_records(frame.payload) != Ok(u64::from(header.records)) {
            return Err(damaged(Reason::Records));
        }
        self.chain = Chain { hash: frame.hash(), last: header.last() };
        self.last_frame = Some((frame.offset, header.is_seal()));
        self.segment.last = header.last();
        self.segment.end = frame.end();
        if let Stage::Open { index, .. } = &mut self.segment.stage {
            index.note_frame(frame);
        }
        Ok(())
    }

    /// Why the frames end where they do, as a fault: for a segment whose end is proven to lie further on.
    pub(super) fn stopped_as_damage(&self) -> OpenError {
        let reason = match self.stopped {
            Some(NoFrame::Body(_, reason)) => reason,
            Some(NoFrame::Header(_)) => Reason::FrameHeader,
            None => Reason::SegmentEnds,
        };
        OpenError::damaged(self.file(), self.segment.end, reason)
    }

    /// Judges what stands behind the last frame of the last segment: how many bytes of a write that was begun and never
    /// acknowledged. A frame that is whole but for its end mark is accepted.
    pub(super) fn judge_tail(&mut self, key: CrcKey) -> Result<u64, OpenError> {
        let at = self.segment.end;
        let mut window = Window::new(self.source.clone(), READ_AHEAD);
        let none = self.stopped.unwrap_or(NoFrame::Header(NoHeader::Invalid));
        match judge(&mut window, key, at, self.length, self.chain.last + 1, none)? {
            Tail::Unwritten => Ok(0),
            Tail::Torn { until } => Ok(until - at),
            Tail::Damaged(reason) => Err(OpenError::damaged(self.file(), at, reason)),
            Tail::Whole(header) => {
                let bytes = window.bytes(at, HEADER + header.length as usize)?.to_vec();
                let Some((header_bytes, payload)) = bytes.split_first_chunk::<HEADER>() else {
                    return Err(OpenError::damaged(self.file(), at, Reason::SegmentEnds));
                };
                self.accept(&Frame { offset: at, header, header_bytes, payload })?;
                Ok(0)
            }
        }
    }

    /// The bytes from `from` to the end of the last frame, as they have to be on the disk.
    pub(super) fn bytes_from(&self, from: u64) -> Result<Vec<u8>, OpenError> {
        let mut bytes = vec![0; (self.segment.end - from) as usize];
        let read = self.source.read_at(from, &mut bytes)?;
        if read < bytes.len() {
            return Err(OpenError::damaged(self.file(), from + read as u64, Reason::SegmentEnds));
        }
        if self.last_frame.is_some() {
            // An end mark that was only begun is completed; a whole one stays as it is.
            let mark = tail(0);
            let at = bytes.len() - mark.len();
            bytes[at..].copy_from_slice(mark);
        }
        Ok(bytes)
    }

    /// Whether a footer says of the segment what the segment says.
    pub(super) fn fits(&self, facts: &SegmentFacts) -> bool {
        let segment = &self.segment;
        (facts.number, facts.first, facts.last, facts.end) == (segment.number, segment.first, segment.last, segment.end)
            && (facts.previous, facts.chain) == (segment.previous, self.chain.hash)
    }
}
