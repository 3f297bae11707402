//! An archived segment: its bytes, compressed in chunks, each of which can be read alone.
//!
//! The file follows Zstandard's seekable format, so `zstd -d` gives back the segment: one zstd frame with a checksum for each
//! chunk, then a skippable frame with the compressed and decompressed length of every chunk.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::damage::{ReadError, Reason};
use super::frame::u32_at;
use super::segment::archive_name;
use super::source::Source;
use crate::disk::{DiskError, DiskFile};

/// Bytes of a segment in one chunk.
const CHUNK: usize = 256 << 10;
const LEVEL: i32 = 3;
const SKIPPABLE_MAGIC: u32 = 0x184d_2a5e;
const SEEKABLE_MAGIC: u32 = 0x8f92_eab1;
const SKIPPABLE_HEADER: u64 = 8;
const ENTRY: u64 = 8;
const FOOTER: u64 = 9;

pub(crate) struct ArchivedFile {
    file: Arc<dyn DiskFile>,
    number: u64,
    /// Where each chunk ends, in the segment and in the file.
    ends: Vec<(u64, u64)>,
    /// The chunk read last: reading goes forward mostly.
    recent: Mutex<(usize, Vec<u8>)>,
}

impl fmt::Debug for ArchivedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchivedFile").field("number", &self.number).finish_non_exhaustive()
    }
}

impl ArchivedFile {
    pub(crate) fn open(file: Arc<dyn DiskFile>, number: u64) -> Result<Self, ReadError> {
        let length = file.length()?;
        let damaged = || ReadError::damaged(archive_name(number), length, Reason::Archive);
        let mut footer = [0; FOOTER as usize];
        let footer_at = length.checked_sub(FOOTER).ok_or_else(damaged)?;
        let read = file.read_at(footer_at, &mut footer)?;
        let chunks = u64::from(u32_at(&footer, 0));
        let table_length = chunks * ENTRY;
        let table_at = footer_at.checked_sub(table_length).ok_or_else(damaged)?;
        if read < footer.len() || footer[4] != 0 || u32_at(&footer, 5) != SEEKABLE_MAGIC {
            return Err(damaged());
        }
        let mut table = vec![0; table_length as usize];
        if file.read_at(table_at, &mut table)? < table.len() {
            return Err(damaged());
        }
        let mut end = (0, 0);
        let mut ends = Vec::with_capacity(chunks as usize);
        for entry in table.chunks_exact(ENTRY as usize) {
            let (compressed, plain) = (u64::from(u32_at(entry, 0)), u64::from(u32_at(entry, 4)));
            if plain > CHUNK as u64 {
                return Err(damaged());
            }
            end = (end.0 + plain, end.1 + compressed);
            ends.push(end);
        }
        if end.1 + SKIPPABLE_HEADER != table_at {
            return Err(damaged());
        }
        Ok(Self { file, number, ends, recent: Mutex::new((usize::MAX, Vec::new())) })
    }

    /// Length of the segment.
    pub(crate) fn length(&self) -> u64 {
        self.ends.last().map_or(0, |(plain, _)| *plain)
    }

    pub(crate) fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0;
        let mut chunk = self.ends.partition_point(|(end, _)| *end <= offset);
        let mut recent = self.recent.lock();
        while filled < into.len() && chunk < self.ends.len() {
            if recent.0 != chunk {
                recent.0 = usize::MAX;
                recent.1 = self.decompress(chunk)?;
                recent.0 = chunk;
            }
            let from = (offset + filled as u64 - self.start_of(chunk).0) as usize;
            let bytes = &recent.1[from..];
            let count = bytes.len().min(into.len() - filled);
            into[filled..filled + count].copy_from_slice(&bytes[..count]);
            filled += count;
            chunk += 1;
        }
        Ok(filled)
    }

    fn start_of(&self, chunk: usize) -> (u64, u64) {
        chunk.checked_sub(1).map_or((0, 0), |before| self.ends[before])
    }

    fn decompress(&self, chunk: usize) -> Result<Vec<u8>, ReadError> {
        let ((plain_start, start), (plain_end, end)) = (self.start_of(chunk), self.ends[chunk]);
        let damaged = || ReadError::damaged(archive_name(self.number), start, Reason::Archive);
        let mut compressed = vec![0; (end - start) as usize];
        if self.file.read_at(start, &mut compressed)? < compressed.len() {
            return Err(damaged());
        }
        let length = (plain_end - plain_start) as usize;
        let plain = zstd::bulk::decompress(&compressed, length).map_err(|_| damaged())?;
        if plain.len() == length { Ok(plain) } else { Err(damaged()) }
    }
}

/// Writes the first `length` bytes of a segment into an empty file, a few chunks at a time.
pub(crate) struct ArchiveWriter {
    file: Arc<dyn DiskFile>,
    name: String,
    compressor: zstd::bulk::Compressor<'static>,
    chunk: Vec<u8>,
    table: Vec<u8>,
    length: u64,
    read: u64,
    written: u64,
}

impl fmt::Debug for ArchiveWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveWriter").field("name", &self.name).field("read", &self.read).finish_non_exhaustive()
    }
}

