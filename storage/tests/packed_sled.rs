//! The packed store on sled: what was synced is there after a reopening, and a damaged file gives an error or the truth.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use stockade_storage::packed::{
    Blocks, Compaction, Direction, KeyRange, Manifest, MemoryBlocks, Options, PackedStore, RowBatch, SledBlocks,
    SledOptions, Space, StoreError,
};

const SPACE: Space = Space(1);
const SLED: SledOptions = SledOptions { cache_bytes: 1 << 20, segment_bytes: 512 << 10 };

fn options() -> Options {
    Options { block_bytes: 4096, fan_in: 3, ..Options::default() }
}

fn sled(path: &Path) -> Arc<SledBlocks> {
    Arc::new(SledBlocks::open(path, SLED).unwrap())
}

fn key(number: u32) -> Vec<u8> {
    format!("k{number:06}").into_bytes()
}

fn value(number: u32, round: u32) -> Vec<u8> {
    format!("{round} of {number} {}", "-".repeat((number % 90) as usize)).into_bytes()
}

fn write(store: &PackedStore, round: u32, count: u32) {
    let mut batch = RowBatch::new();
    (0..count).for_each(|number| batch.put(&key(number), &value(number, round)).unwrap());
    store.write_run(SPACE, &mut batch, u64::from(round)).unwrap();
}

fn compact_fully(store: &PackedStore) {
    while store.compact_step(1 << 20).unwrap() == Compaction::Pending {}
}

#[test]
fn sled_reopened_after_a_drop_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut manifest: Option<Manifest> = None;
    for round in 1..=8 {
        let store = PackedStore::open_with(sled(dir.path()), options(), manifest.as_ref(), None).unwrap();
        assert_eq!(store.through(SPACE), u64::from(round - 1));
        write(&store, round, 500);
        compact_fully(&store);
        let written = store.manifest().unwrap();
        store.journaled(written.number);
        manifest = Some(written);
    }
    let store = PackedStore::open_with(sled(dir.path()), options(), manifest.as_ref(), None).unwrap();
    let page = store.page(SPACE, &KeyRange::all(), Direction::Descending, 1_000).unwrap();
    let expected: Vec<_> = (0..500).rev().map(|number| (key(number), value(number, 8))).collect();
    assert_eq!(page.rows, expected);
}

#[test]
fn dropped_runs_do_not_come_back_and_their_space_is_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = PackedStore::open(sled(dir.path()), options()).unwrap();
    let mut sizes = Vec::new();
    for round in 1..=60 {
        write(&store, round, 2_000);
        store.manifest().map(|manifest| store.journaled(manifest.number)).unwrap();
        compact_fully(&store);
        sizes.push(std::fs::metadata(dir.path().join("db")).unwrap().len());
    }
    assert!(sizes[59] < sizes[29] * 2, "the file grows with what was ever written: {} then {}", sizes[29], sizes[59]);
    let last = store.manifest().unwrap();
    drop(store);
    let blocks = sled(dir.path());
    let named: Vec<u64> = last.runs.iter().map(|run| run.id).collect();
    let store = PackedStore::open_with(blocks.clone(), options(), Some(&last), None).unwrap();
    compact_fully(&store);
    let mut kept = blocks.runs();
    kept.retain(|run| !named.contains(run));
    assert_eq!(kept.len(), store.stats().merges, "runs beside the manifest's: {kept:?}");
}

#[test]
fn a_store_that_was_just_dropped_opens_again_every_time() {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..50 {
        let blocks = sled(dir.path());
        assert_eq!(blocks.runs().len(), run);
        blocks.start_run(run as u64, 8).unwrap();
        (0..8).for_each(|block| blocks.put(run as u64, block, &[7; 4_000]).unwrap());
        blocks.sync().unwrap();
    }
}

#[test]
fn a_second_handle_on_the_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let first = sled(dir.path());
    assert!(matches!(SledBlocks::open(dir.path(), SLED), Err(StoreError::InUse { .. })));
    drop(first);
    sled(dir.path());
}

#[test]
fn sled_takes_no_value_that_it_would_put_in_an_unsynced_file() {
    let dir = tempfile::tempdir().unwrap();
    let blocks = sled(dir.path());
    let max = blocks.block_bytes_max();
    // More blocks than a leaf holds, each as large as allowed, all changed and rewritten: none may leave the log.
    blocks.start_run(0, 50).unwrap();
    for block in 0..40 {
        blocks.put(0, block, &vec![block as u8 + 1; max]).unwrap();
    }
    blocks.sync().unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
    assert!((0..40).all(|block| blocks.get(0, block).unwrap() == Some(vec![block as u8 + 1; max])));
    let refused = blocks.put(0, 40, &vec![0; max + 1]);
    assert!(matches!(refused, Err(StoreError::ValueTooLarge { .. })));
    assert_eq!(blocks.get(0, 40).unwrap(), None, "a key that was put ahead is no block");
    assert!(matches!(blocks.put(7, 0, b"x"), Err(StoreError::Failed(_))), "a run that was not started");
}

