//! Scarce goods over HTTP: kits, announcements and pre-orders, waiting lists, lotteries, sourcing, transfers; and what
//! an engine wrote about them is clean to an auditor.

#[path = "support/ask.rs"]
mod ask;

use std::net::SocketAddr;
use std::path::Path;

use ask::{Told, ask};
use serde_json::{Value, json};
use stockade::audit::audit;
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, Location, ManualClock, OrderId, Timestamp};
use stockade_domain::name::Region;
use stockade_domain::stock::Lottery;

const START: Timestamp = Timestamp(1_800_000_000_000_000);

struct Shop {
    engine: Engine,
    server: Server,
    address: SocketAddr,
    clock: ManualClock,
}

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

fn paid(mut order: Value) -> Value {
    order["payment"] = json!({"method": "external"});
    order
}

impl Shop {
    fn open(dir: &Path, partitions: usize) -> Self {
        Self::at(dir, partitions, ManualClock::at(START))
    }

    fn at(dir: &Path, partitions: usize, clock: ManualClock) -> Self {
        let (region, near) = (Region::new("highlands").unwrap(), Location::new("north").unwrap());
        let config = Config::at(dir).partitions(partitions).clock(clock.clone()).distance(region, near, 5);
        let engine = Engine::open(config).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        let address = server.addresses().0;
        Self { engine, server, address, clock }
    }

    fn close(self) -> ManualClock {
        self.server.shutdown(std::time::Duration::from_secs(5));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.engine.close()).unwrap();
        self.clock
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Told {
        ask(self.address, method, &format!("/api/v1{path}"), &[("content-type", "application/json")], &body.to_string())
    }

    /// Asserts that it is accepted.
    fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let told = self.send(method, path, &body);
        assert!(told.status < 300, "{method} {path} {body}: {} {}", told.status, told.text);
        told.json()
    }

    /// Asserts that it is refused, and says why.
    fn refused(&self, method: &str, path: &str, body: Value) -> String {
        self.send(method, path, &body).problem()
    }

    fn get(&self, path: &str) -> Value {
        ask(self.address, "GET", &format!("/api/v1{path}"), &[], "").json()
    }

    fn define(&self, sku: &str, more: Value) -> Value {
        let mut body = json!({"name": sku, "price": eur("10.00")});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.done("PUT", &format!("/skus/{sku}"), body)
    }

    fn receive(&self, sku: &str, body: Value) {
        self.done("POST", &format!("/skus/{sku}/receipts"), body);
    }

    fn order(&self, order: Value) -> String {
        self.done("POST", "/orders", order)["id"].as_str().unwrap().to_owned()
    }

    /// Waits for news between partitions; the engine's own clock stands still.
    fn until(&self, id: &str, status: &str) -> Value {
        let mut order = Value::Null;
        for _ in 0..2_000 {
            order = self.get(&format!("/orders/{id}"));
            if order["status"] == status {
                return order;
            }
            std::thread::yield_now();
        }
        panic!("{id} never is {status}: {order}");
    }

    fn stock(&self, sku: &str, member: &str) -> Value {
        self.get(&format!("/skus/{sku}/stock"))[member].clone()
    }
}

fn clean(dir: &Path) {
    let report = audit(dir, |_, _| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.faults);
}

