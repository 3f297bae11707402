//! A reply: sent once, received once, or known never to come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{error, fmt, mem};

use crate::primitives::{Arc, Mutex, park};
use crate::sleeper::Sleeper;

/// Makes the two ends of one reply, with one allocation.
///
/// ```
/// let (sender, receiver) = stockade_sync::once_reply();
/// sender.send("accepted");
/// assert_eq!(receiver.wait(), Ok("accepted"));
/// ```
pub fn once_reply<T>() -> (ReplySender<T>, ReplyReceiver<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Pending(None)) });
    (ReplySender { slot: Some(slot.clone()) }, ReplyReceiver { slot })
}

struct Slot<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    /// Nothing was sent; the receiver sleeps if there is one.
    Pending(Option<Sleeper>),
    Sent(T),
    /// The sender is gone, or the reply has been received.
    Over,
}

/// The end that answers. Dropping it unsent tells the receiver [`Abandoned`].
#[must_use = "dropping it unsent abandons the receiver"]
pub struct ReplySender<T> {
    /// Taken when it has spoken.
    slot: Option<Arc<Slot<T>>>,
}

/// The end that waits: a future, or [`wait`](Self::wait). Dropping it is fine, the reply then goes nowhere.
#[must_use = "it has to be awaited, or waited for"]
pub struct ReplyReceiver<T> {
    slot: Arc<Slot<T>>,
}

/// The sender went away without an answer: whether the command took effect is unknown. Retry with the same idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abandoned;

impl<T> ReplySender<T> {
    /// Sends the reply and wakes the receiver if it sleeps.
    pub fn send(mut self, value: T) {
        if let Some(slot) = self.slot.take() {
            slot.settle(State::Sent(value));
        }
    }
}

impl<T> Drop for ReplySender<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.settle(State::Over);
        }
    }
}

impl<T> Slot<T> {
    /// The sender's one word. Waking happens after the lock is released.
    fn settle(&self, state: State<T>) {
        let before = mem::replace(&mut *self.state.lock(), state);
        if let State::Pending(Some(sleeper)) = before {
            sleeper.wake();
        }
    }
}

impl<T> ReplyReceiver<T> {
    /// Blocks the calling thread until the reply is there.
    ///
    /// # Errors
    ///
    /// [`Abandoned`] when there will be none.
    pub fn wait(self) -> Result<T, Abandoned> {
        loop {
            if let Poll::Ready(reply) = self.reply_or_enlist(Sleeper::this_thread) {
                return reply;
            }
            park();
        }
    }

    /// The reply if it has been sent, without waiting.
    ///
    /// # Errors
    ///
    /// [`Abandoned`] when there will be none, and when it has been received already.
    pub fn try_receive(&mut self) -> Option<Result<T, Abandoned>> {
        match &mut *self.slot.state.lock() {
            State::Pending(_) => None,
            state => Some(take_settled(state)),
        }
    }

    fn reply_or_enlist(&self, sleeper: impl FnOnce() -> Sleeper) -> Poll<Result<T, Abandoned>> {
        let stale = match &mut *self.slot.state.lock() {
            // There is one receiver, so the sleeper enlisted last is the one to wake.
            State::Pending(enlisted) => enlisted.replace(sleeper()),
            state => return Poll::Ready(take_settled(state)),
        };
        // Dropping a waker may run anything, so it happens after the lock is released.
        drop(stale);
        Poll::Pending
    }
}

fn take_settled<T>(state: &mut State<T>) -> Result<T, Abandoned> {
    match mem::replace(state, State::Over) {
        State::Sent(value) => Ok(value),
        State::Pending(_) | State::Over => Err(Abandoned),
    }
}

impl<T> Future for ReplyReceiver<T> {
    type Output = Result<T, Abandoned>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.reply_or_enlist(|| Sleeper::Task(cx.waker().clone()))
    }
}

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply was abandoned and the outcome is unknown; retry with the same idempotency key")
    }
}

impl error::Error for Abandoned {}

impl<T> fmt::Debug for ReplySender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplySender")
    }
}

impl<T> fmt::Debug for ReplyReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyReceiver")
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_reply_sent_before_anybody_waits_is_received() {
        let (sender, mut receiver) = once_reply();
        assert_eq!(receiver.try_receive(), None);
        sender.send(7);
        assert_eq!(receiver.try_receive(), Some(Ok(7)));
        assert_eq!(receiver.try_receive(), Some(Err(Abandoned)), "a reply is received once");
    }

    #[test]
    fn a_sender_that_goes_away_abandons_its_receiver() {
        let (sender, receiver) = once_reply::<u32>();
        drop(sender);
        assert_eq!(receiver.wait(), Err(Abandoned));
    }

    #[test]
    fn a_receiver_that_goes_away_does_not_bother_the_sender() {
        let (sender, receiver) = once_reply();
        drop(receiver);
        sender.send(7);
    }

    #[test]
    fn the_task_that_polled_last_is_woken_and_only_that() {
        let (first, second) = (Arc::new(Counting::default()), Arc::new(Counting::default()));
        let (sender, receiver) = once_reply();
        let mut receiver = pin!(receiver);
        for counting in [&first, &second] {
            let waker = Waker::from(counting.clone());
            assert_eq!(receiver.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        }
        sender.send(7);
        assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
        assert_eq!(receiver.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(7)));
    }

    #[test]
    fn threads_receive_what_other_threads_send() {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..1_000).map(|_| once_reply()).unzip();
        thread::scope(|scope| {
            scope.spawn(|| senders.into_iter().enumerate().for_each(|(index, sender)| sender.send(index)));
            for (index, receiver) in receivers.into_iter().enumerate() {
                assert_eq!(receiver.wait(), Ok(index));
            }
        });
    }

    #[test]
    fn whoever_is_abandoned_is_told_what_to_do() {
        let (sender, receiver) = once_reply::<u32>();
        assert_eq!(format!("{sender:?} {receiver:?}"), "ReplySender ReplyReceiver");
        assert!(Abandoned.to_string().contains("retry with the same idempotency key"));
    }
}
