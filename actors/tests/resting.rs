//! Orders at rest: they are as they were for whoever asks, in memory, on the shelf, and while a checkpoint is written.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::sync::Arc;

use stockade_actors::command::{Answer, Command, OrderView};
use stockade_actors::host::CheckpointSink;
use stockade_actors::table::record_of_snapshot;
use stockade_domain::OrderId;
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::order::{NewLine, NewOrder, OrderCommand, OrderStatus, Tender};
use stockade_domain::payment::Method;
use stockade_domain::{Refusal, SkuId};
use stockade_storage::record::parse_record;
use support::World;

/// An order that is paid for with it, unless it is to be paid later.
fn place(world: &mut World, is_paid: bool) -> OrderView {
    let line = NewLine { sku: SkuId::new("A").unwrap(), quantity: 2, unit_price: None, supply: None };
    let mut order = NewOrder::new(world.new_id(), vec![line]);
    // What comes from outside has a digest, and is asked for by its id.
    order.body_digest = 7;
    order.payments.extend(is_paid.then(|| Tender::by(Method::External)));
    world.place(order).unwrap()
}

fn read(world: &mut World, order: OrderId) -> OrderView {
    world.order(order, Command::ReadOrder { order }).unwrap()
}

fn ship(world: &mut World, order: OrderId) -> OrderView {
    let command = Box::new(OrderCommand::Ship { lines: None, tracking: None });
    world.order(order, Command::Order { order, command, key: None }).unwrap()
}

fn state_hash(world: &mut World) -> u64 {
    match world.run(&EntityKey::Ledger, Command::StateHash).unwrap() {
        Answer::Count(hash) => hash,
        other => panic!("{other:?}"),
    }
}

fn snapshot(world: &World, order: OrderId) -> Vec<u8> {
    world.journal.snapshots.lock()[&(EntityKind::Order as u8, order.to_bytes().to_vec())].clone()
}

/// The sequences of an order's records.
fn records(world: &World, order: OrderId) -> Vec<u64> {
    let records = world.journal.records.lock();
    let is_its = |bytes: &Vec<u8>| parse_record(bytes).unwrap().0.key == order.to_bytes();
    (1..).zip(records.iter()).filter(|(_, bytes)| is_its(bytes)).map(|(seq, _)| seq).collect()
}

#[test]
fn an_order_at_rest_is_as_it_was() {
    let mut world = World::new(1);
    world.define("A", "1.00 EUR", 10);
    let placed = place(&mut world, true);
    let id = placed.order.id;
    let hash = state_hash(&mut world);
    world.check();
    assert_eq!(read(&mut world, id).order, placed.order);
    assert_eq!(state_hash(&mut world), hash, "awake or at rest, it is the same order");
    assert_eq!(ship(&mut world, id).order.status(), OrderStatus::Shipped);
    world.check();
}

#[test]
fn its_snapshot_says_in_which_record_it_is_until_something_happens_to_it() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 10);
    let (paid, unpaid) = (place(&mut world, true), place(&mut world, false));
    let id = paid.order.id;
    assert!(world.checkpoint() >= 2, "the order at rest and the SKU go");
    assert_eq!(Some(record_of_snapshot(&snapshot(&world, id))), Some(Some(records(&world, id)[0])));
    assert_eq!(record_of_snapshot(&snapshot(&world, unpaid.order.id)), None, "what waits for money does not rest");
    assert_eq!(read(&mut world, id).order, paid.order, "it is found in its record");
    let shipped = ship(&mut world, id);
    world.checkpoint();
    assert_eq!(record_of_snapshot(&snapshot(&world, id)), None);
    assert_eq!(read(&mut world, id).order, shipped.order);
    let mut world = world.restart(2);
    assert_eq!(read(&mut world, id).order, shipped.order);
    world.check();
}

#[test]
fn one_that_woke_before_the_checkpoint_is_written_as_it_is_then() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 10);
    let (id, other) = (place(&mut world, true).order.id, place(&mut world, true).order.id);
    let shipped = ship(&mut world, id);
    world.checkpoint();
    assert_eq!(record_of_snapshot(&snapshot(&world, id)), None);
    assert_eq!(record_of_snapshot(&snapshot(&world, other)), Some(records(&world, other)[0]));
    assert_eq!(read(&mut world, id).order, shipped.order);
}

#[test]
fn one_that_wakes_while_the_checkpoint_is_written_is_in_it_as_it_was_at_the_cut() {
    let mut world = World::new(1);
    world.define("A", "1.00 EUR", 10);
    // More than are written after one turn.
    (0..600).for_each(|n| world.define(&format!("SKU{n}"), "1.00 EUR", 0));
    let placed = place(&mut world, true);
    let id = placed.order.id;
    let journal = Arc::clone(&world.journal);
    let sink: CheckpointSink = Arc::new(move |part| {
        let in_record: Vec<_> = part.rows_in_record().collect();
        let rows = part.rows.into_iter().chain(in_record);
        journal.snapshots.lock().extend(rows.map(|row| ((row.kind as u8, row.key), row.state)));
    });
    let _receipt = world.send(&EntityKey::Ledger, Command::Checkpoint { sink });
    world.hosts[0].step();
    let before = records(&world, id);
    assert!(world.journal.snapshots.lock().is_empty(), "the checkpoint is not written yet");
    ship(&mut world, id);
    assert_eq!(record_of_snapshot(&snapshot(&world, id)), Some(before[0]));
    assert!(records(&world, id).len() > 1);
}

/// The same order again is the same thing, at rest or on the shelf; another order under its id is not.
#[test]
fn an_id_stays_taken_while_its_order_rests() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 10);
    let placed = place(&mut world, true);
    for _ in 0..2 {
        let line = NewLine { sku: SkuId::new("A").unwrap(), quantity: 2, unit_price: None, supply: None };
        let mut again = NewOrder::new(placed.order.id, vec![line]);
        again.body_digest = 7;
        again.payments.push(Tender::by(Method::External));
        let other = NewOrder { body_digest: 8, ..again.clone() };
        assert_eq!(world.place(again).unwrap().order, placed.order);
        assert!(matches!(world.place(other), Err(Refusal::IdConflict { .. })));
        world.checkpoint();
    }
    assert_eq!(world.read_stock("A").levels.totals.allocated, 2);
}
