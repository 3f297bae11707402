//! The footer of a sealed segment: what is in it, and where.
//!
//! A file of its own beside the segment, derived from it and rebuilt when it is not as it was written. It is made of pages
//! with a checksum each:
//!
//! ```text
//! page 0       header: the segment's place in the chain, its times, the sizes of the sections
//! index        first sequence and offset of every few frames
//! Bloom        blocks of 64 bytes
//! table        fingerprint and record number, sorted: orders, payments, idempotency keys
//! ```

use std::sync::Arc;

use super::bloom::{BLOCK, BloomFilter, block_of, may_contain};
use super::damage::{ReadError, Reason};
use super::fingerprint::Fingerprint;
use super::frame::{ChainHash, CrcKey, Frame, array_at, u32_at, u64_at};
use super::pages::{PAGE, PAGE_DATA, PageWriter, read_page};
use super::segment::footer_name;
use super::sparse_index::SparseIndex;
use crate::disk::DiskFile;
use crate::record::{Seq, next_record, parse_record};

const MAGIC: [u8; 8] = *b"STKDFOOT";
const VERSION: u32 = 1;
const INDEX_ROW: usize = 16;
const TABLE_ROW: usize = 12;
const INDEX_ROWS: u64 = (PAGE_DATA / INDEX_ROW) as u64;
const BLOOM_ROWS: u64 = (PAGE_DATA / BLOCK) as u64;
const TABLE_ROWS: u64 = (PAGE_DATA / TABLE_ROW) as u64;

/// A segment's place in the chain, and the range of engine times in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    pub number: u64,
    /// Sequence of the first record.
    pub first: Seq,
    /// Sequence of the last record; one less than `first` when there is none.
    pub last: Seq,
    /// Where its last frame ends.
    pub end: u64,
    /// Hash of the last frame before it.
    pub previous: ChainHash,
    /// Hash of its own last frame.
    pub chain: ChainHash,
    /// Latest engine time of a record in it.
    pub time_max: i64,
}

/// Collects what a footer holds, frame by frame.
#[derive(Debug)]
pub(crate) struct FooterBuilder {
    facts: SegmentFacts,
    index: SparseIndex,
    rows: Vec<(Fingerprint, u32)>,
}

impl FooterBuilder {
    pub(crate) fn new(number: u64, first: Seq, previous: ChainHash) -> Self {
        let end = super::segment::SEGMENT_HEADER as u64;
        let facts = SegmentFacts { number, first, last: first - 1, end, previous, chain: previous, time_max: i64::MIN };
        Self { facts, index: SparseIndex::default(), rows: Vec::new() }
    }

    /// Takes in the next frame; false when its records are not what they should be.
    pub(crate) fn add(&mut self, frame: &Frame<'_>) -> bool {
        let mut row = frame.payload;
        let mut seq = frame.header.first;
        while !row.is_empty() {
            let Some(head) = next_record(&mut row).ok().and_then(|body| parse_record(body).ok()) else { return false };
            let Ok(place) = u32::try_from(seq - self.facts.first) else { return false };
            self.rows.extend(Fingerprint::of_record(&head.0).map(|fingerprint| (fingerprint, place)));
            self.facts.time_max = self.facts.time_max.max(head.0.time);
            seq += 1;
        }
        self.index.note_frame(frame);
        self.facts.last = seq - 1;
        self.facts.end = frame.end();
        self.facts.chain = frame.hash();
        true
    }

    pub(crate) fn facts(&self) -> &SegmentFacts {
        &self.facts
    }

    /// The footer's bytes.
    pub(crate) fn finish(mut self, key: CrcKey, journal: &[u8; 16]) -> Vec<u8> {
        self.rows.sort_unstable_by_key(|(fingerprint, place)| (fingerprint.id, *place));
        let mut bloom = BloomFilter::for_entries(self.rows.len());
        self.rows.iter().for_each(|(fingerprint, _)| bloom.insert(fingerprint));

        let mut pages = PageWriter::new(key, self.facts.number);
        pages.push(&self.header(journal, bloom.blocks().len()));
        pages.begin_section();
        for (first, offset) in self.index.entries() {
            pages.push(&[first.to_le_bytes(), offset.to_le_bytes()].concat());
        }
        pages.begin_section();
        bloom.blocks().iter().for_each(|block| pages.push(block));
        pages.begin_section();
        for (fingerprint, place) in &self.rows {
            let mut row = [0; TABLE_ROW];
            row[..8].copy_from_slice(&fingerprint.id.to_le_bytes());
            row[8..].copy_from_slice(&place.to_le_bytes());
            pages.push(&row);
        }
        debug_assert!(pages.pages() > 1, "a Bloom filter has a block at least");
        pages.finish()
    }

    fn header(&self, journal: &[u8; 16], bloom_blocks: usize) -> Vec<u8> {
        let facts = &self.facts;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(journal);
        for number in [facts.number, facts.first, facts.last, facts.end] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(facts.previous);
        bytes.extend(facts.chain);
        bytes.extend(facts.time_max.to_le_bytes());
        for count in [self.index.entries().len(), bloom_blocks, self.rows.len()] {
            bytes.extend((count as u64).to_le_bytes());
        }
        bytes
    }
}

