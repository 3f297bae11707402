//! A marketplace over HTTP: offers, bids, lines that take from sellers.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/wire.rs"]
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, ManualClock, Timestamp};
use tempfile::TempDir;
use wire::{Answer, Wire};

const START: Timestamp = Timestamp(1_790_000_000_000_000);

struct Shop {
    engine: Engine,
    server: Server,
    address: SocketAddr,
    home: Arc<TempDir>,
}

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

impl Shop {
    fn open() -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), |config| config)
    }

    fn at(home: Arc<TempDir>, with: impl FnOnce(Config) -> Config) -> Self {
        let engine = Engine::open(with(Config::at(home.path().join("shop")))).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        let address = server.addresses().0;
        Self { engine, server, address, home }
    }

    fn define(&self, sku: &str, price: &str, units: u64) {
        let body = json!({"name": sku, "price": eur(price)});
        assert!(self.send("PUT", &format!("/skus/{sku}"), &[], &body).status < 300);
        if units > 0 {
            assert_eq!(self.post(&format!("/skus/{sku}/receipts"), &json!({"quantity": units})).status, 201);
        }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let body = if body.is_null() { None } else { Some(body) };
        Wire::connect(self.address).unwrap().send(method, &format!("/api/v1{path}"), headers, body).unwrap()
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, &[], &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], body)
    }

    fn offer(&self, seller: &str, quantity: u64, price: &str) -> Value {
        let body = json!({"seller": seller, "quantity": quantity, "unit_price": eur(price)});
        let answer = self.post("/skus/MUG/offers", &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body
    }

    fn bid(&self, customer: &str, quantity: u64, price: &str) -> Answer {
        let payments = json!([{"method": "wallet"}]);
        let body = json!({"customer": customer, "quantity": quantity, "limit_price": eur(price), "payments": payments});
        self.post("/skus/MUG/bids", &body)
    }

    fn read_offer(&self, offer: &Value) -> Value {
        self.get(&format!("/skus/MUG/offers/{}", text(offer, "id")))
    }

    fn close(self) {
        let Self { engine, server, home, .. } = self;
        server.shutdown(Duration::from_secs(5));
        engine.close_blocking().unwrap();
        drop(engine);
        let report = stockade::audit::audit(&home.path().join("shop"), |_, _| ()).unwrap();
        assert!(report.is_clean(), "{:#?}", report.faults);
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} in {value}"))
}

/// Units of an offer or bid by state; they add up to its quantity.
fn units(party: &Value) -> [u64; 5] {
    let units = ["open", "held", "allocated", "sold", "withdrawn"].map(|state| party[state].as_u64().unwrap());
    assert_eq!(Some(units.iter().sum()), party["quantity"].as_u64(), "{party}");
    units
}

fn levels(book: &Value, side: &str) -> Vec<(String, u64, u64)> {
    let level = |level: &Value| {
        let (quantity, orders) = (level["quantity"].as_u64().unwrap(), level["orders"].as_u64().unwrap());
        (text(&level["price"], "amount").to_owned(), quantity, orders)
    };
    book[side].as_array().unwrap().iter().map(level).collect()
}

