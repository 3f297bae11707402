//! Opening again: from snapshots and the tail, from the journal alone, with another number of partitions.

use std::path::Path;

use stockade::engine::{OrderFilter, Page};
use stockade::{Config, Engine, Money, NewOrder, OrderId, Payment, Refusal, Sku};
use stockade_domain::order::OrderStatus;

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
