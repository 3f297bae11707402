//! Power losses, failed writes and failed syncs, at every operation and at every byte: whatever was acknowledged is there
//! afterwards, whatever was not is wholly there or wholly not.

mod journal_support;

use journal_support::*;
use stockade_storage::disk::{Fault, Operation, SimulatedDisk, Survival};
use stockade_storage::journal::{Journal, OpenError, Opened};

const SEGMENT: u64 = 1024;
const TURNS: u64 = 14;

/// What a run had come to when it was stopped.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    /// The last record acknowledged.
    acknowledged: u64,
    /// The last record of a group that was submitted.
    submitted: u64,
    finished: bool,
}

/// Opens a journal and does with it all that can be done, until the disk fails. Errors of upkeep end nothing.
fn run(disk: &SimulatedDisk) -> Run {
    let mut run = Run::default();
    let Ok(mut opened) = open(disk, SEGMENT) else { return run };
    for turn in 0..TURNS {
        let _ = opened.upkeep.prepare();
        let records = group_size(turn);
        run.submitted = run.acknowledged + u64::from(records);
        let Ok(last) = submit_next(&mut opened.journal, records) else { return run };
        assert_eq!(last, run.submitted);
        run.acknowledged = last;
        if turn == 4 && opened.journal.seal().is_err() {
            return run;
        }
        if turn > 6 {
            let _ = opened.upkeep.seal_step();
            let _ = archive_next(&opened.upkeep, last / 2);
        }
    }
    run.finished = opened.journal.close().is_ok();
    run
}

fn reopen(disk: &SimulatedDisk, run: &Run, context: &str) -> Opened {
    let opened = open(disk, SEGMENT).unwrap_or_else(|error| panic!("{context}: {error}"));
    let last = opened.recovered.last_seq;
    assert!(last >= run.acknowledged, "{context}: record {} was acknowledged, {last} is the last", run.acknowledged);
    assert!(last <= run.submitted, "{context}: {last} records, but only {} were submitted", run.submitted);
    assert_eq!(check_records(&opened.reader), last, "{context}");
    opened
}

/// What a new generation builds on must be as sure as what was acknowledged: it has been shown.
fn check_life_goes_on(disk: &SimulatedDisk, run: &Run, context: &str) {
    let mut opened = reopen(disk, run, context);
    let mut sure =
        Run { acknowledged: opened.recovered.last_seq, submitted: opened.recovered.last_seq, finished: false };
    disk.power_loss(Survival::Nothing);
    drop(opened);
    opened = reopen(disk, &sure, context);
    let _ = opened.upkeep.prepare();
    for turn in 0..3 {
        sure.acknowledged = submit_next(&mut opened.journal, group_size(turn)).unwrap();
    }
    sure.submitted = sure.acknowledged;
    while opened.upkeep.seal_step().unwrap().is_some() {}
    drop(opened);
    disk.power_loss(Survival::Nothing);
    let opened = reopen(disk, &sure, context);
    let order = order_of(6);
    let sealed = opened.reader.sealed_to();
    let expected: Vec<u64> = [6, 8, 10].into_iter().filter(|seq| *seq <= sealed).collect();
    assert_eq!(opened.reader.lookup_order(order, i64::MIN).unwrap(), expected, "{context}");
}

fn operations() -> Vec<Operation> {
    let disk = SimulatedDisk::new();
    assert!(run(&disk).finished);
    let operations = disk.operations();
    for kind in [Operation::Sync, Operation::Rename, Operation::Remove, Operation::Truncate, Operation::Preallocate] {
        assert!(operations.contains(&kind), "the run is to reach everything: {kind:?}");
    }
    operations
}

#[test]
fn power_lost_at_every_byte_loses_nothing_that_was_acknowledged() {
    let mut torn = 0;
    let mut cuts = 0;
    for (number, operation) in operations().into_iter().enumerate() {
        let bytes = if let Operation::Write { bytes } = operation { bytes } else { 0 };
        // Indexes and archives are written under another name first: their bytes matter less than their end.
        let step = if bytes > 2_000 { 1_009 } else { 1 };
        for cut in (0..=bytes).step_by(step) {
            let disk = SimulatedDisk::new();
            disk.arm(number, Fault::PowerCut { bytes: cut });
            let run = run(&disk);
            disk.power_loss(Survival::Everything);
            let context = format!("power lost in operation {number}, {operation:?}, at byte {cut}");
            let opened = reopen(&disk, &run, &context);
            torn += u64::from(opened.recovered.cut_bytes > 0);
            cuts += 1;
            assert!(!run.finished, "{context}");
        }
    }
    assert!(torn > 1_000 && cuts > torn, "{torn} torn frames in {cuts} cuts");
}