#[test]
fn a_kit_shares_its_components_with_single_sales_and_is_known_again_after_a_restart() {
    for partitions in 1..=2 {
        let dir = tempfile::tempdir().unwrap();
        let shop = Shop::open(dir.path(), partitions);
        for sku in ["cup", "plate"] {
            shop.define(sku, json!({}));
            shop.receive(sku, json!({"quantity": 10}));
        }
        let set = json!({"kit": [{"sku": "cup", "quantity": 2}, {"sku": "plate", "quantity": 1}]});
        let shown = shop.define("set", set.clone());
        assert_eq!(shown["kit"], set["kit"]);
        assert_eq!(shop.stock("set", "available"), 5);
        for wrong in [
            json!({"kit": [{"sku": "ghost", "quantity": 1}]}),
            json!({"kit": [{"sku": "set", "quantity": 1}]}),
            json!({"kit": [["cup", 1]]}),
            json!({"kit": []}),
            json!({"kit": [{"sku": "cup", "quantity": 1}], "limit_per_customer": 1}),
        ] {
            let mut body = json!({"name": "x", "price": eur("1.00")});
            body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            assert_eq!(shop.refused("PUT", "/skus/other", body), "body_invalid", "{wrong}");
        }
        let order = shop.order(paid(json!({"lines": [{"sku": "set", "quantity": 3}, {"sku": "cup", "quantity": 1}]})));
        assert_eq!(shop.until(&order, "paid")["totals"]["total"], eur("40.00"));
        assert_eq!((shop.stock("cup", "available"), shop.stock("set", "available")), (json!(3), json!(1)));
        let problem = shop.send("POST", "/orders", &json!({"sku": "set", "quantity": 2})).json();
        assert_eq!((&problem["code"], &problem["items"][0]["sku"]), (&json!("stock_exhausted"), &json!("cup")));
        shop.done("POST", &format!("/orders/{order}/ship"), json!({"lines": [{"line": 0, "quantity": 2}]}));
        let clock = shop.close();
        let shop = Shop::at(dir.path(), partitions, clock);
        let again = shop.order(paid(json!({"sku": "set", "quantity": 1})));
        shop.done("POST", &format!("/orders/{again}/cancel"), json!({}));
        shop.done("POST", &format!("/orders/{order}/returns"), json!({"lines": [{"line": 0, "quantity": 1}]}));
        shop.close();
        clean(dir.path());
    }
}

#[test]
fn a_preorder_is_promised_what_is_announced_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(dir.path(), 1);
    shop.define("game", json!({"preorder": true, "backorder": {"max": 1000}}));
    let announced = json!({"quantity": 5, "available_from": "2027-06-01T00:00:00Z", "reference": "ship-1"});
    let stock = shop.done("POST", "/skus/game/announcements", announced);
    assert_eq!((&stock["incoming"], &stock["announcements"][0]["reference"]), (&json!(5), &json!("ship-1")));
    let wants = |quantity: u64| paid(json!({"sku": "game", "quantity": quantity, "allow_backorder": true}));
    let (first, second) = (shop.order(wants(3)), shop.order(wants(2)));
    assert_eq!(shop.stock("game", "promised"), 5);
    assert_eq!(shop.refused("POST", "/orders", wants(1)), "stock_exhausted");
    shop.done("POST", "/skus/game/withdrawals", json!({"quantity": 1, "reference": "ship-1"}));
    assert_eq!(shop.refused("POST", "/skus/game/withdrawals", json!({"quantity": 9})), "body_invalid");
    let movements = shop.get("/skus/game/movements");
    let (risk, broken) = (&movements["items"][0], &movements["items"][1]);
    assert_eq!(
        (&risk["type"], &risk["backordered"], &risk["incoming"]),
        (&json!("oversold_risk"), &json!(5), &json!(4))
    );
    assert_eq!(
        (&broken["type"], &broken["order"], &broken["quantity"]),
        (&json!("unpromised"), &json!(second), &json!(1))
    );
    shop.receive("game", json!({"quantity": 4}));
    shop.until(&first, "paid");
    assert_eq!(shop.until(&second, "paid")["lines"][0]["backordered"], 1, "the newest goes short");
    shop.close();
    clean(dir.path());
}

#[test]
fn a_waiting_list_offers_a_freed_hold_to_the_next_in_line() {
    for partitions in 1..=2 {
        let dir = tempfile::tempdir().unwrap();
        let shop = Shop::open(dir.path(), partitions);
        let rule = json!({"rule": "waiting_list", "offer_seconds": 600});
        assert_eq!(shop.define("shoe", json!({"admission": rule}))["admission"], rule);
        shop.receive("shoe", json!({"quantity": 1}));
        let [first, second] =
            ["ann", "bob"].map(|name| shop.order(json!({"sku": "shoe", "quantity": 1, "customer": name})));
        assert_eq!(shop.until(&second, "waiting")["hold_expires_at"], Value::Null);
        assert_eq!(shop.get("/orders?status=waiting")["items"].as_array().map(Vec::len), Some(1));
        let pay = json!({"payment": {"method": "external"}});
        assert_eq!(shop.refused("POST", &format!("/orders/{second}/pay"), pay.clone()), "order_state_invalid");
        shop.done("POST", &format!("/orders/{first}/cancel"), json!({}));
        shop.until(&second, "awaiting_payment");
        assert_eq!(shop.done("POST", &format!("/orders/{second}/pay"), pay)["status"], "paid");
        shop.close();
        clean(dir.path());
    }
}

