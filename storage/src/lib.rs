//! What Stockade keeps, and how it gets it back.
//!
//! # What it is
//!
//! Three layers, each of which trusts only the one below it:
//!
//! ```text
//!  partitions                writer thread             projector thread             readers
//!  ----------                -------------             ----------------             -------
//!  record::encode_record --> journal::Writer           journal::JournalReader ----> records, orders, keys
//!       (turns, groups)          |                         |
//!                                v                         v
//!                          journal: the truth        projection: models ---> packed: derived ---> snapshots, queries
//!                                |                                              |
//!                                v                                              v
//!                          disk: a directory, memory, or a disk that fails    sled, or memory
//! ```
//!
//! - [`record`]: what one actor did in one turn; of its bytes the journal reads no more than the head.
//! - [`journal`]: the chain of frames in which all records stand, verified whenever it is opened.
//! - [`packed`]: derived data as sorted runs on sled; its manifest stands in the journal, so what is missing or stale is
//!   noticed, and what is lost is made again.
//! - [`projection`]: which derived rows follow from which records.
//! - [`disk`]: the port through which files are reached, and made to fail.
//!
//! # What it is not
//!
//! It knows no actor and decides nothing. Nothing derived is an answer about existence: only the journal is.

pub mod disk;
pub mod journal;
pub mod packed;
pub mod projection;
pub mod record;
