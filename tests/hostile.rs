//! What hostile or unlucky clients once got away with: each was a fault that somebody found by attacking the server.

#[path = "support/ask.rs"]
mod ask;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ask::{Told, ask};
use serde_json::{Value, json};
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, ManualClock, OrderId, Timestamp};

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
    fn open(config: Config, api_keys: &[&str]) -> Self {
        let clock = ManualClock::at(START);
        let engine = Engine::open(config.clock(clock.clone())).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let api_keys = api_keys.iter().map(|key| (*key).to_owned()).collect();
        let options = ServerOptions { listen: free, admin: free, api_keys, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        let address = server.addresses().0;
        Self { engine, server, address, clock }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Told {
        let headers = [&[("content-type", "application/json")], headers].concat();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        ask(self.address, method, path, &headers, &body)
    }

    fn stock(&self, sku: &str, quantity: u64) {
        let defined =
            self.send("PUT", &format!("/api/v1/skus/{sku}"), &[], &json!({"name": "x", "price": eur("1.00")}));
        assert_eq!(defined.status, 201, "{}", defined.text);
        let path = format!("/api/v1/skus/{sku}/receipts");
        assert_eq!(self.send("POST", &path, &[], &json!({"quantity": quantity})).status, 201);
    }

    fn close(self) {
        self.server.shutdown(Duration::from_secs(5));
        self.engine.close_blocking().unwrap();
    }
}

/// Two keyed commands to one actor in one turn used to share one place for a key.
#[test]
fn every_key_of_a_busy_moment_is_still_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(Config::at(dir.path()), &[]);
    shop.stock("S", 1);
    let receive = |shop: &Shop, n: usize| {
        let key = format!("key-{n}");
        shop.send("POST", "/api/v1/skus/S/receipts", &[("idempotency-key", &key)], &json!({"quantity": 1}))
    };
    std::thread::scope(|scope| {
        for first in 0..16 {
            let shop = &shop;
            scope.spawn(move || (first..160).step_by(16).for_each(|n| assert_eq!(receive(shop, n).status, 201)));
        }
    });
    shop.close();
    let shop = Shop::open(Config::at(dir.path()), &[]);
    for n in 0..160 {
        let again = receive(&shop, n);
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")), "key {n}");
    }
    let on_hand = shop.send("GET", "/api/v1/skus/S/stock", &[], &Value::Null).json()["on_hand"].as_u64();
    assert_eq!(on_hand, Some(161), "each receipt counts once");
    shop.close();
}

#[test]
fn a_key_whose_order_was_refused_is_free_again_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(Config::at(dir.path()), &[]);
    shop.stock("S", 5);
    let key = [("idempotency-key", "dk")];
    let by_card = |token: &str| json!({"sku": "S", "quantity": 1, "payments": [{"method": "card", "token": token}]});
    let declined = by_card(stockade::DECLINED_TOKEN);
    assert_eq!(shop.send("POST", "/api/v1/orders", &key, &declined).problem(), "payment_declined");
    shop.close();
    let shop = Shop::open(Config::at(dir.path()), &[]);
    assert_eq!(shop.send("POST", "/api/v1/orders", &key, &declined).problem(), "payment_declined");
    assert_eq!(shop.send("POST", "/api/v1/orders", &key, &by_card("tok_good")).status, 201);
    shop.close();
}

#[test]
fn a_declined_card_leaves_no_trace_whatever_else_was_to_pay() {
    let shop = Shop::open(Config::in_memory(), &[]);
    shop.stock("S", 5);
    let payments = json!([
        {"method": "external", "amount": eur("0.40")},
        {"method": "card", "token": stockade::DECLINED_TOKEN}
    ]);
    let order = json!({"sku": "S", "quantity": 1, "payments": payments});
    for _ in 0..2 {
        assert_eq!(shop.send("POST", "/api/v1/orders", &[], &order).problem(), "payment_declined");
    }
    let stock = shop.send("GET", "/api/v1/skus/S/stock", &[], &Value::Null).json();
    assert_eq!((stock["available"].as_u64(), stock["held"].as_u64()), (Some(5), Some(0)), "{stock}");
    let orders = shop.send("GET", "/api/v1/orders", &[], &Value::Null).json();
    assert_eq!(orders["items"], json!([]));
    shop.close();
}

