//! Outgoing webhooks over real sockets, to a receiver of the test's own, which verifies what it gets by itself.

#[path = "support/hooks.rs"]
mod hooks;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use hooks::{Call, next, open_shop, place, receiver, sell};
use serde_json::Value;
use stockade::webhook::{Endpoint, Webhooks};
use stockade::{Config, Engine, Money, NewOrder, Payment, Sku};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn engine(dir: &Path) -> Engine {
    Engine::open(Config::at(dir)).unwrap()
}

fn webhooks(engine: &Engine, dir: &Path, url: &str, types: &[&str], secrets: &[&str], pauses: &[u64]) -> Webhooks {
    let types = types.iter().map(|text| (*text).to_owned()).collect();
    let endpoint = Endpoint::new("shop", url, types, secrets).unwrap();
    let pauses: Vec<Duration> = pauses.iter().map(|millis| Duration::from_millis(*millis)).collect();
    Webhooks::start_with(engine, Some(dir.join("webhooks")), vec![endpoint], &pauses).unwrap()
}

#[test]
fn every_fact_is_told_signed_and_in_order_for_each_subject_however_often_the_endpoint_fails() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    // Each fact fails twice.
    let failed = parking_lot::Mutex::new(BTreeMap::<String, u32>::new());
    let (url, calls) = receiver(move |call| {
        assert!(call.is_signed_by(OLD) && call.is_signed_by(NEW), "each active secret signs");
        let mut failed = failed.lock();
        let times = failed.entry(call.id().to_owned()).or_default();
        *times += 1;
        if *times <= 2 { 503 } else { 204 }
    });
    let webhooks = webhooks(&engine, dir.path(), &url, &["order"], &[OLD, NEW], &[1, 1, 1]);
    open_shop(&engine);
    let orders = sell(&engine, 30);
    // Placed, and paid: two records or more of each.
    let mut last = BTreeMap::<String, (u64, u64)>::new();
    let mut types = HashSet::new();
    let mut finished = 0;
    while finished < orders.len() {
        let call = next(&calls, 1).remove(0);
        let (subject, place) = (call.subject(), place(&call));
        assert!(last.get(&subject).is_none_or(|before| *before < place), "{subject} in order, each once");
        last.insert(subject, place);
        let kind = call.json()["type"].as_str().unwrap().to_owned();
        finished += usize::from(kind == "order.payment_secured");
        types.insert(kind);
    }
    assert_eq!(last.into_keys().collect::<HashSet<_>>(), orders.into_iter().collect());
    assert!(types.iter().all(|kind| kind.starts_with("order.")), "only what was asked for: {types:?}");
    let status = webhooks.status().remove(0);
    assert!(status.dead_letters == 0 && status.last_error.is_some());
    webhooks.stop();
    engine.close_blocking().unwrap();
}

#[test]
fn after_a_restart_it_goes_on_where_it_was_and_nothing_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (url, calls) = receiver(|_| 200);
    let mut heard = HashSet::new();
    let mut sold = HashSet::new();
    for _ in 0..3 {
        let engine = engine(dir.path());
        let webhooks = webhooks(&engine, dir.path(), &url, &["order.placed"], &[OLD], &[1]);
        if sold.is_empty() {
            open_shop(&engine);
        }
        sold.extend(sell(&engine, 20));
        // It is stopped in the middle of them.
        heard.extend(next(&calls, 5).iter().map(Call::subject));
        webhooks.stop();
        // What happens while nobody tells is told later.
        sold.extend(sell(&engine, 5));
        engine.close_blocking().unwrap();
    }
    let engine = engine(dir.path());
    let webhooks = webhooks(&engine, dir.path(), &url, &["order.placed"], &[OLD], &[1]);
    while heard.len() < sold.len() {
        heard.extend(next(&calls, 1).iter().map(Call::subject));
    }
    assert_eq!(heard, sold);
    webhooks.stop();
    engine.close_blocking().unwrap();
}

