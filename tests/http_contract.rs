//! What the contract promises of every request: problems, pages, bodies, keys and versions, over real sockets.

#[path = "support/ask.rs"]
mod ask;

use std::net::SocketAddr;
use std::time::Duration;

use ask::{Told, ask};
use serde_json::{Value, json};
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine};

struct Shop {
    engine: Engine,
    server: Server,
    address: SocketAddr,
}

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

impl Shop {
    fn open() -> Self {
        let engine = Engine::open(Config::in_memory()).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        let address = server.addresses().0;
        let shop = Self { engine, server, address };
        let sku = json!({"name": "A", "price": eur("9.99")});
        assert_eq!(shop.json("PUT", "/api/v1/skus/A", &sku).status, 201);
        assert_eq!(shop.json("POST", "/api/v1/skus/A/receipts", &json!({"quantity": 1000})).status, 201);
        shop
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Told {
        let headers = [&[("content-type", "application/json")], headers].concat();
        ask(self.address, method, path, &headers, body)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Told {
        self.send(method, path, &[], &body.to_string())
    }

    fn get(&self, path: &str) -> Told {
        ask(self.address, "GET", path, &[], "")
    }

    /// A shipped order of so many units; its path.
    fn shipped(&self, quantity: u64) -> String {
        let order = json!({"sku": "A", "quantity": quantity, "payment": {"method": "external"}});
        let placed = self.json("POST", "/api/v1/orders", &order);
        assert_eq!(placed.status, 201, "{}", placed.text);
        let path = placed.header("location").unwrap().to_owned();
        assert_eq!(self.send("POST", &format!("{path}/ship"), &[], "").status, 200);
        path
    }

    fn close(self) {
        self.server.shutdown(Duration::from_secs(5));
        self.engine.close_blocking().unwrap();
    }
}

#[test]
fn a_list_in_place_of_an_object_is_body_invalid_wherever_it_stands() {
    let shop = Shop::open();
    let order = shop.shipped(3);
    let cases = [
        ("POST", "/api/v1/orders".to_owned(), json!([null, null, null, null, "A", 1]), ""),
        ("POST", "/api/v1/orders".into(), json!({"lines": [["A", 1]]}), "lines[0]"),
        ("POST", "/api/v1/orders".into(), json!({"lines": [{"sku": "A", "quantity": 1}, ["A", 1]]}), "lines[1]"),
        ("POST", "/api/v1/orders".into(), json!({"sku": "A", "quantity": 1, "payment": ["external"]}), "payment"),
        (
            "POST",
            "/api/v1/orders".into(),
            json!({"sku": "A", "quantity": 1, "payments": [["external"]]}),
            "payments[0]",
        ),
        (
            "POST",
            "/api/v1/orders".into(),
            json!({"sku": "A", "quantity": 1, "charges": [["shipping", eur("1")]]}),
            "charges[0]",
        ),
        (
            "POST",
            "/api/v1/orders".into(),
            json!({"sku": "A", "quantity": 1, "expected_total": ["1.00", "EUR"]}),
            "expected_total",
        ),
        ("PUT", "/api/v1/skus/B".into(), json!({"name": "B", "price": eur("1"), "backorder": [5]}), "backorder"),
        ("PUT", "/api/v1/skus/B".into(), json!({"name": "B", "price": ["1.00", "EUR"]}), "price"),
        ("POST", "/api/v1/skus/A/receipts".into(), json!([1]), ""),
        ("POST", "/api/v1/skus/A/adjustments".into(), json!([1, "count"]), ""),
        ("POST", format!("{order}/pay"), json!({"payments": [["external"]]}), "payments[0]"),
        ("POST", format!("{order}/cancel"), json!({"lines": [[0, 1]]}), "lines[0]"),
        ("POST", format!("{order}/ship"), json!({"lines": [[0, 1]]}), "lines[0]"),
        ("POST", format!("{order}/returns"), json!({"lines": [[0, 1]]}), "lines[0]"),
        ("POST", format!("{order}/refunds"), json!({"lines": [[0, 1]], "reason": "x"}), "lines[0]"),
        ("POST", format!("{order}/deliver"), json!([]), ""),
        ("POST", "/api/v1/wallets/ann/credits".into(), json!([eur("1")]), ""),
    ];
    for (method, path, body, field) in cases {
        let told = shop.json(method, &path, &body);
        assert_eq!((told.status, told.problem().as_str()), (400, "body_invalid"), "{path} {body}: {}", told.text);
        assert_eq!(told.json()["field"].as_str().unwrap_or_default(), field, "{path} {body}: {}", told.text);
    }
    shop.close();
}

#[test]
fn what_a_return_gives_back_is_whether_or_how_much_and_wrong_money_is_named() {
    let shop = Shop::open();
    let order = shop.shipped(9);
    let returns = |refund: &Value| {
        let body = json!({"lines": [{"line": 0, "quantity": 1}], "refund": refund});
        shop.json("POST", &format!("{order}/returns"), &body)
    };
    for (refund, status, code) in [
        (json!({"amount": "1.23456", "currency": "EUR"}), 422, "money_invalid"),
        (json!({"amount": "one", "currency": "EUR"}), 422, "money_invalid"),
        (json!({"amount": "1.00", "currency": "euro"}), 422, "money_invalid"),
        (json!({"amount": 1, "currency": "EUR"}), 400, "body_invalid"),
        (json!({"amount": "1.00"}), 400, "body_invalid"),
        (json!({"amount": "1.00", "currency": "EUR", "cents": 1}), 400, "body_invalid"),
        (json!(["1.00", "EUR"]), 400, "body_invalid"),
        (json!("1.00 EUR"), 400, "body_invalid"),
        (json!(1.5), 400, "body_invalid"),
    ] {
        let told = returns(&refund);
        assert_eq!((told.status, told.problem().as_str()), (status, code), "{refund}: {}", told.text);
        assert!(told.json()["field"].as_str().unwrap().starts_with("refund"), "{refund}: {}", told.text);
    }
    for (refund, refunded) in
        [(json!(false), "0.00"), (eur("1.50"), "1.50"), (json!(true), "11.49"), (Value::Null, "21.48")]
    {
        let told = returns(&refund);
        assert_eq!(told.status, 201, "{refund}: {}", told.text);
        assert_eq!(told.json()["totals"]["refunded"], eur(refunded), "{refund}");
    }
    shop.close();
}

/// All items of a list, read in pages of this size; each page is checked for its size.
fn paged(shop: &Shop, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let told = shop.get(&format!("{path}{joint}limit={limit}{cursor}"));
        assert_eq!(told.status, 200, "{path}: {}", told.text);
        let page = told.json();
        let found = page["items"].as_array().unwrap();
        assert!(found.len() <= limit, "{path}: {} on a page of {limit}", found.len());
        items.extend(found.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => {
                assert_eq!(found.len(), limit, "{path}: a page before the last is full");
                cursor = format!("&cursor={next}");
            }
            None => {
                assert!(page["next_cursor"].is_null(), "{page}");
                return items;
            }
        }
    }
}

#[test]
fn every_list_is_paged_without_gap_or_repetition_newest_first() {
    let shop = Shop::open();
    let order = shop.shipped(4);
    for _ in 0..3 {
        let back = json!({"lines": [{"line": 0, "quantity": 1}]});
        assert_eq!(shop.json("POST", &format!("{order}/returns"), &back).status, 201);
    }
    for number in 0..9 {
        let body = json!({"customer": "ann", "sku": "A", "quantity": 1 + number % 2});
        assert_eq!(shop.json("POST", "/api/v1/orders", &body).status, 201);
        let sku = json!({"name": "x", "price": eur("1")});
        assert_eq!(shop.json("PUT", &format!("/api/v1/skus/S{number}"), &sku).status, 201);
    }
    let lists = [
        format!("{order}/events"),
        "/api/v1/skus/A/movements".into(),
        "/api/v1/orders".into(),
        "/api/v1/orders?customer=ann".into(),
        "/api/v1/orders?status=awaiting_payment".into(),
        "/api/v1/skus".into(),
    ];
    for list in &lists {
        let whole = paged(&shop, list, 200);
        assert!(whole.len() >= 7, "{list} has enough for several pages: {}", whole.len());
        for limit in [1, 2, 3, 5] {
            assert_eq!(paged(&shop, list, limit), whole, "{list} in pages of {limit}");
        }
    }
    let sequences = |list: &str| -> Vec<u64> {
        let items = paged(&shop, list, 200);
        items.iter().map(|item| item["sequence"].as_str().unwrap().parse().unwrap()).collect()
    };
    for list in &lists[..2] {
        assert!(sequences(list).is_sorted_by(|newer, older| newer >= older), "{list}: newest first");
    }
    let events = paged(&shop, &lists[0], 200);
    assert_eq!(events.last().unwrap()["type"], "placed", "{events:?}");
    let times: Vec<Value> = paged(&shop, &lists[2], 200).iter().map(|order| order["created_at"].clone()).collect();
    assert!(times.is_sorted_by(|newer, older| newer.as_str() >= older.as_str()), "orders: newest first");
    shop.close();
}

#[test]
fn a_wrong_limit_or_a_cursor_of_another_list_is_refused_by_name() {
    let shop = Shop::open();
    let (one, other) = (shop.shipped(1), shop.shipped(1));
    let cursor = shop.get(&format!("{one}/events?limit=1")).json()["next_cursor"].as_str().unwrap().to_owned();
    let lists = [
        format!("{other}/events"),
        "/api/v1/skus/A/movements".to_owned(),
        "/api/v1/orders".into(),
        "/api/v1/orders?status=paid".into(),
        "/api/v1/skus".into(),
    ];
    for list in lists {
        let joint = if list.contains('?') { '&' } else { '?' };
        for (query, field) in [
            ("limit=0".to_owned(), "limit"),
            ("limit=-1".into(), "limit"),
            ("limit=ten".into(), "limit"),
            ("limit=".into(), "limit"),
            ("cursor=".into(), "cursor"),
            ("cursor=AAAA".into(), "cursor"),
            (format!("cursor={cursor}"), "cursor"),
            (format!("cursor={}", &cursor[1..]), "cursor"),
        ] {
            let told = shop.get(&format!("{list}{joint}{query}"));
            assert_eq!((told.status, told.problem().as_str()), (400, "body_invalid"), "{list} {query}");
            assert_eq!(told.json()["field"], field, "{list} {query}");
        }
        assert_eq!(shop.get(&format!("{list}{joint}limit=100000")).status, 200, "more than all is all: {list}");
    }
    assert_eq!(shop.get(&format!("{one}/events?limit=1&cursor={cursor}")).status, 200);
    shop.close();
}

#[test]
fn a_definition_is_replaced_only_on_the_version_its_writer_has_seen() {
    let shop = Shop::open();
    let sku = |price: &str| json!({"name": "A", "price": eur(price)}).to_string();
    let put = |headers: &[(&str, &str)], price: &str| shop.send("PUT", "/api/v1/skus/A", headers, &sku(price));
    let tag = || shop.get("/api/v1/skus/A").header("etag").unwrap().to_owned();
    let first = tag();
    shop.shipped(1);
    assert_eq!(tag(), first, "a sale is no new version of the definition");
    let changed = put(&[("if-match", &first)], "8.00");
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.header("etag"), Some(tag().as_str()));
    assert_ne!(tag(), first);
    let late = put(&[("if-match", &first)], "7.00");
    assert_eq!((late.status, late.problem().as_str()), (412, "precondition_failed"));
    assert_eq!(shop.get("/api/v1/skus/A").json()["price"], eur("8.00"), "nothing was written");
    assert_eq!(put(&[("if-match", "8")], "7.00").problem(), "body_invalid");
    assert_eq!(put(&[("if-match", "*")], "7.50").status, 200);
    let unknown = shop.send("PUT", "/api/v1/skus/NEW", &[("if-match", "*")], &sku("1.00"));
    assert_eq!((unknown.status, unknown.problem().as_str()), (412, "precondition_failed"));
    assert_eq!(shop.get("/api/v1/skus/NEW").status, 404);

