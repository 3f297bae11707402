//! Models of the inbox: nothing is lost, nobody sleeps beside work, and a batch costs one wake-up.

use std::collections::VecDeque;

use loom::sync::Arc;
use loom::thread;
use stockade_loom_tests::broken::inbox::{BrokenInbox, Bug, Receives};
use stockade_loom_tests::inbox::Inbox;
use stockade_loom_tests::model::{LOST_WAKE_UP, Witness, prove};
use stockade_loom_tests::refuted;

/// Two producers push an item each; the consumer drains, rests when it finds nothing, and is woken by whoever is told to.
fn the_consumer_gets_everything<I: Receives>(inbox: I, interrupted: &Witness) {
    let inbox = Arc::new(inbox);
    let consumer = thread::current();
    let producers = [1, 2].map(|item| {
        let (inbox, consumer) = (inbox.clone(), consumer.clone());
        thread::spawn(move || {
            let wake = inbox.push(item).expect("the inbox is open");
            if wake {
                consumer.unpark();
            }
            u32::from(wake)
        })
    });
    let mut received = VecDeque::new();
    // The consumer rests at first: an inbox is made before its partition runs.
    let mut rests = 1;
    thread::park();
    while received.len() < 2 {
        let before = received.len();
        inbox.drain(&mut received);
        if received.len() > before {
            continue;
        }
        if inbox.rest() {
            rests += 1;
            thread::park();
        } else {
            interrupted.saw();
        }
    }
    let wakes: u32 = producers.into_iter().map(|producer| producer.join().unwrap()).sum();
    assert!(wakes <= rests, "a consumer that does not rest is not woken");
    received.make_contiguous().sort_unstable();
    assert_eq!(received, [1, 2], "every item is received once");
}

#[test]
fn a_consumer_that_rests_is_woken_once_and_receives_everything() {
    let interrupted = Witness::of("something comes between draining and resting");
    let model = interrupted.clone();
    prove(move || the_consumer_gets_everything(Inbox::new(), &model));
    interrupted.must_have_been_seen();
}

refuted!(a_twin_that_rests_without_looking_sleeps_beside_work, LOST_WAKE_UP, || {
    the_consumer_gets_everything(BrokenInbox::new(Bug::RestsWithoutLooking), &Witness::of("anything"))
});

refuted!(a_twin_that_wakes_the_wakeful_pays_twice_for_a_batch, "a consumer that does not rest is not woken", || {
    the_consumer_gets_everything(BrokenInbox::new(Bug::WakesTheWakeful), &Witness::of("anything"))
});

/// Two producers push while the inbox is closed.
fn closing_loses_nothing<I: Receives>(inbox: I) {
    let inbox = Arc::new(inbox);
    let producers = [1, 2].map(|item| {
        let inbox = inbox.clone();
        thread::spawn(move || inbox.push(item).is_err())
    });
    let left = inbox.close().len();
    let refused = producers.into_iter().map(|producer| usize::from(producer.join().unwrap()));
    assert_eq!(left + refused.sum::<usize>(), 2, "an item is refused or handed back");
}

#[test]
fn an_item_pushed_while_the_inbox_closes_is_refused_or_handed_back() {
    prove(|| closing_loses_nothing(Inbox::new()));
}

refuted!(a_twin_that_closes_in_two_steps_loses_an_item, "an item is refused or handed back", || {
    closing_loses_nothing(BrokenInbox::new(Bug::ClosesInTwoSteps))
});

/// One producer pushes two items at once beside one that pushes a single one; the consumer rests in between.
fn a_batch_stays_together<I: Receives>(inbox: I) {
    let inbox = Arc::new(inbox);
    let consumer = thread::current();
    let producers = [vec![1, 2], vec![3]].map(|mut items| {
        let (inbox, consumer) = (inbox.clone(), consumer.clone());
        thread::spawn(move || {
            if inbox.push_many(&mut items).expect("the inbox is open") {
                consumer.unpark();
            }
            assert!(items.is_empty(), "all of them went in");
        })
    });
    let mut received = VecDeque::new();
    thread::park();
    while received.len() < 3 {
        let before = received.len();
        inbox.drain(&mut received);
        if received.len() == before && inbox.rest() {
            thread::park();
        }
    }
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    let received = received.make_contiguous();
    assert!(received == [1, 2, 3] || received == [3, 1, 2], "a batch is adjacent and in order: {received:?}");
}

#[test]
fn items_that_are_pushed_together_arrive_together_and_wake_the_consumer() {
    prove(|| a_batch_stays_together(Inbox::new()));
}

refuted!(a_twin_that_pushes_one_by_one_tears_a_batch, "a batch is adjacent", || {
    a_batch_stays_together(BrokenInbox::new(Bug::PushesOneByOne))
});

refuted!(a_twin_that_wakes_nobody_for_a_batch_sleeps_beside_it, LOST_WAKE_UP, || {
    a_batch_stays_together(BrokenInbox::new(Bug::WakesNobody))
});

/// A batch is pushed while the inbox is closed.
fn closing_loses_no_part_of_a_batch<I: Receives>(inbox: I) {
    let inbox = Arc::new(inbox);
    let producer = {
        let inbox = inbox.clone();
        thread::spawn(move || {
            let mut items = vec![1, 2];
            let refused = inbox.push_many(&mut items).is_none();
            (refused, items.len())
        })
    };
    let left = inbox.close().len();
    let (refused, kept) = producer.join().unwrap();
    let whole = if refused { (0, 2) } else { (2, 0) };
    assert_eq!((left, kept), whole, "a batch is refused as a whole or handed back as a whole");
}

#[test]
fn a_batch_pushed_while_the_inbox_closes_is_refused_or_handed_back_as_a_whole() {
    prove(|| closing_loses_no_part_of_a_batch(Inbox::new()));
}

refuted!(a_twin_that_pushes_one_by_one_loses_part_of_a_batch, "a batch is refused as a whole", || {
    closing_loses_no_part_of_a_batch(BrokenInbox::new(Bug::PushesOneByOne))
});
