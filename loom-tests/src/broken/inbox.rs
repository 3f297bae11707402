//! Role and twins of [`Inbox`].

use std::collections::VecDeque;
use std::mem;

use crate::inbox::Inbox;
use crate::primitives::Mutex;

/// Takes items from many to one.
pub trait Receives: Send + Sync + 'static {
    /// See [`Inbox::push`].
    fn push(&self, item: u64) -> Result<bool, u64>;
    /// See [`Inbox::push_many`]; none: it is closed, and the items are untouched.
    fn push_many(&self, items: &mut Vec<u64>) -> Option<bool>;
    /// See [`Inbox::drain`]; everything.
    fn drain(&self, out: &mut VecDeque<u64>);
    /// See [`Inbox::rest`].
    fn rest(&self) -> bool;
    /// See [`Inbox::close`].
    fn close(&self) -> Vec<u64>;
}

impl Receives for Inbox<u64> {
    fn push(&self, item: u64) -> Result<bool, u64> {
        self.push(item)
    }

    fn push_many(&self, items: &mut Vec<u64>) -> Option<bool> {
        self.push_many(items).ok()
    }

    fn drain(&self, out: &mut VecDeque<u64>) {
        self.drain(out, usize::MAX);
    }

    fn rest(&self) -> bool {
        self.rest()
    }

    fn close(&self) -> Vec<u64> {
        self.close()
    }
}

/// What is wrong with a [`BrokenInbox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The consumer goes to rest whatever has come since it drained.
    RestsWithoutLooking,
    /// A push wakes whenever the queue was empty, resting or not.
    WakesTheWakeful,
    /// Closing takes what is left first and refuses pushes later.
    ClosesInTwoSteps,
    /// Several items are pushed one by one.
    PushesOneByOne,
    /// Several items wake nobody.
    WakesNobody,
}

/// An inbox with one bug.
#[derive(Debug)]
pub struct BrokenInbox {
    bug: Bug,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: VecDeque<u64>,
    resting: bool,
    closed: bool,
}

impl BrokenInbox {
    /// An empty one, whose consumer rests.
    pub fn new(bug: Bug) -> Self {
        Self { bug, inner: Mutex::new(Inner { queue: VecDeque::new(), resting: true, closed: false }) }
    }
}

impl Receives for BrokenInbox {
    fn push(&self, item: u64) -> Result<bool, u64> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(item);
        }
        let was_empty = inner.queue.is_empty();
        inner.queue.push_back(item);
        let was_resting = mem::replace(&mut inner.resting, false);
        // BUG with `WakesTheWakeful`: a batch costs a wake-up for every time that the consumer has drained.
        Ok(if self.bug == Bug::WakesTheWakeful { was_empty } else { was_resting })
    }

    fn push_many(&self, items: &mut Vec<u64>) -> Option<bool> {
        if self.bug == Bug::PushesOneByOne {
            // BUG: others come in between, and what is left of a refused batch is not all of it.
            let pushed: Result<Vec<bool>, u64> = items.drain(..).map(|item| self.push(item)).collect();
            return pushed.ok().map(|wakes| wakes.contains(&true));
        }
        let mut inner = self.inner.lock();
        if inner.closed {
            return None;
        }
        inner.queue.extend(items.drain(..));
        let was_resting = mem::replace(&mut inner.resting, false);
        // BUG with `WakesNobody`: a consumer that rests sleeps beside them.
        Some(was_resting && self.bug != Bug::WakesNobody)
    }

    fn drain(&self, out: &mut VecDeque<u64>) {
        out.append(&mut self.inner.lock().queue);
    }

    fn rest(&self) -> bool {
        let mut inner = self.inner.lock();
        // BUG with `RestsWithoutLooking`: the push of what has come meanwhile has woken nobody.
        inner.resting = self.bug == Bug::RestsWithoutLooking || inner.queue.is_empty();
        inner.resting
    }

    fn close(&self) -> Vec<u64> {
        let mut inner = self.inner.lock();
        let left = mem::take(&mut inner.queue);
        if self.bug == Bug::ClosesInTwoSteps {
            drop(inner);
            // BUG: what is pushed here is neither refused nor handed back.
            inner = self.inner.lock();
        }
        inner.closed = true;
        left.into()
    }
}
