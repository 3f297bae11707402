//! The journal: the truth, in the order in which it happened.
//!
//! # What it is
//!
//! A chain of frames in numbered files. A frame is one group of records, written in one piece and synced once; it names the
//! hash of the frame before it, so that nothing can change, vanish or be put in unnoticed.
//!
//! ```text
//!  GroupBuffer --swap--> Writer --submit--> FileJournal ----write, sync----> journal-00000003.seg   being written
//!                          |                    |                            journal-00000004.seg   spare: zeros
//!                          v                    v                                    ^
//!                    Watermark::publish      Catalog                                 | prepare
//!                                               ^                                  Upkeep
//!                                               |                                    | seal, archive
//!  open_journal --verify the chain--------------+                                    v
//!  JournalReader --records, orders, keys--------+            journal-00000002.seg + .footer       sealed
//!                                                            archive/journal-00000001.zst + .footer
//! ```
//!
//! # What it is not
//!
//! It knows no event: of a record it reads the head only (`crate::record`). It keeps no state of actors; that is derived,
//! and elsewhere.
//!
//! # What is proven
//!
//! A frame is written only after the one before it was synced. So a frame is *proven* durable by any valid frame after it:
//! of records, or a seal, which has none and is written when the journal is idle, closed, or has just been opened. Proven
//! bytes that are not as they were written are refused with their place. Behind them one frame at most can be in doubt; it
//! is dropped only where it is visibly unwritten (`tail`), and otherwise written and synced again before anything rests on
//! it.
//!
//! # What it cannot notice
//!
//! A change that looks like a write which never came: all of the last sector written, zeroed by a disk that had reported it
//! synced; and the last segment's file removed before the one before it has its footer. Whoever keeps a sequence elsewhere
//! (manifests of derived data do) notices these too.
//!
//! # What it relies on
//!
//! The promises in `crate::disk`. In particular the sectors beyond a write keep their bytes ("powersafe overwrite"), since a
//! frame may begin in the sector in which the one before it ends.

mod archived_file;
mod archiving;
mod bloom;
mod catalog;
mod damage;
mod file_journal;
mod fingerprint;
mod follow;
mod footer;
mod frame;
mod open;
mod options;
mod pages;
mod reader;
mod recent;
mod scan;
mod segment;
mod source;
mod spares;
mod sparse_index;
mod tail;
mod upkeep;
mod verify;
mod window;
mod writer;

use stockade_sync::Group;

use crate::record::Seq;

pub use damage::{Damage, JournalError, OpenError, ReadError, Reason};
pub use file_journal::FileJournal;
pub use frame::{ChainHash, FORMAT_VERSION, FRAME_OVERHEAD};
pub use open::{Opened, Recovered, open_journal};
pub use options::JournalOptions;
pub use reader::{JournalReader, Position};
pub use spares::Room;
pub use upkeep::{ArchiveStep, Upkeep};
pub use writer::{Released, Step, Writer};

/// Where groups become durable.
pub trait Journal: Send {
    /// Makes a group durable, behind the record `expected_last`.
    ///
    /// # Errors
    ///
    /// [`JournalError`]: the outcome is unknown, and this journal takes nothing more.
    fn submit(&mut self, group: &Group, expected_last: Seq) -> Result<(), JournalError>;

    /// The last durable sequence.
    fn durable_to(&self) -> Seq;

    /// Proves that everything submitted is durable, so that a later loss of it is noticed. Does nothing when that is so
    /// already; called when there is nothing else to write.
    ///
    /// # Errors
    ///
    /// [`JournalError`], and this journal takes nothing more.
    fn seal(&mut self) -> Result<(), JournalError>;

    /// Seals for the last time.
    ///
    /// # Errors
    ///
    /// [`JournalError`] when the seal could not be written. What was submitted is durable all the same.
    fn close(&mut self) -> Result<(), JournalError>;
}
