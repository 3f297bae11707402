//! The journal's writer: takes a group, makes it durable, hands out what was waiting for it.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use stockade_sync::{Group, GroupBuffer, Taken, Watermark};

use super::Journal;
use super::damage::JournalError;

/// What the writer gives back to the engine.
pub trait Released<T>: Send {
    /// These may leave the engine: what they rest on is durable. Take them all out.
    fn due(&mut self, items: &mut Vec<T>);

    /// The generation has ended: answer these `storage_unavailable`. The error is none when the engine was closed in
    /// order. Take them all out.
    fn lost(&mut self, items: &mut Vec<T>, error: Option<&JournalError>);
}

/// The machine that a thread, or a simulator, drives step by step.
///
/// Groups form by themselves: what is appended while one group is being synced is the next one.
pub struct Writer<T> {
    journal: Box<dyn Journal>,
    buffer: Arc<GroupBuffer>,
    watermark: Arc<Watermark<T>>,
    released: Box<dyn Released<T>>,
    group: Group,
    items: Vec<T>,
    ended: bool,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A group became durable, up to this sequence.
    Wrote(u64),
    /// Nothing came in time; what was written is sealed.
    Idle,
    /// The generation has ended, in order or by a failure. Every further step says so, too.
    Ended,
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("durable", &self.journal.durable_to()).finish_non_exhaustive()
    }
}

impl<T> Writer<T> {
    /// A writer of what is appended to `buffer`. Buffer and watermark begin where the journal ends.
    pub fn new(
        journal: Box<dyn Journal>,
        buffer: Arc<GroupBuffer>,
        watermark: Arc<Watermark<T>>,
        released: Box<dyn Released<T>>,
    ) -> Self {
        Self { journal, buffer, watermark, released, group: Group::default(), items: Vec::new(), ended: false }
    }

    /// Writes the next group; waits for it at most so long (`None`: without end, zero: not at all). A wait that is over
    /// writes a seal.
    pub fn step(&mut self, wait: Option<Duration>) -> Step {
        if self.ended {
            return Step::Ended;
        }
        let result = match self.buffer.wait_take(&mut self.group, wait) {
            Taken::Group => {
                let expected_last = self.journal.durable_to();
                self.journal.submit(&self.group, expected_last).map(|()| Step::Wrote(self.group.last()))
            }
            Taken::TimedOut => self.journal.seal().map(|()| Step::Idle),
            Taken::Closed => self.journal.close().map(|()| Step::Ended),
            Taken::Failed => Err(JournalError::GenerationEnded),
        };
        match result {
            Ok(Step::Wrote(last)) => {
                self.watermark.publish(last, &mut self.items);
                self.hand_out();
                Step::Wrote(last)
            }
            Ok(Step::Idle) => Step::Idle,
            Ok(Step::Ended) => self.end(None),
            Err(error) => self.end(Some(&error)),
        }
    }

    fn hand_out(&mut self) {
        if !self.items.is_empty() {
            self.released.due(&mut self.items);
            self.items.clear();
        }
    }

    fn end(&mut self, error: Option<&JournalError>) -> Step {
        self.ended = true;
        if let Some(error) = error {
            tracing::error!(%error, "the journal can no longer be written: this generation of the engine ends");
            self.buffer.fail();
        }
        self.watermark.close(&mut self.items);
        self.released.lost(&mut self.items, error);
        self.items.clear();
        Step::Ended
    }

    /// Steps until the generation ends. When nothing was written for `seal_after`, a seal is.
    pub fn run(&mut self, seal_after: Duration) {
        let mut wait = Some(seal_after);
        loop {
            wait = match self.step(wait) {
                Step::Wrote(_) => Some(seal_after),
                // Sealed once is sealed: only the next group ends this sleep.
                Step::Idle => None,
                Step::Ended => return,
            };
        }
    }
}

impl<T: Send + 'static> Writer<T> {
    /// Runs on a thread of its own, until the buffer is closed or a write fails.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn spawn(mut self, seal_after: Duration) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("journal-writer".into()).spawn(move || self.run(seal_after))
    }
}
