//! The facts under way to an endpoint: several at once, of each subject one, in their order.

use std::collections::VecDeque;

use crate::engine::Fact;

/// Facts that are looked at beyond the first that was not told yet.
const FACTS_MAX: usize = 64;
/// Facts that are told at once.
const TOLD_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waits,
    UnderWay,
    Done,
}

/// The window. Generic over what it moves, so that its rules can be tested alone.
pub(super) struct Window<T> {
    entries: VecDeque<(T, State)>,
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
        Self { entries: VecDeque::new(), first: 0, done_to }
    }

    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < FACTS_MAX
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
        self.entries.push_back((fact, if is_wanted { State::Waits } else { State::Done }));
        self.let_go();
    }

    /// Facts that may be told now, with their numbers: none of the same subject before them is still to be told.
    pub(super) fn start(&mut self) -> Vec<(u64, &T)> {
        let under_way = self.entries.iter().filter(|(_, state)| *state == State::UnderWay).count();
        let mut busy: Vec<String> = Vec::new();
        let mut starting = Vec::new();
        for (at, (fact, state)) in self.entries.iter().enumerate() {
            if *state == State::Done {
                continue;
            }
            let is_free = !busy.iter().any(|subject| subject == fact.subject());
            if *state == State::Waits && is_free && under_way + starting.len() < TOLD_MAX {
                starting.push(at);
            }
            busy.push(fact.subject().to_owned());
        }
        starting.iter().for_each(|at| self.entries[*at].1 = State::UnderWay);
        starting.into_iter().map(|at| (self.first + at as u64, &self.entries[at].0)).collect()
    }

    /// The fact with this number was told, or given up.
    pub(super) fn done(&mut self, number: u64) {
        self.entries[(number - self.first) as usize].1 = State::Done;
        self.let_go();
    }

    fn let_go(&mut self) {
        while self.entries.front().is_some_and(|(_, state)| *state == State::Done) {
            let (fact, _) = self.entries.pop_front().expect("it was just seen");
            self.first += 1;
            self.done_to = fact.ends().unwrap_or(self.done_to);
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

    #[test]
    fn a_window_has_an_end_and_so_has_what_is_told_at_once() {
        let names: Vec<&'static str> = vec!["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let mut window = Window::new(0);
        (0..FACTS_MAX).for_each(|n| window.push(Fact(names[n % names.len()], Some(n as u64 + 1)), true));
        assert!(!window.has_room());
        assert_eq!(started(&mut window).len(), TOLD_MAX);
    }
}
