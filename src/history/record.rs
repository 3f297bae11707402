//! The recorder: when each request was asked and answered, by a counter that all clients share.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// One request as a client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<Q, A> {
    /// What was asked.
    pub asked: Q,
    /// When, on the recorder's counter.
    pub asked_at: u64,
    /// The answer and when it came; none: nobody knows whether it was carried out, or will be.
    pub answered: Option<(A, u64)>,
}

/// Records what clients ask and are answered. Many threads may share one.
#[derive(Debug)]
pub struct Recorder<Q, A> {
    counter: AtomicU64,
    requests: Mutex<Vec<Request<Q, A>>>,
}

impl<Q, A> Default for Recorder<Q, A> {
    fn default() -> Self {
        Self { counter: AtomicU64::new(0), requests: Mutex::default() }
    }
}

/// A request that is under way. Dropped without an answer, its outcome is unknown.
#[derive(Debug)]
#[must_use = "say what was answered, or that it is unknown"]
pub struct Asked<'a, Q, A> {
    recorder: &'a Recorder<Q, A>,
    index: usize,
}

impl<Q, A> Recorder<Q, A> {
    /// To be called before the request is sent.
    pub fn asked(&self, what: Q) -> Asked<'_, Q, A> {
        let mut requests = self.requests.lock();
        let asked_at = self.tick();
        requests.push(Request { asked: what, asked_at, answered: None });
        Asked { recorder: self, index: requests.len() - 1 }
    }

    fn tick(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::SeqCst)
    }

    /// Everything so far, in the order in which it was asked.
    pub fn history(&self) -> Vec<Request<Q, A>>
    where
        Q: Clone,
        A: Clone,
    {
        self.requests.lock().clone()
    }
}

impl<Q, A> Asked<'_, Q, A> {
    /// To be called after the answer was received.
    pub fn answered(self, answer: A) {
        let at = self.recorder.tick();
        self.recorder.requests.lock()[self.index].answered = Some((answer, at));
    }

    /// The connection broke, or the answer said so.
    pub fn unknown(self) {}
}
