//! The slot of one idempotency key: who makes the thing, and what everybody else is told.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, mem};

use crate::primitives::{Arc, Mutex, park};
use crate::sleeper::Sleeper;

/// What is known about one idempotency key: nothing, somebody is at it, or what it made.
///
/// The first to claim a vacant slot owns it; all others with the same request wait for him or get what he made. A request
/// with another fingerprint (method, path, body) is a conflict. An accepted answer binds the key; a refusal vacates it, so
/// a retry is a new attempt.
///
/// A handle: clones share the slot.
///
/// ```
/// use stockade_sync::{Claim, IdempotencySlot};
///
/// let slot = IdempotencySlot::new();
/// let Claim::Owner(owner) = slot.claim(0xfeed) else { panic!("nobody was here before") };
/// assert!(matches!(slot.claim(0xfeed), Claim::InFlight(_)));
/// assert!(matches!(slot.claim(0xbeef), Claim::Conflict));
/// owner.bind("order 1");
/// assert!(matches!(slot.claim(0xfeed), Claim::Bound("order 1")));
/// ```
pub struct IdempotencySlot<V> {
    slot: Arc<Slot<V>>,
}

struct Slot<V> {
    state: Mutex<State<V>>,
}

enum State<V> {
    /// `rounds` attempts were made and refused.
    Vacant {
        rounds: u64,
    },
    InFlight {
        fingerprint: u128,
        round: u64,
        sleepers: Vec<Sleeper>,
    },
    Bound {
        fingerprint: u128,
        round: u64,
        value: V,
    },
}

/// The answer to [`IdempotencySlot::claim`].
#[derive(Debug)]
#[must_use = "an owner that is dropped vacates the slot"]
pub enum Claim<V> {
    /// The slot was vacant: make the thing, then bind or vacate.
    Owner(OwnerGuard<V>),
    /// The same request is being carried out: wait for its outcome.
    InFlight(Waiter<V>),
    /// The same request was accepted before: this is its answer.
    Bound(V),
    /// Another request has this key: `idempotency_key_reused`.
    Conflict,
}

/// What a [`Waiter`] is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<V> {
    /// The owner was accepted: this is the answer.
    Bound(V),
    /// The owner was refused or gave up: claim again.
    Vacated,
}

/// The one who carries out the request of a key. Dropping it (a refusal, a panic, a lost connection) vacates the slot.
#[must_use = "dropping it vacates the slot"]
pub struct OwnerGuard<V> {
    /// Taken when the guard has spoken.
    slot: Option<Arc<Slot<V>>>,
}

/// Waits for the outcome of the request that was in flight when the key was claimed: a future, or [`wait`](Self::wait).
#[must_use = "it has to be awaited, or waited for"]
pub struct Waiter<V> {
    slot: Arc<Slot<V>>,
    round: u64,
}

impl<V: Clone> IdempotencySlot<V> {
    /// A vacant slot.
    pub fn new() -> Self {
        Self::with(State::Vacant { rounds: 0 })
    }

    /// A slot bound before, as it is found in the journal at opening.
    pub fn bound(fingerprint: u128, value: V) -> Self {
        Self::with(State::Bound { fingerprint, round: 0, value })
    }

    fn with(state: State<V>) -> Self {
        Self { slot: Arc::new(Slot { state: Mutex::new(state) }) }
    }

    /// Whether nobody has claimed the key, or whoever had it let it go. Only who keeps others from claiming meanwhile can
    /// rely on it.
    pub fn is_vacant(&self) -> bool {
        matches!(*self.slot.state.lock(), State::Vacant { .. })
    }

    /// Claims the key for the request with this fingerprint.
    pub fn claim(&self, fingerprint: u128) -> Claim<V> {
        let mut state = self.slot.state.lock();
        match &*state {
            State::Vacant { rounds } => {
                let round = *rounds;
                *state = State::InFlight { fingerprint, round, sleepers: Vec::new() };
                drop(state);
                Claim::Owner(OwnerGuard { slot: Some(self.slot.clone()) })
            }
            State::InFlight { fingerprint: taken, round, .. } if *taken == fingerprint => {
                let round = *round;
                drop(state);
                Claim::InFlight(Waiter { slot: self.slot.clone(), round })
            }
            State::Bound { fingerprint: taken, value, .. } if *taken == fingerprint => Claim::Bound(value.clone()),
            State::InFlight { .. } | State::Bound { .. } => Claim::Conflict,
        }
    }

