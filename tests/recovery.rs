//! Opening again: from snapshots and the tail, from the journal alone, with another number of partitions.

use std::path::Path;
use std::sync::Arc;

use stockade::engine::{OrderFilter, Page};
use stockade::{Config, Engine, ManualClock, Money, NewOrder, OrderId, Payment, Refusal, Sku, Timestamp};
use stockade_domain::order::OrderStatus;
use stockade_storage::disk::{Disk, Fault, SimulatedDisk, Survival};
use stockade_storage::packed::MemoryBlocks;

const SKUS: usize = 7;

fn config(dir: &Path, partitions: usize) -> Config {
    let mut config = Config::at(dir).partitions(partitions).checkpoint_records(300);
    config.orders_in_memory_max = 20;
    config.segment_bytes = 1 << 20;
    config
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

async fn fill(engine: &Engine) {
    for n in 0..SKUS {
        engine.put_sku(Sku::new(format!("S{n}"), money("3.33 EUR"))).await.unwrap();
        engine.receive(format!("S{n}"), 1_000_000).await.unwrap();
    }
    engine.credit("ann", money("100000.00 EUR")).await.unwrap();
}

/// Orders of every kind: unpaid, paid, from the wallet, shipped, returned, cancelled.
async fn trade(engine: &Engine, rounds: usize) -> Vec<OrderId> {
    let mut ids = Vec::new();
    for n in 0..rounds {
        let (one, other) = (format!("S{}", n % SKUS), format!("S{}", (n + 3) % SKUS));
        let order = NewOrder::one(&one, 2).line(&other, 1).customer(if n % 3 == 0 { "ann" } else { "bob" });
        let id = match n % 5 {
            0 => engine.place(order).await.unwrap().id,
            1 if n % 3 == 0 => engine.place(order.pay(Payment::wallet())).await.unwrap().id,
            _ => engine.place(order.pay(Payment::external("ref"))).await.unwrap().id,
        };
        match n % 5 {
            2 => drop(engine.ship(id).await.unwrap()),
            3 => {
                engine.ship(id).await.unwrap();
                engine.take_back(id, vec![(0, 1, Default::default())]).await.unwrap();
            }
            4 => drop(engine.cancel(id).await.unwrap()),
            _ => {}
        }
        ids.push(id);
    }
    engine.catch_up().await.unwrap();
    ids
}

/// Everything that can be seen from outside.
#[derive(Debug, PartialEq)]
struct Sight {
    orders: Vec<(OrderId, OrderStatus, i64, i64)>,
    stock: Vec<(u64, u64, u64, u64)>,
    listed: Vec<OrderId>,
    anns: usize,
    movements: usize,
    books: Vec<i128>,
    wallet: i64,
}

async fn look(engine: &Engine, ids: &[OrderId]) -> Sight {
    let mut orders = Vec::new();
    for id in ids {
        let order = engine.read_order(*id).await.unwrap().order;
        orders.push((*id, order.status(), order.total().0, order.refunded().0));
    }
    let mut stock = Vec::new();
    for n in 0..SKUS {
        let levels = engine.read_stock(format!("S{n}")).await.unwrap().0.levels;
        let totals = levels.totals;
        stock.push((levels.available, totals.held, totals.allocated, totals.on_hand()));
    }
    let listed = all_pages(engine, &OrderFilter::default()).await;
    let ann = OrderFilter { customer: Some("ann".parse().unwrap()), ..OrderFilter::default() };
    let anns = all_pages(engine, &ann).await.len();
    let mut movements = 0;
    let mut before = None;
    loop {
        let page = engine.movements("S0", Page { limit: 50, before }).await.unwrap();
        movements += page.items.len();
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    engine.check().await.unwrap();
    let ledger = engine.ledger().await.unwrap();
    ledger.check();
    let books = ledger.rows().iter().flat_map(|(_, row)| row.iter().copied()).collect();
    let wallet = engine.wallet("ann").await.unwrap().0.balance.0;
    Sight { orders, stock, listed, anns, movements, books, wallet }
}

async fn all_pages(engine: &Engine, filter: &OrderFilter) -> Vec<OrderId> {
    let (mut listed, mut before) = (Vec::new(), None);
    loop {
        let page = engine.list_orders(filter, Page { limit: 40, before }).await.unwrap();
        listed.extend(page.items.iter().map(|order| order.id));
        before = page.next;
        if before.is_none() {
            return listed;
        }
    }
}

async fn reopen(engine: Engine, dir: &Path, partitions: usize) -> Engine {
    engine.close().await.unwrap();
    drop(engine);
    Engine::open(config(dir, partitions)).unwrap()
}

#[tokio::test]
async fn what_left_memory_and_what_was_restarted_looks_the_same() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("data");
    let engine = Engine::open(config(&dir, 1)).unwrap();
    fill(&engine).await;
    let mut ids = trade(&engine, 600).await;
    let before = look(&engine, &ids).await;
    assert_eq!(before.listed.len(), 600);
    assert_eq!(before.listed, ids.iter().rev().copied().collect::<Vec<_>>(), "newest first");
    assert_eq!(before.anns, 200);

    let engine = reopen(engine, &dir, 1).await;
    assert_eq!(look(&engine, &ids).await, before);

    ids.extend(trade(&engine, 100).await);
    let before = look(&engine, &ids).await;
    let engine = reopen(engine, &dir, 3).await;
    assert_eq!(look(&engine, &ids).await, before, "with another number of partitions");
    ids.extend(trade(&engine, 60).await);
    let before = look(&engine, &ids).await;
    let engine = reopen(engine, &dir, 1).await;
    assert_eq!(look(&engine, &ids).await, before);
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_lost_derived_store_is_rebuilt_from_the_journal() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("data");
    let engine = Engine::open(config(&dir, 1)).unwrap();
    fill(&engine).await;
    let ids = trade(&engine, 400).await;
    let before = look(&engine, &ids).await;
    engine.close().await.unwrap();
    drop(engine);
    std::fs::remove_dir_all(dir.join("derived")).unwrap();
    let engine = Engine::open(config(&dir, 1)).unwrap();
    engine.catch_up().await.unwrap();
    assert_eq!(look(&engine, &ids).await, before);
    engine.close().await.unwrap();
}

#[tokio::test]
async fn an_id_that_was_used_is_known_after_its_order_left_memory_and_after_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("data");
    let engine = Engine::open(config(&dir, 1)).unwrap();
    fill(&engine).await;
    let id = engine.new_order_id();
    let order = || NewOrder::one("S0", 1).customer("ann").pay(Payment::external("x")).id(id);
    engine.place(order()).await.unwrap();
    trade(&engine, 400).await;
    let again = engine.place(order()).await.unwrap();
    assert!(again.replayed && again.id == id);
    let other = NewOrder::one("S0", 2).id(id);
    assert_eq!(engine.place(other.clone()).await.unwrap_err(), Refusal::IdConflict { id: id.to_string() });
    let engine = reopen(engine, &dir, 1).await;
    assert!(engine.place(order()).await.unwrap().replayed);
    assert_eq!(engine.place(other).await.unwrap_err().code(), "id_conflict");
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_second_engine_on_the_directory_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("data");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    let second = Engine::open(Config::at(&dir)).err().expect("refused");
    assert!(matches!(second, stockade::EngineError::InUse { .. }), "{second}");
    engine.close().await.unwrap();
}

