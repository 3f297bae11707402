//! The lines of an unpaid order are changed: in process, over HTTP, across partitions, with promotions, after a restart.
//! Every directory is audited afterwards.

#[path = "support/ask.rs"]
mod ask;

use std::path::Path;
use std::time::Duration;

use ask::ask;
use serde_json::{Value, json};
use stockade::engine::Offer;
use stockade::engine::coupon_terms;
use stockade::http::{Server, ServerOptions};
use stockade::promotions::promotion_from_json;
use stockade::{Config, Engine, ManualClock, Money, NewOrder, OrderSnapshot, Payment, Refusal, Sku, Timestamp};
use stockade_domain::order::ChargeKind;
use stockade_domain::promotion::{CouponCode, PromotionId};

const START: Timestamp = Timestamp(1_790_000_000_000_000);

fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

/// Ten mugs at 3.00, ten plates at 5.00.
async fn fill(engine: &Engine) {
    for (name, price) in [("MUG", "3.00"), ("PLATE", "5.00")] {
        engine.put_sku(Sku::new(name, eur(price)).backorder_max(10)).await.unwrap();
        engine.receive(name, 10).await.unwrap();
    }
}

async fn close(engine: Engine, dir: &Path) {
    engine.check().await.unwrap();
    engine.close().await.unwrap();
    drop(engine);
    let report = stockade::audit::audit(dir, |_, _| ()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.faults);
}

/// Units for sale and units held.
async fn stock(engine: &Engine, sku: &str) -> (u64, u64) {
    let levels = engine.read_stock(sku).await.unwrap().0.levels;
    (levels.available, levels.totals.held)
}

fn lines(order: &OrderSnapshot) -> Vec<(String, u64, u64)> {
    order.order.lines.iter().map(|line| (line.sku.to_string(), line.quantity, line.filled)).collect()
}

fn line(sku: &str, units: u64) -> (String, u64, u64) {
    (sku.into(), units, units)
}

#[tokio::test]
async fn lines_are_more_fewer_gone_or_new_and_the_stock_and_the_total_follow() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    fill(&engine).await;
    let order = NewOrder::one("MUG", 4).charge(ChargeKind::Shipping, eur("2.00"));
    let order = engine.place(order).await.unwrap();
    assert_eq!(order.total(), eur("14.00"));

    let more = engine.edit(order.id, NewOrder::one("MUG", 6).line("PLATE", 1)).await.unwrap();
    assert_eq!((lines(&more), more.total()), (vec![line("MUG", 6), line("PLATE", 1)], eur("25.00")));
    assert_eq!((stock(&engine, "MUG").await, stock(&engine, "PLATE").await), ((4, 6), (9, 1)));
    assert_eq!(more.order.hold_expires_at, order.order.hold_expires_at, "it gets no more time by this");

    let fewer = engine.edit(order.id, NewOrder::one("PLATE", 2).line("MUG", 1)).await.unwrap();
    assert_eq!((lines(&fewer), fewer.total()), (vec![line("PLATE", 2), line("MUG", 1)], eur("15.00")));
    let gone = engine.edit(order.id, NewOrder::one("PLATE", 2)).await.unwrap();
    assert_eq!((lines(&gone), gone.total()), (vec![line("PLATE", 2)], eur("12.00")));
    assert_eq!((stock(&engine, "MUG").await, stock(&engine, "PLATE").await), ((10, 0), (8, 2)));

    let paid = engine.pay(order.id, Payment::external("till")).await.unwrap();
    assert_eq!(paid.order.paid(), eur("12.00").amount);
    let refusal = engine.edit(order.id, NewOrder::one("PLATE", 1)).await.unwrap_err();
    assert_eq!(refusal.code(), "already_paid");
    engine.ship(order.id).await.unwrap();
    close(engine, &dir).await;
}

