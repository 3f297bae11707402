//! Which try of a home this partition has heard of, so that a message that was slow, or came twice, is known as old.
//!
//! A home numbers what it asks of other partitions, always upwards. Nothing of this is recorded: when the machine goes
//! down, so does every message that was on its way.

use std::hash::Hash;

use rustc_hash::FxHashMap;
use stockade_domain::Timestamp;

/// So many tries are remembered before old ones are forgotten.
const REMEMBERED: usize = 16_384;
/// How long a message can be on its way, in seconds.
const UNDER_WAY_SECONDS: u32 = 300;

struct Latest {
    attempt: u64,
    /// It was answered, or taken back before it could be.
    is_done: bool,
    at: Timestamp,
}

/// The latest try for each of what was asked for.
pub(super) struct Tries<K> {
    latest: FxHashMap<K, Latest>,
    /// Old ones are looked for when there are more than these.
    forget_beyond: usize,
}

impl<K> Default for Tries<K> {
    fn default() -> Self {
        Self { latest: FxHashMap::default(), forget_beyond: REMEMBERED }
    }
}

impl<K: Eq + Hash> Tries<K> {
    /// All that is remembered, in no order: what was asked for, the latest try, whether it is done, and when it came.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&K, u64, bool, Timestamp)> {
        self.latest.iter().map(|(key, latest)| (key, latest.attempt, latest.is_done, latest.at))
    }

    /// The number of the latest try; 0 if none is known.
    pub(super) fn latest(&self, key: &K) -> u64 {
        self.latest.get(key).map_or(0, |latest| latest.attempt)
    }

    /// Whether a question is older than what is known here: a later try has asked, or this one's was done, and what it
    /// asked for `is_held` no more.
    pub(super) fn is_old(&self, key: &K, attempt: u64, is_held: impl FnOnce() -> bool) -> bool {
        let Some(latest) = self.latest.get(key) else { return false };
        attempt < latest.attempt || attempt == latest.attempt && latest.is_done && !is_held()
    }

    /// A try has asked; it `is_done` if it need not be answered again once what it holds is gone.
    pub(super) fn note(&mut self, key: K, attempt: u64, is_done: bool, at: Timestamp) {
        if self.latest.len() >= self.forget_beyond {
            self.latest.retain(|_, latest| latest.at.plus_seconds(UNDER_WAY_SECONDS) > at);
            // When few were old, the next look would find few again: it waits until there are twice as many.
            self.forget_beyond = REMEMBERED.max(2 * self.latest.len());
        }
        self.latest.insert(key, Latest { attempt, is_done, at });
    }

    /// A try is taken back; false if a later one has asked, which stays. Its own question is too late from now on.
    pub(super) fn take_back(&mut self, key: K, attempt: u64, at: Timestamp) -> bool {
        let is_latest = attempt >= self.latest(&key);
        if is_latest {
            self.note(key, attempt, true, at);
        }
        is_latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_try_is_old_and_so_is_one_whose_answer_was_used_up() {
        let (mut tries, at) = (Tries::default(), Timestamp(0));
        assert!(!tries.is_old(&"a", 5, || false), "the first is new");
        tries.note("a", 5, true, at);
        assert!(tries.is_old(&"a", 4, || true) && !tries.is_old(&"a", 6, || false));
        assert!(!tries.is_old(&"a", 5, || true), "what is held is told again");
        assert!(tries.is_old(&"a", 5, || false), "what is gone is not held again");
        tries.note("b", 5, false, at);
        assert!(!tries.is_old(&"b", 5, || false), "what was not done may still be");
        assert!(!tries.take_back("a", 4, at) && tries.take_back("b", 5, at));
        assert!(tries.is_old(&"b", 5, || false), "it was taken back before it came");
    }

    /// Looking through all of them for each message made a busy partition quadratic.
    #[test]
    fn old_tries_are_forgotten_and_young_ones_are_not_looked_through_each_time() {
        let mut tries = Tries::default();
        let many = 3 * REMEMBERED;
        (0..many).for_each(|key| tries.note(key, 1, false, Timestamp(0)));
        assert_eq!(tries.latest.len(), many, "all are young");
        assert!(tries.forget_beyond > REMEMBERED);
        let later = Timestamp(0).plus_seconds(UNDER_WAY_SECONDS + 1);
        (many..3 * many).for_each(|key| tries.note(key, 1, false, later));
        assert!(tries.latest.len() <= 2 * many, "the old ones are gone");
        assert_eq!(tries.latest(&0), 0);
    }
}
