//! The packed store itself: many readers, one writer.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::Space;
use super::blocks::Blocks;
use super::bloom::Bloom;
use super::compaction::{self, Merge};
use super::error::{PackedError, StoreError};
use super::manifest::{Manifest, RunMeta, SpaceThrough};
use super::merged::Merged;
use super::options::Options;
use super::range::{Direction, KeyRange};
use super::retention::Retention;
use super::row_batch::RowBatch;
use super::run::Run;
use super::run_loader;
use super::run_writer::RunWriter;
use super::stats::{SpaceStats, Stats};

/// Whether there is more to compact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// Nothing to do before the next run, manifest or end of a read.
    Idle,
    /// The budget was used up: call again.
    Pending,
}

/// Takes the key and the value of each row of a scan, and says when it has seen enough.
pub type RowVisitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// One page of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Keys and values, in the order of the scan.
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the next page begins; `None` if there is nothing behind this one.
    pub next: Option<KeyRange>,
}

/// The runs of one space, from the oldest to the newest.
#[derive(Clone, Default)]
struct Shelf {
    runs: Arc<Vec<Arc<Run>>>,
    through: u64,
}

/// What only the writer touches.
struct Writer {
    run_next: u64,
    manifest_next: u64,
    merges: Vec<Merge>,
    retention: Retention,
}

/// Snapshots and query models as packed sorted runs.
///
/// Reads take `&self` from any thread and never wait for a write: they copy the list of runs out and then read. Writes may
/// come from any thread too, one at a time.
pub struct PackedStore {
    blocks: Arc<dyn Blocks>,
    options: Options,
    shelves: RwLock<BTreeMap<Space, Shelf>>,
    writer: Mutex<Writer>,
}

impl PackedStore {
    /// Opens an empty store; whatever the blocks hold is proven by no manifest and will be removed.
    pub fn open(blocks: Arc<dyn Blocks>, options: Options) -> Result<Self, PackedError> {
        Self::open_with(blocks, options, None, None)
    }

    /// Opens the store as `manifest` describes it, after proving every block of it by hash.
    ///
    /// Blocks it does not name belong to runs beyond it and will be removed, except those of `previous`, the manifest
    /// journaled before it: they stay until two newer ones are journaled, for the next opening may have to fall back to it.
    /// When this fails nothing has been changed: open `previous` instead, or nothing and project the journal again.
    pub fn open_with(
        blocks: Arc<dyn Blocks>,
        options: Options,
        manifest: Option<&Manifest>,
        previous: Option<&Manifest>,
    ) -> Result<Self, PackedError> {
        options.check(&*blocks)?;
        let mut shelves = BTreeMap::<Space, Shelf>::new();
        if let Some(manifest) = manifest {
            manifest.check()?;
            for held in &manifest.spaces {
                shelves.entry(held.space).or_default().through = held.through;
            }
            for run in run_loader::load_all(&*blocks, &manifest.runs, options.bloom_bits_per_row)? {
                Arc::make_mut(&mut shelves.entry(run.meta.space).or_default().runs).push(Arc::new(run));
            }
        }
        let writer = Writer::open(&*blocks, manifest, previous);
        Ok(Self { blocks, options, shelves: RwLock::new(shelves), writer: Mutex::new(writer) })
    }

    /// Writes the rows as one run of `space`, visible at once, and empties the batch. `None` if there were no rows.
    ///
    /// `through` is the highest journal sequence that the rows rest on; it must not go back within a space. After an error
    /// nothing of the run is visible and the batch is as it was.
    pub fn write_run(&self, space: Space, rows: &mut RowBatch, through: u64) -> Result<Option<RunMeta>, PackedError> {
        let mut writer = self.writer.lock();
        self.check_order(space, through)?;
        rows.sort();
        let id = writer.take_run_number();
        let written = self.write_rows(space, id, rows, through).inspect_err(|_| writer.retention.orphan(id))?;
        rows.clear();
        let meta = written.as_ref().map(|run| run.meta.clone());
        let mut shelves = self.shelves.write();
        let shelf = shelves.entry(space).or_default();
        shelf.through = through;
        if let Some(run) = written {
            Arc::make_mut(&mut shelf.runs).push(Arc::new(run));
        }
        Ok(meta)
    }

    /// Says that nothing in the journal up to `through` adds a row to `space`.
    pub fn advance(&self, space: Space, through: u64) -> Result<(), PackedError> {
        let _writer = self.writer.lock();
        self.check_order(space, through)?;
        self.shelves.write().entry(space).or_default().through = through;
        Ok(())
    }

    /// How far `space` has followed the journal; 0 if it never did.
    pub fn through(&self, space: Space) -> u64 {
        self.shelves.read().get(&space).map_or(0, |shelf| shelf.through)
    }

