//! Where the bytes of a segment come from: its file, or its archive.

use std::sync::Arc;

use super::archived_file::ArchivedFile;
use super::damage::ReadError;
use super::segment::{archive_name, segment_name};
use crate::disk::{Disk, DiskFile};

/// The bytes of a segment, by position. A clone reads the same bytes.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Plain(Arc<dyn DiskFile>),
    Archived(Arc<ArchivedFile>),
}

impl Source {
    pub(crate) fn open(disk: &dyn Disk, number: u64, archived: bool) -> Result<Self, ReadError> {
        if archived {
            Ok(Self::Archived(Arc::new(ArchivedFile::open(disk.open(&archive_name(number))?, number)?)))
        } else {
            Ok(Self::Plain(disk.open(&segment_name(number))?))
        }
    }

    /// The name under which damage is reported.
    pub(crate) fn file_name(&self, number: u64) -> String {
        match self {
            Self::Plain(_) => segment_name(number),
            Self::Archived(_) => archive_name(number),
        }
    }

    pub(crate) fn length(&self) -> Result<u64, ReadError> {
        match self {
            Self::Plain(file) => Ok(file.length()?),
            Self::Archived(file) => Ok(file.length()),
        }
    }

    /// Fills `into`; less of it only at the end.
    pub(crate) fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        match self {
            Self::Plain(file) => Ok(file.read_at(offset, into)?),
            Self::Archived(file) => file.read_at(offset, into),
        }
    }
}
