//! Reading frames one after the other.

use super::damage::{ReadError, Reason};
use super::frame::{CrcKey, Frame, FrameHeader, HEADER, NoFrame, NoHeader, check_body};
use super::source::Source;
use super::window::Window;

/// How much is read at a time when a whole segment is read.
pub(crate) const READ_AHEAD: usize = 256 << 10;

/// Walks over the frames of a segment. It knows frames, not what they must follow.
#[derive(Debug)]
pub(crate) struct FrameScanner {
    window: Window,
    key: CrcKey,
    offset: u64,
    end: u64,
}

/// What stands at the scanner's place.
#[derive(Debug)]
pub(crate) enum Scanned<'a> {
    /// A frame; the scanner goes on behind it.
    Frame(Frame<'a>),
    /// No frame; the scanner stays.
    Nothing(NoFrame),
    /// Too few bytes for any frame before the end.
    End,
}

impl FrameScanner {
    /// Reads the frames from `offset` up to `end`.
    pub(crate) fn new(source: Source, key: CrcKey, offset: u64, end: u64, read_ahead: usize) -> Self {
        Self { window: Window::up_to(source, read_ahead, end), key, offset, end }
    }

    /// Where the next frame begins or would begin.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn next(&mut self) -> Result<Scanned<'_>, ReadError> {
        let offset = self.offset;
        let left = self.end.saturating_sub(offset);
        if left < HEADER as u64 {
            return Ok(Scanned::End);
        }
        let header = match decode_at(&mut self.window, offset, self.key)? {
            Ok(header) => header,
            Err(none) => return Ok(Scanned::Nothing(NoFrame::Header(none))),
        };
        if header.frame_length() > left {
            return Ok(Scanned::Nothing(NoFrame::Body(header, Reason::SegmentEnds)));
        }
        let bytes = self.window.bytes(offset, header.frame_length() as usize)?;
        let Some((header_bytes, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Ok(Scanned::Nothing(NoFrame::Body(header, Reason::SegmentEnds)));
        };
        if let Err(reason) = check_body(&header, body, self.key) {
            return Ok(Scanned::Nothing(NoFrame::Body(header, reason)));
        }
        self.offset = offset + header.frame_length();
        Ok(Scanned::Frame(Frame { offset, header, header_bytes, payload: &body[..header.length as usize] }))
    }
}

/// The header at an offset, if there is one.
pub(crate) fn decode_at(
    window: &mut Window,
    offset: u64,
    key: CrcKey,
) -> Result<Result<FrameHeader, NoHeader>, ReadError> {
    let bytes = window.bytes(offset, HEADER)?;
    Ok(match bytes.first_chunk::<HEADER>() {
        Some(bytes) => FrameHeader::decode(bytes, key),
        None => Err(NoHeader::Invalid),
    })
}
