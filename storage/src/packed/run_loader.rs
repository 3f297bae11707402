//! Proves a run of a manifest block by block, and rebuilds what readers need in memory.
//!
//! The manifest holds the hash of the run's last block, and each block that of the one before: so the walk goes from the
//! last block to the first, knows at each step which hash must come, and names the block where it does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::block::{Kind, RowTable};
use super::blocks::Blocks;
use super::bloom::Bloom;
use super::error::{Flaw, PackedError};
use super::manifest::RunMeta;
use super::run::{Run, SparseIndex, damaged, read_block};

/// Loads runs, as many at once as there are processors: proving them is most of what opening a large store takes.
pub(crate) fn load_all(
    blocks: &dyn Blocks,
    metas: &[RunMeta],
    bloom_bits_per_row: u32,
) -> Result<Vec<Run>, PackedError> {
    // The largest first, so that no thread is left alone with it at the end.
    let mut order: Vec<usize> = (0..metas.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(metas[*at].bytes));
    let loaded: Vec<Mutex<Option<_>>> = metas.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            *loaded[*at].lock() = Some(load(blocks, &metas[*at], bloom_bits_per_row));
        }
    };
    let helpers = thread::available_parallelism().map_or(1, |cores| cores.get()).min(metas.len()).saturating_sub(1);
    thread::scope(|scope| {
        (0..helpers).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    loaded.into_iter().map(|run| run.into_inner().expect("every run has its turn")).collect()
}

/// Reads every block of a run and verifies that it is the one the manifest proves.
pub(crate) fn load(blocks: &dyn Blocks, meta: &RunMeta, bloom_bits_per_row: u32) -> Result<Run, PackedError> {
    let mut walk = Walk::new(meta);
    // The last block first: it vouches for the counts by which memory is set aside.
    let mut bloom = None;
    let mut table = RowTable::default();
    for number in (0..meta.blocks).rev() {
        let block = read_block(blocks, meta, number)?;
        let header = *block.header();
        if block.hash() != walk.hash_expected {
            return Err(damaged(meta, number, Flaw::Stale).into());
        }
        if number + 1 == meta.blocks && header.rows != meta.rows {
            return Err(damaged(meta, number, Flaw::Stale).into());
        }
        let bloom = bloom.get_or_insert_with(|| Bloom::for_rows(meta.rows, bloom_bits_per_row));
        if header.kind == Kind::Rows {
            block.table(&mut table).map_err(|flaw| damaged(meta, number, flaw))?;
            walk.take_rows(&table, number)?;
            (0..table.len()).for_each(|row| bloom.insert(Bloom::hash(table.key(row))));
        }
        walk.hash_expected = header.previous;
        walk.bytes += block.bytes().len() as u64;
        walk.crcs.push(block.crc());
    }
    walk.finish(bloom.unwrap_or_else(|| Bloom::for_rows(0, bloom_bits_per_row)))
}

/// What was gathered so far, from the end of the run backwards.
struct Walk<'a> {
    meta: &'a RunMeta,
    hash_expected: [u8; 32],
    crcs: Vec<u32>,
    /// The first key of each block of rows, the highest first.
    first_keys: Vec<(Vec<u8>, u32)>,
    rows: u64,
    bytes: u64,
}

impl<'a> Walk<'a> {
    fn new(meta: &'a RunMeta) -> Self {
        Self { meta, hash_expected: meta.root, crcs: Vec::new(), first_keys: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Takes the rows of a block, which must lie below all taken before.
    fn take_rows(&mut self, table: &RowTable, number: u32) -> Result<(), PackedError> {
        let (first, last) = (table.key(0), table.key(table.len() - 1));
        let fits = match self.first_keys.last() {
            Some((above, _)) => last < above.as_slice(),
            None => last == self.meta.key_max.as_slice(),
        };
        if !fits {
            return Err(damaged(self.meta, number, Flaw::Corrupt).into());
        }
        self.first_keys.push((first.to_vec(), number));
        self.rows += table.len() as u64;
        Ok(())
    }

    fn finish(mut self, bloom: Bloom) -> Result<Run, PackedError> {
        let meta = self.meta;
        let first = self.first_keys.last().map(|(key, _)| key.as_slice());
        let told = (Some(meta.key_min.as_slice()), meta.rows, meta.bytes, [0; 32]);
        if (first, self.rows, self.bytes, self.hash_expected) != told {
            return Err(damaged(meta, 0, Flaw::Corrupt).into());
        }
        let mut index = SparseIndex::default();
        self.first_keys.iter().rev().for_each(|(key, number)| index.push(key, *number));
        self.crcs.reverse();
        Ok(Run { meta: meta.clone(), index, crcs: self.crcs, bloom })
    }
}
