//! The bytes of format version 1. Journals that hold them exist: this test may get new cases, and the old ones stay.

mod journal_support;

use std::collections::BTreeMap;
use std::fmt::Write;

use journal_support::*;
use stockade_storage::disk::{Disk, SimulatedDisk};
use stockade_storage::journal::{FORMAT_VERSION, Journal, OpenError};

const SEGMENT: u64 = 704;
const RECORDS: u64 = 18;
const FIXTURE: &str = include_str!("fixtures/journal_v1.hex");

/// A small journal with everything in it: an archived segment, a sealed one, one that is written, and seals.
fn written() -> BTreeMap<String, Vec<u8>> {
    let disk = SimulatedDisk::new();
    let mut opened = open(&disk, SEGMENT).unwrap();
    for turn in 0..7 {
        submit_next(&mut opened.journal, group_size(turn)).unwrap();
    }
    while opened.upkeep.seal_step().unwrap().is_some() {}
    archive_next(&opened.upkeep, u64::MAX).unwrap().unwrap();
    opened.journal.close().unwrap();
    assert_eq!(opened.journal.durable_to(), RECORDS);
    let archived = disk.list("archive").unwrap().into_iter().map(|name| format!("archive/{name}"));
    let names = disk.list("").unwrap().into_iter().chain(archived);
    names.map(|name| (name.clone(), disk.contents(&name).unwrap())).collect()
}

/// The fixture: a file's name, then its bytes, 32 to a line; `*` repeats zeros up to the length that follows.
fn fixture() -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut name = String::new();
    for line in FIXTURE.lines().filter(|line| !line.starts_with('#')) {
        if let Some(file) = line.strip_prefix("file ") {
            name = file.to_owned();
            files.insert(name.clone(), Vec::new());
            continue;
        }
        let bytes = files.get_mut(&name).unwrap();
        match line.strip_prefix("* ") {
            Some(length) => bytes.resize(length.parse().unwrap(), 0),
            None => bytes.extend((0..line.len() / 2).map(|at| u8::from_str_radix(&line[at * 2..][..2], 16).unwrap())),
        }
    }
    files
}

fn as_fixture(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut text = String::from("# A journal of format version 1, made by journal_format.rs. Never to be changed.\n");
    for (name, bytes) in files {
        let _ = writeln!(text, "file {name}");
        let mut zeros = false;
        for (place, line) in bytes.chunks(32).enumerate() {
            if line.iter().all(|byte| *byte == 0) {
                zeros = true;
                continue;
            }
            if std::mem::take(&mut zeros) {
                let _ = writeln!(text, "* {}", place * 32);
            }
            text.extend(line.iter().map(|byte| format!("{byte:02x}")));
            text.push('\n');
        }
        if zeros {
            let _ = writeln!(text, "* {}", bytes.len());
        }
    }
    text
}

#[test]
fn version_1_is_written_byte_for_byte_as_ever() {
    assert_eq!(FORMAT_VERSION, 1, "a new version gets a fixture of its own");
    let (written, fixture) = (written(), fixture());
    for (name, bytes) in &fixture {
        // Compressed bytes may differ with the library; what they hold may not, and is read below.
        if !name.ends_with(".zst") {
            assert!(
                written.get(name) == Some(bytes),
                "{name} differs; this program now writes:\n{}",
                as_fixture(&written)
            );
        }
    }
    assert!(written.keys().eq(fixture.keys()), "{:?}", as_fixture(&written));
}

#[test]
fn a_journal_of_version_1_opens_and_holds_what_it_held() {
    let disk = SimulatedDisk::new();
    for (name, bytes) in fixture() {
        disk.put(&name, &bytes);
    }
    let mut opened = open(&disk, SEGMENT).unwrap();
    assert_eq!((opened.recovered.last_seq, opened.recovered.archived), (RECORDS, 1));
    assert_eq!(check_records(&opened.reader), RECORDS);
    assert_eq!(opened.reader.journal_id(), JOURNAL_ID);
    assert_eq!(opened.reader.lookup_order(order_of(6), i64::MIN).unwrap(), [6, 8, 10]);
    assert_eq!(opened.reader.lookup_key(&digest_of(6).unwrap(), i64::MIN).unwrap(), Some(6));
    submit_next(&mut opened.journal, 4).unwrap();
    assert_eq!(check_records(&opened.reader), RECORDS + 4);
}

#[test]
fn a_newer_format_is_refused_by_name_and_nothing_is_changed() {
    let newest = |files: &BTreeMap<String, Vec<u8>>| files.keys().rfind(|name| name.ends_with(".seg")).unwrap().clone();
    let disk = SimulatedDisk::new();
    let mut files = fixture();
    let name = newest(&files);
    // Another version, and a header that is laid out otherwise from there on.
    let bytes = files.get_mut(&name).unwrap();
    bytes[8] = 2;
    bytes[100] = 7;
    for (name, bytes) in &files {
        disk.put(name, bytes);
    }
    let error = open(&disk, SEGMENT).unwrap_err();
    assert!(matches!(&error, OpenError::FormatNewer { file, found: 2, known: 1 } if *file == name), "{error}");
    assert!(error.to_string().contains("format 2"), "{error}");
    assert_eq!(disk.contents(&name), files.remove(&name));
}
