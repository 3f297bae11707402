//! Kits, waiting lists, lotteries and shortfalls from outside a host: one to three partitions.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::time::Duration;

use stockade_actors::command::{Command, OrderView};
use stockade_actors::faults::{Fault, FaultRule, MailboxFault};
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::name::Region;
use stockade_domain::order::{NewLine, NewOrder, OrderCommand, OrderStatus, Tender};
use stockade_domain::payment::Method;
use stockade_domain::stock::{
    Admission, Definition, Distances, HoldContext, KitPart, Lottery, SkuStatus, SourcingPlan, SourcingStrategy,
    StockCommand,
};
use stockade_domain::{Location, Money, OrderId, Refusal, SkuId, Timestamp};
use stockade_storage::record::parse_record;
use support::{START, World, receive};

fn sku(name: &str) -> SkuId {
    SkuId::new(name).unwrap()
}

fn definition(price: &str) -> Definition {
    Definition::new("thing", Money::parse(price).unwrap())
}

fn define(world: &mut World, name: &str, definition: Definition) -> Result<(), Refusal> {
    world.stock(name, StockCommand::Define(Box::new(definition))).map(|_| ())
}

fn kit(price: &str, parts: &[(&str, u64)]) -> Definition {
    let part = |(name, quantity): &(&str, u64)| KitPart { sku: sku(name), quantity: *quantity };
    Definition { kit: Some(Box::new(parts.iter().map(part).collect())), ..definition(price) }
}

fn order(world: &mut World, lines: &[(&str, u64)]) -> NewOrder {
    let line = |(name, quantity): &(&str, u64)| NewLine::of_house(sku(name), *quantity);
    NewOrder::new(world.new_id(), lines.iter().map(line).collect::<Vec<_>>())
}

fn paid(mut order: NewOrder) -> NewOrder {
    order.payments.push(Tender::by(Method::External));
    order
}

fn place(world: &mut World, lines: &[(&str, u64)]) -> Result<OrderView, Refusal> {
    let order = order(world, lines);
    world.place(order)
}

fn tell(world: &mut World, order: OrderId, command: OrderCommand) -> Result<OrderView, Refusal> {
    let answer = world.order(order, Command::Order { order, command: Box::new(command), key: None });
    world.settle();
    answer
}

fn pay(world: &mut World, order: OrderId) -> Result<OrderView, Refusal> {
    let payments = [Tender::by(Method::External)].into_iter().collect();
    world.order(order, Command::Pay { order, payments, key: None, wait: Duration::ZERO })
}

fn read(world: &mut World, order: OrderId) -> OrderView {
    world.settle();
    world.order(order, Command::ReadOrder { order }).unwrap()
}

fn status(world: &mut World, order: OrderId) -> OrderStatus {
    read(world, order).order.status()
}

/// Free, held, allocated and shipped units.
fn levels(world: &mut World, name: &str) -> (u64, u64, u64, u64) {
    world.settle();
    let totals = world.read_stock(name).levels.totals;
    (totals.free, totals.held, totals.allocated, totals.shipped)
}

/// Two cups and a plate make a set.
fn tableware(partitions: usize) -> World {
    let mut world = World::new(partitions);
    world.define("cup", "3.00 EUR", 5);
    world.define("plate", "4.00 EUR", 5);
    define(&mut world, "set", kit("9.00 EUR", &[("cup", 2), ("plate", 1)])).unwrap();
    world
}

#[test]
fn a_kit_is_sold_at_its_own_price_from_the_shelf_of_its_components() {
    for partitions in 1..=3 {
        let mut world = tableware(partitions);
        let mixed = order(&mut world, &[("set", 2), ("cup", 1)]);
        let view = world.place(paid(mixed)).unwrap();
        assert_eq!((view.order.status(), view.order.total().0), (OrderStatus::Paid, 210_000));
        assert_eq!(view.order.lines.len(), 2, "a kit is one line");
        assert_eq!((levels(&mut world, "cup"), levels(&mut world, "plate")), ((0, 0, 5, 0), (3, 0, 2, 0)));
        let refusal = place(&mut world, &[("set", 1)]).unwrap_err();
        let Refusal::StockExhausted { items, .. } = refusal else { panic!("{refusal:?}") };
        assert_eq!((items[0].sku.as_str(), items[0].requested, items.len()), ("cup", 2, 1), "the component is named");
        assert_eq!(levels(&mut world, "plate"), (3, 0, 2, 0), "all or nothing");
        let id = view.order.id;
        let one_set = OrderCommand::Ship { lines: Some(vec![(0, 1)]), tracking: None };
        assert_eq!(tell(&mut world, id, one_set).unwrap().order.status(), OrderStatus::PartiallyShipped);
        assert_eq!((levels(&mut world, "cup"), levels(&mut world, "plate")), ((0, 0, 3, 2), (3, 0, 1, 1)));
        tell(&mut world, id, OrderCommand::Cancel { lines: Some(vec![(0, Some(1))]) }).unwrap();
        assert_eq!((levels(&mut world, "cup"), levels(&mut world, "plate")), ((2, 0, 1, 2), (4, 0, 0, 1)));
        let back = OrderCommand::Return { lines: vec![(0, 1, Default::default())], refund: Default::default() };
        assert_eq!(tell(&mut world, id, back).unwrap().order.refunded().0, 180_000);
        assert_eq!((levels(&mut world, "cup"), levels(&mut world, "plate")), ((4, 0, 1, 2), (5, 0, 0, 1)));
        world.check();
    }
}

