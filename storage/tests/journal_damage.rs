//! A journal that has changed since it was written: refused with its place, never skipped, and nothing acknowledged is lost
//! in silence.

mod journal_support;

use std::collections::BTreeMap;

use journal_support::*;
use stockade_storage::disk::{Disk, SimulatedDisk};
use stockade_storage::journal::{Damage, Journal, OpenError, Reason};

const SEGMENT: u64 = 1024;

/// A journal of some segments that ends with records and without a seal, as a crash leaves it. A spare is prepared.
fn crashed_journal() -> (SimulatedDisk, u64) {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk, SEGMENT).unwrap();
    for turn in 0..14 {
        opened.upkeep.prepare().unwrap();
        submit_next(&mut opened.journal, group_size(turn)).unwrap();
    }
    let last = opened.journal.durable_to();
    drop(opened);
    (disk.copy(), last)
}

fn segments(disk: &SimulatedDisk) -> Vec<String> {
    disk.list("").unwrap().into_iter().filter(|name| name.ends_with(".seg")).collect()
}

/// Where the last byte that is not zero stands in each file.
fn written(disk: &SimulatedDisk) -> BTreeMap<String, usize> {
    let end_of =
        |name: &String| disk.contents(name).unwrap().iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    segments(disk).into_iter().map(|name| (name.clone(), end_of(&name))).collect()
}

/// Opens a damaged copy: either it is refused at a place not behind the change, or nothing is lost.
fn check_change(disk: &SimulatedDisk, name: &str, offset: usize, last: u64, context: &str) -> Option<Damage> {
    match open(disk, SEGMENT) {
        Ok(opened) => {
            assert_eq!(opened.recovered.last_seq, last, "{context}: an acknowledged record is lost");
            assert_eq!(check_records(&opened.reader), last, "{context}");
            None
        }
        Err(OpenError::Damaged(damage)) => {
            assert!(damage.file == name, "{context}: {damage}");
            assert!(damage.offset <= offset as u64, "{context}: {damage}");
            Some(damage)
        }
        Err(error) => panic!("{context}: {error}"),
    }
}

