//! The packed store against a `BTreeMap`: whatever is written, merged, cleared and reopened, both say the same.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use proptest::prelude::*;
use stockade_storage::packed::{
    Blocks, Compaction, Direction, KeyRange, Manifest, MemoryBlocks, Options, PackedStore, RowBatch, SledBlocks,
    SledOptions, Space,
};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

const SPACES: [Space; 2] = [Space(1), Space(7)];

fn options() -> Options {
    Options { block_bytes: 4096, bloom_bits_per_row: 10, fan_in: 3 }
}

#[derive(Debug, Clone)]
enum Step {
    /// Rows of one run: which key, and how long its value is; `None` is a tombstone.
    Write {
        space: usize,
        rows: Vec<(u16, Option<u16>)>,
    },
    Compact {
        budget: usize,
    },
    Manifest,
    Clear {
        space: usize,
    },
    /// Closes the store and opens it from the last manifest.
    Reopen,
    Page {
        space: usize,
        from: u16,
        to: u16,
        descending: bool,
        limit: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![8 => 0u16..200, 1 => 900u16..1_200, 1 => 3_000u16..20_000];
    let row = (0u16..600, prop_oneof![4 => length.prop_map(Some), 1 => Just(None)]);
    prop_oneof![
        8 => (0..2usize, prop::collection::vec(row, 0..120)).prop_map(|(space, rows)| Step::Write { space, rows }),
        4 => (1usize..60_000).prop_map(|budget| Step::Compact { budget }),
        2 => Just(Step::Manifest),
        1 => (0..2usize).prop_map(|space| Step::Clear { space }),
        1 => Just(Step::Reopen),
        4 => (0..2usize, 0u16..600, 0u16..600, any::<bool>(), 1usize..50)
            .prop_map(|(space, from, to, descending, limit)| Step::Page { space, from, to, descending, limit }),
    ]
}

/// Keys of differing lengths with long common beginnings.
fn key(number: u16) -> Vec<u8> {
    format!("customer/{:03}/{}", number / 10, "x".repeat(usize::from(number % 10))).into_bytes()
}

fn value(seed: u64, length: u16) -> Vec<u8> {
    (0..u64::from(length)).map(|at| (seed.wrapping_mul(31).wrapping_add(at * 7) >> 1) as u8).collect()
}

/// The store under test beside the model, and what both were when the last manifest was journaled.
struct Pair {
    blocks: Arc<dyn Blocks>,
    store: PackedStore,
    model: [Model; 2],
    through: u64,
    manifests: Vec<(Manifest, [Model; 2])>,
}

impl Pair {
    fn new(blocks: Arc<dyn Blocks>) -> Self {
        let store = PackedStore::open(blocks.clone(), options()).unwrap();
        Self { blocks, store, model: Default::default(), through: 0, manifests: Vec::new() }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write { space, rows } => self.write(*space, rows),
            Step::Compact { budget } => drop(self.store.compact_step(*budget).unwrap()),
            Step::Manifest => {
                let manifest = Manifest::decode(&self.store.manifest().unwrap().encode()).unwrap();
                self.store.journaled(manifest.number);
                self.manifests.push((manifest, self.model.clone()));
            }
            Step::Clear { space } => {
                self.store.clear(SPACES[*space]);
                self.model[*space].clear();
            }
            Step::Reopen => self.reopen(0),
            Step::Page { space, from, to, descending, limit } => {
                self.page_through(*space, &key(*from), &key(*to), *descending, *limit);
            }
        }
    }

    fn write(&mut self, space: usize, rows: &[(u16, Option<u16>)]) {
        self.through += 1;
        let mut batch = RowBatch::new();
        for (number, length) in rows {
            let key = key(*number);
            match length {
                Some(length) => {
                    let value = value(self.through, *length);
                    batch.put(&key, &value).unwrap();
                    self.model[space].insert(key, value);
                }
                None => {
                    batch.remove(&key).unwrap();
                    self.model[space].remove(&key);
                }
            }
        }
        let run = self.store.write_run(SPACES[space], &mut batch, self.through).unwrap();
        assert_eq!(run.is_some(), !rows.is_empty());
        assert!(batch.is_empty());
    }

    /// Opens from the last manifest but `back`; everything written later is gone.
    fn reopen(&mut self, back: usize) {
        let newest = self.manifests.len().saturating_sub(back);
        self.manifests.truncate(newest);
        let manifest = self.manifests.last().map(|(manifest, _)| manifest);
        let previous = newest.checked_sub(2).map(|at| &self.manifests[at].0);
        self.store = PackedStore::open_with(self.blocks.clone(), options(), manifest, previous).unwrap();
        self.model = self.manifests.last().map(|(_, model)| model.clone()).unwrap_or_default();
    }

    fn page_through(&self, space: usize, from: &[u8], to: &[u8], descending: bool, limit: usize) {
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let mut range = KeyRange::between(bounds.0, bounds.1);
        let mut expected: Vec<_> = self.model[space]
            .iter()
            .filter(|(key, _)| key.as_slice() >= from && key.as_slice() < to)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let direction = if descending {
            expected.reverse();
            Direction::Descending
        } else {
            Direction::Ascending
        };
        let mut seen = Vec::new();
        loop {
            let page = self.store.page(SPACES[space], &range, direction, limit).unwrap();
            assert!(page.rows.len() == limit || page.next.is_none());
            seen.extend(page.rows);
            match page.next {
                Some(next) => range = next,
                None => break,
            }
        }
        assert_eq!(seen, expected);
    }

