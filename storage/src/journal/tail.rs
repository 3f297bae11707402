//! The end of the last segment: unwritten, torn, or damaged?
//!
//! At any time one frame at most is written and not yet synced, and it goes where there were zeros. So, where the next frame
//! would begin, a power loss can leave only this:
//!
//! - zeros: nothing was begun;
//! - a frame of which some sectors, or all bytes from one on, are still zero: it was begun and never acknowledged. The end
//!   mark and the header have no zeros where that would have to be told;
//! - a whole frame but for its end mark: it counts.
//!
//! All else was written once and has changed since: it is refused. A valid frame further on proves the same.

use super::damage::{ReadError, Reason};
use super::frame::{ALIGNMENT, CrcKey, END_MARK, FrameHeader, HEADER, NoFrame, check_body, tail};
use super::scan::decode_at;
use super::window::Window;

/// What a disk writes as a whole or not at all; on disks with larger sectors a torn frame shows in these just as well.
const SECTOR: u64 = 512;
/// How much is looked at in one go while looking for zeros.
const PIECE: usize = 64 << 10;

/// What the bytes are where no valid frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Zeros up to the end.
    Unwritten,
    /// A write that was begun and never acknowledged. Its last byte that is not zero stands before this offset.
    Torn { until: u64 },
    /// A frame whose records are whole and whose end mark is not.
    Whole(FrameHeader),
    /// Something that was written and has changed since.
    Damaged(Reason),
}

/// Judges the bytes of a segment from `at` on, where no valid frame begins; `no_frame` says why none does.
pub(crate) fn judge(
    window: &mut Window,
    key: CrcKey,
    at: u64,
    end: u64,
    next_seq: u64,
    no_frame: NoFrame,
) -> Result<Tail, ReadError> {
    let Some(last) = last_written(window, at, end)? else { return Ok(Tail::Unwritten) };
    let until = last + 1;
    if frame_follows(window, key, at, until, end, next_seq)? {
        return Ok(Tail::Damaged(Reason::FrameLost));
    }
    match no_frame {
        NoFrame::Header(_) => {
            let ends_in_header = until <= at + HEADER as u64;
            if ends_in_header || has_unwritten_sector(window, at, at + HEADER as u64)? {
                return Ok(Tail::Torn { until });
            }
            Ok(Tail::Damaged(Reason::FrameHeader))
        }
        NoFrame::Body(_, Reason::SegmentEnds) => Ok(Tail::Damaged(Reason::SegmentEnds)),
        NoFrame::Body(header, reason) => judge_body(window, key, at, until, header, reason),
    }
}

/// Judges a frame with a good header and a bad body.
fn judge_body(
    window: &mut Window,
    key: CrcKey,
    at: u64,
    until: u64,
    header: FrameHeader,
    reason: Reason,
) -> Result<Tail, ReadError> {
    let end = at + header.frame_length();
    let mark_at = end - END_MARK.len() as u64;
    if until > end {
        return Ok(Tail::Damaged(reason));
    }
    if reason == Reason::EndMark {
        // The records are whole. What was begun of the end must be a beginning of what belongs there.
        let length = header.length as usize;
        let body = window.bytes(at + HEADER as u64, (end - at) as usize - HEADER)?;
        let mut repaired = body.to_vec();
        let written = (until.saturating_sub(at) as usize).saturating_sub(HEADER).max(length);
        repaired[written..].copy_from_slice(&tail(length)[written - length..]);
        let whole = check_body(&header, &repaired, key).is_ok();
        return Ok(if whole { Tail::Whole(header) } else { Tail::Damaged(reason) });
    }
    if until <= mark_at || has_unwritten_sector(window, at, end)? {
        return Ok(Tail::Torn { until });
    }
    Ok(Tail::Damaged(reason))
}

/// The place of the last byte in a range that is not zero.
pub(crate) fn last_written(window: &mut Window, from: u64, end: u64) -> Result<Option<u64>, ReadError> {
    let mut last = None;
    let mut at = from;
    while at < end {
        let piece = window.bytes(at, PIECE.min((end - at) as usize))?;
        if piece.is_empty() {
            break;
        }
        if let Some(place) = last_nonzero(piece) {
            last = Some(at + place as u64);
        }
        at += piece.len() as u64;
    }
    Ok(last)
}

fn last_nonzero(bytes: &[u8]) -> Option<usize> {
    // Whole pieces of zeros are the rule, and comparing them is as fast as reading them.
    const ZEROS: [u8; 4096] = [0; 4096];
    let last = bytes.chunks(ZEROS.len()).rposition(|chunk| chunk != &ZEROS[..chunk.len()])?;
    let from = last * ZEROS.len();
    bytes[from..].iter().rposition(|byte| *byte != 0).map(|place| from + place)
}

/// Whether the part of a range that lies in some sector is all zero.
fn has_unwritten_sector(window: &mut Window, from: u64, end: u64) -> Result<bool, ReadError> {
    let mut at = from;
    while at < end {
        let to = end.min((at / SECTOR + 1) * SECTOR);
        if window.bytes(at, (to - at) as usize)?.iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        at = to;
    }
    Ok(false)
}

/// Whether a valid frame begins somewhere behind `at`: then `at` was written and synced.
pub(crate) fn frame_follows(
    window: &mut Window,
    key: CrcKey,
    at: u64,
    until: u64,
    end: u64,
    next_seq: u64,
) -> Result<bool, ReadError> {
    let mut place = at + ALIGNMENT;
    while place < until {
        if let Ok(header) = decode_at(window, place, key)?
            && header.first >= next_seq
            && place + header.frame_length() <= end
        {
            let body = window.bytes(place + HEADER as u64, header.frame_length() as usize - HEADER)?;
            if check_body(&header, body, key).is_ok() {
                return Ok(true);
            }
        }
        place += ALIGNMENT;
    }
    Ok(false)
}
