//! The facade of `sync/src/primitives.rs` over loom's types: the same items, the same signatures.

use std::sync::PoisonError;
use std::time::Duration;

pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
pub(crate) use loom::sync::{Arc, MutexGuard};
pub(crate) use loom::thread::{Thread, current, park};

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    /// Loom has no clock: a deadline never passes, so a lost notification is a deadlock that loom reports.
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>, _deadline: &Deadline) -> (MutexGuard<'a, T>, bool) {
        (self.0.wait(guard).unwrap_or_else(PoisonError::into_inner), false)
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[derive(Debug)]
pub(crate) struct Deadline;

impl Deadline {
    pub(crate) fn after(_timeout: Option<Duration>) -> Self {
        Self
    }
}
