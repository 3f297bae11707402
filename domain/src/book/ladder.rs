//! The levels of one side, from the worst to the best price, and who stands in line at each.
//!
//! Prices are compared by *rank*: the price on the demand side, its negative on the supply side, so that the higher
//! rank is the better price on both and no code exists twice.
//!
//! The rungs are kept sorted in chunks of bounded length. Nearly all trade is at the best price, which is the last
//! rung of the last chunk; a rung far behind costs a search and a move within one chunk.

use super::entry::{Entry, NONE};
use super::{Price, Side};
use crate::Quantity;

/// A chunk is split in two when it would hold more.
const CHUNK_MAX: usize = 128;

/// The orders at one price, oldest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub quantity: u128,
    pub rank: i64,
    pub head: u32,
    pub tail: u32,
    pub orders: u32,
}

#[derive(Debug, Clone, Copy)]
struct Rung {
    rank: i64,
    level: u32,
}

/// One side's levels.
#[derive(Debug, Clone)]
pub(super) struct Ladder {
    side: Side,
    levels: Vec<Level>,
    free: Vec<u32>,
    /// Never an empty chunk.
    chunks: Vec<Vec<Rung>>,
    /// Emptied chunks, kept for their memory.
    spare: Vec<Vec<Rung>>,
    /// The last rung of the last chunk.
    best: Rung,
    /// By a hash of its rank, a level that may be the one looked for: one look instead of a search.
    hints: Vec<u32>,
}

/// The rank of a price on a side.
#[inline]
pub(super) const fn rank(side: Side, price: Price) -> i64 {
    match side {
        Side::Supply => -price,
        Side::Demand => price,
    }
}

impl Ladder {
    pub fn new(side: Side) -> Self {
        let best = Rung { rank: i64::MIN, level: NONE };
        Self {
            side,
            levels: Vec::new(),
            free: Vec::new(),
            chunks: Vec::new(),
            spare: Vec::new(),
            best,
            hints: vec![NONE; 1],
        }
    }

    /// The rank of the best level; `i64::MIN` if there is none.
    #[inline]
    pub fn best_rank(&self) -> i64 {
        self.best.rank
    }

    /// The best level, or `NONE`.
    #[inline]
    pub fn best(&self) -> u32 {
        self.best.level
    }

    #[inline]
    pub fn level(&self, level: u32) -> &Level {
        &self.levels[level as usize]
    }

    #[inline]
    pub fn level_mut(&mut self, level: u32) -> &mut Level {
        &mut self.levels[level as usize]
    }

    /// The price at which a level stands.
    pub fn price(&self, level: u32) -> Price {
        rank(self.side, self.level(level).rank)
    }

    /// The best level with a rank below this one.
    pub fn next_worse(&self, below: i64) -> Option<u32> {
        let chunk = self.chunks.partition_point(|chunk| chunk[0].rank < below).checked_sub(1)?;
        let rungs = &self.chunks[chunk];
        let rung = rungs.partition_point(|rung| rung.rank < below).checked_sub(1)?;
        Some(rungs[rung].level)
    }

