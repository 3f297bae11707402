//! A SKU's sold-out gauge: what admission may know without asking the SKU.

use crate::primitives::{AtomicU64, Ordering};

/// Bit of the word: units can be had. Inverted, so that of two writings for the same sequence the harmless one wins: a
/// gauge that wrongly says "available" costs a message, one that wrongly says "sold out" costs a sale.
const AVAILABLE: u64 = 1;

/// Whether a SKU is sold out, and the sequence at which that was so, in one word.
///
/// The SKU's actor publishes after each turn; admission reads. A refusal that rests on it carries the sequence as its basis
/// and leaves the engine only when that is durable.
///
/// ```
/// let gauge = stockade_sync::SoldOutGauge::new();
/// assert_eq!(gauge.read(), None);
/// gauge.publish(7, true);
/// gauge.publish(5, false); // late: 7 is already known
/// assert_eq!(gauge.read(), Some(7));
/// ```
#[derive(Debug)]
pub struct SoldOutGauge {
    /// `as_of << 1 | available`: the greater word is the newer one. It is the whole message, nothing else is read on the
    /// strength of it; so its accesses are relaxed.
    word: AtomicU64,
}

impl SoldOutGauge {
    /// A gauge that knows nothing, and so refuses nobody.
    pub fn new() -> Self {
        Self { word: AtomicU64::new(AVAILABLE) }
    }

    /// Says that at `as_of` the SKU was or was not sold out. Older news than what is known is ignored.
    pub fn publish(&self, as_of: u64, sold_out: bool) {
        // Sequences stay far below 2^63; beyond it the gauge would stand still rather than run backward.
        let as_of = as_of.min(u64::MAX >> 1);
        self.word.fetch_max(as_of << 1 | if sold_out { 0 } else { AVAILABLE }, Ordering::Relaxed);
    }

    /// The sequence at which the SKU was found sold out; none if units can be had, or nothing is known.
    pub fn read(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Relaxed);
        (word & AVAILABLE == 0).then_some(word >> 1)
    }
}

impl Default for SoldOutGauge {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_latest_news_counts_in_whatever_order_it_comes() {
        type News = &'static [(u64, bool)];
        let cases: [(News, Option<u64>); 7] = [
            (&[], None),
            (&[(1, true)], Some(1)),
            (&[(1, true), (2, false)], None),
            (&[(2, false), (1, true)], None),
            (&[(2, true), (1, false)], Some(2)),
            (&[(1, false), (2, true), (3, true)], Some(3)),
            (&[(0, true)], None),
        ];
        for (news, expected) in cases {
            let gauge = SoldOutGauge::new();
            news.iter().for_each(|(as_of, sold_out)| gauge.publish(*as_of, *sold_out));
            assert_eq!(gauge.read(), expected, "{news:?}");
        }
    }

    #[test]
    fn of_two_answers_for_one_sequence_the_harmless_one_wins() {
        for news in [[true, false], [false, true]] {
            let gauge = SoldOutGauge::default();
            news.into_iter().for_each(|sold_out| gauge.publish(5, sold_out));
            assert_eq!(gauge.read(), None);
        }
    }

    #[test]
    fn a_sequence_beyond_its_range_leaves_the_gauge_at_its_end() {
        let gauge = SoldOutGauge::new();
        gauge.publish(u64::MAX, true);
        assert_eq!(gauge.read(), Some(u64::MAX >> 1));
        gauge.publish(1, false);
        assert_eq!(gauge.read(), Some(u64::MAX >> 1));
    }
}
