//! Promotions and coupons in orders: in process, over HTTP, across partitions, after a restart, under an audit.

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/ask.rs"]
mod ask;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ask::ask;
use serde_json::{Value, json};
use stockade::engine::coupon_terms;
use stockade::http::{Server, ServerOptions};
use stockade::promotions::promotion_from_json;
use stockade::{Config, Engine, ManualClock, Money, NewOrder, OrderSnapshot, Payment, Refusal, Sku, Timestamp};
use stockade_domain::order::ChargeKind;
use stockade_domain::promotion::{CouponCode, PromotionId};

const START: Timestamp = Timestamp(1_790_000_000_000_000);

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn code(text: &str) -> CouponCode {
    CouponCode::new(text).unwrap()
}

async fn promote(engine: &Engine, promotion: Value) {
    let promotion = promotion_from_json(promotion.to_string().as_bytes()).unwrap();
    engine.put_promotion(promotion).await.unwrap();
}

/// A category of books at 20.00 and one of games at 50.00, and stock.
async fn fill(engine: &Engine) {
    for (name, category, price) in [("BOOK", "books", "20.00 EUR"), ("GAME", "games", "50.00 EUR")] {
        let mut sku = Sku::new(name, money(price));
        sku.definition.category = Some(category.into());
        engine.put_sku(sku).await.unwrap();
        engine.receive(name, 10_000).await.unwrap();
    }
    engine.put_sku(Sku::new("MUG", money("5.00 EUR"))).await.unwrap();
    engine.receive("MUG", 2).await.unwrap();
}

async fn close(engine: Engine, dir: &Path) {
    engine.check().await.unwrap();
    engine.close().await.unwrap();
    drop(engine);
    let report = stockade::audit::audit(dir, |_, _| ()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.faults);
}

fn external() -> Payment {
    Payment::external("till")
}

fn ten_percent_off_books() -> Value {
    json!({"id": "books-10", "name": "Ten per cent off books", "lane": "goods",
        "when": [{"category": ["books"]}], "then": {"line": {"percent": 10, "of": {"category": ["books"]}}}})
}

async fn uses(engine: &Engine, promotion: &str) -> (u64, u64, i64) {
    let view = engine.read_promotion(&PromotionId::new(promotion).unwrap()).await.unwrap().0;
    (view.held, view.settled, view.amount.0)
}

async fn coupon_uses(engine: &Engine, coupon: &str) -> (u64, u64) {
    let view = engine.read_coupon(&code(coupon)).await.unwrap().0;
    (view.held, view.settled)
}

#[tokio::test]
async fn a_discount_is_in_the_price_in_the_books_and_in_what_goes_back() {
    for partitions in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let engine = Engine::open(Config::at(&dir).partitions(partitions)).unwrap();
        fill(&engine).await;
        promote(&engine, ten_percent_off_books()).await;
        promote(
            &engine,
            json!({"id": "ship-free", "name": "Free shipping", "lane": "shipping", "currency": "EUR",
                "then": {"charge": {"kind": "shipping", "percent": 100}}}),
        )
        .await;
        let order = NewOrder::one("BOOK", 3).line("GAME", 1).charge(ChargeKind::Shipping, money("4.90 EUR"));
        let order = engine.place(order.pay(external())).await.unwrap();
        // 3 x 20.00 less 6.00, and 50.00; 4.90 less 4.90.
        assert_eq!(order.total(), money("104.00 EUR"), "with {partitions} partitions");
        assert_eq!(order.order.lines[0].discount, money("6.00 EUR").amount);
        engine.ship(order.id).await.unwrap();
        let back =
            engine.take_back(order.id, vec![(0, 1, stockade_domain::stock::Disposition::Restock)]).await.unwrap();
        assert_eq!(back.order.refunded(), money("18.00 EUR").amount, "what it had cost");
        let part = engine.place(NewOrder::one("BOOK", 2).pay(external())).await.unwrap();
        engine.cancel(part.id).await.unwrap();
        close(engine, &dir).await;
    }
}