/// A footer that was written.
#[derive(Debug)]
pub(crate) struct Footer {
    file: Arc<dyn DiskFile>,
    key: CrcKey,
    facts: SegmentFacts,
    index: SparseIndex,
    bloom_from: u64,
    bloom_blocks: u64,
    table_from: u64,
    table_rows: u64,
}

impl Footer {
    /// Opens a footer of this journal and segment; the sections are checked as they are read.
    pub(crate) fn open(
        file: Arc<dyn DiskFile>,
        key: CrcKey,
        journal: &[u8; 16],
        number: u64,
    ) -> Result<Self, ReadError> {
        let page = read_page(&*file, key, number, 0)?;
        let damaged = || ReadError::damaged(footer_name(number), 0, Reason::Index);
        let fits = page[..8] == MAGIC && u32_at(&page, 8) == VERSION && page[12..28] == journal[..];
        if !fits || u64_at(&page, 28) != number {
            return Err(damaged());
        }
        let facts = SegmentFacts {
            number,
            first: u64_at(&page, 36),
            last: u64_at(&page, 44),
            end: u64_at(&page, 52),
            previous: array_at(&page, 60),
            chain: array_at(&page, 92),
            time_max: i64::from_le_bytes(array_at(&page, 124)),
        };
        let (index_rows, bloom_blocks, table_rows) = (u64_at(&page, 132), u64_at(&page, 140), u64_at(&page, 148));
        let length = file.length()?;
        if index_rows.max(bloom_blocks).max(table_rows) > length || bloom_blocks == 0 {
            return Err(damaged());
        }
        let bloom_from = 1 + index_rows.div_ceil(INDEX_ROWS);
        let table_from = bloom_from + bloom_blocks.div_ceil(BLOOM_ROWS);
        if (table_from + table_rows.div_ceil(TABLE_ROWS)) * PAGE as u64 != length {
            return Err(damaged());
        }
        let index = read_index(&*file, key, number, index_rows)?;
        Ok(Self { file, key, facts, index, bloom_from, bloom_blocks, table_from, table_rows })
    }

    pub(crate) fn facts(&self) -> &SegmentFacts {
        &self.facts
    }

    /// Where a frame begins that stands at or before the one with this sequence.
    pub(crate) fn start_for(&self, seq: Seq) -> Option<u64> {
        self.index.start_for(seq)
    }

    /// Checks every page.
    pub(crate) fn verify(&self) -> Result<(), ReadError> {
        let pages = self.table_from + self.table_rows.div_ceil(TABLE_ROWS);
        (0..pages).try_for_each(|page| self.page(page).map(drop))
    }

    /// Adds the sequences of the records that may be what is looked for, ascending; most often there are none, and one
    /// page was read.
    pub(crate) fn candidates(&self, fingerprint: &Fingerprint, into: &mut Vec<Seq>) -> Result<(), ReadError> {
        let block = block_of(fingerprint, self.bloom_blocks);
        let page = self.page(self.bloom_from + block / BLOOM_ROWS)?;
        let at = (block % BLOOM_ROWS) as usize * BLOCK;
        if self.table_rows == 0 || !may_contain(&page[at..at + BLOCK], fingerprint) {
            return Ok(());
        }
        self.look_up(fingerprint.id, into)
    }

    /// Fingerprints are spread evenly, so a row stands about where its value says.
    fn look_up(&self, id: u64, into: &mut Vec<Seq>) -> Result<(), ReadError> {
        let pages = self.table_rows.div_ceil(TABLE_ROWS);
        let guess = ((u128::from(id) * u128::from(self.table_rows)) >> 64) as u64 / TABLE_ROWS;
        let mut at = guess.min(pages - 1);
        let mut page = self.page(self.table_from + at)?;
        while at > 0 && row_of(&page, 0).0 >= id {
            at -= 1;
            page = self.page(self.table_from + at)?;
        }
        loop {
            let rows = TABLE_ROWS.min(self.table_rows - at * TABLE_ROWS) as usize;
            for place in 0..rows {
                let (found, record) = row_of(&page, place);
                if found == id {
                    into.push(self.facts.first + u64::from(record));
                }
            }
            if row_of(&page, rows - 1).0 > id || at + 1 == pages {
                return Ok(());
            }
            at += 1;
            page = self.page(self.table_from + at)?;
        }
    }

    fn page(&self, page: u64) -> Result<[u8; PAGE], ReadError> {
        read_page(&*self.file, self.key, self.facts.number, page)
    }
}

fn row_of(page: &[u8; PAGE], place: usize) -> (u64, u32) {
    (u64_at(page, place * TABLE_ROW), u32_at(page, place * TABLE_ROW + 8))
}

