//! What buyers, clients and banks tell about a payment, in whatever order and however often.

use crate::shop::*;

#[test]
fn a_buyer_proves_who_they_are_before_the_money_is_taken() {
    let shop = Shop::open();
    let placed = shop.engine.place(NewOrder::one("mug", 1).pay(Payment::card(AUTHENTICATION_TOKEN))).wait().unwrap();
    let id = serde_json::to_value(&placed).unwrap()["payments"][0]["id"].as_str().unwrap().parse_payment();
    let waiting = shop.until(id, "authentication_pending");
    assert_eq!(waiting["next_action"]["kind"], "authentication");
    assert!(waiting["next_action"]["next"].as_str().unwrap().starts_with("https://"), "{waiting}");
    let (server, public, _) = secret_server(&shop.engine);
    let shown = |target: &str| {
        let told = ask(public, "GET", target, &[("authorization", "Bearer key")], "");
        assert_eq!(told.status, 200, "{}", told.text);
        told.json()
    };
    let read = || shown(&format!("/api/v1/orders/{}", placed.id));
    let listed = |status: &str| shown(&format!("/api/v1/orders?status={status}"))["items"].clone();
    let agrees = |order: &Value, payment: &Value| {
        for member in ["status", "sub_status", "public_status", "next_action"] {
            assert_eq!(order["payments"][0][member], payment[member], "{member} of {order} and {payment}");
        }
    };
    // It is the buyer's turn, and whoever reads, lists or has just placed the order sees that.
    let placed_json = serde_json::to_value(&placed).unwrap();
    for order in [&placed_json, &read(), &listed("awaiting_payment")[0]] {
        assert_eq!(order["status"], "awaiting_payment", "{order}");
        agrees(order, &waiting);
    }
    assert_eq!(listed("created"), json!([]));
    let again = shop.engine.pay(placed.id, Payment::card("tok")).wait().unwrap_err();
    assert_eq!(again.code(), "order_state_invalid", "a payment is under way");
    shop.gateway.authenticate(id);
    for _ in 0..3 {
        shop.engine.notice(id, Notice::ActionDone).wait().unwrap();
    }
    shop.until(id, "captured");
    agrees(&read(), &shop.payment(id));
    assert_eq!((&read()["payments"][0]["next_action"], &read()["status"]), (&Value::Null, &json!("paid")));
    assert_eq!(listed("awaiting_payment"), json!([]));
    server.shutdown(Duration::from_secs(5));
    assert_eq!((shop.status(placed.id), shop.gateway.card(id).captures), ("paid".to_owned(), 1));
    shop.close();
}

