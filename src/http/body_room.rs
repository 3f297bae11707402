//! Memory for request bodies, shared by all connections: many slow clients must not hold more than there is.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::problem::{Code, Problem};

/// Bytes of bodies that may be on their way at once, over all connections.
const ROOM_BYTES: usize = 256 << 20;
/// A body up to this size is a connection's own affair: its buffers are as large.
const SMALL_BYTES: usize = 16 << 10;

/// What is left of it.
#[derive(Debug)]
pub(super) struct BodyRoom(AtomicUsize);

/// Room for one body, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    room: &'a BodyRoom,
    bytes: usize,
}

impl Default for BodyRoom {
    fn default() -> Self {
        Self(AtomicUsize::new(ROOM_BYTES))
    }
}

impl BodyRoom {
    /// Reserves what a request says it brings, or the most it may if it does not say.
    pub(super) fn reserve(&self, headers: &HeaderMap, max: usize) -> Result<Reserved<'_>, Problem> {
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let unknown = if headers.contains_key(TRANSFER_ENCODING) { max } else { 0 };
        let wanted = announced.unwrap_or(unknown).min(max);
        let bytes = if wanted <= SMALL_BYTES { 0 } else { wanted };
        let take = |left: usize| left.checked_sub(bytes);
        match self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(Reserved { room: self, bytes }),
            Err(_) => Err(Problem::new(Code::Overloaded).detail("too many large bodies are on their way at once")),
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcing(bytes: usize) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_LENGTH, bytes.into())])
    }

    #[test]
    fn large_bodies_share_a_bounded_room_and_small_ones_always_fit() {
        let room = BodyRoom::default();
        let held: Vec<_> =
            (0..ROOM_BYTES >> 20).map(|_| room.reserve(&announcing(1 << 20), 1 << 20).unwrap()).collect();
        assert_eq!(room.reserve(&announcing(1 << 20), 1 << 20).unwrap_err().code(), Code::Overloaded);
        let chunked = HeaderMap::from_iter([(TRANSFER_ENCODING, "chunked".parse().unwrap())]);
        assert!(room.reserve(&chunked, 1 << 20).is_err(), "one that does not say may be as large as any");
        assert!(room.reserve(&announcing(100), 1 << 20).is_ok());
        drop(held);
        assert!(room.reserve(&chunked, 1 << 20).is_ok());
    }
}
