//! Idempotency keys: an accepted answer is repeated, a refusal is decided anew.
//!
//! A key lives in the record of what it made, so it survives a restart; here are the keys of the retention window,
//! each a slot that lets one request through at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use dashmap::DashMap;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use stockade_actors::command::{Answer, KeyDigest};
use stockade_domain::entity::EntityKey;
use stockade_domain::{Refusal, Timestamp};
use stockade_sync::{Claim, IdempotencySlot, Outcome, OwnerGuard};

/// How long a key is remembered at least, in seconds: 24 hours.
const RETENTION_SECONDS: u32 = 24 * 3600;
/// Bytes of a digest that name the key; the rest is the request's.
const NAME_BYTES: usize = 10;

/// A request under an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey(pub(crate) KeyDigest);

impl RequestKey {
    /// The key of a caller's request: who asks, what it is scoped to, the key itself, and the request's body.
    pub fn new(caller: &str, method: &str, path: &str, key: &str, body: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [caller, method, path, key] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mut digest = [0; 16];
        digest[..NAME_BYTES].copy_from_slice(&hasher.finalize().as_bytes()[..NAME_BYTES]);
        digest[NAME_BYTES..].copy_from_slice(&blake3::hash(body).as_bytes()[..16 - NAME_BYTES]);
        Self(digest)
    }

    fn name(&self) -> [u8; NAME_BYTES] {
        self.0[..NAME_BYTES].try_into().expect("the name's bytes")
    }

    fn fingerprint(&self) -> u128 {
        let mut bytes = [0; 16];
        bytes[NAME_BYTES..].copy_from_slice(&self.0[NAME_BYTES..]);
        u128::from_be_bytes(bytes)
    }
}

/// What a key is bound to.
#[derive(Debug, Clone)]
pub enum Binding {
    /// The answer itself.
    Answer(Arc<Answer>),
    /// What it made, found in the journal at a restart, with the sequence of the record.
    Made(EntityKey, u64),
}

/// How a request with a key goes on.
pub(crate) enum Admission {
    /// It is the first: it is decided, then bound or let go.
    Decide(OwnerGuard<Binding>),
    /// It was accepted before.
    Repeat(Binding),
}

/// The keys of the retention window.
pub(crate) struct Keys {
    slots: DashMap<[u8; NAME_BYTES], IdempotencySlot<Binding>, rustc_hash::FxBuildHasher>,
    /// In the order of use, so that old ones can be forgotten.
    by_age: Mutex<VecDeque<(Timestamp, [u8; NAME_BYTES])>>,
    /// Only while the journal is read: which keys an order was made under, for the case that it was refused later.
    recovered: Mutex<FxHashMap<EntityKey, Vec<[u8; NAME_BYTES]>>>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { slots: DashMap::default(), by_age: Mutex::default(), recovered: Mutex::default() }
    }

    /// The journal is read to its end.
    pub(crate) fn end_recovery(&self) {
        *self.recovered.lock() = FxHashMap::default();
    }

    /// Remembers a key that was found in the journal.
    pub(crate) fn recover(&self, digest: KeyDigest, made: EntityKey, seq: u64, time: Timestamp) {
        let key = RequestKey(digest);
        if matches!(made, EntityKey::Order(_)) {
            self.recovered.lock().entry(made.clone()).or_default().push(key.name());
        }
        self.slots.insert(key.name(), IdempotencySlot::bound(key.fingerprint(), Binding::Made(made, seq)));
        self.by_age.lock().push_back((time, key.name()));
    }

    /// Forgets the keys under which this was made: it counts as never made.
    pub(crate) fn free(&self, unmade: &EntityKey) {
        let Some(names) = self.recovered.lock().remove(unmade) else { return };
        for name in names {
            self.slots.remove(&name);
        }
    }

    fn slot(&self, key: RequestKey, now: Timestamp) -> IdempotencySlot<Binding> {
        if let Some(slot) = self.slots.get(&key.name()) {
            return slot.clone();
        }
        self.forget_old(now);
        self.by_age.lock().push_back((now, key.name()));
        self.slots.entry(key.name()).or_default().clone()
    }

    /// Forgets what is older than the retention window, a few at a time.
    fn forget_old(&self, now: Timestamp) {
        let mut by_age = self.by_age.lock();
        for _ in 0..4 {
            let is_old = by_age.front().is_some_and(|(used, _)| used.plus_seconds(RETENTION_SECONDS) < now);
            if !is_old {
                return;
            }
            if let Some((_, name)) = by_age.pop_front() {
                self.slots.remove(&name);
            }
        }
    }

    /// Lets one request with a key through; the others wait for it.
    pub(crate) async fn admit(&self, key: RequestKey, now: Timestamp) -> Result<Admission, Refusal> {
        loop {
            match self.slot(key, now).claim(key.fingerprint()) {
                Claim::Owner(owner) => return Ok(Admission::Decide(owner)),
                Claim::Bound(binding) => return Ok(Admission::Repeat(binding)),
                Claim::Conflict => return Err(Refusal::IdempotencyKeyReused),
                Claim::InFlight(waiter) => match waiter.await {
                    Outcome::Bound(binding) => return Ok(Admission::Repeat(binding)),
                    Outcome::Vacated => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_scoped_to_caller_method_and_path() {
        let base = RequestKey::new("a", "POST", "/orders", "k", b"{}");
        assert_eq!(base, RequestKey::new("a", "POST", "/orders", "k", b"{}"));
        for other in [
            RequestKey::new("b", "POST", "/orders", "k", b"{}"),
            RequestKey::new("a", "PUT", "/orders", "k", b"{}"),
            RequestKey::new("a", "POST", "/orders/x", "k", b"{}"),
            RequestKey::new("a", "POST", "/orders", "l", b"{}"),
        ] {
            assert_ne!(base.name(), other.name());
        }
        let other_body = RequestKey::new("a", "POST", "/orders", "k", b"[]");
        assert_eq!(base.name(), other_body.name());
        assert_ne!(base.fingerprint(), other_body.fingerprint());
    }
}
