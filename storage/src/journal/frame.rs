//! The frame: one group of records, written in one piece.
//!
//! ```text
//!   0  magic        "SKFR"
//!   4  version      u8      1
//!   5  kind         u8      1 records, 2 seal (no records; proves what stands before it)
//!   6  zero         u16
//!   8  length       u32     of the payload
//!  12  records      u32
//!  16  first        u64     sequence of the first record; of a seal: of the record that comes next
//!  24  watermark    u64     last sequence that was durable when this was written
//!  32  previous     32      hash of the frame before it, over all segments
//!  64  payload CRC  u32     CRC32C, keyed with the journal's id
//!  68  header CRC   u32     CRC32C of the 68 bytes before it, keyed with the journal's id
//!  72  payload              records, see `record`
//!      zeros                to a multiple of 8
//!      end mark     8       never zero: tells a frame that was written whole from one that was not
//! ```
//!
//! Numbers are little endian. A frame's hash is BLAKE3 over header and payload. The key of the CRCs keeps bytes that a
//! caller had recorded from passing for a frame, because the id of the journal is not known outside.

use super::damage::Reason;

/// Bytes of a frame's header.
pub(crate) const HEADER: usize = 72;
/// Bytes of the mark at a frame's end.
pub(crate) const END_MARK: [u8; 8] = *b"\xa5end\xa5\xf0\x0f\x5a";
/// What zeros and mark follow a payload of each length modulo 8 end in.
const TAIL: [u8; 15] = *b"\0\0\0\0\0\0\0\xa5end\xa5\xf0\x0f\x5a";
/// Frames begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;
/// More than this is never written as one frame, and a header that says so is none.
pub(crate) const PAYLOAD_MAX: usize = 1 << 30;

/// The most bytes that a frame takes beyond its payload.
pub const FRAME_OVERHEAD: u64 = (HEADER + TAIL.len()) as u64;

/// The version of the format that this program writes, of segments and frames alike.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 4] = *b"SKFR";
const KIND_RECORDS: u8 = 1;
const KIND_SEAL: u8 = 2;

/// A hash of the chain.
pub type ChainHash = [u8; 32];

/// What stands before the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub length: u32,
    pub records: u32,
    pub first: u64,
    pub watermark: u64,
    pub previous: ChainHash,
    pub payload_crc: u32,
}

/// Why bytes are no header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// Not the bytes of a frame, or not as they were written.
    Invalid,
    /// A frame of a later version of this program.
    Newer(u32),
}

/// The key of a journal's CRCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrcKey(u32);

impl CrcKey {
    pub(crate) fn of_journal(id: &[u8; 16]) -> Self {
        Self(crc32c::crc32c(id))
    }

    /// Some key.
    #[cfg(test)]
    pub(crate) const fn for_tests() -> Self {
        Self(5)
    }

    pub(crate) fn crc(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

impl FrameHeader {
    /// The header of a frame with this payload; without records it is a seal.
    pub(crate) fn new(
        key: CrcKey,
        payload: &[u8],
        records: u32,
        first: u64,
        watermark: u64,
        previous: ChainHash,
    ) -> Self {
        Self { length: payload.len() as u32, records, first, watermark, previous, payload_crc: key.crc(payload) }
    }

    pub(crate) fn is_seal(&self) -> bool {
        self.records == 0
    }

    /// Sequence of the last record; of a seal: of the last before it.
    pub(crate) fn last(&self) -> u64 {
        self.first + u64::from(self.records) - 1
    }

    /// Bytes of the whole frame.
    pub(crate) fn frame_length(&self) -> u64 {
        frame_length(self.length as usize)
    }

    pub(crate) fn encode(&self, key: CrcKey) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = FORMAT_VERSION as u8;
        bytes[5] = if self.is_seal() { KIND_SEAL } else { KIND_RECORDS };
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.records.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.watermark.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.previous);
        bytes[64..68].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = key.crc(&bytes[..68]);
        bytes[68..72].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header, and checks everything about it that can be checked without its surroundings.
    pub(crate) fn decode(bytes: &[u8; HEADER], key: CrcKey) -> Result<Self, NoHeader> {
        if bytes[0..4] != MAGIC || key.crc(&bytes[..68]) != u32_at(bytes, 68) {
            return Err(NoHeader::Invalid);
        }
        if u32::from(bytes[4]) > FORMAT_VERSION {
            return Err(NoHeader::Newer(u32::from(bytes[4])));
        }
        let header = Self {
            length: u32_at(bytes, 8),
            records: u32_at(bytes, 12),
            first: u64_at(bytes, 16),
            watermark: u64_at(bytes, 24),
            previous: array_at(bytes, 32),
            payload_crc: u32_at(bytes, 64),
        };
        let kind_fits = bytes[5] == if header.is_seal() { KIND_SEAL } else { KIND_RECORDS };
        let sequences_fit = header.first > 0
            && header.watermark < header.first
            && header.first.checked_add(u64::from(header.records)).is_some();
        let length_fits = header.length as usize <= PAYLOAD_MAX && header.is_seal() == (header.length == 0);
        if kind_fits && sequences_fit && length_fits { Ok(header) } else { Err(NoHeader::Invalid) }
    }
}

/// Bytes of the frame of a payload of this length.
pub(crate) const fn frame_length(payload: usize) -> u64 {
    (HEADER + payload.next_multiple_of(ALIGNMENT as usize) + END_MARK.len()) as u64
}

/// What follows a payload of this length: zeros and the end mark.
pub(crate) fn tail(payload: usize) -> &'static [u8] {
    let zeros = payload.next_multiple_of(ALIGNMENT as usize) - payload;
    &TAIL[7 - zeros..]
}

