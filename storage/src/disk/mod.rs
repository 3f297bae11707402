//! The disk as a port: what the journal needs of a file system, and no more.
//!
//! | disk | for |
//! |---|---|
//! | [`RealDisk`] | a directory of this machine |
//! | [`MemoryDisk`] | engines that keep nothing |
//! | [`SimulatedDisk`] | tests: loses what was not synced, tears writes, fails on demand, the same way for the same seed |
//!
//! What a disk promises, and all that the journal relies on:
//!
//! - Bytes written before a successful [`DiskFile::sync_data`] survive a power loss; later ones survive or not, in any
//!   subset of sectors.
//! - A write leaves bytes outside its range as they were, also those that share a sector with it.
//! - A file's name, and the removal of one, survive once [`Disk::sync_directory`] has succeeded.
//! - After a failed sync nothing is known about what was written since the last good one, and a later good sync does not
//!   bring it back (Linux marks the pages clean).

mod memory;
mod real;
mod simulated;

use std::sync::Arc;
use std::{fmt, io};

use thiserror::Error;

pub use memory::MemoryDisk;
pub use real::RealDisk;
pub use simulated::{Fault, Operation, SimulatedDisk, Survival};

/// A directory of files, flat but for one level of subdirectories. Names are relative: `a.seg`, `archive/a.zst`.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes an empty file that did not exist.
    ///
    /// # Errors
    ///
    /// [`DiskError`], also when it exists.
    fn create(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    ///
    /// [`DiskError::NotFound`] when there is none, otherwise as [`DiskError`] says.
    fn open(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError>;

    /// The names of the files in a subdirectory (`""`: in the directory itself), without the subdirectory, sorted. None
    /// when there is no such subdirectory.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn list(&self, directory: &str) -> Result<Vec<String>, DiskError>;

    /// Makes a subdirectory unless it exists.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn create_directory(&self, directory: &str) -> Result<(), DiskError>;

    /// Gives a file another name, in one step, in place of a file that has it already.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Removes a file's name. Who has it open may go on reading.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn remove(&self, name: &str) -> Result<(), DiskError>;

    /// Makes the names in a subdirectory (`""`: in the directory itself) durable.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn sync_directory(&self, directory: &str) -> Result<(), DiskError>;

    /// Takes the directory for this process alone, until the lock is dropped.
    ///
    /// # Errors
    ///
    /// [`DiskError::InUse`] when somebody has it, [`DiskError::ReadOnly`] when it cannot be written.
    fn lock(&self) -> Result<DiskLock, DiskError>;

    /// How many bytes new files may take.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn free_bytes(&self) -> Result<u64, DiskError>;
}

/// An open file. It is read and written by position, so that readers and the writer share one handle.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn length(&self) -> Result<u64, DiskError>;

    /// Reads as many bytes as there are, up to the length of `into`; fewer only at the end of the file.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError>;

    /// Writes the parts one after the other, all of them or an error.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says. Some of the bytes may have been written.
    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> Result<(), DiskError>;

    /// Makes everything written, and the length, durable.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says. Nothing is then known about what was written since the last good sync.
    fn sync_data(&self) -> Result<(), DiskError>;

    /// Makes the file `length` bytes long with real, written, durable zeros from its present end on, so that later
    /// writes within it allocate nothing. A file that is longer is left alone.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says; [`DiskError::Full`] when there is no room.
    fn preallocate(&self, length: u64) -> Result<(), DiskError>;

    /// Cuts the file at `length`; durable after the next sync.
    ///
    /// # Errors
    ///
    /// As [`DiskError`] says.
    fn truncate(&self, length: u64) -> Result<(), DiskError>;
}

/// Holds a directory for one process; dropping it lets go.
#[must_use = "the directory is free again as soon as the lock is dropped"]
pub struct DiskLock(#[allow(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

impl DiskLock {
    /// Wraps whatever holds the directory while it lives.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for DiskLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskLock")
    }
}

/// What went wrong on a disk.
#[derive(Debug, Error)]
pub enum DiskError {
    /// There is no room: on the disk, in a quota, or below a limit on the size of files.
    #[error("{path}: the disk, a quota or a limit on file sizes is full; free some space or raise the limit")]
    Full {
        /// The file.
        path: String,
    },
    /// Another process, or another engine of this one, has the directory.
    #[error("{path} is in use by another engine; stop it, or choose another directory")]
    InUse {
        /// The directory.
        path: String,
    },
    /// The directory cannot be written.
    #[error("{path} cannot be written; check its permissions and whether the file system is mounted read-only")]
    ReadOnly {
        /// The directory or the file.
        path: String,
    },
    /// There is no such file.
    #[error("{path} does not exist")]
    NotFound {
        /// The file.
        path: String,
    },
    /// Anything else.
    #[error("cannot {operation} {path}: {source}; check the disk")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

impl DiskError {
    /// Names an error of the system by what can be done about it.
    pub fn from_io(operation: &'static str, path: impl Into<String>, source: io::Error) -> Self {
        let path = path.into();
        // Out of file descriptors is no failure of the disk: there is room again when some are closed.
        let out_of_files = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(rustix::io::Errno::raw_os_error);
        if source.raw_os_error().is_some_and(|code| out_of_files.contains(&code)) {
            return Self::Full { path };
        }
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { path }
            }
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Failed { operation, path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_named_by_what_can_be_done_about_them() {
        type IsNamed = fn(&DiskError) -> bool;
        let table: [(io::ErrorKind, IsNamed); 7] = [
            (io::ErrorKind::StorageFull, |error| matches!(error, DiskError::Full { .. })),
            (io::ErrorKind::QuotaExceeded, |error| matches!(error, DiskError::Full { .. })),
            (io::ErrorKind::FileTooLarge, |error| matches!(error, DiskError::Full { .. })),
            (io::ErrorKind::ReadOnlyFilesystem, |error| matches!(error, DiskError::ReadOnly { .. })),
            (io::ErrorKind::PermissionDenied, |error| matches!(error, DiskError::ReadOnly { .. })),
            (io::ErrorKind::NotFound, |error| matches!(error, DiskError::NotFound { .. })),
            (io::ErrorKind::TimedOut, |error| matches!(error, DiskError::Failed { .. })),
        ];
        for (kind, is_named) in table {
            let error = DiskError::from_io("write", "a.seg", kind.into());
            assert!(is_named(&error) && error.to_string().contains("a.seg"), "{error}");
        }
    }

    /// Clients hold them, and let them go again: the journal must not end for it.
    #[test]
    fn being_out_of_file_descriptors_is_a_want_of_room() {
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            let error = DiskError::from_io("create", "a.seg", io::Error::from_raw_os_error(errno.raw_os_error()));
            assert!(matches!(error, DiskError::Full { .. }), "{error}");
        }
    }
}
