//! Files that live as long as the disk does.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

use super::{Disk, DiskError, DiskFile, DiskLock};

/// Files in memory, for engines that keep nothing. A clone is the same disk.
#[derive(Debug, Default, Clone)]
pub struct MemoryDisk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Arc<MemoryFile>>>,
    locked: AtomicBool,
}

#[derive(Debug, Default)]
struct MemoryFile {
    bytes: RwLock<Vec<u8>>,
}

struct Unlock(Arc<Shared>);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.locked.store(false, Ordering::Release);
    }
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Disk for MemoryDisk {
    fn create(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        let mut files = self.0.files.lock();
        if files.contains_key(name) {
            return Err(DiskError::from_io("create", name, io::ErrorKind::AlreadyExists.into()));
        }
        let file = Arc::new(MemoryFile::default());
        files.insert(name.into(), Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        match self.0.files.lock().get(name) {
            Some(file) => Ok(Arc::clone(file) as Arc<dyn DiskFile>),
            None => Err(DiskError::NotFound { path: name.into() }),
        }
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, DiskError> {
        Ok(names_in(self.0.files.lock().keys(), directory))
    }

    fn create_directory(&self, _directory: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut files = self.0.files.lock();
        let file = files.remove(from).ok_or_else(|| DiskError::NotFound { path: from.into() })?;
        files.insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let removed = self.0.files.lock().remove(name);
        removed.map(drop).ok_or_else(|| DiskError::NotFound { path: name.into() })
    }

    fn sync_directory(&self, _directory: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn lock(&self) -> Result<DiskLock, DiskError> {
        if self.0.locked.swap(true, Ordering::Acquire) {
            return Err(DiskError::InUse { path: "the memory disk".into() });
        }
        Ok(DiskLock::new(Unlock(Arc::clone(&self.0))))
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        Ok(u64::MAX)
    }
}

impl DiskFile for MemoryFile {
    fn length(&self) -> Result<u64, DiskError> {
        Ok(self.bytes.read().len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        Ok(copy_from(&self.bytes.read(), offset, into))
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> Result<(), DiskError> {
        let mut bytes = self.bytes.write();
        let mut at = offset as usize;
        for part in parts {
            put(&mut bytes, at, part);
            at += part.len();
        }
        Ok(())
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn preallocate(&self, length: u64) -> Result<(), DiskError> {
        let mut bytes = self.bytes.write();
        if bytes.is_empty() {
            // Fresh zeros cost no memory until they are written.
            *bytes = vec![0; length as usize];
        } else if (bytes.len() as u64) < length {
            bytes.resize(length as usize, 0);
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> Result<(), DiskError> {
        let mut bytes = self.bytes.write();
        bytes.truncate(length as usize);
        bytes.shrink_to_fit();
        Ok(())
    }
}

/// The names directly in a directory, without it.
pub(super) fn names_in<'a>(names: impl Iterator<Item = &'a String>, directory: &str) -> Vec<String> {
    let inside = |name: &'a String| match name.rsplit_once('/') {
        Some((parent, rest)) => (parent == directory).then(|| rest.to_owned()),
        None => directory.is_empty().then(|| name.clone()),
    };
    names.filter_map(inside).collect()
}

/// Copies what lies at `offset`, and says how much that was.
pub(super) fn copy_from(bytes: &[u8], offset: u64, into: &mut [u8]) -> usize {
    let from = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
    let count = into.len().min(bytes.len() - from);
    into[..count].copy_from_slice(&bytes[from..from + count]);
    count
}

/// Overwrites at `at`, with zeros before it when the bytes end earlier.
pub(super) fn put(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    let end = at + part.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_file_can_still_be_read_by_who_has_it_open() {
        let disk = MemoryDisk::new();
        let file = disk.create("archive/a").unwrap();
        file.write_at(2, &[b"x", b"yz"]).unwrap();
        assert_eq!(disk.clone().list("archive").unwrap(), ["a"]);
        disk.remove("archive/a").unwrap();
        let mut read = [9; 6];
        assert_eq!(file.read_at(0, &mut read).unwrap(), 5);
        assert_eq!(read, [0, 0, b'x', b'y', b'z', 9]);
        assert!(disk.list("archive").unwrap().is_empty());
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let disk = MemoryDisk::new();
        let first = disk.lock().unwrap();
        assert!(matches!(disk.clone().lock(), Err(DiskError::InUse { .. })));
        drop(first);
        assert!(disk.lock().is_ok());
    }
}
