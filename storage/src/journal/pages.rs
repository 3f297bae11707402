//! Pages with a checksum each: what a footer is made of, so that a piece of it can be believed without reading the rest.

use super::damage::{ReadError, Reason};
use super::frame::{CrcKey, u32_at};
use super::segment::footer_name;
use crate::disk::DiskFile;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a page that are used.
pub(crate) const PAGE_DATA: usize = PAGE - 4;

/// Cuts rows of equal length into pages; no row lies in two pages.
pub(crate) struct PageWriter {
    key: CrcKey,
    number: u64,
    bytes: Vec<u8>,
    used: usize,
}

impl PageWriter {
    /// Pages of the footer with this number.
    pub(crate) fn new(key: CrcKey, number: u64) -> Self {
        Self { key, number, bytes: Vec::new(), used: PAGE_DATA }
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> u64 {
        (self.bytes.len() / PAGE) as u64
    }

    /// The next row begins a new page.
    pub(crate) fn begin_section(&mut self) {
        self.used = PAGE_DATA;
    }

    pub(crate) fn push(&mut self, row: &[u8]) {
        if self.used + row.len() > PAGE_DATA {
            self.bytes.resize(self.bytes.len() + PAGE, 0);
            self.used = 0;
        }
        let at = self.bytes.len() - PAGE + self.used;
        self.bytes[at..at + row.len()].copy_from_slice(row);
        self.used += row.len();
    }

    /// Everything, each page with its checksum.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        for (place, page) in self.bytes.chunks_exact_mut(PAGE).enumerate() {
            let crc = page_crc(self.key, self.number, place as u64, &page[..PAGE_DATA]);
            page[PAGE_DATA..].copy_from_slice(&crc.to_le_bytes());
        }
        self.bytes
    }
}

/// Reads a page, if it is as it was written.
pub(crate) fn read_page(file: &dyn DiskFile, key: CrcKey, number: u64, page: u64) -> Result<[u8; PAGE], ReadError> {
    let mut bytes = [0; PAGE];
    let offset = page * PAGE as u64;
    let read = file.read_at(offset, &mut bytes)?;
    if read < PAGE || page_crc(key, number, page, &bytes[..PAGE_DATA]) != u32_at(&bytes, PAGE_DATA) {
        return Err(ReadError::damaged(footer_name(number), offset, Reason::Index));
    }
    Ok(bytes)
}

/// A page is valid at its place only: the checksum covers where it belongs.
fn page_crc(key: CrcKey, number: u64, page: u64, data: &[u8]) -> u32 {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&number.to_le_bytes());
    place[8..].copy_from_slice(&page.to_le_bytes());
    crc32c::crc32c_append(key.crc(&place), data)
}