#[test]
fn low_stock_is_told_once_and_not_again_after_a_restart_while_it_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let (url, calls) = receiver(|_| 200);
    let types = ["sku.low_stock", "sku.oversold_risk"];
    let first = engine(dir.path());
    let to_shop = webhooks(&first, dir.path(), &url, &types, &[OLD], &[1]);
    let mug = Sku::new("MUG", Money::parse("9.99 EUR").unwrap()).low_stock_level(2);
    first.put_sku(mug).wait().unwrap();
    first.receive("MUG", 4).wait().unwrap();
    sell(&first, 3);
    // A SKU begins with nothing.
    let told: Vec<Value> = next(&calls, 2).iter().map(Call::json).collect();
    for (call, available) in told.iter().zip([0, 2]) {
        assert_eq!((&call["type"], &call["data"]["subject"]), (&"sku.low_stock".into(), &"sku/MUG".into()), "{call}");
        assert_eq!((&call["data"]["available"], &call["data"]["level"]), (&available.into(), &2.into()), "{call}");
    }
    to_shop.stop();
    first.close_blocking().unwrap();

    let second = engine(dir.path());
    let to_shop = webhooks(&second, dir.path(), &url, &types, &[OLD], &[1]);
    sell(&second, 1);
    second.receive("MUG", 5).wait().unwrap();
    sell(&second, 4);
    // What was on its way when it stopped may come again; nothing else comes.
    let seen: Vec<Value> = told.iter().map(|call| call["data"]["id"].clone()).collect();
    let fresh = loop {
        let call = next(&calls, 1).remove(0).json();
        if !seen.contains(&call["data"]["id"]) {
            break call;
        }
    };
    assert_eq!((&fresh["data"]["available"], &fresh["data"]["level"]), (&2.into(), &2.into()), "{fresh}");
    to_shop.stop();
    second.close_blocking().unwrap();
}

#[test]
fn an_order_whose_facts_are_refused_for_hours_holds_no_other_order_up() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    open_shop(&engine);
    let refused = engine.place(NewOrder::one("MUG", 1)).wait().unwrap().id;
    let wanted = format!("order/{refused}");
    let (url, calls) = receiver(move |call| if call.subject() == wanted { 500 } else { 200 });
    let webhooks = webhooks(&engine, dir.path(), &url, &["order"], &[OLD], &[3_600_000]);
    engine.pay(refused, Payment::external("cash")).wait().unwrap();
    let orders = sell(&engine, 150);
    let mut heard = HashSet::new();
    while heard.len() < orders.len() {
        heard.extend(next(&calls, 1).iter().map(Call::subject));
    }
    webhooks.stop();
    engine.close_blocking().unwrap();
}

#[test]
fn a_fact_that_is_never_taken_is_a_dead_letter_and_holds_nobody_up_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    open_shop(&engine);
    let refused = engine.place(NewOrder::one("MUG", 1)).wait().unwrap().id;
    let poison = format!("order/{refused}");
    let wanted = poison.clone();
    let (url, calls) = receiver(move |call| if call.subject() == wanted { 500 } else { 200 });
    let webhooks = webhooks(&engine, dir.path(), &url, &["order"], &[OLD], &[1, 1]);
    engine.pay(refused, Payment::external("cash")).wait().unwrap();
    let orders = sell(&engine, 3);
    let mut heard = HashSet::new();
    while heard.len() < orders.len() {
        heard.extend(next(&calls, 1).iter().map(Call::subject));
    }
    assert!(!heard.contains(&poison));
    while webhooks.status()[0].dead_letters == 0 {
        std::thread::yield_now();
    }
    let status = webhooks.status().remove(0);
    assert!(status.latest_dead_letters[0].1.contains("500"), "{status:?}");
    let file = std::fs::read_to_string(dir.path().join("webhooks/shop.dead-letters.jsonl")).unwrap();
    assert!(file.lines().count() as u64 >= status.dead_letters, "a dead letter is written before it is shown");
    webhooks.stop();
    engine.close_blocking().unwrap();
}
