//! Bad input gets a named error and changes nothing.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/ask.rs"]
mod ask;
#[path = "support/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use ask::ask;
use serde_json::{Value, json};
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, ManualClock, Timestamp};
use wire::Wire;

const START: Timestamp = Timestamp(1_790_000_000_000_000);

struct Shop {
    engine: Engine,
    server: Server,
    address: SocketAddr,
    clock: ManualClock,
}

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

impl Shop {
    fn open() -> Self {
        let clock = ManualClock::at(START);
        let engine = Engine::open(Config::in_memory().clock(clock.clone())).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let server =
            Server::start(engine.clone(), ServerOptions { listen: free, admin: free, ..ServerOptions::default() })
                .unwrap();
        let address = server.addresses().0;
        let shop = Self { engine, server, address, clock };
        let mut wire = shop.wire();
        for (sku, price, status) in
            [("A", eur("9.99"), "active"), ("B", eur("0.10"), "active"), ("P", eur("1.00"), "paused")]
        {
            let body = json!({"name": sku, "price": price, "status": status});
            assert_eq!(wire.send("PUT", &format!("/api/v1/skus/{sku}"), &[], Some(&body)).unwrap().status, 201);
            let quantity = if sku == "A" { 12 } else { 10 };
            wire.post(&format!("/api/v1/skus/{sku}/receipts"), &[], &json!({"quantity": quantity})).unwrap();
        }
        let usd = json!({"name": "U", "price": {"amount": "1.00", "currency": "USD"}});
        wire.send("PUT", "/api/v1/skus/U", &[], Some(&usd)).unwrap();
        wire.post("/api/v1/skus/U/receipts", &[], &json!({"quantity": 10})).unwrap();
        let limited = json!({"name": "L", "price": eur("1.00"), "limit_per_customer": 2});
        wire.send("PUT", "/api/v1/skus/L", &[], Some(&limited)).unwrap();
        wire.post("/api/v1/skus/L/receipts", &[], &json!({"quantity": 10})).unwrap();
        assert_eq!(wire.post("/api/v1/wallets/ann/credits", &[], &json!({"amount": eur("5.00")})).unwrap().status, 201);
        // Three off with a coupon, as long as a budget lasts that is enough for one more.
        let promotion = json!({"name": "Three off", "lane": "coupon", "coupon": ["mail"], "currency": "EUR",
            "limits": {"budget": 7}, "then": {"order": {"amount": 3}}});
        wire.send("PUT", "/api/v1/promotions/three-off", &[], Some(&promotion)).unwrap();
        let each = json!({"name": "One each", "lane": "goods", "coupon": ["each"], "currency": "EUR",
            "limits": {"per_customer": 1}, "then": {"order": {"amount": 1}}});
        wire.send("PUT", "/api/v1/promotions/one-each", &[], Some(&each)).unwrap();
        for (code, coupon) in [
            ("MANY", json!({"batch": "mail", "uses": null})),
            ("ONCE", json!({"batch": "mail", "uses": 1})),
            ("GONE", json!({"batch": "mail", "revoked": true})),
            ("LATE", json!({"batch": "mail", "window": {"until": "2020-01-01T00:00:00Z"}})),
            ("MINE", json!({"batch": "each", "uses": null, "per_customer": 1})),
        ] {
            let put = wire.send("PUT", &format!("/api/v1/coupons/{code}"), &[], Some(&coupon)).unwrap();
            assert_eq!(put.status, 201, "{}", put.body);
        }
        for (code, payment) in [("ONCE", "external"), ("MINE", "external")] {
            let order =
                json!({"sku": "A", "quantity": 1, "customer": "bob", "coupon": code, "payment": {"method": payment}});
            let used = wire.post("/api/v1/orders", &[], &order).unwrap();
            assert_eq!(used.status, 201, "{}", used.body);
        }
        shop
    }

    fn wire(&self) -> Wire {
        Wire::connect(self.address).unwrap()
    }

    /// Everything that a refused request must leave as it was: stock, wallets, uses, budgets, orders, books.
    fn state_hash(&self) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.engine.state_hash()).unwrap()
    }

    fn close(self) {
        self.server.shutdown(Duration::from_secs(5));
        self.engine.close_blocking().unwrap();
    }
}

