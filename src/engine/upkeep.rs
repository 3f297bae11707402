//! Work behind the scenes that nobody waits for: old segments go into the archive.
//!
//! A segment is compressed, never deleted, once two checkpoints that read back lie above it and all its records are
//! older than keys and ids are remembered. Then nothing but history, audits and a recovery without snapshots reads it.

use std::collections::{BTreeSet, VecDeque};

use stockade_domain::{Refusal, Timestamp};
use stockade_storage::journal::{ArchiveStep, Upkeep};
use stockade_storage::packed::{Manifest, PackedStore, RunMeta};

use super::Engine;
use super::admission::ID_RETENTION_SECONDS;
use super::history::HistoryError;
use super::projector::Checkpoint;

/// Decides what may be archived, and does it a few milliseconds at a time.
pub(super) struct Archivist {
    /// The last two checkpoints in the journal, the newest last.
    checkpoints: VecDeque<Kept>,
    /// Roots of the runs that were read back.
    proven: BTreeSet<[u8; 32]>,
}

struct Kept {
    cut: u64,
    runs: Vec<RunMeta>,
}

impl Archivist {
    pub(super) fn new(checkpoints: &[Checkpoint]) -> Self {
        let mut archivist = Self { checkpoints: VecDeque::new(), proven: BTreeSet::new() };
        for checkpoint in checkpoints {
            match Manifest::decode(&checkpoint.manifest) {
                Ok(manifest) => archivist.checkpointed(checkpoint.cut(), &manifest),
                Err(_) => archivist.checkpoints.clear(),
            }
        }
        archivist
    }

    /// The journal holds a checkpoint durably.
    pub(super) fn checkpointed(&mut self, cut: u64, manifest: &Manifest) {
        self.checkpoints.push_back(Kept { cut, runs: manifest.runs.clone() });
        if self.checkpoints.len() > 2 {
            self.checkpoints.pop_front();
        }
        let named: BTreeSet<_> = self.checkpoints.iter().flat_map(|kept| &kept.runs).map(|run| run.root).collect();
        self.proven.retain(|root| named.contains(root));
    }

    /// One bounded piece of work; says whether there is more. A segment that is not archived costs room and nothing else.
    pub(super) fn step(&mut self, now: Timestamp, upkeep: &Upkeep, store: &PackedStore) -> Result<bool, HistoryError> {
        let (2, Some(older)) = (self.checkpoints.len(), self.checkpoints.front()) else { return Ok(false) };
        let below = older.cut + 1;
        let before = now.0.saturating_sub(i64::from(ID_RETENTION_SECONDS) * 1_000_000);
        if !upkeep.may_archive(below, before) {
            return Ok(false);
        }
        let unproven = |run: &&RunMeta| !self.proven.contains(&run.root);
        if let Some(run) = self.checkpoints.iter().flat_map(|kept| &kept.runs).find(unproven) {
            store.verify_run(run).map_err(HistoryError::of)?;
            self.proven.insert(run.root);
            return Ok(true);
        }
        let step = upkeep.archive_step(below, before).map_err(HistoryError::of)?;
        if let ArchiveStep::Archived(last) = step {
            tracing::debug!(last, "a segment went into the archive");
        }
        Ok(step != ArchiveStep::Nothing)
    }
}

impl Engine {
    /// Waits until nothing is left to do behind the scenes as of now: query models, checkpoints that are due, footers,
    /// merges and archives.
    pub async fn settled(&self) -> Result<(), Refusal> {
        let settled = self.0.threads.history().settled();
        settled.await.map_err(|_| Refusal::StorageUnavailable)
    }

    /// How many segments the journal has, and how many of them are archived.
    pub fn journal_segments(&self) -> (u64, u64) {
        self.0.threads.history().reader.segments()
    }

    /// How many records had to be read into actors when it was opened, because no snapshot had them.
    pub fn replayed_at_open(&self) -> u64 {
        self.0.threads.replayed()
    }
}