const DAY: i64 = 24 * 3600;

/// An engine whose disk, derived records and time are the test's.
struct Simulated {
    disk: SimulatedDisk,
    blocks: Arc<MemoryBlocks>,
    clock: ManualClock,
}

impl Simulated {
    fn new() -> Self {
        let clock = ManualClock::at(Timestamp(1_790_000_000_000_000));
        Self { disk: SimulatedDisk::new(), blocks: Arc::default(), clock }
    }

    fn config(&self, checkpoint_records: u64) -> Config {
        let storage = (Arc::new(self.disk.clone()), Arc::clone(&self.blocks));
        let mut config = Config::in_memory().on(storage.0, storage.1).clock(self.clock.clone());
        config.checkpoint_records = checkpoint_records;
        config.segment_bytes = 32 << 10;
        config
    }

    fn open(&self, checkpoint_records: u64) -> Engine {
        Engine::open(self.config(checkpoint_records)).unwrap()
    }

    fn archives(&self) -> usize {
        self.disk.list("archive").unwrap().len()
    }
}

#[tokio::test]
async fn segments_are_archived_only_below_two_checkpoints_and_beyond_the_retention_of_keys() {
    let world = Simulated::new();
    let engine = world.open(u64::MAX);
    fill(&engine).await;
    trade(&engine, 400).await;
    world.clock.advance_seconds(DAY + 1);
    engine.settled().await.unwrap();
    assert!(engine.journal_segments().0 > 4);
    assert_eq!((engine.journal_segments().1, world.archives()), (0, 0), "there is no checkpoint");
    engine.close().await.unwrap();
    drop(engine);

    let engine = world.open(u64::MAX);
    engine.settled().await.unwrap();
    assert_eq!(world.archives(), 0, "closing made one checkpoint, and two are needed");
    trade(&engine, 50).await;
    engine.close().await.unwrap();
    drop(engine);

    let engine = world.open(u64::MAX);
    engine.settled().await.unwrap();
    let (all, archived) = engine.journal_segments();
    assert!(archived > 0 && archived + 1 < all, "{archived} of {all}: what was written just now is young");
    assert_eq!(world.archives() as u64, archived);
    world.clock.advance_seconds(DAY + 1);
    engine.settled().await.unwrap();
    assert_eq!(engine.journal_segments().1, archived, "what is old now is above the older checkpoint");
    engine.close().await.unwrap();
}

