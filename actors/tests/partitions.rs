//! The actors from outside a host: one to three partitions, faults, crashes.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::time::Duration;

use stockade_actors::command::{Answer, Command};
use stockade_actors::faults::{Fault, FaultRule, MailboxFault};
use stockade_domain::account::AccountCommand;
use stockade_domain::entity::{EntityKey, EntityKind};
use stockade_domain::ledger::LedgerAccount;
use stockade_domain::order::{NewLine, NewOrder, OrderCommand, OrderStatus, Tender};
use stockade_domain::payment::Method;
use stockade_domain::payment::gateway::GatewayOutcome;
use stockade_domain::{CustomerId, Money, Refusal, SkuId};
use support::{World, receive};

fn lines(skus: &[(&str, u64)]) -> Vec<NewLine> {
    let line = |(sku, quantity): &(&str, u64)| NewLine {
        sku: SkuId::new(sku).unwrap(),
        quantity: *quantity,
        unit_price: None,
        supply: None,
    };
    skus.iter().map(line).collect()
}

fn order(world: &mut World, skus: &[(&str, u64)]) -> NewOrder {
    NewOrder::new(world.new_id(), lines(skus))
}

fn paid(mut order: NewOrder) -> NewOrder {
    order.payments.push(Tender::by(Method::External));
    order
}

fn credit(world: &mut World, customer: &str, money: &str) {
    let customer = CustomerId::new(customer).unwrap();
    let command = AccountCommand::Credit { money: Money::parse(money).unwrap(), reference: None };
    let key = EntityKey::Account(customer.clone());
    world.run(&key, Command::Account { customer, command, key: None }).unwrap();
}

const SKUS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn everything_held(world: &mut World, skus: &[&str], held: u64, available: u64) {
    for sku in skus {
        let levels = world.read_stock(sku).levels;
        assert_eq!((levels.totals.held, levels.available), (held, available), "{sku}");
    }
}

#[test]
fn an_order_is_held_wholly_or_not_at_all_over_any_number_of_partitions() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        SKUS.iter().for_each(|sku| world.define(sku, "1.00 EUR", 10));
        let all: Vec<_> = SKUS.iter().map(|sku| (*sku, 2)).collect();
        let placed = order(&mut world, &all);
        assert_eq!(world.place(placed).unwrap().order.status(), OrderStatus::AwaitingPayment);
        everything_held(&mut world, &SKUS, 2, 8);
        let mut too_much = all.clone();
        too_much[5].1 = 9;
        let refused = order(&mut world, &too_much);
        let refusal = world.place(refused).unwrap_err();
        assert!(matches!(&refusal, Refusal::StockExhausted { items, .. } if items.len() == 1), "{refusal:?}");
        world.settle();
        everything_held(&mut world, &SKUS, 2, 8);
        world.check();
    }
}

#[test]
fn an_order_is_paid_shipped_and_returned_over_any_number_of_partitions() {
    for partitions in 1..=3 {
        let mut world = World::new(partitions);
        SKUS.iter().for_each(|sku| world.define(sku, "1.00 EUR", 10));
        credit(&mut world, "ann", "50.00 EUR");
        let all: Vec<_> = SKUS.iter().map(|sku| (*sku, 2)).collect();
        let mut placed = order(&mut world, &all);
        placed.customer = Some(CustomerId::new("ann").unwrap());
        let id = world.place(placed).unwrap().order.id;
        let payments = [Tender::by(Method::Wallet)].into_iter().collect();
        let pay = Command::Pay { order: id, payments, key: None, wait: Duration::ZERO };
        assert_eq!(world.order(id, pay).unwrap().order.status(), OrderStatus::Paid);
        world.settle();
        let ship = Box::new(OrderCommand::Ship { lines: None, tracking: None });
        let shipped = world.order(id, Command::Order { order: id, command: ship, key: None }).unwrap();
        assert_eq!(shipped.order.status(), OrderStatus::Shipped);
        world.settle();
        let levels = world.read_stock("a").levels;
        assert_eq!((levels.totals.on_hand(), levels.totals.shipped, levels.totals.allocated), (8, 2, 0));
        let lines = (0..6).map(|line| (line, 1, Default::default())).collect();
        let back = Box::new(OrderCommand::Return { lines, refund: Default::default() });
        let back = world.order(id, Command::Order { order: id, command: back, key: None }).unwrap();
        assert_eq!(back.order.status(), OrderStatus::PartiallyReturned);
        world.settle();
        assert_eq!(back.order.refunded().0, 60_000);
        assert_eq!(world.read_stock("f").levels.available, 9);
        let customer = CustomerId::new("ann").unwrap();
        let wallet = world.run(&EntityKey::Account(customer.clone()), Command::ReadAccount { customer }).unwrap();
        let stockade_actors::command::Answer::Account(wallet) = wallet else { panic!("{wallet:?}") };
        assert_eq!((wallet.balance.0, wallet.held.0), (440_000, 0));
        world.check();
    }
}

