//! The durable watermark, and everything that waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, mem};

use crate::generation_ended::GenerationEnded;
use crate::primitives::{AtomicU64, Mutex, Ordering, park};
use crate::sleeper::Sleeper;

/// The last sequence known to be durable, and the items that may leave the engine only once it has reached their basis.
///
/// One thread publishes (the journal writer); any number read, park and wait. Checking the watermark and parking an item
/// are one step under one lock, so an item can neither be released early nor be forgotten.
///
/// ```
/// use stockade_sync::{Parked, Watermark};
///
/// let watermark = Watermark::new(0);
/// assert!(matches!(watermark.park(2, "reply of turn 2"), Parked::Waits));
///
/// let mut due = Vec::new();
/// watermark.publish(1, &mut due);
/// assert!(due.is_empty(), "record 2 is not yet on the disk");
/// watermark.publish(2, &mut due);
/// assert_eq!(due, ["reply of turn 2"]);
/// assert!(matches!(watermark.park(2, "a duplicate"), Parked::Due("a duplicate")));
/// ```
pub struct Watermark<T> {
    /// Written under the lock only; read without it.
    durable: AtomicU64,
    waiting: Mutex<Waiting<T>>,
}

struct Waiting<T> {
    /// In ascending order of basis, and of arrival among equals.
    parked: VecDeque<(u64, T)>,
    /// Who sleeps until a sequence is durable.
    sleepers: BTreeMap<u64, Vec<Sleeper>>,
    closed: bool,
}

/// What became of an item given to [`Watermark::park`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an item that is due or refused comes back and has to be answered"]
pub enum Parked<T> {
    /// It waits; [`Watermark::publish`] or [`Watermark::close`] will hand it out.
    Waits,
    /// Its basis is durable already: the caller releases it now.
    Due(T),
    /// The generation has ended: the caller answers `storage_unavailable`.
    Closed(T),
}

impl<T> Watermark<T> {
    /// A watermark at `start`, the last durable sequence of a journal that was just opened (0: it is empty).
    pub fn new(start: u64) -> Self {
        let waiting = Waiting { parked: VecDeque::new(), sleepers: BTreeMap::new(), closed: false };
        Self { durable: AtomicU64::new(start), waiting: Mutex::new(waiting) }
    }

    /// The last durable sequence. One load; whoever sees it also sees everything its publisher did before.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Keeps `item` until `basis` is durable.
    ///
    /// Once the watermark is closed nothing is due any more, however old its basis: a generation that has ended
    /// acknowledges nothing.
    pub fn park(&self, basis: u64, item: T) -> Parked<T> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Parked::Closed(item);
        }
        // The lock is what orders this load: only its holder moves the watermark.
        if basis <= self.durable.load(Ordering::Relaxed) {
            return Parked::Due(item);
        }
        // Bases arrive in nearly ascending order, so the place is at the back or close to it.
        let behind = waiting.parked.iter().rev().take_while(|(other, _)| *other > basis).count();
        let place = waiting.parked.len() - behind;
        waiting.parked.insert(place, (basis, item));
        Parked::Waits
    }

    /// Moves the watermark to `seq` and every item that is due with it to the end of `out`, in order of basis, then of
    /// parking.
    ///
    /// The watermark never moves back: a smaller `seq` does nothing. Nor does anything once it is closed.
    pub fn publish(&self, seq: u64, out: &mut Vec<T>) {
        let woken = {
            let mut waiting = self.waiting.lock();
            if waiting.closed || seq <= self.durable.load(Ordering::Relaxed) {
                return;
            }
            self.durable.store(seq, Ordering::Release);
            let due = waiting.parked.partition_point(|(basis, _)| *basis <= seq);
            out.extend(waiting.parked.drain(..due).map(|(_, item)| item));
            waiting.sleepers_up_to(seq)
        };
        wake_all(woken);
    }

    /// Ends the generation and moves every item still parked to the end of `out`, in order of basis, then of parking.
    ///
    /// They are to be answered `storage_unavailable`: whether their basis reached the disk is unknown.
    pub fn close(&self, out: &mut Vec<T>) {
        let woken = {
            let mut waiting = self.waiting.lock();
            waiting.closed = true;
            out.extend(waiting.parked.drain(..).map(|(_, item)| item));
            mem::take(&mut waiting.sleepers)
        };
        wake_all(woken);
    }

    /// How many items wait.
    pub fn parked(&self) -> usize {
        self.waiting.lock().parked.len()
    }

    /// Blocks the calling thread until `seq` is durable.
    ///
    /// # Errors
    ///
    /// [`GenerationEnded`] when the watermark was closed below `seq`; what is durable stays so, and is no error.
    pub fn wait(&self, seq: u64) -> Result<(), GenerationEnded> {
        loop {
            if let Poll::Ready(reached) = self.reached_or_enlist(seq, Sleeper::this_thread) {
                return reached;
            }
            park();
        }
    }

    /// Whether `seq` is durable; if it is not, the task of `cx` is woken once that is decided.
    ///
    /// A task is enlisted once per sequence however often it polls. It stays so until `seq` is reached or the watermark
    /// is closed, even if it stops waiting: it is then woken in vain.
    pub fn poll_reached(&self, seq: u64, cx: &mut Context<'_>) -> Poll<Result<(), GenerationEnded>> {
        self.reached_or_enlist(seq, || Sleeper::Task(cx.waker().clone()))
    }

    /// A future that is ready once `seq` is durable, or fails once it never will be in this generation.
    pub fn reached(&self, seq: u64) -> Reached<'_, T> {
        Reached { watermark: self, seq }
    }

    fn reached_or_enlist(&self, seq: u64, sleeper: impl FnOnce() -> Sleeper) -> Poll<Result<(), GenerationEnded>> {
        if seq <= self.durable() {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = self.waiting.lock();
        if seq <= self.durable.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        if waiting.closed {
            return Poll::Ready(Err(GenerationEnded));
        }
        let sleeper = sleeper();
        let enlisted = waiting.sleepers.entry(seq).or_default();
        if !enlisted.iter().any(|other| other.is_same(&sleeper)) {
            enlisted.push(sleeper);
        }
        Poll::Pending
    }
}