#[test]
fn a_marketplace_from_its_first_offer_to_the_last_parcel() {
    let shop = Shop::open();
    shop.define("MUG", "10.00", 2);
    let bob = shop.offer("bob", 3, "9.00");
    let eve = shop.offer("eve", 3, "12.50");
    assert_eq!((text(&bob, "status"), units(&bob)), ("open", [3, 0, 0, 0, 0]));
    let book = shop.get("/skus/MUG/book");
    assert_eq!(levels(&book, "offers"), [("9.00".into(), 3, 1), ("12.50".into(), 3, 1)]);
    assert_eq!(book["house"], json!({"price": eur("10.00"), "available": 2}));
    assert_eq!((&book["best_offer"], &book["best_bid"]), (&eur("9.00"), &Value::Null));
    assert_eq!(shop.get("/skus/MUG/stock")["offered"], 6);

    let lines = json!([
        {"sku": "MUG", "quantity": 4, "seller": "any", "max_unit_price": eur("11.00")},
        {"sku": "MUG", "quantity": 1, "seller": "eve"},
    ]);
    let order = json!({"lines": lines, "customer": "ann", "payment": {"method": "external", "reference": "r"}});
    let placed = shop.post("/orders", &order);
    assert_eq!(placed.status, 201, "{}", placed.body);
    let line = |line: &Value| {
        let price = text(&line["unit_price"], "amount").to_owned();
        (line["quantity"].as_u64().unwrap(), price, line["seller"].as_str().map(str::to_owned))
    };
    let lines: Vec<_> = placed.body["lines"].as_array().unwrap().iter().map(line).collect();
    let expected =
        [(3, "9.00".into(), Some("bob".into())), (1, "10.00".into(), None), (1, "12.50".into(), Some("eve".into()))];
    assert_eq!(lines, expected);
    assert_eq!(placed.body["totals"]["total"], eur("49.50"));
    assert_eq!(units(&shop.read_offer(&bob)), [0, 0, 3, 0, 0]);
    let id = text(&placed.body, "id").to_owned();
    let some = json!({"lines": [{"line": 0, "quantity": 2}]});
    assert_eq!(shop.post(&format!("/orders/{id}/ship"), &some).status, 200);
    assert_eq!(units(&shop.read_offer(&bob)), [0, 0, 1, 2, 0]);
    assert_eq!(shop.post(&format!("/orders/{id}/cancel"), &json!({"lines": [{"line": 2}]})).status, 200);
    assert_eq!(units(&shop.read_offer(&eve)), [3, 0, 0, 0, 0], "cancelled units are for sale again");
    let gone = shop.send("DELETE", &format!("/skus/MUG/offers/{}", text(&eve, "id")), &[], &Value::Null);
    assert_eq!((gone.status, text(&gone.body, "status"), units(&gone.body)), (200, "closed", [0, 0, 0, 0, 3]));
    assert!(shop.get("/skus/MUG/book")["offers"].as_array().unwrap().is_empty());
    shop.close();
}

#[test]
fn sellers_are_owed_what_was_shipped_less_the_commission_and_paid_out_once() {
    let shop = Shop::open();
    let market = json!({"commission_bps": 1250});
    let body = json!({"name": "MUG", "price": eur("10.00"), "market": market});
    let defined = shop.send("PUT", "/skus/MUG", &[], &body);
    assert_eq!((defined.status, &defined.body["market"]["commission_bps"]), (201, &json!(1250)), "{}", defined.body);
    let body = json!({"name": "MUG", "price": eur("10.00"), "market": {"commission_bps": 10_001}});
    assert_eq!(shop.send("PUT", "/skus/MUG", &[], &body).status, 400);
    shop.offer("bob", 3, "3.3333");
    let line = json!({"sku": "MUG", "quantity": 3, "seller": "bob"});
    let order = json!({"lines": [line], "payment": {"method": "external", "reference": "r"}});
    let placed = shop.post("/orders", &order);
    assert_eq!((placed.status, &placed.body["totals"]["total"]), (201, &eur("10.00")), "{}", placed.body);
    let id = text(&placed.body, "id").to_owned();
    let payable = |shop: &Shop| shop.get("/sellers/bob")["payable"].clone();
    assert_eq!(payable(&shop), json!([]), "nothing is owed before it is shipped");
    let payout = json!({"amount": eur("2.00"), "reference": "week 47"});
    assert_eq!(shop.post("/sellers/bob/payouts", &payout).status, 404, "nothing was ever owed");
    for quantity in [1, 2] {
        let some = json!({"lines": [{"line": 0, "quantity": quantity}]});
        assert_eq!(shop.post(&format!("/orders/{id}/ship"), &some).status, 200);
    }
    assert_eq!(payable(&shop), json!([eur("8.75")]), "10.00 less 12.5 %");
    let events = shop.get(&format!("/orders/{id}/events"));
    let kinds = events["items"].as_array().unwrap().iter().filter(|event| event["type"] == "payout_due");
    assert_eq!(kinds.count(), 2, "{events}");
    let back = json!({"lines": [{"line": 0, "quantity": 1, "disposition": "restock"}]});
    assert_eq!(shop.post(&format!("/orders/{id}/returns"), &back).status, 201);
    assert_eq!(payable(&shop), json!([eur("5.84")]));

    let key = [("idempotency-key", "payout-47")];
    for repeated in [false, true] {
        let paid = shop.send("POST", "/sellers/bob/payouts", &key, &payout);
        assert_eq!((paid.status, &paid.body["payable"]), (201, &json!([eur("3.84")])), "{}", paid.body);
        assert_eq!(paid.header("idempotency-replayed").is_some(), repeated);
    }
    let wrong = json!({"amount": eur("-1.00")});
    assert_eq!(shop.post("/sellers/bob/payouts", &wrong).status, 422);
    let home = Arc::clone(&shop.home);
    shop.close();
    let shop = Shop::at(home, |config| config);
    assert_eq!(payable(&shop), json!([eur("3.84")]));
    assert_eq!(shop.send("POST", "/sellers/bob/payouts", &key, &payout).body["payable"], json!([eur("3.84")]));
    let books = shop.get("/ledger");
    let balance = |account: &str| {
        let rows = books["items"].as_array().unwrap();
        rows.iter().find(|row| row["account"] == account).map(|row| text(&row["balance"], "amount").to_owned())
    };
    assert_eq!(balance("payable:bob").as_deref(), Some("-3.84"));
    assert_eq!(balance("commission").as_deref(), Some("-0.83"));
    assert_eq!(balance("revenue").as_deref(), Some("0.00"), "it was never the house's");
    shop.close();
}

