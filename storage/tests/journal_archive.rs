//! Archiving: only what is old enough and not needed, never at the price of a record, whatever goes wrong meanwhile.

mod journal_support;

use journal_support::*;
use stockade_storage::disk::{Disk, Fault, Operation, SimulatedDisk, Survival};
use stockade_storage::journal::{ArchiveStep, Opened};

const SEGMENT: u64 = 2048;

/// A journal of several sealed segments; record `n` was made at `1_000 * n` microseconds.
fn journal(disk: &SimulatedDisk) -> Opened {
    let mut opened = open(disk, SEGMENT).unwrap();
    for turn in 0..40 {
        opened.upkeep.prepare().unwrap();
        submit_next(&mut opened.journal, group_size(turn)).unwrap();
    }
    while opened.upkeep.seal_step().unwrap().is_some() {}
    assert!(opened.reader.segments().0 > 3, "several segments");
    opened
}

fn steps(opened: &Opened) -> Option<u64> {
    archive_next(&opened.upkeep, u64::MAX).unwrap()
}

#[test]
fn a_segment_stays_until_all_its_records_are_old_and_in_snapshots() {
    let disk = SimulatedDisk::new();
    let opened = journal(&disk);
    let step = |below, before| opened.upkeep.archive_step(below, before).unwrap();
    let first = {
        // Which record the first segment ends with, by another journal.
        let disk = SimulatedDisk::new();
        steps(&journal(&disk)).unwrap()
    };
    let time = first as i64 * 1_000;
    assert_eq!(step(first, i64::MAX), ArchiveStep::Nothing, "its last record is in no snapshot");
    assert_eq!(step(first + 1, time), ArchiveStep::Nothing, "its last record is not old enough");
    assert_eq!(opened.reader.segments().1, 0);
    let mut last = step(first + 1, time + 1);
    while last == ArchiveStep::More {
        last = step(first + 1, time + 1);
    }
    assert_eq!(last, ArchiveStep::Archived(first));
    assert_eq!(step(first + 1, i64::MAX), ArchiveStep::Nothing, "the next one is not below");
    assert_eq!((opened.reader.segments().1, disk.list("archive").unwrap().len()), (1, 1));
    check_records(&opened.reader);
}

#[test]
fn ids_and_keys_are_found_in_archived_segments() {
    let disk = SimulatedDisk::new();
    let opened = journal(&disk);
    while steps(&opened).is_some() {}
    assert_eq!(opened.reader.segments().0, opened.reader.segments().1 + 1, "all but the one being written");
    assert_eq!(opened.reader.lookup_order(order_of(6), i64::MIN).unwrap(), [6, 8, 10]);
    assert_eq!(opened.reader.lookup_key(&digest_of(12).unwrap(), i64::MIN).unwrap(), Some(12));
    let last = opened.reader.durable_to();
    drop(opened);
    let opened = open(&disk, SEGMENT).unwrap();
    assert_eq!((opened.recovered.last_seq, check_records(&opened.reader)), (last, last));
    assert_eq!(opened.reader.lookup_key(&digest_of(12).unwrap(), i64::MIN).unwrap(), Some(12));
    assert_eq!(opened.reader.verify(&mut |_| ()).unwrap(), last);
}

/// What archiving two segments does to the disk, and how many operations came before.
fn archiving() -> (usize, Vec<Operation>) {
    let disk = SimulatedDisk::new();
    let opened = journal(&disk);
    let before = disk.operation_count();
    assert!(steps(&opened).is_some() && steps(&opened).is_some());
    let operations = disk.operations()[before..].to_vec();
    for kind in [Operation::Create, Operation::Sync, Operation::Rename, Operation::Remove, Operation::SyncDirectory] {
        assert!(operations.contains(&kind), "{kind:?} is part of it");
    }
    (before, operations)
}

#[test]
fn a_crash_at_every_operation_of_archiving_loses_nothing() {
    let (before, operations) = archiving();
    for (number, operation) in operations.into_iter().enumerate() {
        let bytes = if let Operation::Write { bytes } = operation { bytes } else { 0 };
        for survival in [Survival::Nothing, Survival::Everything].into_iter().chain((0..4).map(Survival::Random)) {
            let context = format!("power lost in operation {number} of archiving, {operation:?}, with {survival:?}");
            let disk = SimulatedDisk::new();
            let opened = journal(&disk);
            let last = opened.reader.durable_to();
            disk.arm(before + number, Fault::PowerCut { bytes: bytes / 2 });
            let failed = archive_next(&opened.upkeep, u64::MAX).and_then(|_| archive_next(&opened.upkeep, u64::MAX));
            assert!(failed.is_err() && disk.struck() == 1, "{context}");
            disk.power_loss(survival);
            drop(opened);
            let opened = open(&disk, SEGMENT).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!((opened.recovered.last_seq, check_records(&opened.reader)), (last, last), "{context}");
            assert_eq!(opened.reader.verify(&mut |_| ()).unwrap(), last, "{context}");
            while steps(&opened).is_some() {}
            assert_eq!(check_records(&opened.reader), last, "{context}, and archived after all");
        }
    }
}

#[test]
fn a_step_that_failed_is_tried_again_and_readers_notice_nothing() {
    let (before, operations) = archiving();
    for (number, operation) in operations.into_iter().enumerate() {
        for fault in [Fault::Error, Fault::Full] {
            let context = format!("{fault:?} in operation {number} of archiving, {operation:?}");
            let disk = SimulatedDisk::new();
            let opened = journal(&disk);
            let last = opened.reader.durable_to();
            disk.arm(before + number, fault);
            let failed = archive_next(&opened.upkeep, u64::MAX).and_then(|_| archive_next(&opened.upkeep, u64::MAX));
            assert!(failed.is_err() && disk.struck() == 1, "{context}");
            assert_eq!(check_records(&opened.reader), last, "{context}");
            while steps(&opened).is_some() {}
            let (all, archived) = opened.reader.segments();
            assert_eq!(archived + 1, all, "{context}");
            let originals = disk.list("").unwrap().into_iter().filter(|name| name.ends_with(".seg")).count();
            assert!(originals <= 2, "{context}: the one being written and a spare, not {originals}");
            assert_eq!(check_records(&opened.reader), last, "{context}");
        }
    }
}