#[test]
fn an_unpaid_kit_gives_its_components_back_when_its_hold_expires_and_a_kit_outlives_a_restart() {
    for partitions in 1..=3 {
        let mut world = tableware(partitions);
        let id = place(&mut world, &[("set", 2)]).unwrap().order.id;
        assert_eq!((levels(&mut world, "cup"), levels(&mut world, "plate")), ((1, 4, 0, 0), (3, 2, 0, 0)));
        let mut world = world.restart(partitions % 3 + 1);
        assert_eq!(place(&mut world, &[("set", 1)]).unwrap_err().code(), "stock_exhausted");
        world.clock.advance_seconds(901);
        assert_eq!(status(&mut world, id), OrderStatus::Expired);
        assert_eq!((levels(&mut world, "cup"), levels(&mut world, "plate")), ((5, 0, 0, 0), (5, 0, 0, 0)));
        place(&mut world, &[("set", 1)]).unwrap();
        world.check();
    }
}

#[test]
fn a_kit_does_not_sell_without_a_component_that_sells() {
    for partitions in 1..=3 {
        let mut world = tableware(partitions);
        for status in [SkuStatus::Paused, SkuStatus::Discontinued] {
            define(&mut world, "cup", Definition { status, ..definition("3.00 EUR") }).unwrap();
            let refusal = place(&mut world, &[("set", 1)]).unwrap_err();
            assert!(matches!(&refusal, Refusal::SkuNotSellable { sku, .. } if sku.as_str() == "cup"), "{refusal:?}");
        }
        define(&mut world, "cup", definition("3.00 EUR")).unwrap();
        define(&mut world, "set", Definition { status: SkuStatus::Paused, ..kit("9.00 EUR", &[("cup", 2)]) }).unwrap();
        let refusal = place(&mut world, &[("set", 1)]).unwrap_err();
        assert!(matches!(&refusal, Refusal::SkuNotSellable { sku, .. } if sku.as_str() == "set"), "{refusal:?}");
        define(&mut world, "set", kit("9.00 EUR", &[("cup", 2)])).unwrap();
        place(&mut world, &[("set", 1)]).unwrap();
        assert_eq!(levels(&mut world, "plate"), (5, 0, 0, 0), "the new definition has no plate");
    }
}

#[test]
fn kits_of_kits_and_kits_of_nothing_are_refused() {
    for partitions in 1..=3 {
        let mut world = tableware(partitions);
        assert_eq!(define(&mut world, "box", kit("1.00 EUR", &[("set", 1)])).unwrap_err().code(), "body_invalid");
        // Where a component lives in another partition, only an order can tell that there is none.
        match define(&mut world, "box", kit("1.00 EUR", &[("ghost", 1)])) {
            Err(refusal) => assert_eq!(refusal.code(), "body_invalid"),
            Ok(()) => {
                assert!(partitions > 1);
                assert_eq!(place(&mut world, &[("box", 1)]).unwrap_err().code(), "sku_unknown");
            }
        }
        define(&mut world, "late", definition("1.00 EUR")).unwrap();
        define(&mut world, "box", kit("1.00 EUR", &[("late", 1)])).unwrap();
        define(&mut world, "late", kit("1.00 EUR", &[("cup", 1)])).unwrap();
        assert_eq!(place(&mut world, &[("box", 1)]).unwrap_err().code(), "sku_not_sellable", "it became a kit itself");
    }
}