#[test]
fn every_bad_order_is_refused_by_name_and_changes_nothing() {
    let shop = Shop::open();
    let line = |sku: &str, quantity: Value| json!({"lines": [{"sku": sku, "quantity": quantity}]});
    let with = |extra: Value| {
        let mut body = json!({"sku": "A", "quantity": 1});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let many: Vec<Value> = (0..2001).map(|_| json!({"sku": "A", "quantity": 1})).collect();
    let cases: Vec<(Value, u16, &str)> = vec![
        (line("NOPE", json!(1)), 422, "sku_unknown"),
        (line("no/slash", json!(1)), 422, "sku_unknown"),
        (line("P", json!(1)), 409, "sku_not_sellable"),
        (line("A", json!(0)), 422, "quantity_invalid"),
        (line("A", json!(-1)), 422, "quantity_invalid"),
        (line("A", json!(1.5)), 422, "quantity_invalid"),
        (line("A", json!(1_000_000_001)), 422, "quantity_invalid"),
        (line("A", json!(1e300)), 422, "quantity_invalid"),
        (line("A", json!("1")), 400, "body_invalid"),
        (line("A", json!(11)), 409, "stock_exhausted"),
        (json!({"lines": []}), 400, "body_invalid"),
        (json!({}), 400, "body_invalid"),
        (json!({"lines": many}), 422, "too_many_lines"),
        (json!({"lines": [{"sku": "A", "quantity": 1}, {"sku": "U", "quantity": 1}]}), 422, "currency_mismatch"),
        (with(json!({"unknown": 1})), 400, "body_invalid"),
        (with(json!({"coupon": "X"})), 422, "coupon_invalid"),
        (with(json!({"charge": "at_ship"})), 400, "body_invalid"),
        (with(json!({"id": "not-an-id"})), 422, "id_invalid"),
        (with(json!({"id": "018bcfe5-687b-7fff-8fff-ffffffffffff"})), 422, "id_expired"),
        (with(json!({"customer": "a/b"})), 400, "body_invalid"),
        (with(json!({"expected_total": eur("9.98")})), 409, "price_changed"),
        (with(json!({"charges": [{"kind": "tip", "amount": eur("1.00")}]})), 400, "body_invalid"),
        (with(json!({"charges": [{"kind": "fee", "amount": eur("1.00001")}]})), 422, "money_invalid"),
        (with(json!({"charges": [{"kind": "fee", "amount": eur("-1.00")}]})), 422, "money_invalid"),
        (with(json!({"charges": [{"kind": "fee", "amount": eur("922337203685477.00")}]})), 422, "money_invalid"),
        (with(json!({"payments": [{"method": "wallet"}]})), 422, "customer_required"),
        (with(json!({"customer": "ann", "payments": [{"method": "wallet"}]})), 402, "insufficient_balance"),
        (with(json!({"payments": [{"method": "card"}]})), 400, "body_invalid"),
        (with(json!({"payments": [{"method": "card", "token": "tok_declined"}]})), 402, "payment_declined"),
        (with(json!({"payments": [{"method": "external", "amount": eur("10.00")}]})), 422, "money_invalid"),
        (with(json!({"payments": [{"method": "barter"}]})), 400, "body_invalid"),
        (with(json!({"payment": {"method": "external"}, "payments": [{"method": "external"}]})), 400, "body_invalid"),
        (line("L", json!(1)), 422, "customer_required"),
        (json!({"sku": "L", "quantity": 3, "customer": "ann"}), 409, "limit_exceeded"),
        // Coupons that cannot be used.
        (with(json!({"coupon": "ONCE"})), 409, "coupon_exhausted"),
        (with(json!({"coupon": "GONE"})), 422, "coupon_invalid"),
        (with(json!({"coupon": "LATE"})), 422, "coupon_invalid"),
        (with(json!({"coupon": "MINE", "customer": "bob"})), 409, "limit_exceeded"),
        (with(json!({"coupon": "MINE"})), 422, "coupon_invalid"),
        // Everything that it needs but the last: a use, its budget and units are to be had, the money is not.
        (with(json!({"coupon": "MANY", "expected_total": eur("6.00")})), 409, "price_changed"),
        (
            with(json!({"coupon": "MANY", "customer": "ann", "payments": [{"method": "wallet"}]})),
            402,
            "insufficient_balance",
        ),
        (
            with(json!({"coupon": "MANY", "payments": [{"method": "card", "token": "tok_declined"}]})),
            402,
            "payment_declined",
        ),
        (
            with(json!({"coupon": "MANY", "customer": "ann",
                "payments": [{"method": "wallet", "amount": eur("2.00")}, {"method": "card", "token": "tok_declined"}]})),
            402,
            "payment_declined",
        ),
        (
            json!({"lines": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 11}], "coupon": "MANY"}),
            409,
            "stock_exhausted",
        ),
    ];
    let mut codes: Vec<_> = cases.iter().map(|(_, _, code)| *code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert!(cases.len() >= 12 && codes.len() >= 7, "{codes:?}");
    let before = shop.state_hash();
    let mut wire = shop.wire();
    for (body, status, code) in cases {
        let answer = wire.post("/api/v1/orders", &[], &body).unwrap();
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{shown}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.body["type"], format!("/problems/{}", code.replace('_', "-")));
        assert_eq!(shop.state_hash(), before, "{code} has left something: {shown}");
    }
    let order =
        json!({"sku": "A", "quantity": 1, "customer": "ann", "coupon": "MANY", "payment": {"method": "external"}});
    assert_eq!(wire.post("/api/v1/orders", &[], &order).unwrap().status, 201, "there was a use, and budget for it");
    assert_ne!(shop.state_hash(), before, "what is accepted is seen");
    shop.close();
}