#[tokio::test]
async fn a_coupon_is_held_settled_given_back_and_never_used_more_often_than_allowed() {
    for partitions in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let clock = ManualClock::at(START);
        let engine = Engine::open(Config::at(&dir).partitions(partitions).clock(clock.clone())).unwrap();
        fill(&engine).await;
        promote(
            &engine,
            json!({"id": "spring", "name": "Spring", "lane": "coupon", "coupon": ["spring"], "currency": "EUR",
                "then": {"order": {"amount": 5}}, "limits": {"budget": 12}}),
        )
        .await;
        engine.put_coupon(&code("HELLO"), coupon_terms("spring", Some(2)).unwrap()).await.unwrap();
        let order = || NewOrder::one("BOOK", 1).coupon("hello");

        // Held while it is unpaid, settled when it is paid.
        let unpaid = engine.place(order()).await.unwrap();
        assert_eq!(unpaid.total(), money("15.00 EUR"));
        assert_eq!((coupon_uses(&engine, "HELLO").await, uses(&engine, "spring").await), ((1, 0), (1, 0, 50_000)));
        engine.pay(unpaid.id, external()).await.unwrap();
        settle(&engine, &clock, async |engine| coupon_uses(engine, "HELLO").await == (0, 1)).await;
        // Released when it ends unpaid.
        let dropped = engine.place(order()).await.unwrap();
        let refused = engine.place(order()).await.unwrap_err();
        assert_eq!(refused.code(), "coupon_exhausted");
        engine.cancel(dropped.id).await.unwrap();
        settle(&engine, &clock, async |engine| coupon_uses(engine, "HELLO").await == (0, 1)).await;
        // Given back when a paid order is undone.
        engine.cancel(unpaid.id).await.unwrap();
        settle(&engine, &clock, async |engine| coupon_uses(engine, "HELLO").await == (0, 0)).await;
        assert_eq!(uses(&engine, "spring").await, (0, 0, 0));

        // The budget of 12.00 is enough for two; then the promotion is done without, and so the coupon cannot be used.
        for _ in 0..2 {
            engine.place(order().pay(external())).await.unwrap();
        }
        engine.put_coupon(&code("AGAIN"), coupon_terms("spring", None).unwrap()).await.unwrap();
        let refused = engine.place(NewOrder::one("BOOK", 1).coupon("AGAIN").pay(external())).await.unwrap_err();
        assert_eq!(refused.code(), "coupon_invalid");
        for wrong in ["NOBODY", "not a coupon!"] {
            let refused = engine.place(NewOrder::one("BOOK", 1).coupon(wrong)).await.unwrap_err();
            assert_eq!(refused.code(), "coupon_invalid", "{wrong}");
        }
        // One that lapses gives its use back.
        engine.put_coupon(&code("HELLO"), coupon_terms("spring", Some(9)).unwrap()).await.unwrap();
        settle(&engine, &clock, async |engine| coupon_uses(engine, "HELLO").await == (0, 2)).await;
        close(engine, &dir).await;
    }
}

/// Lets time pass until it is so: between partitions, steps follow.
async fn settle(engine: &Engine, clock: &ManualClock, mut is_so: impl AsyncFnMut(&Engine) -> bool) {
    for _ in 0..200 {
        if is_so(engine).await {
            return;
        }
        clock.advance_seconds(1);
        tokio::task::yield_now().await;
    }
    panic!("it never came to be so");
}

#[tokio::test]
async fn a_promotion_with_limits_is_done_without_when_it_is_used_up() {
    for partitions in [1, 2] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let engine = Engine::open(Config::at(&dir).partitions(partitions)).unwrap();
        fill(&engine).await;
        let off = |id: &str, percent: u32, limits: Value| json!({"id": id, "name": id, "lane": "goods", "limits": limits, "then": {"line": {"percent": percent}}});
        promote(&engine, off("first-three", 50, json!({"uses": 3}))).await;
        promote(&engine, off("one-each", 20, json!({"per_customer": 1}))).await;
        let total = async |customer: Option<&str>| {
            let order = NewOrder::one("BOOK", 1).pay(external());
            let order = customer.map_or(order.clone(), |customer| order.customer(customer));
            engine.place(order).await.unwrap().total().to_string()
        };
        for _ in 0..3 {
            assert_eq!(total(None).await, "10.00 EUR");
        }
        assert_eq!(total(Some("ann")).await, "16.00 EUR", "the next best");
        assert_eq!(total(Some("ann")).await, "20.00 EUR", "only one each");
        assert_eq!(total(Some("bob")).await, "16.00 EUR");
        assert_eq!(total(None).await, "20.00 EUR", "a guest is nobody");
        close(engine, &dir).await;
    }
}