#[test]
fn an_order_that_comes_in_the_turn_in_which_its_kit_is_defined_meets_it() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        world.define("cup", "3.00 EUR", 5);
        let define = Command::Stock {
            sku: sku("pair"),
            command: Box::new(StockCommand::Define(Box::new(kit("5.00 EUR", &[("cup", 2)])))),
            key: None,
        };
        let mut defined = world.send(&EntityKey::Sku(sku("pair")), define);
        let placed = order(&mut world, &[("pair", 2)]);
        let (id, order) = (placed.id, Box::new(placed));
        let view = world.order(id, Command::Place { order, key: None, wait: Duration::ZERO }).unwrap();
        defined.try_receive().expect("answered").expect("not dropped").expect("a kit");
        assert_eq!(view.order.total().0, 100_000);
        assert_eq!(levels(&mut world, "cup"), (1, 4, 0, 0));
    }
}

#[test]
fn a_kit_that_loses_a_component_to_a_shortfall_waits_until_it_is_whole_again() {
    for partitions in 1..=3 {
        let mut world = tableware(partitions);
        let sets = order(&mut world, &[("set", 2)]);
        let id = world.place(paid(sets)).unwrap().order.id;
        world.settle();
        let adjust = |delta| StockCommand::Adjust {
            location: Location::main(),
            lot: None,
            delta,
            reason: "counted".into(),
            force: true,
        };
        world.stock("cup", adjust(-2)).unwrap();
        let line = read(&mut world, id).order.lines[0].clone();
        assert_eq!((line.filled, line.backordered), (1, 1), "one set lacks a cup");
        assert_eq!(levels(&mut world, "plate"), (3, 0, 2, 0), "its plate waits with it");
        let ship_all = || OrderCommand::Ship { lines: None, tracking: None };
        tell(&mut world, id, ship_all()).unwrap();
        assert_eq!((levels(&mut world, "cup"), levels(&mut world, "plate")), ((0, 0, 1, 2), (3, 0, 1, 1)));
        world.stock("cup", receive(1)).unwrap();
        tell(&mut world, id, ship_all()).unwrap();
        assert_eq!(status(&mut world, id), OrderStatus::Shipped);
        assert_eq!((levels(&mut world, "cup"), levels(&mut world, "plate")), ((0, 0, 0, 4), (3, 0, 0, 2)));
        world.check();
    }
}

#[test]
fn a_waiting_order_holds_nothing_and_is_offered_what_comes_free_for_a_limited_time() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        let list = Definition {
            admission: Some(Box::new(Admission::WaitingList { offer_seconds: 600 })),
            ..definition("1.00 EUR")
        };
        define(&mut world, "shoe", list).unwrap();
        world.stock("shoe", receive(1)).unwrap();
        let [first, second, third] =
            [1, 1, 1].map(|quantity| place(&mut world, &[("shoe", quantity)]).unwrap().order.id);
        assert_eq!(status(&mut world, first), OrderStatus::AwaitingPayment);
        assert_eq!(
            (status(&mut world, second), status(&mut world, third)),
            (OrderStatus::Waiting, OrderStatus::Waiting)
        );
        assert_eq!(pay(&mut world, second).unwrap_err().code(), "order_state_invalid");
        let with_payment = paid(order(&mut world, &[("shoe", 1)]));
        assert_eq!(world.place(with_payment).unwrap_err().code(), "body_invalid", "who waits pays when it is his turn");
        world.clock.advance_seconds(901);
        assert_eq!(status(&mut world, first), OrderStatus::Expired);
        assert_eq!(status(&mut world, second), OrderStatus::AwaitingPayment, "the freed hold is offered to the next");
        let mut world = world.restart(partitions);
        world.clock.advance_seconds(601);
        assert_eq!(status(&mut world, second), OrderStatus::Expired, "the offer has ended");
        assert_eq!(pay(&mut world, third).unwrap().order.status(), OrderStatus::Paid);
        assert_eq!(levels(&mut world, "shoe"), (0, 0, 1, 0));
        world.check();
    }
}

#[test]
fn an_order_of_several_skus_does_not_wait_for_one_of_them() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        world.define("lace", "1.00 EUR", 5);
        let list = Definition {
            admission: Some(Box::new(Admission::WaitingList { offer_seconds: 60 })),
            ..definition("1.00 EUR")
        };
        define(&mut world, "shoe", list).unwrap();
        assert_eq!(place(&mut world, &[("shoe", 1), ("lace", 1)]).unwrap_err().code(), "stock_exhausted");
        assert_eq!(levels(&mut world, "lace"), (5, 0, 0, 0));
        assert_eq!(world.read_stock("shoe").levels.backordered, 0, "it left no trace");
        world.check();
    }
}