#[test]
fn a_bid_waits_is_filled_paid_from_the_wallet_and_gives_back_what_it_does_not_need() {
    let shop = Shop::open();
    shop.define("MUG", "10.00", 0);
    assert_eq!(shop.post("/wallets/dora/credits", &json!({"amount": eur("100.00")})).status, 201);
    let poor = shop.bid("dora", 50, "9.00");
    assert_eq!((poor.status, text(&poor.body, "code")), (402, "insufficient_balance"));
    let bid = shop.bid("dora", 5, "9.00");
    assert_eq!((bid.status, units(&bid.body)), (201, [5, 0, 0, 0, 0]));
    assert_eq!(shop.get("/wallets/dora")["held"], eur("45.00"));
    assert_eq!(levels(&shop.get("/skus/MUG/book"), "bids"), [("9.00".into(), 5, 1)]);
    shop.offer("bob", 2, "7.00");
    let wallet = shop.get("/wallets/dora");
    assert_eq!((&wallet["balance"], &wallet["held"]), (&eur("82.00"), &eur("27.00")));
    let orders = shop.get("/orders?customer=dora");
    let [order] = orders["items"].as_array().unwrap().as_slice() else { panic!("{orders}") };
    assert_eq!((text(order, "status"), &order["bid"]), ("paid", &bid.body["id"]));
    let read = shop.get(&format!("/skus/MUG/bids/{}", text(&bid.body, "id")));
    assert_eq!(units(&read), [3, 0, 2, 0, 0]);
    let path = format!("/skus/MUG/bids/{}", text(&bid.body, "id"));
    let amended = shop.send("PATCH", &path, &[], &json!({"limit_price": eur("8.00"), "quantity": 1}));
    assert_eq!((amended.status, &amended.body["limit_price"]), (200, &eur("8.00")), "{}", amended.body);
    assert_eq!(shop.get("/wallets/dora")["held"], eur("8.00"));
    let all = shop.send("DELETE", "/skus/MUG/bids?customer=dora", &[], &Value::Null);
    assert_eq!(all.body, json!({"cancelled": 1}));
    assert_eq!(shop.get("/wallets/dora")["held"], eur("0.00"));
    shop.close();
}

