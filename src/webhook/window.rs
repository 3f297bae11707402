//! The facts under way to an endpoint: of each subject one, in their order. A fact that is not taken holds up its subject,
//! not the others, within bounds.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::engine::Fact;

/// Facts that are still to be told.
const OPEN_MAX: usize = 1_024;
/// Facts beyond the first that is still to be told, those included that were.
const FACTS_MAX: usize = 262_144;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waits,
    UnderWay,
    Done,
}

/// A place in the window; what was told leaves only its end there.
struct Entry<T> {
    fact: Option<T>,
    state: State,
    ends: Option<u64>,
}

/// The window. Generic over what it moves, so that its rules can be tested alone.
pub(super) struct Window<T> {
    entries: VecDeque<Entry<T>>,
    /// Numbers of the facts of each subject that are still to be told, in their order.
    open: FxHashMap<String, VecDeque<u64>>,
    /// How many these are.
    open_count: usize,
    /// Facts that may be told.
    ready: Vec<u64>,
    /// The number of the first entry.
    first: u64,
    /// Everything up to this sequence is done.
    done_to: u64,
}

/// What a window needs to know of a fact.
pub(super) trait Told {
    fn subject(&self) -> &str;
    /// Its record's sequence, if it is the last of its record.
    fn ends(&self) -> Option<u64>;
}

impl Told for Fact {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn ends(&self) -> Option<u64> {
        self.resume_after()
    }
}

impl<T: Told> Window<T> {
    pub(super) fn new(done_to: u64) -> Self {
        let (entries, open, ready) = (VecDeque::new(), FxHashMap::default(), Vec::new());
        Self { entries, open, open_count: 0, ready, first: 0, done_to }
    }

    pub(super) fn has_room(&self) -> bool {
        self.open_count < OPEN_MAX && self.entries.len() < FACTS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Everything up to this sequence is done.
    pub(super) const fn done_to(&self) -> u64 {
        self.done_to
    }

    /// The next fact; one that is not wanted is done.
    pub(super) fn push(&mut self, fact: T, is_wanted: bool) {
        let (number, ends) = (self.first + self.entries.len() as u64, fact.ends());
        if is_wanted {
            let of_subject = self.open.entry(fact.subject().to_owned()).or_default();
            of_subject.push_back(number);
            if of_subject.len() == 1 {
                self.ready.push(number);
            }
            self.open_count += 1;
            self.entries.push_back(Entry { fact: Some(fact), state: State::Waits, ends });
        } else {
            self.entries.push_back(Entry { fact: None, state: State::Done, ends });
            self.let_go();
        }
    }

    /// Facts that may be told now, with their numbers: none of the same subject before them is still to be told.
    pub(super) fn start(&mut self) -> Vec<(u64, &T)> {
        let ready = std::mem::take(&mut self.ready);
        ready.iter().for_each(|number| self.entries[(number - self.first) as usize].state = State::UnderWay);
        let fact = |number: u64| self.entries[(number - self.first) as usize].fact.as_ref().map(|fact| (number, fact));
        ready.into_iter().filter_map(fact).collect()
    }

    /// The fact with this number was told, or given up.
    pub(super) fn done(&mut self, number: u64) {
        let entry = &mut self.entries[(number - self.first) as usize];
        debug_assert_eq!(entry.state, State::UnderWay, "only what is under way ends");
        entry.state = State::Done;
        let Some(fact) = entry.fact.take() else { return };
        self.open_count -= 1;
        if let Some(of_subject) = self.open.get_mut(fact.subject()) {
            of_subject.pop_front();
            match of_subject.front() {
                Some(next) => self.ready.push(*next),
                None => drop(self.open.remove(fact.subject())),
            }
        }
        self.let_go();
    }

    fn let_go(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.state == State::Done) {
            let entry = self.entries.pop_front().expect("it was just seen");
            self.first += 1;
            self.done_to = entry.ends.unwrap_or(self.done_to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fact(&'static str, Option<u64>);

    impl Told for Fact {
        fn subject(&self) -> &str {
            self.0
        }

        fn ends(&self) -> Option<u64> {
            self.1
        }
    }

    fn started(window: &mut Window<Fact>) -> Vec<u64> {
        window.start().into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn of_each_subject_one_is_under_way_and_the_cursor_follows_whole_records() {
        let mut window = Window::new(4);
        for (subject, ends) in [("a", None), ("a", Some(5)), ("b", Some(6)), ("a", Some(7))] {
            window.push(Fact(subject, ends), true);
        }
        assert_eq!(started(&mut window), [0, 2]);
        assert_eq!(started(&mut window), [] as [u64; 0]);
        window.done(2);
        assert_eq!((window.done_to(), started(&mut window)), (4, vec![]));
        window.done(0);
        assert_eq!((window.done_to(), started(&mut window)), (4, vec![1]));
        window.done(1);
        assert_eq!((window.done_to(), started(&mut window)), (6, vec![3]));
        window.done(3);
        assert!(window.is_empty() && window.done_to() == 7);
    }

    #[test]
    fn what_nobody_wants_moves_the_cursor_and_is_not_told() {
        let mut window = Window::new(0);
        window.push(Fact("a", Some(1)), false);
        assert_eq!((window.done_to(), started(&mut window)), (1, vec![]));
    }

    /// One order whose facts were refused kept 269 others waiting.
    #[test]
    fn a_fact_that_is_not_taken_holds_up_its_subject_and_nobody_else_until_there_is_no_room() {
        let mut window = Window::new(0);
        window.push(Fact("stuck", Some(1)), true);
        assert_eq!(started(&mut window), [0]);
        for n in 1..10_000 {
            assert!(window.has_room());
            window.push(Fact("other", Some(n + 1)), true);
            assert_eq!(started(&mut window), [n]);
            window.done(n);
        }
        assert_eq!(window.done_to(), 0, "the cursor waits for it");
        while window.has_room() {
            window.push(Fact("stuck", None), true);
        }
        assert_eq!((window.open_count, started(&mut window)), (OPEN_MAX, vec![]));
        window.done(0);
        assert_eq!((window.done_to(), started(&mut window)), (10_000, vec![10_000]));
    }
}
