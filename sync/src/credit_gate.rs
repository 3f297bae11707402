//! Credits: how much work the engine lets in at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{fmt, mem};

use crate::primitives::{Arc, AtomicU64, Condvar, Deadline, Mutex, Ordering};

/// Bit of [`Inner::word`]: no more credits are given.
const CLOSED: u64 = 1;
/// Bit of [`Inner::word`]: somebody waits for idleness. It shares the word with the count so that one instruction both
/// returns the last credit and learns that there is somebody to wake.
const AWAITED: u64 = 2;
/// One credit in use, in [`Inner::word`].
const ONE: u64 = 4;

/// Bounds the commands in flight. Credits are taken at admission only, held until the reply, and come back by themselves.
///
/// A handle: clones share the gate.
///
/// ```
/// let gate = stockade_sync::CreditGate::new(2);
/// let both = gate.try_take(2).expect("two are free");
/// assert!(gate.try_take(1).is_none(), "refused at the door, not queued");
/// drop(both);
/// assert_eq!(gate.in_use(), 0);
/// ```
#[derive(Clone)]
pub struct CreditGate {
    inner: Arc<Inner>,
}

struct Inner {
    capacity: u32,
    /// Credits in use times [`ONE`], and the two bits.
    word: AtomicU64,
    idlers: Mutex<Vec<Waker>>,
    idle: Condvar,
}

/// Credits in use. Dropping them gives them back.
#[must_use = "credits go back when this is dropped: keep it until the reply is out"]
pub struct Credits {
    inner: Arc<Inner>,
    amount: u32,
}

impl CreditGate {
    /// A gate with `capacity` credits.
    pub fn new(capacity: u32) -> Self {
        let inner = Inner { capacity, word: AtomicU64::new(0), idlers: Mutex::new(Vec::new()), idle: Condvar::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Takes `n` credits, all or none. None when fewer are free, or when the gate is closed.
    pub fn try_take(&self, n: u32) -> Option<Credits> {
        let capacity = u64::from(self.inner.capacity);
        let mut word = self.inner.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 || word / ONE + u64::from(n) > capacity {
                return None;
            }
            let taken = word + u64::from(n) * ONE;
            match self.inner.word.compare_exchange_weak(word, taken, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Credits { inner: self.inner.clone(), amount: n }),
                Err(current) => word = current,
            }
        }
    }

    /// Credits in use now.
    pub fn in_use(&self) -> u32 {
        in_use(self.inner.word.load(Ordering::Acquire))
    }

    /// Credits there are.
    pub fn capacity(&self) -> u32 {
        self.inner.capacity
    }

    /// Gives no more credits, for good. Those in use stay until they are dropped.
    pub fn close(&self) {
        self.inner.word.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Whether the gate is closed.
    pub fn is_closed(&self) -> bool {
        self.inner.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Blocks the calling thread until no credit is in use; false if that took longer than `timeout`.
    ///
    /// To drain, close the gate first: in an open one idleness is a moment that has passed when this returns.
    pub fn wait_idle(&self, timeout: Option<Duration>) -> bool {
        let deadline = Deadline::after(timeout);
        let mut timed_out = false;
        let mut idlers = self.inner.idlers.lock();
        while !self.inner.announce_and_check() {
            if timed_out {
                return false;
            }
            (idlers, timed_out) = self.inner.idle.wait(idlers, &deadline);
        }
        true
    }

    /// Whether no credit is in use; if one is, the task of `cx` is woken once all are back.
    pub fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut idlers = self.inner.idlers.lock();
        if self.inner.announce_and_check() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        if !idlers.iter().any(|other| other.will_wake(&waker)) {
            idlers.push(waker);
        }
        Poll::Pending
    }

    /// A future that is ready once no credit is in use.
    pub fn idle(&self) -> impl Future<Output = ()> + Send + 'static {
        Idle { gate: self.clone() }
    }
}

impl Inner {
    /// Announces that somebody is about to wait, and tells whether there is nothing to wait for. Called under the lock.
    ///
    /// Both are one read-modify-write of the word that the last credit is returned to. Whichever comes first in the order
    /// of that word, either this sees zero, or the one who returns the last credit sees the bit, takes the lock after us
    /// and finds us waiting.
    fn announce_and_check(&self) -> bool {
        in_use(self.word.fetch_or(AWAITED, Ordering::AcqRel)) == 0
    }

    fn give_back(&self, amount: u32) {
        let before = self.word.fetch_sub(u64::from(amount) * ONE, Ordering::AcqRel);
        if in_use(before) == amount && before & AWAITED != 0 {
            self.wake_idlers();
        }
    }