#[test]
fn a_lottery_is_drawn_by_the_seed_that_was_committed_to_and_anybody_can_draw_again() {
    for partitions in 1..=2 {
        let dir = tempfile::tempdir().unwrap();
        let shop = Shop::open(dir.path(), partitions);
        let seed = [11; 32];
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let rule = json!({
            "rule": "lottery",
            "opens_at": "2027-01-01T00:00:00Z",
            "closes_at": "2027-01-20T00:00:00Z",
            "seed_commitment": hex(Lottery::commitment_to(&seed)),
            "losers": "refuse",
        });
        shop.define("shoe", json!({"admission": rule}));
        shop.receive("shoe", json!({"quantity": 3}));
        let entries: Vec<String> = (0..9).map(|_| shop.order(json!({"sku": "shoe", "quantity": 1}))).collect();
        entries.iter().for_each(|id| drop(shop.until(id, "waiting")));
        assert_eq!(shop.refused("POST", "/skus/shoe/draw", json!({"seed": hex(seed)})), "order_state_invalid");
        shop.clock.advance_seconds(10 * 86_400);
        assert_eq!(shop.refused("POST", "/skus/shoe/draw", json!({"seed": hex([12; 32])})), "body_invalid");
        assert_eq!(shop.refused("POST", "/skus/shoe/draw", json!({"seed": "xyz"})), "body_invalid");
        shop.done("POST", "/skus/shoe/draw", json!({"seed": hex(seed)}));
        let movements = shop.get("/skus/shoe/movements?limit=200");
        let revealed = movements["items"].as_array().unwrap().iter().find(|row| row["type"] == "drawn").unwrap();
        assert_eq!(revealed["reason"], format!("seed {}", hex(seed)), "the journal says by which seed");
        let mut drawn: Vec<OrderId> = entries.iter().map(|id| OrderId::parse(id).unwrap()).collect();
        drawn.sort_by_key(|id| *blake3::keyed_hash(&seed, &id.to_bytes()).as_bytes());
        for (place, id) in drawn.iter().enumerate() {
            shop.until(&id.to_string(), if place < 3 { "awaiting_payment" } else { "cancelled" });
        }
        shop.close();
        clean(dir.path());
    }
}

#[test]
fn a_restock_is_shared_pro_rata_and_the_auditor_finds_it_fair() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(dir.path(), 1);
    shop.define("flour", json!({"backorder": {"max": 1000}, "admission": {"rule": "pro_rata"}}));
    let wants =
        |quantity: u64| shop.order(paid(json!({"sku": "flour", "quantity": quantity, "allow_backorder": true})));
    let orders = [60, 30, 10].map(wants);
    shop.receive("flour", json!({"quantity": 11}));
    let got = orders.map(|id| shop.get(&format!("/orders/{id}"))["lines"][0]["allocated"].as_u64().unwrap());
    assert_eq!(got, [7, 3, 1]);
    shop.close();
    clean(dir.path());
}

