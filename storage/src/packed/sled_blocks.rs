//! Blocks in sled 0.34.7, set up around what that version does not promise and what it does slowly.
//!
//! | what sled does | what is done about it here |
//! |---|---|
//! | `flush()` ends in `sync_file_range`, which neither waits for the drive nor writes metadata | a real `fdatasync` of the same file follows |
//! | a value near a quarter of a segment goes to a blob file that is never synced; a leaf of up to 19 values is rewritten as one | no value above segment size / 80 |
//! | 1 GB of cache and a flush every 500 ms unless told otherwise | both are set |
//! | a damaged file may open with records missing, or make it panic | panics become errors here; what is missing is found by the hashes of the manifest |
//! | a leaf that splits, or has gathered ten changes, is rewritten whole: blocks put one after the other reach the disk 3.7 times | the keys of a run are put first, with empty values, so that leaves split while they are small and then take each block as one change: 1.1 to 1.5 times |
//! | removing keys one by one rewrites what is left of the leaf and merges it with its neighbour | each run is a tree of its own, dropped as a whole |

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use super::blocks::{Blocks, RUN_NUMBER_END};
use super::error::StoreError;

/// How much smaller than a segment a value must be to stay in the log: see the table above.
const VALUES_PER_SEGMENT: usize = 80;

/// How many keys are put ahead of their blocks: few enough to take milliseconds, so many that the leaf where one lot meets
/// the next, which is rewritten, does not count.
const KEYS_AHEAD: u32 = 512;

/// How long opening waits for the lock of a handle that was dropped before.
const UNLOCK_WAIT_MAX: Duration = Duration::from_secs(1);
const UNLOCK_POLL: Duration = Duration::from_millis(2);

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

/// The tree of one run.
#[derive(Clone)]
struct RunTree {
    tree: sled::Tree,
    /// Keys below this are there, with or without their block.
    keys_ready: u32,
    blocks_expected: u32,
}

/// A directory with a sled database that only this process has open.
pub struct SledBlocks {
    db: sled::Db,
    trees: RwLock<FxHashMap<u64, RunTree>>,
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
            .flush_every_ms(None);
        let db = open_unlocked(&config).map_err(|error| match error {
            error if error.is_lock() => StoreError::InUse { path: path.to_path_buf() },
            other => failed(other.to_string()),
        })?;
        // The names of sled's files must be on the disk too, or a synced log could be nowhere to be found.
        let log = File::open(path.join("db")).map_err(|error| failed(error.to_string()))?;
        sync_directories(path).map_err(|error| failed(error.to_string()))?;
        let trees = guarded(|| run_trees(&db)).map_err(|error| failed(error.to_string()))?;
        let poisoned = AtomicBool::new(false);
        Ok(Self { db, trees: RwLock::new(trees), log, segment_bytes: options.segment_bytes, poisoned })
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
    fn start_run(&self, run: u64, blocks_expected: u32) -> Result<(), StoreError> {
        let tree = guarded(|| self.db.open_tree(run.to_be_bytes()))?;
        self.trees.write().insert(run, RunTree { tree, keys_ready: 0, blocks_expected });
        Ok(())
    }

    fn put(&self, run: u64, block: u32, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() > self.block_bytes_max() {
            return Err(StoreError::ValueTooLarge { bytes: bytes.len(), max: self.block_bytes_max() });
        }
        let held = self.trees.read().get(&run).cloned();
        let held = held.ok_or_else(|| StoreError::Failed(format!("run {run} was not started")))?;
        if block >= held.keys_ready {
            let ready = block.saturating_add(held.blocks_expected.saturating_sub(block).clamp(1, KEYS_AHEAD));
            for ahead in block..ready {
                guarded(|| held.tree.insert(ahead.to_be_bytes(), &[]))?;
            }
            if let Some(held) = self.trees.write().get_mut(&run) {
                held.keys_ready = ready;
            }
        }
        guarded(|| held.tree.insert(block.to_be_bytes(), bytes))?;
        Ok(())
    }

    fn get(&self, run: u64, block: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let tree = self.trees.read().get(&run).map(|held| held.tree.clone());
        let Some(tree) = tree else { return Ok(None) };
        let bytes = guarded(|| tree.get(block.to_be_bytes()))?;
        Ok(bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| bytes.to_vec()))
    }

    fn drop_run(&self, run: u64) -> Result<(), StoreError> {
        if self.trees.write().remove(&run).is_some() {
            guarded(|| self.db.drop_tree(run.to_be_bytes()))?;
        }
        Ok(())
    }

    fn runs(&self) -> Vec<u64> {
        let mut runs: Vec<u64> = self.trees.read().keys().copied().collect();
        runs.sort_unstable();
        runs
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

impl Fault {
    /// Whether another handle has the database open; sled says so only in words.
    fn is_lock(&self) -> bool {
        matches!(self, Fault::Sled(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock"))
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

/// Opens the database, and gives a handle that was just dropped in this process the time to let go of its lock: threads of
/// sled's own hold the file for some moments longer.
fn open_unlocked(config: &sled::Config) -> Result<sled::Db, Fault> {
    let mut waited = Duration::ZERO;
    loop {
        match guarded(|| config.open()) {
            Err(error) if error.is_lock() && waited < UNLOCK_WAIT_MAX => {
                thread::sleep(UNLOCK_POLL);
                waited += UNLOCK_POLL;
            }
            opened => return opened,
        }
    }
}

/// The trees that are runs of ours, by the number that is their name.
fn run_trees(db: &sled::Db) -> sled::Result<FxHashMap<u64, RunTree>> {
    let mut trees = FxHashMap::default();
    for name in db.tree_names() {
        let Some(run) = name.as_ref().try_into().ok().map(u64::from_be_bytes) else { continue };
        if run < RUN_NUMBER_END {
            trees.insert(run, RunTree { tree: db.open_tree(name)?, keys_ready: 0, blocks_expected: 0 });
        }
    }
    Ok(trees)
}

fn sync_directories(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_path_buf);
    File::open(parent)?.sync_all()
}
