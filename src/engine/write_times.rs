//! How long the journal takes, for those who operate the engine.

use std::time::Instant;

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use stockade_storage::journal::{Journal, JournalError};
use stockade_sync::Group;

/// What was seen of the journal's writes.
#[derive(Debug, Clone)]
pub struct WriteTimes {
    /// Seconds to make a group durable.
    pub durations: Histogram,
    /// Records of a group.
    pub records: Histogram,
}

impl Default for WriteTimes {
    fn default() -> Self {
        Self {
            // From 50 microseconds to 1.6 seconds, and from 1 record to 32,768.
            durations: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
            records: Histogram::new(exponential_buckets(1.0, 2.0, 16)),
        }
    }
}

/// A journal that is watched.
pub(super) struct TimedJournal<J> {
    pub(super) journal: J,
    pub(super) times: WriteTimes,
}

impl<J: Journal> Journal for TimedJournal<J> {
    fn submit(&mut self, group: &Group, expected_last: u64) -> Result<(), JournalError> {
        let begun = Instant::now();
        let outcome = self.journal.submit(group, expected_last);
        self.times.durations.observe(begun.elapsed().as_secs_f64());
        self.times.records.observe(f64::from(group.records));
        outcome
    }

    fn durable_to(&self) -> u64 {
        self.journal.durable_to()
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        self.journal.seal()
    }

    fn close(&mut self) -> Result<(), JournalError> {
        self.journal.close()
    }
}
