//! The manifest: which runs the derived store consists of, and the hash that proves each.
//!
//! The engine writes it into the journal as a system record, so what is derived is vouched for by what is true.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::Space;
use super::blocks::RUN_NUMBER_END;
use super::error::ManifestError;

/// The format this version writes and the newest it reads.
const FORMAT: u32 = 1;

/// One run: sorted rows in blocks that were written once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RunMeta {
    /// Its number, never given out twice by a store.
    #[n(0)]
    pub id: u64,
    /// The space its rows are in.
    #[n(1)]
    pub space: Space,
    /// How many blocks it has.
    #[n(2)]
    pub blocks: u32,
    /// How many rows, tombstones included.
    #[n(3)]
    pub rows: u64,
    /// Bytes of all its blocks.
    #[n(4)]
    pub bytes: u64,
    /// The highest journal sequence its rows rest on.
    #[n(5)]
    pub through: u64,
    /// BLAKE3 of its last block, which carries the hash of the one before, and so on to the first.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub root: [u8; 32],
    /// Its lowest key.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub key_min: Vec<u8>,
    /// Its highest key.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub key_max: Vec<u8>,
}

/// How far a space has followed the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SpaceThrough {
    /// The space.
    #[n(0)]
    pub space: Space,
    /// Everything the journal holds up to this sequence has been taken into account.
    #[n(1)]
    pub through: u64,
}

/// All runs of the store at one moment, every one of them on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
    #[n(0)]
    format: u32,
    /// Counts the manifests of a store.
    #[n(1)]
    pub number: u64,
    /// The lowest run number not given out yet.
    #[n(2)]
    pub run_next: u64,
    /// How far each space has followed the journal, ascending by space.
    #[n(3)]
    pub spaces: Vec<SpaceThrough>,
    /// The runs; those of one space from the oldest to the newest.
    #[n(4)]
    pub runs: Vec<RunMeta>,
}

impl Manifest {
    pub(crate) fn new(number: u64, run_next: u64, spaces: Vec<SpaceThrough>, runs: Vec<RunMeta>) -> Self {
        Self { format: FORMAT, number, run_next, spaces, runs }
    }

    /// The bytes for the journal, about 100 and two keys a run.
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory cannot fail, and no field's codec does")
    }

    /// Reads a manifest back from the journal.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut decoder = minicbor::Decoder::new(bytes);
        // The format first: a newer one may have fields that this version would call malformed.
        let mut head = decoder.probe();
        head.array().map_err(|_| ManifestError::Malformed)?;
        let format = head.u32().map_err(|_| ManifestError::Malformed)?;
        if format > FORMAT {
            return Err(ManifestError::Newer(format));
        }
        let manifest: Self = decoder.decode().map_err(|_| ManifestError::Malformed)?;
        if decoder.position() == bytes.len() { Ok(manifest) } else { Err(ManifestError::Malformed) }
    }

    /// How far a space has followed the journal; 0 if it never did.
    pub fn through(&self, space: Space) -> u64 {
        self.spaces.iter().find(|held| held.space == space).map_or(0, |held| held.through)
    }

    /// Refuses what no store can have written, before anything is read on its word.
    pub(crate) fn check(&self) -> Result<(), ManifestError> {
        if self.run_next > RUN_NUMBER_END {
            return Err(ManifestError::RunNumber(self.run_next));
        }
        let mut seen = BTreeSet::new();
        for run in &self.runs {
            if run.id >= self.run_next || !seen.insert(run.id) {
                return Err(ManifestError::RunNumber(run.id));
            }
            if run.blocks == 0 || run.rows == 0 || run.key_min > run.key_max {
                return Err(ManifestError::RunShape(run.id));
            }
            if run.through > self.through(run.space) {
                return Err(ManifestError::Through(run.id));
            }
        }
        Ok(())
    }
}
