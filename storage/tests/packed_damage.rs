//! Damage is found when the store is opened, and when a block is read; it is named, and never answered from.

use std::sync::Arc;

use stockade_storage::packed::{
    Blocks, Compaction, Damaged, Direction, Flaw, KeyRange, Manifest, ManifestError, MemoryBlocks, MemoryFault,
    Options, PackedError, PackedStore, RowBatch, Space, StoreError,
};

const SPACE: Space = Space(3);

fn options() -> Options {
    Options { block_bytes: 4096, fan_in: 4, ..Options::default() }
}

fn key(number: u32) -> Vec<u8> {
    format!("order/{number:06}").into_bytes()
}

fn write(store: &PackedStore, numbers: std::ops::Range<u32>, value: &[u8], through: u64) {
    let mut batch = RowBatch::new();
    for number in numbers {
        batch.put(&key(number), value).unwrap();
    }
    store.write_run(SPACE, &mut batch, through).unwrap();
}

/// A store of two runs: run 0 of 400 rows, run 1 with one long value and some short ones; and its manifest.
fn store_of_two_runs(blocks: &Arc<MemoryBlocks>) -> (PackedStore, Manifest) {
    let store = PackedStore::open(blocks.clone(), options()).unwrap();
    write(&store, 0..400, &[1; 100], 10);
    let mut batch = RowBatch::new();
    batch.put(&key(500), &[2; 9_000]).unwrap();
    batch.put(&key(501), &[3; 10]).unwrap();
    store.write_run(SPACE, &mut batch, 20).unwrap();
    let manifest = store.manifest().unwrap();
    store.journaled(manifest.number);
    (store, manifest)
}

fn damage_at_open(blocks: &Arc<MemoryBlocks>, manifest: &Manifest) -> Option<Damaged> {
    match PackedStore::open_with(blocks.clone(), options(), Some(manifest), None) {
        Ok(_) => None,
        Err(PackedError::Damaged(damaged)) => Some(damaged),
        Err(other) => panic!("{other}"),
    }
}

fn every_block(manifest: &Manifest) -> impl Iterator<Item = (u64, u32)> {
    manifest.runs.iter().flat_map(|run| (0..run.blocks).map(move |block| (run.id, block)))
}

#[test]
fn each_lost_block_is_named_at_open() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (_store, manifest) = store_of_two_runs(&blocks);
    assert!(manifest.runs.iter().all(|run| run.blocks > 2), "{manifest:?}");
    for (run, block) in every_block(&manifest) {
        let kept = blocks.get(run, block).unwrap().unwrap();
        assert!(blocks.lose(run, block));
        assert_eq!(damage_at_open(&blocks, &manifest), Some(Damaged { space: SPACE, run, block, flaw: Flaw::Lost }));
        blocks.put(run, block, &kept).unwrap();
    }
    assert_eq!(damage_at_open(&blocks, &manifest), None);
}

#[test]
fn any_flipped_bit_is_named_at_open() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (_store, manifest) = store_of_two_runs(&blocks);
    for (run, block) in every_block(&manifest) {
        let bits = blocks.get(run, block).unwrap().unwrap().len() * 8;
        for bit in (0..60 * 8).chain((60 * 8..bits).step_by(997)).chain([bits - 1]) {
            assert!(blocks.corrupt(run, block, bit));
            let damaged = damage_at_open(&blocks, &manifest).expect("damage goes unseen");
            assert_eq!((damaged.run, damaged.block, damaged.flaw), (run, block, Flaw::Corrupt), "bit {bit}");
            assert!(blocks.corrupt(run, block, bit));
        }
    }
    assert_eq!(damage_at_open(&blocks, &manifest), None);
}

#[test]
fn a_cut_block_is_corrupt() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (_store, manifest) = store_of_two_runs(&blocks);
    let whole = blocks.get(0, 0).unwrap().unwrap();
    for bytes in [0, 1, 4, 57, 58, whole.len() - 1] {
        assert!(blocks.make_stale(0, 0, whole[..bytes].to_vec()));
        let damaged = damage_at_open(&blocks, &manifest).expect("damage goes unseen");
        assert_eq!((damaged.block, damaged.flaw), (0, Flaw::Corrupt), "cut to {bytes}");
    }
}