#[tokio::test]
async fn a_change_that_cannot_be_had_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let clock = ManualClock::at(START);
    let engine = Engine::open(Config::at(&dir).clock(clock.clone())).unwrap();
    fill(&engine).await;
    engine.put_sku(Sku::new("DEAR", Money::parse("1.00 USD").unwrap())).await.unwrap();
    engine.receive("DEAR", 5).await.unwrap();
    let order = engine.place(NewOrder::one("MUG", 4).line("PLATE", 1).customer("ann")).await.unwrap();
    let others = engine.place(NewOrder::one("PLATE", 7)).await.unwrap();

    let expected = eur("31.99");
    let refused: Vec<(NewOrder, &str)> = vec![
        (NewOrder::one("MUG", 5).line("PLATE", 4), "stock_exhausted"),
        (NewOrder::one("MUG", 11).line("PLATE", 1), "stock_exhausted"),
        (NewOrder::one("MUG", 4).line("NONE", 1), "sku_unknown"),
        (NewOrder::one("MUG", 4).line("DEAR", 1), "currency_mismatch"),
        (NewOrder::one("DEAR", 1), "currency_mismatch"),
        (NewOrder::one("MUG", 0), "quantity_invalid"),
        (NewOrder::empty(), "body_invalid"),
        (NewOrder::one("MUG", 9).line("PLATE", 1).expected_total(expected), "price_changed"),
        (NewOrder::one("MUG", 1).pay(Payment::external("till")), "body_invalid"),
        (NewOrder::one("MUG", 1).customer("bob"), "body_invalid"),
        (NewOrder::one("MUG", 1).allow_partial(), "body_invalid"),
        (NewOrder::one("MUG", 4).line_from("PLATE", 1, "sally"), "body_invalid"),
    ];
    for (edit, code) in refused {
        let (mugs, plates) = (stock(&engine, "MUG").await, stock(&engine, "PLATE").await);
        let refusal = engine.edit(order.id, edit.clone()).await.unwrap_err();
        assert_eq!(refusal.code(), code, "{edit:?}");
        assert_eq!((stock(&engine, "MUG").await, stock(&engine, "PLATE").await), (mugs, plates), "{code}");
        let now = engine.read_order(order.id).await.unwrap();
        assert_eq!(now.order, order.order, "{code}");
    }
    let Err(Refusal::StockExhausted { items, .. }) =
        engine.edit(order.id, NewOrder::one("MUG", 11).line("PLATE", 4)).await
    else {
        panic!("it is refused")
    };
    let short: Vec<_> = items.iter().map(|item| (item.sku.as_str(), item.requested, item.available)).collect();
    assert_eq!(short, [("MUG", 7, 6), ("PLATE", 3, 2)], "all that is short is named, with what was wanted beside");

    engine.cancel(others.id).await.unwrap();
    let refusal = engine.edit(others.id, NewOrder::one("PLATE", 1)).await.unwrap_err();
    assert_eq!(refusal.code(), "order_state_invalid");
    clock.advance_seconds(901);
    let refusal = engine.edit(order.id, NewOrder::one("MUG", 1)).await.unwrap_err();
    assert_eq!(refusal.code(), "hold_expired");
    close(engine, &dir).await;
}

#[tokio::test]
async fn what_is_given_up_goes_to_the_next_in_line_and_what_is_added_does_not_overtake() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    fill(&engine).await;
    let order = engine.place(NewOrder::one("MUG", 10)).await.unwrap();
    let waits = engine.place(NewOrder::one("MUG", 3).allow_backorder()).await.unwrap();
    assert_eq!(waits.order.lines[0].backordered, 3);
    engine.edit(order.id, NewOrder::one("MUG", 8)).await.unwrap();
    let waits = engine.read_order(waits.id).await.unwrap();
    assert_eq!((waits.order.lines[0].filled, waits.order.lines[0].backordered), (2, 1));
    // Somebody waits, so nobody gets more before him.
    assert_eq!(engine.edit(order.id, NewOrder::one("MUG", 9)).await.unwrap_err().code(), "stock_exhausted");
    // Of an order that waits itself, what waits is given up first.
    let fewer = engine.edit(waits.id, NewOrder::one("MUG", 2)).await.unwrap();
    assert_eq!((fewer.order.lines[0].filled, fewer.order.lines[0].backordered), (2, 0));
    engine.receive("MUG", 1).await.unwrap();
    assert_eq!(engine.edit(order.id, NewOrder::one("MUG", 9)).await.unwrap().order.lines[0].filled, 9);
    close(engine, &dir).await;
}

