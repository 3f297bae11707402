//! A partition's inbox: many push, one drains, and a batch costs one wake-up.

use std::collections::VecDeque;
use std::{error, fmt, mem};

use crate::primitives::Mutex;

/// An unbounded queue of many producers and one consumer that says when the consumer has to be woken.
///
/// It wakes nobody itself: a push answers `true` to exactly one producer per rest of the consumer, and that one wakes it (by
/// a message, a waker, an unpark). What is in flight is bounded by the credits taken at admission, not here.
///
/// The consumer's loop is: [`drain`](Self::drain) and work until nothing comes, then [`rest`](Self::rest); when that says
/// `false` something has come meanwhile and nobody will wake it, so it goes on.
///
/// ```
/// use std::collections::VecDeque;
/// use stockade_sync::Inbox;
///
/// let inbox = Inbox::new();
/// assert_eq!(inbox.push("a"), Ok(true), "the consumer rests until it is first woken");
/// assert_eq!(inbox.push("b"), Ok(false), "it is being woken");
///
/// let mut batch = VecDeque::new();
/// assert_eq!(inbox.drain(&mut batch, usize::MAX), 2);
/// assert!(inbox.rest());
/// assert_eq!(inbox.push("c"), Ok(true));
/// ```
pub struct Inbox<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    queue: VecDeque<T>,
    resting: bool,
    closed: bool,
}

/// The inbox is closed: its partition is gone. What was to be pushed is still the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxClosed;

impl<T> Inbox<T> {
    /// An empty inbox whose consumer rests.
    pub fn new() -> Self {
        Self { inner: Mutex::new(Inner { queue: VecDeque::new(), resting: true, closed: false }) }
    }

    /// Adds `item` at the end. True: the consumer rests, and the caller has to wake it.
    ///
    /// # Errors
    ///
    /// The item itself, once the inbox is closed.
    pub fn push(&self, item: T) -> Result<bool, T> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(item);
        }
        inner.queue.push_back(item);
        Ok(mem::replace(&mut inner.resting, false))
    }

    /// Moves all of `items` to the end, adjacent and in order. True: the consumer rests, and the caller has to wake it.
    ///
    /// # Errors
    ///
    /// [`InboxClosed`] once it is closed; `items` are untouched.
    pub fn push_many(&self, items: &mut Vec<T>) -> Result<bool, InboxClosed> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(InboxClosed);
        }
        if items.is_empty() {
            return Ok(false);
        }
        inner.queue.extend(items.drain(..));
        Ok(mem::replace(&mut inner.resting, false))
    }

    /// Moves up to `max` of the oldest items to the end of `out`, and tells how many.
    ///
    /// Into an empty `out` that may have everything it is a swap, whatever the number: the cheapest way is to drain all,
    /// and to take turns from `out`.
    pub fn drain(&self, out: &mut VecDeque<T>, max: usize) -> usize {
        let mut inner = self.inner.lock();
        let count = inner.queue.len().min(max);
        if out.is_empty() && count == inner.queue.len() {
            mem::swap(&mut inner.queue, out);
        } else {
            out.extend(inner.queue.drain(..count));
        }
        count
    }

    /// The consumer goes to rest: the next push will ask for it to be woken. False: something has come meanwhile, and it
    /// has to go on.
    #[must_use = "a consumer that rests on a false answer sleeps for ever"]
    pub fn rest(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.resting = inner.queue.is_empty();
        inner.resting
    }

    /// Closes the inbox and returns what nobody has drained, oldest first. Its senders are to be answered.
    pub fn close(&self) -> Vec<T> {
        let left = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            mem::take(&mut inner.queue)
        };
        left.into()
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.inner.lock().queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the inbox is closed.
    pub fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.lock();
        f.debug_struct("Inbox")
            .field("len", &inner.queue.len())
            .field("resting", &inner.resting)
            .field("closed", &inner.closed)
            .finish()
    }
}

impl fmt::Display for InboxClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the inbox is closed; answer storage_unavailable")
    }
}

impl error::Error for InboxClosed {}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn items_are_drained_in_the_order_in_which_they_were_pushed() {
        let inbox = Inbox::new();
        assert_eq!(inbox.push(1), Ok(true));
        assert_eq!(inbox.push_many(&mut vec![2, 3]), Ok(false));
        assert_eq!(inbox.push(4), Ok(false));
        let mut out = VecDeque::new();
        for (max, expected) in [(0, 0), (1, 1), (2, 2), (usize::MAX, 1), (usize::MAX, 0)] {
            assert_eq!(inbox.drain(&mut out, max), expected);
        }
        assert_eq!(out, [1, 2, 3, 4]);
    }

    #[test]
    fn one_push_per_rest_is_told_to_wake_the_consumer() {
        let inbox = Inbox::new();
        for _ in 0..2 {
            assert_eq!([inbox.push(1), inbox.push(2)], [Ok(true), Ok(false)]);
            inbox.drain(&mut VecDeque::new(), usize::MAX);
            assert_eq!(inbox.push(3), Ok(false), "it does not rest yet");
            assert!(!inbox.rest(), "something has come");
            inbox.drain(&mut VecDeque::new(), usize::MAX);
            assert!(inbox.rest());
        }
    }

    #[test]
    fn pushing_nothing_wakes_nobody() {
        let inbox = Inbox::<u32>::new();
        assert_eq!(inbox.push_many(&mut Vec::new()), Ok(false));
        assert_eq!(inbox.push(1), Ok(true));
    }

    #[test]
    fn a_closed_inbox_hands_back_what_it_had_and_what_comes() {
        let inbox = Inbox::new();
        inbox.push(1).expect("it is open");
        inbox.push(2).expect("it is open");
        assert_eq!((inbox.len(), inbox.is_empty()), (2, false));
        assert_eq!(inbox.close(), [1, 2]);
        assert!(inbox.is_closed() && inbox.is_empty());
        assert_eq!(inbox.push(3), Err(3));
        let mut items = vec![4, 5];
        assert_eq!(inbox.push_many(&mut items), Err(InboxClosed));
        assert_eq!(items, [4, 5]);
        assert!(inbox.rest(), "nothing will come any more");
        assert!(inbox.close().is_empty());
    }

    #[test]
    fn many_producers_wake_a_parked_consumer_and_lose_nothing() {
        const ITEMS: usize = 5_000;
        let inbox = Inbox::default();
        let consumer = thread::current();
        thread::scope(|scope| {
            for producer in 0..3 {
                let (inbox, consumer) = (&inbox, consumer.clone());
                scope.spawn(move || {
                    for item in 0..ITEMS {
                        if inbox.push((producer, item)) == Ok(true) {
                            consumer.unpark();
                        }
                    }
                });
            }
            let (mut batch, mut next) = (VecDeque::new(), [0; 3]);
            while next != [ITEMS; 3] {
                if inbox.drain(&mut batch, usize::MAX) == 0 && inbox.rest() {
                    thread::park();
                }
                for (producer, item) in batch.drain(..) {
                    assert_eq!(item, next[producer], "the items of one producer stay in order");
                    next[producer] += 1;
                }
            }
        });
    }

    #[test]
    fn an_inbox_says_how_it_stands() {
        let inbox = Inbox::new();
        inbox.push(1).unwrap();
        assert!(!inbox.is_closed());
        assert_eq!(format!("{inbox:?}"), "Inbox { len: 1, resting: false, closed: false }");
        inbox.close();
        assert!(inbox.is_closed());
        assert!(inbox.push(2).is_err() && InboxClosed.to_string().contains("storage_unavailable"));
    }
}
