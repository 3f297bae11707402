//! A disk that behaves as badly as a disk may, the same way for the same seed.
//!
//! What is written is seen at once, as through a page cache, but is durable only after a sync. A power loss keeps of the
//! rest any subset of sectors; the one write that was under way may end at any byte. Names are durable only after a sync
//! of their directory. Faults are armed for the n-th operation, so that a test can fail every operation in turn.

mod file;
mod names;
mod random;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use self::file::{Inode, SimulatedFile};
use self::names::Names;
pub(in crate::disk) use self::random::Random;
use super::{Disk, DiskError, DiskFile, DiskLock};

/// An operation as the disk counted it: what is worth failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A file was made.
    Create,
    /// Bytes were written.
    Write {
        /// How many.
        bytes: usize,
    },
    /// A file was synced.
    Sync,
    /// A file was filled with zeros.
    Preallocate,
    /// A file was cut.
    Truncate,
    /// A file was read. Reads are counted, so that they can fail, too.
    Read,
    /// A name was changed.
    Rename,
    /// A name was removed.
    Remove,
    /// A directory was synced.
    SyncDirectory,
}

/// What is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails. A failed sync marks its pages clean: they can still be read, and no later sync writes them.
    Error,
    /// There is no space.
    Full,
    /// The file system is mounted read-only.
    ReadOnly,
    /// A write stops after so many bytes, and fails. Any other operation just fails.
    ShortWrite {
        /// How many bytes are written.
        bytes: usize,
    },
    /// The power goes: of a write only so many bytes have been begun, and nothing works until
    /// [`SimulatedDisk::power_loss`].
    PowerCut {
        /// How many bytes of the write were begun.
        bytes: usize,
    },
}

/// What survives a power loss of all that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// Everything, up to the last byte begun.
    Everything,
    /// Any subset of sectors and names, drawn from this seed.
    Random(u64),
}

/// The disk. A clone is the same disk.
#[derive(Debug, Default, Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: Names,
    /// Handles and locks of an earlier life of the machine do not work.
    life: u64,
    locked: bool,
    dead: bool,
    capacity: Option<u64>,
    log: Vec<Operation>,
    faults: BTreeMap<usize, Fault>,
    /// Faults that did happen.
    struck: usize,
}

/// What an operation is to do after its fault was looked up.
enum Course {
    Normal,
    /// Carry out this many bytes of a write, then fail.
    Partly(usize),
}

impl SimulatedDisk {
    /// An empty disk without faults and without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Arms a fault for the operation with this number, counted from 0.
    pub fn arm(&self, operation: usize, fault: Fault) {
        self.0.lock().faults.insert(operation, fault);
    }

    /// Disarms all faults.
    pub fn disarm(&self) {
        self.0.lock().faults.clear();
    }

    /// How many armed faults did happen.
    pub fn struck(&self) -> usize {
        self.0.lock().struck
    }

    /// Every operation so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.0.lock().log.clone()
    }

    /// How many operations there were.
    pub fn operation_count(&self) -> usize {
        self.0.lock().log.len()
    }

    /// Limits the sum of the files' lengths.
    pub fn limit(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// Ends the life of whoever uses the disk, as SIGKILL does: what was written stays to be seen and is no more durable
    /// than before. Open handles no longer work and the lock is free.
    pub fn kill(&self) {
        let mut state = self.0.lock();
        state.life += 1;
        state.locked = false;
        state.dead = false;
    }

    /// Cuts the power and brings the machine up again.
    pub fn power_loss(&self, survival: Survival) {
        self.kill();
        let mut state = self.0.lock();
        let seed = if let Survival::Random(seed) = survival { seed } else { 0 };
        let mut random = Random::new(seed);
        let mut survives = || match survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Random(_) => random.coin(),
        };
        state.names.power_loss(&mut survives);
        for inode in &mut state.inodes {
            inode.power_loss(&mut survives);
        }
    }

    /// Changes a byte of a file for good, as a decaying disk does; false when the file has no such byte.
    pub fn flip(&self, name: &str, offset: u64, mask: u8) -> bool {
        let mut state = self.0.lock();
        let Some(inode) = state.names.seen(name) else { return false };
        state.inodes[inode].flip(offset as usize, mask)
    }

    /// A copy of a file's bytes as they are seen.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        let inode = state.names.seen(name)?;
        Some(state.inodes[inode].seen().to_vec())
    }

    /// Puts a file on the disk, durably, whatever was there before.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.0.lock();
        state.inodes.push(Inode::durable(bytes.to_vec()));
        let inode = state.inodes.len() - 1;
        state.names.put(name, inode);
    }

    /// Another disk with the same files, all of them durable, and no faults.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        let state = self.0.lock();
        for (name, inode) in state.names.all() {
            copy.put(name, state.inodes[inode].seen());
        }
        copy
    }

    fn handle(&self, state: &State, name: &str, inode: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile::new(self.clone(), name.into(), inode, state.life))
    }
}

