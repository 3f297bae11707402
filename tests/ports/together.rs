//! Faults at every port at once, while more is wanted than there is.

use std::time::Duration;

use stockade::chaos::{ClockFault, Delay, DiskFault, Fault, FaultSpec, GatewayFault, MailboxFault, Selector};
use stockade::{NewOrder, OrderId, Payment, Sku};

use super::shop::{Shop, eur};

const SCARCE: u64 = 60;
const WANTED: usize = 100;

fn now_and_then(seed: u64, fault: Fault) -> FaultSpec {
    let is_message = matches!(fault, Fault::Mailbox(_));
    // Time passes by reading, and what was placed is to be looked at.
    let operation = is_message.then(|| "p*".to_owned());
    FaultSpec { fault, select: Selector { percent: 20.0, seed, operation, ..Selector::default() } }
}

/// Whatever befalls it, an order that is asked for again until somebody decides is decided once.
#[test]
fn with_everything_failing_now_and_then_what_is_scarce_is_sold_once() {
    let shop = Shop::open(2);
    shop.engine.put_sku(Sku::new("scarce", eur("1.00"))).wait().unwrap();
    shop.engine.receive("scarce", SCARCE).wait().unwrap();
    let faults = [
        Fault::Mailbox(MailboxFault::Drop),
        Fault::Mailbox(MailboxFault::LostReply),
        Fault::Mailbox(MailboxFault::Duplicate),
        Fault::Mailbox(MailboxFault::Reorder),
        Fault::Mailbox(MailboxFault::CrashAfter),
        Fault::Mailbox(MailboxFault::Delay(Delay { fixed_ms: 2, jitter_ms: 2, correlation: 50.0 })),
        Fault::Gateway(GatewayFault::LostBefore),
        Fault::Gateway(GatewayFault::LostAfter),
        Fault::Gateway(GatewayFault::DuplicateCallback),
        Fault::Gateway(GatewayFault::OutOfOrderCallback),
        Fault::Disk(DiskFault::Slow(Delay::fixed(2))),
    ];
    let mut specs: Vec<FaultSpec> = (1..).zip(faults).map(|(seed, fault)| now_and_then(seed, fault)).collect();
    specs.push(FaultSpec::always(Fault::Clock(ClockFault::Drift { ppm: 10_000 })));
    shop.arm(specs);
    let order = |_| {
        let id = shop.engine.new_order_id();
        (id, NewOrder::one("scarce", 1).id(id).pay(Payment::card("tok")))
    };
    let mut left: Vec<(OrderId, NewOrder)> = (0..WANTED).map(order).collect();
    let (mut sold, mut refused) = (Vec::new(), 0);
    while !left.is_empty() {
        let asked: Vec<_> = left
            .drain(..)
            .map(|(id, order)| (id, shop.engine.place_waiting(order.clone(), Duration::ZERO), order))
            .collect();
        for (id, pending, order) in asked {
            match pending.wait() {
                Ok(_) => sold.push(id),
                Err(refusal) if refusal.code() == "stock_exhausted" => refused += 1,
                Err(refusal) => {
                    let code = refusal.code();
                    assert!(["storage_unavailable", "overloaded", "internal_error"].contains(&code), "{refusal:?}");
                    left.push((id, order));
                }
            }
        }
    }
    assert_eq!((sold.len() as u64, refused), (SCARCE, WANTED - SCARCE as usize));
    let fired = shop.engine.switchboard().fired();
    for fault in ["drop", "lost_reply", "duplicate", "reorder", "crash_after", "delay", "lost_before", "slow", "drift"]
    {
        assert!(fired.iter().any(|fired| fired.fault == fault), "{fault}: {fired:?}");
    }
    shop.disarm();
    while sold.iter().any(|order| shop.status(*order) != "paid") {
        shop.tick();
    }
    let cards = shop.gateway.cards();
    assert!(cards.len() as u64 == SCARCE && cards.iter().all(|(_, card)| card.captures == 1), "{cards:?}");
    let levels = shop.engine.read_stock("scarce").wait().unwrap().0.levels;
    assert_eq!((levels.totals.allocated, levels.available), (SCARCE, 0));
    shop.end();
}