/// Method, path, headers, body; status and code.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, u16, &'static str);

#[test]
fn paths_methods_and_bodies_that_make_no_sense_are_problems() {
    let shop = Shop::open();
    let cases: [Case; 14] = [
        ("GET", "/api/v1/nothing", &[], "", 404, "not_found"),
        ("GET", "/", &[], "", 404, "not_found"),
        ("DELETE", "/api/v1/orders", &[], "", 405, "method_not_allowed"),
        ("GET", "/api/v1/skus/NOPE", &[], "", 404, "sku_unknown"),
        ("GET", "/api/v1/orders/xyz", &[], "", 404, "not_found"),
        ("GET", "/api/v1/orders/01890a5d-ac96-774b-bcce-b302099a8057", &[], "", 404, "not_found"),
        ("GET", "/api/v1/orders?limit=0", &[], "", 400, "body_invalid"),
        ("GET", "/api/v1/orders?cursor=abc", &[], "", 400, "body_invalid"),
        ("GET", "/api/v1/orders?status=happy", &[], "", 400, "body_invalid"),
        ("POST", "/api/v1/orders", &[("content-type", "application/json")], "{\"sku\":", 400, "body_invalid"),
        ("POST", "/api/v1/orders", &[("content-type", "application/json")], "[]", 400, "body_invalid"),
        ("POST", "/api/v1/orders", &[("content-type", "text/plain")], "{}", 415, "media_type_unsupported"),
        (
            "POST",
            "/api/v1/orders",
            &[("idempotency-key", "a b")],
            "{\"sku\":\"A\",\"quantity\":1}",
            400,
            "body_invalid",
        ),
        (
            "PUT",
            "/api/v1/skus/X",
            &[],
            "{\"name\":\"x\",\"price\":{\"amount\":\"1\",\"currency\":\"eur\"}}",
            422,
            "money_invalid",
        ),
    ];
    for (method, path, headers, body, status, code) in cases {
        let told = ask(shop.address, method, path, headers, body);
        assert_eq!(told.status, status, "{method} {path}: {}", told.text);
        assert_eq!(told.problem(), code, "{method} {path}");
    }
    let many = format!("/api/v1/stock?sku={}A", "A,".repeat(200));
    let told = ask(shop.address, "GET", &many, &[], "");
    assert!(told.status == 400 && told.text.contains("at most 200 SKUs"), "{}", told.text);
    let large = format!("{{\"sku\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(ask(shop.address, "POST", "/api/v1/orders", &[], &large).problem(), "body_too_large");
    shop.close();
}

#[test]
fn keys_and_ids_repeat_accepted_answers_and_refuse_other_bodies() {
    let shop = Shop::open();
    let mut wire = shop.wire();
    let key = [("Idempotency-Key", "\"k1\"")];
    let body = json!({"sku": "A", "quantity": 1});
    let first = wire.post("/api/v1/orders", &key, &body).unwrap();
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    assert_eq!(first.header("location").unwrap(), format!("/api/v1/orders/{}", first.body["id"].as_str().unwrap()));
    let again = wire.post("/api/v1/orders", &[("Idempotency-Key", "k1")], &body).unwrap();
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.body, first.body);
    let other = wire.post("/api/v1/orders", &key, &json!({"sku": "A", "quantity": 2})).unwrap();
    assert_eq!((other.status, other.body["code"].as_str()), (422, Some("idempotency_key_reused")));

    // A refusal binds nothing: the same key is decided anew when there is stock again.
    let key = [("Idempotency-Key", "k2")];
    let many = json!({"sku": "B", "quantity": 20});
    assert_eq!(wire.post("/api/v1/orders", &key, &many).unwrap().status, 409);
    wire.post("/api/v1/skus/B/receipts", &[], &json!({"quantity": 10})).unwrap();
    assert_eq!(wire.post("/api/v1/orders", &key, &many).unwrap().status, 201);

    let id = shop.engine.new_order_id().to_string();
    let mine = json!({"id": id, "sku": "A", "quantity": 1});
    assert_eq!(wire.post("/api/v1/orders", &[], &mine).unwrap().status, 201);
    let again = wire.post("/api/v1/orders", &[], &json!({"quantity": 1, "sku": "A", "id": id})).unwrap();
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    let other = wire.post("/api/v1/orders", &[], &json!({"id": id, "sku": "A", "quantity": 2})).unwrap();
    assert_eq!((other.status, other.body["code"].as_str()), (409, Some("id_conflict")));
    shop.close();
}