#[test]
fn what_makes_no_sense_is_refused_by_name_and_changes_nothing() {
    let shop = Shop::at(Arc::new(tempfile::tempdir().unwrap()), |config| config.clock(ManualClock::at(START)));
    shop.define("MUG", "10.00", 1);
    shop.offer("bob", 3, "9.00");
    let before = (shop.get("/skus/MUG/book"), shop.get("/skus/MUG/stock"));
    let offer = |more: Value| {
        let mut body = json!({"seller": "bob", "quantity": 1, "unit_price": eur("9.00")});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("/skus/MUG/offers", body)
    };
    let bid = |more: Value| {
        let payments = json!([{"method": "wallet"}]);
        let mut body = json!({"customer": "ann", "quantity": 1, "limit_price": eur("1.00"), "payments": payments});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("/skus/MUG/bids", body)
    };
    let order = |line: Value| ("/orders", json!({"lines": [line]}));
    let old = "01890a5d-ac96-774b-bcce-b302099a8057";
    for ((path, body), status, code) in [
        (offer(json!({"quantity": 0})), 422, "quantity_invalid"),
        (offer(json!({"unit_price": eur("-1")})), 422, "money_invalid"),
        (offer(json!({"unit_price": {"amount": "1", "currency": "USD"}})), 422, "currency_mismatch"),
        (offer(json!({"seller": "b/o/b"})), 400, "body_invalid"),
        (offer(json!({"time_in_force": "ioc"})), 400, "body_invalid"),
        (offer(json!({"time_in_force": "gtd"})), 400, "body_invalid"),
        (offer(json!({"expires_at": "2020-01-01T00:00:00Z"})), 400, "body_invalid"),
        (offer(json!({"minimum": 2})), 400, "body_invalid"),
        (offer(json!({"serials": ["a", "b"]})), 400, "body_invalid"),
        (offer(json!({"id": "nonsense"})), 422, "id_invalid"),
        (offer(json!({"id": old})), 422, "id_expired"),
        (offer(json!({"colour": "red"})), 400, "body_invalid"),
        (bid(json!({"payments": []})), 400, "body_invalid"),
        (bid(json!({"payments": [{"method": "external"}]})), 400, "body_invalid"),
        (bid(json!({"payments": [{"method": "card"}]})), 400, "body_invalid"),
        (bid(json!({})), 402, "insufficient_balance"),
        (bid(json!({"payments": [{"method": "card", "token": "t"}], "time_in_force": "fok"})), 409, "stock_exhausted"),
        (
            bid(json!({"payments": [{"method": "card", "token": "t"}], "limit_price": eur("9.00"), "post_only": true})),
            409,
            "would_trade",
        ),
        (order(json!({"sku": "MUG", "quantity": 1, "seller": "any"})), 400, "body_invalid"),
        (order(json!({"sku": "MUG", "quantity": 1, "max_unit_price": eur("1")})), 400, "body_invalid"),
        (order(json!({"sku": "MUG", "quantity": 1, "seller": "bob", "unit_price": eur("1")})), 400, "body_invalid"),
        (order(json!({"sku": "MUG", "quantity": 4, "seller": "bob"})), 409, "stock_exhausted"),
        (order(json!({"sku": "MUG", "quantity": 1, "seller": "nobody"})), 409, "stock_exhausted"),
        (("/skus/NONE/offers", offer(json!({})).1), 404, "sku_unknown"),
    ] {
        let refused = shop.post(path, &body);
        assert_eq!((refused.status, text(&refused.body, "code")), (status, code), "{path} {body}: {}", refused.body);
    }
    assert_eq!((shop.get("/skus/MUG/book"), shop.get("/skus/MUG/stock")), before);
    for (method, path, status) in [
        ("GET", "/skus/MUG/offers/nonsense", 404),
        ("GET", "/skus/MUG/offers/0190163d-8694-739b-aea5-966c26f8ad91", 404),
        ("GET", "/skus/MUG/book/1", 404),
        ("GET", "/skus/MUG/book?levels=0", 400),
        ("GET", "/skus/NONE/book", 404),
        ("PUT", "/skus/MUG/offers", 405),
        ("POST", "/skus/MUG/book", 405),
        ("GET", "/skus/MUG/offers/0190163d-8694-739b-aea5-966c26f8ad91/x", 404),
    ] {
        assert_eq!(shop.send(method, path, &[], &Value::Null).status, status, "{method} {path}");
    }
    shop.close();
}

#[test]
fn offers_are_made_once_under_a_key_and_under_an_id_also_after_a_restart() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let reopen = || Shop::at(Arc::clone(&home), |config| config.clock(ManualClock::at(START)));
    let shop = reopen();
    shop.define("MUG", "10.00", 1);
    let body = json!({"seller": "bob", "quantity": 3, "unit_price": eur("9.00")});
    let keyed = |shop: &Shop, body: &Value| shop.send("POST", "/skus/MUG/offers", &[("idempotency-key", "k1")], body);
    let made = keyed(&shop, &body);
    assert_eq!((made.status, made.header("idempotency-replayed")), (201, None));
    assert_eq!(made.header("location"), Some(&*format!("/api/v1/skus/MUG/offers/{}", text(&made.body, "id"))));
    let again = keyed(&shop, &body);
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.body["id"], made.body["id"]);
    let other = json!({"seller": "bob", "quantity": 4, "unit_price": eur("9.00")});
    assert_eq!(text(&keyed(&shop, &other).body, "code"), "idempotency_key_reused");
    let id = made.body["id"].clone();
    let conflict = json!({"id": id, "seller": "bob", "quantity": 4, "unit_price": eur("9.00")});
    assert_eq!(text(&shop.post("/skus/MUG/offers", &conflict).body, "code"), "id_conflict");
    assert_eq!(shop.post("/wallets/dora/credits", &json!({"amount": eur("100.00")})).status, 201);
    assert_eq!(shop.bid("dora", 2, "8.00").status, 201);
    let unpaid = json!({"lines": [{"sku": "MUG", "quantity": 2, "seller": "any", "max_unit_price": eur("9.00")}]});
    assert_eq!(shop.post("/orders", &unpaid).status, 201);
    let before = (shop.get("/skus/MUG/book"), shop.get("/skus/MUG/offers"), shop.get("/wallets/dora"));
    shop.close();

    let shop = reopen();
    let after = (shop.get("/skus/MUG/book"), shop.get("/skus/MUG/offers"), shop.get("/wallets/dora"));
    assert_eq!(after, before);
    let again = keyed(&shop, &body);
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")), "{}", again.body);
    assert_eq!(again.body["id"], made.body["id"]);
    assert_eq!(levels(&shop.get("/skus/MUG/book"), "offers"), [("9.00".into(), 1, 1)]);
    shop.close();
}