#[tokio::test]
async fn a_line_keeps_its_price_and_a_new_one_has_todays() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    fill(&engine).await;
    let parts = [("MUG".parse().unwrap(), 2), ("PLATE".parse().unwrap(), 1)];
    engine.put_sku(Sku::new("SET", eur("9.00")).kit(parts.clone())).await.unwrap();
    let order = NewOrder::one("SET", 2).line("MUG", 1).line_at("MUG", 1, eur("2.50"));
    let order = engine.place(order).await.unwrap();
    assert_eq!(order.total(), eur("23.50"));
    // Prices rise, and the set is sold no more as it was.
    engine.put_sku(Sku::new("MUG", eur("4.00")).backorder_max(10)).await.unwrap();
    engine.put_sku(Sku::new("SET", eur("12.00")).kit([("PLATE".parse().unwrap(), 1)])).await.unwrap();
    let wanted = NewOrder::one("SET", 1).line_at("MUG", 2, eur("2.50")).line("MUG", 1).line("PLATE", 1);
    let edited = engine.edit(order.id, wanted).await.unwrap();
    // 9.00 + 2 x 2.50 + 3.00 + 5.00.
    assert_eq!(edited.total(), eur("22.00"));
    assert_eq!((stock(&engine, "MUG").await, stock(&engine, "PLATE").await), ((5, 5), (8, 2)));
    let third = NewOrder::one("SET", 1).line("MUG", 1).line("MUG", 1).line("MUG", 1);
    // 9.00 + 2.50 + 3.00 + 4.00: two are as they were, the third is new.
    assert_eq!(engine.edit(order.id, third).await.unwrap().total(), eur("18.50"));
    engine.pay(order.id, Payment::external("till")).await.unwrap();
    engine.ship(order.id).await.unwrap();
    close(engine, &dir).await;
}

#[tokio::test]
async fn a_sellers_units_can_be_kept_or_given_up_but_not_added() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    fill(&engine).await;
    engine.offer("MUG", Offer::new("sally", 5, eur("2.00"))).await.unwrap();
    let order = engine.place(NewOrder::empty().line_from("MUG", 4, "sally").line("PLATE", 1)).await.unwrap();
    assert_eq!(order.total(), eur("13.00"));
    let more = NewOrder::empty().line_from("MUG", 5, "sally");
    assert_eq!(engine.edit(order.id, more).await.unwrap_err().code(), "body_invalid");
    let fewer = NewOrder::empty().line_from("MUG", 1, "sally").line("MUG", 1).line("PLATE", 2);
    let fewer = engine.edit(order.id, fewer).await.unwrap();
    assert_eq!(fewer.total(), eur("15.00"), "2.00, 3.00 and 10.00");
    let gone = engine.edit(order.id, NewOrder::one("MUG", 2)).await.unwrap();
    assert_eq!(gone.total(), eur("6.00"));
    // All of the seller's units can be bought again.
    let all = engine.place(NewOrder::empty().line_from("MUG", 5, "sally")).await.unwrap();
    assert_eq!(all.total(), eur("10.00"));
    close(engine, &dir).await;
}

async fn promote(engine: &Engine, promotion: Value) {
    let promotion = promotion_from_json(promotion.to_string().as_bytes()).unwrap();
    engine.put_promotion(promotion).await.unwrap();
}

/// Uses held and settled, and what they take of the budget.
async fn uses(engine: &Engine, promotion: &str) -> (u64, u64, i64) {
    let view = engine.read_promotion(&PromotionId::new(promotion).unwrap()).await.unwrap().0;
    (view.held, view.settled, view.amount.0)
}