fn read_index(file: &dyn DiskFile, key: CrcKey, number: u64, rows: u64) -> Result<SparseIndex, ReadError> {
    let mut entries = Vec::with_capacity(rows as usize);
    for page in 0..rows.div_ceil(INDEX_ROWS) {
        let bytes = read_page(file, key, number, 1 + page)?;
        let here = INDEX_ROWS.min(rows - page * INDEX_ROWS) as usize;
        entries.extend(bytes.chunks_exact(INDEX_ROW).take(here).map(|row| (u64_at(row, 0), u64_at(row, 8))));
    }
    Ok(SparseIndex::from_entries(entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, MemoryDisk};
    use crate::journal::frame::{FrameHeader, HEADER};
    use crate::record::{KIND_ORDER, KIND_SKU, RecordHead, encode_record};

    const KEY: CrcKey = CrcKey::for_tests();
    const JOURNAL: [u8; 16] = [4; 16];

    /// A segment from record 10 on with a frame for each order: the order, a SKU, and the order again.
    fn footer_of(orders: u32) -> (MemoryDisk, Footer) {
        let mut builder = FooterBuilder::new(7, 10, [1; 32]);
        let mut first = 10;
        let mut offset = 128;
        for order in 0..orders {
            let mut payload = Vec::new();
            let digests = [[order as u8; 16]];
            for (kind, key, digests) in [
                (KIND_ORDER, id(order).to_vec(), &digests[..]),
                (KIND_SKU, b"MUG".to_vec(), &[]),
                (KIND_ORDER, id(order).to_vec(), &[]),
            ] {
                let head = RecordHead { kind, key: &key, time: i64::from(order), note: 0, digests };
                encode_record(&mut payload, &head, b"events");
            }
            let header = FrameHeader::new(KEY, &payload, 3, first, first - 1, [0; 32]);
            let header_bytes: [u8; HEADER] = header.encode(KEY);
            assert!(builder.add(&Frame { offset, header, header_bytes: &header_bytes, payload: &payload }));
            first += 3;
            offset += header.frame_length();
        }
        let disk = MemoryDisk::new();
        let file = disk.create("footer").unwrap();
        file.write_at(0, &[&builder.finish(KEY, &JOURNAL)]).unwrap();
        (disk, Footer::open(file, KEY, &JOURNAL, 7).unwrap())
    }

    fn id(order: u32) -> [u8; 16] {
        u128::from(order).to_be_bytes()
    }

    fn found(footer: &Footer, fingerprint: &Fingerprint) -> Vec<Seq> {
        let mut found = Vec::new();
        footer.candidates(fingerprint, &mut found).unwrap();
        found
    }

    #[test]
    fn every_record_of_an_order_is_found_in_order_and_no_other() {
        let (_disk, footer) = footer_of(2_000);
        assert_eq!((footer.facts().first, footer.facts().last, footer.facts().time_max), (10, 6_009, 1_999));
        for order in 0..2_000 {
            let first = 10 + u64::from(order) * 3;
            let fingerprint = Fingerprint::of_actor(KIND_ORDER, &id(order));
            assert_eq!(found(&footer, &fingerprint), [first, first + 2], "order {order}");
        }
        for unknown in 2_000..3_000 {
            assert!(found(&footer, &Fingerprint::of_actor(KIND_ORDER, &id(unknown))).is_empty());
        }
        let keyed = found(&footer, &Fingerprint::of_digest(&[5; 16]));
        assert_eq!(keyed, (0..2_000).filter(|n| n % 256 == 5).map(|n| 10 + n * 3).collect::<Vec<_>>());
        footer.verify().unwrap();
    }

    #[test]
    fn the_index_leads_to_a_frame_at_or_before_the_record() {
        let (_disk, footer) = footer_of(2_000);
        assert_eq!(footer.start_for(9), None);
        assert_eq!(footer.start_for(10), Some(128));
        let late = footer.start_for(6_000).unwrap();
        assert!(late > 128 && late < footer.facts().end);
    }

    #[test]
    fn a_segment_without_records_has_a_footer_too() {
        let (_disk, footer) = footer_of(0);
        assert_eq!((footer.facts().first, footer.facts().last), (10, 9));
        assert!(found(&footer, &Fingerprint::of_digest(&[5; 16])).is_empty());
    }

    #[test]
    fn a_footer_that_has_changed_anywhere_is_not_believed() {
        let (disk, footer) = footer_of(100);
        let length = footer.file.length().unwrap();
        for offset in 0..length {
            let mut byte = [0];
            footer.file.read_at(offset, &mut byte).unwrap();
            footer.file.write_at(offset, &[&[byte[0] ^ 1]]).unwrap();
            let opened = Footer::open(disk.open("footer").unwrap(), KEY, &JOURNAL, 7);
            assert!(opened.and_then(|footer| footer.verify()).is_err(), "byte {offset}");
            footer.file.write_at(offset, &[&byte]).unwrap();
        }
        footer.file.truncate(length - PAGE as u64).unwrap();
        assert!(Footer::open(disk.open("footer").unwrap(), KEY, &JOURNAL, 7).is_err());
        assert!(Footer::open(disk.open("footer").unwrap(), KEY, &JOURNAL, 8).is_err());
    }
}
