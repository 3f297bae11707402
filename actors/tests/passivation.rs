//! What leaves memory when there is too much of it, and what stays.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

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
