//! A walk through a shop that calls every operation once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use stockade::gateway::{SILENT_TOKEN, Signer, SimulatedGateway};
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, GatewayOutcome, NewOrder, Operation, Payment};
use stockade_domain::stock::Lottery;

use super::ask::{Told, ask};

pub const SECRET: &str = "whsec_for_this_test_only";

pub struct Shop {
    pub engine: Engine,
    server: Server,
}

/// A path with something in place of each of its parameters.
pub fn filled(template: &str) -> String {
    let known = BTreeMap::from([
        ("{sku}", "MUG"),
        ("{order}", "01938f5e-5b7a-7000-8000-000000000001"),
        ("{payment}", "01938f5e-5b7a-7000-8000-000000000001"),
        ("{id}", "01938f5e-5b7a-7000-8000-000000000002"),
        ("{customer}", "ann"),
        ("{seller}", "shed"),
        ("{promotion}", "spring"),
        ("{code}", "SPRING"),
        ("{gateway}", "bank"),
    ]);
    known.iter().fold(template.to_owned(), |path, (name, value)| path.replace(name, value))
}

/// Calls operations, and shows each answer to whoever watches.
struct Walker<'a> {
    shop: &'a Shop,
    watch: &'a mut dyn FnMut(&str, &str, &Told),
}

impl Walker<'_> {
    /// Calls an operation; the arguments fill the parameters of the path from the left, then comes a query.
    fn call(&mut self, operation: &str, arguments: &[&str], body: &Value, status: u16) -> Value {
        self.call_with(operation, arguments, &[], body, status)
    }

    fn call_with(
        &mut self,
        operation: &str,
        arguments: &[&str],
        headers: &[(&str, String)],
        body: &Value,
        status: u16,
    ) -> Value {
        let (method, template) = operation.split_once(' ').unwrap();
        let mut path = template.to_owned();
        for argument in arguments {
            match (path.find('{'), path.find('}')) {
                (Some(from), Some(to)) => path.replace_range(from..=to, argument),
                _ => path.push_str(argument),
            }
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let told = self.shop.send(method, &path, headers, &body);
        assert_eq!(told.status, status, "{method} {path}: {}", told.text);
        (self.watch)(method, template, &told);
        serde_json::from_str(&told.text).unwrap_or_default()
    }

    fn look(&mut self, path: &str, arguments: &[&str]) -> Value {
        self.call(&format!("GET {path}"), arguments, &Value::Null, 200)
    }
}

/// Calls every operation that answers at once, and shows each answer.
pub fn walk(shop: &Shop, watch: &mut dyn FnMut(&str, &str, &Told)) {
    let mut walker = Walker { shop, watch };
    stock(&mut walker);
    market(&mut walker);
    promotions(&mut walker);
    orders(&mut walker);
    payments(&mut walker);
    retry(&mut walker);
    books(&mut walker);
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs"] {
        walker.look(path, &[]);
    }
}

