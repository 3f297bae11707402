//! Trace ids: the caller's when it sent one, else one of our own.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;

/// Sixteen bytes that join a problem, its log lines and the caller's own trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// What tells this process from others: std's hash seed, drawn from the system's entropy.
static NONCE: LazyLock<u128> = LazyLock::new(|| {
    let half = |salt: u8| u128::from(RandomState::new().hash_one(salt));
    (half(1) << 64) | half(2)
});
static COUNT: AtomicU64 = AtomicU64::new(1);

impl TraceId {
    /// One that this process has not given before.
    pub fn next() -> Self {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        // An odd multiplier permutes the 64-bit numbers, so distinct counts stay distinct and look unrelated.
        let mixed = *NONCE ^ u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self(mixed.max(1))
    }

    /// That of a W3C `traceparent` header when there is a valid one, else the [next](Self::next).
    pub fn of(headers: &HeaderMap) -> Self {
        headers.get("traceparent").and_then(|value| Self::parse(value.as_bytes())).unwrap_or_else(Self::next)
    }

    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; later versions may append more.
    fn parse(header: &[u8]) -> Option<Self> {
        let hex = |range: std::ops::Range<usize>| {
            let digits = header.get(range)?;
            let lower = digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !lower {
                return None;
            }
            u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let dashes = [2, 35, 52].into_iter().all(|at| header.get(at) == Some(&b'-'));
        let (version, trace, span, _flags) = (hex(0..2)?, hex(3..35)?, hex(36..52)?, hex(53..55)?);
        let ends_well = header.len() == 55 || (version > 0 && header.get(55) == Some(&b'-'));
        (dashes && ends_well && version != 0xff && trace != 0 && span != 0).then_some(Self(trace))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(traceparent: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", traceparent.parse().unwrap());
        TraceId::of(&headers).to_string()
    }

    #[test]
    fn the_callers_trace_is_kept() {
        assert_eq!(of(VALID), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(of(&VALID.replacen("00", "cc", 1)), of(VALID));
        assert_eq!(of(&format!("{}-more", VALID.replacen("00", "01", 1))), of(VALID));
    }

    #[test]
    fn a_malformed_traceparent_is_replaced() {
        for text in [
            "",
            "00",
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &format!("{VALID}-more"),
            &VALID[..54],
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let id = of(text);
            assert!(id.len() == 32 && !id.starts_with("4bf92f35"), "{text:?} gave {id}");
        }
    }

    #[test]
    fn own_ids_never_repeat() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| TraceId::next()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