#[test]
fn an_order_is_paid_once_and_not_after_its_hold_has_expired() {
    let shop = Shop::open();
    let mut wire = shop.wire();
    let place = |wire: &mut Wire| {
        let order = wire.post("/api/v1/orders", &[], &json!({"sku": "A", "quantity": 1})).unwrap();
        assert_eq!(order.body["status"], "awaiting_payment");
        format!("/api/v1/orders/{}", order.body["id"].as_str().unwrap())
    };
    let pay = json!({"payment": {"method": "external", "reference": "r"}});
    let path = place(&mut wire);
    let paid = wire.post(&format!("{path}/pay"), &[], &pay).unwrap();
    assert_eq!((paid.status, paid.body["status"].as_str()), (200, Some("paid")));
    let twice = wire.post(&format!("{path}/pay"), &[], &pay).unwrap();
    assert_eq!((twice.status, twice.body["code"].as_str()), (409, Some("already_paid")));
    let early = wire.post(&format!("{path}/returns"), &[], &json!({"lines": [{"line": 0, "quantity": 1}]})).unwrap();
    assert_eq!((early.status, early.body["code"].as_str()), (409, Some("order_state_invalid")));
    let shipped = wire.send("POST", &format!("{path}/ship"), &[], None).unwrap();
    assert_eq!((shipped.status, shipped.body["status"].as_str()), (200, Some("shipped")));
    let back = wire
        .post(
            &format!("{path}/returns"),
            &[],
            &json!({"lines": [{"line": 0, "quantity": 1, "disposition": "restock"}]}),
        )
        .unwrap();
    assert_eq!((back.status, back.body["status"].as_str()), (201, Some("returned")));
    assert_eq!(back.body["totals"]["refunded"], eur("9.99"));

    let late = place(&mut wire);
    let extended = wire.post(&format!("{late}/extend"), &[], &json!({"seconds": 60})).unwrap();
    assert_eq!(extended.status, 200, "{}", extended.body);
    shop.clock.advance_seconds(961);
    let refused = wire.post(&format!("{late}/pay"), &[], &pay).unwrap();
    assert_eq!((refused.status, refused.body["code"].as_str()), (409, Some("hold_expired")));
    let stock = wire.get("/api/v1/skus/A/stock").unwrap().body;
    assert_eq!((stock["available"].as_u64(), stock["held"].as_u64()), (Some(10), Some(0)));
    let below = wire.post("/api/v1/skus/A/adjustments", &[], &json!({"delta": -11, "reason": "count"})).unwrap();
    assert_eq!((below.status, below.body["code"].as_str()), (409, Some("below_commitments")));
    shop.close();
}
