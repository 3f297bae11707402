//! Reading a segment from its beginning to its end, with every frame checked against the one before it.

use super::catalog::{Catalog, Segment};
use super::damage::{ReadError, Reason};
use super::footer::FooterBuilder;
use super::frame::NoFrame;
use super::scan::{FrameScanner, READ_AHEAD, Scanned};
use super::segment::SEGMENT_HEADER;
use super::source::Source;
use crate::record::Seq;

/// Follows a segment that is known to end where the catalog says, and collects what its footer holds.
pub(crate) fn follow(catalog: &Catalog, segment: &Segment, source: &Source) -> Result<FooterBuilder, ReadError> {
    let mut follower = Follower::new(catalog, segment, source);
    while !follower.step(u64::MAX)? {}
    Ok(follower.builder)
}

/// The same, a piece at a time.
#[derive(Debug)]
pub(crate) struct Follower {
    builder: FooterBuilder,
    scanner: FrameScanner,
    source: Source,
    last: Seq,
    end: u64,
}

impl Follower {
    pub(crate) fn new(catalog: &Catalog, segment: &Segment, source: &Source) -> Self {
        let start = SEGMENT_HEADER as u64;
        Self {
            builder: FooterBuilder::new(segment.number, segment.first, segment.previous),
            scanner: FrameScanner::new(source.clone(), catalog.key, start, segment.end, READ_AHEAD),
            source: source.clone(),
            last: segment.last,
            end: segment.end,
        }
    }

    /// Follows about `budget` bytes, at least one frame; true when the end was reached and is the right one.
    pub(crate) fn step(&mut self, budget: u64) -> Result<bool, ReadError> {
        let until = self.scanner.offset().saturating_add(budget);
        loop {
            let offset = self.scanner.offset();
            let facts = self.builder.facts();
            let (chain, last) = (facts.chain, facts.last);
            let reason = match self.scanner.next()? {
                Scanned::End if offset == self.end && last == self.last => return Ok(true),
                Scanned::End => Reason::SegmentEnds,
                Scanned::Frame(frame) => {
                    if frame.header.previous != chain {
                        Reason::Chain
                    } else if frame.header.first != last + 1 {
                        Reason::Sequence
                    } else if !self.builder.add(&frame) {
                        Reason::Records
                    } else if self.scanner.offset() < until {
                        continue;
                    } else {
                        return Ok(false);
                    }
                }
                Scanned::Nothing(NoFrame::Header(_)) => Reason::FrameHeader,
                Scanned::Nothing(NoFrame::Body(_, reason)) => reason,
            };
            return Err(ReadError::damaged(self.source.file_name(self.builder.facts().number), offset, reason));
        }
    }
}
