//! Messages that are lost, late, doubled, reordered, cut off and refused; actors that crash or are slow; lost answers.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use stockade::chaos::{Delay, Fault, FaultSpec, MailboxFault, Selector};
use stockade::engine::RequestKey;
use stockade::{NewOrder, Payment};

use super::shop::{SKUS, Shop, strike};

#[test]
fn whatever_befalls_an_order_it_is_placed_once() {
    let from_client = MailboxFault::Partition { from: "client".into(), to: "partition/*".into() };
    let table: [(MailboxFault, &[&str]); 10] = [
        (MailboxFault::Drop, &["storage_unavailable"]),
        (MailboxFault::Delay(Delay::fixed(3)), &[]),
        (MailboxFault::Duplicate, &[]),
        (MailboxFault::Reorder, &[]),
        (from_client, &["storage_unavailable"]),
        (MailboxFault::SlowConsumer(Delay::fixed(3)), &[]),
        (MailboxFault::Full, &["overloaded"]),
        (MailboxFault::CrashBefore, &["internal_error"]),
        (MailboxFault::CrashAfter, &["internal_error"]),
        (MailboxFault::LostReply, &["storage_unavailable"]),
    ];
    for partitions in [1, 2] {
        let shop = Shop::open(partitions);
        let mut placed = 0;
        // Across partitions much of what is done for an order is no part of its placing; see the next test.
        let is_here = |fault: &MailboxFault| !matches!(fault, MailboxFault::CrashBefore | MailboxFault::CrashAfter);
        for (fault, codes) in table.iter().filter(|(fault, _)| partitions == 1 || is_here(fault)) {
            shop.arm([strike(Fault::Mailbox(fault.clone()), "place", 3)]);
            let orders: Vec<NewOrder> = (0..6).map(|_| shop.order("a")).collect();
            let mut refused = 0;
            for order in &orders {
                if let Err(refusal) = shop.place_in_time(order) {
                    assert!(codes.contains(&refusal.code()), "{fault:?}: {refusal:?}");
                    refused += 1;
                }
            }
            let name = Fault::Mailbox(fault.clone()).name();
            assert_eq!(shop.fired(name), 3, "{partitions} partitions, {name}");
            assert_eq!(refused, if codes.is_empty() { 0 } else { 3 }, "{name}");
            shop.disarm();
            placed += 1;
            for order in &orders {
                assert_eq!(shop.place_in_time(order).unwrap().status, "paid", "{name}");
                placed += 1;
            }
            shop.tick();
            assert_eq!(shop.allocated("a"), placed, "{name}");
        }
        shop.end();
    }
}

#[test]
fn what_partitions_say_may_be_lost_late_doubled_and_out_of_order() {
    let cut = MailboxFault::Partition { from: "partition/0".into(), to: "partition/1".into() };
    let table = [
        MailboxFault::Drop,
        MailboxFault::Delay(Delay { fixed_ms: 3, jitter_ms: 3, correlation: 25.0 }),
        MailboxFault::Duplicate,
        MailboxFault::Reorder,
        MailboxFault::Full,
        MailboxFault::CrashBefore,
        MailboxFault::CrashAfter,
        cut,
    ];
    let shop = Shop::open(3);
    for fault in table {
        let before = shop.allocated("f");
        let spec = |operation| strike(Fault::Mailbox(fault.clone()), operation, 2);
        shop.arm(["hold", "held", "step", "step_done"].map(spec));
        let name = Fault::Mailbox(fault.clone()).name();
        // Every partition is the home of one: where all lived in one by chance, nothing was said from others.
        let orders: Vec<NewOrder> = (0..4).map(|n| shop.big_order_of(n % 3, 3)).collect();
        for order in &orders {
            assert_eq!(shop.place_in_time(order).unwrap().status, "paid", "{name}");
        }
        let cancelled = shop.place_in_time(&orders[0]).unwrap().id;
        shop.engine.cancel(cancelled).wait().unwrap();
        (0..5).for_each(|_| shop.tick());
        assert!(shop.fired(name) > 0, "{name}");
        shop.disarm();
        (0..5).for_each(|_| shop.tick());
        for sku in SKUS {
            assert_eq!(shop.allocated(sku), before + 4, "{name}: three orders of all, one of each, {sku}");
        }
    }
    shop.end();
}