#[test]
fn each_stale_block_is_named_at_open_however_sound_it_is() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (_store, manifest) = store_of_two_runs(&blocks);
    // A store of the same run numbers, as it was before a crash: every block is sound, and of another time.
    let older = Arc::new(MemoryBlocks::new());
    let before = PackedStore::open(older.clone(), options()).unwrap();
    write(&before, 0..400, &[9; 100], 10);
    for block in 0..manifest.runs[0].blocks {
        let kept = blocks.get(0, block).unwrap().unwrap();
        assert!(blocks.make_stale(0, block, older.get(0, block).unwrap().unwrap()));
        let expected = Damaged { space: SPACE, run: 0, block, flaw: Flaw::Stale };
        assert_eq!(damage_at_open(&blocks, &manifest), Some(expected));
        // A block of another place in the run is as wrong as one of another time.
        assert!(blocks.make_stale(0, block, blocks.get(0, (block + 1) % 3).unwrap().unwrap()));
        if (block + 1) % 3 != block {
            assert_eq!(damage_at_open(&blocks, &manifest).map(|damaged| damaged.flaw), Some(Flaw::Stale));
        }
        blocks.put(0, block, &kept).unwrap();
    }
    assert_eq!(damage_at_open(&blocks, &manifest), None);
}

#[test]
fn a_manifest_that_tells_other_numbers_than_the_blocks_is_refused() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (_store, manifest) = store_of_two_runs(&blocks);
    type Lie = fn(&mut Manifest);
    let lies: [(&str, Lie); 6] = [
        ("rows", |manifest| manifest.runs[0].rows = u64::MAX / 64),
        ("bytes", |manifest| manifest.runs[0].bytes += 1),
        ("blocks", |manifest| manifest.runs[0].blocks -= 1),
        ("root", |manifest| manifest.runs[0].root[0] ^= 1),
        ("lowest key", |manifest| manifest.runs[0].key_min.push(0)),
        ("highest key", |manifest| manifest.runs[0].key_max.push(0)),
    ];
    for (what, lie) in lies {
        let mut told = manifest.clone();
        lie(&mut told);
        assert!(damage_at_open(&blocks, &told).is_some(), "{what}");
    }
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused_before_anything_is_read() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (_store, manifest) = store_of_two_runs(&blocks);
    type Lie = fn(&mut Manifest);
    let lies: [(Lie, ManifestError); 6] = [
        (|manifest| manifest.runs[1].id = 0, ManifestError::RunNumber(0)),
        (|manifest| manifest.run_next = 1, ManifestError::RunNumber(1)),
        (|manifest| manifest.run_next = u64::MAX, ManifestError::RunNumber(u64::MAX)),
        (|manifest| manifest.runs[0].blocks = 0, ManifestError::RunShape(0)),
        (|manifest| manifest.runs[0].key_min = vec![0xff], ManifestError::RunShape(0)),
        (|manifest| manifest.runs[1].through = 21, ManifestError::Through(1)),
    ];
    let reads = blocks.reads();
    for (lie, expected) in lies {
        let mut told = manifest.clone();
        lie(&mut told);
        match PackedStore::open_with(blocks.clone(), options(), Some(&told), None) {
            Err(PackedError::Manifest(error)) => assert_eq!(error, expected),
            other => panic!("{expected:?}: {:?}", other.err()),
        }
    }
    assert_eq!(blocks.reads(), reads);
}

