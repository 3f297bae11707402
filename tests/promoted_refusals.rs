//! What promotions and coupons refuse: a quote promises nothing that an order is refused, and the number of partitions
//! changes no answer.

use std::path::Path;

use serde_json::{Value, json};
use stockade::engine::coupon_terms;
use stockade::promotions::promotion_from_json;
use stockade::{Config, Engine, ManualClock, Money, NewOrder, Payment, Sku, Timestamp};
use stockade_domain::promotion::CouponCode;
use stockade_domain::promotion::condition::Window;
use stockade_domain::promotion::rule::Limits;
use stockade_domain::promotion::uses::Terms;

const START: Timestamp = Timestamp(1_790_000_000_000_000);

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

async fn promote(engine: &Engine, promotion: Value) {
    let promotion = promotion_from_json(promotion.to_string().as_bytes()).unwrap();
    engine.put_promotion(promotion).await.unwrap();
}

async fn put_coupon(engine: &Engine, code: &str, terms: Terms) {
    engine.put_coupon(&CouponCode::new(code).unwrap(), terms).await.unwrap();
}

fn open(dir: &Path, partitions: usize) -> Engine {
    Engine::open(Config::at(dir).partitions(partitions).clock(ManualClock::at(START))).unwrap()
}

async fn sell(engine: &Engine, sku: &str, price: &str, units: u64) {
    engine.put_sku(Sku::new(sku, money(price))).await.unwrap();
    engine.receive(sku, units).await.unwrap();
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

fn book() -> NewOrder {
    NewOrder::one("BOOK", 1)
}

/// Something to be quoted and ordered, and what comes of both.
struct Case {
    name: &'static str,
    order: fn() -> NewOrder,
    /// The total, or the code of the refusal.
    outcome: Result<&'static str, &'static str>,
    /// What is said of which promotion, or by the refusal.
    said: (&'static str, &'static str),
}

const fn case(
    name: &'static str,
    order: fn() -> NewOrder,
    outcome: Result<&'static str, &'static str>,
    said: (&'static str, &'static str),
) -> Case {
    Case { name, order, outcome, said }
}

const CASES: [Case; 18] = [
    case("a coupon that is fine", || book().coupon("FINE"), Ok("15.00 EUR"), ("off", "5.00 EUR off")),
    case("a coupon called back", || book().coupon("REVOKED"), Err("coupon_invalid"), ("", "it was called back")),
    case("a coupon that is over", || book().coupon("EXPIRED"), Err("coupon_invalid"), ("", "it has expired")),
    case("a coupon of next week", || book().coupon("EARLY"), Err("coupon_invalid"), ("", "its time has not come")),
    case("a coupon that is used", || book().coupon("USED"), Err("coupon_exhausted"), ("", "USED is used up")),
    case("a coupon that is held", || book().coupon("HELD"), Err("coupon_exhausted"), ("", "HELD is used up")),
    case("his second", || book().coupon("EACH").customer("ann"), Err("limit_exceeded"), ("", "uses by one customer")),
    case("her first", || book().coupon("EACH").customer("eve"), Ok("15.00 EUR"), ("off", "5.00 EUR off")),
    case("a guest's where each is counted", || book().coupon("EACH"), Err("customer_required"), ("", "counted")),
    case("an unknown coupon", || book().coupon("NOBODY"), Err("coupon_invalid"), ("", "it is not known")),
    case("a coupon for more", || book().coupon("BIG"), Err("coupon_invalid"), ("", "Big: it needs goods for at least")),
    case("two of a batch", || book().coupon("FINE").coupon("MORE"), Err("coupon_invalid"), ("", "another coupon of")),
    case("a coupon of a used-up promotion", || book().coupon("SPENT"), Err("coupon_invalid"), ("", "it is used up")),
    case("too little budget", || book().channel("budget"), Ok("20.00 EUR"), ("budget", "budget does not suffice")),
    case("a used-up promotion", || book().channel("uses"), Ok("18.00 EUR"), ("uses", "it is used up")),
    case("the next one instead", || book().channel("uses"), Ok("18.00 EUR"), ("next", "2.00 EUR off")),
    case(
        "as often as one may",
        || book().channel("each").customer("ann"),
        Ok("20.00 EUR"),
        ("each", "this customer has used it"),
    ),
    case("a gift of which there is none", || book().channel("gift"), Ok("20.00 EUR"), ("gift", "it is used up")),
];

async fn prepare(engine: &Engine) {
    sell(engine, "BOOK", "20.00 EUR", 10_000).await;
    sell(engine, "MUG", "5.00 EUR", 1).await;
    let off = |id: &str, name: &str, lane: &str, more: Value| {
        let mut promotion =
            json!({"id": id, "name": name, "lane": lane, "currency": "EUR", "then": {"order": {"amount": 5}}});
        promotion.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        promotion
    };
    let when = |channel: &str| json!([{"channel": [channel]}]);
    for promotion in [
        off("off", "Off", "coupon", json!({"coupon": ["any"]})),
        off("big", "Big", "coupon", json!({"coupon": ["big"], "when": [{"subtotal": {"at_least": 1000}}]})),
        off("spent", "Spent", "coupon", json!({"coupon": ["spent"], "limits": {"uses": 1}})),
        off("budget", "Budget", "order", json!({"when": when("budget"), "limits": {"budget": 8}})),
        off("uses", "Uses", "goods", json!({"when": when("uses"), "limits": {"uses": 1}})),
        off("next", "Next", "goods", json!({"when": when("uses"), "then": {"line": {"percent": 10}}})),
        off("each", "Each", "order", json!({"when": when("each"), "limits": {"per_customer": 1}})),
        off("gift", "Gift", "gift", json!({"when": when("gift"), "then": {"gift": {"sku": "MUG", "quantity": 1}}})),
    ] {
        promote(engine, promotion).await;
    }
    let any = |uses| coupon_terms("any", uses).unwrap();
    let window = |from: Option<i64>, until: Option<i64>| Window {
        from: from.map(|seconds| Timestamp(START.0 + seconds * 1_000_000)),
        until: until.map(|seconds| Timestamp(START.0 + seconds * 1_000_000)),
    };
    for (code, terms) in [
        ("FINE", any(None)),
        ("MORE", any(None)),
        ("REVOKED", Terms { revoked: true, ..any(None) }),
        ("EXPIRED", Terms { window: window(None, Some(-1)), ..any(None) }),
        ("EARLY", Terms { window: window(Some(600_000), None), ..any(None) }),
        ("USED", any(Some(1))),
        ("HELD", any(Some(1))),
        ("EACH", Terms { limits: Limits { per_customer: Some(1), ..Limits::default() }, ..any(None) }),
        ("BIG", coupon_terms("big", None).unwrap()),
        ("SPENT", coupon_terms("spent", None).unwrap()),
    ] {
        put_coupon(engine, code, terms).await;
    }
    // What is taken before anybody asks.
    let paid = |order: NewOrder| order.pay(external());
    for order in [
        paid(book().coupon("USED")),
        book().coupon("HELD"),
        paid(book().coupon("EACH").customer("ann")),
        paid(book().coupon("SPENT")),
        paid(book().channel("budget")),
        paid(book().channel("uses")),
        paid(book().channel("each").customer("ann")),
        paid(book().channel("gift")),
    ] {
        engine.place(order).await.unwrap();
    }
}

#[tokio::test]
async fn a_quote_promises_nothing_that_an_order_is_refused() {
    for partitions in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let engine = open(&dir, partitions);
        prepare(&engine).await;
        for Case { name, order, outcome, said: (promotion, text) } in CASES {
            let name = format!("{name}, {partitions} partitions");
            let (quoted, placed) = (engine.quote(order()).await, engine.place(order()).await);
            match (&quoted, &placed) {
                (Ok(quote), Ok(order)) => {
                    assert_eq!((quote.total, Ok(quote.total)), (order.total(), outcome.map(money)), "{name}");
                    let all = &quote.promotions;
                    let said = all.iter().find(|said| said.promotion.as_str() == promotion).expect(&name);
                    assert!(said.sentence.contains(text), "{name}: {}", said.sentence);
                    let discount: i64 = order.order.lines.iter().map(|line| line.discount.0).sum();
                    assert_eq!(discount, quote.discount.amount.0, "{name}");
                }
                (Err(quoted), Err(placed)) => {
                    assert_eq!((quoted, Err(quoted.code())), (placed, outcome.map(|_| ())), "{name}");
                    assert!(quoted.to_string().contains(text), "{name}: {quoted}");
                }
                (quoted, placed) => panic!("{name}: the quote says {quoted:?}, the order {placed:?}"),
            }
        }
        close(engine, &dir).await;
    }
}

