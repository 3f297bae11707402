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

    /// What tells it from other requests.
    pub(crate) const fn digest(&self) -> KeyDigest {
        self.0
    }

    fn name(&self) -> Name {
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
    Decide(Owner),
    /// It was accepted before.
    Repeat(Binding),
}

/// The request that is decided under a key. Dropping it frees the key: a refusal is decided anew.
pub(crate) struct Owner {
    keys: Arc<Keys>,
    name: Name,
    /// Taken when the key is bound.
    guard: Option<OwnerGuard<Binding>>,
}

impl Owner {
    /// The request was accepted at `now`: whoever comes with its key gets this, for 24 hours at least.
    pub(crate) fn bind(mut self, binding: Binding, now: Timestamp) {
        if let Some(guard) = self.guard.take() {
            self.keys.remember(self.name, now);
            guard.bind(binding);
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.vacate();
            // A refused request leaves nothing behind. Claims are made under the map's own lock, so nobody can hold a slot
            // that is no longer in the map.
            self.keys.entries.remove_if(&self.name, |_, entry| entry.slot.is_vacant());
        }
    }
}

type Name = [u8; NAME_BYTES];

/// A key, and when it was bound last.
#[derive(Default)]
struct Entry {
    slot: IdempotencySlot<Binding>,
    bound_at: Timestamp,
}

/// The keys of the retention window.
pub(crate) struct Keys {
    entries: DashMap<Name, Entry, rustc_hash::FxBuildHasher>,
    /// In the order in which they were bound, so that old ones can be forgotten.
    by_age: Mutex<VecDeque<(Timestamp, Name)>>,
    /// Only while the journal is read: which keys an order was made under, for the case that it was refused later.
    recovered: Mutex<FxHashMap<EntityKey, Vec<Name>>>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { entries: DashMap::default(), by_age: Mutex::default(), recovered: Mutex::default() }
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
        let slot = IdempotencySlot::bound(key.fingerprint(), Binding::Made(made, seq));
        self.entries.insert(key.name(), Entry { slot, bound_at: time });
        self.by_age.lock().push_back((time, key.name()));
    }

    /// Forgets the keys under which this was made: it counts as never made.
    pub(crate) fn free(&self, unmade: &EntityKey) {
        let Some(names) = self.recovered.lock().remove(unmade) else { return };
        for name in names {
            self.entries.remove(&name);
        }
    }

    /// A key is being bound: it stays so long from now on.
    fn remember(&self, name: Name, now: Timestamp) {
        if let Some(mut entry) = self.entries.get_mut(&name) {
            entry.bound_at = now;
        }
        self.by_age.lock().push_back((now, name));
        self.forget_old(now);
    }

    /// Forgets what is older than the retention window, a few at a time.
    fn forget_old(&self, now: Timestamp) {
        for _ in 0..4 {
            let oldest = {
                let mut by_age = self.by_age.lock();
                let is_old = |(bound, _): &(Timestamp, Name)| bound.plus_seconds(RETENTION_SECONDS) < now;
                by_age.pop_front_if(|oldest| is_old(oldest))
            };
            let Some((bound_at, name)) = oldest else { return };
            // It may have been freed and bound again since; that binding has its own time.
            self.entries.remove_if(&name, |_, entry| entry.bound_at <= bound_at);
        }
    }

    /// Lets one request with a key through; the others wait for it.
    pub(crate) async fn admit(self: &Arc<Self>, key: RequestKey) -> Result<Admission, Refusal> {
        loop {
            let claim = self.entries.entry(key.name()).or_default().slot.claim(key.fingerprint());
            match claim {
                Claim::Owner(guard) => {
                    let keys = Arc::clone(self);
                    return Ok(Admission::Decide(Owner { keys, name: key.name(), guard: Some(guard) }));
                }
                Claim::Bound(binding) => return Ok(Admission::Repeat(binding)),
                Claim::Conflict => return Err(Refusal::IdempotencyKeyReused),
                Claim::InFlight(waiter) => match waiter.await {
                    Outcome::Bound(binding) => return Ok(Admission::Repeat(binding)),
                    Outcome::Vacated => {}
                },
            }
        }
    }

    /// How many keys are known.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
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

    const START: Timestamp = Timestamp(1_790_000_000_000_000);

    fn key(name: &str) -> RequestKey {
        RequestKey::new("a", "POST", "/orders", name, b"{}")
    }

    fn decide(keys: &Arc<Keys>, name: &str) -> Option<Owner> {
        let admitted = std::pin::pin!(keys.admit(key(name)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match admitted.poll(&mut context) {
            std::task::Poll::Ready(Ok(Admission::Decide(owner))) => Some(owner),
            _ => None,
        }
    }

    #[test]
    fn a_refused_request_leaves_no_key_behind() {
        let keys = Arc::new(Keys::new());
        for n in 0..1_000 {
            drop(decide(&keys, &n.to_string()).expect("nobody had it"));
        }
        assert_eq!(keys.len(), 0);
    }

    /// The day was counted from the first attempt, which may have been refused.
    #[test]
    fn a_key_is_bound_for_a_day_from_when_it_was_accepted() {
        let keys = Arc::new(Keys::new());
        drop(decide(&keys, "k").expect("nobody had it"));
        let accepted = START.plus_seconds(24 * 3600 - 60);
        decide(&keys, "k").expect("it was refused").bind(Binding::Made(EntityKey::Ledger, 1), accepted);
        keys.forget_old(START.plus_seconds(24 * 3600 + 60));
        assert!(decide(&keys, "k").is_none(), "it is bound");
        keys.forget_old(accepted.plus_seconds(24 * 3600 + 1));
        assert!(decide(&keys, "k").is_some(), "its day is over");
    }
}