impl<T> Waiting<T> {
    fn sleepers_up_to(&mut self, seq: u64) -> BTreeMap<u64, Vec<Sleeper>> {
        // Nobody sleeps on the usual path, and then nothing is touched.
        if self.sleepers.first_key_value().is_none_or(|(first, _)| *first > seq) {
            return BTreeMap::new();
        }
        let later = match seq.checked_add(1) {
            Some(next) => self.sleepers.split_off(&next),
            None => BTreeMap::new(),
        };
        mem::replace(&mut self.sleepers, later)
    }
}

/// Wakes outside the lock: a waker may run anything, and whoever is woken wants the lock at once.
fn wake_all(sleepers: BTreeMap<u64, Vec<Sleeper>>) {
    sleepers.into_values().flatten().for_each(Sleeper::wake);
}

impl<T> fmt::Debug for Watermark<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watermark").field("durable", &self.durable()).finish_non_exhaustive()
    }
}

/// The future of [`Watermark::reached`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Reached<'a, T> {
    watermark: &'a Watermark<T>,
    seq: u64,
}

impl<T> Future for Reached<'_, T> {
    type Output = Result<(), GenerationEnded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.watermark.poll_reached(self.seq, cx)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::pin::pin;
    use std::task::Waker;
    use std::thread;

    use super::*;

    fn publish(watermark: &Watermark<&'static str>, seq: u64) -> Vec<&'static str> {
        let mut due = Vec::new();
        watermark.publish(seq, &mut due);
        due
    }

    #[test]
    fn items_leave_in_order_of_basis_and_then_of_parking() {
        let watermark = Watermark::new(0);
        for (basis, item) in [(2, "b"), (5, "e"), (2, "c"), (1, "a"), (4, "d"), (9, "f")] {
            assert_eq!(watermark.park(basis, item), Parked::Waits);
        }
        assert_eq!(publish(&watermark, 2), ["a", "b", "c"]);
        assert_eq!(publish(&watermark, 3), Vec::<&str>::new());
        assert_eq!(publish(&watermark, 5), ["d", "e"]);
        assert_eq!(watermark.parked(), 1);
    }

    #[test]
    fn published_items_are_added_to_what_the_caller_has() {
        let watermark = Watermark::new(0);
        assert_eq!(watermark.park(1, "second"), Parked::Waits);
        let mut out = vec!["first"];
        watermark.publish(1, &mut out);
        assert_eq!(out, ["first", "second"]);
    }

    #[test]
    fn an_item_with_a_durable_basis_is_due_at_once() {
        let watermark = Watermark::new(7);
        for (basis, expected) in [(0, Parked::Due("x")), (7, Parked::Due("x")), (8, Parked::Waits)] {
            assert_eq!(watermark.park(basis, "x"), expected, "basis {basis}");
        }
    }

    #[test]
    fn the_watermark_never_moves_back() {
        let watermark = Watermark::new(3);
        assert_eq!(watermark.park(4, "x"), Parked::Waits);
        assert!(publish(&watermark, 2).is_empty());
        assert_eq!(watermark.durable(), 3);
    }

    #[test]
    fn closing_hands_everything_back_and_nothing_is_due_afterwards() {
        let watermark = Watermark::new(1);
        assert_eq!(watermark.park(3, "late"), Parked::Waits);
        assert_eq!(watermark.park(2, "early"), Parked::Waits);
        let mut refused = Vec::new();
        watermark.close(&mut refused);
        assert_eq!(refused, ["early", "late"]);
        assert_eq!(watermark.park(1, "old"), Parked::Closed("old"));
        assert!(publish(&watermark, 9).is_empty());
        assert_eq!(watermark.durable(), 1, "what is published after the end does not count");
    }

    #[test]
    fn waiting_tells_durable_from_ended() {
        let watermark = Watermark::<()>::new(1);
        watermark.publish(2, &mut Vec::new());
        watermark.close(&mut Vec::new());
        assert_eq!(watermark.wait(2), Ok(()));
        assert_eq!(watermark.wait(3), Err(GenerationEnded));
    }

    #[test]
    fn threads_that_wait_are_released_by_the_sequence_they_wait_for() {
        let watermark = Watermark::<()>::new(0);
        thread::scope(|scope| {
            let watermark = &watermark;
            let waiters = [1, 2, 3, 4].map(|seq| (seq, scope.spawn(move || watermark.wait(seq))));
            for (seq, waiter) in waiters {
                watermark.publish(seq, &mut Vec::new());
                assert_eq!(waiter.join().unwrap(), Ok(()));
            }
        });
    }

    #[test]
    fn a_task_is_ready_once_its_sequence_is_reached_and_enlisted_only_once() {
        let watermark = Watermark::<()>::new(0);
        let mut cx = Context::from_waker(Waker::noop());
        let mut reached = pin!(watermark.reached(2));
        for _ in 0..3 {
            assert_eq!(reached.as_mut().poll(&mut cx), Poll::Pending);
        }
        assert_eq!(watermark.waiting.lock().sleepers[&2].len(), 1);
        watermark.publish(1, &mut Vec::new());
        assert_eq!(reached.as_mut().poll(&mut cx), Poll::Pending);
        watermark.publish(2, &mut Vec::new());
        assert!(watermark.waiting.lock().sleepers.is_empty());
        assert_eq!(reached.poll(&mut cx), Poll::Ready(Ok(())));
    }

    #[test]
    fn the_last_sequence_there_is_can_be_waited_for() {
        let watermark = Watermark::<()>::new(0);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(watermark.poll_reached(u64::MAX, &mut cx), Poll::Pending);
        watermark.publish(u64::MAX, &mut Vec::new());
        assert_eq!(watermark.poll_reached(u64::MAX, &mut cx), Poll::Ready(Ok(())));
    }

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_waits_for_less_than_what_is_durable_is_woken_and_nobody_else() {
        let watermark = Watermark::<&str>::new(0);
        let woken: Vec<_> = (0..4).map(|_| std::sync::Arc::new(Woken::default())).collect();
        for (seq, woken) in [3, 4, 5, 6].into_iter().zip(&woken) {
            let waker = Waker::from(woken.clone());
            assert!(watermark.poll_reached(seq, &mut Context::from_waker(&waker)).is_pending());
        }
        let counts =
            || woken.iter().map(|woken| woken.0.load(std::sync::atomic::Ordering::Relaxed)).collect::<Vec<_>>();
        publish(&watermark, 2);
        assert_eq!(counts(), [0, 0, 0, 0]);
        publish(&watermark, 5);
        assert_eq!(counts(), [1, 1, 1, 0]);
        publish(&watermark, 6);
        assert_eq!(counts(), [1, 1, 1, 1], "each once");
    }

    #[test]
    fn a_watermark_says_how_it_stands() {
        let watermark = Watermark::<&str>::new(4);
        assert_eq!((watermark.parked(), format!("{watermark:?}")), (0, "Watermark { durable: 4, .. }".to_owned()));
        [5, 6].into_iter().for_each(|basis| assert_eq!(watermark.park(basis, "x"), Parked::Waits));
        assert_eq!(watermark.parked(), 2);
    }
}
