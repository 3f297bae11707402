//! What leaves memory when there is too much of it, and what stays.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use stockade_actors::command::Command;
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::stock::{Definition, StockCommand, StockEvent};
use stockade_domain::{Location, Money, SkuId};
use stockade_storage::record::parse_record;
use support::World;

fn sku(n: usize) -> String {
    format!("SKU{n:02}")
}

fn receive_one(world: &mut World, sku: &str) {
    world.stock(sku, support::receive(1)).unwrap();
}

fn on_hand(world: &mut World, sku: &str) -> u64 {
    world.read_stock(sku).levels.totals.on_hand()
}

#[test]
fn what_is_asked_for_stays_and_what_is_not_goes() {
    let mut world = World::with_room_for(5);
    (0..10).for_each(|n| world.define(&sku(n), "1.00 EUR", 7));
    // Nothing was shelved before: all of them go, because all are more than there is room for.
    assert_eq!(world.checkpoint(), 10);
    assert_eq!(world.checkpoint(), 0);

    // Three hot ones and all the others once.
    (0..10).for_each(|n| receive_one(&mut world, &sku(n)));
    world.checkpoint();
    (3..10).for_each(|n| assert_eq!(on_hand(&mut world, &sku(n)), 8));
    (0..3).for_each(|n| receive_one(&mut world, &sku(n)));
    assert_eq!(world.checkpoint(), 7, "those that were only read go");
    world.journal.asked.lock().clear();
    (0..3).for_each(|n| receive_one(&mut world, &sku(n)));
    assert_eq!(*world.journal.asked.lock(), Vec::<Vec<u8>>::new(), "the hot ones were in memory");
}

#[test]
fn a_sku_that_left_memory_holds_what_it_held() {
    let mut world = World::with_room_for(0);
    world.define("A", "1.00 EUR", 3);
    world.checkpoint();
    assert_eq!(on_hand(&mut world, "A"), 3);
    world.stock("A", support::receive(4)).unwrap();
    world.checkpoint();
    assert_eq!(on_hand(&mut world, "A"), 7);
}

/// The facts of low stock in the journal.
fn told(world: &World) -> Vec<StockEvent> {
    let records = world.journal.records.lock();
    let of_record = |record: &Vec<u8>| {
        let (head, events) = parse_record(record).unwrap();
        EntityKind::from_byte(head.kind).map_or_else(Vec::new, |kind| Event::decode_all(kind, events).unwrap())
    };
    let stock = records.iter().flat_map(of_record).filter_map(|event| match event {
        Event::Stock(event) => Some(event),
        _ => None,
    });
    stock.filter(|event| matches!(event, StockEvent::LowStock { .. })).collect()
}

fn take(quantity: i64) -> StockCommand {
    StockCommand::Adjust {
        location: Location::main(),
        lot: None,
        delta: -quantity,
        reason: "counted".into(),
        force: false,
    }
}

#[test]
fn what_a_sku_was_warned_of_is_not_told_again_when_it_comes_back_from_the_shelf_or_after_a_restart() {
    let mut world = World::with_room_for(0);
    let level = Definition { low_stock_level: Some(3), ..Definition::new("A", Money::parse("1.00 EUR").unwrap()) };
    let mut wanted = vec![StockEvent::LowStock { available: 0, level: 3 }];
    world.stock("A", StockCommand::Define(Box::new(level))).unwrap();
    world.stock("A", support::receive(5)).unwrap();
    world.checkpoint();
    world.stock("A", take(2)).unwrap();
    wanted.push(StockEvent::LowStock { available: 3, level: 3 });
    assert_eq!(told(&world), wanted, "it is told of a SKU that was on the shelf");
    assert_eq!(world.checkpoint(), 1);
    world.stock("A", take(1)).unwrap();
    let mut world = world.restart(2);
    world.stock("A", take(1)).unwrap();
    assert_eq!(told(&world), wanted, "it lasts");

    // What two commands of one turn take and bring back is no edge.
    world.stock("A", support::receive(3)).unwrap();
    let sku = SkuId::new("A").unwrap();
    let key = EntityKey::Sku(sku.clone());
    for command in [take(4), support::receive(4)] {
        let command = Command::Stock { sku: sku.clone(), command: Box::new(command), key: None };
        drop(world.send(&key, command));
    }
    world.settle();
    assert_eq!(told(&world), wanted);
    world.stock("A", take(2)).unwrap();
    wanted.push(StockEvent::LowStock { available: 2, level: 3 });
    assert_eq!(told(&world), wanted, "it had ended and begins again");
}
