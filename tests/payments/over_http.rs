//! Payments over HTTP: webhooks by their signatures, and one payment by its path.

use crate::shop::*;

#[test]
fn a_webhook_is_believed_by_its_signature_and_answered_when_it_is_durable() {
    let shop = Shop::open();
    shop.gateway.script(|_, _| Fate::LoseAnswer);
    let (server, address, _) = secret_server(&shop.engine);
    let (order, id) = shop.order(Payment::card("tok"));
    let body = format!(r#"{{"payment":"{id}","operation":"charge","outcome":"approved","reference":"ch_1"}}"#);
    for (secret, now, body, code) in [
        ("wrong", START, body.as_str(), "unauthorized"),
        ("new", START.plus_seconds(301), &body, "unauthorized"),
        ("new", START, "{}", "body_invalid"),
        ("new", START, r#"{"payment":"x","notice":"settled"}"#, "body_invalid"),
    ] {
        assert_eq!(send_webhook(address, secret, now, body).problem(), code, "{secret} {body}");
    }
    let unsigned = ask(address, "POST", "/api/v1/webhooks/acme", &[], &body);
    assert_eq!((unsigned.status, unsigned.problem().as_str()), (401, "unauthorized"));
    let other = ask(address, "POST", "/api/v1/webhooks/other", &[("authorization", "Bearer key")], &body);
    assert_eq!(other.status, 404);
    assert_ne!(shop.status(order), "paid");
    for secret in ["old", "new", "old"] {
        let told = send_webhook(address, secret, START, &body);
        assert_eq!((told.status, told.json()["public_status"].clone()), (200, json!("paid")), "{}", told.text);
    }
    assert_eq!(shop.status(order), "paid");
    let unknown = body.replace(&id.to_string(), &PaymentId::new(START, 5).to_string());
    assert_eq!(send_webhook(address, "new", START, &unknown).status, 404);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

/// Found by a reviewer: the currency was read and thrown away.
#[test]
fn a_webhook_in_another_currency_is_never_believed() {
    let shop = Shop::open();
    shop.gateway.script(|call, _| match call.operation {
        Operation::Charge { .. } => Fate::LoseRequest,
        _ => Fate::Answer,
    });
    let (server, address, _) = secret_server(&shop.engine);
    let (order, id) = shop.order(Payment::card("tok"));
    let yen = r#""outcome":"moved","reference":"ch_1","amount":"10","currency":"JPY""#;
    let charged = format!(r#"{{"payment":"{id}","operation":"charge",{yen}}}"#);
    assert_eq!(send_webhook(address, "new", START, &charged).status, 200, "it is heard");
    let undone = shop.until(id, "integrity");
    assert_eq!((&undone["status"], &undone["captured"]["amount"]), (&json!("failed"), &json!("0.00")));
    assert_ne!(shop.status(order), "paid");

    shop.gateway.script(|_, _| Fate::Answer);
    let (order, id) = shop.order(Payment::card("tok"));
    shop.until(id, "captured");
    let dispute = r#""notice":"dispute_opened","amount":"10","currency":"JPY","reference":"dp_1""#;
    let told = send_webhook(address, "new", START, &format!(r#"{{"payment":"{id}",{dispute}}}"#));
    assert_eq!((told.status, told.problem().as_str()), (422, "currency_mismatch"), "{}", told.text);
    assert_eq!((shop.payment(id)["sub_status"].clone(), shop.status(order)), (json!("captured"), "paid".to_owned()));
    server.shutdown(Duration::from_secs(5));
    shop.close();
}

#[test]
fn a_payment_is_read_captured_and_let_go_over_http() {
    let shop = Shop::open();
    let (server, address, _) = secret_server(&shop.engine);
    let key = ("authorization", "Bearer key");
    let json_type = ("content-type", "application/json");
    let body =
        r#"{"lines":[{"sku":"mug","quantity":1}],"payments":[{"method":"card","token":"t","capture":"manual"}]}"#;
    let placed = ask(address, "POST", "/api/v1/orders", &[key, json_type], body);
    assert_eq!((placed.status, placed.json()["status"].clone()), (201, json!("created")), "{}", placed.text);
    let id = placed.json()["payments"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/payments/{id}");
    let read = ask(address, "GET", &path, &[key], "").json();
    assert_eq!((read["status"].clone(), read["public_status"].clone()), (json!("authorized"), json!("pending")));
    let usd = r#"{"amount":{"amount":"1.00","currency":"USD"}}"#;
    let refused = ask(address, "POST", &format!("{path}/capture"), &[key, json_type], usd);
    assert_eq!(refused.problem(), "currency_mismatch");
    let part = r#"{"amount":{"amount":"1.00","currency":"EUR"}}"#;
    assert_eq!(ask(address, "POST", &format!("{path}/capture"), &[key, json_type], part).status, 200);
    shop.until(id.parse_payment(), "partially_captured");
    assert_eq!(ask(address, "POST", &format!("{path}/void"), &[key], "").problem(), "order_state_invalid");
    assert_eq!(ask(address, "POST", &format!("{path}/capture"), &[key], "").status, 200);
    shop.until(id.parse_payment(), "captured");
    for (method, path, status) in [
        ("DELETE", path.as_str(), 405),
        ("GET", &format!("{path}/capture"), 405),
        ("POST", &format!("{path}/dance"), 404),
        ("GET", "/api/v1/payments/x", 404),
        ("GET", "/api/v1/payments", 404),
    ] {
        assert_eq!(ask(address, method, path, &[key], "").status, status, "{method} {path}");
    }
    assert_eq!(ask(address, "GET", &path, &[], "").status, 401);
    server.shutdown(Duration::from_secs(5));
    shop.close();
}