    fn compare(&self) {
        for (space, model) in SPACES.into_iter().zip(&self.model) {
            for number in 0..600 {
                let key = key(number);
                assert_eq!(self.store.get(space, &key).unwrap().as_ref(), model.get(&key));
            }
            for direction in [Direction::Ascending, Direction::Descending] {
                let mut rows = Vec::new();
                self.store
                    .scan(space, &KeyRange::all(), direction, &mut |key, value| {
                        rows.push((key.to_vec(), value.to_vec()));
                        ControlFlow::Continue(())
                    })
                    .unwrap();
                if direction == Direction::Descending {
                    rows.reverse();
                }
                assert!(rows.iter().map(|(key, value)| (key, value)).eq(model.iter()));
            }
        }
    }

    fn compact_fully(&self) {
        while self.store.compact_step(1 << 20).unwrap() == Compaction::Pending {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_store_says_what_a_map_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut pair = Pair::new(Arc::new(MemoryBlocks::new()));
        steps.iter().for_each(|step| pair.take(step));
        pair.compare();
        pair.compact_fully();
        pair.compare();
        pair.take(&Step::Manifest);
        pair.take(&Step::Manifest);
        pair.compact_fully();
        pair.reopen(0);
        pair.compare();
    }

    #[test]
    fn after_a_power_loss_the_last_two_journaled_manifests_both_open(
        steps in prop::collection::vec(step(), 1..40),
        later in prop::collection::vec(step(), 1..40),
        back in 0..2usize,
    ) {
        let memory = Arc::new(MemoryBlocks::new());
        let mut pair = Pair::new(memory.clone());
        for part in [&steps, &later] {
            part.iter().for_each(|step| pair.take(step));
            pair.take(&Step::Manifest);
        }
        // Whatever happens after the last manifest was journaled, merges and removals included, both stay readable.
        for part in [&later, &steps] {
            part.iter().filter(|step| !matches!(step, Step::Manifest | Step::Reopen)).for_each(|step| pair.take(step));
            pair.compact_fully();
        }
        memory.lose_power();
        pair.reopen(back);
        pair.compare();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn on_sled_the_store_says_what_a_map_says(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let sled = SledOptions { cache_bytes: 1 << 20, segment_bytes: 512 << 10 };
        let mut pair = Pair::new(Arc::new(SledBlocks::open(dir.path(), sled).unwrap()));
        steps.iter().for_each(|step| pair.take(step));
        pair.compare();
        pair.compact_fully();
        pair.compare();
    }
}

#[test]
fn merging_leaves_few_runs_and_drops_tombstones_and_overwritten_rows() {
    let mut pair = Pair::new(Arc::new(MemoryBlocks::new()));
    for round in 0..200u16 {
        let rows: Vec<_> = (0..50).map(|n| ((round * 7 + n) % 600, Some(40))).collect();
        pair.write(0, &rows);
        pair.compact_fully();
    }
    let all: Vec<_> = (0..600).map(|n| (n, None)).collect();
    let runs_before = pair.store.stats().spaces[0].runs;
    assert!(runs_before < 20, "{runs_before} runs");
    for _ in 0..9 {
        pair.write(0, &all);
        pair.compact_fully();
    }
    pair.take(&Step::Manifest);
    pair.take(&Step::Manifest);
    pair.compact_fully();
    let stats = pair.store.stats();
    assert!(stats.spaces[0].rows < 4 * 600, "{stats:?}");
    assert_eq!((stats.merges, stats.runs_leaving), (0, 0));
    pair.compare();
}

#[test]
fn small_runs_are_merged_while_a_large_merge_is_under_way() {
    let mut pair = Pair::new(Arc::new(MemoryBlocks::new()));
    let large: Vec<_> = (0..600).map(|n| (n, Some(1_000))).collect();
    (0..3).for_each(|_| pair.write(0, &large));
    assert_eq!(pair.store.compact_step(1_000).unwrap(), Compaction::Pending);
    assert_eq!(pair.store.stats().merges, 1);
    for n in 0..3 {
        pair.write(0, &[(n, Some(10))]);
    }
    assert_eq!(pair.store.compact_step(1_000).unwrap(), Compaction::Pending);
    let stats = pair.store.stats();
    assert_eq!(
        (stats.spaces[0].runs, stats.merges),
        (4, 1),
        "the three small runs are one, the large ones still three"
    );
    pair.compare();
    pair.compact_fully();
    assert_eq!(pair.store.stats().spaces[0].runs, 2);
    pair.compare();
}

#[test]
fn a_merge_that_reaches_the_oldest_run_leaves_no_tombstone() {
    let mut pair = Pair::new(Arc::new(MemoryBlocks::new()));
    let rows: Vec<_> = (0..100).map(|n| (n, Some(5))).collect();
    let tombstones: Vec<_> = (0..100).map(|n| (n, None)).collect();
    pair.write(0, &rows);
    pair.write(0, &tombstones);
    pair.write(0, &tombstones);
    pair.compact_fully();
    let stats = pair.store.stats();
    assert_eq!((stats.spaces[0].runs, stats.spaces[0].rows, stats.spaces[0].through), (0, 0, 3));
    pair.compare();
}

#[test]
fn clearing_a_space_gives_up_its_merges_and_leaves_no_blocks_behind() {
    let mut pair = Pair::new(Arc::new(MemoryBlocks::new()));
    let rows: Vec<_> = (0..600).map(|n| (n, Some(1_000))).collect();
    (0..3).for_each(|_| pair.write(0, &rows));
    assert_eq!(pair.store.compact_step(1_000).unwrap(), Compaction::Pending);
    pair.take(&Step::Clear { space: 0 });
    assert_eq!(pair.store.stats().merges, 0);
    pair.write(0, &[(1, Some(1))]);
    pair.compact_fully();
    assert_eq!(pair.blocks.runs(), [4], "the inputs, the unfinished output and nothing else are gone");
    pair.compare();
}
