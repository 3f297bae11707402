//! The journal while nothing goes wrong: what is written is read, found, sealed, archived, and there after opening again.

mod journal_support;

use std::sync::Arc;

use journal_support::*;
use stockade_storage::disk::{Disk, DiskError, MemoryDisk, RealDisk, SimulatedDisk};
use stockade_storage::journal::{
    FRAME_OVERHEAD, Journal, JournalError, JournalOptions, OpenError, Opened, open_journal,
};
use stockade_storage::record::KIND_ORDER;
use stockade_sync::Group;

/// Writes so many groups with small segments, preparing and sealing as upkeep would.
fn write_groups(opened: &mut Opened, groups: u64) {
    for turn in 0..groups {
        opened.upkeep.prepare().unwrap();
        submit_next(&mut opened.journal, group_size(turn)).unwrap();
    }
}

fn seal_all(opened: &Opened) -> u64 {
    while opened.upkeep.seal_step().unwrap().is_some() {}
    opened.reader.sealed_to()
}

#[test]
fn what_is_submitted_is_read_back_at_once_and_after_opening_again() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk, 1024).unwrap();
    assert!(opened.recovered.created);
    write_groups(&mut opened, 60);
    let last = opened.journal.durable_to();
    assert_eq!(check_records(&opened.reader), last);
    drop(opened);

    let opened = open(&disk, 1024).unwrap();
    assert_eq!((opened.recovered.last_seq, opened.recovered.created), (last, false));
    assert!(opened.recovered.segments > 5, "{:?}", opened.recovered);
    assert_eq!(check_records(&opened.reader), last);
}

#[test]
fn a_single_record_is_read_from_anywhere() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk, 100_000).unwrap();
    write_groups(&mut opened, 2_000);
    let last = opened.journal.durable_to();
    for seq in (1..=last).step_by(37).chain([last]) {
        assert_eq!(opened.reader.record(seq).unwrap(), Some(body(seq)));
    }
    assert_eq!(opened.reader.record(0).unwrap(), None);
    assert_eq!(opened.reader.record(last + 1).unwrap(), None);
    assert_eq!(opened.reader.read_from(last + 1, 1, &mut |_, _| panic!("nothing is there")).unwrap(), last + 1);
}

#[test]
fn reading_stops_behind_the_frame_that_reaches_the_limit() {
    let mut opened = open(&MemoryDisk::new(), 4096).unwrap();
    for _ in 0..4 {
        submit_next(&mut opened.journal, 3).unwrap();
    }
    let mut shown = Vec::new();
    assert_eq!(opened.reader.read_from(2, 1, &mut |seq, _| shown.push(seq)).unwrap(), 4);
    assert_eq!(shown, [2, 3]);
}

#[test]
fn orders_and_keys_are_found_in_sealed_and_in_archived_segments() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk, 2048).unwrap();
    write_groups(&mut opened, 200);
    let last = opened.journal.durable_to();
    let sealed = seal_all(&opened);
    assert!(sealed > last / 2 && sealed < last, "{sealed} of {last}");
    let check = |opened: &Opened| {
        for order in 0..last / 6 + 2 {
            let id = u128::from(order).to_be_bytes();
            let expected: Vec<u64> = (1..=sealed).filter(|seq| seq % 2 == 0 && order_of(*seq) == id).collect();
            assert_eq!(opened.reader.lookup_order(id, i64::MIN).unwrap(), expected, "order {order}");
        }
        for seq in (6..=last).step_by(6) {
            let digest = digest_of(seq).unwrap();
            let expected = (seq <= sealed).then_some(seq);
            assert_eq!(opened.reader.lookup_key(&digest, i64::MIN).unwrap(), expected, "key of {seq}");
        }
        assert_eq!(check_records(&opened.reader), last);
    };
    check(&opened);

    let half = last / 2;
    let mut archived = 0;
    while let Some(through) = archive_next(&opened.upkeep, half).unwrap() {
        assert!(through < half);
        archived += 1;
    }
    assert!(archived > 3);
    assert_eq!(disk.list("archive").unwrap().len(), archived);
    check(&opened);
    drop(opened);

    let opened = open(&disk, 2048).unwrap();
    assert_eq!((opened.recovered.last_seq, opened.recovered.archived), (last, archived as u64));
    assert_eq!(opened.reader.sealed_to(), sealed, "footers are used again");
    check(&opened);
    let mut segments = 0;
    assert_eq!(opened.reader.verify(&mut |_| segments += 1).unwrap(), last);
    assert_eq!(segments, opened.recovered.segments);
}

#[test]
fn segments_older_than_asked_for_are_not_looked_at() {
    let mut opened = open(&MemoryDisk::new(), 2048).unwrap();
    write_groups(&mut opened, 200);
    seal_all(&opened);
    let id = order_of(6);
    assert_eq!(opened.reader.lookup_actor(KIND_ORDER, &id, 0).unwrap(), [6, 8, 10]);
    let late = opened.reader.durable_to() as i64 * 1_000;
    assert!(opened.reader.lookup_order(id, late / 2).unwrap().is_empty());
    assert_eq!(opened.reader.lookup_key(&digest_of(6).unwrap(), late / 2).unwrap(), None);
}

#[test]
fn a_group_larger_than_a_segment_gets_one_of_its_own() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk, 1024).unwrap();
    submit_next(&mut opened.journal, 2).unwrap();
    submit_next(&mut opened.journal, 500).unwrap();
    opened.upkeep.prepare().unwrap();
    submit_next(&mut opened.journal, 400).unwrap();
    submit_next(&mut opened.journal, 2).unwrap();
    assert_eq!(check_records(&opened.reader), 904);
    seal_all(&opened);
    while archive_next(&opened.upkeep, u64::MAX).unwrap().is_some() {}
    assert_eq!(check_records(&opened.reader), 904);
    drop(opened);
    let opened = open(&disk, 1024).unwrap();
    assert_eq!(check_records(&opened.reader), 904);
}