#[test]
fn reading_a_damaged_block_is_an_error_and_never_an_answer() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (store, _) = store_of_two_runs(&blocks);
    let older = Arc::new(MemoryBlocks::new());
    write(&PackedStore::open(older.clone(), options()).unwrap(), 0..400, &[9; 100], 10);
    let kept = blocks.get(0, 0).unwrap().unwrap();
    let flawed = |damage: &dyn Fn(), flaw: Flaw| {
        damage();
        let expected = Damaged { space: SPACE, run: 0, block: 0, flaw };
        let get = store.get(SPACE, &key(0)).unwrap_err();
        assert!(matches!(get, PackedError::Damaged(damaged) if damaged == expected));
        let page = store.page(SPACE, &KeyRange::all(), Direction::Ascending, 1).unwrap_err();
        assert!(matches!(page, PackedError::Damaged(damaged) if damaged == expected));
        blocks.put(0, 0, &kept).unwrap();
        assert_eq!(store.get(SPACE, &key(0)).unwrap(), Some(vec![1; 100]));
    };
    flawed(&|| assert!(blocks.lose(0, 0)), Flaw::Lost);
    flawed(&|| assert!(blocks.corrupt(0, 0, 1_000)), Flaw::Corrupt);
    flawed(&|| assert!(blocks.make_stale(0, 0, older.get(0, 0).unwrap().unwrap())), Flaw::Stale);
    // A piece of a long value is guarded like any other block.
    assert!(blocks.lose(1, 0));
    assert!(matches!(store.get(SPACE, &key(500)), Err(PackedError::Damaged(Damaged { run: 1, block: 0, .. }))));
    assert_eq!(store.get(SPACE, &key(501)).unwrap(), Some(vec![3; 10]));
}

#[test]
fn a_merge_that_meets_damage_is_given_up_and_its_inputs_stay() {
    let blocks = Arc::new(MemoryBlocks::new());
    let store = PackedStore::open(blocks.clone(), options()).unwrap();
    (0..4).for_each(|run| write(&store, run * 100..run * 100 + 100, &[1; 100], 10));
    let kept = blocks.get(2, 1).unwrap().unwrap();
    assert!(blocks.lose(2, 1));
    assert!(matches!(store.compact_step(1 << 20), Err(PackedError::Damaged(Damaged { run: 2, block: 1, .. }))));
    assert_eq!((store.stats().spaces[0].runs, store.stats().merges), (4, 0));
    blocks.put(2, 1, &kept).unwrap();
    while store.compact_step(1 << 20).unwrap() == Compaction::Pending {}
    assert_eq!((store.stats().spaces[0].runs, store.stats().runs_leaving), (1, 0));
    assert_eq!(blocks.runs().len(), 1, "the given up run and the inputs are gone");
    assert_eq!(store.get(SPACE, &key(250)).unwrap(), Some(vec![1; 100]));
}

#[test]
fn a_run_that_could_not_be_written_is_not_seen_and_its_batch_can_be_written_again() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (store, _) = store_of_two_runs(&blocks);
    let mut batch = RowBatch::new();
    batch.put(&key(0), b"newer").unwrap();
    blocks.arm(Some(MemoryFault::Put));
    assert!(matches!(store.write_run(SPACE, &mut batch, 30), Err(PackedError::Store(StoreError::Failed(_)))));
    assert_eq!(store.get(SPACE, &key(0)).unwrap(), Some(vec![1; 100]));
    assert_eq!(store.through(SPACE), 20);
    blocks.arm(None);
    store.write_run(SPACE, &mut batch, 30).unwrap();
    assert_eq!(store.get(SPACE, &key(0)).unwrap(), Some(b"newer".to_vec()));
    while store.compact_step(1 << 20).unwrap() == Compaction::Pending {}
    assert_eq!(blocks.runs().len(), 3);
}

#[test]
fn after_a_failed_sync_no_manifest_is_handed_out_any_more() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (store, _) = store_of_two_runs(&blocks);
    blocks.arm(Some(MemoryFault::Sync));
    assert!(matches!(store.manifest(), Err(PackedError::Store(StoreError::Failed(_)))));
    assert!(matches!(store.manifest(), Err(PackedError::Store(StoreError::Poisoned))));
    assert!(matches!(store.sync(), Err(PackedError::Store(StoreError::Poisoned))));
}

#[test]
fn a_failed_read_is_not_taken_for_a_missing_row() {
    let blocks = Arc::new(MemoryBlocks::new());
    let (store, _) = store_of_two_runs(&blocks);
    blocks.arm(Some(MemoryFault::Get));
    assert!(matches!(store.get(SPACE, &key(0)), Err(PackedError::Store(StoreError::Failed(_)))));
}