#[test]
fn a_message_that_is_held_back_comes_when_its_fault_is_disarmed() {
    let shop = Shop::open(1);
    let hour = Delay::fixed(600_000);
    shop.arm([strike(Fault::Mailbox(MailboxFault::Delay(hour)), "place", 1)]);
    let pending = shop.engine.place(shop.order("a"));
    assert_eq!(shop.engine.switchboard().held_back(), 1);
    shop.engine.switchboard().disarm();
    assert_eq!(shop.engine.switchboard().held_back(), 0);
    assert_eq!(pending.wait().unwrap().status, "paid");
    shop.arm([strike(Fault::Mailbox(MailboxFault::SlowConsumer(hour)), "place", 1)]);
    let pending = shop.engine.place(shop.order("a"));
    while shop.engine.switchboard().held_back() == 0 {
        std::thread::yield_now();
    }
    shop.disarm();
    assert_eq!(pending.wait().unwrap().status, "paid");
    // Closing is disarming, too, and so is dropping.
    shop.arm([strike(Fault::Mailbox(MailboxFault::Delay(hour)), "place", 1)]);
    let pending = shop.engine.place(shop.order("a"));
    shop.end();
    assert_eq!(pending.wait().unwrap().status, "paid");
    let Shop { dir: _dir, engine, .. } = Shop::open(1);
    let slow = strike(Fault::Mailbox(MailboxFault::SlowConsumer(hour)), "place", 1);
    engine.switchboard().arm(vec![slow]).unwrap();
    let pending = engine.place(NewOrder::one("a", 1).pay(Payment::external("cash")));
    drop(engine);
    assert_eq!(pending.wait().unwrap().status, "paid");
}

#[test]
fn a_one_way_cut_is_one_way_and_heals() {
    let shop = Shop::open(2);
    let cut = |from: &str, to: &str| {
        FaultSpec::always(Fault::Mailbox(MailboxFault::Partition { from: from.into(), to: to.into() }))
    };
    // Nothing is sent from a SKU to a SKU.
    shop.arm([cut("sku/*", "sku/*")]);
    assert_eq!(shop.place_in_time(&shop.big_order()).unwrap().status, "paid");
    assert_eq!(shop.fired("partition"), 0);
    shop.arm([cut("order/*", "sku/*")]);
    let order = shop.big_order();
    let pending = shop.engine.place(order);
    while shop.fired("partition") < 3 {
        shop.tick();
    }
    shop.disarm();
    assert_eq!(shop.while_time_passes(|| pending.wait()).unwrap().status, "paid");
    shop.end();
}

#[test]
fn an_arming_that_is_refused_changes_nothing() {
    let shop = Shop::open(1);
    let switchboard = shop.engine.switchboard();
    let good = strike(Fault::Mailbox(MailboxFault::Drop), "place", 1);
    shop.arm([good.clone()]);
    let bad = strike(Fault::Mailbox(MailboxFault::Drop), "fly", 1);
    let error = switchboard.arm(vec![good.clone(), bad]).unwrap_err();
    assert!(error.to_string().starts_with("fault 1 (`drop`): no operation of port `mailbox`"), "{error}");
    assert_eq!(switchboard.armed(), [good]);
    shop.end();
}

/// The answer is lost, or its caller gives up before it comes: with its key it finds what it made.
#[tokio::test]
async fn a_lost_answer_is_found_by_its_key() {
    let shop = Shop::open(2);
    let order = || NewOrder::one("a", 1).pay(Payment::external("cash"));
    let key = |name: &str| Some(RequestKey::new("c", "POST", "/orders", name, b"{}"));
    let place = |name: &str| shop.engine.place_keyed(order(), key(name), Duration::ZERO);

    shop.arm([strike(Fault::Mailbox(MailboxFault::LostReply), "place", 1)]);
    assert_eq!(place("lost").await.unwrap_err().code(), "storage_unavailable");
    let found = place("lost").await.unwrap();
    assert!(found.replayed, "it was placed, and is not placed again");

    let hour = Delay::fixed(600_000);
    shop.arm([strike(Fault::Mailbox(MailboxFault::Delay(hour)), "place", 1)]);
    {
        let mut given_up = Box::pin(place("given up"));
        assert!(matches!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    }
    shop.engine.switchboard().disarm();
    assert!(place("given up").await.unwrap().replayed);

    // What is refused frees its key, whoever waits.
    let select = Selector { operation: Some("place".into()), count: Some(1), ..Selector::default() };
    shop.arm([FaultSpec { fault: Fault::Mailbox(MailboxFault::Full), select }]);
    assert_eq!(place("refused").await.unwrap_err().code(), "overloaded");
    assert!(!place("refused").await.unwrap().replayed);
    assert_eq!(shop.allocated("a"), 3);
    shop.end();
}