fn stock(to: &mut Walker<'_>) {
    let sku = |name: &str| {
        json!({"name": name, "price": eur("10.00"), "status": "active", "category": "kitchen", "brand": "Clay",
        "backorder": {"max": 100}, "hold_ttl_seconds": 600, "safety_level": 1, "low_stock_level": 5, "market": {"commission_bps": 500},
        "sourcing": {"strategy": "priority", "locations": ["main", "annex"]}})
    };
    to.call("PUT /api/v1/skus/{sku}", &["MUG"], &sku("Mug"), 201);
    to.call("PUT /api/v1/skus/{sku}", &["MUG"], &sku("A mug"), 200);
    to.call(
        "PUT /api/v1/skus/{sku}",
        &["CUP"],
        &json!({"name": "Cup", "price": eur("4.00"), "limit_per_customer": 9}),
        201,
    );
    let set = json!({"name": "Set", "price": eur("12.00"), "kit": [{"sku": "CUP", "quantity": 2}]});
    to.call("PUT /api/v1/skus/{sku}", &["SET"], &set, 201);
    let drop = json!({"name": "Drop", "price": eur("99.00"), "admission": {"rule": "lottery", "opens_at": "2020-01-01T00:00:00Z",
        "closes_at": "2020-01-02T00:00:00Z", "seed_commitment": hex(&Lottery::commitment_to(&SEED)), "losers": "refuse"}});
    to.call("PUT /api/v1/skus/{sku}", &["DROP"], &drop, 201);
    let receipts = "POST /api/v1/skus/{sku}/receipts";
    let lot = json!({"quantity": 50, "location": "main", "lot": "L1", "expires_at": "2040-01-01T00:00:00Z", "unit_cost": eur("3.00")});
    to.call(receipts, &["MUG"], &lot, 201);
    to.call(receipts, &["CUP"], &json!({"quantity": 100}), 201);
    to.call("POST /api/v1/skus/{sku}/adjustments", &["CUP"], &json!({"delta": -1, "reason": "counted"}), 201);
    let damaged = json!({"from": "free", "to": "damaged", "quantity": 2});
    to.call("POST /api/v1/skus/{sku}/reclassifications", &["CUP"], &damaged, 201);
    let moved = json!({"from_location": "main", "to_location": "annex", "quantity": 3, "in_transit": true});
    to.call("POST /api/v1/skus/{sku}/transfers", &["CUP"], &moved, 201);
    to.call("POST /api/v1/skus/{sku}/arrivals", &["CUP"], &json!({"quantity": 2, "location": "annex"}), 201);
    to.call("POST /api/v1/skus/{sku}/losses", &["CUP"], &json!({"quantity": 1}), 201);
    let announced = json!({"quantity": 9, "available_from": "2040-01-01T00:00:00Z", "reference": "po-1"});
    to.call("POST /api/v1/skus/{sku}/announcements", &["CUP"], &announced, 201);
    to.call("POST /api/v1/skus/{sku}/withdrawals", &["CUP"], &json!({"quantity": 4, "reference": "po-1"}), 201);
    let broken = json!({"quantity": 1, "reason": "broken", "from": "damaged"});
    to.call("POST /api/v1/skus/{sku}/write-offs", &["CUP"], &broken, 201);
    to.look("/api/v1/skus", &["?limit=2"]);
    for sku in ["MUG", "SET", "DROP"] {
        to.look("/api/v1/skus/{sku}", &[sku]);
        to.look("/api/v1/skus/{sku}/stock", &[sku]);
    }
    to.look("/api/v1/stock", &["?sku=MUG,CUP"]);
    to.look("/api/v1/skus/{sku}/movements", &["CUP", "?limit=200"]);
    to.call("POST /api/v1/skus/{sku}/draw", &["DROP"], &json!({"seed": hex(&SEED)}), 201);
}

fn market(to: &mut Walker<'_>) {
    to.call(
        "POST /api/v1/wallets/{customer}/credits",
        &["ann"],
        &json!({"amount": eur("500.00"), "reference": "gift"}),
        201,
    );
    let offer = json!({"seller": "shed", "quantity": 5, "unit_price": eur("9.00"), "expires_at": "2040-01-01T00:00:00Z", "minimum": 1});
    let made = to.call("POST /api/v1/skus/{sku}/offers", &["MUG"], &offer, 201);
    let id = made["id"].as_str().expect("an id").to_owned();
    let bid = json!({"customer": "ann", "quantity": 2, "limit_price": eur("5.00"), "time_in_force": "gtc", "payments": [{"method": "wallet"}]});
    let bid = to.call("POST /api/v1/skus/{sku}/bids", &["MUG"], &bid, 201);
    let bid = bid["id"].as_str().expect("an id").to_owned();
    for (side, id) in [("offers", &id), ("bids", &bid)] {
        let one = format!("/api/v1/skus/{{sku}}/{side}/{{id}}");
        to.look(&one, &["MUG", id]);
        let price = if side == "offers" { "unit_price" } else { "limit_price" };
        let price = json!({price: if side == "offers" { eur("8.50") } else { eur("5.50") }});
        to.call(&format!("PATCH {one}"), &["MUG", id], &price, 200);
        let owner = if side == "offers" { "?seller=shed" } else { "?customer=ann" };
        to.look(&format!("/api/v1/skus/{{sku}}/{side}"), &["MUG", owner]);
    }
    to.look("/api/v1/skus/{sku}/book", &["MUG"]);
    to.call("DELETE /api/v1/skus/{sku}/bids/{id}", &["MUG", &bid], &Value::Null, 200);
    let bid = json!({"customer": "ann", "quantity": 1, "limit_price": eur("8.50"), "payments": [{"method": "wallet"}]});
    to.call("POST /api/v1/skus/{sku}/bids", &["MUG"], &bid, 201);
    to.call("DELETE /api/v1/skus/{sku}/offers/{id}", &["MUG", &id], &Value::Null, 200);
    to.call("DELETE /api/v1/skus/{sku}/offers", &["MUG", "?seller=shed"], &Value::Null, 200);
    to.call("DELETE /api/v1/skus/{sku}/bids", &["MUG", "?customer=ann"], &Value::Null, 200);
}