#[test]
fn a_lottery_holds_for_its_winners_and_turns_the_others_away() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        let seed = [3; 32];
        let closes_at = Timestamp(START.0 + 60_000_000);
        let seed_commitment = Lottery::commitment_to(&seed);
        let lottery = Lottery { opens_at: START, closes_at, seed_commitment, refuse_losers: true };
        let admission = Some(Box::new(Admission::Lottery(lottery)));
        define(&mut world, "shoe", Definition { admission, ..definition("1.00 EUR") }).unwrap();
        world.stock("shoe", receive(2)).unwrap();
        let ids: Vec<OrderId> = (0..6).map(|_| place(&mut world, &[("shoe", 1)]).unwrap().order.id).collect();
        assert!(ids.iter().all(|id| status(&mut world, *id) == OrderStatus::Waiting));
        assert_eq!(levels(&mut world, "shoe"), (2, 0, 0, 0));
        world.clock.advance_seconds(61);
        world.stock("shoe", StockCommand::Draw { seed }).unwrap();
        let mut drawn = ids.clone();
        drawn.sort_by_key(|id| Lottery::ticket(&seed, *id));
        for (place, id) in drawn.iter().enumerate() {
            let expected = if place < 2 { OrderStatus::AwaitingPayment } else { OrderStatus::Cancelled };
            assert_eq!(status(&mut world, *id), expected);
        }
        assert_eq!(pay(&mut world, drawn[0]).unwrap().order.status(), OrderStatus::Paid);
        world.check();
    }
}

/// Whose records have an event of this name.
fn recorded(world: &World, name: &str) -> Vec<EntityKind> {
    let mut found = Vec::new();
    for record in world.journal.records.lock().iter() {
        let (head, events) = parse_record(record).unwrap();
        let kind = EntityKind::from_byte(head.kind).unwrap();
        let events = Event::decode_all(kind, events).unwrap();
        found.extend(events.iter().filter(|event| event.name() == name).map(|_| kind));
    }
    found
}

/// An order may learn of a shortfall only after it has recorded a shipment: both are facts, and neither is refused.
#[test]
fn an_order_that_is_shipped_while_news_of_a_shortfall_is_on_its_way_is_recorded_as_shipped_short() {
    for attempt in 0..6 {
        let mut world = World::new(2);
        world.define("a", "1.00 EUR", 3);
        for _ in 0..attempt {
            world.new_id();
        }
        let placed = order(&mut world, &[("a", 3)]);
        let id = world.place(paid(placed)).unwrap().order.id;
        world.settle();
        let partition = |key: &EntityKey| stockade_actors::host::partition_of(key, 2);
        let (home, of_sku) = (partition(&EntityKey::Order(id)), partition(&EntityKey::Sku(sku("a"))));
        // The order's home has the shipment in its mailbox before the shortfall happens.
        let ship = Box::new(OrderCommand::Ship { lines: Some(vec![(0, 2)]), tracking: None });
        let mut shipped = world.send(&EntityKey::Order(id), Command::Order { order: id, command: ship, key: None });
        let (location, reason) = (Location::main(), "counted".into());
        let adjust = StockCommand::Adjust { location, lot: None, delta: -2, reason, force: true };
        let command = Command::Stock { sku: sku("a"), command: Box::new(adjust), key: None };
        let mut adjusted = world.send(&EntityKey::Sku(sku("a")), command);
        world.hosts[of_sku].step();
        if home != of_sku {
            world.hosts[home].step();
        }
        world.settle();
        adjusted.try_receive().expect("answered").expect("not dropped").expect("a shortfall is forced");
        let answer = shipped.try_receive().expect("answered").expect("not dropped");
        if home == of_sku {
            continue;
        }
        answer.expect("a paid order ships");
        let line = read(&mut world, id).order.lines[0].clone();
        assert_eq!((line.filled, line.shipped, line.backordered), (2, 2, 1));
        assert_eq!(levels(&mut world, "a"), (0, 0, 0, 1), "one of the two was taken before its parcel was known");
        assert_eq!(world.read_stock("a").levels.backordered, 1, "nobody waits for what was shipped");
        assert!(read(&mut world, id).order.owed.is_empty(), "the step is done");
        assert_eq!(recorded(&world, "shipped_short"), [EntityKind::Sku, EntityKind::Order], "both say so, once");
        world.stock("a", receive(1)).unwrap();
        tell(&mut world, id, OrderCommand::Ship { lines: None, tracking: None }).unwrap();
        assert_eq!((status(&mut world, id), levels(&mut world, "a")), (OrderStatus::Shipped, (0, 0, 0, 2)));
        world.check();
        return;
    }
    panic!("no order lived away from its SKU");
}