    #[cold]
    fn wake_idlers(&self) {
        let woken = {
            let mut idlers = self.idlers.lock();
            // Everybody is woken; whoever finds the gate busy again announces himself anew.
            self.word.fetch_and(!AWAITED, Ordering::AcqRel);
            mem::take(&mut *idlers)
        };
        self.idle.notify_all();
        woken.into_iter().for_each(Waker::wake);
    }
}

fn in_use(word: u64) -> u32 {
    // Never more than the capacity, which is a u32.
    (word / ONE) as u32
}

impl Credits {
    /// How many these are.
    pub fn amount(&self) -> u32 {
        self.amount
    }
}

impl Drop for Credits {
    fn drop(&mut self) {
        self.inner.give_back(self.amount);
    }
}

struct Idle {
    gate: CreditGate,
}

impl Future for Idle {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.gate.poll_idle(cx)
    }
}

impl fmt::Debug for CreditGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreditGate")
            .field("in_use", &self.in_use())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish()
    }
}

impl fmt::Debug for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credits").field(&self.amount).finish()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::pin::pin;
    use std::thread;

    use super::*;

    #[test]
    fn credits_are_taken_all_or_none() {
        for (wanted, taken) in [(0, true), (1, true), (3, true), (4, false), (u32::MAX, false)] {
            let gate = CreditGate::new(3);
            let credits = gate.try_take(wanted);
            assert_eq!(credits.as_ref().map(Credits::amount), taken.then_some(wanted));
            assert_eq!(gate.in_use(), if taken { wanted } else { 0 }, "of 3, {wanted} wanted");
        }
    }

    #[test]
    fn the_greatest_capacity_can_be_used_up() {
        let gate = CreditGate::new(u32::MAX);
        let all = gate.try_take(u32::MAX);
        assert_eq!(gate.in_use(), u32::MAX);
        assert!(gate.try_take(1).is_none());
        drop(all);
        assert_eq!(gate.in_use(), 0);
    }

    #[test]
    fn credits_come_back_one_holder_at_a_time() {
        let gate = CreditGate::new(3);
        let (one, two) = (gate.try_take(1), gate.try_take(2));
        assert!(gate.try_take(1).is_none());
        drop(two);
        assert_eq!(gate.in_use(), 1);
        drop(one);
        assert_eq!(gate.in_use(), 0);
    }

    #[test]
    fn a_closed_gate_gives_nothing_but_takes_back() {
        let gate = CreditGate::new(2);
        let held = gate.try_take(1);
        gate.close();
        assert!(gate.is_closed());
        assert!(gate.try_take(1).is_none());
        assert!(!gate.wait_idle(Some(Duration::ZERO)), "one is still out");
        drop(held);
        assert!(gate.wait_idle(None));
    }

    #[test]
    fn credits_outlive_every_handle_to_their_gate() {
        let credits = CreditGate::new(1).try_take(1).expect("one is free");
        thread::spawn(move || drop(credits)).join().unwrap();
    }

    #[test]
    fn a_task_that_waits_for_idleness_is_ready_when_the_last_credit_is_back() {
        let gate = CreditGate::new(2);
        let (one, two) = (gate.try_take(1), gate.try_take(1));
        let mut cx = Context::from_waker(Waker::noop());
        let mut idle = pin!(gate.idle());
        assert_eq!(idle.as_mut().poll(&mut cx), Poll::Pending);
        drop(one);
        assert_eq!(idle.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(gate.inner.idlers.lock().len(), 1, "a task is enlisted once");
        drop(two);
        assert!(gate.inner.idlers.lock().is_empty(), "and woken");
        assert_eq!(idle.poll(&mut cx), Poll::Ready(()));
    }

    #[test]
    fn many_callers_never_exceed_the_capacity() {
        let gate = CreditGate::new(2);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        if let Some(credits) = gate.try_take(1) {
                            assert!(gate.in_use() <= 2);
                            drop(credits);
                        }
                    }
                });
            }
        });
        assert_eq!(gate.in_use(), 0);
    }

    #[test]
    fn a_gate_says_how_it_stands() {
        let gate = CreditGate::new(3);
        let one = gate.try_take(1);
        assert_eq!((gate.capacity(), gate.in_use(), gate.is_closed()), (3, 1, false));
        assert!(!gate.wait_idle(Some(Duration::ZERO)), "a credit is in use");
        assert!(!gate.is_closed(), "to be waited for is not to be closed");
        assert_eq!(
            format!("{gate:?} {:?}", one.as_ref().unwrap()),
            "CreditGate { in_use: 1, capacity: 3, closed: false } Credits(1)"
        );
        drop(one);
        assert!(!gate.is_closed() && gate.try_take(3).is_some());
        gate.close();
        assert!(gate.is_closed() && gate.try_take(0).is_none());
    }
}