#[tokio::test]
async fn a_gift_is_sent_along_while_there_are_any() {
    for partitions in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let engine = Engine::open(Config::at(&dir).partitions(partitions)).unwrap();
        fill(&engine).await;
        let gift = json!({"id": "mug", "name": "A mug with every game", "lane": "gift",
            "when": [{"category": ["games"]}], "then": {"gift": {"sku": "MUG", "quantity": 1}}});
        promote(&engine, gift).await;
        let place = async || engine.place(NewOrder::one("GAME", 1).pay(external())).await.unwrap();
        for _ in 0..2 {
            let order = place().await;
            let lines: Vec<_> = order.order.lines.iter().map(|line| (line.sku.as_str(), line.filled)).collect();
            assert_eq!((lines, order.total()), (vec![("GAME", 1), ("MUG", 1)], money("50.00 EUR")));
            assert_eq!(order.order.promoted.as_ref().unwrap().gifts, 1);
        }
        let without = place().await;
        assert_eq!((without.order.lines.len(), without.total()), (1, money("50.00 EUR")), "there are no more mugs");
        close(engine, &dir).await;
    }
}

#[tokio::test]
async fn a_retired_promotion_prices_nothing_and_orders_that_have_it_keep_it() {
    for partitions in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let clock = ManualClock::at(START);
        let open = |partitions: usize| {
            let mut config = Config::at(&dir).partitions(partitions).clock(clock.clone());
            config.checkpoint_records = 5;
            Engine::open(config).unwrap()
        };
        let engine = open(partitions);
        fill(&engine).await;
        // One that counts its uses, one that does not.
        let limited = json!({"id": "limited", "name": "Limited", "lane": "goods", "limits": {"uses": 100},
            "then": {"line": {"percent": 10}}});
        promote(&engine, limited.clone()).await;
        promote(
            &engine,
            json!({"id": "always", "name": "Always", "lane": "order", "currency": "EUR", "then": {"order": {"amount": 1}}}),
        )
        .await;
        let place = async |engine: &Engine| engine.place(NewOrder::one("BOOK", 1)).await.unwrap();
        let [paid, undone, dropped] = [place(&engine).await, place(&engine).await, place(&engine).await];
        let price = paid.order.promoted.as_ref().unwrap().version;
        assert_eq!((paid.total(), uses(&engine, "limited").await.0), (money("17.00 EUR"), 3));

        let (limited_id, always) = (PromotionId::new("limited").unwrap(), PromotionId::new("always").unwrap());
        let unknown = engine.retire_promotion(&PromotionId::new("nobody").unwrap()).await.unwrap_err();
        assert_eq!(unknown.code(), "not_found");
        let first = engine.retire_promotion(&limited_id).await.unwrap();
        assert_eq!(engine.retire_promotion(&limited_id).await.unwrap(), first, "twice is once");
        let next = place(&engine).await;
        assert_eq!(next.total(), money("19.00 EUR"), "with {partitions} partitions");
        assert!(next.order.promoted.as_ref().unwrap().version > price, "the version that priced it is another");
        engine.retire_promotion(&always).await.unwrap();
        assert_eq!(place(&engine).await.total(), money("20.00 EUR"));
        assert!(engine.list_promotions(None, 10).await.unwrap().is_empty());
        let quoted = engine.quote(NewOrder::one("BOOK", 1)).await.unwrap();
        assert_eq!(quoted.total, money("20.00 EUR"));

        // What was held is settled, given back and released as ever.
        for order in [&paid, &undone] {
            assert_eq!(engine.pay(order.id, external()).await.unwrap().total(), money("17.00 EUR"));
        }
        engine.cancel(dropped.id).await.unwrap();
        engine.cancel(undone.id).await.unwrap();
        settle(&engine, &clock, async |engine| uses(engine, "limited").await == (0, 1, 20_000)).await;

        // So it is after a restart, with another number of partitions too, from a checkpoint and from the journal.
        for _ in 0..20 {
            engine.receive("BOOK", 1).await.unwrap();
        }
        engine.settled().await.unwrap();
        close(engine, &dir).await;
        let engine = open(4 - partitions);
        assert_eq!(place(&engine).await.total(), money("20.00 EUR"));
        let again = engine.quote(NewOrder::one("BOOK", 1)).await.unwrap();
        assert!((again.total, again.promotions.len()) == (money("20.00 EUR"), 0) && again.version >= quoted.version);
        let read = engine.read_promotion(&limited_id).await.unwrap().0;
        assert!(read.retired && read.settled == 1, "{read:?}");
        assert_eq!(engine.ship(paid.id).await.unwrap().total(), money("17.00 EUR"));

        // Put again, it is the next version, and its uses count on.
        promote(&engine, limited.clone()).await;
        assert_eq!(place(&engine).await.total(), money("18.00 EUR"));
        let read = engine.read_promotion(&limited_id).await.unwrap().0;
        assert_eq!((read.retired, read.promotion.unwrap().version, read.held, read.settled), (false, 2, 1, 1));
        close(engine, &dir).await;
    }
}