#[test]
fn lost_and_repeated_messages_between_partitions_change_nothing() {
    for fault in [Fault::Mailbox(MailboxFault::Drop), Fault::Mailbox(MailboxFault::Duplicate)] {
        for skip in 0..4 {
            let mut world = World::new(3);
            SKUS.iter().for_each(|sku| world.define(sku, "1.00 EUR", 10));
            for _ in 0..skip {
                let other = paid(order(&mut world, &[("a", 1)]));
                world.place(other).unwrap();
            }
            world.faults.arm(vec![FaultRule::first(fault.clone(), 3 + skip)]);
            let all: Vec<_> = SKUS.iter().map(|sku| (*sku, 2)).collect();
            let placed = paid(order(&mut world, &all));
            let view = world.place(placed).unwrap();
            assert_eq!(view.order.status(), OrderStatus::Paid);
            for _ in 0..5 {
                world.clock.advance_seconds(1);
                world.settle();
            }
            assert!(world.faults.fired() > 0, "the fault struck");
            for sku in &SKUS[1..] {
                let levels = world.read_stock(sku).levels;
                assert_eq!((levels.totals.allocated, levels.available), (2, 8), "{sku} {fault:?}");
            }
            world.check();
        }
    }
}

#[test]
fn a_panicking_actor_costs_its_command_an_error_and_nothing_else() {
    for fault in [Fault::Mailbox(MailboxFault::CrashBefore), Fault::Mailbox(MailboxFault::CrashAfter)] {
        for kind in [EntityKind::Sku, EntityKind::Order, EntityKind::Payment] {
            let mut world = World::new(1);
            world.define("a", "1.00 EUR", 10);
            world.define("b", "1.00 EUR", 10);
            let neighbour = paid(order(&mut world, &[("b", 1)]));
            world.place(neighbour).unwrap();
            let card = Tender { credential: Some("tok".into()), ..Tender::by(Method::Card) };
            let mut first = order(&mut world, &[("a", 1)]);
            first.payments.push(card.clone());
            let id = world.place(first).unwrap().order.id;
            world.faults.arm(vec![FaultRule::first(fault.clone(), 1).on(kind.name())]);
            let cancel =
                || Command::Order { order: id, command: Box::new(OrderCommand::Cancel { lines: None }), key: None };
            assert_eq!(world.order(id, cancel()).unwrap_err(), Refusal::ActorFailed, "{fault:?} {kind:?}");
            assert_eq!(world.faults.fired(), 1);
            let levels = world.read_stock("a").levels;
            assert_eq!((levels.totals.allocated, levels.available), (1, 9), "nothing happened");
            world.check();
            assert_eq!(world.order(id, cancel()).unwrap().order.status(), OrderStatus::Cancelled);
            world.settle();
            let (a, b) = (world.read_stock("a").levels, world.read_stock("b").levels);
            assert_eq!((a.available, a.totals.allocated, b.totals.allocated), (10, 0, 1), "{fault:?} {kind:?}");
            world.check();
        }
    }
}

/// Each command found the record of a turn that was gone, and panicked.
#[test]
fn after_a_failed_write_everybody_is_told_and_nobody_panics() {
    let mut world = World::new(1);
    world.define("a", "1.00 EUR", 100);
    world.fail_journal();
    for _ in 0..20 {
        let placed = paid(order(&mut world, &[("a", 1)]));
        assert_eq!(world.place(placed).unwrap_err(), Refusal::StorageUnavailable);
        assert_eq!(world.stock("a", receive(1)).unwrap_err(), Refusal::StorageUnavailable);
    }
}

