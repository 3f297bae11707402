//! Blocks in memory: for engines without a disk, and for tests, which may lose, corrupt or age them.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::blocks::Blocks;
use super::error::StoreError;

/// What the next calls of one kind are made to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryFault {
    /// Every `put` fails.
    Put,
    /// The next `sync` fails, and with it all later ones.
    Sync,
    /// Every `get` fails.
    Get,
}

#[derive(Default)]
struct Shelf {
    blocks: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the keys changed since the last sync held before, oldest change first.
    undo: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    fault: Option<MemoryFault>,
    poisoned: bool,
    reads: u64,
}

impl Shelf {
    fn change(&mut self, key: &[u8], block: Option<&[u8]>) {
        let before = match block {
            Some(block) => self.blocks.insert(key.to_vec(), block.to_vec()),
            None => self.blocks.remove(key),
        };
        self.undo.push((key.to_vec(), before));
    }

    fn refuse_if(&self, fault: MemoryFault) -> Result<(), StoreError> {
        if self.fault == Some(fault) { Err(StoreError::Failed(format!("{fault:?} fault armed"))) } else { Ok(()) }
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
        while let Some((key, before)) = shelf.undo.pop() {
            match before {
                Some(block) => shelf.blocks.insert(key, block),
                None => shelf.blocks.remove(&key),
            };
        }
    }

    /// Loses one block; tells whether it was there.
    pub fn lose(&self, key: &[u8]) -> bool {
        self.shelf.lock().blocks.remove(key).is_some()
    }

    /// Flips one bit of one block; tells whether there was such a bit.
    pub fn corrupt(&self, key: &[u8], bit: usize) -> bool {
        match self.shelf.lock().blocks.get_mut(key).and_then(|block| block.get_mut(bit / 8)) {
            Some(byte) => {
                *byte ^= 1 << (bit % 8);
                true
            }
            None => false,
        }
    }

    /// Puts another block in the place of one, as a store does that forgot a later write; tells whether it was there.
    pub fn make_stale(&self, key: &[u8], older: Vec<u8>) -> bool {
        self.shelf.lock().blocks.get_mut(key).map(|block| *block = older).is_some()
    }

    /// All keys, ascending.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.shelf.lock().blocks.keys().cloned().collect()
    }

    /// How many blocks were asked for since the start.
    pub fn reads(&self) -> u64 {
        self.shelf.lock().reads
    }
}

impl Blocks for MemoryBlocks {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut shelf = self.shelf.lock();
        shelf.refuse_if(MemoryFault::Get)?;
        shelf.reads += 1;
        Ok(shelf.blocks.get(key).cloned())
    }

    fn put(&self, key: &[u8], block: &[u8]) -> Result<(), StoreError> {
        let mut shelf = self.shelf.lock();
        shelf.refuse_if(MemoryFault::Put)?;
        if block.len() > self.block_bytes_max() {
            return Err(StoreError::ValueTooLarge { bytes: block.len(), max: self.block_bytes_max() });
        }
        shelf.change(key, Some(block));
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<(), StoreError> {
        self.shelf.lock().change(key, None);
        Ok(())
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

    fn scan_keys(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        for key in self.keys() {
            visit(&key);
        }
        Ok(())
    }

    fn block_bytes_max(&self) -> usize {
        1 << 20
    }
}
