//! Role and twins of [`GroupBuffer`].

use std::mem;

use crate::group_buffer::{Group, GroupBuffer, Taken};
use crate::primitives::{AtomicU64, Condvar, Deadline, Mutex, MutexGuard, Ordering};

/// Numbers turns and hands them over in groups. In the models a record is one byte.
pub trait Groups: Send + Sync + 'static {
    /// See [`GroupBuffer::append`]: the first and the last sequence of the turn.
    fn append(&self, turn: &[u8]) -> Option<(u64, u64)>;
    /// See [`GroupBuffer::observe`]: the last sequence so far.
    fn observe(&self) -> Option<u64>;
    /// See [`GroupBuffer::take`].
    fn take(&self, group: &mut Group) -> bool;
    /// See [`GroupBuffer::wait_take`].
    fn wait_take(&self, group: &mut Group) -> Taken;
    /// See [`GroupBuffer::fail`].
    fn fail(&self);
    /// See [`GroupBuffer::close`].
    fn close(&self);
}

impl Groups for GroupBuffer {
    fn append(&self, turn: &[u8]) -> Option<(u64, u64)> {
        self.append(turn, turn.len() as u32).ok().map(|appended| (appended.first(), appended.last()))
    }

    fn observe(&self) -> Option<u64> {
        self.observe().ok().map(|observed| observed.last())
    }

    fn take(&self, group: &mut Group) -> bool {
        self.take(group)
    }

    fn wait_take(&self, group: &mut Group) -> Taken {
        self.wait_take(group, None)
    }

    fn fail(&self) {
        self.fail();
    }

    fn close(&self) {
        self.close();
    }
}

/// What is wrong with a [`BrokenGroupBuffer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Sequences are fixed before the lock is taken, bytes are copied under it.
    NumbersOutsideTheLock,
    /// What was appended so far is looked up without the lock.
    ObservesWithoutTheLock,
    /// The lock is released between two records of a turn.
    AppendsRecordByRecord,
    /// The writer finds nothing, lets go of the lock, and takes it again to sleep.
    SleepsWithoutLooking,
    /// Failing empties the buffer first and refuses appends later.
    FailsInTwoSteps,
    /// The end of the buffer is told before what is left in it.
    ClosesBeforeItIsEmpty,
}

/// A group buffer with one bug.
#[derive(Debug)]
pub struct BrokenGroupBuffer {
    bug: Bug,
    next: AtomicU64,
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    taken_to: u64,
    closed: bool,
    failed: bool,
}

impl BrokenGroupBuffer {
    /// An empty one.
    pub fn new(bug: Bug) -> Self {
        Self { bug, next: AtomicU64::new(1), inner: Mutex::new(Inner::default()), filled: Condvar::new() }
    }

    fn copy(&self, mut inner: MutexGuard<'_, Inner>, bytes: &[u8]) {
        inner.bytes.extend_from_slice(bytes);
        drop(inner);
        self.filled.notify_one();
    }
}

impl Groups for BrokenGroupBuffer {
    fn append(&self, turn: &[u8]) -> Option<(u64, u64)> {
        let count = turn.len() as u64;
        if self.bug == Bug::NumbersOutsideTheLock {
            let first = self.next.fetch_add(count, Ordering::AcqRel);
            // BUG: another turn with later numbers may be copied here.
            self.copy(self.inner.lock(), turn);
            return Some((first, first + count - 1));
        }
        let inner = self.inner.lock();
        if inner.closed || inner.failed {
            return None;
        }
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        if self.bug == Bug::AppendsRecordByRecord {
            self.copy(inner, &turn[..1]);
            for record in turn[1..].chunks(1) {
                // BUG: the writer, or another turn, may come between.
                self.copy(self.inner.lock(), record);
            }
        } else {
            self.copy(inner, turn);
        }
        Some((first, first + count - 1))
    }

    fn observe(&self) -> Option<u64> {
        let _inner = (self.bug != Bug::ObservesWithoutTheLock).then(|| self.inner.lock());
        // BUG without the lock: this may be what was there before the turn whose effect was seen.
        Some(self.next.load(Ordering::Relaxed) - 1)
    }

    fn take(&self, group: &mut Group) -> bool {
        group.bytes.clear();
        swap_into(&mut self.inner.lock(), group)
    }

    fn wait_take(&self, group: &mut Group) -> Taken {
        group.bytes.clear();
        let mut inner = self.inner.lock();
        loop {
            // BUG with `ClosesBeforeItIsEmpty`: turns that were acknowledged with a token are never written.
            if self.bug == Bug::ClosesBeforeItIsEmpty && inner.closed {
                return Taken::Closed;
            }
            if swap_into(&mut inner, group) {
                return Taken::Group;
            }
            if inner.closed {
                return Taken::Closed;
            }
            if self.bug == Bug::SleepsWithoutLooking {
                drop(inner);
                // BUG: a turn appended here notifies nobody.
                inner = self.inner.lock();
            }
            (inner, _) = self.filled.wait(inner, &Deadline::after(None));
        }
    }

    fn fail(&self) {
        self.inner.lock().bytes.clear();
        // BUG: a turn appended here is written after the gap that the failed write has left.
        self.inner.lock().failed = true;
    }

    fn close(&self) {
        self.inner.lock().closed = true;
        self.filled.notify_all();
    }
}

fn swap_into(inner: &mut Inner, group: &mut Group) -> bool {
    if inner.bytes.is_empty() {
        return false;
    }
    mem::swap(&mut inner.bytes, &mut group.bytes);
    group.first = inner.taken_to + 1;
    group.records = group.bytes.len() as u32;
    inner.taken_to += group.bytes.len() as u64;
    true
}