    /// The levels, best first.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.chunks.iter().rev().flat_map(|chunk| chunk.iter().rev().map(|rung| rung.level))
    }

    /// Where the rung of a rank is or belongs.
    #[inline]
    fn seek(&self, rank: i64) -> (usize, usize) {
        let last = self.chunks.len() - 1;
        let chunk = if self.chunks[last][0].rank <= rank {
            last
        } else {
            self.chunks.partition_point(|chunk| chunk[0].rank <= rank).saturating_sub(1)
        };
        (chunk, self.chunks[chunk].partition_point(|rung| rung.rank < rank))
    }

    /// The level of a rank, made if need be.
    #[inline]
    pub fn level_at(&mut self, rank: i64) -> u32 {
        if rank == self.best.rank {
            return self.best.level;
        }
        let hint = self.hints[self.hint_of(rank)];
        if let Some(level) = self.levels.get(hint as usize)
            && level.rank == rank
            && level.orders > 0
        {
            return hint;
        }
        let level = self.seek_level(rank);
        let hint = self.hint_of(rank);
        self.hints[hint] = level;
        level
    }

    #[inline]
    fn hint_of(&self, rank: i64) -> usize {
        // Fibonacci hashing: neighbouring prices lie far apart.
        ((rank as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & (self.hints.len() - 1)
    }

    /// The level of a rank, made if need be; searched for.
    fn seek_level(&mut self, rank: i64) -> u32 {
        if self.chunks.is_empty() {
            let mut chunk = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_MAX + 1));
            let level = self.make(rank);
            chunk.push(Rung { rank, level });
            self.chunks.push(chunk);
            self.best = Rung { rank, level };
            return level;
        }
        let (chunk, at) = self.seek(rank);
        match self.chunks[chunk].get(at) {
            Some(rung) if rung.rank == rank => rung.level,
            _ => self.insert(chunk, at, rank),
        }
    }

    fn insert(&mut self, chunk: usize, at: usize, rank: i64) -> u32 {
        let level = self.make(rank);
        self.chunks[chunk].insert(at, Rung { rank, level });
        if rank > self.best.rank {
            self.best = Rung { rank, level };
        }
        if self.chunks[chunk].len() > CHUNK_MAX {
            let mut upper = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_MAX + 1));
            upper.extend(self.chunks[chunk].drain(CHUNK_MAX / 2..));
            self.chunks.insert(chunk + 1, upper);
        }
        level
    }

    fn make(&mut self, rank: i64) -> u32 {
        let level = Level { quantity: 0, rank, head: NONE, tail: NONE, orders: 0 };
        match self.free.pop() {
            Some(slot) => {
                self.levels[slot as usize] = level;
                slot
            }
            None => {
                self.levels.push(level);
                self.free.reserve(self.levels.capacity());
                if self.hints.len() < self.levels.len() * 2 {
                    self.hints = vec![NONE; self.levels.len().next_power_of_two() * 4];
                }
                (self.levels.len() - 1) as u32
            }
        }
    }

    /// Forgets a level at which nobody stands.
    fn remove(&mut self, level: u32) {
        let rank = self.level(level).rank;
        let (chunk, at) = self.seek(rank);
        self.chunks[chunk].remove(at);
        if self.chunks[chunk].is_empty() {
            let emptied = self.chunks.remove(chunk);
            self.spare.push(emptied);
        }
        self.free.push(level);
        if rank == self.best.rank {
            let last = self.chunks.last().and_then(|chunk| chunk.last());
            self.best = last.copied().unwrap_or(Rung { rank: i64::MIN, level: NONE });
        }
    }

    /// Puts an entry in line at its price and ordinal; nearly always that is the end of the line.
    #[inline]
    pub fn link<K>(&mut self, entries: &mut [Entry<K>], slot: u32) {
        let (price, ordinal, open) = {
            let entry = &entries[slot as usize];
            (entry.price, entry.ordinal, entry.open)
        };
        let at = self.level_at(rank(self.side, price));
        let level = self.level_mut(at);
        level.quantity += u128::from(open);
        level.orders += 1;
        let mut before = level.tail;
        if before != NONE && entries[before as usize].ordinal > ordinal {
            before = place_in_line(entries, level.head, ordinal);
        }
        let after = if before == NONE { level.head } else { entries[before as usize].next };
        match before {
            NONE => level.head = slot,
            _ => entries[before as usize].next = slot,
        }
        match after {
            NONE => level.tail = slot,
            _ => entries[after as usize].prev = slot,
        }
        let entry = &mut entries[slot as usize];
        (entry.prev, entry.next, entry.level) = (before, after, at);
    }

    /// Takes an entry out of its line, with the open units it still has.
    #[inline]
    pub fn unlink<K>(&mut self, entries: &mut [Entry<K>], slot: u32) {
        let (before, after, at, open) = {
            let entry = &mut entries[slot as usize];
            let found = (entry.prev, entry.next, entry.level, entry.open);
            entry.level = NONE;
            found
        };
        let level = &mut self.levels[at as usize];
        level.quantity -= u128::from(open);
        level.orders -= 1;
        match before {
            NONE => level.head = after,
            _ => entries[before as usize].next = after,
        }
        match after {
            NONE => level.tail = before,
            _ => entries[after as usize].prev = before,
        }
        if level.orders == 0 {
            self.remove(at);
        }
    }

    /// Units leave a level while their order stays in line.
    #[inline]
    pub fn shrink(&mut self, level: u32, quantity: Quantity) {
        self.level_mut(level).quantity -= u128::from(quantity);
    }

    /// Panics unless the rungs are sorted and name each level once.
    pub fn check(&self) {
        let rungs: Vec<_> = self.chunks.iter().flatten().collect();
        assert!(rungs.windows(2).all(|pair| pair[0].rank < pair[1].rank), "levels are sorted");
        assert!(
            self.chunks.iter().all(|chunk| (1..=CHUNK_MAX).contains(&chunk.len())),
            "no chunk is empty or too long"
        );
        assert!(rungs.iter().all(|rung| self.level(rung.level).rank == rung.rank), "a rung names its level");
        assert_eq!(rungs.last().map_or(i64::MIN, |rung| rung.rank), self.best.rank, "the best is the best");
        assert_eq!(rungs.len() + self.free.len(), self.levels.len(), "no level is lost");
    }
}

/// The last entry of a line that is older than `ordinal`, or `NONE`. What returns to the book is old, so the search
/// begins at the head.
#[cold]
fn place_in_line<K>(entries: &[Entry<K>], head: u32, ordinal: u64) -> u32 {
    let (mut before, mut at) = (NONE, head);
    while at != NONE && entries[at as usize].ordinal < ordinal {
        (before, at) = (at, entries[at as usize].next);
    }
    before
}
