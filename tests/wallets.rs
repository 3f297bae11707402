//! Wallets from outside: what moved them, told page by page.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/wire.rs"]
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use stockade::audit::audit;
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine};
use wire::Wire;

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// What a page tells, as `type amount`.
fn told(page: &Value) -> Vec<String> {
    let fact = |fact: &Value| {
        let amount = fact["amount"]["amount"].as_str().unwrap_or("-");
        format!("{} {amount}", fact["type"].as_str().unwrap())
    };
    page["items"].as_array().unwrap().iter().map(fact).collect()
}

#[test]
fn a_statement_tells_what_moved_a_wallet_newest_first_and_page_by_page() {
    let engine = Engine::open(Config::in_memory()).unwrap();
    let free = ([127, 0, 0, 1], 0).into();
    let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
    let server = Server::start(engine.clone(), options).unwrap();
    let mut wire = Wire::connect(server.addresses().0).unwrap();
    wire.send("PUT", "/api/v1/skus/A", &[], Some(&json!({"name": "A", "price": eur("3.00")}))).unwrap();
    wire.post("/api/v1/skus/A/receipts", &[], &json!({"quantity": 5})).unwrap();
    let credit = json!({"amount": eur("10.00"), "reference": "gift"});
    assert_eq!(wire.post("/api/v1/wallets/ann/credits", &[], &credit).unwrap().status, 201);
    let order = json!({"sku": "A", "quantity": 2, "customer": "ann", "payment": {"method": "wallet"}});
    let placed = wire.post("/api/v1/orders", &[], &order).unwrap();
    let cancel = format!("/api/v1/orders/{}/cancel", placed.body["id"].as_str().unwrap());
    assert_eq!(wire.post(&cancel, &[], &json!({})).unwrap().status, 200);

    let mut page = |query: &str| -> Value {
        let answer = wire.send("GET", &format!("/api/v1/wallets/ann/statement{query}"), &[], None).unwrap();
        assert_eq!(answer.status, 200);
        answer.body
    };
    let all = page("");
    assert_eq!(told(&all), ["refunded 6.00", "spent 6.00", "credited 10.00"]);
    assert_eq!(all["items"][2]["reason"], "gift");
    assert_eq!(all["items"][0]["payment"], all["items"][1]["payment"]);
    let first = page("?limit=2");
    assert_eq!(told(&first), ["refunded 6.00", "spent 6.00"]);
    let rest = page(&format!("?limit=2&cursor={}", first["next_cursor"].as_str().unwrap()));
    assert_eq!((told(&rest), &rest["next_cursor"]), (vec!["credited 10.00".to_owned()], &Value::Null));
    let nobody = wire.send("GET", "/api/v1/wallets/nobody/statement", &[], None).unwrap();
    assert_eq!(nobody.body["items"], json!([]));
    drop(wire);
    server.shutdown(std::time::Duration::from_secs(5));
    engine.close_blocking().unwrap();
}

#[test]
fn of_fifty_connections_that_spend_one_wallet_of_a_hundred_in_sevens_fourteen_are_served() {
    const CONNECTIONS: u64 = 50;
    for partitions in [1, 3] {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(Config::at(dir.path()).partitions(partitions)).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        let address = server.addresses().0;
        let mut wire = Wire::connect(address).unwrap();
        wire.send("PUT", "/api/v1/skus/SEVEN", &[], Some(&json!({"name": "Seven", "price": eur("7.00")}))).unwrap();
        wire.post("/api/v1/skus/SEVEN/receipts", &[], &json!({"quantity": 1_000})).unwrap();
        wire.post("/api/v1/wallets/ann/credits", &[], &json!({"amount": eur("100.00")})).unwrap();

        let (served, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut wire = Wire::connect(address).unwrap();
                    let order =
                        json!({"sku": "SEVEN", "quantity": 1, "customer": "ann", "payment": {"method": "wallet"}});
                    for _ in 0..2 {
                        let answer = wire.post("/api/v1/orders", &[], &order).unwrap();
                        match (answer.status, answer.body["code"].as_str()) {
                            (201, None) => served.fetch_add(1, Ordering::Relaxed),
                            (402, Some("insufficient_balance")) => refused.fetch_add(1, Ordering::Relaxed),
                            _ => panic!("{}: {}", answer.status, answer.body),
                        };
                    }
                });
            }
        });
        assert_eq!((served.into_inner(), refused.into_inner()), (14, 2 * CONNECTIONS - 14), "with {partitions}");
        let wallet = wire.get("/api/v1/wallets/ann").unwrap().body;
        assert_eq!((&wallet["balance"], &wallet["held"]), (&eur("2.00"), &eur("0.00")));
        let stock = wire.get("/api/v1/skus/SEVEN/stock").unwrap().body;
        assert_eq!((stock["available"].as_u64(), stock["held"].as_u64()), (Some(986), Some(0)));
        drop(wire);
        server.shutdown(std::time::Duration::from_secs(5));
        engine.close_blocking().unwrap();
        drop(engine);
        let report = audit(dir.path(), |_, _| {}).unwrap();
        assert!(report.is_clean(), "{:#?}", report.faults);
    }
}
