//! Wake-ups in batches: one for a whole runtime, however many of its tasks get their answers at once.
//!
//! ```text
//!   writer ─ wake ─▶ inbox of the runtime's porter ─ first one only ─▶ porter task ─ wake ─▶ tasks of this runtime
//!            wake ─▶
//!            wake ─▶
//! ```
//!
//! Waking a task from a foreign thread costs a system call each, which is more than deciding its order. The porter is a
//! task of the runtime itself, so what it wakes goes to a queue next to it. A task that is woken through it waits for
//! nobody but its own runtime. Where there is no runtime, or it ends, tasks are woken directly.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use stockade_sync::{Inbox, ReplyReceiver};
use tokio::runtime::{Handle, Id};

/// Who wakes the tasks of one runtime.
#[derive(Default)]
struct Porter {
    sleepers: Inbox<Waker>,
    /// Set when the porter task runs for the first time; until then nobody needs to wake it.
    own: OnceLock<Waker>,
}

thread_local! {
    /// The porter of the runtime in which this thread polled last.
    static LAST: RefCell<Option<(Id, Arc<Porter>)>> = const { RefCell::new(None) };
}

impl Porter {
    /// The porter of the runtime whose task is polled at the moment. Only a task is proof that the runtime is driven: a
    /// thread may merely have entered it.
    fn here() -> Option<Arc<Self>> {
        tokio::task::try_id()?;
        let handle = Handle::try_current().ok()?;
        LAST.with_borrow_mut(|last| {
            if let Some((id, porter)) = last
                && *id == handle.id()
            {
                return Some(Arc::clone(porter));
            }
            let porter = Arc::new(Self::default());
            handle.spawn(Leaving(Arc::clone(&porter)).carry());
            *last = Some((handle.id(), Arc::clone(&porter)));
            Some(porter)
        })
    }

    fn take(&self, sleeper: Waker) {
        match self.sleepers.push(sleeper) {
            Ok(true) => self.own.get().into_iter().for_each(Waker::wake_by_ref),
            Ok(false) => {}
            Err(sleeper) => sleeper.wake(),
        }
    }

    /// Wakes everybody who came, then rests.
    fn deliver(&self, batch: &mut VecDeque<Waker>) {
        loop {
            self.sleepers.drain(batch, usize::MAX);
            batch.drain(..).for_each(Waker::wake);
            if self.sleepers.rest() {
                return;
            }
        }
    }
}

/// The porter task's hold on its porter: when the runtime drops the task, those who still wait are woken directly.
struct Leaving(Arc<Porter>);

impl Leaving {
    async fn carry(self) {
        let mut batch = VecDeque::new();
        poll_fn::<(), _>(|cx| {
            self.0.own.get_or_init(|| cx.waker().clone());
            self.0.deliver(&mut batch);
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.sleepers.close().into_iter().for_each(Waker::wake);
    }
}

/// A task that is woken through its runtime's porter.
struct Carried {
    sleeper: Waker,
    porter: Arc<Porter>,
}

impl Wake for Carried {
    fn wake(self: Arc<Self>) {
        match Arc::try_unwrap(self) {
            Ok(Self { sleeper, porter }) => porter.take(sleeper),
            Err(shared) => shared.porter.take(shared.sleeper.clone()),
        }
    }
}

/// Polls a reply whose sender is on a foreign thread.
pub(super) fn poll<T>(
    reply: &mut ReplyReceiver<T>,
    cx: &mut Context<'_>,
) -> Poll<<ReplyReceiver<T> as Future>::Output> {
    if let Some(reply) = reply.try_receive() {
        return Poll::Ready(reply);
    }
    let Some(porter) = Porter::here() else { return Pin::new(reply).poll(cx) };
    let carried = Waker::from(Arc::new(Carried { sleeper: cx.waker().clone(), porter }));
    Pin::new(reply).poll(&mut Context::from_waker(&carried))
}

/// Waits for a reply whose sender is on a foreign thread.
pub(super) async fn receive<T>(mut reply: ReplyReceiver<T>) -> <ReplyReceiver<T> as Future>::Output {
    poll_fn(|cx| poll(&mut reply, cx)).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use stockade_sync::once_reply;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn every_task_of_a_runtime_gets_its_answer_from_another_thread() {
        for _ in 0..3 {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..1_000).map(|_| once_reply()).unzip();
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            let tasks: Vec<_> = receivers.into_iter().map(|receiver| runtime.spawn(receive(receiver))).collect();
            let answering = std::thread::spawn(move || (0..).zip(senders).for_each(|(n, sender)| sender.send(n)));
            runtime.block_on(async {
                for (n, task) in tasks.into_iter().enumerate() {
                    assert_eq!(task.await.expect("no task panics"), Ok(n));
                }
            });
            answering.join().expect("it answers");
        }
    }

    #[test]
    fn a_thread_that_goes_from_one_runtime_to_the_next_is_woken_in_both() {
        for _ in 0..2 {
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            let (sender, receiver) = once_reply();
            let answering = std::thread::spawn(move || sender.send(7));
            let task = runtime.spawn(receive(receiver));
            assert_eq!(runtime.block_on(task).expect("no task panics"), Ok(7));
            answering.join().expect("it answers");
        }
    }

    #[test]
    fn a_task_without_a_runtime_is_woken_directly() {
        #[derive(Default)]
        struct Counting(AtomicUsize);
        impl Wake for Counting {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let counting = Arc::new(Counting::default());
        let waker = Waker::from(Arc::clone(&counting));
        let (sender, mut receiver) = once_reply();
        assert!(poll(&mut receiver, &mut Context::from_waker(&waker)).is_pending());
        sender.send(7);
        assert_eq!(counting.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut receiver, &mut Context::from_waker(&waker)), Poll::Ready(Ok(7)));
    }

    #[test]
    fn a_porter_whose_runtime_has_ended_wakes_directly() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let asking = runtime.spawn(async { Porter::here() });
        let porter = runtime.block_on(asking).expect("no task panics").expect("there is a runtime");
        drop(runtime);
        let (sender, mut receiver) = once_reply();
        let noop = Waker::noop();
        let carried = Waker::from(Arc::new(Carried { sleeper: noop.clone(), porter: Arc::clone(&porter) }));
        assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&carried)).is_pending());
        sender.send(7);
        assert!(porter.sleepers.push(noop.clone()).is_err(), "it takes nobody any more");
    }
}