/// Retired in the middle of a crowd, it prices orders that were priced before, and none that came after the answer.
#[tokio::test]
async fn a_promotion_that_retires_under_a_crowd_leaves_no_order_half_priced() {
    for partitions in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let engine = Engine::open(Config::at(&dir).partitions(partitions)).unwrap();
        fill(&engine).await;
        promote(
            &engine,
            json!({"id": "crowd", "name": "Crowd", "lane": "goods", "limits": {"uses": 1_000_000},
                "then": {"line": {"percent": 50}}}),
        )
        .await;
        let id = PromotionId::new("crowd").unwrap();
        let order = |n: usize| NewOrder::one(if n.is_multiple_of(2) { "BOOK" } else { "GAME" }, 1).pay(external());
        let before: Vec<_> = engine.place_many((0..500).map(order));
        let retiring = engine.retire_promotion(&id);
        let beside: Vec<_> = engine.place_many((0..500).map(order));
        retiring.await.unwrap();
        let after: Vec<_> = engine.place_many((0..100).map(order));
        let mut discounted = 0;
        for (at, pending) in before.into_iter().chain(beside).chain(after).enumerate() {
            let placed = pending.await.unwrap();
            let list = money(if at % 2 == 0 { "20.00 EUR" } else { "50.00 EUR" }).amount;
            let half = placed.total().amount.0 * 2 == list.0;
            assert!(half || placed.total().amount == list, "order {at}");
            assert!(at < 1_000 || !half, "order {at} was asked for after the answer");
            discounted += u64::from(half);
        }
        let (held, settled, _) = uses(&engine, "crowd").await;
        assert_eq!((held, settled), (0, discounted));
        close(engine, &dir).await;
    }
}

#[tokio::test]
async fn promotions_and_uses_are_there_after_a_restart_and_after_leaving_memory() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let open = || {
        let mut config = Config::at(&dir);
        config.orders_in_memory_max = 1;
        config.checkpoint_records = 5;
        Engine::open(config).unwrap()
    };
    let engine = open();
    fill(&engine).await;
    promote(
        &engine,
        json!({"id": "spring", "name": "Spring", "lane": "coupon", "coupon": ["spring"], "currency": "EUR",
            "then": {"order": {"amount": 5}}}),
    )
    .await;
    for coupon in ["ONE", "TWO", "THREE"] {
        engine.put_coupon(&code(coupon), coupon_terms("spring", Some(1)).unwrap()).await.unwrap();
    }
    let place = async |engine: &Engine, coupon: &str| -> Result<OrderSnapshot, Refusal> {
        engine.place(NewOrder::one("BOOK", 1).coupon(coupon).pay(external())).await
    };
    place(&engine, "ONE").await.unwrap();
    for _ in 0..20 {
        engine.receive("BOOK", 1).await.unwrap();
    }
    engine.settled().await.unwrap();
    assert_eq!(place(&engine, "ONE").await.unwrap_err().code(), "coupon_exhausted");
    engine.close().await.unwrap();
    drop(engine);
    let engine = open();
    assert_eq!(place(&engine, "ONE").await.unwrap_err().code(), "coupon_exhausted");
    assert_eq!(place(&engine, "TWO").await.unwrap().total(), money("15.00 EUR"));
    close(engine, &dir).await;
}