#[test]
fn an_order_is_served_from_the_location_that_is_nearest_to_its_buyer() {
    let mut distances = Distances::default();
    let highlands = || Region::new("highlands").unwrap();
    let place = |name: &str| Location::new(name).unwrap();
    for (location, distance) in [("north", 5), ("south", 500)] {
        distances.set(highlands(), place(location), distance);
    }
    for partitions in 1..=3 {
        let mut world = World::with_distances(partitions, distances.clone());
        let plan = SourcingPlan { strategy: SourcingStrategy::Nearest, locations: Vec::new() };
        define(&mut world, "a", Definition { sourcing: Some(Box::new(plan)), ..definition("1.00 EUR") }).unwrap();
        for location in ["south", "north"] {
            let location = place(location);
            let receive = StockCommand::Receive { location, lot: None, expires_at: None, quantity: 3, unit_cost: None };
            world.stock("a", receive).unwrap();
        }
        let mut near = order(&mut world, &[("a", 2)]);
        near.context = Some(Box::new(HoldContext { region: Some(highlands()), sourcing: None }));
        world.place(near).unwrap();
        let mut most = order(&mut world, &[("a", 1)]);
        most.context = Some(Box::new(HoldContext { region: None, sourcing: Some(SourcingStrategy::MostStock) }));
        world.place(most).unwrap();
        let held: Vec<_> = world.read_stock("a").locations.iter().map(|(at, c)| (at.to_string(), c.held)).collect();
        assert_eq!(held, [("south".to_owned(), 1), ("north".to_owned(), 2)]);
    }
}

/// News of a SKU's that is lost or told twice on its way to an order of another partition.
#[test]
fn news_that_a_crash_cut_off_is_told_again_after_the_restart() {
    for attempt in 0..4 {
        let mut world = World::new(2);
        define(&mut world, "a", Definition { backorder_max: Some(100), ..definition("1.00 EUR") }).unwrap();
        for _ in 0..attempt {
            world.new_id();
        }
        let mut wanted = paid(order(&mut world, &[("a", 2)]));
        wanted.allow_backorder = true;
        let id = world.place(wanted).unwrap().order.id;
        world.settle();
        world.faults.arm(vec![FaultRule::first(Fault::Mailbox(MailboxFault::Drop), 100)]);
        world.stock("a", receive(2)).unwrap();
        let mut world = world.restart(2);
        world.settle();
        assert_eq!(status(&mut world, id), OrderStatus::Paid, "its units are there");
        assert_eq!(levels(&mut world, "a"), (0, 0, 2, 0));
        world.check();
    }
}

#[test]
fn an_order_of_another_partition_hears_of_fills_and_shortfalls_once_whatever_happens_to_messages() {
    for fault in [Fault::Mailbox(MailboxFault::Drop), Fault::Mailbox(MailboxFault::Duplicate)] {
        for attempt in 0..4 {
            let mut world = World::new(2);
            define(&mut world, "a", Definition { backorder_max: Some(100), ..definition("1.00 EUR") }).unwrap();
            for _ in 0..attempt {
                world.new_id();
            }
            world.stock("a", receive(3)).unwrap();
            let mut wanted = paid(order(&mut world, &[("a", 5)]));
            wanted.allow_backorder = true;
            let id = world.place(wanted).unwrap().order.id;
            world.settle();
            let (location, reason) = (Location::main(), "counted".into());
            let adjust = StockCommand::Adjust { location, lot: None, delta: -1, reason, force: true };
            for command in [receive(1), adjust, receive(3)] {
                world.faults.arm(vec![FaultRule::first(fault.clone(), 1)]);
                world.stock("a", command).unwrap();
                world.faults.arm(Vec::new());
                for _ in 0..4 {
                    world.clock.advance_seconds(1);
                    world.settle();
                }
                let line = read(&mut world, id).order.lines[0].clone();
                let stock = world.read_stock("a").levels;
                assert_eq!(line.backordered, stock.backordered, "{fault:?}");
                assert_eq!((line.filled, stock.totals.held), (stock.totals.allocated, 0), "{fault:?}");
            }
            assert_eq!(read(&mut world, id).order.lines[0].filled, 5);
            world.check();
        }
    }
}