#[test]
fn a_group_that_does_not_follow_or_is_none_ends_the_generation() {
    type Case = (&'static str, Group, u64);
    let cases: [Case; 4] = [
        ("a gap", group(5, 1), 4),
        ("a caller who lost count", group(4, 1), 2),
        ("a wrong number of records", Group { records: 2, ..group(4, 1) }, 3),
        ("no records", Group { first: 4, ..Group::default() }, 3),
    ];
    for (name, group, expected_last) in cases {
        let mut opened = open(&MemoryDisk::new(), 1024).unwrap();
        submit_next(&mut opened.journal, 3).unwrap();
        assert!(opened.journal.submit(&group, expected_last).is_err(), "{name}");
        let after = submit_next(&mut opened.journal, 1);
        assert!(matches!(after, Err(JournalError::GenerationEnded)), "{name}");
        assert!(matches!(opened.journal.seal(), Err(JournalError::GenerationEnded)), "{name}");
        assert_eq!(opened.reader.durable_to(), 3);
    }
}

#[test]
fn a_closed_journal_takes_nothing_more() {
    let mut opened = open(&MemoryDisk::new(), 1024).unwrap();
    submit_next(&mut opened.journal, 1).unwrap();
    opened.journal.close().unwrap();
    assert!(matches!(submit_next(&mut opened.journal, 1), Err(JournalError::GenerationEnded)));
}

#[test]
fn the_directory_is_for_one_journal_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(directory.path()).unwrap();
    let mut first = open(&disk, 4096).unwrap();
    submit_next(&mut first.journal, 5).unwrap();
    assert!(matches!(open(&disk, 4096), Err(OpenError::InUse { .. })));
    let reader = first.reader.clone();
    drop(first);
    let mut second = open(&disk, 4096).unwrap();
    assert_eq!(submit_next(&mut second.journal, 5).unwrap(), 10);
    assert_eq!((check_records(&second.reader), check_records(&reader)), (10, 5), "an old reader reads on what it knew");
}

#[test]
fn a_real_directory_keeps_seals_and_archives() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(directory.path()).unwrap();
    let mut opened = open(&disk, 4096).unwrap();
    write_groups(&mut opened, 100);
    let sealed = seal_all(&opened);
    archive_next(&opened.upkeep, sealed).unwrap().unwrap();
    opened.journal.close().unwrap();
    let last = opened.journal.durable_to();
    drop(opened);
    let opened = open(&disk, 4096).unwrap();
    assert_eq!((check_records(&opened.reader), opened.recovered.archived), (last, 1));
}

#[test]
fn a_full_disk_is_known_before_anything_happens() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk, 4096).unwrap();
    let room = opened.upkeep.room();
    assert!(opened.upkeep.prepare().unwrap());
    assert!(!opened.upkeep.prepare().unwrap(), "one spare is enough");
    disk.limit(Some(2 * 4096));
    let reserve = 1_000 + 10 * FRAME_OVERHEAD;
    let mut admitted = 0;
    while room.has_room(reserve) {
        // Nothing that was admitted ever fails, although no new segment can be made.
        for _ in 0..10 {
            submit_next(&mut opened.journal, 1).unwrap();
        }
        assert!(matches!(opened.upkeep.prepare(), Ok(false) | Err(DiskError::Full { .. })));
        admitted += 10;
    }
    assert!(admitted > 20);
    disk.limit(None);
    assert!(opened.upkeep.prepare().unwrap());
    assert!(room.has_room(reserve), "with space there is room again");
    submit_next(&mut opened.journal, 10).unwrap();
    assert_eq!(check_records(&opened.reader), admitted + 10);
}

#[test]
fn spares_leave_free_what_others_need() {
    let disk = SimulatedDisk::new();
    let options = JournalOptions { free_bytes_min: 10_000, ..options(4096) };
    let opened = open_journal(Arc::new(disk.clone()), &options).unwrap();
    disk.limit(Some(4096 + 4096 + 9_999));
    assert!(matches!(opened.upkeep.prepare(), Err(DiskError::Full { .. })));
    disk.limit(Some(4096 + 4096 + 10_000));
    assert!(opened.upkeep.prepare().unwrap());
}

#[test]
fn readers_see_all_that_is_durable_and_nothing_else_while_the_writer_goes_on() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk, 8192).unwrap();
    let last = 3_000;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = opened.reader.clone();
            scope.spawn(move || {
                let mut next = 1;
                while next <= last {
                    let durable = reader.durable_to();
                    next = reader.read_from(next, usize::MAX, &mut |seq, bytes| assert_eq!(bytes, body(seq))).unwrap();
                    assert!(next > durable, "what was durable before is shown");
                    std::thread::yield_now();
                }
            });
        }
        let upkeep = &opened.upkeep;
        let reader = opened.reader.clone();
        scope.spawn(move || {
            while reader.durable_to() < last {
                upkeep.prepare().unwrap();
                upkeep.seal_step().unwrap();
                archive_next(upkeep, reader.durable_to() / 2).unwrap();
                std::thread::yield_now();
            }
        });
        let mut turn = 0;
        while submit_next(&mut opened.journal, group_size(turn)).unwrap() < last {
            turn += 1;
        }
    });
    assert!(check_records(&opened.reader) >= last);
}