fn serve(engine: &Engine) -> (Server, SocketAddr) {
    let free = ([127, 0, 0, 1], 0).into();
    let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
    let server = Server::start(engine.clone(), options).unwrap();
    let address = server.addresses().0;
    (server, address)
}

#[test]
fn over_http_from_the_rule_to_the_receipt() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    let (server, address) = serve(&engine);
    let send = |method: &str, path: &str, body: &Value| {
        let headers = [("content-type", "application/json")];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        ask(address, method, &format!("/api/v1{path}"), &headers, &text)
    };
    let eur = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    for (sku, category, price) in [("BOOK", "books", "100.00"), ("TV", "electronics", "400.00")] {
        let body = json!({"name": sku, "price": eur(price), "category": category});
        assert_eq!(send("PUT", &format!("/skus/{sku}"), &body).status, 201);
        assert_eq!(send("POST", &format!("/skus/{sku}/receipts"), &json!({"quantity": 1_000})).status, 201);
    }
    let welcome = json!({"name": "300 less 50 for new customers", "lane": "order", "currency": "EUR",
        "when": [{"new_customer": true}], "then": {"tiers": {"steps": [{"spend": 300, "amount": 50}]}}});
    assert_eq!(send("PUT", "/promotions/welcome", &welcome).status, 201);
    assert_eq!(send("PUT", "/promotions/welcome", &welcome).status, 200);
    let category = json!({"id": "not-tv", "name": "Books week", "lane": "goods", "when": [
            {"not": {"category": ["electronics"]}}],
        "refusal": "Books week is not for electronics", "then": {"line": {"percent": 10}}});
    assert_eq!(send("PUT", "/promotions/not-tv", &category).status, 201);
    let listed = send("GET", "/promotions?limit=1", &Value::Null).json();
    assert_eq!(listed["items"][0]["id"], "not-tv");
    let cursor = listed["next_cursor"].as_str().unwrap().to_owned();
    let listed = send("GET", &format!("/promotions?limit=1&cursor={cursor}"), &Value::Null).json();
    assert_eq!((&listed["items"][0]["id"], &listed["next_cursor"]), (&json!("welcome"), &Value::Null));

    // A quote says of every rule whether it applies, and why.
    let cart = json!({"sku": "TV", "quantity": 1, "context": {"new_customer": true}});
    let quote = send("POST", "/quotes", &cart);
    assert_eq!(quote.status, 200, "{}", quote.text);
    let quote = quote.json();
    assert_eq!(quote["totals"]["total"], eur("350.00"), "{quote}");
    let said = |id: &str| {
        let promotions = quote["promotions"].as_array().unwrap();
        promotions.iter().find(|said| said["id"] == id).map(|said| (said["code"].clone(), said["sentence"].clone()))
    };
    let (applies, refused) = (said("welcome").unwrap(), said("not-tv").unwrap());
    assert_eq!(applies, (json!(200), json!("300 less 50 for new customers: 50.00 EUR off")));
    assert_eq!(refused, (json!(403), json!("Books week: Books week is not for electronics")));

    // Coupons in bulk, and an order with one.
    let off = json!({"name": "Coupon", "lane": "coupon", "coupon": ["mail"], "then": {"order": {"percent": 20}}});
    assert_eq!(send("PUT", "/promotions/mail", &off).status, 201);
    let made = send("POST", "/coupons", &json!({"prefix": "MAIL", "count": 25, "coupon": {"batch": "mail"}}));
    assert_eq!(made.status, 201, "{}", made.text);
    let codes: Vec<String> = serde_json::from_value(made.json()["codes"].clone()).unwrap();
    assert_eq!(codes.len(), 25);
    let order = |coupon: &str| json!({"lines": [{"sku": "BOOK", "quantity": 2}], "coupon": coupon, "payment": {"method": "external"}});
    let placed = send("POST", "/orders", &order(&codes[0].to_lowercase()));
    assert_eq!(placed.status, 201, "{}", placed.text);
    let placed = placed.json();
    // Books week takes 10 % of 200.00, the coupon 20 % of the list price.
    assert_eq!((&placed["totals"]["total"], &placed["lines"][0]["discount"]), (&eur("140.00"), &eur("60.00")));
    assert_eq!(placed["promotions"]["coupons"], json!([codes[0]]));
    let read = send("GET", &format!("/orders/{}", placed["id"].as_str().unwrap()), &Value::Null).json();
    assert_eq!(read["promotions"], placed["promotions"]);
    let again = send("POST", "/orders", &order(&codes[0]));
    assert_eq!((again.status, again.problem()), (409, "coupon_exhausted".to_owned()));
    let unknown = send("POST", "/orders", &order("NOTHING"));
    assert_eq!((unknown.status, unknown.problem()), (422, "coupon_invalid".to_owned()));
    let coupon = send("GET", &format!("/coupons/{}", codes[0]), &Value::Null).json();
    assert_eq!((&coupon["batch"], &coupon["uses"]["settled"]), (&json!("mail"), &json!(1)));

    for (method, path, body, status) in [
        ("PUT", "/promotions/x", json!({"name": "x", "lane": "nowhere", "then": {"order": {"percent": 1}}}), 400),
        ("PUT", "/promotions/x", json!({"name": "x", "lane": "goods", "then": {"order": {"percent": 101}}}), 400),
        (
            "PUT",
            "/promotions/x",
            json!({"id": "y", "name": "x", "lane": "goods", "then": {"order": {"percent": 1}}}),
            400,
        ),
        ("GET", "/promotions/x", Value::Null, 404),
        ("GET", "/coupons/NOTHING", Value::Null, 404),
        ("PUT", "/coupons/A%20B", json!({"batch": "mail"}), 404),
        ("PUT", "/coupons/AB", json!({"batch": "mail", "uses": 0}), 400),
        ("POST", "/coupons", json!({"prefix": "X", "count": 0, "coupon": {"batch": "mail"}}), 400),
        ("POST", "/quotes", json!({"sku": "NONE", "quantity": 1}), 422),
        ("DELETE", "/promotions/x", Value::Null, 404),
        ("DELETE", "/promotions/a%20b", Value::Null, 404),
        ("POST", "/promotions/welcome", Value::Null, 405),
    ] {
        let told = send(method, path, &body);
        assert_eq!(told.status, status, "{method} {path} {body}: {}", told.text);
        told.problem();
    }

    // Retired, it prices nothing, is not listed, and is still there to be read; twice is once.
    let version = |quote: &Value| quote["rules_version"].as_str().unwrap().parse::<u64>().unwrap();
    let retired = send("DELETE", "/promotions/welcome", &Value::Null);
    assert_eq!((retired.status, &retired.json()["retired"]), (200, &json!(true)), "{}", retired.text);
    assert_eq!(send("DELETE", "/promotions/welcome", &Value::Null).json(), retired.json());
    assert_eq!(send("GET", "/promotions/welcome", &Value::Null).json(), retired.json());
    let listed = send("GET", "/promotions", &Value::Null).json();
    let ids = |listed: &Value| -> Vec<String> {
        listed["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&listed), ["mail", "not-tv"]);
    let after = send("POST", "/quotes", &cart).json();
    assert_eq!(after["totals"]["total"], eur("400.00"), "{after}");
    assert!(version(&after) > version(&quote), "{after}");
    // Put again, it is the next version of itself.
    let again = send("PUT", "/promotions/welcome", &welcome);
    let said = again.json();
    assert_eq!((again.status, &said["version"], &said["retired"]), (200, &json!(2), &json!(false)), "{}", again.text);
    let last = send("POST", "/quotes", &cart).json();
    assert_eq!(last["totals"]["total"], eur("350.00"), "{last}");
    assert!(version(&last) > version(&after), "{last}");
    server.shutdown(Duration::from_secs(5));
    engine.close_blocking().unwrap();
    drop(engine);
    let report = stockade::audit::audit(&dir, |_, _| ()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.faults);
}

/// What is earned by a method of payment is earned by paying everything by it.
#[tokio::test]
async fn a_discount_for_a_payment_method_is_for_orders_that_are_paid_by_nothing_else() {
    for partitions in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let engine = Engine::open(Config::at(&dir).partitions(partitions)).unwrap();
        fill(&engine).await;
        promote(
            &engine,
            json!({"id": "by-wallet", "name": "By wallet", "lane": "order", "when": [{"payment": ["wallet"]}],
                "then": {"order": {"percent": 10}}}),
        )
        .await;
        engine.credit("ann", money("500.00 EUR")).await.unwrap();
        let part = |method: Payment, amount: &str| method.amount(money(amount));
        let cases: [(&str, Vec<Payment>, &str); 6] = [
            ("all by wallet", vec![Payment::wallet()], "45.00 EUR"),
            ("a cent by wallet", vec![part(Payment::wallet(), "0.01 EUR"), external()], "50.00 EUR"),
            ("the rest by wallet", vec![part(external(), "0.01 EUR"), Payment::wallet()], "50.00 EUR"),
            (
                "a cent now, the rest later, by whatever it may be",
                vec![part(Payment::wallet(), "0.01 EUR")],
                "50.00 EUR",
            ),
            ("exactly what is due", vec![part(Payment::wallet(), "45.00 EUR")], "45.00 EUR"),
            ("nothing yet", vec![], "50.00 EUR"),
        ];
        for (case, payments, total) in cases {
            let order = || {
                let order = NewOrder::one("GAME", 1).customer("ann");
                payments.iter().cloned().fold(order, NewOrder::pay)
            };
            let quoted = engine.quote(order()).await.unwrap();
            assert_eq!(quoted.total, money(total), "a quote with {case}, {partitions} partitions");
            let code = quoted.promotions.iter().find(|said| said.promotion.as_str() == "by-wallet").unwrap().code;
            assert_eq!(code == 200, total == "45.00 EUR", "{case}");
            let placed = engine.place(order()).await.unwrap();
            assert_eq!(placed.total(), money(total), "an order with {case}, {partitions} partitions");
        }
        close(engine, &dir).await;
    }
}