    /// The value under `key`: what the newest run that knows the key says.
    pub fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, PackedError> {
        let hash = Bloom::hash(key);
        for run in self.runs(space).iter().rev() {
            if let Some(answer) = run.get(&*self.blocks, key, hash)? {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    /// Shows the rows of a range in order until `visit` breaks off. It sees the store as it was when the scan began.
    pub fn scan(
        &self,
        space: Space,
        range: &KeyRange,
        direction: Direction,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), PackedError> {
        let mut merged = Merged::open(&self.blocks, &self.runs(space), range, direction)?;
        let mut scratch = Vec::new();
        while let Some(row) = merged.next()? {
            let Some(key) = row.key().filter(|key| range.contains(key)) else { break };
            if let Some(value) = row.value(&mut scratch)?
                && visit(key, value).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    /// Up to `limit` rows of a range, and where to go on.
    pub fn page(
        &self,
        space: Space,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Page, PackedError> {
        let mut rows = Vec::new();
        let mut more = false;
        self.scan(space, range, direction, &mut |key, value| {
            if rows.len() == limit {
                more = true;
                return ControlFlow::Break(());
            }
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        let next = match rows.last() {
            Some((last, _)) if more => Some(range.behind(last, direction)),
            None if more => Some(range.clone()),
            _ => None,
        };
        Ok(Page { rows, next })
    }

    /// Syncs the blocks and describes the store as it is now, for the journal to keep.
    ///
    /// Tell [`PackedStore::journaled`] when the journal holds it durably.
    pub fn manifest(&self) -> Result<Manifest, PackedError> {
        let mut writer = self.writer.lock();
        self.blocks.sync()?;
        let number = writer.manifest_next;
        writer.manifest_next += 1;
        let (mut spaces, mut runs) = (Vec::new(), Vec::new());
        for (space, shelf) in self.shelves.read().iter() {
            spaces.push(SpaceThrough { space: *space, through: shelf.through });
            runs.extend(shelf.runs.iter().map(|run| run.meta.clone()));
        }
        let manifest = Manifest::new(number, writer.run_next, spaces, runs);
        writer.retention.issue(number, run_numbers(&manifest));
        Ok(manifest)
    }

    /// The journal holds manifest `number` durably: runs that are in neither of the last two such may be removed.
    pub fn journaled(&self, number: u64) {
        self.writer.lock().retention.journaled(number);
    }

    /// Reads every block of a run that a kept manifest names, and proves it by hash.
    pub fn verify_run(&self, run: &RunMeta) -> Result<(), PackedError> {
        run_loader::load(&*self.blocks, run, self.options.bloom_bits_per_row).map(drop)
    }

    /// Syncs the blocks. A manifest does so by itself.
    pub fn sync(&self) -> Result<(), PackedError> {
        let _writer = self.writer.lock();
        Ok(self.blocks.sync()?)
    }

    /// Forgets all rows of a space and how far it had come, so that it can be projected anew.
    pub fn clear(&self, space: Space) {
        let mut writer = self.writer.lock();
        let shelf = self.shelves.write().remove(&space).unwrap_or_default();
        writer.drop_merges(|merge| merge.space == space);
        shelf.runs.iter().for_each(|run| writer.retention.retire(run.clone()));
    }

    /// Merges about `budget` bytes of rows, and removes one run that nobody needs any more.
    ///
    /// After an error the merge it came from is given up and its inputs stay as they are.
    pub fn compact_step(&self, budget: usize) -> Result<Compaction, PackedError> {
        let mut writer = self.writer.lock();
        let reclaimed = writer.retention.reclaim(&*self.blocks)?;
        self.start_merges(&mut writer)?;
        let mut budget = budget.max(1);
        while budget > 0 {
            let smallest = (0..writer.merges.len()).min_by_key(|at| writer.merges[*at].bytes);
            let Some(at) = smallest else { break };
            match writer.merges[at].step(&mut budget) {
                Ok(false) => {}
                Ok(true) => self.finish_merge(&mut writer, at)?,
                Err(error) => {
                    writer.give_up(at);
                    return Err(error);
                }
            }
        }
        let idle = writer.merges.is_empty() && budget > 0 && !reclaimed;
        Ok(if idle { Compaction::Idle } else { Compaction::Pending })
    }

    /// What the store holds.
    pub fn stats(&self) -> Stats {
        let writer = self.writer.lock();
        let shelves = self.shelves.read();
        let spaces = shelves.iter().map(|(space, shelf)| SpaceStats {
            space: *space,
            runs: shelf.runs.len(),
            rows: shelf.runs.iter().map(|run| run.meta.rows).sum(),
            blocks: shelf.runs.iter().map(|run| u64::from(run.meta.blocks)).sum(),
            bytes: shelf.runs.iter().map(|run| run.meta.bytes).sum(),
            memory_bytes: shelf.runs.iter().map(|run| run.memory_bytes()).sum(),
            through: shelf.through,
        });
        let spaces = spaces.collect();
        Stats { spaces, merges: writer.merges.len(), runs_leaving: writer.retention.leaving() }
    }

    /// Writes a sorted batch as run `id`, which nobody sees yet.
    fn write_rows(&self, space: Space, id: u64, rows: &RowBatch, through: u64) -> Result<Option<Run>, StoreError> {
        if rows.is_empty() {
            return Ok(None);
        }
        let size = (rows.len() as u64, rows.bytes() as u64);
        let mut run = RunWriter::new(self.blocks.clone(), &self.options, space, id, size)?;
        rows.sorted().try_for_each(|(key, value)| run.push(key, value))?;
        run.finish(through)
    }

    /// The runs of a space, copied out so that no lock is held while they are read.
    fn runs(&self, space: Space) -> Arc<Vec<Arc<Run>>> {
        self.shelves.read().get(&space).map(|shelf| shelf.runs.clone()).unwrap_or_default()
    }

    fn check_order(&self, space: Space, through: u64) -> Result<(), PackedError> {
        let held = self.through(space);
        if through < held { Err(PackedError::OutOfOrder { space, through, held }) } else { Ok(()) }
    }

    fn start_merges(&self, writer: &mut Writer) -> Result<(), PackedError> {
        let shelves: Vec<_> = self.shelves.read().iter().map(|(space, shelf)| (*space, shelf.runs.clone())).collect();
        for (space, runs) in shelves {
            let mut busy: BTreeSet<u64> = writer.inputs().collect();
            while let Some(chosen) = compaction::choose(&runs, &busy, self.options.fan_in) {
                let (oldest, inputs) = (chosen.start == 0, runs[chosen].to_vec());
                busy.extend(inputs.iter().map(|run| run.meta.id));
                let id = writer.take_run_number();
                let merge = Merge::start(&self.blocks, &self.options, space, inputs, id, oldest);
                writer.merges.push(merge.inspect_err(|_| writer.retention.orphan(id))?);
            }
        }
        Ok(())
    }

    /// Puts the merged run in the place of its inputs.
    fn finish_merge(&self, writer: &mut Writer, at: usize) -> Result<(), PackedError> {
        let merged = match writer.merges[at].finish() {
            Ok(merged) => merged,
            Err(error) => {
                writer.give_up(at);
                return Err(error);
            }
        };
        let merge = writer.merges.swap_remove(at);
        let mut shelves = self.shelves.write();
        let shelf = shelves.entry(merge.space).or_default();
        let runs = Arc::make_mut(&mut shelf.runs);
        // Inputs leave the list only here and in `clear`, which gives up their merge: so they are there, side by side.
        let first = merge.inputs[0].meta.id;
        if let Some(start) = runs.iter().position(|run| run.meta.id == first) {
            let inputs = runs.splice(start..start + merge.inputs.len(), merged.map(Arc::new));
            inputs.for_each(|run| writer.retention.retire(run));
        }
        Ok(())
    }
}

impl Writer {
    /// Finds out which run numbers are taken and which runs the manifest does not name.
    fn open(blocks: &dyn Blocks, manifest: Option<&Manifest>, previous: Option<&Manifest>) -> Self {
        let mut retention = Retention::default();
        let (mut run_next, mut manifest_next) = (0, 0);
        let mut named = BTreeSet::new();
        for (kept, current) in [(previous, false), (manifest, true)] {
            let Some(kept) = kept else { continue };
            retention.issue(kept.number, run_numbers(kept));
            retention.journaled(kept.number);
            run_next = run_next.max(kept.run_next);
            manifest_next = manifest_next.max(kept.number.saturating_add(1));
            if current {
                named = run_numbers(kept);
            }
        }
        for run in blocks.runs().into_iter().filter(|run| !named.contains(run)) {
            run_next = run_next.max(run + 1);
            retention.orphan(run);
        }
        Self { run_next, manifest_next, merges: Vec::new(), retention }
    }

    fn take_run_number(&mut self) -> u64 {
        let id = self.run_next;
        self.run_next += 1;
        id
    }

    /// The runs that are being merged.
    fn inputs(&self) -> impl Iterator<Item = u64> {
        self.merges.iter().flat_map(|merge| &merge.inputs).map(|run| run.meta.id)
    }

    fn give_up(&mut self, at: usize) {
        let output = self.merges.swap_remove(at).output();
        self.retention.orphan(output);
    }

    fn drop_merges(&mut self, chosen: impl Fn(&Merge) -> bool) {
        while let Some(at) = self.merges.iter().position(&chosen) {
            self.give_up(at);
        }
    }
}

fn run_numbers(manifest: &Manifest) -> BTreeSet<u64> {
    manifest.runs.iter().map(|run| run.id).collect()
}