#[test]
fn every_flipped_byte_is_refused_or_lay_where_nothing_was_written() {
    let (disk, last) = crashed_journal();
    let written = written(&disk);
    assert!(written.len() >= 4, "{written:?}");
    let (mut refused, mut harmless) = (0, 0);
    for (name, end) in &written {
        let contents = disk.contents(name).unwrap();
        for (offset, byte) in contents.iter().enumerate() {
            let masks = if offset < *end { vec![0x01, 0x80, 0xff, *byte] } else { vec![0x01, 0xff] };
            for mask in masks.into_iter().filter(|mask| *mask != 0) {
                let copy = disk.copy();
                assert!(copy.flip(name, offset as u64, mask));
                let context = format!("{name}, byte {offset} xor {mask:#x}");
                match check_change(&copy, name, offset, last, &context) {
                    Some(_) => refused += 1,
                    None => {
                        // Of what was written, only the last byte of an end mark means nothing when it is gone.
                        assert!(offset + 1 >= *end, "{context} was not noticed");
                        harmless += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 4_000 && harmless > 1_000, "{refused} refused, {harmless} harmless");
}

#[test]
fn a_journal_that_was_sealed_notices_the_loss_of_any_sector_but_its_last() {
    // Small frames and, at the end, one that covers some sectors; opening it again has sealed it.
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk, 8192).unwrap();
    for turn in 0..60 {
        submit_next(&mut opened.journal, group_size(turn)).unwrap();
    }
    let last = submit_next(&mut opened.journal, 60).unwrap();
    drop(opened);
    drop(open(&disk, 8192).unwrap());
    let disk = disk.copy();
    let mut refused = 0;
    let written = written(&disk);
    let (last_name, last_end) = written.last_key_value().unwrap();
    for (name, end) in &written {
        let contents = disk.contents(name).unwrap();
        for sector in 0..end.div_ceil(512) {
            let copy = disk.copy();
            let to = contents.len().min(sector * 512 + 512);
            for (offset, byte) in contents.iter().enumerate().take(to).skip(sector * 512) {
                copy.flip(name, offset as u64, *byte);
            }
            let context = format!("sector {sector} of {name}");
            // The last sector holds the seal itself: without it, it looks like a write that never came.
            let is_last = name == last_name && to >= *last_end;
            match open(&copy, 8192) {
                Ok(opened) => assert!(is_last || opened.recovered.last_seq == last, "{context}"),
                Err(OpenError::Damaged(damage)) => {
                    assert!(damage.offset < to as u64, "{context}: {damage}");
                    refused += 1;
                }
                Err(error) => panic!("{context}: {error}"),
            }
        }
    }
    assert!(refused > 15, "{refused}");
}

#[test]
fn a_frame_of_another_history_of_the_same_journal_is_noticed() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk, 4096).unwrap();
    submit_next(&mut opened.journal, 3).unwrap();
    drop(opened);
    // Both histories are numbered alike and as long as each other; only the first record of one differs by a bit.
    let write = |disk: &SimulatedDisk, mask: u8| {
        let mut opened = open(disk, 4096).unwrap();
        let mut first = group(4, 2);
        *first.bytes.last_mut().unwrap() ^= mask;
        opened.journal.submit(&first, 3).unwrap();
        submit_next(&mut opened.journal, 2).unwrap();
        drop(opened);
        disk.contents(&segments(disk)[0]).unwrap()
    };
    let (ours, other) = (write(&disk.copy(), 0), write(&disk.copy(), 2));
    let frames = frames_of(&ours);
    assert_eq!(frames, frames_of(&other));
    let changed = frames.iter().position(|frame| ours[frame.clone()] != other[frame.clone()]).unwrap();
    let frame = frames[changed].clone();
    let spliced = [&ours[..frame.start], &other[frame.clone()], &ours[frame.end..]].concat();
    disk.put(&segments(&disk)[0], &spliced);
    let damage = match open(&disk, 4096) {
        Err(OpenError::Damaged(damage)) => damage,
        result => panic!("{result:?}"),
    };
    assert_eq!((damage.reason, damage.offset), (Reason::Chain, frames[changed + 1].start as u64));
}

#[test]
fn a_refusal_changes_nothing() {
    let (disk, _) = crashed_journal();
    let name = segments(&disk)[0].clone();
    disk.flip(&name, 300, 1);
    let before: Vec<_> = segments(&disk).iter().map(|name| disk.contents(name)).collect();
    assert!(matches!(open(&disk, SEGMENT), Err(OpenError::Damaged(_))));
    let after: Vec<_> = segments(&disk).iter().map(|name| disk.contents(name)).collect();
    assert!(before == after);
    disk.flip(&name, 300, 1);
    open(&disk, SEGMENT).unwrap();
}

#[test]
fn a_frame_taken_out_put_in_or_put_elsewhere_is_noticed() {
    let (disk, _) = crashed_journal();
    let names = segments(&disk);
    let bytes = disk.contents(&names[1]).unwrap();
    // Two frames of one segment exchanged, byte for byte valid each.
    let frames = frames_of(&bytes);
    let (a, b) = (frames[0].clone(), frames[1].clone());
    let exchanged = [&bytes[..128], &bytes[b.clone()], &bytes[a.clone()], &bytes[b.end..]].concat();
    let taken_out = [&bytes[..128], &bytes[b.clone()], &bytes[b.end..]].concat();
    let repeated = [&bytes[..a.end], &bytes[a.clone()], &bytes[a.end..]].concat();
    for (context, changed) in [("exchanged", exchanged), ("taken out", taken_out), ("repeated", repeated)] {
        let copy = disk.copy();
        copy.put(&names[1], &changed);
        let result = open(&copy, SEGMENT);
        assert!(
            matches!(&result, Err(OpenError::Damaged(damage)) if matches!(damage.reason, Reason::Chain | Reason::Sequence)),
            "{context}: {result:?}"
        );
    }
    let copy = disk.copy();
    copy.put(&names[1], &disk.contents(&names[0]).unwrap());
    let result = open(&copy, SEGMENT);
    assert!(matches!(&result, Err(OpenError::Damaged(damage)) if damage.reason == Reason::SegmentPlace), "{result:?}");
}

#[test]
fn a_segment_of_another_journal_is_noticed() {
    let (disk, _) = crashed_journal();
    let other = SimulatedDisk::new();
    let id = stockade_storage::journal::JournalOptions { journal_id: [9; 16], ..options(SEGMENT) };
    let mut opened = stockade_storage::journal::open_journal(std::sync::Arc::new(other.clone()), &id).unwrap();
    for turn in 0..14 {
        submit_next(&mut opened.journal, group_size(turn)).unwrap();
    }
    let name = &segments(&disk)[1];
    disk.put(name, &other.contents(name).unwrap());
    let result = open(&disk, SEGMENT);
    assert!(matches!(&result, Err(OpenError::Damaged(damage)) if damage.reason == Reason::SegmentPlace), "{result:?}");
}

/// The frames of a segment, from their lengths.
fn frames_of(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut frames = Vec::new();
    let mut at = 128;
    while at + 80 <= bytes.len() && bytes[at..at + 4] == *b"SKFR" {
        let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        let end = at + 72 + length.next_multiple_of(8) + 8;
        frames.push(at..end);
        at = end;
    }
    frames
}

/// A journal with sealed and archived segments.
fn kept_journal() -> (SimulatedDisk, u64, u64) {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk, SEGMENT).unwrap();
    for turn in 0..40 {
        submit_next(&mut opened.journal, group_size(turn)).unwrap();
        opened.upkeep.seal_step().unwrap();
    }
    let last = opened.journal.durable_to();
    while opened.upkeep.seal_step().unwrap().is_some() {}
    for _ in 0..3 {
        archive_next(&opened.upkeep, last).unwrap().unwrap();
    }
    let sealed = opened.reader.sealed_to();
    opened.journal.close().unwrap();
    (disk.copy(), last, sealed)
}