#[test]
fn a_wiped_directory_opens_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("derived");
    let store = PackedStore::open(sled(&path), options()).unwrap();
    write(&store, 1, 10);
    store.sync().unwrap();
    drop(store);
    SledBlocks::wipe(&path).unwrap();
    SledBlocks::wipe(&path).unwrap();
    assert_eq!(sled(&path).runs(), Vec::<u64>::new());
}

/// Set for the child process of the test below: the directory whose store it is to open, and the manifest.
const CHILD_DIR: &str = "PACKED_SLED_CHILD_DIR";

/// What the child does; run without its directory it has nothing to do.
#[test]
fn child_opens_what_it_is_given() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let dir = Path::new(&dir);
    let manifest = Manifest::decode(&std::fs::read(dir.join("manifest")).unwrap()).unwrap();
    let verdict = match SledBlocks::open(&dir.join("derived"), SLED) {
        Err(_) => "refused",
        Ok(blocks) => match PackedStore::open_with(Arc::new(blocks), options(), Some(&manifest), None) {
            Err(_) => "found",
            Ok(store) => {
                let right = |number| matches!(store.get(SPACE, &key(number)), Ok(Some(got)) if got == value(number, 2));
                if (0..300).all(right) { "whole" } else { "WRONG" }
            }
        },
    };
    std::fs::write(dir.join("verdict"), verdict).unwrap();
}

/// Flips a byte of sled's log at many places. The store is opened in a child, because sled may also abort the process on
/// what it finds: the engine then starts, fails, and its operator removes the directory. What must not happen is that
/// it opens and says something else.
#[test]
fn a_flipped_byte_in_the_file_of_sled_is_never_read_as_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let derived = dir.path().join("derived");
    let store = PackedStore::open(sled(&derived), options()).unwrap();
    write(&store, 1, 300);
    write(&store, 2, 300);
    std::fs::write(dir.path().join("manifest"), store.manifest().unwrap().encode()).unwrap();
    drop(store);
    let sound = files(&derived);
    let log = &sound["db"];
    let used = log.iter().rposition(|byte| *byte != 0).unwrap();
    let mut verdicts = Vec::new();
    for place in (0..24).map(|part| used * part / 24 + 13).chain([usize::MAX]) {
        let mut damaged = log.clone();
        if let Some(byte) = damaged.get_mut(place) {
            *byte ^= 0x10;
        }
        SledBlocks::wipe(&derived).unwrap();
        std::fs::create_dir_all(derived.join("blobs")).unwrap();
        sound.iter().for_each(|(name, bytes)| std::fs::write(derived.join(name), bytes).unwrap());
        std::fs::write(derived.join("db"), damaged).unwrap();
        let verdict = dir.path().join("verdict");
        std::fs::write(&verdict, "aborted").unwrap();
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_opens_what_it_is_given"])
            .env(CHILD_DIR, dir.path())
            .output()
            .unwrap();
        verdicts.push(std::fs::read_to_string(verdict).unwrap());
    }
    assert_eq!(verdicts.pop().as_deref(), Some("whole"), "the sound file opens");
    assert!(!verdicts.contains(&"WRONG".to_string()), "{verdicts:?}");
    assert!(verdicts.iter().filter(|verdict| *verdict != "whole").count() > 5, "no damage was met: {verdicts:?}");
}

/// The files right in a directory.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

/// Readers beside the writer: each key's value only ever moves forward, and is never missing.
fn read_beside_the_writer(blocks: Arc<dyn Blocks>, rounds: u32) {
    let store = PackedStore::open(blocks, options()).unwrap();
    write(&store, 1, 400);
    let (written, done) = (AtomicU32::new(1), AtomicBool::new(false));
    thread::scope(|scope| {
        for reader in 0..2u32 {
            let (store, written, done) = (&store, &written, &done);
            scope.spawn(move || {
                let mut number = reader;
                while !done.load(Ordering::Acquire) {
                    number = (number * 7 + 11) % 400;
                    let before = written.load(Ordering::Acquire);
                    let got = store.get(SPACE, &key(number)).unwrap().unwrap();
                    let after = written.load(Ordering::Acquire) + 1;
                    assert!((before..=after).any(|round| got == value(number, round)));
                    let page = store.page(SPACE, &KeyRange::prefix(b"k0003"), Direction::Ascending, 500).unwrap();
                    assert_eq!(page.rows.len(), 100);
                    // A scan sees the store of one moment.
                    let round = |row: &(Vec<u8>, Vec<u8>)| row.1.split(|byte| *byte == b' ').next().unwrap().to_vec();
                    assert!(page.rows.iter().all(|row| round(row) == round(&page.rows[0])));
                }
            });
        }
        for round in 2..=rounds {
            write(&store, round, 400);
            written.store(round, Ordering::Release);
            let manifest = store.manifest().unwrap();
            store.journaled(manifest.number);
            compact_fully(&store);
        }
        done.store(true, Ordering::Release);
    });
    assert!(store.stats().spaces[0].runs < 10);
}

#[test]
fn readers_of_sled_never_miss_a_row_while_runs_are_written_merged_and_dropped() {
    let dir = tempfile::tempdir().unwrap();
    read_beside_the_writer(sled(dir.path()), 60);
}

#[test]
fn readers_of_memory_never_miss_a_row_while_runs_are_written_merged_and_dropped() {
    read_beside_the_writer(Arc::new(MemoryBlocks::new()), 200);
}
