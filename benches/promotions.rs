//! Pricing a cart of ten lines: by the 321 promotions of the example and by 10,000, beside a naive pricing that asks
//! every rule and compares names as texts.
//!
//! The limits of the task are 10 and 50 microseconds. The carts meet what the index cannot skip: every line is in some
//! category and of some brand that have rules, a coupon is presented, and 200 of the 10,000 rules need no name at all.

#[path = "../domain/tests/support/naive_pricing.rs"]
mod naive_pricing;

use std::hint::black_box;

use compact_str::CompactString;
use criterion::{Criterion, criterion_group, criterion_main};
use serde::Deserialize;
use stockade_domain::order::{Charge, ChargeKind};
use stockade_domain::payment::Method;
use stockade_domain::promotion::{
    Cart, CartContext, CartLine, CouponCode, Label, Lane, PresentedCoupon, Promotion, RuleSet, check, price,
};
use stockade_domain::{Amount, CustomerId, Money, SkuId, Timestamp};

#[derive(Deserialize)]
struct File {
    lanes: Vec<Lane>,
    promotions: Vec<Promotion>,
}

/// The example, with its currency where a promotion needs one.
fn example() -> (Vec<Lane>, Vec<Promotion>) {
    let mut options = serde_saphyr::Options::default();
    options.strict_booleans = true;
    let value: serde_json::Value =
        serde_saphyr::from_str_with_options(include_str!("../examples/promotions.yaml"), options).expect("YAML");
    let mut file: File = serde_json::from_value(value).expect("promotions");
    file.promotions.iter_mut().filter(|it| check::lacks_currency(it)).for_each(|it| it.currency = "EUR".parse().ok());
    (file.lanes, file.promotions)
}

