//! How much of everything one listener gives to its clients.

use std::time::Duration;

/// The bounds of a listener. Every default is generous to a slow honest client and small to a hostile one.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at once, over all the loops that share a [`Listener`](super::listener::Listener); one more is
    /// told 503 `overloaded` and closed.
    pub connections_max: usize,
    /// Bytes of request line and headers; more is a bare 431.
    pub head_bytes_max: usize,
    /// Headers of one request; more is a bare 431.
    pub headers_max: usize,
    /// Bytes of a request target; more is a 414.
    pub uri_bytes_max: usize,
    /// Bytes of one JSON body; more is `body_too_large`.
    pub body_bytes_max: usize,
    /// From the first byte of a head to its last. Later bytes do not extend it, so a drip gains nothing.
    pub head_timeout: Duration,
    /// From the end of a head to the end of its body. Later bytes do not extend it either.
    pub body_timeout: Duration,
    /// Paths whose bodies are read as they come and may be endless: for them `body_timeout` bounds the wait for the
    /// next piece, and does not count while the handler is not ready for it.
    pub streamed_paths: &'static [&'static str],
    /// How long a connection may lie idle between requests, and before the first.
    pub idle_timeout: Duration,
    /// How long the client may leave an answer unread once the socket is full.
    pub write_timeout: Duration,
}

/// File descriptors that connections must leave to the journal, the derived store and the runtimes.
const DESCRIPTORS_KEPT: u64 = 256;

impl Limits {
    /// Raises the process's limit of file descriptors as far as it may be raised, and admits no more connections than leave
    /// enough of them to the engine: idle clients must not keep it from making a file.
    #[must_use]
    pub fn within_descriptors(self) -> Self {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // Without the right to raise it, it stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        // Both listeners count by themselves, so each gets half.
        let connections = usize::try_from(most.saturating_sub(DESCRIPTORS_KEPT) / 2).unwrap_or(usize::MAX).max(1);
        if connections < self.connections_max {
            tracing::info!(connections, descriptors = most, "the limit of file descriptors bounds the connections");
        }
        Self { connections_max: self.connections_max.min(connections), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            head_bytes_max: 16 * 1024,
            headers_max: 100,
            uri_bytes_max: 8 * 1024,
            body_bytes_max: 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            streamed_paths: &[],
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_engine() {
        let limits = Limits { connections_max: usize::MAX, ..Limits::default() }.within_descriptors();
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        if let Some(most) = most {
            assert!(
                2 * limits.connections_max as u64 + DESCRIPTORS_KEPT <= most.max(DESCRIPTORS_KEPT + 2),
                "{limits:?}"
            );
        }
        assert_eq!(Limits { connections_max: 1, ..Limits::default() }.within_descriptors().connections_max, 1);
    }
}
