//! Requests that are slow, refused, or done and never answered: with its key a client finds what it made.

use std::time::Duration;

use serde_json::{Value, json};
use stockade::chaos::{Delay, Fault, FaultSpec, HttpFault, Selector};
use stockade::http::{Server, ServerOptions};

use super::shop::Shop;
use crate::wire::{Answer, Wire};

struct Site {
    shop: Shop,
    server: Server,
}

impl Site {
    fn open() -> Self {
        let shop = Shop::open(2);
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
        let server = Server::start(shop.engine.clone(), options).unwrap();
        Self { shop, server }
    }

    fn order(&self, key: &str) -> std::io::Result<Answer> {
        let mut wire = Wire::connect(self.server.addresses().0).unwrap();
        let body: Value = json!({"sku": "a", "quantity": 1, "payment": {"method": "external"}});
        wire.post("/api/v1/orders", &[("idempotency-key", key)], &body)
    }

    fn arm(&self, fault: HttpFault, key: Option<&str>) {
        let operation = Some("orders".into());
        let select = Selector { operation, key: key.map(str::to_owned), count: Some(1), ..Selector::default() };
        self.shop.arm([FaultSpec { fault: Fault::Http(fault), select }]);
    }

    fn end(self) {
        self.server.shutdown(Duration::from_secs(5));
        self.shop.end();
    }
}

#[test]
fn a_lost_answer_is_found_by_its_key() {
    let site = Site::open();
    site.arm(HttpFault::LostReply, None);
    assert!(site.order("k").is_err(), "the connection ends without an answer");
    assert_eq!(site.shop.fired("lost_reply"), 1);
    let found = site.order("k").unwrap();
    assert_eq!((found.status, found.header("idempotency-replayed")), (201, Some("true")));
    site.shop.disarm();
    assert_eq!(site.shop.allocated("a"), 2, "one order, and that of the check");
    site.end();
}

#[test]
fn a_refused_request_does_nothing() {
    let site = Site::open();
    site.arm(HttpFault::Refuse, Some("/api/v1/*"));
    let refused = site.order("k").unwrap();
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("overloaded")));
    let placed = site.order("k").unwrap();
    assert_eq!((placed.status, placed.header("idempotency-replayed")), (201, None));
    assert_eq!(site.shop.fired("refuse"), 1);
    site.shop.disarm();
    assert_eq!(site.shop.allocated("a"), 2);
    site.end();
}

#[test]
fn a_slow_request_is_answered_at_the_latest_when_its_fault_is_disarmed() {
    let site = Site::open();
    site.arm(HttpFault::Slow(Delay::fixed(10)), None);
    let begun = std::time::Instant::now();
    assert_eq!(site.order("k").unwrap().status, 201);
    assert!(begun.elapsed() >= Duration::from_millis(10));
    site.arm(HttpFault::Slow(Delay::fixed(600_000)), None);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.order("l").unwrap().status);
        while site.shop.engine.switchboard().held_back() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(site.shop.allocated("a"), 1, "it has not come in");
        site.shop.engine.switchboard().disarm();
        assert_eq!(slow.join().unwrap(), 201);
    });
    site.shop.disarm();
    assert_eq!(site.shop.fired("slow"), 2);
    site.end();
}
