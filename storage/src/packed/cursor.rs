//! Goes through the rows of one run, block by block, either way.

use std::ops::Bound;
use std::sync::Arc;

use super::block::{Block, Cell, RowTable};
use super::blocks::Blocks;
use super::error::PackedError;
use super::range::{Direction, KeyRange};
use super::run::Run;

/// A place in a run. It holds one block at a time.
pub(crate) struct Cursor {
    blocks: Arc<dyn Blocks>,
    run: Arc<Run>,
    direction: Direction,
    table: RowTable,
    /// The block of rows the cursor is in; `None` past the end.
    block: Option<Block>,
    entry: usize,
    row: usize,
}

impl Cursor {
    /// Stands on the first row of the range, or past the end if the run has none in it or behind it.
    pub(crate) fn open(
        blocks: Arc<dyn Blocks>,
        run: Arc<Run>,
        range: &KeyRange,
        direction: Direction,
    ) -> Result<Self, PackedError> {
        let mut cursor = Self { blocks, run, direction, table: RowTable::default(), block: None, entry: 0, row: 0 };
        match direction {
            Direction::Ascending => cursor.seek_up(range.from())?,
            Direction::Descending => cursor.seek_down(range.to())?,
        }
        Ok(cursor)
    }

    /// The key of the row; `None` past the end.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.block.is_some().then(|| self.table.key(self.row))
    }

    /// The value of the row, `None` for a tombstone. A spilled one is put together in `scratch`.
    pub(crate) fn value<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, PackedError> {
        let Some(block) = &self.block else { return Ok(None) };
        match self.table.cell(self.row) {
            Cell::Tombstone => Ok(None),
            Cell::Inline(value) => Ok(Some(&block.bytes()[value.clone()])),
            Cell::Spilled { first, bytes } => {
                self.run.read_pieces(&*self.blocks, *first, *bytes, scratch)?;
                Ok(Some(scratch))
            }
        }
    }

    /// Goes to the next row in its direction.
    pub(crate) fn advance(&mut self) -> Result<(), PackedError> {
        if self.block.is_none() {
            return Ok(());
        }
        match self.direction {
            Direction::Ascending if self.row + 1 < self.table.len() => self.row += 1,
            Direction::Ascending => self.enter(self.entry.checked_add(1), |_| 0)?,
            Direction::Descending if self.row > 0 => self.row -= 1,
            Direction::Descending => self.enter(self.entry.checked_sub(1), |rows| rows - 1)?,
        }
        Ok(())
    }

    fn seek_up(&mut self, from: Bound<&[u8]>) -> Result<(), PackedError> {
        let (key, inclusive) = match from {
            Bound::Unbounded => return self.enter(Some(0), |_| 0),
            Bound::Included(key) => (key, true),
            Bound::Excluded(key) => (key, false),
        };
        self.enter(Some(self.run.entry_for(key).unwrap_or(0)), |_| 0)?;
        let below = self.table.partition_point(|row| if inclusive { row < key } else { row <= key });
        if below < self.table.len() {
            self.row = below;
            return Ok(());
        }
        self.enter(self.entry.checked_add(1), |_| 0)
    }

    fn seek_down(&mut self, to: Bound<&[u8]>) -> Result<(), PackedError> {
        let (key, inclusive) = match to {
            Bound::Unbounded => return self.enter(self.run.row_blocks().checked_sub(1), |rows| rows - 1),
            Bound::Included(key) => (key, true),
            Bound::Excluded(key) => (key, false),
        };
        self.enter(self.run.entry_for(key), |rows| rows - 1)?;
        if self.block.is_none() {
            return Ok(());
        }
        match self.table.partition_point(|row| if inclusive { row <= key } else { row < key }) {
            0 => self.enter(self.entry.checked_sub(1), |rows| rows - 1),
            within => {
                self.row = within - 1;
                Ok(())
            }
        }
    }

    /// Reads another block and stands on the row that `row` picks of so many; past the end without an entry.
    fn enter(&mut self, entry: Option<usize>, row: impl Fn(usize) -> usize) -> Result<(), PackedError> {
        self.block = None;
        let Some(entry) = entry.filter(|entry| *entry < self.run.row_blocks()) else { return Ok(()) };
        let block = self.run.read_entry(&*self.blocks, entry)?;
        block.table(&mut self.table).map_err(|flaw| self.run.damaged(block.header().block, flaw))?;
        self.row = row(self.table.len());
        self.entry = entry;
        self.block = Some(block);
        Ok(())
    }
}