#[test]
fn lists_of_offers_are_in_priority_order_by_owner_and_in_pages() {
    let shop = Shop::open();
    shop.define("MUG", "10.00", 0);
    for (seller, price) in [("bob", "9.00"), ("eve", "8.00"), ("bob", "8.00"), ("eve", "9.50")] {
        shop.offer(seller, 1, price);
    }
    let shown = |list: &Value| {
        let row = |offer: &Value| format!("{} {}", text(offer, "seller"), text(&offer["unit_price"], "amount"));
        list["items"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let first = shop.get("/skus/MUG/offers?limit=3");
    assert_eq!(shown(&first), ["eve 8.00", "bob 8.00", "bob 9.00"]);
    let rest = shop.get(&format!("/skus/MUG/offers?limit=3&cursor={}", text(&first, "next_cursor")));
    assert_eq!((shown(&rest), &rest["next_cursor"]), (vec!["eve 9.50".to_owned()], &Value::Null));
    assert_eq!(shown(&shop.get("/skus/MUG/offers?seller=bob")), ["bob 8.00", "bob 9.00"]);
    let cancelled = shop.send("DELETE", "/skus/MUG/offers?seller=bob", &[], &Value::Null);
    assert_eq!(cancelled.body, json!({"cancelled": 2}));
    assert_eq!(shown(&shop.get("/skus/MUG/offers")), ["eve 8.00", "eve 9.50"]);
    shop.close();
}

#[test]
fn many_buyers_of_many_sellers_get_each_unit_once_and_pay_no_more_than_they_would() {
    const SELLERS: u64 = 20;
    const UNITS: u64 = 10;
    const HOUSE: u64 = 100;
    let shop = Shop::open();
    shop.define("MUG", "10.00", HOUSE);
    let offers: Vec<Value> =
        (0..SELLERS).map(|n| shop.offer(&format!("s{n}"), UNITS, &format!("{}.00", 5 + n))).collect();
    let bought: u64 = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..8u64)
            .map(|buyer| {
                let address = shop.address;
                scope.spawn(move || {
                    let mut wire = Wire::connect(address).unwrap();
                    let mut bought = 0;
                    for attempt in 0..60u64 {
                        let max = 5 + (buyer + attempt) % 22;
                        let line = json!({
                            "sku": "MUG", "quantity": 1 + attempt % 3, "seller": "any",
                            "max_unit_price": eur(&format!("{max}.00")),
                        });
                        let body = json!({"lines": [line], "payment": {"method": "external", "reference": "r"}});
                        let answer = wire.post("/api/v1/orders", &[], &body).unwrap();
                        if answer.status == 201 {
                            for line in answer.body["lines"].as_array().unwrap() {
                                let price: f64 = text(&line["unit_price"], "amount").parse().unwrap();
                                assert!(price <= max as f64, "{line}");
                                bought += line["allocated"].as_u64().unwrap();
                            }
                        } else {
                            assert_eq!(text(&answer.body, "code"), "stock_exhausted");
                        }
                    }
                    bought
                })
            })
            .collect();
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).sum()
    });
    let of_sellers: u64 = offers.iter().map(|offer| units(&shop.read_offer(offer))[2]).sum();
    let of_house = shop.get("/skus/MUG/stock")["allocated"].as_u64().unwrap();
    assert_eq!(bought, of_sellers + of_house);
    assert_eq!((of_sellers, of_house), (SELLERS * UNITS, HOUSE), "more was wanted than there was");
    shop.close();
}
