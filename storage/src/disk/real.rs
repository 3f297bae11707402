//! A directory of this machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};

use super::{Disk, DiskError, DiskFile, DiskLock};

/// The file whose lock says that the directory is taken.
const LOCK_NAME: &str = "LOCK";
/// Zeros are written in pieces of this size.
const ZEROS: &[u8] = &[0; 1 << 20];
/// Zeros are synced whenever so many are written: one sync of a whole segment would keep the disk from the journal's writer
/// for too long.
const ZEROS_SYNCED_AT_ONCE: u64 = 4 << 20;
/// More parts than the journal writes at once.
const PARTS_MAX: usize = 8;

/// Files in a directory of this machine, with real syncs.
#[derive(Debug, Clone)]
pub struct RealDisk {
    directory: PathBuf,
}

#[derive(Debug)]
struct RealFile {
    file: File,
    path: String,
}

impl RealDisk {
    /// Uses a directory, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// [`DiskError`] when it can be neither found nor made.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let directory = directory.into();
        fs::create_dir_all(&directory)
            .map_err(|error| DiskError::from_io("make", directory.display().to_string(), error))?;
        // The directory's own name has to survive, too; a root has no parent to sync.
        if let Some(parent) = directory.canonicalize().ok().as_deref().and_then(Path::parent) {
            sync_path(parent)?;
        }
        Ok(Self { directory })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.directory.clone() } else { self.directory.join(name) }
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn open_with(&self, options: &OpenOptions, verb: &'static str, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        let path = self.shown(name);
        let file = options.open(self.path(name)).map_err(|error| DiskError::from_io(verb, &*path, error))?;
        Ok(Arc::new(RealFile { file, path }))
    }
}

impl Disk for RealDisk {
    fn create(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        self.open_with(OpenOptions::new().read(true).write(true).create_new(true), "create", name)
    }

    fn open(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        self.open_with(OpenOptions::new().read(true).write(true), "open", name)
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, DiskError> {
        let failed = |error| DiskError::from_io("list", self.shown(directory), error);
        let entries = match fs::read_dir(self.path(directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !directory.is_empty() => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // A name that is no text is none of ours.
            if entry.file_type().map_err(failed)?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_directory(&self, directory: &str) -> Result<(), DiskError> {
        fs::create_dir_all(self.path(directory))
            .map_err(|error| DiskError::from_io("make", self.shown(directory), error))?;
        sync_path(&self.directory)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        fs::rename(self.path(from), self.path(to))
            .map_err(|error| DiskError::from_io("rename", self.shown(from), error))
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        fs::remove_file(self.path(name)).map_err(|error| DiskError::from_io("remove", self.shown(name), error))
    }

    fn sync_directory(&self, directory: &str) -> Result<(), DiskError> {
        sync_path(&self.path(directory))
    }

    fn lock(&self) -> Result<DiskLock, DiskError> {
        let path = self.shown(LOCK_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(LOCK_NAME))
            .map_err(|error| DiskError::from_io("open", &*path, error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(DiskLock::new(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DiskError::InUse { path: self.shown("") }),
            Err(error) => Err(DiskError::from_io("lock", path, error.into())),
        }
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        let status = rustix::fs::statvfs(&self.directory)
            .map_err(|error| DiskError::from_io("ask for the free space of", self.shown(""), error.into()))?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }
}

impl RealFile {
    fn failed(&self, operation: &'static str, error: impl Into<io::Error>) -> DiskError {
        DiskError::from_io(operation, &*self.path, error.into())
    }

    /// One system call for all parts; what a short write leaves over goes part by part.
    fn write_parts(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); PARTS_MAX];
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let mut written = match rustix::io::pwritev(&self.file, &slices[..parts.len().min(PARTS_MAX)], offset) {
            Ok(written) => written,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let mut at = offset;
        for part in parts {
            let done = written.min(part.len());
            if done < part.len() {
                self.file.write_all_at(&part[done..], at + done as u64)?;
            }
            written -= done;
            at += part.len() as u64;
        }
        Ok(())
    }
}

impl DiskFile for RealFile {
    fn length(&self) -> Result<u64, DiskError> {
        Ok(self.file.metadata().map_err(|error| self.failed("ask for the length of", error))?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut filled = 0;
        while filled < into.len() {
            match self.file.read_at(&mut into[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read", error)),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> Result<(), DiskError> {
        self.write_parts(offset, parts).map_err(|error| self.failed("write", error))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        // Not repeated when interrupted: after any failure the kernel may have forgotten what was not written.
        rustix::fs::fdatasync(&self.file).map_err(|error| self.failed("sync", error))
    }

    fn preallocate(&self, length: u64) -> Result<(), DiskError> {
        let mut end = self.length()?;
        if end >= length {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, end, length - end) {
            // A file system without it loses nothing but the contiguous extent: the zeros below allocate.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            Err(error) => return Err(self.failed("reserve space for", error)),
        }
        // Reserved extents are "unwritten": the first write to each costs a metadata commit, so it is done here.
        while end < length {
            let piece = (length - end).min(ZEROS.len() as u64);
            self.write_at(end, &[&ZEROS[..piece as usize]])?;
            end += piece;
            if end.is_multiple_of(ZEROS_SYNCED_AT_ONCE) || end == length {
                self.sync_data()?;
            }
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> Result<(), DiskError> {
        self.file.set_len(length).map_err(|error| self.failed("cut", error))
    }
}

fn sync_path(path: &Path) -> Result<(), DiskError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| DiskError::from_io("sync", path.display().to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_written_one_after_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path().join("new")).unwrap();
        let file = disk.create("a").unwrap();
        file.preallocate(100).unwrap();
        file.write_at(3, &[b"one", b"", b"two", b"three"]).unwrap();
        file.sync_data().unwrap();
        let mut read = [1; 20];
        assert_eq!(disk.open("a").unwrap().read_at(0, &mut read).unwrap(), 20);
        assert_eq!(&read, b"\0\0\0onetwothree\0\0\0\0\0\0");
        assert_eq!(file.read_at(95, &mut read).unwrap(), 5, "a file ends where it ends");
        file.truncate(4).unwrap();
        assert_eq!(file.length().unwrap(), 4);
    }

    #[test]
    fn names_are_listed_per_directory_and_moved_in_one_step() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        assert_eq!(disk.list("archive").unwrap(), Vec::<String>::new());
        disk.create_directory("archive").unwrap();
        disk.create("b").unwrap();
        disk.create("a").unwrap();
        disk.rename("b", "archive/c").unwrap();
        disk.sync_directory("archive").unwrap();
        assert_eq!((disk.list("").unwrap(), disk.list("archive").unwrap()), (vec!["a".into()], vec!["c".into()]));
        disk.remove("a").unwrap();
        assert!(matches!(disk.open("a"), Err(DiskError::NotFound { .. })));
        assert!(disk.create("archive/c").is_err(), "a file is never made twice");
        assert!(disk.free_bytes().unwrap() > 0);
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let first = RealDisk::open(directory.path()).unwrap().lock().unwrap();
        let second = RealDisk::open(directory.path()).unwrap();
        assert!(matches!(second.lock(), Err(DiskError::InUse { .. })));
        drop(first);
        assert!(second.lock().is_ok());
    }
}