#[test]
fn power_lost_at_every_operation_with_any_subset_of_sectors_loses_nothing_that_was_acknowledged() {
    for (number, operation) in operations().into_iter().enumerate() {
        let bytes = if let Operation::Write { bytes } = operation { bytes } else { 0 };
        for survival in [Survival::Nothing, Survival::Everything].into_iter().chain((0..6).map(Survival::Random)) {
            let disk = SimulatedDisk::new();
            disk.arm(number, Fault::PowerCut { bytes: bytes - bytes / 3 });
            let run = run(&disk);
            disk.power_loss(survival);
            let context = format!("power lost in operation {number}, {operation:?}, with {survival:?}");
            check_life_goes_on(&disk, &run, &context);
            assert_eq!(disk.struck(), 1, "{context}");
        }
    }
}

#[test]
fn any_failed_operation_ends_the_generation_and_loses_nothing_that_was_acknowledged() {
    let faults = [Fault::Error, Fault::Full, Fault::ShortWrite { bytes: 90 }];
    let mut ended = 0;
    for (number, operation) in operations().into_iter().enumerate() {
        for fault in faults {
            for power in [None, Some(Survival::Nothing), Some(Survival::Random(number as u64))] {
                let disk = SimulatedDisk::new();
                disk.arm(number, fault);
                let run = run(&disk);
                assert_eq!(disk.struck(), 1, "{fault:?} at {number} has to strike");
                ended += u64::from(!run.finished);
                match power {
                    // The process ends; what it wrote can still be read, on the disk or not.
                    None => disk.kill(),
                    Some(survival) => disk.power_loss(survival),
                }
                let context = format!("{fault:?} in operation {number}, {operation:?}, then {power:?}");
                check_life_goes_on(&disk, &run, &context);
            }
        }
    }
    assert!(ended > 100, "{ended} generations ended");
}

#[test]
fn power_lost_again_while_recovering_loses_nothing() {
    let operations = operations();
    let writes = operations.iter().enumerate().filter(|(_, operation)| matches!(operation, Operation::Write { .. }));
    for (number, operation) in writes.step_by(3) {
        let Operation::Write { bytes } = *operation else { continue };
        for seed in 0..3 {
            let broken = || {
                let disk = SimulatedDisk::new();
                disk.arm(number, Fault::PowerCut { bytes: bytes / 2 + seed as usize * 8 });
                let run = run(&disk);
                disk.power_loss(Survival::Random(seed));
                (disk, run)
            };
            let (disk, run) = broken();
            let before = disk.operation_count();
            drop(open(&disk, SEGMENT).unwrap());
            let recovery = disk.operations()[before..].to_vec();
            reopen(&disk, &run, "undisturbed");
            for (step, operation) in recovery.into_iter().enumerate() {
                let (disk, run) = broken();
                let bytes = if let Operation::Write { bytes } = operation { bytes } else { 0 };
                disk.arm(before + step, Fault::PowerCut { bytes: bytes / 2 });
                assert!(matches!(open(&disk, SEGMENT), Err(OpenError::Disk(_))));
                disk.power_loss(Survival::Random(seed + 10));
                check_life_goes_on(&disk, &run, &format!("operation {number}, then {step} of recovery, {operation:?}"));
            }
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_although_it_can_be_read() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk, SEGMENT).unwrap();
    submit_next(&mut opened.journal, 2).unwrap();
    disk.arm(disk.operation_count() + 1, Fault::Error);
    assert!(submit_next(&mut opened.journal, 3).is_err());
    assert!(submit_next(&mut opened.journal, 1).is_err(), "the generation has ended");
    assert_eq!((disk.struck(), opened.reader.durable_to()), (1, 2));
    drop(opened);

    // The pages are clean now and hold what is not on the disk: recovery finds five records and has to make them durable.
    let opened = open(&disk, SEGMENT).unwrap();
    assert_eq!(opened.recovered.last_seq, 5);
    drop(opened);
    disk.power_loss(Survival::Nothing);
    assert_eq!(open(&disk, SEGMENT).unwrap().recovered.last_seq, 5);
}