fn promotions(to: &mut Walker<'_>) {
    let spring = json!({"name": "Spring", "lane": "coupon", "coupon": ["spring"], "then": {"order": {"percent": 10}}, "currency": "EUR", "cap": 20,
        "limits": {"uses": 100, "per_customer": 3, "budget": 50}});
    to.call("PUT /api/v1/promotions/{promotion}", &["spring"], &spring, 201);
    to.call("PUT /api/v1/promotions/{promotion}", &["spring"], &spring, 200);
    to.look("/api/v1/promotions/{promotion}", &["spring"]);
    to.look("/api/v1/promotions", &[]);
    let summer = json!({"id": "summer", "name": "Summer", "lane": "goods", "then": {"line": {"percent": 5}}});
    to.call("POST /api/v1/promotions", &[], &json!({"currency": "EUR", "promotions": [summer]}), 200);
    to.call("PUT /api/v1/promotions/{promotion}", &["autumn"], &spring, 201);
    to.call("DELETE /api/v1/promotions/{promotion}", &["autumn"], &Value::Null, 200);
    let coupon = json!({"batch": "spring", "uses": 5, "per_customer": 2});
    to.call("PUT /api/v1/coupons/{code}", &["SPRING"], &coupon, 201);
    to.call("PUT /api/v1/coupons/{code}", &["SPRING"], &coupon, 200);
    to.look("/api/v1/coupons/{code}", &["SPRING"]);
    let bulk = json!({"prefix": "BULK", "count": 3, "coupon": {"batch": "spring"}});
    to.call("POST /api/v1/coupons", &[], &bulk, 201);
    let cart = json!({"customer": "ann", "lines": [{"sku": "MUG", "quantity": 2}], "coupon": "SPRING",
        "charges": [{"kind": "shipping", "amount": eur("4.90")}], "context": {"channel": "web"}});
    to.call("POST /api/v1/quotes", &[], &cart, 200);
}

fn orders(to: &mut Walker<'_>) {
    let wanted = json!({"customer": "ann", "lines": [{"sku": "MUG", "quantity": 3}, {"sku": "CUP", "quantity": 2}], "coupon": "SPRING",
        "charges": [{"kind": "shipping", "amount": eur("4.90")}], "context": {"channel": "web", "tier": "gold"}});
    let place = "POST /api/v1/orders";
    let order = to.call_with(place, &[], &[("idempotency-key", "\"one\"".into())], &wanted, 201);
    let id = order["id"].as_str().expect("an id").to_owned();
    to.call(
        "PATCH /api/v1/orders/{order}",
        &[&id],
        &json!({"lines": [{"sku": "MUG", "quantity": 2}, {"sku": "CUP", "quantity": 2}]}),
        200,
    );
    to.call("POST /api/v1/orders/{order}/extend", &[&id], &json!({"seconds": 900}), 200);
    to.call("POST /api/v1/orders/{order}/pay", &[&id], &json!({"payments": [{"method": "wallet"}]}), 200);
    let part = json!({"lines": [{"line": 0, "quantity": 2}], "tracking": "T1"});
    to.call("POST /api/v1/orders/{order}/ship", &[&id], &part, 200);
    to.call("POST /api/v1/orders/{order}/cancel", &[&id], &json!({"lines": [{"line": 1, "quantity": 1}]}), 200);
    to.call("POST /api/v1/orders/{order}/ship", &[&id], &Value::Null, 200);
    to.call("POST /api/v1/orders/{order}/deliver", &[&id], &Value::Null, 200);
    let back = json!({"lines": [{"line": 0, "quantity": 1, "disposition": "quality_control"}], "refund": true});
    to.call("POST /api/v1/orders/{order}/returns", &[&id], &back, 201);
    to.call("POST /api/v1/orders/{order}/refunds", &[&id], &json!({"amount": eur("1.00"), "reason": "late"}), 201);
    to.call("POST /api/v1/orders/{order}/complete", &[&id], &Value::Null, 200);
    to.look("/api/v1/orders/{order}", &[&id]);
    to.look("/api/v1/orders/{order}/events", &[&id, "?limit=200"]);
    to.look("/api/v1/orders", &["?customer=ann&status=completed&created_after=2020-01-01T00:00:00Z"]);
    let late =
        json!({"sku": "MUG", "quantity": 500, "allow_partial": true, "allow_backorder": true, "purchaser_key": "p"});
    to.call(place, &[], &late, 201);
    to.call(place, &[], &json!({"sku": "SET", "quantity": 1, "customer": "ann", "payment": {"method": "external", "reference": "till"}}), 201);
    to.look("/api/v1/orders", &["?limit=2"]);
    let line = json!({"id": stockade_domain::OrderId::new(to.shop.engine.now(), 7).to_string(), "sku": "CUP", "quantity": 1, "customer": "ann"});
    to.call_with("POST /api/v1/orders/batch", &[], &[("content-type", "application/x-ndjson".into())], &line, 200);
}

