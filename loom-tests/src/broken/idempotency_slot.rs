//! Roles and twins of [`IdempotencySlot`].

use std::mem;

use crate::idempotency_slot::{Claim, IdempotencySlot, Outcome, OwnerGuard, Waiter};
use crate::primitives::{Arc, Mutex, Thread, current, park};

/// The slot of a key.
pub trait Slots: Clone + 'static {
    /// Whoever carries the request out.
    type Owner: Owns;
    /// Whoever waits for him.
    type Waiter: Waits;
    /// See [`IdempotencySlot::claim`].
    fn claim(&self, fingerprint: u128) -> Claimed<Self::Owner, Self::Waiter>;
}

/// See [`Claim`].
#[derive(Debug)]
pub enum Claimed<O, W> {
    /// See [`Claim::Owner`].
    Owner(O),
    /// See [`Claim::InFlight`].
    InFlight(W),
    /// See [`Claim::Bound`].
    Bound(u64),
    /// See [`Claim::Conflict`].
    Conflict,
}

/// See [`OwnerGuard`].
pub trait Owns: 'static {
    /// See [`OwnerGuard::bind`].
    fn bind(self, value: u64);
    /// See [`OwnerGuard::vacate`].
    fn vacate(self);
}

/// See [`Waiter`].
pub trait Waits: 'static {
    /// See [`Waiter::wait`].
    fn wait(self) -> Outcome<u64>;
}

impl Slots for IdempotencySlot<u64> {
    type Owner = OwnerGuard<u64>;
    type Waiter = Waiter<u64>;

    fn claim(&self, fingerprint: u128) -> Claimed<OwnerGuard<u64>, Waiter<u64>> {
        match self.claim(fingerprint) {
            Claim::Owner(owner) => Claimed::Owner(owner),
            Claim::InFlight(waiter) => Claimed::InFlight(waiter),
            Claim::Bound(value) => Claimed::Bound(value),
            Claim::Conflict => Claimed::Conflict,
        }
    }
}

impl Owns for OwnerGuard<u64> {
    fn bind(self, value: u64) {
        self.bind(value);
    }

    fn vacate(self) {
        self.vacate();
    }
}

impl Waits for Waiter<u64> {
    fn wait(self) -> Outcome<u64> {
        self.wait()
    }
}

/// What is wrong with a [`BrokenSlot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A claim finds the slot vacant, lets go of the lock, and takes it again to own it.
    ClaimsInTwoSteps,
    /// The owner collects who waits, lets go of the lock, and takes it again to say the outcome.
    WakesBeforeItBinds,
    /// A waiter takes whatever is bound when it looks, whoever bound it.
    KnowsNoRounds,
}

#[derive(Debug, Default)]
struct State {
    in_flight: Option<u128>,
    bound: Option<(u128, u64)>,
    sleepers: Vec<Thread>,
}

/// A slot with one bug.
#[derive(Debug, Clone)]
pub struct BrokenSlot {
    bug: Bug,
    state: Arc<Mutex<State>>,
}

impl BrokenSlot {
    /// A vacant one.
    pub fn new(bug: Bug) -> Self {
        Self { bug, state: Arc::new(Mutex::new(State::default())) }
    }

    fn end_round(&self, value: Option<u64>) {
        let mut state = self.state.lock();
        let woken = mem::take(&mut state.sleepers);
        if self.bug == Bug::WakesBeforeItBinds {
            drop(state);
            // BUG: whoever goes to sleep here is woken by nobody.
            state = self.state.lock();
        }
        let fingerprint = state.in_flight.take();
        state.bound = fingerprint.zip(value);
        drop(state);
        woken.iter().for_each(Thread::unpark);
    }
}

impl Slots for BrokenSlot {
    type Owner = Self;
    type Waiter = Self;

    fn claim(&self, fingerprint: u128) -> Claimed<Self, Self> {
        let mut state = self.state.lock();
        match (state.in_flight, state.bound) {
            (_, Some((taken, value))) if taken == fingerprint => return Claimed::Bound(value),
            (Some(taken), _) if taken == fingerprint => return Claimed::InFlight(self.clone()),
            (None, None) => {}
            _ => return Claimed::Conflict,
        }
        if self.bug == Bug::ClaimsInTwoSteps {
            drop(state);
            // BUG: another may have claimed it since.
            state = self.state.lock();
        }
        state.in_flight = Some(fingerprint);
        Claimed::Owner(self.clone())
    }
}

impl Owns for BrokenSlot {
    fn bind(self, value: u64) {
        self.end_round(Some(value));
    }

    fn vacate(self) {
        self.end_round(None);
    }
}

impl Waits for BrokenSlot {
    fn wait(self) -> Outcome<u64> {
        loop {
            let mut state = self.state.lock();
            // BUG with `KnowsNoRounds`: this may be the answer to another request, made after the one waited for was refused.
            if let Some((_, value)) = state.bound {
                return Outcome::Bound(value);
            }
            if state.in_flight.is_none() {
                return Outcome::Vacated;
            }
            state.sleepers.push(current());
            drop(state);
            park();
        }
    }
}
