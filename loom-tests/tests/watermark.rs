//! Models of the watermark: nobody is forgotten, nothing leaves too early.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use stockade_loom_tests::broken::watermark::{
    Closes, ClosesOnce, EnlistsLate, Parks, ParksInOrderOfArrival, ParksUnchecked, PublishesRelaxed, Shows, Wakes,
};
use stockade_loom_tests::generation_ended::GenerationEnded;
use stockade_loom_tests::model::{LOST_WAKE_UP, Witness, prove};
use stockade_loom_tests::refuted;
use stockade_loom_tests::watermark::{Parked, Watermark};

/// Two threads park items with bases 1 and 2 while the watermark goes to 1 and to 2. An item is its own basis.
fn two_park_while_it_rises<W: Parks>(waits: &Witness, due: &Witness) {
    let watermark = Arc::new(W::new());
    let parkers = [1, 2].map(|basis| {
        let (watermark, waits, due) = (watermark.clone(), waits.clone(), due.clone());
        thread::spawn(move || match watermark.park(basis, basis) {
            Parked::Waits => {
                waits.saw();
                None
            }
            Parked::Due(item) => {
                due.saw();
                Some(item)
            }
            Parked::Closed(_) => panic!("nobody closed it"),
        })
    });
    let mut released = Vec::new();
    for seq in [1, 2] {
        let before = released.len();
        watermark.publish(seq, &mut released);
        assert!(released[before..].iter().all(|basis| *basis <= seq), "released above the watermark");
    }
    released.extend(parkers.into_iter().filter_map(|parker| parker.join().unwrap()));
    released.sort_unstable();
    assert_eq!(released, [1, 2], "every item is released exactly once");
}

fn parks<W: Parks>() -> impl Fn() + Send + Sync + 'static {
    let (waits, due) = witnesses();
    move || two_park_while_it_rises::<W>(&waits, &due)
}

fn witnesses() -> (Witness, Witness) {
    (Witness::of("an item waits"), Witness::of("an item is due at once"))
}

#[test]
fn an_item_parked_while_the_watermark_rises_is_released_once_and_not_too_early() {
    let (waits, due) = witnesses();
    let model = (waits.clone(), due.clone());
    prove(move || two_park_while_it_rises::<Watermark<u64>>(&model.0, &model.1));
    waits.must_have_been_seen();
    due.must_have_been_seen();
}

refuted!(
    a_twin_that_looks_before_it_locks_forgets_an_item,
    "every item is released exactly once",
    parks::<ParksUnchecked>()
);

refuted!(
    a_twin_that_trusts_the_order_of_arrival_releases_too_early,
    "released above the watermark",
    parks::<ParksInOrderOfArrival>()
);

/// A reader that sees the watermark sees what was written to the disk before it was published.
///
/// The reader is the spawned thread, because loom explores what a load may still see rather than when it runs.
fn what_is_below_is_visible<W: Shows>(published: &Witness) {
    let watermark = Arc::new(W::new());
    let disk = Arc::new(AtomicU64::new(0));
    let reader = {
        let (watermark, disk, published) = (watermark.clone(), disk.clone(), published.clone());
        thread::spawn(move || {
            if watermark.durable() == 1 {
                assert_eq!(disk.load(Ordering::Relaxed), 1, "durable, but not to be seen");
                published.saw();
            }
        })
    };
    disk.store(1, Ordering::Relaxed);
    watermark.publish(1);
    reader.join().unwrap();
}

#[test]
fn whoever_sees_the_watermark_sees_what_its_publisher_wrote() {
    let published = Witness::of("the reader sees the sequence");
    let model = published.clone();
    prove(move || what_is_below_is_visible::<Watermark<u64>>(&model));
    published.must_have_been_seen();
}

refuted!(a_twin_that_publishes_relaxed_shows_a_watermark_without_its_records, "durable, but not to be seen", || {
    what_is_below_is_visible::<PublishesRelaxed>(&Witness::of("anything"))
});

/// An item parked while the generation ends comes back to somebody who can answer it.
fn the_end_answers_everything<W: Closes>() {
    let watermark = Arc::new(W::new());
    let parker = {
        let watermark = watermark.clone();
        thread::spawn(move || match watermark.park(1, 1) {
            Parked::Waits => 0,
            Parked::Closed(_) => 1,
            Parked::Due(_) => panic!("nothing was published"),
        })
    };
    let mut refused = Vec::new();
    watermark.close(&mut refused);
    assert_eq!(parker.join().unwrap() + refused.len(), 1, "every item is answered exactly once");
}

#[test]
fn an_item_parked_while_the_generation_ends_is_answered_once() {
    prove(the_end_answers_everything::<Watermark<u64>>);
}

refuted!(
    a_twin_that_forgets_it_was_closed_leaves_an_item_without_an_answer,
    "every item is answered exactly once",
    the_end_answers_everything::<ClosesOnce>
);

/// Two threads sleep until different sequences are durable.
fn sleepers_wake<W: Wakes>() {
    let watermark = Arc::new(W::new());
    let sleepers = [1, 2].map(|seq| {
        let watermark = watermark.clone();
        thread::spawn(move || watermark.wait(seq))
    });
    watermark.publish(1);
    watermark.publish(2);
    for sleeper in sleepers {
        assert_eq!(sleeper.join().unwrap(), Ok(()));
    }
}

#[test]
fn a_thread_that_waits_for_a_sequence_is_woken() {
    prove(sleepers_wake::<Watermark<u64>>);
}

refuted!(a_twin_that_enlists_after_looking_lets_a_thread_sleep_for_ever, LOST_WAKE_UP, sleepers_wake::<EnlistsLate>);

#[test]
fn a_task_that_waits_for_a_sequence_learns_that_it_is_durable_or_never_will_be() {
    let (reached, ended) = (Witness::of("it is reached"), Witness::of("the generation ends first"));
    let model = (reached.clone(), ended.clone());
    prove(move || {
        let watermark = Arc::new(Watermark::<u64>::new(0));
        let writers = [true, false].map(|succeeds| {
            let watermark = watermark.clone();
            thread::spawn(move || {
                if succeeds {
                    watermark.publish(1, &mut Vec::new());
                } else {
                    watermark.close(&mut Vec::new());
                }
            })
        });
        match loom::future::block_on(watermark.reached(1)) {
            Ok(()) => model.0.saw(),
            Err(GenerationEnded) => model.1.saw(),
        }
        for writer in writers {
            writer.join().unwrap();
        }
    });
    reached.must_have_been_seen();
    ended.must_have_been_seen();
}
