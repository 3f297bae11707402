//! What can be wrong with a journal, and where.

use thiserror::Error;

use crate::disk::DiskError;

/// A place in the journal that is not as it was written. It is never skipped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file} is damaged at byte {offset}: {reason}")]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reason {
    /// The first bytes of a segment.
    #[error("the segment's header is not as it was written")]
    SegmentHeader,
    /// A segment that must be there is not.
    #[error("the segment is missing")]
    SegmentMissing,
    /// A segment stands at another's place.
    #[error("the segment does not belong here")]
    SegmentPlace,
    /// Something else than a frame stands where one must begin.
    #[error("the frame's header is not as it was written")]
    FrameHeader,
    /// The payload does not fit its checksum.
    #[error("the records do not fit their checksum")]
    PayloadChecksum,
    /// The end of a frame.
    #[error("the frame's end mark is not as it was written")]
    EndMark,
    /// A file is too short for what it says it holds.
    #[error("the file ends too early")]
    SegmentEnds,
    /// A frame that follows another one than the one before it.
    #[error("the frame does not follow the one before it")]
    Chain,
    /// A frame numbered otherwise than the chain demands.
    #[error("the frame's sequence numbers do not follow the ones before it")]
    Sequence,
    /// A payload that does not consist of as many records as it says.
    #[error("the frame does not hold the records it says it holds")]
    Records,
    /// Something is written behind a place where writing stopped.
    #[error("valid frames follow a place that holds none")]
    FrameLost,
    /// A derived index.
    #[error("the index is not as it was written")]
    Index,
    /// An archived segment.
    #[error("the archived segment cannot be decompressed")]
    Archive,
}

/// Why the journal cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Something is not as it was written: restore the file from a backup.
    #[error("{0}; restore it from a backup")]
    Damaged(#[from] Damage),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl ReadError {
    /// Damage at a place.
    pub(crate) fn damaged(file: impl Into<String>, offset: u64, reason: Reason) -> Self {
        Self::Damaged(Damage { file: file.into(), offset, reason })
    }
}

/// Why a journal cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another engine has it.
    #[error("{path} is in use by another engine; stop it, or choose another directory")]
    InUse {
        /// The directory.
        path: String,
    },
    /// A later version of this program wrote it.
    #[error(
        "{file} has format {found}, and this program knows up to {known}; use the program that wrote it, or a newer one"
    )]
    FormatNewer {
        /// The file.
        file: String,
        /// Its format.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// Something that was proven to be written is not as it was written: restore the file from a backup.
    #[error("{0}; nothing was changed: restore the file from a backup")]
    Damaged(Damage),
    /// The disk failed, is full, or cannot be written.
    #[error(transparent)]
    Disk(DiskError),
}

impl OpenError {
    pub(crate) fn damaged(file: impl Into<String>, offset: u64, reason: Reason) -> Self {
        Self::Damaged(Damage { file: file.into(), offset, reason })
    }
}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::InUse { path } => Self::InUse { path },
            error => Self::Disk(error),
        }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged(damage) => Self::Damaged(damage),
            ReadError::Disk(error) => error.into(),
        }
    }
}

/// Why a group was not recorded. After any of these but the last the outcome of the group is unknown.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A write or a sync failed: whether the group is on the disk is unknown until the journal is opened again.
    #[error("records {first} to {last} could not be written to {file}: {source}; reopen the engine")]
    Write {
        /// The first record of the group.
        first: u64,
        /// The last.
        last: u64,
        /// The segment.
        file: String,
        /// What the disk said.
        source: DiskError,
    },
    /// The group does not follow what is recorded: somebody else writes to this journal, or the caller lost count.
    #[error("a group was to follow record {expected_last}, but the last one is {last}; reopen the engine")]
    OutOfOrder {
        /// The record that the group was to follow.
        expected_last: u64,
        /// The last one recorded.
        last: u64,
    },
    /// The bytes are not the records that the group says they are.
    #[error("a group of {records} records does not consist of as many; reopen the engine")]
    Malformed {
        /// How many records the group has by its own account.
        records: u32,
    },
    /// One group is larger than any frame may be.
    #[error("a group of {bytes} bytes is larger than a frame can be; admit less at a time and reopen the engine")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// An earlier write failed or the journal was closed, so nothing was written.
    #[error("this generation of the journal has ended; reopen the engine")]
    GenerationEnded,
}
