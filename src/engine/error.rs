//! Why an engine cannot be opened or closed.

use std::path::PathBuf;

/// What went wrong with the engine as a whole.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process has the directory.
    #[error("{dir} is in use by another process: stop it, or use another directory")]
    InUse {
        /// Which.
        dir: PathBuf,
    },
    /// The directory cannot be written.
    #[error("{dir} cannot be used: {why}; check that it is a directory and may be written")]
    Unusable {
        /// Which.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// The journal is damaged where it is known to have been good.
    #[error("the journal is damaged: {0}; restore the segment from a copy, nothing is skipped")]
    Damaged(String),
    /// A newer version has written it.
    #[error("the directory was written by a newer version: {0}")]
    Newer(String),
    /// No room.
    #[error("the disk is full: {0}; free some space")]
    Full(String),
    /// A read or write failed.
    #[error("input or output failed: {0}")]
    Io(String),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(String),
}