    // A retry with its key is repeated, although its own write has changed the tag.
    let keyed = [("if-match", tag()), ("idempotency-key", "once".to_owned())];
    let keyed: Vec<(&str, &str)> = keyed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (written, again) = (put(&keyed, "6.00"), put(&keyed, "6.00"));
    assert_eq!((written.status, again.status), (200, 200), "{}", again.text);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    shop.close();
}

#[test]
fn of_many_who_replace_the_same_version_one_is_in_time() {
    let shop = Shop::open();
    let tag = shop.get("/api/v1/skus/A").header("etag").unwrap().to_owned();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let write = |number: usize| {
            let (shop, tag) = (&shop, &tag);
            scope.spawn(move || {
                let sku = json!({"name": format!("A{number}"), "price": eur("1.00")}).to_string();
                shop.send("PUT", "/api/v1/skus/A", &[("if-match", tag)], &sku).status
            })
        };
        let writers: Vec<_> = (0..8).map(write).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((count(200), count(412)), (1, 7), "{statuses:?}");
    shop.close();
}

#[test]
fn a_key_is_one_request_of_one_caller_on_one_path_and_equal_ones_in_flight_are_one() {
    let shop = Shop::open();
    let order = "{\"sku\":\"A\",\"quantity\":1}";
    let place = |key: &str, body: &str| shop.send("POST", "/api/v1/orders", &[("idempotency-key", key)], body);
    // Eight at once with one key: one order, and everybody is told of it.
    let told: Vec<Told> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..8).map(|_| scope.spawn(|| place("rush", order))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let replays = told.iter().filter(|told| told.header("idempotency-replayed") == Some("true")).count();
    assert!(told.iter().all(|answer| answer.status == 201 && answer.json() == told[0].json()));
    assert_eq!(replays, 7);
    assert_eq!(shop.get("/api/v1/skus/A/stock").json()["held"], 1);

    // Another path or method is another key; another body is another request.
    let receipt =
        |key: &str, body: &str| shop.send("POST", "/api/v1/skus/A/receipts", &[("idempotency-key", key)], body);
    assert_eq!(receipt("rush", "{\"quantity\":5}").header("idempotency-replayed"), None);
    assert_eq!(receipt("\"rush\"", "{\"quantity\":5}").header("idempotency-replayed"), Some("true"));
    let other = receipt("rush", "{\"quantity\":6}");
    assert_eq!((other.status, other.problem().as_str()), (422, "idempotency_key_reused"));
    assert_eq!(shop.get("/api/v1/skus/A/stock").json()["on_hand"], 1005);
    for key in ["", "a b", "\"open", &"k".repeat(256)] {
        let told = place(key, order);
        assert_eq!((told.status, told.problem().as_str()), (400, "body_invalid"), "{key:?}");
    }
    shop.close();
}