#[tokio::test]
async fn a_quote_takes_nothing_and_what_is_free_again_is_quoted_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let engine = open(&dir, 1);
    sell(&engine, "BOOK", "20.00 EUR", 10).await;
    promote(
        &engine,
        json!({"id": "off", "name": "Off", "lane": "coupon", "coupon": ["any"], "currency": "EUR",
            "then": {"order": {"amount": 5}}, "limits": {"budget": 5}}),
    )
    .await;
    put_coupon(&engine, "ONCE", coupon_terms("any", Some(1)).unwrap()).await;
    for _ in 0..3 {
        assert_eq!(engine.quote(book().coupon("ONCE")).await.unwrap().total, money("15.00 EUR"));
    }
    let order = engine.place(book().coupon("ONCE")).await.unwrap();
    assert_eq!(engine.quote(book().coupon("ONCE")).await.unwrap_err().code(), "coupon_exhausted");
    engine.cancel(order.id).await.unwrap();
    assert_eq!(engine.quote(book().coupon("ONCE")).await.unwrap().total, money("15.00 EUR"));
    close(engine, &dir).await;
}

/// Something that is wrong with an order: how it is made so, and what the refusal says.
type Wrong = (&'static str, fn(NewOrder) -> NewOrder, &'static str, &'static str);

/// In the order in which they are refused.
const WRONG: [Wrong; 7] = [
    ("too few units", |order| order.line("SCARCE", 5), "stock_exhausted", "not enough stock"),
    ("an unknown coupon", |order| order.coupon("NOBODY"), "coupon_invalid", "NOBODY"),
    ("a coupon that comes to nothing", |order| order.coupon("BIG"), "coupon_invalid", "BIG"),
    ("another price", |order| order.expected_total(money("0.01 EUR")), "price_changed", "more than the expected"),
    ("a coupon that is over", |order| order.coupon("EXPIRED"), "coupon_invalid", "EXPIRED"),
    ("a coupon that is used up", |order| order.coupon("USED"), "coupon_exhausted", "USED"),
    ("an empty wallet", |order| order.customer("ann").pay(Payment::wallet()), "insufficient_balance", "the wallet of"),
];

#[tokio::test]
async fn of_two_things_that_are_wrong_the_same_one_is_refused_whatever_the_number_of_partitions() {
    for partitions in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("shop");
        let engine = open(&dir, partitions);
        sell(&engine, "BOOK", "20.00 EUR", 100).await;
        sell(&engine, "SCARCE", "20.00 EUR", 1).await;
        for (batch, lane, least) in [("big", "coupon", 1_000), ("expired", "goods", 0), ("used", "order", 0)] {
            promote(
                &engine,
                json!({"id": batch, "name": batch, "lane": lane, "coupon": [batch], "currency": "EUR",
                    "when": [{"subtotal": {"at_least": least}}], "then": {"order": {"amount": 1}}}),
            )
            .await;
        }
        let terms = |batch: &str| coupon_terms(batch, Some(1)).unwrap();
        put_coupon(&engine, "BIG", terms("big")).await;
        let window = Window { from: None, until: Some(Timestamp(START.0 - 1)) };
        put_coupon(&engine, "EXPIRED", Terms { window, ..terms("expired") }).await;
        put_coupon(&engine, "USED", terms("used")).await;
        engine.place(book().coupon("USED").pay(external())).await.unwrap();

        for (first, (of_first, make_first, code, text)) in WRONG.iter().enumerate() {
            for (of_second, make_second, ..) in &WRONG[first + 1..] {
                for order in [make_first(make_second(book())), make_second(make_first(book()))] {
                    let refused = engine.place(order).await.unwrap_err();
                    let is_told = refused.code() == *code && refused.to_string().contains(text);
                    assert!(is_told, "{of_first} and {of_second}, {partitions} partitions: {refused}");
                }
            }
        }
        close(engine, &dir).await;
    }
}
