//! Models of the reply: received once, or known never to come, and nobody sleeps through it.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use stockade_loom_tests::broken::once_reply::{Bug, Receives, Sends, broken_reply};
use stockade_loom_tests::model::{LOST_WAKE_UP, Witness, prove};
use stockade_loom_tests::once_reply::{Abandoned, once_reply};
use stockade_loom_tests::refuted;

/// A thread waits for a reply while another sends it.
fn a_reply_arrives<S: Sends, R: Receives>((sender, receiver): (S, R)) {
    let answering = thread::spawn(move || sender.send(7));
    assert_eq!(receiver.wait(), Ok(7));
    answering.join().unwrap();
}

#[test]
fn a_thread_that_waits_receives_the_reply() {
    prove(|| a_reply_arrives(once_reply()));
}

refuted!(a_twin_that_looks_and_then_sleeps_sleeps_through_its_reply, LOST_WAKE_UP, || {
    a_reply_arrives(broken_reply(Bug::LooksThenSleeps))
});

refuted!(a_twin_that_wakes_before_it_sends_wakes_nobody, LOST_WAKE_UP, || {
    a_reply_arrives(broken_reply(Bug::WakesThenSends))
});

/// A thread waits for a reply while the one who was to send it goes away.
fn abandonment_is_noticed<S: Sends, R: Receives>((sender, receiver): (S, R)) {
    let leaving = thread::spawn(move || drop(sender));
    assert_eq!(receiver.wait(), Err(Abandoned));
    leaving.join().unwrap();
}

#[test]
fn a_thread_that_waits_learns_that_it_was_abandoned() {
    prove(|| abandonment_is_noticed(once_reply::<u64>()));
}

refuted!(a_twin_that_drops_silently_is_waited_for_in_vain, LOST_WAKE_UP, || {
    abandonment_is_noticed(broken_reply(Bug::DropsSilently))
});

#[test]
fn a_task_receives_the_reply_or_learns_that_it_was_abandoned() {
    for answers in [true, false] {
        prove(move || {
            let (sender, receiver) = once_reply();
            let other = thread::spawn(move || if answers { sender.send(7) } else { drop(sender) });
            let reply = loom::future::block_on(receiver);
            assert_eq!(reply, if answers { Ok(7) } else { Err(Abandoned) });
            other.join().unwrap();
        });
    }
}

#[test]
fn whoever_receives_a_reply_sees_what_was_done_before_it_was_sent() {
    let (early, late) = (Witness::of("the reply is there at once"), Witness::of("it is not"));
    let model = (early.clone(), late.clone());
    prove(move || {
        let done = Arc::new(AtomicU64::new(0));
        let (sender, mut receiver) = once_reply();
        let answering = {
            let done = done.clone();
            thread::spawn(move || {
                done.store(1, Ordering::Relaxed);
                sender.send(7);
            })
        };
        match receiver.try_receive() {
            Some(reply) => {
                assert_eq!(reply, Ok(7));
                assert_eq!(done.load(Ordering::Relaxed), 1);
                assert_eq!(receiver.try_receive(), Some(Err(Abandoned)), "a reply is received once");
                model.0.saw();
            }
            None => model.1.saw(),
        }
        answering.join().unwrap();
    });
    early.must_have_been_seen();
    late.must_have_been_seen();
}

#[test]
fn a_reply_that_nobody_waits_for_any_more_is_dropped() {
    prove(|| {
        // Loom counts: a reply that leaked would fail the model.
        let reply = Arc::new(());
        let (sender, receiver) = once_reply();
        let answering = thread::spawn(move || sender.send(reply));
        drop(receiver);
        answering.join().unwrap();
    });
}
