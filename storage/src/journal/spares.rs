//! Segments that are prepared before they are needed, and the room that they give.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::frame::FRAME_OVERHEAD;
use super::options::JournalOptions;
use super::segment::{SEGMENT_HEADER, segment_name};
use crate::disk::{Disk, DiskError, DiskFile};

/// A file of zeros that becomes the segment with its number.
#[derive(Debug)]
pub(crate) struct Spare {
    pub number: u64,
    pub file: Arc<dyn DiskFile>,
    pub length: u64,
}

/// The spares, shared by the writer, which takes them, and upkeep, which makes them.
#[derive(Debug)]
pub(crate) struct Spares {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    wanted: usize,
    free_bytes_min: u64,
    /// Held while a spare is made: a writer that needs one just then would have to make it itself, which takes as long.
    ready: Mutex<Ready>,
    /// Copies for admission, which must not wait for that lock.
    ready_count: AtomicU64,
    left_in_segment: AtomicU64,
    /// A spare is being made, and there was space for it when that began.
    making: AtomicBool,
    /// The last attempt to make a spare found no room on the disk.
    disk_full: AtomicBool,
}

#[derive(Debug)]
struct Ready {
    spares: VecDeque<Spare>,
    next_number: u64,
}

impl Spares {
    pub(crate) fn new(disk: Arc<dyn Disk>, options: &JournalOptions, next_number: u64) -> Self {
        Self {
            disk,
            segment_bytes: options.segment_length(),
            wanted: options.spares,
            free_bytes_min: options.free_bytes_min,
            ready: Mutex::new(Ready { spares: VecDeque::new(), next_number }),
            ready_count: AtomicU64::new(0),
            left_in_segment: AtomicU64::new(0),
            making: AtomicBool::new(false),
            disk_full: AtomicBool::new(false),
        }
    }

    /// Makes one spare if there are fewer than wanted; true if it did.
    pub(crate) fn prepare(&self) -> Result<bool, DiskError> {
        if self.ready_count.load(Ordering::Acquire) >= self.wanted as u64 {
            return Ok(false);
        }
        let free = self.disk.free_bytes()?;
        let mut ready = self.ready.lock();
        if ready.spares.len() >= self.wanted {
            return Ok(false);
        }
        if free < self.segment_bytes.saturating_add(self.free_bytes_min) {
            self.disk_full.store(true, Ordering::Release);
            return Err(DiskError::Full { path: segment_name(ready.next_number) });
        }
        self.making.store(true, Ordering::Release);
        let made = self.make(&mut ready, self.segment_bytes);
        self.disk_full.store(matches!(made, Err(DiskError::Full { .. })), Ordering::Release);
        let made = made.map(|spare| {
            ready.spares.push_back(spare);
            self.ready_count.store(ready.spares.len() as u64, Ordering::Release);
            true
        });
        self.making.store(false, Ordering::Release);
        made
    }

    /// Takes the next spare, with at least so many bytes; makes one if there is none.
    pub(crate) fn take(&self, length: u64) -> Result<Spare, DiskError> {
        let mut ready = self.ready.lock();
        let mut spare = match ready.spares.pop_front() {
            Some(spare) => spare,
            None => self.make(&mut ready, length.max(self.segment_bytes))?,
        };
        self.ready_count.store(ready.spares.len() as u64, Ordering::Release);
        if spare.length < length {
            spare.file.preallocate(length)?;
            spare.length = length;
        }
        Ok(spare)
    }

    fn make(&self, ready: &mut Ready, length: u64) -> Result<Spare, DiskError> {
        let number = ready.next_number;
        let name = segment_name(number);
        let made = self.make_file(&name, length);
        if made.is_err() {
            // The same number is tried again later; what cannot be removed now is found to be unused then.
            let _ = self.disk.remove(&name);
        }
        let file = made?;
        ready.next_number += 1;
        Ok(Spare { number, file, length })
    }

    fn make_file(&self, name: &str, length: u64) -> Result<Arc<dyn DiskFile>, DiskError> {
        match self.disk.remove(name) {
            Ok(()) | Err(DiskError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let file = self.disk.create(name)?;
        file.preallocate(length)?;
        self.disk.sync_directory("")?;
        Ok(file)
    }

    pub(crate) fn set_left_in_segment(&self, bytes: u64) {
        self.left_in_segment.store(bytes, Ordering::Release);
    }

    /// Whether so many bytes can be written whatever the sizes of the frames they come in. While the next spare is only
    /// being made there is room too: a writer that is faster makes one itself.
    fn has_room(&self, bytes: u64) -> bool {
        let needed = bytes.saturating_add(FRAME_OVERHEAD);
        let in_spare = self.segment_bytes - SEGMENT_HEADER as u64;
        let in_spares = self.ready_count.load(Ordering::Acquire) > 0 && needed <= in_spare;
        if in_spares || needed <= self.left_in_segment.load(Ordering::Acquire) {
            return true;
        }
        // Nothing is reserved. Whoever is let in now counts on a spare that is still to be made, so the disk itself is
        // asked: a disk that has filled up since the last attempt is noticed before anybody relies on it.
        !self.disk_full.load(Ordering::Acquire) && (self.making.load(Ordering::Acquire) || self.space_for_one())
    }

    fn space_for_one(&self) -> bool {
        let wanted = self.segment_bytes.saturating_add(self.free_bytes_min);
        self.disk.free_bytes().is_ok_and(|free| free >= wanted)
    }
}

/// Tells admission whether the journal has room, before anything happens.
#[derive(Debug, Clone)]
pub struct Room(pub(crate) Arc<Spares>);

impl Room {
    /// Whether so many bytes can still be written without another file. When not, refuse new work (`storage_full`): what
    /// is on its way then has the room that is left.
    ///
    /// Ask for all that may be on its way at once: each group takes [`FRAME_OVERHEAD`](super::FRAME_OVERHEAD) bytes beside
    /// its records, and in the worst case each record is a group of its own. More than a segment holds is never there.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.0.has_room(bytes)
    }
}