#[tokio::test]
async fn promotions_price_what_it_is_changed_to_and_their_uses_follow() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    fill(&engine).await;
    let tiers = json!({"id": "spring", "name": "Spring", "lane": "coupon", "coupon": ["mail"], "currency": "EUR",
        "when": [{"subtotal": {"at_least": 15}}], "then": {"order": {"percent": 10}}, "limits": {"budget": 3}});
    promote(&engine, tiers).await;
    let gift = json!({"id": "plate", "name": "A plate with ten mugs", "lane": "gift",
        "when": [{"quantity": {"of": {"sku": ["MUG"]}, "at_least": 10}}], "then": {"gift": {"sku": "PLATE", "quantity": 1}}});
    promote(&engine, gift).await;
    let code = CouponCode::new("HELLO").unwrap();
    engine.put_coupon(&code, coupon_terms("mail", Some(1)).unwrap()).await.unwrap();
    let held = async || engine.read_coupon(&code).await.unwrap().0.held;

    let order = engine.place(NewOrder::one("MUG", 5).coupon("HELLO")).await.unwrap();
    assert_eq!((order.total(), uses(&engine, "spring").await.2), (eur("13.50"), eur("1.50").amount.0));
    let more = engine.edit(order.id, NewOrder::one("MUG", 8)).await.unwrap();
    assert_eq!((more.total(), uses(&engine, "spring").await), (eur("21.60"), (1, 0, eur("2.40").amount.0)));
    // Ten mugs bring a plate; 3.00 off would be all of the budget.
    let ten = engine.edit(order.id, NewOrder::one("MUG", 10)).await.unwrap();
    assert_eq!((ten.total(), lines(&ten)), (eur("27.00"), vec![line("MUG", 10), line("PLATE", 1)]));
    assert_eq!((stock(&engine, "PLATE").await, uses(&engine, "spring").await.2), ((9, 1), eur("3.00").amount.0));
    // Eleven plates' worth of discount is more than the budget allows: refused is nothing, it is done without.
    let dear = engine.edit(order.id, NewOrder::one("MUG", 10).line("PLATE", 1)).await.unwrap();
    assert_eq!(dear.total(), eur("35.00"));
    assert_eq!((held().await, uses(&engine, "spring").await), (0, (0, 0, 0)), "a coupon that is not used is free");
    assert_eq!(lines(&dear), [line("MUG", 10), line("PLATE", 1), line("PLATE", 1)]);
    let none = engine.edit(order.id, NewOrder::one("MUG", 5)).await.unwrap();
    assert_eq!((none.total(), lines(&none)), (eur("15.00"), vec![line("MUG", 5)]), "the gift is gone");
    assert_eq!(stock(&engine, "PLATE").await, (10, 0));

    let other = engine.place(NewOrder::one("MUG", 5).coupon("HELLO")).await.unwrap();
    let below = engine.edit(other.id, NewOrder::one("MUG", 2)).await.unwrap();
    assert_eq!((below.total(), held().await), (eur("6.00"), 0), "what takes the coupon does not apply any more");
    let third = engine.place(NewOrder::one("MUG", 5).coupon("HELLO")).await;
    assert_eq!(third.unwrap_err().code(), "stock_exhausted");
    engine.pay(none.id, Payment::external("till")).await.unwrap();
    close(engine, &dir).await;
}

#[tokio::test]
async fn a_limit_per_customer_counts_what_is_added_and_what_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    engine.put_sku(Sku::new("RARE", eur("1.00")).limit_per_customer(3)).await.unwrap();
    engine.receive("RARE", 10).await.unwrap();
    let order = engine.place(NewOrder::one("RARE", 2).customer("ann")).await.unwrap();
    assert_eq!(engine.edit(order.id, NewOrder::one("RARE", 4)).await.unwrap_err().code(), "limit_exceeded");
    engine.edit(order.id, NewOrder::one("RARE", 3)).await.unwrap();
    let second = || engine.place(NewOrder::one("RARE", 2).customer("ann"));
    assert_eq!(second().await.unwrap_err().code(), "limit_exceeded");
    engine.edit(order.id, NewOrder::one("RARE", 1)).await.unwrap();
    second().await.unwrap();
    close(engine, &dir).await;
}

#[tokio::test]
async fn across_partitions_units_can_be_given_up_and_what_lives_beside_the_order_can_be_added() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir).partitions(3)).unwrap();
    let names = ["A", "B", "C", "D", "E", "F"];
    for name in names {
        engine.put_sku(Sku::new(name, eur("1.00"))).await.unwrap();
        engine.receive(name, 10).await.unwrap();
    }
    let all = |units| names.iter().fold(NewOrder::empty(), |order, name| order.line(name, units));
    let order = engine.place(all(4)).await.unwrap();
    let fewer = engine.edit(order.id, all(3)).await.unwrap();
    assert_eq!(fewer.total(), eur("18.00"));
    let (mut added, mut refused) = (0, 0);
    for name in names {
        let now = engine.read_order(order.id).await.unwrap();
        let with = |order: NewOrder, of: &str, units: u64| order.line(of, units + u64::from(of == name));
        let wanted = now.order.lines.iter().fold(NewOrder::empty(), |o, l| with(o, l.sku.as_str(), l.quantity));
        match engine.edit(order.id, wanted).await {
            Ok(_) => added += 1,
            Err(refusal) => {
                assert_eq!(refusal.code(), "body_invalid", "{refusal}");
                assert_eq!(engine.read_order(order.id).await.unwrap().order.lines, now.order.lines);
                refused += 1;
            }
        }
    }
    assert!(added > 0 && refused > 0, "{added} live beside the order, {refused} do not");
    let left = engine.edit(order.id, NewOrder::one("A", 1).line("F", 1)).await.unwrap();
    assert_eq!(left.total(), eur("2.00"));
    engine.pay(order.id, Payment::external("till")).await.unwrap();
    engine.ship(order.id).await.unwrap();
    close(engine, &dir).await;
}

