//! Many runs seen as one: keys in order, each once, with what the newest run says.

use std::cmp::Ordering;
use std::sync::Arc;

use super::blocks::Blocks;
use super::cursor::Cursor;
use super::error::PackedError;
use super::range::{Direction, KeyRange};
use super::run::Run;

/// Cursors over runs, compared one by one: there are a few dozen at most.
pub(crate) struct Merged {
    /// The newest run first, so that of equal keys the first is the one that counts.
    cursors: Vec<Cursor>,
    direction: Direction,
    /// The cursors that stand on the current key, the newest first.
    on_key: Vec<usize>,
}

impl Merged {
    /// Stands before the first key of the range. `runs` go from the oldest to the newest.
    pub(crate) fn open(
        blocks: &Arc<dyn Blocks>,
        runs: &[Arc<Run>],
        range: &KeyRange,
        direction: Direction,
    ) -> Result<Self, PackedError> {
        let cursors = runs
            .iter()
            .rev()
            .filter(|run| range.meets(&run.meta.key_min, &run.meta.key_max))
            .map(|run| Cursor::open(blocks.clone(), run.clone(), range, direction))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { on_key: Vec::with_capacity(cursors.len()), cursors, direction })
    }

    /// Goes to the next key; the cursor that speaks for it, or `None` behind the last one of all runs.
    ///
    /// Keys past the end of the range come too: the caller knows when it has seen enough.
    pub(crate) fn next(&mut self) -> Result<Option<&Cursor>, PackedError> {
        for cursor in self.on_key.drain(..) {
            self.cursors[cursor].advance()?;
        }
        for (at, cursor) in self.cursors.iter().enumerate() {
            let Some(key) = cursor.key() else { continue };
            let best = self.on_key.first().and_then(|best| self.cursors[*best].key());
            let order = best.map_or(Ordering::Less, |best| match self.direction {
                Direction::Ascending => key.cmp(best),
                Direction::Descending => best.cmp(key),
            });
            match order {
                Ordering::Less => {
                    self.on_key.clear();
                    self.on_key.push(at);
                }
                Ordering::Equal => self.on_key.push(at),
                Ordering::Greater => {}
            }
        }
        Ok(self.on_key.first().map(|best| &self.cursors[*best]))
    }
}