/// The hash that the next frame names as its predecessor.
pub(crate) fn chain_hash(header: &[u8; HEADER], payload: &[u8]) -> ChainHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    *hasher.finalize().as_bytes()
}

/// A frame in memory, with its payload checked against its CRC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Where in its segment it begins.
    pub offset: u64,
    pub header: FrameHeader,
    pub header_bytes: &'a [u8; HEADER],
    pub payload: &'a [u8],
}

impl Frame<'_> {
    pub(crate) fn hash(&self) -> ChainHash {
        chain_hash(self.header_bytes, self.payload)
    }

    pub(crate) fn end(&self) -> u64 {
        self.offset + self.header.frame_length()
    }
}

/// Why bytes that should be a frame are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoFrame {
    /// The header cannot be believed, so not even the length is known.
    Header(NoHeader),
    /// The header is good, the rest is not.
    Body(FrameHeader, Reason),
}

/// Checks the payload and the end mark behind a good header. `body` begins behind the header.
pub(crate) fn check_body(header: &FrameHeader, body: &[u8], key: CrcKey) -> Result<(), Reason> {
    let length = header.length as usize;
    let (Some(payload), Some(found)) = (body.get(..length), body.get(length..frame_length(length) as usize - HEADER))
    else {
        return Err(Reason::SegmentEnds);
    };
    if key.crc(payload) != header.payload_crc {
        return Err(Reason::PayloadChecksum);
    }
    if found != tail(length) {
        return Err(Reason::EndMark);
    }
    Ok(())
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: CrcKey = CrcKey::for_tests();

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let header = FrameHeader::new(KEY, b"payload", 1, 9, 8, [3; 32]);
        let bytes = header.encode(KEY);
        assert_eq!(FrameHeader::decode(&bytes, KEY), Ok(header));
        for bit in 0..HEADER * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&flipped, KEY), Err(NoHeader::Invalid), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_of_another_journal_is_none() {
        let bytes = FrameHeader::new(KEY, b"", 0, 9, 8, [3; 32]).encode(KEY);
        let other = CrcKey::of_journal(&[1; 16]);
        assert_eq!(FrameHeader::decode(&bytes, other), Err(NoHeader::Invalid));
    }

    #[test]
    fn a_newer_frame_is_told_from_a_damaged_one() {
        let mut bytes = FrameHeader::new(KEY, b"", 0, 9, 8, [3; 32]).encode(KEY);
        bytes[4] = 2;
        let crc = KEY.crc(&bytes[..68]);
        bytes[68..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(FrameHeader::decode(&bytes, KEY), Err(NoHeader::Newer(2)));
    }

    #[test]
    fn a_header_that_contradicts_itself_is_none_even_with_a_good_checksum() {
        let good = FrameHeader::new(KEY, b"payload", 1, 9, 8, [3; 32]);
        let table = [
            ("a watermark above its own records", FrameHeader { watermark: 9, ..good }),
            ("a sequence of nothing", FrameHeader { first: 0, watermark: 0, ..good }),
            ("sequences beyond their range", FrameHeader { first: u64::MAX, ..good }),
            ("a seal with a payload", FrameHeader { records: 0, ..good }),
            ("records without a payload", FrameHeader { length: 0, ..good }),
            ("an endless payload", FrameHeader { length: u32::MAX, ..good }),
        ];
        for (name, header) in table {
            assert_eq!(FrameHeader::decode(&header.encode(KEY), KEY), Err(NoHeader::Invalid), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_frame_is_what_was_written(payload in proptest::collection::vec(any::<u8>(), 1..100), first in 1..u64::MAX / 2) {
            let header = FrameHeader::new(KEY, &payload, 1, first, first - 1, [3; 32]);
            let body = [&payload, tail(payload.len())].concat();
            prop_assert_eq!((HEADER + body.len()) as u64, header.frame_length());
            prop_assert_eq!(header.frame_length() % ALIGNMENT, 0);
            prop_assert!(header.frame_length() <= payload.len() as u64 + FRAME_OVERHEAD);
            prop_assert_eq!(check_body(&header, &body, KEY), Ok(()));
            prop_assert_eq!(check_body(&header, &body[..body.len() - 1], KEY), Err(Reason::SegmentEnds));
        }
    }
}