#[test]
fn a_missing_file_is_refused_unless_it_can_be_made_anew() {
    let (disk, last, sealed) = kept_journal();
    let names = disk.list("").unwrap().into_iter();
    let names = names.chain(disk.list("archive").unwrap().into_iter().map(|name| format!("archive/{name}")));
    for name in names {
        let copy = disk.copy();
        copy.remove(&name).unwrap();
        match open(&copy, SEGMENT) {
            Err(OpenError::Damaged(damage)) => {
                assert_eq!(damage.reason, Reason::SegmentMissing, "{name}");
                assert!(!name.ends_with(".footer"), "{name}");
            }
            Err(error) => panic!("{name}: {error}"),
            Ok(opened) => {
                assert!(name.ends_with(".footer"), "{name} is missing and nobody notices");
                assert_eq!(check_records(&opened.reader), last);
                assert!(opened.reader.sealed_to() < sealed);
                while opened.upkeep.seal_step().unwrap().is_some() {}
                assert_eq!(opened.reader.sealed_to(), sealed, "the index of {name} is made anew");
                check_lookups(&opened.reader, sealed, &name);
            }
        }
    }
}

/// It opened as a smaller journal, and the audit of that was clean.
#[test]
fn the_segment_written_last_is_missed_where_a_spare_stands_behind_it() {
    for turns in [1, 12] {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk, SEGMENT).unwrap();
        for turn in 0..turns {
            submit_next(&mut opened.journal, group_size(turn)).unwrap();
        }
        while opened.upkeep.prepare().unwrap() {}
        drop(opened);
        let copy = disk.copy();
        let names = segments(&copy);
        let written = names.iter().rposition(|name| !frames_of(&copy.contents(name).unwrap()).is_empty()).unwrap();
        assert!(written + 1 < names.len(), "a spare stands behind {}", names[written]);
        copy.remove(&names[written]).unwrap();
        let result = open(&copy, SEGMENT);
        let is_missed = matches!(&result, Err(OpenError::Damaged(damage)) if damage.reason == Reason::SegmentMissing);
        assert!(is_missed, "{turns} turns: {result:?}");
    }
}

