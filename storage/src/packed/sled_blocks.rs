//! Blocks in sled 0.34.7, set up around what that version does not promise.
//!
//! | what sled does | what is done about it here |
//! |---|---|
//! | `flush()` ends in `sync_file_range`, which neither waits for the drive nor writes metadata | a real `fdatasync` of the same file follows |
//! | a value near a quarter of a segment goes to a blob file that is never synced; a leaf of up to 19 values is rewritten as one | no value above segment size / 80 |
//! | 1 GB of cache and a flush every 500 ms unless told otherwise | both are set |
//! | a damaged file may open with records missing, or make it panic | panics become errors here; what is missing is found by the hashes of the manifest |

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::blocks::Blocks;
use super::error::StoreError;

/// How much smaller than a segment a value must be to stay in the log: see the table above.
const VALUES_PER_SEGMENT: usize = 80;

/// How sled is set up. A store must be reopened with the segment size it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SledOptions {
    /// Bytes of memory for sled's page cache.
    pub cache_bytes: u64,
    /// Bytes of a segment of sled's log: a power of two up to 16 MiB.
    pub segment_bytes: usize,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, segment_bytes: 4 << 20 }
    }
}

/// A directory with a sled database that only this process has open.
pub struct SledBlocks {
    db: sled::Db,
    /// A handle of our own on sled's log, to sync it for real.
    log: File,
    segment_bytes: usize,
    poisoned: AtomicBool,
}

impl SledBlocks {
    /// Opens or makes the database in `path`.
    pub fn open(path: &Path, options: SledOptions) -> Result<Self, StoreError> {
        let failed = |why: String| StoreError::Open { path: path.to_path_buf(), why };
        let config = sled::Config::default()
            .path(path)
            .cache_capacity(options.cache_bytes)
            .segment_size(options.segment_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let db = guarded(|| config.open()).map_err(|error| match error {
            Fault::Sled(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                StoreError::InUse { path: path.to_path_buf() }
            }
            other => failed(other.to_string()),
        })?;
        // The names of sled's files must be on the disk too, or a synced log could be nowhere to be found.
        let log = File::open(path.join("db")).map_err(|error| failed(error.to_string()))?;
        sync_directories(path).map_err(|error| failed(error.to_string()))?;
        Ok(Self { db, log, segment_bytes: options.segment_bytes, poisoned: AtomicBool::new(false) })
    }

    /// Removes the database in `path`, so that it is rebuilt from the journal; what is not there needs no removing.
    pub fn wipe(path: &Path) -> Result<(), StoreError> {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Open { path: path.to_path_buf(), why: error.to_string() })
            }
            _ => Ok(()),
        }
    }
}

impl Blocks for SledBlocks {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(guarded(|| self.db.get(key))?.map(|block| block.to_vec()))
    }

    fn put(&self, key: &[u8], block: &[u8]) -> Result<(), StoreError> {
        if block.len() > self.block_bytes_max() {
            return Err(StoreError::ValueTooLarge { bytes: block.len(), max: self.block_bytes_max() });
        }
        guarded(|| self.db.insert(key, block))?;
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<(), StoreError> {
        guarded(|| self.db.remove(key))?;
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let synced = guarded(|| self.db.flush())
            .map_err(StoreError::from)
            .and_then(|_| self.log.sync_data().map_err(|error| StoreError::Failed(error.to_string())));
        if synced.is_err() {
            self.poisoned.store(true, Ordering::Release);
        }
        synced
    }

    fn scan_keys(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        let mut keys = self.db.iter().keys();
        while let Some(key) = guarded(|| keys.next().transpose())? {
            visit(&key);
        }
        Ok(())
    }

    fn block_bytes_max(&self) -> usize {
        self.segment_bytes / VALUES_PER_SEGMENT
    }
}

enum Fault {
    Sled(sled::Error),
    Panicked(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Sled(error) => write!(f, "{error}"),
            Fault::Panicked(message) => write!(f, "sled panicked: {message}"),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        StoreError::Failed(fault.to_string())
    }
}

/// sled asserts where it should answer; a damaged file must not take the process with it.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(Fault::Sled),
        Err(panic) => {
            let message = panic.downcast_ref::<&str>().map(ToString::to_string);
            Err(Fault::Panicked(message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()))
        }
    }
}

fn sync_directories(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_path_buf);
    File::open(parent)?.sync_all()
}
