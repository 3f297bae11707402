//! The search for an order that explains a history.
//!
//! From left to right: of the requests that are not in the order yet, any may come next that was asked before the first of
//! them was answered. What was tried, which requests and what they led to, is remembered, so that each combination is
//! tried once. Requests of unknown outcome may come anywhere after they were asked, or never.

use std::fmt::Debug;
use std::hash::Hash;

use rustc_hash::FxHashSet;

use super::record::Request;

/// Something that does one thing after the other.
pub trait Spec {
    /// What it remembers.
    type State: Clone + Eq + Hash;
    /// What it is asked.
    type Request: Clone + Debug;
    /// What it answers.
    type Answer: Clone + Debug;

    /// At the beginning.
    fn start(&self) -> Self::State;

    /// The state after a request with this answer; none if it cannot answer so now. Without an answer, it was carried out
    /// and nobody knows.
    fn after(&self, state: &Self::State, asked: &Self::Request, answer: Option<&Self::Answer>) -> Option<Self::State>;
}

/// Why a history is not that of one actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLinearizable {
    /// No order explains all answers. The longest attempt could not go on to this request.
    #[error(
        "no order of {requests} requests explains their answers; after {explained} of them none explains {stuck_at}"
    )]
    NoOrder {
        /// How many there are.
        requests: usize,
        /// How many the longest attempt explained.
        explained: usize,
        /// The first to have been answered of those that it did not explain.
        stuck_at: String,
    },
    /// More requests were under way at once than the search can tell apart: record shorter pieces, or fewer clients.
    #[error("more than {limit} requests were under way at once, or of unknown outcome")]
    TooManyAtOnce {
        /// How many can be.
        limit: u32,
    },
}

/// Requests that can be under way at once, and that can be of unknown outcome.
const AT_ONCE_MAX: u32 = u128::BITS;

/// What is in the order so far: all answered requests below `first`, those of the mask from there, and these of unknown
/// outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Taken {
    first: usize,
    more: u128,
    unknown: u128,
}

impl Taken {
    fn has(&self, at: usize) -> bool {
        at < self.first || at - self.first < AT_ONCE_MAX as usize && self.more >> (at - self.first) & 1 == 1
    }

    fn with(mut self, at: usize) -> Self {
        self.more |= 1 << (at - self.first);
        let ones = self.more.trailing_ones();
        self.first += ones as usize;
        self.more = self.more.checked_shr(ones).unwrap_or(0);
        self
    }

    fn count(&self) -> usize {
        self.first + self.more.count_ones() as usize
    }
}

/// Whether there is an order of these requests that explains every answer, in which no request comes before one that was
/// answered before it was asked.
///
/// # Errors
///
/// There is none, or the search cannot tell.
pub fn check<S: Spec>(spec: &S, history: Vec<Request<S::Request, S::Answer>>) -> Result<(), NotLinearizable> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for request in history {
        match request.answered {
            Some((answer, at)) => known.push((request.asked_at, at, request.asked, answer)),
            None => unknown.push((request.asked_at, request.asked)),
        }
    }
    known.sort_by_key(|(asked_at, ..)| *asked_at);
    if unknown.len() > AT_ONCE_MAX as usize {
        return Err(NotLinearizable::TooManyAtOnce { limit: AT_ONCE_MAX });
    }
    let start = (Taken { first: 0, more: 0, unknown: 0 }, spec.start());
    let mut tried = FxHashSet::default();
    tried.insert(start.clone());
    let mut open = vec![start];
    let (mut explained, mut stuck_at) = (0, None);
    while let Some((taken, state)) = open.pop() {
        if taken.first == known.len() {
            return Ok(());
        }
        let missing = |at: &usize| !taken.has(*at);
        let mut first_answer = u64::MAX;
        let mut candidates = Vec::new();
        for at in (taken.first..known.len()).filter(missing) {
            if known[at].0 > first_answer {
                break;
            }
            if known[at].1 < first_answer {
                first_answer = known[at].1;
                if taken.count() >= explained {
                    (explained, stuck_at) = (taken.count(), Some(at));
                }
            }
            candidates.push(at);
        }
        for (at, (asked_at, asked)) in unknown.iter().enumerate() {
            if *asked_at < first_answer
                && taken.unknown >> at & 1 == 0
                && let Some(next) = spec.after(&state, asked, None)
            {
                let next = (Taken { unknown: taken.unknown | 1 << at, ..taken }, next);
                if next.1 != state && tried.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        // The first to be answered is tried first: it is pushed last.
        candidates.sort_by_key(|at| std::cmp::Reverse(known[*at].1));
        for at in candidates.into_iter().filter(|at| known[*at].0 < first_answer) {
            if at - taken.first >= AT_ONCE_MAX as usize {
                return Err(NotLinearizable::TooManyAtOnce { limit: AT_ONCE_MAX });
            }
            let (_, _, asked, answer) = &known[at];
            if let Some(next) = spec.after(&state, asked, Some(answer)) {
                let next = (taken.with(at), next);
                if tried.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    let told = |at: usize| format!("{:?} -> {:?}", known[at].2, known[at].3);
    Err(NotLinearizable::NoOrder {
        requests: known.len() + unknown.len(),
        explained,
        stuck_at: stuck_at.map(told).unwrap_or_default(),
    })
}
