//! Keeps the blocks of runs that are out of use until nothing can ask for them any more.
//!
//! A run that a merge replaced is still needed by readers that were under way, and by the last two manifests in the
//! journal: whoever opens the store may find the newest one damaged and fall back to the one before.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::blocks::Blocks;
use super::error::StoreError;
use super::run::Run;

/// How many journaled manifests the store can be opened from.
const MANIFESTS_KEPT: usize = 2;

/// A manifest that was handed out, and whether the journal is known to hold it.
struct Issued {
    number: u64,
    runs: BTreeSet<u64>,
    journaled: bool,
}

/// A run on its way out.
struct Leaving {
    run: u64,
    /// Readers hold clones of this; a run nobody ever read has none.
    holder: Option<Arc<Run>>,
}

/// The manifests that may still be opened, and the runs that wait for them.
#[derive(Default)]
pub(crate) struct Retention {
    issued: VecDeque<Issued>,
    leaving: Vec<Leaving>,
}

impl Retention {
    /// Takes note of a manifest; from now on its runs are kept, for it may reach the journal at any time.
    pub(crate) fn issue(&mut self, number: u64, runs: BTreeSet<u64>) {
        self.issued.push_back(Issued { number, runs, journaled: false });
    }

    /// The journal holds manifest `number` durably: what only older ones than the last two name may go.
    pub(crate) fn journaled(&mut self, number: u64) {
        for issued in self.issued.iter_mut().filter(|issued| issued.number == number) {
            issued.journaled = true;
        }
        while self.issued.iter().filter(|issued| issued.journaled).count() > MANIFESTS_KEPT {
            self.issued.pop_front();
        }
        // One that was handed out before the oldest to be kept, and never confirmed, is of no use any more.
        while self.issued.iter().filter(|issued| issued.journaled).count() == MANIFESTS_KEPT
            && self.issued.front().is_some_and(|oldest| !oldest.journaled)
        {
            self.issued.pop_front();
        }
    }

    /// A run left the store; its blocks go when nobody needs them.
    pub(crate) fn retire(&mut self, run: Arc<Run>) {
        self.leaving.push(Leaving { run: run.meta.id, holder: Some(run) });
    }

    /// A run that never was part of the store, or that only an older manifest names.
    pub(crate) fn orphan(&mut self, run: u64) {
        self.leaving.push(Leaving { run, holder: None });
    }

    /// Runs that wait to be removed.
    pub(crate) fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Removes one run that nobody needs; whether there was one.
    pub(crate) fn reclaim(&mut self, blocks: &dyn Blocks) -> Result<bool, StoreError> {
        let Some(at) = (0..self.leaving.len()).find(|at| !self.needed(&self.leaving[*at])) else { return Ok(false) };
        blocks.drop_run(self.leaving[at].run)?;
        self.leaving.swap_remove(at);
        Ok(true)
    }

    /// The list of runs no longer names it, so once this is the only holder no reader can come to hold it again.
    fn needed(&self, leaving: &Leaving) -> bool {
        leaving.holder.as_ref().is_some_and(|holder| Arc::strong_count(holder) > 1)
            || self.issued.iter().any(|issued| issued.runs.contains(&leaving.run))
    }
}