#[test]
fn every_way_to_miss_is_a_whole_problem_with_its_trace() {
    let shop = Shop::open();
    let order = shop.shipped(1);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traced = [("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))];
    let large = format!("{{\"sku\":\"{}\"}}", "x".repeat(2 << 20));
    let text = ("content-type", "text/plain");
    let cases = [
        ("DELETE", "/api/v1/orders".to_owned(), "", None, 405, "method_not_allowed", Some("GET, POST")),
        ("PATCH", "/api/v1/skus/A".into(), "{}", None, 405, "method_not_allowed", Some("GET, PUT")),
        ("PUT", "/api/v1/skus".into(), "{}", None, 405, "method_not_allowed", Some("GET")),
        ("GET", "/api/v1/skus/A/receipts".into(), "", None, 405, "method_not_allowed", Some("POST")),
        ("POST", "/api/v1/skus/A/stock".into(), "{}", None, 405, "method_not_allowed", Some("GET")),
        ("POST", "/api/v1/stock".into(), "{}", None, 405, "method_not_allowed", Some("GET")),
        ("DELETE", order.clone(), "", None, 405, "method_not_allowed", Some("GET, PATCH")),
        ("GET", format!("{order}/pay"), "", None, 405, "method_not_allowed", Some("POST")),
        ("POST", format!("{order}/events"), "{}", None, 405, "method_not_allowed", Some("GET")),
        ("GET", "/api/v1/wallets/ann/credits".into(), "", None, 405, "method_not_allowed", Some("POST")),
        ("POST", "/healthz".into(), "", None, 405, "method_not_allowed", Some("GET")),
        ("GET", "/".into(), "", None, 404, "not_found", None),
        ("GET", "/api/v1".into(), "", None, 404, "not_found", None),
        ("GET", "/api/v2/skus".into(), "", None, 404, "not_found", None),
        ("GET", "/api/v1/skus/A/stock/more".into(), "", None, 404, "not_found", None),
        ("GET", "/api/v1/skus/A/nothing".into(), "", None, 404, "not_found", None),
        ("GET", "/api/v1/skus/NOPE".into(), "", None, 404, "sku_unknown", None),
        ("GET", "/api/v1/orders/not-an-id".into(), "", None, 404, "not_found", None),
        ("GET", format!("/api/v1/orders/{}", shop.engine.new_order_id()), "", None, 404, "not_found", None),
        ("GET", format!("/api/v1/orders/{}/events", shop.engine.new_order_id()), "", None, 404, "not_found", None),
        ("POST", "/api/v1/orders".into(), "{}", Some(text), 415, "media_type_unsupported", None),
        ("PUT", "/api/v1/skus/A".into(), "{}", Some(text), 415, "media_type_unsupported", None),
        ("POST", "/api/v1/orders".into(), &large, None, 413, "body_too_large", None),
    ];
    for (method, path, body, header, status, code, allow) in cases {
        let content = header.unwrap_or(("content-type", "application/json"));
        let headers = [content, (traced[0].0, traced[0].1.as_str())];
        let told = ask(shop.address, method, &path, &headers, body);
        assert_eq!((told.status, told.problem().as_str()), (status, code), "{method} {path}: {}", told.text);
        assert_eq!(told.json()["trace_id"], trace, "{method} {path}");
        assert_eq!(told.header("allow"), allow, "{method} {path}");
    }
    shop.close();
}
