//! Roles and twins of [`once_reply`](crate::once_reply::once_reply).

use std::mem;

use crate::once_reply::{Abandoned, ReplyReceiver, ReplySender};
use crate::primitives::{Arc, Mutex, Thread, current, park};

/// The end that answers.
pub trait Sends: 'static {
    /// See [`ReplySender::send`].
    fn send(self, value: u64);
}

/// The end that waits.
pub trait Receives: 'static {
    /// See [`ReplyReceiver::wait`].
    fn wait(self) -> Result<u64, Abandoned>;
}

impl Sends for ReplySender<u64> {
    fn send(self, value: u64) {
        self.send(value);
    }
}

impl Receives for ReplyReceiver<u64> {
    fn wait(self) -> Result<u64, Abandoned> {
        self.wait()
    }
}

/// What is wrong with a broken reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The receiver looks, lets go of the lock, and takes it again to say that it sleeps.
    LooksThenSleeps,
    /// The sender looks who sleeps, lets go of the lock, and takes it again to answer.
    WakesThenSends,
    /// The sender says nothing when it is dropped.
    DropsSilently,
}

#[derive(Debug, Default)]
struct State {
    settled: Option<Result<u64, Abandoned>>,
    sleeper: Option<Thread>,
}

/// The sender of a broken reply.
#[derive(Debug)]
pub struct BrokenSender {
    bug: Bug,
    state: Option<Arc<Mutex<State>>>,
}

/// The receiver of a broken reply.
#[derive(Debug)]
pub struct BrokenReceiver {
    bug: Bug,
    state: Arc<Mutex<State>>,
}

/// A reply with one bug.
pub fn broken_reply(bug: Bug) -> (BrokenSender, BrokenReceiver) {
    let state = Arc::new(Mutex::new(State::default()));
    (BrokenSender { bug, state: Some(state.clone()) }, BrokenReceiver { bug, state })
}

impl Sends for BrokenSender {
    fn send(mut self, value: u64) {
        let Some(state) = self.state.take() else { return };
        let mut guard = state.lock();
        let sleeper = guard.sleeper.take();
        if self.bug == Bug::WakesThenSends {
            drop(guard);
            // BUG: a receiver that goes to sleep here is woken by nobody.
            guard = state.lock();
        }
        guard.settled = Some(Ok(value));
        drop(guard);
        sleeper.inspect(Thread::unpark);
    }
}

impl Drop for BrokenSender {
    fn drop(&mut self) {
        if let (Some(state), true) = (self.state.take(), self.bug != Bug::DropsSilently) {
            let mut guard = state.lock();
            guard.settled = Some(Err(Abandoned));
            let sleeper = mem::take(&mut guard.sleeper);
            drop(guard);
            sleeper.inspect(Thread::unpark);
        }
    }
}

impl Receives for BrokenReceiver {
    fn wait(self) -> Result<u64, Abandoned> {
        loop {
            let mut guard = self.state.lock();
            if let Some(settled) = guard.settled.take() {
                return settled;
            }
            if self.bug == Bug::LooksThenSleeps {
                drop(guard);
                // BUG: a reply sent here finds nobody to wake.
                guard = self.state.lock();
            }
            guard.sleeper = Some(current());
            drop(guard);
            park();
        }
    }
}
