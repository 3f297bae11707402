//! Tiered merging: when enough runs of a size have gathered side by side, they become one.
//!
//! Runs of a space go from the oldest to the newest, and only neighbours are merged, so that *the newest wins* stays true.
//! A merge is done in steps, and several may be under way: a long one must not let short runs pile up behind it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::Space;
use super::blocks::Blocks;
use super::bloom::Bloom;
use super::error::PackedError;
use super::merged::Merged;
use super::options::Options;
use super::range::{Direction, KeyRange};
use super::run::Run;
use super::run_writer::RunWriter;

/// Runs up to this size are the smallest class; each further class is larger by the fan-in.
const SMALLEST_CLASS_BYTES: u64 = 16 << 10;
/// The most runs that one merge takes.
pub(crate) const INPUTS_MAX: usize = 32;
/// What a row costs of a step's budget beside its bytes.
const ROW_COST: usize = 16;

/// Which neighbouring runs should be merged next: the smallest class first.
pub(crate) fn choose(runs: &[Arc<Run>], busy: &BTreeSet<u64>, fan_in: usize) -> Option<Range<usize>> {
    let classes: Vec<u32> = runs.iter().map(|run| class(run.meta.bytes, fan_in)).collect();
    let free = |at: usize| !busy.contains(&runs[at].meta.id);
    let mut wanted: Vec<u32> = (0..runs.len()).filter(|at| free(*at)).map(|at| classes[at]).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted.into_iter().find_map(|ceiling| {
        let fits = |at: usize| free(at) && classes[at] <= ceiling;
        let mut start = 0;
        (0..=runs.len()).find_map(|at| {
            if at < runs.len() && fits(at) {
                return None;
            }
            let neighbours = start..at.min(start + INPUTS_MAX);
            start = at + 1;
            (neighbours.len() >= fan_in).then_some(neighbours)
        })
    })
}

fn class(bytes: u64, fan_in: usize) -> u32 {
    let mut class = 0;
    let mut limit = SMALLEST_CLASS_BYTES;
    while bytes > limit {
        class += 1;
        limit = limit.saturating_mul(fan_in as u64);
    }
    class
}

/// A merge under way.
pub(crate) struct Merge {
    pub(crate) space: Space,
    /// Neighbours, from the oldest to the newest.
    pub(crate) inputs: Vec<Arc<Run>>,
    /// Bytes of all inputs: the smaller merge goes first.
    pub(crate) bytes: u64,
    merged: Merged,
    writer: RunWriter,
    /// Below the inputs there is nothing a tombstone could hide.
    oldest: bool,
    scratch: Vec<u8>,
}

impl Merge {
    /// Starts to merge `inputs` into run `id`.
    pub(crate) fn start(
        blocks: &Arc<dyn Blocks>,
        options: &Options,
        space: Space,
        inputs: Vec<Arc<Run>>,
        id: u64,
        oldest: bool,
    ) -> Result<Self, PackedError> {
        let merged = Merged::open(blocks, &inputs, &KeyRange::all(), Direction::Ascending)?;
        let rows = inputs.iter().map(|run| run.meta.rows).sum();
        let bloom = Bloom::for_rows(rows, options.bloom_bits_per_row);
        let writer = RunWriter::new(blocks.clone(), space, id, options.block_bytes, bloom);
        let bytes = inputs.iter().map(|run| run.meta.bytes).sum();
        Ok(Self { space, inputs, bytes, merged, writer, oldest, scratch: Vec::new() })
    }

    /// Merges rows until the budget is used up or the last one is written; whether it was the last.
    pub(crate) fn step(&mut self, budget: &mut usize) -> Result<bool, PackedError> {
        while *budget > 0 {
            let Some(row) = self.merged.next()? else { return Ok(true) };
            let key = row.key().unwrap_or_default();
            let value = row.value(&mut self.scratch)?;
            *budget = budget.saturating_sub(key.len() + value.map_or(0, <[u8]>::len) + ROW_COST);
            if value.is_some() || !self.oldest {
                self.writer.push(key, value)?;
            }
        }
        Ok(false)
    }

    /// Seals the new run; `None` if all its rows were tombstones that hid nothing.
    pub(crate) fn finish(&mut self) -> Result<Option<Run>, PackedError> {
        let through = self.inputs.iter().map(|run| run.meta.through).max().unwrap_or(0);
        Ok(self.writer.finish(through)?)
    }

    /// The run that is given up, and how many of its blocks may have been written.
    pub(crate) fn extent(&self) -> (u64, u32) {
        self.writer.extent()
    }
}
