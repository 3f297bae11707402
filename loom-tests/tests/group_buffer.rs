//! Models of the group buffer: no turn is lost, split or renumbered between its append and the writer.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use stockade_loom_tests::broken::group_buffer::{BrokenGroupBuffer, Bug, Groups};
use stockade_loom_tests::group_buffer::{Group, GroupBuffer, Taken};
use stockade_loom_tests::model::{LOST_WAKE_UP, Witness, prove};
use stockade_loom_tests::refuted;

const TURNS: [&[u8]; 2] = [b"aa", b"b"];

/// The journal, as the writer would have written it.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    groups: Vec<(u64, u64)>,
}

impl Written {
    fn write(&mut self, group: &Group) {
        assert_eq!(group.first, self.bytes.len() as u64 + 1, "a group begins where the one before ended");
        assert_eq!(group.records as usize, group.bytes.len(), "a group says how many records it has");
        self.bytes.extend_from_slice(&group.bytes);
        self.groups.push((group.first, group.last()));
    }

    fn holds(&self, turn: &[u8], (first, last): (u64, u64)) {
        assert_eq!(&self.bytes[first as usize - 1..last as usize], turn, "a turn is written under its numbers");
        let whole = self.groups.iter().any(|group| group.0 <= first && last <= group.1);
        assert!(whole, "a turn is in one group");
    }
}

/// Two partitions append a turn each while the writer takes what there is.
fn two_append_while_one_takes<G: Groups>(buffer: G, together: &Witness, apart: &Witness) {
    let buffer = Arc::new(buffer);
    let partitions = TURNS.map(|turn| {
        let buffer = buffer.clone();
        thread::spawn(move || buffer.append(turn).expect("the buffer is open"))
    });
    let (mut group, mut written) = (Group::default(), Written::default());
    if buffer.take(&mut group) {
        written.write(&group);
    }
    let tokens = partitions.map(|partition| partition.join().unwrap());
    if buffer.take(&mut group) {
        written.write(&group);
    }
    for (turn, token) in TURNS.into_iter().zip(tokens) {
        written.holds(turn, token);
    }
    assert_eq!(written.bytes.len(), 3, "nothing is written twice");
    if written.groups.len() == 1 { together.saw() } else { apart.saw() }
}

fn appends(bug: Bug) -> impl Fn() + Send + Sync + 'static {
    let ignored = Witness::of("anything");
    move || two_append_while_one_takes(BrokenGroupBuffer::new(bug), &ignored, &ignored)
}

#[test]
fn a_turn_is_written_whole_and_under_its_numbers() {
    let (together, apart) = (Witness::of("turns share a group"), Witness::of("turns are in two groups"));
    let model = (together.clone(), apart.clone());
    prove(move || two_append_while_one_takes(GroupBuffer::new(1), &model.0, &model.1));
    together.must_have_been_seen();
    apart.must_have_been_seen();
}

refuted!(
    a_twin_that_numbers_outside_the_lock_swaps_turns,
    "a turn is written under its numbers",
    appends(Bug::NumbersOutsideTheLock)
);

refuted!(a_twin_that_appends_record_by_record_mixes_or_splits_turns, "a turn is", appends(Bug::AppendsRecordByRecord));

/// Somebody sees what a turn did, and answers: the answer rests on all that was appended so far.
fn an_answer_rests_on_what_it_saw<G: Groups>(buffer: G, seen: &Witness) {
    let (buffer, effect) = (Arc::new(buffer), Arc::new(AtomicU64::new(0)));
    let reader = {
        let (buffer, effect) = (buffer.clone(), effect.clone());
        thread::spawn(move || (effect.load(Ordering::Relaxed), buffer.observe()))
    };
    let (_, last) = buffer.append(b"a").expect("the buffer is open");
    effect.store(last, Ordering::Relaxed);
    let (saw, basis) = reader.join().unwrap();
    if saw > 0 {
        seen.saw();
        assert!(basis >= Some(saw), "an answer rests on what it saw");
    }
}