impl ArchiveWriter {
    pub(crate) fn new(file: Arc<dyn DiskFile>, name: String, length: u64) -> Result<Self, ReadError> {
        let failed = |error| DiskError::from_io("compress", &*name, error);
        let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
        compressor.include_checksum(true).map_err(failed)?;
        let chunk = vec![0; CHUNK];
        Ok(Self { file, name, compressor, chunk, table: Vec::new(), length, read: 0, written: 0 })
    }

    /// Compresses about `budget` bytes, at least one chunk; true when the archive is whole and durable.
    pub(crate) fn step(&mut self, source: &Source, budget: u64) -> Result<bool, ReadError> {
        let until = self.length.min(self.read + budget.max(1));
        while self.read < until {
            self.write_chunk(source)?;
        }
        if self.read < self.length {
            return Ok(false);
        }
        self.write_table()?;
        Ok(true)
    }

    fn write_chunk(&mut self, source: &Source) -> Result<(), ReadError> {
        let wanted = CHUNK.min((self.length - self.read) as usize);
        let plain = &mut self.chunk[..wanted];
        if source.read_at(self.read, plain)? < wanted {
            return Err(ReadError::damaged(&*self.name, self.read, Reason::SegmentEnds));
        }
        let failed = |error| DiskError::from_io("compress", &*self.name, error);
        let compressed = self.compressor.compress(plain).map_err(failed)?;
        self.file.write_at(self.written, &[&compressed])?;
        self.table.extend_from_slice(&(compressed.len() as u32).to_le_bytes());
        self.table.extend_from_slice(&(wanted as u32).to_le_bytes());
        self.read += wanted as u64;
        self.written += compressed.len() as u64;
        Ok(())
    }

    fn write_table(&self) -> Result<(), ReadError> {
        let chunks = (self.table.len() as u64 / ENTRY) as u32;
        let mut header = SKIPPABLE_MAGIC.to_le_bytes().to_vec();
        header.extend_from_slice(&(self.table.len() as u32 + FOOTER as u32).to_le_bytes());
        let mut footer = chunks.to_le_bytes().to_vec();
        footer.push(0);
        footer.extend_from_slice(&SEEKABLE_MAGIC.to_le_bytes());
        self.file.write_at(self.written, &[&header, &self.table, &footer])?;
        Ok(self.file.sync_data()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, MemoryDisk};

    fn archived(plain: &[u8]) -> (MemoryDisk, Arc<dyn DiskFile>) {
        let disk = MemoryDisk::new();
        let file = disk.create("plain").unwrap();
        file.write_at(0, &[plain]).unwrap();
        let archive = disk.create("archive").unwrap();
        let mut writer = ArchiveWriter::new(Arc::clone(&archive), "archive".into(), plain.len() as u64).unwrap();
        // One chunk at a time: whoever has other work to do is never kept from it for long.
        let source = Source::Plain(file);
        let steps = 1 + std::iter::from_fn(|| (!writer.step(&source, 1).unwrap()).then_some(())).count();
        assert_eq!(steps, plain.len().div_ceil(CHUNK).max(1));
        (disk, archive)
    }

    fn plain() -> Vec<u8> {
        (0..2 * CHUNK as u32 + 77).flat_map(|number| (number / 7).to_le_bytes()).take(2 * CHUNK + 77).collect()
    }

    #[test]
    fn any_piece_can_be_read_alone() {
        let plain = plain();
        let (_disk, archive) = archived(&plain);
        let file = ArchivedFile::open(archive, 1).unwrap();
        assert_eq!(file.length(), plain.len() as u64);
        for (offset, length) in [(0, 10), (CHUNK - 3, 7), (5, 2 * CHUNK), (2 * CHUNK + 70, 7), (CHUNK, CHUNK)] {
            let mut into = vec![0; length];
            assert_eq!(file.read_at(offset as u64, &mut into).unwrap(), length);
            assert!(into == plain[offset..offset + length], "{length} bytes at {offset}");
        }
        assert_eq!(file.read_at(plain.len() as u64 - 1, &mut [0; 9]).unwrap(), 1);
    }

    #[test]
    fn any_tool_that_knows_zstandard_gives_the_segment_back() {
        let (_disk, archive) = archived(&plain());
        let mut bytes = vec![0; archive.length().unwrap() as usize];
        archive.read_at(0, &mut bytes).unwrap();
        assert!(zstd::stream::decode_all(bytes.as_slice()).unwrap() == plain());
    }

    #[test]
    fn an_archive_that_has_changed_is_never_read_as_something_else() {
        let plain: Vec<u8> = (0..1000_u32).flat_map(u32::to_le_bytes).collect();
        let (_disk, archive) = archived(&plain);
        for offset in 0..archive.length().unwrap() {
            let mut byte = [0];
            archive.read_at(offset, &mut byte).unwrap();
            archive.write_at(offset, &[&[byte[0] ^ 0x10]]).unwrap();
            let mut into = vec![0; plain.len()];
            let read = ArchivedFile::open(Arc::clone(&archive), 1).and_then(|file| file.read_at(0, &mut into));
            // A few bits of a zstd frame mean nothing; the bytes must then be the right ones.
            assert!(read.is_err() || into == plain, "byte {offset}");
            archive.write_at(offset, &[&byte]).unwrap();
        }
    }
}