#[test]
fn goods_come_from_the_nearest_location_and_travel_between_locations_with_what_is_lost_on_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(dir.path(), 1);
    shop.define("mug", json!({"sourcing": {"strategy": "nearest"}}));
    for location in ["main", "north"] {
        shop.receive("mug", json!({"quantity": 5, "location": location}));
    }
    let context = json!({"region": "highlands", "channel": "web", "tier": "gold", "weather": ["rain"]});
    shop.order(json!({"sku": "mug", "quantity": 2, "context": context}));
    let held = |shop: &Shop| {
        let locations = shop.stock("mug", "locations");
        let held = locations.as_array().unwrap().iter().map(|row| row["held"].as_u64().unwrap());
        held.collect::<Vec<_>>()
    };
    assert_eq!(held(&shop), [0, 2]);
    shop.order(json!({"sku": "mug", "quantity": 1, "context": {"sourcing": "most_stock"}}));
    assert_eq!(held(&shop), [1, 2]);
    let wrong = json!({"sku": "mug", "quantity": 1, "context": {"sourcing": "cheapest"}});
    assert_eq!(shop.refused("POST", "/orders", wrong), "body_invalid");
    let sent = json!({"from_location": "main", "to_location": "north", "quantity": 3, "in_transit": true});
    assert_eq!(shop.done("POST", "/skus/mug/transfers", sent)["in_transit"], 3);
    shop.done("POST", "/skus/mug/arrivals", json!({"quantity": 2, "location": "north"}));
    let stock = shop.done("POST", "/skus/mug/losses", json!({"quantity": 1}));
    assert_eq!((&stock["in_transit"], &stock["lost"], &stock["on_hand"]), (&json!(0), &json!(1), &json!(9)));
    assert_eq!(shop.refused("POST", "/skus/mug/losses", json!({"quantity": 1})), "body_invalid");
    shop.done("POST", "/skus/mug/reclassifications", json!({"from": "free", "to": "damaged", "quantity": 1}));
    let stock =
        shop.done("POST", "/skus/mug/write-offs", json!({"from": "damaged", "quantity": 1, "reason": "broken"}));
    assert_eq!((&stock["on_hand"], &stock["unavailable"]["damaged"]), (&json!(8), &json!(0)));
    // Units without a lot are told apart by their date; the auditor must do the same.
    shop.receive("mug", json!({"quantity": 1, "expires_at": "2030-01-01T00:00:00Z"}));
    shop.close();
    clean(dir.path());
}

#[test]
fn a_limit_counts_unpaid_holds_over_all_orders_of_a_customer_or_a_guests_key() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(dir.path(), 2);
    shop.define("toy", json!({"limit_per_customer": 3}));
    shop.receive("toy", json!({"quantity": 100}));
    let order = |quantity: u64, who: Value| {
        let mut body = json!({"sku": "toy", "quantity": quantity});
        body.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        body
    };
    assert_eq!(shop.refused("POST", "/orders", order(1, json!({}))), "customer_required");
    for who in [json!({"customer": "ann"}), json!({"purchaser_key": "device-7"})] {
        let held = shop.order(order(2, who.clone()));
        assert_eq!(shop.refused("POST", "/orders", order(2, who.clone())), "limit_exceeded", "two are held");
        shop.order(paid(order(1, who.clone())));
        assert_eq!(shop.refused("POST", "/orders", order(1, who.clone())), "limit_exceeded");
        shop.done("POST", &format!("/orders/{held}/cancel"), json!({}));
        shop.order(order(2, who));
    }
    shop.close();
    clean(dir.path());
}

#[test]
fn a_rule_of_admission_is_refused_by_name_when_it_makes_no_sense() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::open(dir.path(), 1);
    for rule in [
        json!({"rule": "auction"}),
        json!({"rule": "waiting_list"}),
        json!({"rule": "waiting_list", "offer_seconds": 0}),
        json!({"rule": "pro_rata", "offer_seconds": 5}),
        json!({"rule": "fifo", "losers": "wait"}),
        json!({"rule": "lottery", "opens_at": "2027-01-01T00:00:00Z"}),
        json!({
            "rule": "lottery",
            "opens_at": "2027-01-02T00:00:00Z",
            "closes_at": "2027-01-01T00:00:00Z",
            "seed_commitment": "00".repeat(32),
        }),
        json!(["fifo"]),
        json!("fifo"),
    ] {
        let body = json!({"name": "x", "price": eur("1.00"), "admission": rule});
        assert_eq!(shop.refused("PUT", "/skus/x", body), "body_invalid", "{rule}");
    }
    assert_eq!(shop.define("x", json!({"admission": {"rule": "fifo"}}))["admission"], json!({"rule": "fifo"}));
    shop.close();
}
