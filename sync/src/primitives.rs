//! The facade: the only place in this crate that names a lock, an atomic, a thread or an `Arc`.
//!
//! `loom-tests` has a module of the same name and the same items over loom's types, and compiles every other file of this
//! crate against it. An item added here has to be added there.

use std::time::{Duration, Instant};

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::thread::{Thread, current, park};

pub(crate) use parking_lot::MutexGuard;

/// A mutex without poisoning: a panic elsewhere must not take the engine's answers with it.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock()
    }
}

/// A condition variable that takes and gives back the guard, as loom's does.
#[derive(Debug, Default)]
pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(parking_lot::Condvar::new())
    }

    /// Waits until notified or until the deadline has passed; true with the guard means that it has passed.
    pub(crate) fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>, deadline: &Deadline) -> (MutexGuard<'a, T>, bool) {
        let timed_out = match deadline.0 {
            Some(at) => self.0.wait_until(&mut guard, at).timed_out(),
            None => {
                self.0.wait(&mut guard);
                false
            }
        };
        (guard, timed_out)
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// When a blocking wait gives up. It bounds how long a thread sleeps and decides nothing, so it is no engine time.
#[derive(Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// No timeout, and a timeout beyond the reach of the clock, both mean "never".
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }
}
