//! The manifest: its bytes, what it decides at open, and how long it keeps old runs alive.

use std::sync::Arc;

use proptest::prelude::*;
use stockade_storage::packed::{
    Blocks, Compaction, Manifest, ManifestError, MemoryBlocks, Options, PackedError, PackedStore, RowBatch, Space,
};

const SPACE: Space = Space(1);

fn options() -> Options {
    Options { block_bytes: 4096, fan_in: 2, ..Options::default() }
}

fn write(store: &PackedStore, space: Space, key: &str, value: &str, through: u64) {
    let mut batch = RowBatch::new();
    batch.put(key.as_bytes(), value.as_bytes()).unwrap();
    store.write_run(space, &mut batch, through).unwrap();
}

fn compact_fully(store: &PackedStore) {
    while store.compact_step(1 << 20).unwrap() == Compaction::Pending {}
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What format 1 was when it was first released; the root hash among them covers the bytes of the blocks as well. A journal
/// of that day must open for ever: never change this constant, add another beside it for a newer format.
const FORMAT_1: &str = concat!(
    "85",                 // a manifest
    "01",                 // format 1
    "00",                 // number 0
    "01",                 // next run 1
    "82820111820919012c", // space 1 through 17, space 9 through 300
    "8189000103",         // one run: number 0, space 1, 3 blocks
    "0319145d11",         // 3 rows, 5213 bytes, through 17
    "5820e427ad9912e3f18d60a44b4da05ace252b9efe82b152040412783ba4edd6dc04",
    "4c637573746f6d65722f616461", // customer/ada
    "4c637573746f6d65722f657665", // customer/eve
);

fn golden_store() -> (Arc<MemoryBlocks>, PackedStore) {
    let blocks = Arc::new(MemoryBlocks::new());
    let store = PackedStore::open(blocks.clone(), options()).unwrap();
    let mut batch = RowBatch::new();
    batch.put(b"customer/ada", b"1").unwrap();
    batch.remove(b"customer/bob").unwrap();
    batch.put(b"customer/eve", &[7; 5_000]).unwrap();
    store.write_run(SPACE, &mut batch, 17).unwrap();
    store.advance(Space(9), 300).unwrap();
    (blocks, store)
}

#[test]
fn a_manifest_of_format_1_reads_and_writes_the_bytes_it_always_did() {
    let (_, store) = golden_store();
    let manifest = store.manifest().unwrap();
    assert_eq!(hex(&manifest.encode()), FORMAT_1);
    assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
}

#[test]
fn a_newer_format_is_refused_by_name_and_garbage_as_malformed() {
    let mut bytes = golden_store().1.manifest().unwrap().encode();
    assert_eq!(bytes[1], 1, "the format comes first");
    bytes[1] = 2;
    assert_eq!(Manifest::decode(&bytes), Err(ManifestError::Newer(2)));
    bytes[1] = 1;
    bytes.push(0);
    assert_eq!(Manifest::decode(&bytes), Err(ManifestError::Malformed));
    bytes.pop();
    for cut in 0..bytes.len() {
        assert_eq!(Manifest::decode(&bytes[..cut]), Err(ManifestError::Malformed), "cut to {cut}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_or_opening_panic(flips in prop::collection::vec((0usize..200, any::<u8>()), 1..4)) {
        let (blocks, store) = golden_store();
        let manifest = store.manifest().unwrap();
        let mut bytes = manifest.encode();
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(told) = Manifest::decode(&bytes)
            && let Ok(opened) = PackedStore::open_with(blocks, options(), Some(&told), None)
        {
            // Whatever it took on the manifest's word, it did not take another run for ours.
            prop_assert!(opened.stats().spaces.iter().all(|space| space.runs == 0 || space.rows == 3));
        }
    }
}

#[test]
fn what_no_manifest_names_is_gone_after_opening() {
    let blocks = Arc::new(MemoryBlocks::new());
    let store = PackedStore::open(blocks.clone(), options()).unwrap();
    write(&store, SPACE, "k", "kept", 1);
    let manifest = store.manifest().unwrap();
    write(&store, Space(2), "k", "beyond the journal's end", 9);
    drop(store);
    let store = PackedStore::open_with(blocks.clone(), options(), Some(&manifest), None).unwrap();
    assert_eq!(store.get(SPACE, b"k").unwrap(), Some(b"kept".to_vec()));
    assert_eq!(store.get(Space(2), b"k").unwrap(), None);
    assert_eq!((store.through(SPACE), store.through(Space(2))), (1, 0));
    compact_fully(&store);
    assert_eq!(blocks.runs(), [0]);
    let next = write_and_number(&store);
    assert!(next > 1, "the number of a dropped run is not given out again");
}

fn write_and_number(store: &PackedStore) -> u64 {
    let mut batch = RowBatch::new();
    batch.put(b"another", b"row").unwrap();
    store.write_run(SPACE, &mut batch, 100).unwrap().unwrap().id
}

#[test]
fn merged_runs_stay_until_they_are_in_neither_of_the_last_two_journaled_manifests() {
    let blocks = Arc::new(MemoryBlocks::new());
    let store = PackedStore::open(blocks.clone(), options()).unwrap();
    write(&store, SPACE, "a", "1", 1);
    write(&store, SPACE, "b", "2", 2);
    let first = store.manifest().unwrap();
    store.journaled(first.number);
    compact_fully(&store);
    assert_eq!((store.stats().spaces[0].runs, store.stats().runs_leaving), (1, 2));

    let handed_out_only = store.manifest().unwrap();
    let second = store.manifest().unwrap();
    store.journaled(second.number);
    compact_fully(&store);
    assert_eq!(blocks.runs(), [0, 1, 2], "the manifest before the last still names the first two");
    for manifest in [&first, &handed_out_only, &second] {
        PackedStore::open_with(blocks.clone(), options(), Some(manifest), None).unwrap();
    }

    let third = store.manifest().unwrap();
    compact_fully(&store);
    assert_eq!(blocks.runs(), [0, 1, 2], "a manifest that is not known to be journaled pushes out no other");
    store.journaled(third.number);
    compact_fully(&store);
    assert_eq!(blocks.runs(), [2]);
}

#[test]
fn the_manifest_before_the_last_survives_the_opening_of_the_last() {
    let blocks = Arc::new(MemoryBlocks::new());
    let store = PackedStore::open(blocks.clone(), options()).unwrap();
    write(&store, SPACE, "a", "1", 1);
    write(&store, SPACE, "b", "2", 2);
    let previous = store.manifest().unwrap();
    store.journaled(previous.number);
    compact_fully(&store);
    let last = store.manifest().unwrap();
    store.journaled(last.number);
    drop(store);

    let store = PackedStore::open_with(blocks.clone(), options(), Some(&last), Some(&previous)).unwrap();
    compact_fully(&store);
    PackedStore::open_with(blocks.clone(), options(), Some(&previous), None).unwrap();
    assert!(store.manifest().unwrap().number > last.number);
}

#[test]
fn a_space_never_goes_back_in_the_journal() {
    let store = PackedStore::open(Arc::new(MemoryBlocks::new()), options()).unwrap();
    write(&store, SPACE, "k", "v", 5);
    let mut batch = RowBatch::new();
    batch.put(b"k", b"older").unwrap();
    let refused = store.write_run(SPACE, &mut batch, 4).unwrap_err();
    assert!(matches!(refused, PackedError::OutOfOrder { through: 4, held: 5, .. }), "{refused}");
    assert!(matches!(store.advance(SPACE, 4), Err(PackedError::OutOfOrder { .. })));
    store.advance(SPACE, 8).unwrap();
    assert_eq!(store.manifest().unwrap().through(SPACE), 8);
    store.clear(SPACE);
    store.write_run(SPACE, &mut batch, 1).unwrap();
    assert_eq!(store.get(SPACE, b"k").unwrap(), Some(b"older".to_vec()));
}

#[test]
fn a_miss_reads_no_block() {
    let blocks = Arc::new(MemoryBlocks::new());
    let store = PackedStore::open(blocks.clone(), Options::default()).unwrap();
    let mut batch = RowBatch::new();
    (0..10_000u32).for_each(|n| batch.put(format!("k{:08}", n * 2).as_bytes(), b"value").unwrap());
    store.write_run(SPACE, &mut batch, 1).unwrap();
    for n in 0..1_000u32 {
        assert_eq!(store.get(SPACE, format!("k{:08}", n * 2 + 1).as_bytes()).unwrap(), None);
    }
    assert!(blocks.reads() < 40, "{} of 1000 misses read a block", blocks.reads());
    let before = blocks.reads();
    store.get(SPACE, b"k00000002").unwrap().unwrap();
    assert_eq!(blocks.reads() - before, 1);
}

#[test]
fn rows_that_are_too_long_and_options_that_cannot_work_are_refused() {
    let mut batch = RowBatch::new();
    assert!(matches!(batch.put(&[0; 1_025], b""), Err(PackedError::KeyTooLong { bytes: 1_025, .. })));
    assert!(matches!(batch.remove(&[0; 1_025]), Err(PackedError::KeyTooLong { .. })));
    assert!(matches!(batch.put(b"k", &vec![0; (64 << 20) + 1]), Err(PackedError::ValueTooLong { .. })));
    assert!(batch.is_empty());
    for wrong in [
        Options { block_bytes: 4095, ..Options::default() },
        Options { block_bytes: 1 << 30, ..Options::default() },
        Options { fan_in: 1, ..Options::default() },
        Options { fan_in: 33, ..Options::default() },
    ] {
        let opened = PackedStore::open(Arc::new(MemoryBlocks::new()), wrong);
        assert!(matches!(opened, Err(PackedError::Options(_))), "{wrong:?}");
    }
}

#[test]
fn the_empty_key_and_the_longest_key_and_a_long_value_read_back() {
    let store = PackedStore::open(Arc::new(MemoryBlocks::new()), options()).unwrap();
    let (long_key, long_value) = (vec![0xff; 1_024], vec![5; 1 << 20]);
    let mut batch = RowBatch::new();
    batch.remove(b"").unwrap();
    batch.put(b"", b"").unwrap();
    batch.put(&long_key, &long_value).unwrap();
    let run = store.write_run(SPACE, &mut batch, 1).unwrap().unwrap();
    assert_eq!((run.rows, run.key_min.len(), run.key_max.len()), (2, 0, 1_024));
    assert_eq!(store.get(SPACE, b"").unwrap(), Some(Vec::new()));
    assert_eq!(store.get(SPACE, &long_key).unwrap(), Some(long_value));
    assert_eq!(store.write_run(SPACE, &mut RowBatch::new(), 2).unwrap(), None);
    assert_eq!(store.through(SPACE), 2);
}
