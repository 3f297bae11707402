//! Tiered merging: when enough runs of a size have gathered side by side, they become one.
//!
//! Runs of a space go from the oldest to the newest, and only neighbours are merged, so that *the newest wins* stays true.
//! A merge is done in steps, and several may be under way: a long one must not let short runs pile up behind it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::Space;
use super::blocks::Blocks;
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

/// Which neighbouring runs should be merged next: `fan_in` of one class, the smallest class first.
///
/// Smaller runs that lie before or between them are taken along. Those behind are not: they would make a few large runs be
/// merged again and again with a few small ones, instead of waiting until there are enough small ones.
pub(crate) fn choose(runs: &[Arc<Run>], busy: &BTreeSet<u64>, fan_in: usize) -> Option<Range<usize>> {
    let classes: Vec<Option<u32>> =
        runs.iter().map(|run| (!busy.contains(&run.meta.id)).then(|| class(run.meta.bytes, fan_in))).collect();
    choose_classes(&classes, fan_in)
}

/// The same over the classes alone; `None` is a run that is being merged already.
fn choose_classes(classes: &[Option<u32>], fan_in: usize) -> Option<Range<usize>> {
    let mut ceilings: Vec<u32> = classes.iter().flatten().copied().collect();
    ceilings.sort_unstable();
    ceilings.dedup();
    ceilings.into_iter().find_map(|ceiling| {
        let (mut start, mut of_class) = (0, 0);
        for (at, class) in classes.iter().enumerate() {
            match class {
                Some(class) if *class < ceiling => continue,
                Some(class) if *class == ceiling => of_class += 1,
                _ => (start, of_class) = (at + 1, 0),
            }
            if of_class == fan_in {
                // Beyond the most inputs, the oldest are merged and the others follow later.
                return Some(start..(at + 1).min(start + INPUTS_MAX));
            }
        }
        None
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
        let (rows, bytes) = inputs.iter().fold((0, 0), |sum, run| (sum.0 + run.meta.rows, sum.1 + run.meta.bytes));
        let writer = RunWriter::new(blocks.clone(), options, space, id, (rows, bytes))?;
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

    /// The number of the run in the making.
    pub(crate) fn output(&self) -> u64 {
        self.writer.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(classes: &str, fan_in: usize) -> Option<Range<usize>> {
        let classes: Vec<_> = classes.chars().map(|class| class.to_digit(10)).collect();
        choose_classes(&classes, fan_in)
    }

    #[test]
    fn only_enough_neighbours_of_one_class_are_merged() {
        // Oldest first; a digit is a class, `-` a run that is being merged.
        let cases = [
            ("", None),
            ("2100", None),
            ("2111000", Some(4..7)),
            ("2111", Some(1..4)),
            ("211100", Some(1..4)),
            ("21011", Some(1..5)),
            ("001110", Some(0..5)),
            ("11211", None),
            ("1-11", None),
            ("1-111", Some(2..5)),
            ("000222", Some(0..3)),
            ("00222", Some(0..5)),
        ];
        for (classes, expected) in cases {
            assert_eq!(chosen(classes, 3), expected, "{classes}");
        }
    }

    #[test]
    fn no_merge_takes_more_runs_than_it_may() {
        let many = format!("{}11", "0011".repeat(20));
        let chosen = chosen(&many, 30).unwrap();
        assert_eq!(chosen.len(), INPUTS_MAX);
    }

    #[test]
    fn as_many_runs_of_a_class_as_are_merged_make_a_run_of_a_higher_class() {
        for fan_in in [2, 6, 32] {
            for bytes in [SMALLEST_CLASS_BYTES, 100_000, 600_000, 10_000_000] {
                assert!(class(bytes * fan_in as u64, fan_in) > class(bytes, fan_in));
            }
        }
        assert_eq!(class(u64::MAX, 2), 50);
    }
}