#[test]
fn ten_thousand_confirms_of_one_payment_capture_it_once() {
    let shop = Shop::open();
    shop.gateway.script(|_, _| Fate::LoseAnswer);
    let (order, id) = shop.order(Payment::card("tok"));
    let operation = || Operation::Charge { token: String::new() };
    let approved = || GatewayOutcome::Approved { reference: "ch_1".into() };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let engine = shop.engine.clone();
            std::thread::spawn(move || {
                let told: Vec<_> = (0..2_500).map(|_| engine.confirm(id, operation(), approved())).collect();
                told.into_iter().for_each(|told| {
                    told.wait().unwrap();
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(shop.status(order), "paid");
    assert_eq!((shop.payment(id)["captured"]["amount"].clone(), shop.gateway.card(id).captures), (json!("10.00"), 1));
    shop.close();
}

/// Of each payment the client's confirm, the gateway's signed webhook and the gateway's own answer come together.
#[test]
fn ten_thousand_payments_that_are_confirmed_told_and_answered_at_once_are_captured_once_each() {
    const PAYMENTS: usize = 10_000;
    const SERVERS: usize = 4;
    let shop = Shop::open();
    shop.engine.receive("mug", PAYMENTS as u64).wait().unwrap();
    shop.gateway.script(|_, _| Fate::Hold);
    let (server, address, _) = secret_server(&shop.engine);
    let place = |_| shop.engine.place_waiting(NewOrder::one("mug", 1).pay(Payment::card("tok")), Duration::ZERO);
    let placed: Vec<_> = (0..PAYMENTS).map(place).collect();
    let orders: Vec<_> = placed.into_iter().map(|placed| placed.wait().unwrap().order).collect();
    let payments: Vec<PaymentId> = orders.iter().map(|order| order.payments[0].id).collect();
    std::thread::scope(|scope| {
        let (payments, engine, gateway) = (&payments, &shop.engine, &shop.gateway);
        let confirm = |id: &PaymentId| {
            let approved = GatewayOutcome::Approved { reference: "ch".into() };
            engine.confirm(*id, Operation::Charge { token: String::new() }, approved)
        };
        scope.spawn(move || {
            let told: Vec<_> = payments.iter().map(confirm).collect();
            told.into_iter().for_each(|told| drop(told.wait().unwrap()));
        });
        scope.spawn(move || payments.iter().rev().for_each(|id| gateway.release(&format!("{id}:charge"))));
        for part in 0..SERVERS {
            scope.spawn(move || {
                let mut wire = Wire::connect(address).unwrap();
                for id in payments.iter().skip(part).step_by(SERVERS) {
                    let body = json!({"payment": id.to_string(), "operation": "charge", "outcome": "approved",
                        "reference": "ch"});
                    let signature = Signer::new(["new"]).sign(body.to_string().as_bytes(), START);
                    let header = [("stockade-signature", signature.as_str())];
                    let told = wire.post("/api/v1/webhooks/acme", &header, &body).unwrap();
                    assert_eq!(told.status, 200, "{}", told.body);
                }
            });
        }
    });
    assert!(orders.iter().all(|order| shop.status(order.id) == "paid"));
    let cards = shop.gateway.cards();
    assert_eq!(cards.len(), PAYMENTS);
    assert!(cards.iter().all(|(_, card)| (card.captures, card.captured, card.refunded) == (1, 100_000, 0)));
    let times_asked = payments.iter().map(|id| shop.gateway.times_asked(&format!("{id}:charge"))).max();
    assert_eq!(times_asked, Some(1), "and under the key that was released");
    server.shutdown(Duration::from_secs(5));
    // Closing compares the engine's books with the gateway's.
    shop.close();
}

#[test]
fn callbacks_that_come_late_twice_and_in_any_order_change_nothing() {
    let shop = Shop::open();
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "captured");
    shop.engine.cancel(order).wait().unwrap();
    shop.until(id, "refunded");
    let before = shop.payment(id);
    let callbacks = shop.gateway.take_callbacks();
    assert_eq!(callbacks.len(), 2);
    for told in callbacks.iter().rev().chain(&callbacks).chain(&callbacks) {
        shop.engine.confirm(told.payment, told.operation.clone(), told.outcome.clone()).wait().unwrap();
    }
    assert_eq!(shop.payment(id), before);
    shop.close();
}

#[test]
fn a_bank_that_takes_money_back_costs_the_house_and_not_the_deposits() {
    let shop = Shop::open();
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "captured");
    let dispute = || Notice::DisputeOpened { money: eur("10.00"), reference: "dp_1".into() };
    for notice in [dispute(), dispute(), Notice::DisputeLost, Notice::DisputeLost, dispute()] {
        shop.engine.notice(id, notice).wait().unwrap();
    }
    let lost = shop.payment(id);
    assert_eq!((&lost["status"], &lost["sub_status"]), (&json!("disputed"), &json!("lost")));
    assert_eq!(lost["public_status"], "refunded");
    assert_eq!(lost["charged_back"]["amount"], "10.00");
    // The buyer has the money from the bank: a cancel gives nothing back a second time.
    shop.engine.cancel(order).wait().unwrap();
    assert_eq!(shop.gateway.card(id).refunded, 0);
    let books = shop.runtime.block_on(shop.engine.ledger()).unwrap();
    let balance = |account| books.balance("EUR".parse().unwrap(), account);
    assert_eq!((balance(LedgerAccount::BadDebt), balance(LedgerAccount::Card)), (100_000, 0));
    shop.runtime.block_on(shop.engine.check()).unwrap();
    let Shop { dir, engine, runtime, .. } = shop;
    runtime.block_on(engine.close()).unwrap();
    drop(engine);
    let report = audit(dir.path(), |_, _| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
}
