//! Promotions change while orders are priced: every price is of one whole version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use stockade::promotions::promotion_from_json;
use stockade::{Amount, Config, Engine, Money, NewOrder, Sku};
use stockade_domain::promotion::{Promotion, PromotionId};

const SKUS: usize = 8;
const SWAPS: u64 = 60;

/// One promotion for each SKU; all of one version take the same off.
fn version(cents: u64) -> Vec<Promotion> {
    let promotion = |n: usize| {
        let json = json!({"id": format!("p{n}"), "name": "Off", "lane": "goods", "currency": "EUR",
            "then": {"line": {"amount": cents as f64 / 100.0, "of": {"sku": [format!("S{n}")]}}}});
        promotion_from_json(json.to_string().as_bytes()).unwrap()
    };
    (0..SKUS).map(promotion).collect()
}

fn cart() -> NewOrder {
    (1..SKUS).fold(NewOrder::one("S0", 1), |order, n| order.line(format!("S{n}"), 1))
}

/// The one discount of all lines.
fn of_all(discounts: impl Iterator<Item = Amount>) -> i64 {
    let mut all: Vec<i64> = discounts.map(|discount| discount.0).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1, "a mixture of versions: {all:?}");
    all[0]
}

async fn buy(engine: Engine, is_over: Arc<AtomicBool>) -> Vec<(u64, i64)> {
    let mut seen = Vec::new();
    while !is_over.load(Ordering::Relaxed) || seen.len() < 50 {
        let quote = engine.quote(cart()).await.unwrap();
        seen.push((quote.version, of_all(quote.lines.iter().map(|(_, off)| off.amount))));
        let order = engine.place(cart()).await.unwrap();
        let version = order.order.promoted.as_ref().unwrap().version;
        seen.push((version, of_all(order.order.lines.iter().map(|line| line.discount))));
    }
    seen
}

#[tokio::test]
async fn a_price_is_of_one_whole_version_however_often_promotions_are_swapped() {
    for partitions in [1, 3] {
        let engine = Engine::open(Config::in_memory().partitions(partitions)).unwrap();
        for n in 0..SKUS {
            engine.put_sku(Sku::new(format!("S{n}"), Money::parse("20.00 EUR").unwrap())).await.unwrap();
            engine.receive(format!("S{n}"), 1_000_000).await.unwrap();
        }
        let mut versions = BTreeMap::new();
        let put = async |cents: u64| (engine.put_promotions(version(cents)).await.unwrap().version, cents as i64 * 100);
        versions.extend([put(1).await]);
        let is_over = Arc::new(AtomicBool::new(false));
        let buyer = |_| {
            let buying = buy(engine.clone(), Arc::clone(&is_over));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            std::thread::spawn(move || runtime.block_on(buying))
        };
        let buyers: Vec<_> = (0..2).map(buyer).collect();
        for cents in 2..SWAPS {
            versions.extend([put(cents).await]);
        }
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(versions.len() as u64, SWAPS - 1, "every swap has a version of its own");
        let mut seen = BTreeMap::new();
        for buyer in buyers {
            seen.extend(buyer.join().unwrap());
        }
        for (version, off) in &seen {
            assert_eq!(versions.get(version), Some(off), "version {version}, {partitions} partitions");
        }
        assert!(seen.len() > 1, "more than one version was met");
        engine.close().await.unwrap();
    }
}

#[tokio::test]
async fn ten_thousand_promotions_are_loaded_at_once_and_are_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("shop");
    let rule = |n: usize| {
        let json = json!({"id": format!("r{n}"), "name": "Rule", "lane": "goods", "currency": "EUR",
            "then": {"unit_price": {"unit": 5, "of": {"sku": [format!("S{n}")]}}}});
        promotion_from_json(json.to_string().as_bytes()).unwrap()
    };
    let rules: Vec<Promotion> = (0..10_000).map(rule).collect();
    for (round, unchanged) in [(0, 0), (1, 10_000)] {
        let engine = Engine::open(Config::at(&dir).partitions(2)).unwrap();
        let put = engine.put_promotions(rules.clone()).await.unwrap();
        assert_eq!((put.created, put.changed, put.unchanged), (10_000 - unchanged, 0, unchanged), "round {round}");
        let last = engine.read_promotion(&PromotionId::new("r9999").unwrap()).await.unwrap();
        assert_eq!(last.0.promotion.unwrap().version, 1);
        engine.close().await.unwrap();
    }
}
