//! The segment: a file of frames, filled with zeros before it is needed and never used a second time.
//!
//! ```text
//!   0  magic      "STKDSEG\n"
//!   8  version    u32
//!  12  length     u32      of this header, 128
//!  16  journal    16       the id of the journal
//!  32  number     u64      of the segment, from 1
//!  40  first      u64      sequence of the first record in it
//!  48  previous   32       hash of the last frame of the segment before it; zeros in the first
//!  80  zeros
//! 120  CRC        u32      CRC32C of the 120 bytes before it
//! 124  end mark   u32      never zero
//! 128  frames
//! ```
//!
//! The header is written together with the first frame, in one piece: a segment without one was prepared and not used.

use super::frame::{ChainHash, CrcKey, FORMAT_VERSION, array_at, u32_at, u64_at};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 128;

const MAGIC: [u8; 8] = *b"STKDSEG\n";
const END_MARK: u32 = 0x5af0_0fa5;
/// The segment header is checked without the journal's id, which it holds.
const CRC_KEY_OF_HEADERS: [u8; 16] = [0; 16];

/// What stands before the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub journal: [u8; 16],
    pub number: u64,
    pub first: u64,
    pub previous: ChainHash,
}

/// Why bytes are no header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSegmentHeader {
    Invalid,
    Newer(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(SEGMENT_HEADER as u32).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.journal);
        bytes[32..40].copy_from_slice(&self.number.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first.to_le_bytes());
        bytes[48..80].copy_from_slice(&self.previous);
        let crc = header_crc(&bytes);
        bytes[120..124].copy_from_slice(&crc.to_le_bytes());
        bytes[124..128].copy_from_slice(&END_MARK.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER]) -> Result<Self, NoSegmentHeader> {
        if bytes[0..8] != MAGIC {
            return Err(NoSegmentHeader::Invalid);
        }
        let version = u32_at(bytes, 8);
        if version > FORMAT_VERSION && !is_of_this_version_but_for_its_number(bytes) {
            return Err(NoSegmentHeader::Newer(version));
        }
        let intact = version == FORMAT_VERSION
            && u32_at(bytes, 12) as usize == SEGMENT_HEADER
            && u32_at(bytes, 120) == header_crc(bytes)
            && u32_at(bytes, 124) == END_MARK;
        let header = Self {
            journal: array_at(bytes, 16),
            number: u64_at(bytes, 32),
            first: u64_at(bytes, 40),
            previous: array_at(bytes, 48),
        };
        if intact && header.first > 0 { Ok(header) } else { Err(NoSegmentHeader::Invalid) }
    }
}

/// A decayed version number is damage, not news from the future.
fn is_of_this_version_but_for_its_number(bytes: &[u8; SEGMENT_HEADER]) -> bool {
    let mut repaired = *bytes;
    repaired[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    u32_at(bytes, 120) == header_crc(&repaired)
}

fn header_crc(bytes: &[u8; SEGMENT_HEADER]) -> u32 {
    CrcKey::of_journal(&CRC_KEY_OF_HEADERS).crc(&bytes[..120])
}

/// The file of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    format!("journal-{number:08}.seg")
}

/// The footer of a segment.
pub(crate) fn footer_name(number: u64) -> String {
    format!("journal-{number:08}.footer")
}

/// Where archived segments lie.
pub(crate) const ARCHIVE: &str = "archive";

/// The file of an archived segment.
pub(crate) fn archive_name(number: u64) -> String {
    format!("{ARCHIVE}/journal-{number:08}.zst")
}

/// What is added to a name while the file is being made.
pub(crate) const UNFINISHED: &str = ".tmp";

/// The number in a file's name, if it has this ending.
pub(crate) fn number_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(ending)?;
    let number = digits.parse().ok().filter(|number| *number > 0)?;
    (format!("{number:08}") == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader { journal: [1; 16], number: 2, first: 3, previous: [4; 32] };

    #[test]
    fn every_flipped_bit_of_a_header_is_damage() {
        let bytes = HEADER.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(HEADER));
        for bit in 0..SEGMENT_HEADER * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), Err(NoSegmentHeader::Invalid), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_header_is_newer_whatever_else_it_holds() {
        let mut bytes = HEADER.encode();
        bytes[8] = 2;
        bytes[90] = 1;
        assert_eq!(SegmentHeader::decode(&bytes), Err(NoSegmentHeader::Newer(2)));
    }

    #[test]
    fn only_names_that_the_journal_makes_have_a_number() {
        let table = [
            (segment_name(1), Some(1)),
            (segment_name(123_456_789), Some(123_456_789)),
            ("journal-1.seg".into(), None),
            ("journal-00000000.seg".into(), None),
            ("journal-00000001.seg.tmp".into(), None),
            ("LOCK".into(), None),
        ];
        for (name, number) in table {
            assert_eq!(number_of(&name, ".seg"), number, "{name}");
        }
    }
}
