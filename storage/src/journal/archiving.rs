//! One segment on its way into the archive, a bounded piece of work at a time.

use std::sync::Arc;

use super::archived_file::{ArchiveWriter, ArchivedFile};
use super::catalog::{Catalog, Segment};
use super::damage::{ReadError, Reason};
use super::follow::Follower;
use super::segment::{ARCHIVE, UNFINISHED, archive_name, segment_name};
use super::source::Source;
use crate::disk::DiskError;

/// Bytes of a segment that one step reads: a few milliseconds of work.
const STEP_BYTES: u64 = 2 << 20;
/// Bytes that are compared at once.
const PIECE: usize = 256 << 10;

/// Compress, make durable, compare with the original, follow the chain through the copy; only then remove the original.
/// Given up at any point it has changed nothing but leftovers, which the next attempt and every opening remove.
#[derive(Debug)]
pub(super) struct Archiving {
    pub(super) segment: Segment,
    original: Source,
    name: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Compress(Box<ArchiveWriter>),
    Compare { archived: Source, at: u64 },
    Follow { archived: Source, follower: Box<Follower> },
    Remove,
}

impl Archiving {
    pub(super) fn begin(catalog: &Catalog, segment: Segment) -> Result<Self, ReadError> {
        let original = catalog.source(&segment)?;
        let name = archive_name(segment.number);
        let disk = &*catalog.disk;
        disk.create_directory(ARCHIVE)?;
        let unfinished = format!("{name}{UNFINISHED}");
        match disk.remove(&unfinished) {
            Ok(()) | Err(DiskError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let writer = ArchiveWriter::new(disk.create(&unfinished)?, name.clone(), segment.end)?;
        Ok(Self { segment, original, name, stage: Stage::Compress(Box::new(writer)) })
    }

    /// One piece of work; true when the segment is archived.
    pub(super) fn step(&mut self, catalog: &Catalog) -> Result<bool, ReadError> {
        match &mut self.stage {
            Stage::Compress(writer) => {
                if writer.step(&self.original, STEP_BYTES)? {
                    let archived = self.name_it(catalog)?;
                    self.stage = Stage::Compare { archived, at: 0 };
                }
            }
            Stage::Compare { archived, at } => {
                if compare(archived, &self.original, at, self.segment.end, &self.name)? {
                    // What was compared may still differ from what its own chain says; then the original stays.
                    let follower = Box::new(Follower::new(catalog, &self.segment, archived));
                    self.stage = Stage::Follow { archived: archived.clone(), follower };
                }
            }
            Stage::Follow { archived, follower } => {
                if follower.step(STEP_BYTES)? {
                    if archived.length()? != self.segment.end {
                        return Err(ReadError::damaged(&*self.name, 0, Reason::Archive));
                    }
                    catalog.mark_archived(self.segment.number);
                    self.stage = Stage::Remove;
                }
            }
            Stage::Remove => {
                // Readers use the archive already: what fails here costs room, not truth, and an opening that finds both
                // keeps the original.
                match catalog.disk.remove(&segment_name(self.segment.number)) {
                    Ok(()) | Err(DiskError::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                catalog.disk.sync_directory("")?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether nothing is left to do but to remove the original.
    pub(super) fn is_kept_only_by_its_name(&self) -> bool {
        matches!(self.stage, Stage::Remove)
    }

    /// The archive is whole and durable under another name: it gets its own.
    fn name_it(&self, catalog: &Catalog) -> Result<Source, ReadError> {
        let disk = &*catalog.disk;
        disk.rename(&format!("{}{UNFINISHED}", self.name), &self.name)?;
        disk.sync_directory(ARCHIVE)?;
        let archived = ArchivedFile::open(disk.open(&self.name)?, self.segment.number)?;
        Ok(Source::Archived(Arc::new(archived)))
    }
}

/// Compares the next pieces byte by byte; true when all are equal.
fn compare(archived: &Source, original: &Source, at: &mut u64, end: u64, name: &str) -> Result<bool, ReadError> {
    let until = end.min(*at + STEP_BYTES);
    let (mut one, mut other) = (vec![0; PIECE], vec![0; PIECE]);
    while *at < until {
        let wanted = PIECE.min((end - *at) as usize);
        let read = (archived.read_at(*at, &mut one[..wanted])?, original.read_at(*at, &mut other[..wanted])?);
        if read != (wanted, wanted) || one[..wanted] != other[..wanted] {
            return Err(ReadError::damaged(name, *at, Reason::Archive));
        }
        *at += wanted as u64;
    }
    Ok(*at == end)
}
