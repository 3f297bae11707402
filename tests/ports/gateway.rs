//! Calls to the gateway that are refused, lost, late, and answered twice or out of order: money moves once.

use std::time::Duration;

use stockade::chaos::{Delay, Fault, GatewayFault};
use stockade::{NewOrder, OrderId, Payment};

use super::shop::{Shop, strike};

fn card(shop: &Shop) -> NewOrder {
    NewOrder::one("a", 1).id(shop.engine.new_order_id()).pay(Payment::card("tok"))
}

fn until_paid(shop: &Shop, orders: &[OrderId]) {
    for _ in 0..600 {
        if orders.iter().all(|order| shop.status(*order) == "paid") {
            return;
        }
        shop.tick();
    }
    panic!("{:?}", orders.iter().map(|order| shop.status(*order)).collect::<Vec<_>>());
}

#[test]
fn whatever_befalls_a_charge_money_moves_once() {
    let table = [
        GatewayFault::Refuse,
        GatewayFault::LostBefore,
        GatewayFault::LostAfter,
        GatewayFault::DuplicateCallback,
        GatewayFault::LateCallback(Delay::fixed(3)),
        GatewayFault::OutOfOrderCallback,
        GatewayFault::Slow(Delay::fixed(3)),
    ];
    let shop = Shop::open(2);
    let mut all = Vec::new();
    for fault in table {
        let name = Fault::Gateway(fault).name();
        shop.arm([strike(Fault::Gateway(fault), "charge", 3)]);
        let placed: Vec<OrderId> =
            (0..6).map(|_| shop.engine.place_waiting(card(&shop), Duration::ZERO).wait().unwrap().id).collect();
        until_paid(&shop, &placed);
        assert_eq!(shop.fired(name), 3, "{name}");
        shop.disarm();
        all.extend(placed);
        let captures: Vec<u32> = shop.gateway.cards().iter().map(|(_, card)| card.captures).collect();
        assert_eq!(captures.len(), all.len(), "{name}");
        assert!(captures.iter().all(|captures| *captures == 1), "{name}: {captures:?}");
    }
    let (captured, refunded) = shop.gateway.totals();
    assert_eq!((captured, refunded), (all.len() as i128 * 10_000, 0));
    shop.end();
}

#[test]
fn a_refund_that_is_lost_or_told_twice_is_made_once() {
    let shop = Shop::open(1);
    for fault in [GatewayFault::LostBefore, GatewayFault::LostAfter, GatewayFault::DuplicateCallback] {
        let name = Fault::Gateway(fault).name();
        let order = shop.place(&card(&shop)).unwrap().id;
        let before = shop.gateway.totals().1;
        shop.arm([strike(Fault::Gateway(fault), "*", 1)]);
        shop.engine.cancel(order).wait().unwrap();
        for _ in 0..600 {
            if shop.gateway.totals().1 > before && shop.fired(name) > 0 {
                break;
            }
            shop.tick();
        }
        shop.disarm();
        (0..60).for_each(|_| shop.tick());
        assert_eq!(shop.gateway.totals().1 - before, 10_000, "{name}");
        assert_eq!(shop.status(order), "cancelled", "{name}");
    }
    shop.end();
}

#[test]
fn an_answer_that_is_held_back_comes_when_its_fault_is_disarmed() {
    let shop = Shop::open(1);
    let late = Delay::fixed(600_000);
    for fault in [GatewayFault::Slow(late), GatewayFault::LateCallback(late)] {
        shop.arm([strike(Fault::Gateway(fault), "charge", 1)]);
        let order = shop.engine.place_waiting(card(&shop), Duration::ZERO).wait().unwrap().id;
        while shop.engine.switchboard().held_back() == 0 {
            std::thread::yield_now();
        }
        shop.disarm();
        until_paid(&shop, &[order]);
        assert!(shop.gateway.cards().iter().all(|(_, card)| card.captures == 1));
    }
    shop.end();
}