#[test]
fn an_answer_without_a_record_rests_on_everything_before_it() {
    let seen = Witness::of("the turn's effect is seen");
    let model = seen.clone();
    prove(move || an_answer_rests_on_what_it_saw(GroupBuffer::new(1), &model));
    seen.must_have_been_seen();
}

refuted!(a_twin_that_observes_without_the_lock_answers_too_early, "an answer rests on what it saw", || {
    an_answer_rests_on_what_it_saw(BrokenGroupBuffer::new(Bug::ObservesWithoutTheLock), &Witness::of("anything"))
});

/// The writer sleeps until it has both turns.
fn the_writer_is_woken<G: Groups>(buffer: G) {
    let buffer = Arc::new(buffer);
    let partitions = TURNS.map(|turn| {
        let buffer = buffer.clone();
        thread::spawn(move || buffer.append(turn).expect("the buffer is open"))
    });
    let (mut group, mut written) = (Group::default(), Written::default());
    while written.bytes.len() < 3 {
        assert_eq!(buffer.wait_take(&mut group), Taken::Group);
        written.write(&group);
    }
    for (turn, partition) in TURNS.into_iter().zip(partitions) {
        written.holds(turn, partition.join().unwrap());
    }
}

#[test]
fn a_writer_that_sleeps_is_woken_by_the_first_turn() {
    prove(|| the_writer_is_woken(GroupBuffer::new(1)));
}

refuted!(a_twin_that_sleeps_without_looking_leaves_a_turn_unwritten, LOST_WAKE_UP, || {
    the_writer_is_woken(BrokenGroupBuffer::new(Bug::SleepsWithoutLooking))
});

/// The writer fails while a partition appends.
fn a_failure_ends_everything<G: Groups>(buffer: G, before: &Witness, after: &Witness) {
    let buffer = Arc::new(buffer);
    let partition = {
        let buffer = buffer.clone();
        thread::spawn(move || buffer.append(b"a"))
    };
    buffer.fail();
    match partition.join().unwrap() {
        Some(_) => before.saw(),
        None => after.saw(),
    }
    assert!(!buffer.take(&mut Group::default()), "nothing is written after a failed write");
    assert_eq!(buffer.append(b"b"), None, "nothing is appended after a failed write");
}

#[test]
fn nothing_is_appended_or_written_after_a_failed_write() {
    let (before, after) = (Witness::of("the append comes first"), Witness::of("the failure comes first"));
    let model = (before.clone(), after.clone());
    prove(move || a_failure_ends_everything(GroupBuffer::new(1), &model.0, &model.1));
    before.must_have_been_seen();
    after.must_have_been_seen();
}

refuted!(a_twin_that_fails_in_two_steps_writes_after_a_gap, "nothing is written after a failed write", || {
    let ignored = Witness::of("anything");
    a_failure_ends_everything(BrokenGroupBuffer::new(Bug::FailsInTwoSteps), &ignored, &ignored);
});

/// The engine closes while a partition appends and the writer sleeps.
fn closing_writes_what_is_left<G: Groups>(buffer: G) {
    let buffer = Arc::new(buffer);
    let partition = {
        let buffer = buffer.clone();
        thread::spawn(move || buffer.append(b"a"))
    };
    let closer = {
        let buffer = buffer.clone();
        thread::spawn(move || buffer.close())
    };
    let (mut group, mut written) = (Group::default(), Written::default());
    while buffer.wait_take(&mut group) != Taken::Closed {
        written.write(&group);
    }
    let appended = partition.join().unwrap().is_some();
    assert_eq!(written.bytes.len(), usize::from(appended), "what has a number is written, what is refused is not");
    closer.join().unwrap();
}

#[test]
fn an_orderly_end_writes_what_was_appended_and_wakes_the_writer() {
    prove(|| closing_writes_what_is_left(GroupBuffer::new(1)));
}

refuted!(a_twin_that_closes_before_it_is_empty_loses_a_turn, "what has a number is written", || {
    closing_writes_what_is_left(BrokenGroupBuffer::new(Bug::ClosesBeforeItIsEmpty))
});
