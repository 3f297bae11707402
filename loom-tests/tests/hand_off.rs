//! Models of the hand-off: append, swap, write, publish, reply, as the partitions and the journal writer do it.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use stockade_loom_tests::group_buffer::{Group, GroupBuffer, Taken};
use stockade_loom_tests::model::{Witness, prove};
use stockade_loom_tests::once_reply::{ReplyReceiver, ReplySender, once_reply};
use stockade_loom_tests::refuted;
use stockade_loom_tests::watermark::{Parked, Watermark};

/// What a caller is told.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Accepted,
    StorageUnavailable,
}

type Parking = (u64, ReplySender<Reply>);

/// The engine's half of the hand-off, shared by the partitions and the writer.
struct Engine {
    buffer: GroupBuffer,
    watermark: Watermark<Parking>,
    /// The last sequence on the disk with everything before it.
    disk: AtomicU64,
}

impl Engine {
    fn new() -> Arc<Self> {
        Arc::new(Self { buffer: GroupBuffer::new(1), watermark: Watermark::new(0), disk: AtomicU64::new(0) })
    }

    /// A partition's turn of one record, on a thread of its own. The caller keeps the receiver.
    fn turn(engine: &Arc<Self>) -> (thread::JoinHandle<()>, ReplyReceiver<Reply>) {
        let (sender, receiver) = once_reply();
        let engine = engine.clone();
        let partition = thread::spawn(move || {
            let Ok(appended) = engine.buffer.append(b"r", 1) else {
                return sender.send(Reply::StorageUnavailable);
            };
            match engine.watermark.park(appended.last(), (appended.last(), sender)) {
                Parked::Waits => {}
                Parked::Due(due) => engine.accept(due),
                Parked::Closed((_, sender)) => sender.send(Reply::StorageUnavailable),
            }
        });
        (partition, receiver)
    }

    fn accept(&self, (basis, sender): Parking) {
        assert!(basis <= self.disk.load(Ordering::Relaxed), "a reply leaves before its basis is on the disk");
        sender.send(Reply::Accepted);
    }

    fn publish(&self, seq: u64) {
        let mut due = Vec::new();
        self.watermark.publish(seq, &mut due);
        due.into_iter().for_each(|parking| self.accept(parking));
    }

    fn fail(&self) {
        self.buffer.fail();
        let mut parked = Vec::new();
        self.watermark.close(&mut parked);
        parked.into_iter().for_each(|(_, sender)| sender.send(Reply::StorageUnavailable));
    }
}

/// Two partitions, and a writer that publishes what `durable_after` says once a group is on the disk.
fn both_are_accepted(durable_after: fn(&Engine, &Group) -> u64, together: &Witness) {
    let engine = Engine::new();
    let turns = [(); 2].map(|()| Engine::turn(&engine));
    let mut group = Group::default();
    while group.last() < 2 {
        assert_eq!(engine.buffer.wait_take(&mut group, None), Taken::Group);
        engine.disk.store(group.last(), Ordering::Relaxed);
        if group.records == 2 {
            together.saw();
        }
        engine.publish(durable_after(&engine, &group));
    }
    for (partition, mut receiver) in turns {
        partition.join().unwrap();
        assert_eq!(receiver.try_receive(), Some(Ok(Reply::Accepted)), "every turn is answered");
    }
}

#[test]
fn a_turn_is_answered_once_it_is_on_the_disk() {
    let together = Witness::of("two turns share a sync");
    let model = together.clone();
    prove(move || both_are_accepted(|_, group| group.last(), &model));
    together.must_have_been_seen();
}

refuted!(a_writer_that_publishes_what_was_appended_acknowledges_too_early, "before its basis is on the disk", || {
    both_are_accepted(|engine, _| engine.buffer.last_appended(), &Witness::of("anything"))
});

/// A writer whose first write fails; what it does then is `after_the_failure`.
fn nobody_is_accepted_after_a_failure(after_the_failure: fn(&Engine, &mut Group), seen: &[Witness; 2]) {
    let engine = Engine::new();
    let turns = [(); 2].map(|()| Engine::turn(&engine));
    let mut group = Group::default();
    assert_eq!(engine.buffer.wait_take(&mut group, None), Taken::Group);
    after_the_failure(&engine, &mut group);
    seen[usize::from(group.records == 2)].saw();
    for (partition, mut receiver) in turns {
        partition.join().unwrap();
        assert_eq!(receiver.try_receive(), Some(Ok(Reply::StorageUnavailable)), "every caller learns of the failure");
    }
}

fn anything() -> [Witness; 2] {
    [Witness::of("anything"), Witness::of("anything")]
}

#[test]
fn after_a_failed_write_every_caller_is_told_and_none_is_accepted() {
    let seen = [Witness::of("one turn was in the group"), Witness::of("both turns were in the group")];
    let model = seen.clone();
    prove(move || nobody_is_accepted_after_a_failure(|engine, _| engine.fail(), &model));
    seen.iter().for_each(Witness::must_have_been_seen);
}

refuted!(a_writer_that_goes_on_after_a_failure_acknowledges_above_the_gap, "before its basis is on the disk", || {
    let goes_on = |engine: &Engine, group: &mut Group| {
        if engine.buffer.take(group) {
            // The first group is missing on the disk, so nothing after it counts.
            engine.publish(group.last());
        }
        engine.fail();
    };
    nobody_is_accepted_after_a_failure(goes_on, &anything())
});

refuted!(a_writer_that_only_closes_the_watermark_leaves_turns_to_be_written, "written after a failed write", || {
    let forgets_the_buffer = |engine: &Engine, group: &mut Group| {
        let mut parked = Vec::new();
        engine.watermark.close(&mut parked);
        parked.into_iter().for_each(|(_, sender)| sender.send(Reply::StorageUnavailable));
        assert!(!engine.buffer.take(group), "a turn is written after a failed write");
    };
    nobody_is_accepted_after_a_failure(forgets_the_buffer, &anything())
});

#[test]
fn a_caller_that_sleeps_is_woken_by_its_reply() {
    prove(|| {
        let engine = Engine::new();
        let (partition, receiver) = Engine::turn(&engine);
        let writer = {
            let engine = engine.clone();
            thread::spawn(move || {
                let mut group = Group::default();
                assert_eq!(engine.buffer.wait_take(&mut group, None), Taken::Group);
                engine.disk.store(group.last(), Ordering::Relaxed);
                engine.publish(group.last());
            })
        };
        assert_eq!(loom::future::block_on(receiver), Ok(Reply::Accepted));
        partition.join().unwrap();
        writer.join().unwrap();
    });
}