impl State {
    /// Counts the operation and looks up what is to become of it.
    fn begin(&mut self, operation: Operation, path: &str) -> Result<Course, DiskError> {
        if self.dead {
            return Err(power_lost(path));
        }
        let number = self.log.len();
        self.log.push(operation);
        let Some(fault) = self.faults.remove(&number) else { return Ok(Course::Normal) };
        self.struck += 1;
        let length = if let Operation::Write { bytes } = operation { bytes } else { 0 };
        match fault {
            Fault::Full => Err(DiskError::Full { path: path.into() }),
            Fault::ReadOnly => Err(DiskError::from_io("use", path, io::ErrorKind::ReadOnlyFilesystem.into())),
            Fault::Error => Ok(Course::Partly(0)),
            Fault::ShortWrite { bytes } => Ok(Course::Partly(bytes.min(length))),
            Fault::PowerCut { bytes } => {
                self.dead = true;
                Ok(Course::Partly(bytes.min(length)))
            }
        }
    }

    /// As [`begin`](Self::begin), for operations that happen as a whole or not at all.
    fn begin_whole(&mut self, operation: Operation, path: &str) -> Result<(), DiskError> {
        match self.begin(operation, path)? {
            Course::Normal => Ok(()),
            Course::Partly(_) => Err(failed(path)),
        }
    }

    fn check_room(&self, path: &str, more: u64) -> Result<(), DiskError> {
        if more > self.free() { Err(DiskError::Full { path: path.into() }) } else { Ok(()) }
    }

    fn free(&self) -> u64 {
        let used: u64 = self.names.all().map(|(_, inode)| self.inodes[inode].seen().len() as u64).sum();
        self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used))
    }
}

fn failed(path: &str) -> DiskError {
    let source = io::Error::other("simulated input/output error");
    DiskError::Failed { operation: "use", path: path.into(), source }
}

fn power_lost(path: &str) -> DiskError {
    DiskError::Failed { operation: "use", path: path.into(), source: io::Error::other("the power is gone") }
}

struct Unlock {
    disk: SimulatedDisk,
    life: u64,
}

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        // After a power loss the lock may already be somebody else's.
        if state.life == self.life {
            state.locked = false;
        }
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        let mut state = self.0.lock();
        state.begin_whole(Operation::Create, name)?;
        state.check_room(name, 0)?;
        if state.names.seen(name).is_some() {
            return Err(DiskError::from_io("create", name, io::ErrorKind::AlreadyExists.into()));
        }
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.names.link(name, inode);
        Ok(self.handle(&state, name, inode))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn DiskFile>, DiskError> {
        let state = self.0.lock();
        if state.dead {
            return Err(power_lost(name));
        }
        let inode = state.names.seen(name).ok_or_else(|| DiskError::NotFound { path: name.into() })?;
        Ok(self.handle(&state, name, inode))
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, DiskError> {
        let state = self.0.lock();
        if state.dead { Err(power_lost(directory)) } else { Ok(state.names.list(directory)) }
    }

    fn create_directory(&self, _directory: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut state = self.0.lock();
        state.begin_whole(Operation::Rename, from)?;
        if state.names.rename(from, to) { Ok(()) } else { Err(DiskError::NotFound { path: from.into() }) }
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let mut state = self.0.lock();
        state.begin_whole(Operation::Remove, name)?;
        if state.names.unlink(name) { Ok(()) } else { Err(DiskError::NotFound { path: name.into() }) }
    }

    fn sync_directory(&self, directory: &str) -> Result<(), DiskError> {
        let mut state = self.0.lock();
        state.begin_whole(Operation::SyncDirectory, directory)?;
        state.names.sync(directory);
        Ok(())
    }

    fn lock(&self) -> Result<DiskLock, DiskError> {
        let mut state = self.0.lock();
        if state.dead {
            return Err(power_lost("the lock"));
        }
        if state.locked {
            return Err(DiskError::InUse { path: "the simulated disk".into() });
        }
        state.locked = true;
        Ok(DiskLock::new(Unlock { disk: self.clone(), life: state.life }))
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        Ok(self.0.lock().free())
    }
}

#[cfg(test)]
mod tests;
