//! A file of a simulated disk: bytes as they are seen, and as a power loss would leave them.

use super::super::memory::{copy_from, put};
use super::super::{DiskError, DiskFile};
use super::{Course, Operation, SimulatedDisk, State, failed, power_lost};

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Changes that are seen but not yet durable, oldest first.
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Inode {
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self { seen: bytes.clone(), durable: bytes, pending: Vec::new() }
    }

    pub(super) fn seen(&self) -> &[u8] {
        &self.seen
    }

    fn write(&mut self, offset: usize, bytes: Vec<u8>) {
        put(&mut self.seen, offset, &bytes);
        self.pending.push(Change::Write(offset, bytes));
    }

    fn truncate(&mut self, length: usize) {
        self.seen.truncate(length);
        self.pending.push(Change::Truncate(length));
    }

    fn sync(&mut self) {
        self.settle(&mut || true);
    }

    pub(super) fn power_loss(&mut self, survives: &mut dyn FnMut() -> bool) {
        self.settle(survives);
        self.seen = self.durable.clone();
    }

    fn settle(&mut self, survives: &mut dyn FnMut() -> bool) {
        for change in self.pending.drain(..) {
            match change {
                Change::Write(offset, bytes) => {
                    let mut from = 0;
                    while from < bytes.len() {
                        let sector_end = (offset + from) / SECTOR * SECTOR + SECTOR;
                        let to = bytes.len().min(sector_end - offset);
                        if survives() {
                            put(&mut self.durable, offset + from, &bytes[from..to]);
                        }
                        from = to;
                    }
                }
                Change::Truncate(length) => {
                    if survives() {
                        self.durable.truncate(length);
                    }
                }
            }
        }
    }

    pub(super) fn flip(&mut self, offset: usize, mask: u8) -> bool {
        for bytes in [&mut self.seen, &mut self.durable] {
            match bytes.get_mut(offset) {
                Some(byte) => *byte ^= mask,
                None => return false,
            }
        }
        true
    }
}

#[derive(Debug)]
pub(super) struct SimulatedFile {
    disk: SimulatedDisk,
    name: String,
    inode: usize,
    life: u64,
}

impl SimulatedFile {
    pub(super) fn new(disk: SimulatedDisk, name: String, inode: usize, life: u64) -> Self {
        Self { disk, name, inode, life }
    }

    /// Runs with the disk's state, unless the machine has had a power loss since the file was opened.
    fn with<T>(&self, run: impl FnOnce(&mut State, &str, usize) -> Result<T, DiskError>) -> Result<T, DiskError> {
        let mut state = self.disk.0.lock();
        if state.dead || state.life != self.life {
            return Err(power_lost(&self.name));
        }
        run(&mut state, &self.name, self.inode)
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> Result<u64, DiskError> {
        self.with(|state, _, inode| Ok(state.inodes[inode].seen.len() as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.with(|state, name, inode| {
            state.begin_whole(Operation::Read, name)?;
            Ok(copy_from(&state.inodes[inode].seen, offset, into))
        })
    }

    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> Result<(), DiskError> {
        self.with(|state, name, inode| {
            let mut bytes = parts.concat();
            let course = state.begin(Operation::Write { bytes: bytes.len() }, name)?;
            let more = (offset + bytes.len() as u64).saturating_sub(state.inodes[inode].seen.len() as u64);
            state.check_room(name, more)?;
            match course {
                Course::Normal => {
                    state.inodes[inode].write(offset as usize, bytes);
                    Ok(())
                }
                Course::Partly(count) => {
                    bytes.truncate(count);
                    if count > 0 {
                        state.inodes[inode].write(offset as usize, bytes);
                    }
                    Err(failed(name))
                }
            }
        })
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.with(|state, name, inode| match state.begin(Operation::Sync, name)? {
            Course::Normal => {
                state.inodes[inode].sync();
                Ok(())
            }
            Course::Partly(_) => {
                // When the power goes, what was on its way may still arrive; after an error the pages are clean.
                if !state.dead {
                    state.inodes[inode].pending.clear();
                }
                Err(failed(name))
            }
        })
    }

    fn preallocate(&self, length: u64) -> Result<(), DiskError> {
        self.with(|state, name, inode| {
            state.begin_whole(Operation::Preallocate, name)?;
            let present = state.inodes[inode].seen.len() as u64;
            if present >= length {
                return Ok(());
            }
            state.check_room(name, length - present)?;
            state.inodes[inode].write(present as usize, vec![0; (length - present) as usize]);
            state.inodes[inode].sync();
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> Result<(), DiskError> {
        self.with(|state, name, inode| {
            state.begin_whole(Operation::Truncate, name)?;
            state.inodes[inode].truncate(length as usize);
            Ok(())
        })
    }
}
