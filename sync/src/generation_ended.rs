//! The one error of this crate: nothing more becomes durable in this generation of the engine.

use std::{error, fmt};

/// The generation of the engine has ended: a write failed, or the engine is closing.
///
/// What was asked for was not recorded, or its outcome is unknown. Answer `storage_unavailable` and let the caller retry
/// with the same idempotency key once the engine has reopened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerationEnded;

impl fmt::Display for GenerationEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this generation of the engine has ended; retry with the same idempotency key once it has reopened")
    }
}

impl error::Error for GenerationEnded {}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_told_of_the_end_is_told_what_to_do() {
        assert!(GenerationEnded.to_string().contains("retry with the same idempotency key"));
    }
}
