//! Where chance comes from: the pauses between retries must differ between two processes, and be repeatable in tests.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of chance.
pub trait Entropy: Send + Sync {
    /// Any number, each as likely.
    fn next(&self) -> u64;
}

/// Seeded by the system, once for each process and source.
#[derive(Debug, Default)]
pub struct SystemEntropy {
    seed: RandomState,
    drawn: AtomicU64,
}

impl Entropy for SystemEntropy {
    fn next(&self) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write_u64(self.drawn.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }
}
