//! The writer between group buffer, journal and watermark: nothing is handed out before it is durable, everything is handed
//! out once.

mod journal_support;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use journal_support::*;
use parking_lot::Mutex;
use stockade_storage::disk::{Fault, MemoryDisk, SimulatedDisk};
use stockade_storage::journal::{JournalError, Opened, Released, Step, Writer};
use stockade_sync::{GroupBuffer, Parked, Watermark};

const NOW: Option<Duration> = Some(Duration::ZERO);

/// What the writer handed out.
#[derive(Debug, Default)]
struct Outcome {
    due: Vec<u64>,
    lost: Vec<u64>,
    errors: Vec<Option<String>>,
}

struct Collect(Arc<Mutex<Outcome>>);

impl Released<u64> for Collect {
    fn due(&mut self, items: &mut Vec<u64>) {
        self.0.lock().due.append(items);
    }

    fn lost(&mut self, items: &mut Vec<u64>, error: Option<&JournalError>) {
        let mut outcome = self.0.lock();
        outcome.lost.append(items);
        outcome.errors.push(error.map(ToString::to_string));
    }
}

struct Engine {
    buffer: Arc<GroupBuffer>,
    watermark: Arc<Watermark<u64>>,
    outcome: Arc<Mutex<Outcome>>,
    writer: Writer<u64>,
}

fn engine(opened: Opened) -> (Engine, stockade_storage::journal::JournalReader) {
    let last = opened.recovered.last_seq;
    let buffer = Arc::new(GroupBuffer::new(last + 1));
    let watermark = Arc::new(Watermark::new(last));
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let released = Box::new(Collect(Arc::clone(&outcome)));
    let writer = Writer::new(Box::new(opened.journal), Arc::clone(&buffer), Arc::clone(&watermark), released);
    (Engine { buffer, watermark, outcome, writer }, opened.reader)
}

impl Engine {
    /// Appends a turn of one record, and parks its reply.
    fn turn(&self) -> u64 {
        let seq = self.buffer.last_appended() + 1;
        let appended = self.buffer.append(&record(seq), 1).unwrap();
        assert_eq!(appended.last(), seq);
        assert!(matches!(self.watermark.park(seq, seq), Parked::Waits));
        seq
    }
}

#[test]
fn replies_leave_when_their_records_are_durable_and_in_order() {
    let (mut engine, reader) = engine(open(&MemoryDisk::new(), 4096).unwrap());
    for _ in 0..3 {
        engine.turn();
    }
    assert!(engine.outcome.lock().due.is_empty());
    assert_eq!(engine.writer.step(NOW), Step::Wrote(3));
    assert_eq!((engine.outcome.lock().due.clone(), reader.durable_to()), (vec![1, 2, 3], 3));
    assert_eq!(engine.writer.step(NOW), Step::Idle);
    engine.turn();
    assert_eq!(engine.writer.step(NOW), Step::Wrote(4));
    assert_eq!(engine.outcome.lock().due, [1, 2, 3, 4]);
    assert_eq!(check_records(&reader), 4);
}

#[test]
fn an_idle_writer_seals_once() {
    let disk = SimulatedDisk::new();
    let (mut engine, _) = engine(open(&disk, 4096).unwrap());
    engine.turn();
    assert_eq!(engine.writer.step(NOW), Step::Wrote(1));
    let before = disk.operation_count();
    assert_eq!(engine.writer.step(NOW), Step::Idle);
    assert_eq!(disk.operation_count(), before + 2, "a write and a sync");
    assert_eq!(engine.writer.step(NOW), Step::Idle);
    assert_eq!(disk.operation_count(), before + 2);
}

#[test]
fn a_failed_sync_ends_the_generation_for_everybody() {
    for fault in [Fault::Error, Fault::Full, Fault::ShortWrite { bytes: 20 }] {
        for operation in 0..2 {
            let disk = SimulatedDisk::new();
            let (mut engine, reader) = engine(open(&disk, 4096).unwrap());
            engine.turn();
            assert_eq!(engine.writer.step(NOW), Step::Wrote(1));
            disk.arm(disk.operation_count() + operation, fault);
            engine.turn();
            assert!(matches!(engine.watermark.park(7, 7), Parked::Waits));
            assert_eq!(engine.writer.step(NOW), Step::Ended);
            let outcome = engine.outcome.lock();
            assert_eq!((outcome.due.as_slice(), outcome.lost.as_slice()), (&[1][..], &[2, 7][..]), "{fault:?}");
            assert!(matches!(outcome.errors.as_slice(), [Some(_)]), "{:?}", outcome.errors);
            assert!(engine.buffer.append(&record(3), 1).is_err(), "nothing more is appended");
            assert!(matches!(engine.watermark.park(1, 1), Parked::Closed(1)), "nothing more is due");
            drop(outcome);
            assert_eq!(engine.writer.step(NOW), Step::Ended);
            assert_eq!(reader.durable_to(), 1);
        }
    }
}

#[test]
fn a_closed_buffer_is_written_to_its_end_and_sealed() {
    let disk = MemoryDisk::new();
    let (mut engine, _) = engine(open(&disk, 4096).unwrap());
    engine.turn();
    engine.turn();
    engine.buffer.close();
    assert_eq!(engine.writer.step(None), Step::Wrote(2));
    assert_eq!(engine.writer.step(None), Step::Ended);
    let outcome = engine.outcome.lock();
    assert_eq!((outcome.due.as_slice(), outcome.lost.len(), outcome.errors.as_slice()), (&[1, 2][..], 0, &[None][..]));
    drop(outcome);
    let Engine { writer, .. } = engine;
    drop(writer);
    assert_eq!(open(&disk, 4096).unwrap().recovered.last_seq, 2);
}

#[test]
fn many_threads_append_and_every_reply_leaves_once_when_it_may() {
    const THREADS: u64 = 3;
    const TURNS: u64 = 400;
    let disk = MemoryDisk::new();
    let (engine, reader) = engine(open(&disk, 8192).unwrap());
    let Engine { buffer, watermark, outcome, writer } = engine;
    let writer = writer.spawn(Duration::from_millis(1)).unwrap();
    // Sequences are given under the buffer's lock, so the records are made to fit them under a lock of the test's own.
    let order = Mutex::new(());
    let early = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..TURNS {
                    let appended = {
                        let _order = order.lock();
                        buffer.append(&record(buffer.last_appended() + 1), 1).unwrap()
                    };
                    match watermark.park(appended.last(), appended.last()) {
                        Parked::Waits => {}
                        Parked::Due(seq) => {
                            assert!(reader.durable_to() >= seq);
                            early.lock().push(seq);
                        }
                        Parked::Closed(seq) => panic!("the generation ended before {seq}"),
                    }
                }
            });
        }
    });
    buffer.close();
    writer.join().unwrap();
    let mut all = std::mem::take(&mut outcome.lock().due);
    assert!(all.is_sorted(), "they leave in order");
    all.append(&mut early.lock());
    all.sort_unstable();
    assert!(all.iter().copied().eq(1..=THREADS * TURNS));
    assert!(outcome.lock().lost.is_empty());
    assert_eq!(check_records(&reader), THREADS * TURNS);
}