/// Ten thousand at once want one of a hundred; a budget is never exceeded.
#[tokio::test]
async fn under_a_crowd_a_coupon_and_a_budget_are_strict() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    fill(&engine).await;
    promote(
        &engine,
        json!({"id": "hundred", "name": "Hundred", "lane": "coupon", "coupon": ["crowd"], "currency": "EUR",
            "then": {"order": {"amount": 1}}}),
    )
    .await;
    engine.put_coupon(&code("CROWD"), coupon_terms("crowd", Some(100)).unwrap()).await.unwrap();
    let orders = (0..10_000).map(|_| NewOrder::one("BOOK", 1).coupon("CROWD").pay(external()));
    let (mut placed, mut exhausted) = (0, 0);
    for pending in engine.place_many(orders) {
        match pending.await {
            Ok(order) => {
                assert_eq!(order.total(), money("19.00 EUR"));
                placed += 1;
            }
            Err(refusal) if refusal.code() == "coupon_exhausted" => exhausted += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((placed, exhausted), (100, 9_900));

    promote(
        &engine,
        json!({"id": "budget", "name": "Budget", "lane": "goods", "currency": "EUR", "limits": {"budget": 1000},
            "then": {"line": {"amount": 7}}}),
    )
    .await;
    let orders = (0..1_000).map(|_| NewOrder::one("GAME", 1).pay(external()));
    let mut given = 0;
    for pending in engine.place_many(orders) {
        given += money("50.00 EUR").amount.0 - pending.await.unwrap().total().amount.0;
    }
    assert_eq!(given, money("994.00 EUR").amount.0, "142 times 7.00");
    close(engine, &dir).await;
}