    /// Whether a map may forget this slot: it is vacant and this is the only handle to it.
    ///
    /// The answer holds for as long as nobody can clone this handle, for instance under the map's own lock.
    pub fn is_forgettable(&self) -> bool {
        Arc::strong_count(&self.slot) == 1 && matches!(*self.slot.state.lock(), State::Vacant { .. })
    }
}

impl<V> OwnerGuard<V> {
    /// The request was accepted: from now on the key answers `value`.
    pub fn bind(mut self, value: V) {
        if let Some(slot) = self.slot.take() {
            slot.end_round(|fingerprint, round| State::Bound { fingerprint, round, value });
        }
    }

    /// The request was refused: the key is free again. The same as dropping the guard.
    pub fn vacate(self) {
        drop(self);
    }
}

impl<V> Drop for OwnerGuard<V> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.end_round(|_, round| State::Vacant { rounds: round.wrapping_add(1) });
        }
    }
}

impl<V> Slot<V> {
    /// Ends the round of the owner, who alone may call this, and wakes everybody who waited for it.
    fn end_round(&self, next: impl FnOnce(u128, u64) -> State<V>) {
        let woken = {
            let mut state = self.state.lock();
            let State::InFlight { fingerprint, round, sleepers } = &mut *state else {
                unreachable!("a slot is in flight for as long as it has an owner");
            };
            let (fingerprint, round, woken) = (*fingerprint, *round, mem::take(sleepers));
            *state = next(fingerprint, round);
            woken
        };
        woken.into_iter().for_each(Sleeper::wake);
    }
}

impl<V: Clone> Waiter<V> {
    /// Blocks the calling thread until the outcome is known.
    pub fn wait(self) -> Outcome<V> {
        loop {
            if let Poll::Ready(outcome) = self.outcome_or_enlist(Sleeper::this_thread) {
                return outcome;
            }
            park();
        }
    }

    fn outcome_or_enlist(&self, sleeper: impl FnOnce() -> Sleeper) -> Poll<Outcome<V>> {
        match &mut *self.slot.state.lock() {
            State::InFlight { round, sleepers, .. } if *round == self.round => {
                let sleeper = sleeper();
                if !sleepers.iter().any(|other| other.is_same(&sleeper)) {
                    sleepers.push(sleeper);
                }
                Poll::Pending
            }
            State::Bound { round, value, .. } if *round == self.round => Poll::Ready(Outcome::Bound(value.clone())),
            // The round waited for is over. If a later one is under way or bound it may be another request's.
            _ => Poll::Ready(Outcome::Vacated),
        }
    }
}

impl<V: Clone> Future for Waiter<V> {
    type Output = Outcome<V>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<V>> {
        self.outcome_or_enlist(|| Sleeper::Task(cx.waker().clone()))
    }
}

impl<V> Clone for IdempotencySlot<V> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone() }
    }
}

impl<V: Clone> Default for IdempotencySlot<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> fmt::Debug for IdempotencySlot<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.slot.state.lock() {
            State::Vacant { .. } => "vacant",
            State::InFlight { .. } => "in flight",
            State::Bound { .. } => "bound",
        };
        f.debug_tuple("IdempotencySlot").field(&state).finish()
    }
}

impl<V> fmt::Debug for OwnerGuard<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerGuard")
    }
}