#[tokio::test]
async fn a_young_segment_is_not_archived_however_many_checkpoints_lie_above_it() {
    let world = Simulated::new();
    let engine = world.open(200);
    fill(&engine).await;
    for _ in 0..4 {
        trade(&engine, 100).await;
        engine.settled().await.unwrap();
    }
    assert_eq!((engine.journal_segments().1, world.archives()), (0, 0));
    world.clock.advance_seconds(DAY - 60);
    engine.settled().await.unwrap();
    assert_eq!(world.archives(), 0);
    world.clock.advance_seconds(61);
    engine.settled().await.unwrap();
    assert!(world.archives() > 0);
    engine.close().await.unwrap();
}

#[tokio::test]
async fn an_archived_journal_is_read_like_any_other_and_alone_brings_everything_back() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("data");
    let clock = ManualClock::at(Timestamp(1_790_000_000_000_000));
    let config = || {
        let mut config = config(&dir, 1).clock(clock.clone());
        config.segment_bytes = 32 << 10;
        config
    };
    let engine = Engine::open(config()).unwrap();
    fill(&engine).await;
    let ids = trade(&engine, 500).await;
    clock.advance_seconds(DAY + 1);
    trade(&engine, 150).await;
    engine.settled().await.unwrap();
    let (all, archived) = engine.journal_segments();
    assert!(archived > 3 && archived < all, "{archived} of {all}");
    let before = look(&engine, &ids).await;
    assert!(before.movements > 300, "movements are read from the archive");
    engine.close().await.unwrap();
    drop(engine);
    let report = stockade::audit::audit(&dir, |_, _| ()).unwrap();
    assert!(report.is_clean(), "{report:?}");

    let engine = Engine::open(config()).unwrap();
    assert_eq!((look(&engine, &ids).await, engine.replayed_at_open()), (before, 0));
    let before = look(&engine, &ids).await;
    engine.close().await.unwrap();
    drop(engine);
    std::fs::remove_dir_all(dir.join("derived")).unwrap();
    let engine = Engine::open(config()).unwrap();
    assert!(engine.replayed_at_open() > 1_000, "slow");
    engine.catch_up().await.unwrap();
    assert_eq!(look(&engine, &ids).await, before, "never wrong");
    engine.close().await.unwrap();
    drop(engine);
    let report = stockade::audit::audit(&dir, |_, _| ()).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn after_a_clean_close_nothing_is_replayed() {
    let world = Simulated::new();
    for round in 0..3 {
        let engine = world.open(u64::MAX);
        assert_eq!(engine.replayed_at_open(), 0, "round {round}");
        if round == 0 {
            fill(&engine).await;
        }
        let ids = trade(&engine, 100).await;
        let before = look(&engine, &ids).await;
        engine.close().await.unwrap();
        drop(engine);
        let engine = world.open(u64::MAX);
        assert_eq!((engine.replayed_at_open(), engine.projection_lag() <= 1), (0, true));
        assert_eq!(look(&engine, &ids).await, before);
        // Nothing has happened, so closing has nothing to write.
        let records = engine.journal_size().1;
        engine.close().await.unwrap();
        drop(engine);
        let engine = world.open(u64::MAX);
        assert_eq!(engine.journal_size().1, records);
        engine.close().await.unwrap();
    }
}

#[tokio::test]
async fn power_lost_at_any_operation_of_closing_loses_nothing() {
    let (mut harmed, mut replayed) = (0, 0);
    for step in 0..24 {
        let world = Simulated::new();
        let engine = world.open(u64::MAX);
        fill(&engine).await;
        let ids = trade(&engine, 40).await;
        let before = look(&engine, &ids).await;
        world.disk.arm(world.disk.operation_count() + step, Fault::PowerCut { bytes: 100 * step });
        harmed += u32::from(engine.close().await.is_err() || world.disk.struck() == 1);
        drop(engine);
        world.disk.disarm();
        world.disk.power_loss(Survival::Random(step as u64));
        let engine = world.open(u64::MAX);
        replayed += u32::from(engine.replayed_at_open() > 0);
        engine.catch_up().await.unwrap();
        assert_eq!(look(&engine, &ids).await, before, "power lost at operation {step} of closing");
        engine.close().await.unwrap();
    }
    assert!(harmed > 0 && replayed > 0, "{harmed} closings were harmed, {replayed} were to no avail");
}
