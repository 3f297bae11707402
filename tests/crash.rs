//! Nothing acknowledged is lost: a real server is killed with SIGKILL under load, again and again.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/process.rs"]
mod process;
#[path = "support/wire.rs"]
mod wire;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use process::ServerProcess;
use serde_json::{Value, json};
use wire::Wire;

const SKUS: u64 = 20;
const STOCK: u64 = 1_000_000;
const CLIENTS: u64 = 4;

/// An order that somebody asked for.
#[derive(Clone)]
struct Asked {
    key: String,
    body: Value,
    /// Its id, if the server acknowledged it.
    acknowledged: Option<String>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn fill(server: &ServerProcess) {
    let mut wire = Wire::connect(server.address).expect("connects");
    for n in 0..SKUS {
        let sku = json!({"name": format!("sku {n}"), "price": {"amount": "2.50", "currency": "EUR"}});
        let put = wire.send("PUT", &format!("/api/v1/skus/S{n}"), &[], Some(&sku)).expect("answers");
        assert_eq!(put.status, 201, "{}", put.body);
        let receipt =
            wire.post(&format!("/api/v1/skus/S{n}/receipts"), &[], &json!({"quantity": STOCK})).expect("answers");
        assert_eq!(receipt.status, 201, "{}", receipt.body);
    }
}

/// Orders from several clients until the server is gone; it is killed after `acknowledged_max` answers.
fn load_and_kill(server: ServerProcess, round: u64, acknowledged_max: u64) -> Vec<Asked> {
    let (asked, count, over) = (Mutex::new(Vec::new()), AtomicU64::new(0), AtomicBool::new(false));
    let address = server.address;
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (asked, count, over) = (&asked, &count, &over);
            scope.spawn(move || {
                let mut random = Random(round * 1000 + client + 1);
                let mut wire = Wire::connect(address).expect("connects");
                for n in 0.. {
                    let key = format!("k-{round}-{client}-{n}");
                    let lines: Vec<Value> = (0..1 + random.below(3))
                        .map(|_| json!({"sku": format!("S{}", random.below(SKUS)), "quantity": 1 + random.below(3)}))
                        .collect();
                    let mut body = json!({"customer": format!("c{client}"), "lines": lines});
                    if n % 2 == 0 {
                        body["payment"] = json!({"method": "external", "reference": key});
                    }
                    let answer = wire.post("/api/v1/orders", &[("idempotency-key", &key)], &body);
                    let acknowledged = answer.as_ref().ok().map(|answer| {
                        assert_eq!(answer.status, 201, "{}", answer.body);
                        answer.body["id"].as_str().expect("an id").to_owned()
                    });
                    let lost = acknowledged.is_none();
                    asked.lock().expect("no panic").push(Asked { key, body, acknowledged });
                    if lost {
                        return;
                    }
                    if count.fetch_add(1, Ordering::Relaxed) + 1 >= acknowledged_max {
                        over.store(true, Ordering::Release);
                    }
                }
            });
        }
        while !over.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        server.kill();
    });
    asked.into_inner().expect("no panic")
}

/// Every acknowledged order is whole, and its key still answers it; a lost one is placed now, or was placed whole.
fn check(server: &ServerProcess, asked: &mut [Asked]) {
    let mut wire = Wire::connect(server.address).expect("connects");
    for order in asked {
        let again = wire.post("/api/v1/orders", &[("idempotency-key", &order.key)], &order.body).expect("answers");
        assert_eq!(again.status, 201, "{}", again.body);
        let id = again.body["id"].as_str().expect("an id").to_owned();
        if let Some(acknowledged) = &order.acknowledged {
            assert_eq!(&id, acknowledged, "the key answers what it made");
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
        }
        let read = wire.get(&format!("/api/v1/orders/{id}")).expect("answers");
        assert_eq!(read.status, 200, "{}", read.body);
        let wanted = order.body["lines"].as_array().expect("lines");
        let found = read.body["lines"].as_array().expect("lines");
        assert_eq!(wanted.len(), found.len(), "an order is whole");
        for (wanted, found) in wanted.iter().zip(found) {
            assert_eq!((&wanted["sku"], &wanted["quantity"]), (&found["sku"], &found["quantity"]));
        }
        let status = if order.body.get("payment").is_some() { "paid" } else { "awaiting_payment" };
        assert_eq!(read.body["status"], status);
        order.acknowledged = Some(id);
    }
}

/// Every unit of the stock is in exactly one order, or free.
fn check_stock(server: &ServerProcess, asked: &[Asked]) {
    let mut wire = Wire::connect(server.address).expect("connects");
    for n in 0..SKUS {
        let sku = format!("S{n}");
        let lines = asked.iter().flat_map(|order| order.body["lines"].as_array().expect("lines"));
        let sold: u64 = lines
            .filter(|line| line["sku"] == sku.as_str())
            .map(|line| line["quantity"].as_u64().expect("units"))
            .sum();
        let stock = wire.get(&format!("/api/v1/skus/{sku}/stock")).expect("answers").body;
        assert_eq!(stock["available"], STOCK - sold, "{stock}");
        assert_eq!(stock["on_hand"], STOCK);
    }
}

fn audit(data: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_stockade"))
        .args(["audit", "--json", "--data"])
        .arg(data)
        .output()
        .expect("the audit runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn kill_again_and_again(rounds: u64) {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("data");
    let first = ServerProcess::start(&data, |command| command);
    fill(&first);
    first.stop();
    let mut all: Vec<Asked> = Vec::new();
    let mut random = Random(0x5EED);
    for round in 0..rounds {
        let server = ServerProcess::start(&data, |command| command);
        let mut asked = load_and_kill(server, round, 1 + random.below(300));
        assert!(asked.iter().any(|order| order.acknowledged.is_some()), "orders were acknowledged before the kill");
        audit(&data);
        let server = ServerProcess::start(&data, |command| command);
        check(&server, &mut asked);
        all.extend(asked);
        check_stock(&server, &all);
        server.kill();
    }
    audit(&data);
    let server = ServerProcess::start(&data, |command| command);
    check(&server, &mut all);
    server.stop();
    audit(&data);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_a_dozen_times() {
    kill_again_and_again(12);
}

#[test]
#[ignore = "long: fifty kills; run by .ci/run"]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_fifty_times() {
    kill_again_and_again(50);
}
