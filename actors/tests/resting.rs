//! Orders at rest: they are as they were for whoever asks, in memory, on the shelf, and while a checkpoint is written.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use stockade_actors::command::{Answer, Command, OrderView};
use stockade_actors::faults::{Fault, FaultRule, MailboxFault};
use stockade_actors::host::CheckpointSink;
use stockade_actors::release::Receipt;
use stockade_actors::table::RecordSnapshot;
use stockade_domain::OrderId;
use stockade_domain::account::AccountCommand;
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::order::{Charge, ChargeKind, NewLine, NewOrder, OrderCommand, OrderStatus, Tender};
use stockade_domain::payment::Method;
use stockade_domain::stock::{Definition, KitPart, StockCommand};
use stockade_domain::{Amount, CustomerId, Money, Refusal, SkuId};
use stockade_storage::record::parse_record;
use support::World;

/// An order as it comes from outside: it has a digest, and is asked for by its id.
fn order(id: OrderId) -> NewOrder {
    let line = NewLine { sku: SkuId::new("A").unwrap(), quantity: 2, unit_price: None, supply: None };
    NewOrder { body_digest: 7, ..NewOrder::new(id, vec![line]) }
}

fn paid(id: OrderId) -> NewOrder {
    let mut order = order(id);
    order.payments.push(Tender::by(Method::External));
    order
}

/// An order that is paid for with it, unless it is to be paid later.
fn place(world: &mut World, is_paid: bool) -> OrderView {
    let id = world.new_id();
    world.place(if is_paid { paid(id) } else { order(id) }).unwrap()
}

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

fn send(world: &mut World, order: NewOrder) -> Receipt {
    let command = Command::Place { order: Box::new(order.clone()), key: None, wait: Duration::ZERO };
    world.send(&EntityKey::Order(order.id), command)
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

/// The record that an order's snapshot is, if it is one.
fn record_in_snapshot(world: &World, order: OrderId) -> Option<u64> {
    let bytes = &world.journal.snapshots.lock()[&(EntityKind::Order as u8, order.to_bytes().to_vec())];
    RecordSnapshot::of(bytes).map(|record| record.seq)
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
fn its_snapshot_is_its_record_until_something_happens_to_it() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 10);
    let (paid, unpaid) = (place(&mut world, true), place(&mut world, false));
    let id = paid.order.id;
    assert!(world.checkpoint() >= 2, "the order at rest and the SKU go");
    assert_eq!(record_in_snapshot(&world, id), Some(records(&world, id)[0]));
    assert_eq!(record_in_snapshot(&world, unpaid.order.id), None, "what waits for money does not rest");
    assert_eq!(read(&mut world, id).order, paid.order, "it is built from its snapshot");
    let shipped = ship(&mut world, id);
    world.checkpoint();
    assert_eq!(record_in_snapshot(&world, id), None);
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
    assert_eq!(record_in_snapshot(&world, id), None);
    assert_eq!(record_in_snapshot(&world, other), Some(records(&world, other)[0]));
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
    let sink: CheckpointSink = Arc::new(move |part| journal.keep(part));
    let _receipt = world.send(&EntityKey::Ledger, Command::Checkpoint { sink });
    world.hosts[0].step();
    let before = records(&world, id);
    assert!(world.journal.snapshots.lock().is_empty(), "the checkpoint is not written yet");
    ship(&mut world, id);
    assert_eq!(record_in_snapshot(&world, id), Some(before[0]));
    assert!(records(&world, id).len() > 1);
}

/// The same order again is the same thing, at rest or on the shelf; another order under its id is not.
#[test]
fn an_id_stays_taken_while_its_order_rests() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 10);
    let placed = place(&mut world, true);
    for _ in 0..2 {
        let again = paid(placed.order.id);
        let other = NewOrder { body_digest: 8, ..again.clone() };
        assert_eq!(world.place(again).unwrap().order, placed.order);
        assert!(matches!(world.place(other), Err(Refusal::IdConflict { .. })));
        world.checkpoint();
    }
    assert_eq!(world.read_stock("A").levels.totals.allocated, 2);
}

