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