/// The rebuilt actor's earlier events of the same turn were posted a second time.
#[test]
fn a_panic_posts_nothing_twice() {
    let mut world = World::new(1);
    world.define("a", "1.00 EUR", 10);
    let placed = paid(order(&mut world, &[("a", 1)]));
    let (id, ann) = (placed.id, CustomerId::new("ann").unwrap());
    let place = Command::Place { order: Box::new(placed), key: None, wait: Duration::ZERO };
    let cancel = Command::Order { order: id, command: Box::new(OrderCommand::Cancel { lines: None }), key: None };
    let money = Money::parse("10.00 EUR").unwrap();
    let credit =
        Command::Account { customer: ann, command: AccountCommand::Credit { money, reference: None }, key: None };
    let mut crash = FaultRule::first(Fault::Mailbox(MailboxFault::CrashAfter), 1).on("sku");
    crash.select.operation = Some("cancel".into());
    world.faults.arm(vec![crash]);
    // All in one turn: the cancellation panics after it has changed the order.
    let key = EntityKey::Order(id);
    let mut receipts = [world.send(&key, place), world.send(&key, cancel), world.send(&key, credit)];
    world.settle();
    let done = receipts.each_mut().map(|receipt| receipt.try_receive().unwrap().unwrap().is_ok());
    assert_eq!(done, [true, false, true]);
    let Answer::Ledger(books) = world.run(&EntityKey::Ledger, Command::ReadLedger).unwrap() else {
        panic!("the books are answered with the books");
    };
    assert_eq!(books.balance("EUR".parse().unwrap(), LedgerAccount::Cash), 110_000, "1.00 paid and 10.00 credited");
}

#[test]
fn a_crash_between_partitions_leaves_no_tentative_hold_and_no_half_order() {
    for rounds in 0..8 {
        let mut world = World::new(3);
        SKUS.iter().for_each(|sku| world.define(sku, "1.00 EUR", 10));
        let all: Vec<_> = SKUS.iter().map(|sku| (*sku, 2)).collect();
        let placed = paid(order(&mut world, &all));
        let id = placed.id;
        let command = Command::Place { order: Box::new(placed), key: None, wait: Duration::ZERO };
        let _receipt = world.send(&EntityKey::Order(id), command);
        for _ in 0..rounds {
            world.hosts.iter_mut().for_each(|host| {
                host.step();
            });
            stockade_actors::shelf::Shelf::settle(&*world.journal).unwrap();
        }
        let mut world = world.restart(3);
        for _ in 0..4 {
            world.settle();
            world.clock.advance_seconds(1);
        }
        world.settle();
        let exists = world.order(id, Command::ReadOrder { order: id });
        let expected = if exists.is_ok() { (2, 8) } else { (0, 10) };
        for sku in SKUS {
            let levels = world.read_stock(sku).levels;
            assert_eq!((levels.totals.allocated, levels.available), expected, "{sku} after {rounds} rounds");
            assert_eq!(levels.totals.held, 0, "{sku} after {rounds} rounds");
        }
        world.check();
    }
}

#[test]
fn nothing_is_answered_before_it_is_durable() {
    let mut world = World::new(1);
    world.define("a", "1.00 EUR", 10);
    let placed = paid(order(&mut world, &[("a", 1)]));
    let id = placed.id;
    let command = Command::Place { order: Box::new(placed), key: None, wait: Duration::ZERO };
    let mut placed = world.send(&EntityKey::Order(id), command);
    world.step_without_writing();
    let mut read = world.send(&EntityKey::Order(id), Command::ReadOrder { order: id });
    world.step_without_writing();
    assert!(placed.try_receive().is_none() && read.try_receive().is_none(), "a read rests on what it shows");
    world.settle();
    assert!(placed.try_receive().unwrap().unwrap().is_ok() && read.try_receive().unwrap().unwrap().is_ok());
}

#[test]
fn an_unpaid_order_expires_and_its_stock_goes_to_who_waits() {
    let mut world = World::new(1);
    world.define("a", "1.00 EUR", 1);
    let mut definition = stockade_domain::stock::Definition::new("a", Money::parse("1.00 EUR").unwrap());
    definition.backorder_max = Some(5);
    world.stock("a", stockade_domain::stock::StockCommand::Define(Box::new(definition))).unwrap();
    let unpaid = order(&mut world, &[("a", 1)]);
    let unpaid = world.place(unpaid).unwrap().order.id;
    let mut waiting = paid(order(&mut world, &[("a", 1)]));
    waiting.allow_backorder = true;
    let waiting = world.place(waiting).unwrap().order;
    assert_eq!(waiting.status(), OrderStatus::Backordered);
    world.clock.advance_seconds(901);
    world.settle();
    let read = |world: &mut World, id| world.order(id, Command::ReadOrder { order: id }).unwrap().order.status();
    assert_eq!(read(&mut world, unpaid), OrderStatus::Expired);
    assert_eq!(read(&mut world, waiting.id), OrderStatus::Paid);
    assert_eq!(world.read_stock("a").levels.totals.allocated, 1);
    world.check();
}