fn payments(to: &mut Walker<'_>) {
    let later = json!({"sku": "CUP", "quantity": 2, "customer": "bob", "payment": {"method": "card", "token": "tok", "capture": "manual"}});
    for what in ["capture", "void"] {
        let order = to.call("POST /api/v1/orders", &[], &later, 201);
        let id = order["payments"][0]["id"].as_str().expect("an id").to_owned();
        to.look("/api/v1/payments/{payment}", &[&id]);
        to.call(&format!("POST /api/v1/payments/{{payment}}/{what}"), &[&id], &json!({}), 200);
        if what == "capture" {
            // The gateway is asked, and answers in its own time.
            let begun = std::time::Instant::now();
            while to.look("/api/v1/payments/{payment}", &[&id])["sub_status"] == "capture_started" {
                assert!(begun.elapsed().as_secs() < 20, "the gateway never answers");
                std::thread::yield_now();
            }
            let body = json!({"payment": id, "notice": "settled"});
            let signer = Signer::new([SECRET]);
            let signature = signer.sign(body.to_string().as_bytes(), to.shop.engine.now());
            let headers = [("stockade-signature", signature)];
            to.call_with("POST /api/v1/webhooks/{gateway}", &["bank"], &headers, &body, 200);
            to.look("/api/v1/payments/{payment}", &[&id]);
        }
    }
}

/// A card that was declined is tried again.
fn retry(to: &mut Walker<'_>) {
    let engine = &to.shop.engine;
    let wanted = NewOrder::one("CUP", 1).customer("bob").pay(Payment::card(SILENT_TOKEN));
    let placed = engine.place_waiting(wanted, Duration::ZERO).wait().expect("it is taken");
    let (id, charge) = (placed.order.payments[0].id, Operation::Charge { token: SILENT_TOKEN.into() });
    let declined = GatewayOutcome::Declined { reason: "no funds".into() };
    engine.confirm(id, charge, declined).wait().expect("it is heard");
    to.call("POST /api/v1/payments/{payment}/retry", &[&id.to_string()], &json!({}), 201);
}

fn books(to: &mut Walker<'_>) {
    to.look("/api/v1/wallets/{customer}", &["ann"]);
    to.look("/api/v1/wallets/{customer}/statement", &["ann"]);
    to.look("/api/v1/ledger", &[]);
    to.look("/api/v1/sellers/{seller}", &["shed"]);
    // Whoever bought from the shed has paid: it is owed its share once the goods are sent.
    let orders = to.look("/api/v1/orders", &["?limit=200"]);
    let sold = orders["items"].as_array().into_iter().flatten().find(|order| order["lines"][0]["seller"] == "shed");
    let id = sold.expect("an order from the shed")["id"].as_str().expect("an id").to_owned();
    to.call("POST /api/v1/orders/{order}/ship", &[&id], &json!({}), 200);
    to.call(
        "POST /api/v1/sellers/{seller}/payouts",
        &["shed"],
        &json!({"amount": eur("1.00"), "reference": "bank"}),
        201,
    );
}

/// Of a lottery.
const SEED: [u8; 32] = [11; 32];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

impl Shop {
    pub fn open() -> Self {
        let engine = Engine::open(Config::in_memory().gateway(SimulatedGateway::default())).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let webhook_secrets = [("bank".to_owned(), vec![SECRET.to_owned()])].into();
        let options = ServerOptions { listen: free, admin: free, webhook_secrets, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        Self { engine, server }
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, String)], body: &str) -> Told {
        let mut all: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if !all.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", "application/json"));
        }
        ask(self.server.addresses().0, method, path, &all, body)
    }

    pub fn close(self) {
        self.server.shutdown(Duration::from_secs(5));
    }
}