#[test]
fn a_plus_in_a_path_is_a_plus_and_percent_signs_are_undone_once_in_every_segment() {
    let shop = Shop::open(Config::in_memory(), &[]);
    let credit = |path: &str| shop.send("POST", path, &[], &json!({"amount": eur("1.00")})).json()["customer"].clone();
    assert_eq!(credit("/api/v1/wallets/ann+1@x.org/credits"), "ann+1@x.org");
    assert_eq!(credit("/api/v1/wallets/ann%2B1%40x.org/credits"), "ann+1@x.org");
    assert_eq!(credit("/api/v1/wallets/ann%201@x.org/credits"), "ann 1@x.org");
    shop.stock("a:b", 1);
    assert_eq!(shop.send("GET", "/api/v1/skus/a%3Ab", &[], &Value::Null).status, 200);
    assert_eq!(shop.send("GET", "/api/v1/skus/a%3", &[], &Value::Null).problem(), "not_found");
    shop.close();
}

#[test]
fn an_order_id_cannot_be_used_again_with_another_body_that_only_some_readers_accept() {
    let shop = Shop::open(Config::in_memory(), &[]);
    shop.stock("S", 50);
    let id = OrderId::new(START, 7);
    let order = |quantity: u64| {
        let body = format!(r#"{{"id":"{id}","sku":"S","quantity":{quantity},"context":{{"x":1e999}}}}"#);
        ask(shop.address, "POST", "/api/v1/orders", &[("content-type", "application/json")], &body)
    };
    assert_eq!(order(1).status, 201);
    assert_eq!(order(1).header("idempotency-replayed"), Some("true"));
    assert_eq!(order(5).problem(), "id_conflict");
    shop.close();
}

#[test]
fn a_known_order_is_repeated_however_old_its_id_and_an_unknown_id_is_of_these_days() {
    let shop = Shop::open(Config::in_memory(), &[]);
    shop.stock("S", 50);
    let order = |id: OrderId| json!({"id": id.to_string(), "sku": "S", "quantity": 1});
    let known = order(OrderId::new(START, 1));
    assert_eq!(shop.send("POST", "/api/v1/orders", &[], &known).status, 201);
    let future = order(OrderId::new(START.plus_seconds(48 * 3600), 2));
    assert_eq!(shop.send("POST", "/api/v1/orders", &[], &future).problem(), "id_invalid");
    shop.clock.advance_seconds(25 * 3600);
    let again = shop.send("POST", "/api/v1/orders", &[], &known);
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")), "{}", again.text);
    let old = order(OrderId::new(START, 3));
    assert_eq!(shop.send("POST", "/api/v1/orders", &[], &old).problem(), "id_expired");
    shop.close();
}

#[test]
fn who_may_not_come_in_is_told_before_the_body_has_come() {
    let shop = Shop::open(Config::in_memory(), &["secret"]);
    let mut stream = TcpStream::connect(shop.address).unwrap();
    stream.write_all(b"POST /api/v1/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{").unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 401");
    drop(stream);
    shop.close();
}

#[test]
fn looking_at_wallets_brings_none_into_being() {
    let shop = Shop::open(Config::in_memory(), &[]);
    for n in 0..50 {
        let wallet = shop.send("GET", &format!("/api/v1/wallets/nobody-{n}"), &[], &Value::Null);
        assert_eq!((wallet.status, &wallet.json()["balance"]), (200, &Value::Null), "{}", wallet.text);
    }
    let count = |kind: &str| -> u64 {
        shop.engine
            .census()
            .iter()
            .flat_map(|census| census.read())
            .filter(|(name, _)| *name == kind)
            .map(|(_, n)| n)
            .sum()
    };
    assert_eq!(count("accounts"), 0);
    shop.close();
}
