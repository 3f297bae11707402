//! Blocks in memory: for engines without a disk, and for tests, which may lose, corrupt or age them.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::blocks::Blocks;
use super::error::StoreError;

/// The largest block that memory takes: what the largest segments of sled would.
const BLOCK_BYTES_MAX: usize = (16 << 20) / 80;

/// Which calls are made to fail while the fault is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryFault {
    /// Every `put` fails.
    Put,
    /// The next `sync` fails, and with it all later ones.
    Sync,
    /// Every `get` fails.
    Get,
}

type Runs = BTreeMap<u64, BTreeMap<u32, Vec<u8>>>;

/// How to take back what was not yet synced.
enum Undo {
    Started(u64),
    Put(u64, u32, Option<Vec<u8>>),
    Dropped(u64, BTreeMap<u32, Vec<u8>>),
}

#[derive(Default)]
struct Shelf {
    runs: Runs,
    /// The oldest change first.
    undo: Vec<Undo>,
    fault: Option<MemoryFault>,
    poisoned: bool,
    reads: u64,
}

impl Shelf {
    fn refuse_if(&self, fault: MemoryFault) -> Result<(), StoreError> {
        if self.fault == Some(fault) { Err(StoreError::Failed(format!("{fault:?} fault armed"))) } else { Ok(()) }
    }

    fn block(&mut self, run: u64, block: u32) -> Option<&mut Vec<u8>> {
        self.runs.get_mut(&run)?.get_mut(&block)
    }
}

/// Blocks in memory that remember what was not yet synced, so that a power loss can be played.
#[derive(Default)]
pub struct MemoryBlocks {
    shelf: Mutex<Shelf>,
}

impl MemoryBlocks {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Arms a fault, or disarms it with `None`; also heals the poison of a failed sync, as a reopening would.
    pub fn arm(&self, fault: Option<MemoryFault>) {
        let mut shelf = self.shelf.lock();
        shelf.fault = fault;
        shelf.poisoned = false;
    }

    /// Forgets everything since the last sync, as a power loss may.
    pub fn lose_power(&self) {
        let mut shelf = self.shelf.lock();
        while let Some(change) = shelf.undo.pop() {
            match change {
                Undo::Started(run) => drop(shelf.runs.remove(&run)),
                Undo::Dropped(run, blocks) => drop(shelf.runs.insert(run, blocks)),
                Undo::Put(run, block, Some(bytes)) => drop(shelf.runs.entry(run).or_default().insert(block, bytes)),
                Undo::Put(run, block, None) => drop(shelf.runs.entry(run).or_default().remove(&block)),
            }
        }
    }

    /// Loses one block; tells whether it was there.
    pub fn lose(&self, run: u64, block: u32) -> bool {
        self.shelf.lock().runs.get_mut(&run).is_some_and(|blocks| blocks.remove(&block).is_some())
    }

    /// Flips one bit of one block; tells whether there was such a bit.
    pub fn corrupt(&self, run: u64, block: u32, bit: usize) -> bool {
        let mut shelf = self.shelf.lock();
        let Some(byte) = shelf.block(run, block).and_then(|bytes| bytes.get_mut(bit / 8)) else { return false };
        *byte ^= 1 << (bit % 8);
        true
    }

    /// Puts other bytes in the place of a block, as a store does that forgot a later write; tells whether it was there.
    pub fn make_stale(&self, run: u64, block: u32, older: Vec<u8>) -> bool {
        self.shelf.lock().block(run, block).map(|bytes| *bytes = older).is_some()
    }

    /// How many blocks were asked for since the start.
    pub fn reads(&self) -> u64 {
        self.shelf.lock().reads
    }
}

impl Blocks for MemoryBlocks {
    fn start_run(&self, run: u64, _blocks_expected: u32) -> Result<(), StoreError> {
        let mut shelf = self.shelf.lock();
        shelf.runs.entry(run).or_default();
        shelf.undo.push(Undo::Started(run));
        Ok(())
    }

    fn put(&self, run: u64, block: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let mut shelf = self.shelf.lock();
        shelf.refuse_if(MemoryFault::Put)?;
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(StoreError::ValueTooLarge { bytes: bytes.len(), max: BLOCK_BYTES_MAX });
        }
        let before = shelf.runs.entry(run).or_default().insert(block, bytes.to_vec());
        shelf.undo.push(Undo::Put(run, block, before));
        Ok(())
    }

    fn get(&self, run: u64, block: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let mut shelf = self.shelf.lock();
        shelf.refuse_if(MemoryFault::Get)?;
        shelf.reads += 1;
        Ok(shelf.block(run, block).cloned())
    }

    fn drop_run(&self, run: u64) -> Result<(), StoreError> {
        let mut shelf = self.shelf.lock();
        if let Some(blocks) = shelf.runs.remove(&run) {
            shelf.undo.push(Undo::Dropped(run, blocks));
        }
        Ok(())
    }

    fn runs(&self) -> Vec<u64> {
        self.shelf.lock().runs.keys().copied().collect()
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut shelf = self.shelf.lock();
        if shelf.poisoned {
            return Err(StoreError::Poisoned);
        }
        if let Err(error) = shelf.refuse_if(MemoryFault::Sync) {
            shelf.poisoned = true;
            return Err(error);
        }
        shelf.undo.clear();
        Ok(())
    }

    fn block_bytes_max(&self) -> usize {
        BLOCK_BYTES_MAX
    }
}