fn check_lookups(reader: &stockade_storage::journal::JournalReader, sealed: u64, context: &str) {
    for seq in (6..=sealed).step_by(6) {
        let found = reader.lookup_order(order_of(seq), i64::MIN).unwrap();
        let expected: Vec<u64> = [seq, seq + 2, seq + 4].into_iter().filter(|seq| *seq <= sealed).collect();
        assert_eq!(found, expected, "{context}");
        assert_eq!(reader.lookup_key(&digest_of(seq).unwrap(), i64::MIN).unwrap(), Some(seq), "{context}");
    }
}

#[test]
fn a_damaged_index_costs_time_and_no_answer() {
    let (disk, last, sealed) = kept_journal();
    let footers: Vec<_> = disk.list("").unwrap().into_iter().filter(|name| name.ends_with(".footer")).collect();
    assert!(footers.len() > 5);
    for name in footers.iter().step_by(2) {
        let length = disk.contents(name).unwrap().len();
        for offset in (0..length).step_by(811) {
            // Damaged before it is opened, and while it is open.
            let before = disk.copy();
            before.flip(name, offset as u64, 4);
            let opened = open(&before, SEGMENT).unwrap();
            assert_eq!(check_records(&opened.reader), last);
            while opened.upkeep.seal_step().unwrap().is_some() {}
            check_lookups(&opened.reader, sealed, name);

            let while_open = disk.copy();
            let opened = open(&while_open, SEGMENT).unwrap();
            while_open.flip(name, offset as u64, 4);
            check_lookups(&opened.reader, sealed, name);
        }
    }
}

#[test]
fn an_index_of_another_history_is_not_used() {
    let write = |mask: u8| {
        let disk = SimulatedDisk::new();
        let mut opened = open(&disk, SEGMENT).unwrap();
        let mut first = group(1, 2);
        *first.bytes.last_mut().unwrap() ^= mask;
        opened.journal.submit(&first, 0).unwrap();
        for turn in 0..14 {
            submit_next(&mut opened.journal, group_size(turn)).unwrap();
            opened.upkeep.seal_step().unwrap();
        }
        (disk, opened.reader.sealed_to())
    };
    let ((ours, sealed), (other, _)) = (write(0), write(2));
    let footer = "journal-00000001.footer";
    assert_eq!(open(&ours, SEGMENT).unwrap().reader.sealed_to(), sealed);
    ours.put(footer, &other.contents(footer).unwrap());
    let opened = open(&ours, SEGMENT).unwrap();
    assert_eq!(opened.reader.sealed_to(), 0);
    while opened.upkeep.seal_step().unwrap().is_some() {}
    assert_eq!(opened.reader.sealed_to(), sealed);
}

#[test]
fn a_damaged_archive_is_never_read_as_something_else() {
    let (disk, last, _) = kept_journal();
    let mut refused = 0;
    for name in disk.list("archive").unwrap().into_iter().map(|name| format!("archive/{name}")) {
        for offset in (0..disk.contents(&name).unwrap().len()).step_by(7) {
            let copy = disk.copy();
            copy.flip(&name, offset as u64, 0x20);
            let Ok(opened) = open(&copy, SEGMENT) else {
                refused += 1;
                continue;
            };
            let read = opened.reader.read_from(1, usize::MAX, &mut |seq, bytes| assert_eq!(bytes, body(seq)));
            match read {
                Ok(next) => assert_eq!(next, last + 1),
                Err(_) => {
                    assert!(opened.reader.verify(&mut |_| {}).is_err());
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn a_disk_that_loses_bytes_under_an_open_journal_is_noticed_by_its_readers() {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk, 4096).unwrap();
    submit_next(&mut opened.journal, 10).unwrap();
    let name = &segments(&disk)[0];
    let file = disk.open(name).unwrap();
    file.write_at(400, &[b"xx"]).unwrap();
    assert!(opened.reader.read_from(1, usize::MAX, &mut |_, _| {}).is_err());
    assert!(opened.reader.record(3).is_err());
}