impl<V> fmt::Debug for Waiter<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiter")
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::pin::pin;
    use std::task::Waker;
    use std::thread;

    use super::*;

    fn own(slot: &IdempotencySlot<u32>, fingerprint: u128) -> OwnerGuard<u32> {
        match slot.claim(fingerprint) {
            Claim::Owner(owner) => owner,
            other => panic!("not vacant: {other:?}"),
        }
    }

    fn join(slot: &IdempotencySlot<u32>, fingerprint: u128) -> Waiter<u32> {
        match slot.claim(fingerprint) {
            Claim::InFlight(waiter) => waiter,
            other => panic!("not in flight: {other:?}"),
        }
    }

    #[test]
    fn an_accepted_answer_is_repeated_for_ever() {
        let slot = IdempotencySlot::new();
        own(&slot, 1).bind(7);
        for _ in 0..2 {
            assert!(matches!(slot.claim(1), Claim::Bound(7)));
        }
    }

    #[test]
    fn another_request_with_the_key_is_a_conflict_while_in_flight_and_when_bound() {
        let slot = IdempotencySlot::new();
        let owner = own(&slot, 1);
        assert!(matches!(slot.claim(2), Claim::Conflict));
        owner.bind(7);
        assert!(matches!(slot.claim(2), Claim::Conflict));
    }

    #[test]
    fn a_refusal_frees_the_key_for_any_request() {
        let slot = IdempotencySlot::new();
        own(&slot, 1).vacate();
        drop(own(&slot, 2));
        own(&slot, 3).bind(7);
        assert!(matches!(slot.claim(3), Claim::Bound(7)));
    }

    #[test]
    fn a_key_found_in_the_journal_is_bound() {
        let slot = IdempotencySlot::bound(1, 7);
        assert!(matches!(slot.claim(1), Claim::Bound(7)));
        assert!(matches!(slot.claim(2), Claim::Conflict));
    }

    #[test]
    fn whoever_waits_is_told_the_outcome_of_the_round_it_joined() {
        let slot = IdempotencySlot::new();
        let owner = own(&slot, 1);
        let early = join(&slot, 1);
        owner.vacate();
        let owner = own(&slot, 1);
        let late = join(&slot, 1);
        assert_eq!(early.wait(), Outcome::Vacated, "it does not wait for the next one too");
        owner.bind(7);
        assert_eq!(late.wait(), Outcome::Bound(7));
    }

    #[test]
    fn a_task_that_waits_is_enlisted_once() {
        let slot = IdempotencySlot::new();
        let owner = own(&slot, 1);
        let mut cx = Context::from_waker(Waker::noop());
        let mut waiter = pin!(join(&slot, 1));
        for _ in 0..3 {
            assert_eq!(waiter.as_mut().poll(&mut cx), Poll::Pending);
        }
        let enlisted = match &*slot.slot.state.lock() {
            State::InFlight { sleepers, .. } => sleepers.len(),
            _ => 0,
        };
        assert_eq!(enlisted, 1);
        owner.bind(7);
        assert_eq!(waiter.poll(&mut cx), Poll::Ready(Outcome::Bound(7)));
    }

    #[test]
    fn an_owner_that_panics_frees_the_key_and_wakes_who_waits() {
        let slot = IdempotencySlot::new();
        let owner = own(&slot, 1);
        let waiter = join(&slot, 1);
        let panicked = thread::spawn(move || {
            let _owner = owner;
            panic!("a panic in the middle of the request");
        });
        assert_eq!(waiter.wait(), Outcome::Vacated);
        assert!(panicked.join().is_err());
        own(&slot, 1).bind(7);
    }

    #[test]
    fn only_a_vacant_slot_with_a_single_handle_may_be_forgotten() {
        let slot = IdempotencySlot::new();
        assert!(slot.is_forgettable());
        let other = slot.clone();
        assert!(!slot.is_forgettable(), "somebody is about to claim it");
        drop(other);
        let owner = own(&slot, 1);
        assert!(!slot.is_forgettable(), "in flight");
        owner.vacate();
        assert!(slot.is_forgettable());
        own(&slot, 1).bind(7);
        assert!(!slot.is_forgettable(), "bound");
    }

    #[test]
    fn a_slot_is_vacant_until_it_is_claimed_and_again_when_its_owner_lets_go() {
        let slot = IdempotencySlot::<u32>::new();
        let stand = || (slot.is_vacant(), format!("{slot:?}"));
        assert_eq!(stand(), (true, "IdempotencySlot(\"vacant\")".to_owned()));
        let owner = own(&slot, 1);
        assert_eq!(stand(), (false, "IdempotencySlot(\"in flight\")".to_owned()));
        let Claim::InFlight(waiter) = slot.claim(1) else { panic!("the request is under way") };
        assert_eq!(format!("{owner:?} {waiter:?}"), "OwnerGuard Waiter");
        owner.vacate();
        assert!(slot.is_vacant());
        own(&slot, 2).bind(7);
        assert_eq!(stand(), (false, "IdempotencySlot(\"bound\")".to_owned()));
    }
}
