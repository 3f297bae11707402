//! Reading a segment from its beginning to its end, with every frame checked against the one before it.

use super::catalog::{Catalog, Segment};
use super::damage::{ReadError, Reason};
use super::footer::FooterBuilder;
use super::frame::NoFrame;
use super::scan::{FrameScanner, READ_AHEAD, Scanned};
use super::segment::SEGMENT_HEADER;
use super::source::Source;

/// Follows a segment that is known to end where the catalog says, and collects what its footer holds.
pub(crate) fn follow(catalog: &Catalog, segment: &Segment, source: &Source) -> Result<FooterBuilder, ReadError> {
    let mut builder = FooterBuilder::new(segment.number, segment.first, segment.previous);
    let start = SEGMENT_HEADER as u64;
    let mut scanner = FrameScanner::new(source.clone(), catalog.key, start, segment.end, READ_AHEAD);
    loop {
        let offset = scanner.offset();
        let reason = match scanner.next()? {
            Scanned::End if offset == segment.end && builder.facts().last == segment.last => return Ok(builder),
            Scanned::End => Reason::SegmentEnds,
            Scanned::Frame(frame) => {
                let facts = builder.facts();
                if frame.header.previous != facts.chain {
                    Reason::Chain
                } else if frame.header.first != facts.last + 1 {
                    Reason::Sequence
                } else if builder.add(&frame) {
                    continue;
                } else {
                    Reason::Records
                }
            }
            Scanned::Nothing(NoFrame::Header(_)) => Reason::FrameHeader,
            Scanned::Nothing(NoFrame::Body(_, reason)) => reason,
        };
        return Err(ReadError::damaged(source.file_name(segment.number), offset, reason));
    }
}
