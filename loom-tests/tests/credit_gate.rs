//! Models of the credit gate: never more credits than there are, and a drain that ends.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use stockade_loom_tests::broken::credit_gate::{
    BrokenDrain, Bug, Drains, Gives, LooksThenTakes, LooksThenWaits, OneInUse, Polls,
};
use stockade_loom_tests::credit_gate::CreditGate;
use stockade_loom_tests::model::{LOST_WAKE_UP, Witness, prove};
use stockade_loom_tests::refuted;

/// Two callers want two credits each, of three.
fn only_one_gets_two_of_three<G: Gives>(gate: G) {
    let gate = Arc::new(gate);
    let other = {
        let gate = gate.clone();
        thread::spawn(move || gate.try_take(2))
    };
    let mine = gate.try_take(2);
    let others = other.join().unwrap();
    let given = usize::from(mine.is_some()) + usize::from(others.is_some());
    assert!(given <= 1, "more credits are given than there are");
    assert_eq!(given, 1, "credits that are free are given");
}

#[test]
fn credits_never_exceed_the_capacity_and_are_given_while_they_last() {
    prove(|| only_one_gets_two_of_three(CreditGate::new(3)));
}

refuted!(a_twin_that_looks_before_it_takes_gives_too_many, "more credits are given than there are", || {
    only_one_gets_two_of_three(LooksThenTakes::new(3))
});

#[test]
fn a_credit_that_came_back_can_be_taken_again_by_one_who_sees_what_was_done_under_it() {
    let again = Witness::of("the second caller gets the credit of the first");
    let model = again.clone();
    prove(move || {
        let gate = CreditGate::new(1);
        let done = Arc::new(AtomicU64::new(0));
        let first = gate.try_take(1).expect("one is free");
        let second = {
            let (gate, done, again) = (gate.clone(), done.clone(), model.clone());
            thread::spawn(move || {
                if let Some(_credit) = gate.try_take(1) {
                    assert_eq!(done.load(Ordering::Relaxed), 1, "the credit is back, but its work is not to be seen");
                    again.saw();
                }
            })
        };
        done.store(1, Ordering::Relaxed);
        drop(first);
        second.join().unwrap();
        assert_eq!(gate.in_use(), 0, "all credits are back");
    });
    again.must_have_been_seen();
}

/// Somebody waits for the last credit, whose holder has done something before.
fn the_drain_ends<D: Drains>(gate: D) {
    let gate = Arc::new(gate);
    let done = Arc::new(AtomicU64::new(0));
    let holder = {
        let (gate, done) = (gate.clone(), done.clone());
        thread::spawn(move || {
            done.store(1, Ordering::Relaxed);
            gate.give_back();
        })
    };
    gate.wait_idle();
    assert_eq!(done.load(Ordering::Relaxed), 1, "what was done under a credit is done when the gate is idle");
    holder.join().unwrap();
}

#[test]
fn whoever_drains_the_gate_is_woken_by_the_last_credit() {
    prove(|| the_drain_ends(OneInUse::new()));
}

refuted!(a_twin_that_announces_in_another_word_drains_for_ever, LOST_WAKE_UP, || {
    the_drain_ends(BrokenDrain::new(Bug::AnnouncesElsewhere))
});

refuted!(a_twin_that_notifies_without_the_lock_drains_for_ever, LOST_WAKE_UP, || {
    the_drain_ends(BrokenDrain::new(Bug::NotifiesWithoutTheLock))
});

refuted!(a_twin_that_returns_relaxed_is_idle_before_the_work_is_done, "what was done under a credit", || {
    the_drain_ends(BrokenDrain::new(Bug::ReturnsRelaxed))
});

#[test]
fn two_holders_and_a_task_that_drains_a_closed_gate() {
    prove(|| {
        let gate = CreditGate::new(2);
        let holders = [(); 2].map(|()| {
            let credit = gate.try_take(1).expect("two are free");
            thread::spawn(move || drop(credit))
        });
        gate.close();
        loom::future::block_on(gate.idle());
        assert_eq!(gate.in_use(), 0, "idle, and nothing can come any more");
        assert!(gate.try_take(1).is_none(), "a closed gate gives nothing");
        for holder in holders {
            holder.join().unwrap();
        }
    });
}

/// A task waits for the last credit, whose holder has done something before.
fn the_task_is_woken<P: Polls>(gate: P) {
    let gate = Arc::new(gate);
    let done = Arc::new(AtomicU64::new(0));
    let holder = {
        let (gate, done) = (gate.clone(), done.clone());
        thread::spawn(move || {
            done.store(1, Ordering::Relaxed);
            gate.give_back();
        })
    };
    loom::future::block_on(std::future::poll_fn(|cx| gate.poll_idle(cx)));
    assert_eq!(done.load(Ordering::Relaxed), 1, "what was done under a credit is done when the gate is idle");
    holder.join().unwrap();
}

#[test]
fn a_task_that_drains_the_gate_is_woken_by_the_last_credit() {
    prove(|| the_task_is_woken(OneInUse::new()));
}

refuted!(a_twin_that_looks_before_it_leaves_its_waker_drains_for_ever, LOST_WAKE_UP, || {
    the_task_is_woken(LooksThenWaits::default())
});
