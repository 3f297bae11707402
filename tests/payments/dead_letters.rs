//! What a gateway never answers, refuses to undo or sends back: an operator retries or resolves it.

use crate::shop::*;

#[test]
fn what_the_gateway_never_answers_is_a_dead_letter_that_an_operator_retries_or_resolves() {
    let shop = Shop::open();
    let (server, _, admin) = secret_server(&shop.engine);
    let paid: Vec<_> = (0..2).map(|_| shop.order(Payment::card("tok"))).collect();
    paid.iter().for_each(|(_, id)| drop(shop.until(*id, "captured")));
    shop.gateway.script(|_, _| Fate::LoseRequest);
    for (order, id) in &paid {
        shop.engine.cancel(*order).wait().unwrap();
        shop.until(*id, "requested");
    }
    let given_up = |shop: &Shop, id: PaymentId| shop.payment(id)["given_up"] == json!(true);
    let begun = std::time::Instant::now();
    while !paid.iter().all(|(_, id)| given_up(&shop, *id)) {
        shop.clock.advance_seconds(600);
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never given up: {}", shop.payment(paid[0].1));
        std::thread::yield_now();
    }
    let listed = ask(admin, "GET", "/dead-letters?limit=1", &[], "").json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let cursor = listed["next_cursor"].as_str().unwrap();
    let second = ask(admin, "GET", &format!("/dead-letters?limit=1&cursor={cursor}"), &[], "").json();
    assert_eq!(second["next_cursor"], Value::Null);
    assert_ne!(second["items"][0]["id"], listed["items"][0]["id"]);

    shop.gateway.script(|_, _| Fate::Answer);
    let retried = paid[0].1;
    assert_eq!(ask(admin, "POST", &format!("/dead-letters/{retried}/retry"), &[], "").status, 200);
    shop.until(retried, "refunded");
    assert_eq!(ask(admin, "POST", &format!("/dead-letters/{retried}/retry"), &[], "").problem(), "order_state_invalid");

    let resolved = paid[1].1;
    let json_type = [("content-type", "application/json")];
    let outcome = r#"{"outcome":"declined","reason":"the card is closed"}"#;
    let told = ask(admin, "POST", &format!("/dead-letters/{resolved}/resolve"), &json_type, outcome);
    assert_eq!((told.status, told.json()["sub_status"].clone()), (200, json!("failed")), "{}", told.text);
    assert_eq!(ask(admin, "GET", "/dead-letters", &[], "").json()["items"], json!([]));
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

/// Found by a reviewer: a refund that bounced was a dead end, a whole one could not even be told.
#[test]
fn a_refund_that_a_bank_sends_back_is_given_back_again() {
    let shop = Shop::open();
    let (server, address, _) = secret_server(&shop.engine);
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "captured");
    shop.engine.cancel(order).wait().unwrap();
    shop.until(id, "refunded");
    shop.gateway.send_back(id, 100_000);
    let bounced = format!(r#"{{"payment":"{id}","notice":"refund_reversed","number":1}}"#);
    for _ in 0..3 {
        let told = send_webhook(address, "new", START, &bounced);
        assert_eq!((told.status, told.json()["public_status"].clone()), (200, json!("paid")), "{}", told.text);
    }
    let here = shop.payment(id);
    assert_eq!((&here["sub_status"], &here["refundable"]["amount"]), (&json!("reversed"), &json!("10.00")));
    let owed = shop.engine.read_order(order).wait().unwrap().order.owed_back();
    assert_eq!(owed, eur("10.00").amount);
    let books = shop.runtime.block_on(shop.engine.ledger()).unwrap();
    assert_eq!(books.balance("EUR".parse().unwrap(), LedgerAccount::Card), 100_000);
    let (key, json_type) = (("authorization", "Bearer key"), ("content-type", "application/json"));
    let again = r#"{"amount":{"amount":"10.00","currency":"EUR"},"reason":"another account"}"#;
    let told = ask(address, "POST", &format!("/api/v1/orders/{order}/refunds"), &[key, json_type], again);
    assert_eq!(told.status, 201, "{}", told.text);
    shop.until(id, "refunded");
    assert_eq!(shop.engine.read_order(order).wait().unwrap().order.owed_back().0, 0);
    assert_eq!(shop.gateway.times_asked(&format!("{id}:refund:2")), 1, "under a new key");
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

/// Time goes on until the payment's gateway is not asked any more.
fn until_given_up(shop: &Shop, id: PaymentId) {
    let begun = std::time::Instant::now();
    while shop.payment(id)["given_up"] != json!(true) {
        shop.clock.advance_seconds(600);
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never given up: {}", shop.payment(id));
        std::thread::yield_now();
    }
}

/// Found by a reviewer: such an order kept its units for ever, and nobody could see why.
#[test]
fn a_void_that_is_refused_is_a_dead_letter_and_its_units_are_free_when_it_is_resolved() {
    let shop = Shop::open();
    shop.gateway.script(|call, _| match call.operation {
        Operation::Void => Fate::Decline,
        _ => Fate::LoseRequest,
    });
    let (server, _, admin) = secret_server(&shop.engine);
    let (order, id) = shop.order(Payment::card("tok"));
    until_given_up(&shop, id);
    assert_eq!(ask(admin, "GET", "/dead-letters", &[], "").json()["items"][0]["id"], json!(id.to_string()));
    assert_eq!(shop.status(order), "created", "the money may have moved: its units stay held");
    let json_type = [("content-type", "application/json")];
    let told = ask(
        admin,
        "POST",
        &format!("/dead-letters/{id}/resolve"),
        &json_type,
        r#"{"outcome":"approved","reference":"seen to"}"#,
    );
    assert_eq!((told.status, told.json()["sub_status"].clone()), (200, json!("gateway_unavailable")), "{}", told.text);
    assert_eq!(shop.status(order), "expired");
    assert_eq!(shop.engine.read_stock("mug").wait().unwrap().0.levels.available, 1_000);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

#[test]
fn what_did_not_go_back_by_itself_is_resolved_although_nothing_is_open() {
    let shop = Shop::open();
    shop.gateway.script(|call, _| match call.operation {
        Operation::Charge { .. } => Fate::Silence,
        _ => Fate::Decline,
    });
    let (server, _, admin) = secret_server(&shop.engine);
    let (_, id) = shop.order(Payment::card("tok"));
    shop.decline(id);
    let (charge, reference) = (Operation::Charge { token: "tok".into() }, "ch_late".to_owned());
    shop.engine.confirm(id, charge, GatewayOutcome::Approved { reference }).wait().unwrap();
    shop.until(id, "failed");
    assert_eq!(shop.payment(id)["given_up"], json!(true));
    let json_type = [("content-type", "application/json")];
    let resolve = |outcome: &str| ask(admin, "POST", &format!("/dead-letters/{id}/resolve"), &json_type, outcome);
    assert_eq!(resolve(r#"{"outcome":"declined"}"#).problem(), "money_invalid", "nobody may keep it");
    let told = resolve(r#"{"outcome":"approved","reference":"by hand"}"#);
    assert_eq!((told.status, told.json()["sub_status"].clone()), (200, json!("automatically")), "{}", told.text);
    assert_eq!(ask(admin, "GET", "/dead-letters", &[], "").json()["items"], json!([]));
    assert_eq!(resolve(r#"{"outcome":"approved","reference":"again"}"#).status, 404);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}