#[tokio::test]
async fn a_changed_order_is_as_it_was_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    fill(&engine).await;
    let order = engine.place(NewOrder::one("MUG", 4)).await.unwrap();
    let edited = engine.edit(order.id, NewOrder::one("MUG", 2).line("PLATE", 3)).await.unwrap();
    engine.close().await.unwrap();
    drop(engine);
    let engine = Engine::open(Config::at(&dir)).unwrap();
    assert_eq!(engine.read_order(order.id).await.unwrap().order, edited.order);
    let again = engine.edit(order.id, NewOrder::one("MUG", 5).line("PLATE", 3)).await.unwrap();
    assert_eq!(again.total(), eur("30.00"));
    assert_eq!((stock(&engine, "MUG").await, stock(&engine, "PLATE").await), ((5, 5), (7, 3)));
    close(engine, &dir).await;
}

#[test]
fn over_http_a_patch_gives_the_order_its_new_lines_once() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = Engine::open(Config::at(&dir)).unwrap();
    let free = ([127, 0, 0, 1], 0).into();
    let options = ServerOptions { listen: free, admin: free, ..ServerOptions::default() };
    let server = Server::start(engine.clone(), options).unwrap();
    let address = server.addresses().0;
    let send = |method: &str, path: &str, key: Option<&str>, body: &Value| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        ask(address, method, &format!("/api/v1{path}"), &headers, &body.to_string())
    };
    for (sku, price) in [("MUG", "3.00"), ("PLATE", "5.00")] {
        let price = json!({"amount": price, "currency": "EUR"});
        assert_eq!(send("PUT", &format!("/skus/{sku}"), None, &json!({"name": sku, "price": price})).status, 201);
        assert_eq!(send("POST", &format!("/skus/{sku}/receipts"), None, &json!({"quantity": 10})).status, 201);
    }
    let placed = send("POST", "/orders", None, &json!({"sku": "MUG", "quantity": 4}));
    let path = format!("/orders/{}", placed.json()["id"].as_str().unwrap());

    let body = json!({"lines": [{"sku": "MUG", "quantity": 5}, {"sku": "PLATE", "quantity": 1}]});
    let edited = send("PATCH", &path, Some("k-1"), &body);
    assert_eq!(edited.status, 200, "{}", edited.text);
    assert_eq!(edited.json()["totals"]["total"]["amount"], "20.00", "{}", edited.text);
    assert_eq!(send("GET", &path, None, &Value::Null).json()["lines"].as_array().unwrap().len(), 2);
    let later = json!({"lines": [{"sku": "MUG", "quantity": 1}]});
    assert_eq!(send("PATCH", &path, None, &later).json()["totals"]["total"]["amount"], "3.00");
    let again = send("PATCH", &path, Some("k-1"), &body);
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!(send("PATCH", &path, Some("k-1"), &later).problem(), "idempotency_key_reused");
    let history = send("GET", &format!("{path}/events"), None, &Value::Null).json();
    let types: Vec<_> =
        history["items"].as_array().unwrap().iter().map(|fact| fact["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["edited", "edited", "placed"]);

    for (body, status, code) in [
        (json!({"lines": [{"sku": "MUG", "quantity": 11}]}), 409, "stock_exhausted"),
        (json!({"lines": []}), 400, "body_invalid"),
        (json!({}), 400, "body_invalid"),
        (json!({"lines": [{"sku": "MUG", "quantity": 1}], "customer": "bob"}), 400, "body_invalid"),
        (json!({"lines": [{"sku": "NONE", "quantity": 1}]}), 422, "sku_unknown"),
        (json!({"lines": [{"sku": "MUG", "quantity": 0}]}), 422, "quantity_invalid"),
    ] {
        let told = send("PATCH", &path, None, &body);
        assert_eq!((told.status, told.problem().as_str()), (status, code), "{body}: {}", told.text);
    }
    let unknown = "/orders/01890000-0000-7000-8000-000000000000";
    assert_eq!(send("PATCH", unknown, None, &later).status, 404);
    assert_eq!(send("PUT", &path, None, &later).problem(), "method_not_allowed");
    assert_eq!(send("POST", &format!("{path}/pay"), None, &json!({"payment": {"method": "external"}})).status, 200);
    assert_eq!(send("PATCH", &path, None, &later).problem(), "already_paid");
    server.shutdown(Duration::from_secs(5));
    engine.close_blocking().unwrap();
    drop(engine);
    let report = stockade::audit::audit(&dir, |_, _| ()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.faults);
}
