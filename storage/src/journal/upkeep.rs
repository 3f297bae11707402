//! The work behind the writer's back: spares before they are needed, footers and archives after.

use std::sync::Arc;

use parking_lot::Mutex;

use super::archiving::Archiving;
use super::catalog::Catalog;
use super::damage::ReadError;
use super::follow::follow;
use super::footer::Footer;
use super::segment::{UNFINISHED, footer_name};
use super::source::Source;
use super::spares::{Room, Spares};
use crate::disk::{DiskError, DiskLock};
use crate::record::Seq;

/// What a step of archiving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveStep {
    /// No segment is to be archived now.
    Nothing,
    /// One is under way: call again.
    More,
    /// A segment went into the archive; this is its last sequence.
    Archived(Seq),
}

/// Prepares, seals and archives segments, one bounded step at a time, on a thread of its own or between other work. A
/// step that fails changes nothing and can be tried again.
#[derive(Debug)]
pub struct Upkeep {
    pub(super) catalog: Arc<Catalog>,
    pub(super) spares: Arc<Spares>,
    pub(super) archiving: Mutex<Option<Archiving>>,
    #[allow(dead_code, reason = "the directory stays ours while somebody may write to it")]
    pub(super) lock: Arc<DiskLock>,
}

impl Upkeep {
    /// Makes one spare segment if there are fewer than wanted; true if it did.
    ///
    /// # Errors
    ///
    /// [`DiskError::Full`] when the disk, less what is to stay free, has no room for one. The journal goes on in the room
    /// it has; admission hears of it by [`Room::has_room`].
    pub fn prepare(&self) -> Result<bool, DiskError> {
        self.spares.prepare()
    }

    /// Tells admission whether there is room.
    pub fn room(&self) -> Room {
        Room(Arc::clone(&self.spares))
    }

    /// Gives the oldest segment that is no longer written its footer, and the unused end of its file back; none when
    /// there is no such segment, else its last sequence.
    ///
    /// # Errors
    ///
    /// [`ReadError`], [`ReadError::Damaged`] when the segment is not as it was written.
    pub fn seal_step(&self) -> Result<Option<Seq>, ReadError> {
        let Some(segment) = self.catalog.first_to_seal() else { return Ok(None) };
        let source = self.catalog.source(&segment)?;
        let builder = follow(&self.catalog, &segment, &source)?;
        let (last, time_max) = (builder.facts().last, builder.facts().time_max);
        let bytes = builder.finish(self.catalog.key, &self.catalog.journal);
        self.write_in_one_step(&footer_name(segment.number), &bytes)?;
        // Opened once before anybody relies on it.
        let file = self.catalog.disk.open(&footer_name(segment.number))?;
        Footer::open(file, self.catalog.key, &self.catalog.journal, segment.number)?.verify()?;
        self.catalog.mark_sealed(segment.number, time_max);
        if let Source::Plain(file) = &source {
            file.truncate(segment.end)?;
            file.sync_data()?;
        }
        Ok(Some(last))
    }

    /// Works for a few milliseconds on the archive: compresses the oldest sealed segment whose records are all below a
    /// sequence and before an engine time, compares, and only then removes the original. Nothing is ever lost: readers
    /// find the same records in the archive.
    ///
    /// # Errors
    ///
    /// [`ReadError`], [`ReadError::Damaged`] when the segment or its archive is not as it was written. The segment stays
    /// as it is, and the next call begins with it anew.
    pub fn archive_step(&self, below: Seq, before: i64) -> Result<ArchiveStep, ReadError> {
        let mut under_way = self.archiving.lock();
        let mut archiving = match under_way.take() {
            Some(archiving) => archiving,
            None => match self.catalog.first_to_archive(below, before) {
                Some(segment) => Archiving::begin(&self.catalog, segment)?,
                None => return Ok(ArchiveStep::Nothing),
            },
        };
        match archiving.step(&self.catalog) {
            Ok(true) => Ok(ArchiveStep::Archived(archiving.segment.last)),
            Ok(false) => {
                *under_way = Some(archiving);
                Ok(ArchiveStep::More)
            }
            Err(error) => {
                // The catalog no longer offers it, so what is left to do is kept.
                if archiving.is_kept_only_by_its_name() {
                    *under_way = Some(archiving);
                }
                Err(error)
            }
        }
    }

    /// Whether [`archive_step`](Self::archive_step) would have something to do.
    pub fn may_archive(&self, below: Seq, before: i64) -> bool {
        self.archiving.lock().is_some() || self.catalog.first_to_archive(below, before).is_some()
    }

    /// Writes a file under another name, makes it durable, and only then gives it its own.
    fn write_in_one_step(&self, name: &str, bytes: &[u8]) -> Result<(), ReadError> {
        let disk = &*self.catalog.disk;
        let unfinished = format!("{name}{UNFINISHED}");
        match disk.remove(&unfinished) {
            Ok(()) | Err(DiskError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let file = disk.create(&unfinished)?;
        file.write_at(0, &[bytes])?;
        file.sync_data()?;
        disk.rename(&unfinished, name)?;
        disk.sync_directory("")?;
        Ok(())
    }
}