fn promotion(n: usize, lane: &str, when: &str, then: &str, more: &str) -> Promotion {
    let json = format!(
        r#"{{"id": "r{n}", "name": "Rule {n}", "currency": "EUR", "lane": "{lane}", "when": [{when}], "then": {then} {more}}}"#
    );
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// 10,000 rules as a large shop has them.
fn ten_thousand() -> Vec<Promotion> {
    let rule = |n: usize| match n % 100 {
        0..60 => {
            let then = format!(r#"{{"unit_price": {{"unit": "{}.49", "of": {{"sku": ["S{n}"]}}}}}}"#, 1 + n % 9);
            promotion(n, "goods", "", &then, "")
        }
        60..74 => {
            let of = format!(r#"{{"brand": ["b{}"]}}"#, n % 700);
            let then = format!(r#"{{"tiers": {{"steps": [{{"spend": 50, "amount": 5}}], "of": {of}}}}}"#);
            promotion(n, "goods", "", &then, "")
        }
        74..84 => {
            let then = format!(r#"{{"line": {{"percent": 5, "of": {{"category": ["c{}"]}}}}}}"#, n % 500);
            promotion(n, "goods", r#"{"not": {"category": ["electronics"]}}"#, &then, "")
        }
        84..94 => {
            let coupon = format!(r#", "coupon": ["batch-{n}"]"#);
            promotion(n, "coupon", r#"{"subtotal": {"at_least": 50}}"#, r#"{"order": {"amount": 5}}"#, &coupon)
        }
        94..98 => {
            let when = format!(r#"{{"region": ["r{}"]}}, {{"subtotal": {{"at_least": 40}}}}"#, n % 100);
            promotion(n, "shipping", &when, r#"{"charge": {"kind": "shipping", "percent": 100}}"#, "")
        }
        98 => {
            let when = r#"{"payment": ["card"]}, {"subtotal": {"at_least": 30}}"#;
            promotion(n, "order", when, r#"{"order": {"percent": 2}}"#, "")
        }
        _ => {
            let when = r#"{"new_customer": true}, {"quantity": {"at_least": 3}}"#;
            promotion(n, "order", when, r#"{"tiers": {"steps": [{"spend": 300, "amount": 50}]}}"#, "")
        }
    };
    (0..10_000).map(rule).collect()
}

type Goods<'a> = (String, Option<&'a str>, Option<&'a str>);

fn cart<'a>(goods: impl Iterator<Item = Goods<'a>>) -> Cart {
    let line = |(n, (sku, category, brand)): (usize, Goods<'_>)| CartLine {
        sku: SkuId::new(sku).expect("a SKU"),
        category: category.map(CompactString::from),
        brand: brand.map(CompactString::from),
        quantity: 1 + n as u64 % 3,
        unit_price: Amount(199_900 + n as i64 * 13_700),
    };
    let eur = "EUR".parse().expect("a currency");
    let shipping = Charge { kind: ChargeKind::Shipping, money: Money::new(Amount(49_000), eur) };
    Cart { currency: eur, lines: goods.enumerate().map(line).collect(), charges: [shipping].into_iter().collect() }
}

fn context(region: &str, batch: &str) -> CartContext {
    CartContext {
        now: Timestamp(1_775_995_200_000_000),
        customer: CustomerId::new("ann").ok(),
        new_customer: true,
        orders_before: Some(0),
        tier: Some("gold".into()),
        region: Some(region.into()),
        channel: Some("app".into()),
        payments: [Method::Card].into_iter().collect(),
        coupons: [PresentedCoupon {
            code: CouponCode::new("CODE-1").expect("a code"),
            batch: Label::new(batch).expect("a batch"),
        }]
        .into_iter()
        .collect(),
        ..CartContext::default()
    }
}

fn measure(
    c: &mut Criterion,
    name: &str,
    (lanes, rules): (Vec<Lane>, Vec<Promotion>),
    cart: &Cart,
    context: &CartContext,
) {
    let compiled = RuleSet::compile_in(lanes.clone(), rules.clone(), 1).expect("the rules make sense");
    let priced = price(&compiled, cart, context).expect("the cart is fine");
    let naive = naive_pricing::price(&lanes, &rules, cart, context);
    let applied = naive.outcomes.values().filter(|outcome| outcome.is_some()).count();
    assert_eq!(priced.lines.iter().map(|line| line.discount.0).collect::<Vec<_>>(), naive.lines, "both agree");
    println!("{name}: {} rules, {} looked at, {applied} applied", rules.len(), priced.considered.len());
    c.bench_function(&format!("price ten lines by {name}"), |b| {
        b.iter(|| price(&compiled, black_box(cart), black_box(context)).expect("the cart is fine"));
    });
    c.bench_function(&format!("price ten lines by {name}, naive"), |b| {
        b.iter(|| naive_pricing::price(&lanes, &rules, black_box(cart), black_box(context)));
    });
    c.bench_function(&format!("explain every rule of {name}"), |b| {
        b.iter(|| compiled.explain(black_box(&priced), cart, context).expect("the cart is fine"));
    });
}

fn pricing(c: &mut Criterion) {
    let goods = ["books", "music", "toys", "garden", "coats", "shoes", "rugs", "bikes", "hats", "electronics"];
    let brands = ["Norden", "Acme", "Pixel", "Quill", "Elmo", "Wren", "Luma", "Sol", "Moss", "Jade"];
    let lines = (0..10).map(|n| (format!("SP-{n:02}"), Some(goods[n]), Some(brands[n])));
    measure(c, "the example", example(), &cart(lines), &context("DE", "twenty-books"));

    let categories: Vec<String> = (0..10).map(|n| format!("c{}", 74 + n)).collect();
    let brands: Vec<String> = (0..10).map(|n| format!("b{}", 60 + n)).collect();
    let lines = (0..10).map(|n| (format!("S{}", n * 300), Some(&categories[n][..]), Some(&brands[n][..])));
    measure(c, "10,000 rules", (Lane::standard(), ten_thousand()), &cart(lines), &context("r95", "batch-1084"));
}

fn compiling(c: &mut Criterion) {
    let rules = ten_thousand();
    c.bench_function("compile 10,000 rules", |b| {
        b.iter_batched(
            || rules.clone(),
            |rules| RuleSet::compile(rules, 1).expect("the rules make sense"),
            criterion::BatchSize::LargeInput,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_millis(500));
    targets = pricing, compiling
}
criterion_main!(benches);
