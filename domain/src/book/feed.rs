//! Market data: a snapshot with its sequence, and gapless increments after it.

use super::ladder::rank;
use super::state::Book;
use super::view::{LevelChange, LevelDepth};
use super::{Key, Matcher, Price, Side};

/// Which levels changed since they were last told; nothing while nobody listens.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    on: bool,
    touched: Vec<(Side, Price)>,
    sequence: u64,
}

impl Feed {
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on
    }

    #[cold]
    pub fn touch(&mut self, side: Side, price: Price) {
        self.touched.push((side, price));
    }
}

/// All levels at one point of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketSnapshot {
    /// The next increment has the number after this one.
    pub sequence: u64,
    /// Supply, best first.
    pub supply: Vec<LevelDepth>,
    /// Demand, best first.
    pub demand: Vec<LevelDepth>,
}

impl<K: Key> Book<K> {
    /// Starts (or stops) telling changes of levels.
    pub fn watch(&mut self, on: bool) {
        self.feed.on = on;
        self.feed.touched.clear();
    }

    /// The levels as they are; increments taken from now on follow it. Take what is due before, or lose it.
    pub fn market_snapshot(&mut self) -> MarketSnapshot {
        self.feed.touched.clear();
        MarketSnapshot {
            sequence: self.feed.sequence,
            supply: self.depth(Side::Supply, usize::MAX),
            demand: self.depth(Side::Demand, usize::MAX),
        }
    }

    /// Appends what the levels that changed since the last call are like now: supply first, lower prices first.
    pub fn take_changes(&mut self, changes: &mut Vec<LevelChange>) {
        self.feed.touched.sort_unstable();
        self.feed.touched.dedup();
        for (side, price) in std::mem::take(&mut self.feed.touched) {
            self.feed.sequence += 1;
            let level = self.level_depth(side, price);
            changes.push(LevelChange { sequence: self.feed.sequence, side, level });
        }
    }

    fn level_depth(&self, side: Side, price: Price) -> LevelDepth {
        let ladder = &self.ladders[side as usize];
        let wanted = rank(side, price);
        let found = ladder.next_worse(wanted + 1).map(|level| ladder.level(level)).filter(|level| level.rank == wanted);
        LevelDepth {
            price,
            quantity: found.map_or(0, |level| level.quantity),
            orders: found.map_or(0, |level| level.orders),
        }
    }
}
