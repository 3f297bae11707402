//! Roles and twins of [`CreditGate`].

use std::task::{Context, Poll, Waker};

use crate::credit_gate::{CreditGate, Credits};
use crate::primitives::{AtomicU64, Condvar, Deadline, Mutex, Ordering};

/// Gives credits, and never more than there are.
pub trait Gives: Send + Sync + 'static {
    /// Credits in use.
    type Held: 'static;
    /// See [`CreditGate::try_take`].
    fn try_take(&self, n: u32) -> Option<Self::Held>;
}

impl Gives for CreditGate {
    type Held = Credits;

    fn try_take(&self, n: u32) -> Option<Credits> {
        self.try_take(n)
    }
}

/// Looks whether there are credits, and then takes them.
#[derive(Debug)]
pub struct LooksThenTakes {
    capacity: u64,
    in_use: AtomicU64,
}

impl LooksThenTakes {
    /// A gate with `capacity` credits, which never come back.
    pub fn new(capacity: u64) -> Self {
        Self { capacity, in_use: AtomicU64::new(0) }
    }
}

impl Gives for LooksThenTakes {
    type Held = ();

    fn try_take(&self, n: u32) -> Option<()> {
        if self.in_use.load(Ordering::Acquire) + u64::from(n) > self.capacity {
            return None;
        }
        // BUG: another may have taken them since.
        self.in_use.fetch_add(u64::from(n), Ordering::AcqRel);
        Some(())
    }
}

/// Tells when all credits are back.
pub trait Drains: Send + Sync + 'static {
    /// Gives the one credit back that is in use.
    fn give_back(&self);
    /// See [`CreditGate::wait_idle`].
    fn wait_idle(&self);
}

/// A real gate of which one credit is in use.
#[derive(Debug)]
pub struct OneInUse {
    gate: CreditGate,
    held: Mutex<Option<Credits>>,
}

impl OneInUse {
    /// The credit is taken and the gate is closed behind it.
    pub fn new() -> Self {
        let gate = CreditGate::new(1);
        let held = Mutex::new(gate.try_take(1));
        gate.close();
        Self { gate, held }
    }
}

impl Default for OneInUse {
    fn default() -> Self {
        Self::new()
    }
}

impl Drains for OneInUse {
    fn give_back(&self) {
        let credit = self.held.lock().take();
        drop(credit);
    }

    fn wait_idle(&self) {
        assert!(self.gate.wait_idle(None));
    }
}

/// What is wrong with a [`BrokenDrain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The count and the sign that somebody waits are two words.
    AnnouncesElsewhere,
    /// Whoever returns the last credit notifies without the lock that the waiter looks under.
    NotifiesWithoutTheLock,
    /// The count goes down without passing on what was done under the credit.
    ReturnsRelaxed,
}

/// One credit in use, and a bug.
#[derive(Debug)]
pub struct BrokenDrain {
    bug: Bug,
    in_use: AtomicU64,
    awaited: AtomicU64,
    lock: Mutex<()>,
    idle: Condvar,
}

impl BrokenDrain {
    /// The credit is taken.
    pub fn new(bug: Bug) -> Self {
        Self { bug, in_use: AtomicU64::new(1), awaited: AtomicU64::new(0), lock: Mutex::new(()), idle: Condvar::new() }
    }
}

impl Drains for BrokenDrain {
    fn give_back(&self) {
        let order = if self.bug == Bug::ReturnsRelaxed { Ordering::Relaxed } else { Ordering::Release };
        self.in_use.store(0, order);
        // BUG with `AnnouncesElsewhere`: each of the two may still see the other's word as it was.
        if self.bug == Bug::AnnouncesElsewhere && self.awaited.load(Ordering::Acquire) == 0 {
            return;
        }
        if self.bug == Bug::AnnouncesElsewhere {
            drop(self.lock.lock());
        }
        // BUG with `NotifiesWithoutTheLock`: the waiter has looked, and does not sleep yet.
        self.idle.notify_all();
    }

    fn wait_idle(&self) {
        if self.bug == Bug::ReturnsRelaxed {
            // BUG: nothing orders this load after what was done under the credit.
            while self.in_use.load(Ordering::Acquire) != 0 {
                loom::thread::yield_now();
            }
            return;
        }
        let mut guard = self.lock.lock();
        self.awaited.store(1, Ordering::Release);
        while self.in_use.load(Ordering::Acquire) != 0 {
            (guard, _) = self.idle.wait(guard, &Deadline::after(None));
        }
    }
}

/// Tells a task when all credits are back.
pub trait Polls: Send + Sync + 'static {
    /// Gives the one credit back that is in use.
    fn give_back(&self);
    /// See [`CreditGate::poll_idle`].
    fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Polls for OneInUse {
    fn give_back(&self) {
        Drains::give_back(self);
    }

    fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.gate.poll_idle(cx)
    }
}

/// Looks whether the credit is back, and leaves its waker afterwards.
#[derive(Debug, Default)]
pub struct LooksThenWaits {
    is_back: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Polls for LooksThenWaits {
    fn give_back(&self) {
        self.is_back.store(1, Ordering::Release);
        let waker = self.waker.lock().take();
        waker.into_iter().for_each(Waker::wake);
    }

    fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_back.load(Ordering::Acquire) == 1 {
            return Poll::Ready(());
        }
        // BUG: the credit may have come back since, when nobody's waker was there.
        *self.waker.lock() = Some(cx.waker().clone());
        Poll::Pending
    }
}
