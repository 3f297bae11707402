//! The work behind the writer's back: spares before they are needed, footers and archives after.

use std::sync::Arc;

use super::archived_file::{ArchivedFile, write_archive};
use super::catalog::Catalog;
use super::damage::{ReadError, Reason};
use super::follow::follow;
use super::footer::Footer;
use super::scan::READ_AHEAD;
use super::segment::{ARCHIVE, UNFINISHED, archive_name, footer_name, segment_name};
use super::source::Source;
use super::spares::{Room, Spares};
use crate::disk::{DiskError, DiskFile, DiskLock};
use crate::record::Seq;

/// Prepares, seals and archives segments, one bounded step at a time, on a thread of its own or between other work. A
/// step that fails changes nothing and can be tried again.
#[derive(Debug)]
pub struct Upkeep {
    pub(super) catalog: Arc<Catalog>,
    pub(super) spares: Arc<Spares>,
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
        self.write_in_one_step("", &footer_name(segment.number), |file| Ok(file.write_at(0, &[&bytes])?))?;
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

    /// Compresses the oldest sealed segment whose records are all below a sequence, compares, and only then removes the
    /// original; none when there is no such segment, else its last sequence.
    ///
    /// # Errors
    ///
    /// [`ReadError`], [`ReadError::Damaged`] when the segment or its archive is not as it was written.
    pub fn archive_step(&self, below: Seq) -> Result<Option<Seq>, ReadError> {
        let Some(segment) = self.catalog.first_to_archive(below) else { return Ok(None) };
        let source = self.catalog.source(&segment)?;
        let name = archive_name(segment.number);
        self.catalog.disk.create_directory(ARCHIVE)?;
        self.write_in_one_step(ARCHIVE, &name, |file| write_archive(&source, segment.end, file, &name))?;
        let archived = ArchivedFile::open(self.catalog.disk.open(&name)?, segment.number)?;
        let archived = Source::Archived(Arc::new(archived));
        let (read_back, original) = (digest(&archived, segment.end)?, digest(&source, segment.end)?);
        if read_back != original || archived.length()? != segment.end {
            return Err(ReadError::damaged(name, 0, Reason::Archive));
        }
        // What was compared may still differ from what its own chain says; then the original stays.
        follow(&self.catalog, &segment, &archived)?;
        self.catalog.mark_archived(segment.number);
        self.catalog.disk.remove(&segment_name(segment.number))?;
        self.catalog.disk.sync_directory("")?;
        Ok(Some(segment.last))
    }

    /// Writes a file under another name, makes it durable, and only then gives it its own.
    fn write_in_one_step(
        &self,
        directory: &str,
        name: &str,
        write: impl FnOnce(&dyn DiskFile) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let disk = &*self.catalog.disk;
        let unfinished = format!("{name}{UNFINISHED}");
        match disk.remove(&unfinished) {
            Ok(()) | Err(DiskError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let file = disk.create(&unfinished)?;
        write(&*file)?;
        file.sync_data()?;
        disk.rename(&unfinished, name)?;
        disk.sync_directory(directory)?;
        Ok(())
    }
}

fn digest(source: &Source, length: u64) -> Result<blake3::Hash, ReadError> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; READ_AHEAD];
    let mut at = 0;
    while at < length {
        let wanted = piece.len().min((length - at) as usize);
        let read = source.read_at(at, &mut piece[..wanted])?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
        at += read as u64;
    }
    Ok(hasher.finalize())
}