/// The first of two in a turn used to leave the order that the second placed without its events: it could not be loaded.
#[test]
fn an_order_whose_first_try_panicked_in_the_turn_that_placed_it_is_whole() {
    let mut world = World::new(1);
    world.define("A", "1.00 EUR", 10);
    let id = world.new_id();
    world.faults.arm(vec![FaultRule::first(Fault::Mailbox(MailboxFault::CrashAfter), 1).on("order")]);
    let mut receipts = [send(&mut world, paid(id)), send(&mut world, paid(id))];
    world.settle();
    let done = receipts.each_mut().map(|receipt| receipt.try_receive().unwrap().unwrap().is_ok());
    assert_eq!(done, [false, true]);
    world.check();
    state_hash(&mut world);
    assert_eq!(read(&mut world, id).order.status(), OrderStatus::Paid);
    assert_eq!(ship(&mut world, id).order.status(), OrderStatus::Shipped);
    assert_eq!(world.read_stock("A").levels.totals.allocated, 0);
}

#[test]
fn an_order_at_rest_is_built_anew_when_its_command_panics() {
    for passivated in [false, true] {
        let mut world = World::with_room_for(0);
        world.define("A", "1.00 EUR", 10);
        let placed = place(&mut world, true);
        let id = placed.order.id;
        if passivated {
            world.checkpoint();
        }
        world.faults.arm(vec![FaultRule::first(Fault::Mailbox(MailboxFault::CrashAfter), 1).on("order")]);
        let command = Box::new(OrderCommand::Ship { lines: None, tracking: None });
        let refused = world.order(id, Command::Order { order: id, command, key: None }).unwrap_err();
        assert_eq!(refused, Refusal::ActorFailed);
        assert_eq!(read(&mut world, id).order, placed.order);
        let shipped = ship(&mut world, id);
        world.checkpoint();
        assert_eq!(read(&mut world, id).order, shipped.order);
        world.check();
    }
}

/// Looking at it changes nothing of how it is kept.
#[test]
fn an_order_that_was_only_read_still_rests() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 10);
    let placed = place(&mut world, true);
    let id = placed.order.id;
    assert_eq!(read(&mut world, id).order, placed.order);
    world.checkpoint();
    assert_eq!(record_in_snapshot(&world, id), Some(records(&world, id)[0]));
    let was = read(&mut world, id);
    world.checkpoint();
    assert_eq!(record_in_snapshot(&world, id), Some(records(&world, id)[0]), "nor when it comes from the shelf");
    assert_eq!(read(&mut world, id).order, was.order);
}

/// However many partitions there are after it, a restart gives every order back, and what rested rests again.
#[test]
fn after_a_restart_orders_rest_again() {
    let mut world = World::new(1);
    world.define("A", "1.00 EUR", 100);
    let placed: Vec<_> = (0..9).map(|n| place(&mut world, n % 3 > 0)).collect();
    let shipped = ship(&mut world, placed[1].order.id);
    let hash = state_hash(&mut world);
    for partitions in [3, 2, 1] {
        world = world.restart(partitions);
        for (n, was) in placed.iter().enumerate() {
            let wanted = if n == 1 { &shipped.order } else { &was.order };
            assert_eq!(read(&mut world, was.order.id).order, *wanted, "order {n} on {partitions}");
        }
        world.check();
    }
    assert_eq!(state_hash(&mut world), hash);
    world.checkpoint();
    for (n, was) in placed.iter().enumerate() {
        let rests = n % 3 > 0 && n != 1;
        assert_eq!(record_in_snapshot(&world, was.order.id).is_some(), rests, "order {n}");
    }
}

/// What a snapshot that cannot be read costs is its command; an edit used to look at it before it was protected.
#[test]
fn a_snapshot_that_cannot_be_read_costs_its_command_and_nothing_else() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 10);
    let id = place(&mut world, true).order.id;
    world.checkpoint();
    let key = (EntityKind::Order as u8, id.to_bytes().to_vec());
    for damaged in [&b"nonsense"[..], &[0x80], &[0x85, 1, 0xf6, 0xf6, 0, 0x40]] {
        world.journal.snapshots.lock().insert(key.clone(), damaged.to_vec());
        let edit = Box::new(order(id));
        for command in [Command::Edit { order: id, edit, key: None }, Command::ReadOrder { order: id }] {
            assert_eq!(world.order(id, command).unwrap_err(), Refusal::ActorFailed, "{damaged:?}");
        }
    }
    assert_eq!(place(&mut world, true).order.status(), OrderStatus::Paid, "the partition goes on");
}