#[test]
fn a_declined_card_leaves_no_trace_and_its_order_id_can_be_used_again() {
    for partitions in 1..=2 {
        let mut world = World::new(partitions);
        world.define("a", "1.00 EUR", 1);
        let mut declined = order(&mut world, &[("a", 1)]);
        declined.payments.push(Tender { credential: Some("tok".into()), ..Tender::by(Method::Card) });
        declined.body_digest = 7;
        world.gateway.answers.lock().push(GatewayOutcome::Declined { reason: "no".into() });
        let refusal = world.place(declined.clone()).unwrap_err();
        assert_eq!(refusal, Refusal::PaymentDeclined { reason: "no".into() });
        world.settle();
        assert_eq!(world.read_stock("a").levels.available, 1);
        let again = world.place(declined).unwrap();
        assert_eq!(again.order.status(), OrderStatus::Paid);
        let calls = world.gateway.calls.lock();
        assert_eq!(calls.len(), 2);
        assert_ne!(calls[0].idempotency_key(), calls[1].idempotency_key(), "a retry has a new gateway key");
    }
}

#[test]
fn after_a_crash_an_open_charge_is_asked_for_under_the_same_key() {
    let mut world = World::new(1);
    world.define("a", "1.00 EUR", 1);
    world.gateway.answers.lock().push(GatewayOutcome::Unknown { reason: "lost".into() });
    let mut charged = order(&mut world, &[("a", 1)]);
    charged.payments.push(Tender { credential: Some("tok".into()), ..Tender::by(Method::Card) });
    let id = charged.id;
    let _receipt = world.send(
        &EntityKey::Order(id),
        Command::Place { order: Box::new(charged), key: None, wait: Duration::from_secs(10) },
    );
    world.settle();
    let key = world.gateway.calls.lock()[0].idempotency_key();
    let mut world = world.restart(1);
    world.settle();
    let calls: Vec<_> = world.gateway.calls.lock().iter().map(|call| call.idempotency_key()).collect();
    assert_eq!(calls, [key]);
    let read = world.order(id, Command::ReadOrder { order: id }).unwrap();
    assert_eq!(read.order.status(), OrderStatus::Paid);
}

#[test]
fn receipts_survive_a_restart_with_another_number_of_partitions() {
    let mut world = World::new(1);
    SKUS.iter().for_each(|sku| world.define(sku, "1.00 EUR", 10));
    world.stock("a", receive(5)).unwrap();
    let before: Vec<_> = SKUS.iter().map(|sku| world.read_stock(sku)).collect();
    for partitions in [2, 3, 1] {
        world = world.restart(partitions);
        let after: Vec<_> = SKUS.iter().map(|sku| world.read_stock(sku)).collect();
        assert_eq!(before, after);
    }
}

#[test]
fn a_step_waits_for_an_earlier_one_of_the_same_sku_that_was_lost_even_when_the_sku_lives_where_the_order_does() {
    let mut lost = 0;
    for told in 0..24 {
        let mut world = World::new(3);
        SKUS.iter().for_each(|sku| world.define(sku, "1.00 EUR", 10));
        let all: Vec<_> = SKUS.iter().map(|sku| (*sku, 2)).collect();
        let placed = paid(order(&mut world, &all));
        let (id, key) = (placed.id, EntityKey::Order(placed.id));
        let place = Command::Place { order: Box::new(placed), key: None, wait: Duration::ZERO };
        let mut placed = world.send(&key, place);
        // One partition after the other is stepped, and from then on messages are lost.
        for turn in 0..24 {
            if turn == told {
                world.faults.arm(vec![FaultRule::first(Fault::Mailbox(MailboxFault::Drop), 6)]);
            }
            world.hosts[turn % 3].step();
            world.write();
        }
        world.settle();
        if placed.try_receive().is_some() {
            lost += world.faults.fired();
            let ship = Box::new(OrderCommand::Ship { lines: None, tracking: None });
            world.order(id, Command::Order { order: id, command: ship, key: None }).expect("a paid order ships");
            world.faults.arm(Vec::new());
            for _ in 0..8 {
                world.clock.advance_seconds(1);
                world.settle();
            }
            for sku in SKUS {
                assert_eq!(world.read_stock(sku).levels.totals.shipped, 2, "{sku}");
            }
            world.check();
        }
    }
    assert!(lost > 0, "steps were lost");
}
