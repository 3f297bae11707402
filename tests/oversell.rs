//! No oversell over HTTP: many connections, few units, exact counts.

#[path = "support/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine};
use wire::Wire;

struct Shop {
    _place: tempfile::TempDir,
    engine: Engine,
    server: Server,
    address: SocketAddr,
}

impl Shop {
    fn open() -> Self {
        let place = tempfile::tempdir().unwrap();
        let engine = Engine::open(Config::at(place.path().join("data"))).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        let address = server.addresses().0;
        Self { _place: place, engine, server, address }
    }

    fn stock(&self, sku: &str, units: u64) {
        let mut wire = Wire::connect(self.address).unwrap();
        let body = json!({"name": sku, "price": {"amount": "1.00", "currency": "EUR"}});
        assert_eq!(wire.send("PUT", &format!("/api/v1/skus/{sku}"), &[], Some(&body)).unwrap().status, 201);
        let receipt = wire.post(&format!("/api/v1/skus/{sku}/receipts"), &[], &json!({"quantity": units})).unwrap();
        assert_eq!(receipt.status, 201, "{}", receipt.body);
    }

    fn available(&self, sku: &str) -> u64 {
        let mut wire = Wire::connect(self.address).unwrap();
        let stock = wire.get(&format!("/api/v1/skus/{sku}/stock")).unwrap().body;
        stock["available"].as_u64().expect("never negative")
    }

    fn close(self) {
        self.server.shutdown(Duration::from_secs(5));
        self.engine.close_blocking().unwrap();
    }
}

fn sell_out(attempts: i64, connections: usize, units: u64) {
    let shop = Shop::open();
    shop.stock("HOT", units);
    let (left, accepted, refused) = (AtomicI64::new(attempts), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut wire = Wire::connect(shop.address).unwrap();
                let body = json!({"sku": "HOT", "quantity": 1, "payment": {"method": "external"}});
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    let answer = wire.post("/api/v1/orders", &[], &body).unwrap();
                    match answer.status {
                        201 => accepted.fetch_add(1, Ordering::Relaxed),
                        409 => {
                            assert_eq!(answer.body["code"], "stock_exhausted");
                            assert_eq!(answer.body["items"][0]["available"], 0);
                            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        status => panic!("{status}: {}", answer.body),
                    };
                }
            });
        }
    });
    assert_eq!(accepted.into_inner(), units);
    assert_eq!(refused.into_inner(), attempts as u64 - units);
    assert_eq!(shop.available("HOT"), 0);
    shop.close();
}

#[test]
fn of_two_thousand_attempts_on_a_hundred_units_exactly_a_hundred_are_accepted() {
    sell_out(2_000, 64, 100);
}

#[test]
fn of_twenty_thousand_attempts_on_a_thousand_units_exactly_a_thousand_are_accepted() {
    sell_out(20_000, 64, 1_000);
}

#[test]
fn five_line_orders_sell_fifty_skus_until_nothing_can_be_sold_and_every_unit_is_accounted_for() {
    const SKUS: u64 = 50;
    const UNITS: u64 = 40;
    let shop = Shop::open();
    (0..SKUS).for_each(|n| shop.stock(&format!("S{n}"), UNITS));
    let sold: Vec<AtomicU64> = (0..SKUS).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for client in 0..8u64 {
            let (shop, sold) = (&shop, &sold);
            scope.spawn(move || {
                let mut seed = client * 7919 + 1;
                let mut wire = Wire::connect(shop.address).unwrap();
                let mut open: Vec<u64> = (0..SKUS).collect();
                // An order of five different SKUs; a SKU that was refused as sold out is not asked for again.
                while open.len() >= 5 {
                    let mut chosen = Vec::new();
                    while chosen.len() < 5 {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        let sku = open[(seed >> 33) as usize % open.len()];
                        if !chosen.contains(&sku) {
                            chosen.push(sku);
                        }
                    }
                    let lines: Vec<Value> =
                        chosen.iter().map(|n| json!({"sku": format!("S{n}"), "quantity": 1})).collect();
                    let answer = wire.post("/api/v1/orders", &[], &json!({"lines": lines})).unwrap();
                    match answer.status {
                        201 => chosen.iter().for_each(|n| {
                            sold[*n as usize].fetch_add(1, Ordering::Relaxed);
                        }),
                        409 => {
                            let items = answer.body["items"].as_array().expect("the SKUs that were short");
                            assert!(!items.is_empty(), "a refusal names what was short: {}", answer.body);
                            for item in items {
                                assert_eq!(item["available"], 0, "an order that could be filled is not refused");
                                open.retain(|n| item["sku"] != format!("S{n}").as_str());
                            }
                        }
                        status => panic!("{status}: {}", answer.body),
                    }
                }
            });
        }
    });
    for (n, sold) in sold.into_iter().enumerate() {
        assert_eq!(sold.into_inner() + shop.available(&format!("S{n}")), UNITS, "S{n}");
    }
    shop.close();
}