/// A turn looks beforehand at what its orders need; what it sees there may be any number.
#[test]
fn the_richest_wallet_buys_many_times_in_a_turn() {
    let mut world = World::new(1);
    world.define("A", "1.00 EUR", 100);
    let customer = CustomerId::new("ann").unwrap();
    let most = Money::new(Amount(i64::MAX / 4), "EUR".parse().unwrap());
    let command = AccountCommand::Credit { money: most, reference: None };
    let key = EntityKey::Account(customer.clone());
    if world.run(&key, Command::Account { customer: customer.clone(), command, key: None }).is_err() {
        let most = Money::new(Amount(i64::MAX / 4 / 10_000 * 10_000), most.currency);
        let command = AccountCommand::Credit { money: most, reference: None };
        world.run(&key, Command::Account { customer: customer.clone(), command, key: None }).unwrap();
    }
    let mut receipts: Vec<_> = (0..40)
        .map(|_| {
            let mut order = order(world.new_id());
            order.customer = Some(customer.clone());
            order.payments.push(Tender::by(Method::Wallet));
            send(&mut world, order)
        })
        .collect();
    world.settle();
    let is_paid = |receipt: &mut Receipt| receipt.try_receive().unwrap().unwrap().is_ok();
    assert_eq!(receipts.iter_mut().map(is_paid).filter(|paid| *paid).count(), 40);
}

/// Whatever an order is made of, built from its record it is what its turn made of it.
#[test]
fn orders_of_every_kind_are_the_same_when_they_are_built_again() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 10);
    world.define("B", "0.3333 EUR", 3);
    let parts = [("A", 1), ("B", 2)].map(|(name, quantity)| KitPart { sku: SkuId::new(name).unwrap(), quantity });
    let kit = Definition { kit: Some(Box::new(parts.into())), ..Definition::new("set", eur("1.50")) };
    world.stock("SET", StockCommand::Define(Box::new(kit))).unwrap();
    let backorders = Definition { backorder_max: Some(9), ..Definition::new("later", eur("2.00")) };
    world.stock("LATER", StockCommand::Define(Box::new(backorders))).unwrap();
    let customer = CustomerId::new("ann").unwrap();
    let command = AccountCommand::Credit { money: eur("100.00"), reference: None };
    let key = EntityKey::Account(customer.clone());
    world.run(&key, Command::Account { customer: customer.clone(), command, key: None }).unwrap();
    let of = |lines: &[(&str, u64)]| {
        let line = |(sku, quantity): &(&str, u64)| NewLine::of_house(SkuId::new(sku).unwrap(), *quantity);
        lines.iter().map(line).collect::<Vec<_>>()
    };
    type Shape = fn(&mut NewOrder);
    let shapes: [(&[(&str, u64)], Shape); 6] = [
        (&[("A", 1), ("B", 1), ("A", 2)], |_| {}),
        (&[("SET", 1)], |_| {}),
        (&[("A", 1), ("B", 5)], |order| order.allow_partial = true),
        (&[("LATER", 2)], |order| order.allow_backorder = true),
        (&[("A", 1)], |order| {
            order.charges.push(Charge { kind: ChargeKind::Shipping, money: Money::parse("4.90 EUR").unwrap() });
        }),
        (&[("A", 2)], |order| {
            order.payments[0] =
                Tender { amount: Some(Money::parse("0.50 EUR").unwrap()), ..Tender::by(Method::Wallet) };
            order.payments.push(Tender::by(Method::External));
        }),
    ];
    let mut placed = Vec::new();
    for (lines, shape) in shapes {
        let id = world.new_id();
        let mut order = NewOrder { customer: Some(customer.clone()), ..NewOrder::new(id, of(lines)) };
        order.payments.push(Tender::by(Method::External));
        shape(&mut order);
        placed.push(world.place(order).unwrap());
    }
    for _ in 0..2 {
        for was in &placed {
            assert!(was.order.secured);
            assert_eq!(read(&mut world, was.order.id).order, was.order);
        }
        world.checkpoint();
    }
    let rested = placed.iter().filter(|was| record_in_snapshot(&world, was.order.id).is_some()).count();
    assert_eq!(rested, placed.len(), "all of them rested");
}
