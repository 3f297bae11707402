//! Role and twin of [`SoldOutGauge`].

use crate::primitives::{AtomicU64, Ordering};
use crate::sold_out_gauge::SoldOutGauge;

/// Knows the latest news of a SKU.
pub trait Gauges: Send + Sync + 'static {
    /// Knows nothing.
    fn new() -> Self;
    /// See [`SoldOutGauge::publish`].
    fn publish(&self, as_of: u64, sold_out: bool);
    /// See [`SoldOutGauge::read`].
    fn read(&self) -> Option<u64>;
}

impl Gauges for SoldOutGauge {
    fn new() -> Self {
        Self::new()
    }

    fn publish(&self, as_of: u64, sold_out: bool) {
        self.publish(as_of, sold_out);
    }

    fn read(&self) -> Option<u64> {
        self.read()
    }
}

/// Looks whether its news is newer, and then writes it.
#[derive(Debug)]
pub struct LooksThenWrites {
    word: AtomicU64,
}

impl Gauges for LooksThenWrites {
    fn new() -> Self {
        Self { word: AtomicU64::new(1) }
    }

    fn publish(&self, as_of: u64, sold_out: bool) {
        if self.word.load(Ordering::Acquire) >> 1 < as_of {
            // BUG: newer news may have been written since.
            self.word.store(as_of << 1 | u64::from(!sold_out), Ordering::Release);
        }
    }

    fn read(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        (word & 1 == 0).then_some(word >> 1)
    }
}
