//! What is said, sentence by sentence.

use super::*;
use crate::Timestamp;
use crate::promotion::Promotion;

fn eur() -> Currency {
    "EUR".parse().unwrap()
}

/// Promotions in euros, each with these parts beside its id, name and lane.
fn set(parts: &[&str]) -> RuleSet {
    let promotion = |(at, parts): (usize, &&str)| -> Promotion {
        let text = format!(r#"{{"id":"p{at}","name":"P{at}","lane":"goods","currency":"EUR",{parts}}}"#);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    RuleSet::compile(parts.iter().enumerate().map(promotion).collect(), 1).unwrap()
}

const FIVE_PERCENT: &str = r#""then":{"order":{"percent":5}}"#;

fn said(parts: &str, reason: Reason) -> String {
    let rules = set(&[parts, FIVE_PERCENT]);
    let explanation = rules.explanation(0, Verdict::Refused(reason), eur());
    assert_eq!((explanation.code, explanation.amount, explanation.promotion.as_str()), (403, Amount::ZERO, "p0"));
    explanation.sentence.strip_prefix("P0: ").expect("a sentence begins with the promotion's name").to_owned()
}

#[test]
fn a_condition_is_said_in_words() {
    for (condition, sentence) in [
        (r#"{"tier":["gold"]}"#, "it needs a customer of tier gold"),
        (r#"{"tier":["gold","silver"]}"#, "it needs a customer of tier gold or silver"),
        (r#"{"region":["DE","AT","CH"]}"#, "it needs a buyer in DE, AT or CH"),
        (r#"{"channel":["a","b","c","d","e","f"]}"#, "it needs an order through a, b, c, d, e or f"),
        (r#"{"channel":["a","b","c","d","e","f","g","h"]}"#, "it needs an order through a, b, c, d, e, f or 2 more"),
        (r#"{"sku":["S1"]}"#, "it needs goods that are S1"),
        (r#"{"category":["books"]}"#, "it needs goods of category books"),
        (r#"{"brand":["acme"]}"#, "it needs goods by acme"),
        (r#"{"payment":["card","wallet"]}"#, "it needs payment by card or wallet"),
        (r#"{"new_customer":true}"#, "it needs a new customer"),
        (r#"{"new_customer":false}"#, "it needs a customer who is not new"),
        (r#"{"coupon":["welcome"]}"#, "it needs a coupon of welcome"),
        (r#"{"not":{"tier":["gold"]}}"#, "it is not for a customer of tier gold"),
        (
            r#"{"all":[{"tier":["a"]},{"not":{"region":["b"]}}]}"#,
            "it needs a customer of tier a and anything but a buyer in b",
        ),
        (r#"{"any":[{"tier":["a"]},{"region":["b"]}]}"#, "it needs a customer of tier a, or a buyer in b"),
        (r#"{"subtotal":{"at_least":50}}"#, "it needs goods for at least 50.00 EUR"),
        (r#"{"subtotal":{"at_most":50}}"#, "it needs goods for at most 50.00 EUR"),
        (r#"{"subtotal":{"at_least":20,"at_most":50}}"#, "it needs goods for 20.00 EUR to 50.00 EUR"),
        (r#"{"quantity":{"at_least":3,"at_most":3}}"#, "it needs exactly 3 units of goods"),
        (r#"{"quantity":{"at_least":3,"of":{"brand":["acme"]}}}"#, "it needs at least 3 units of goods by acme"),
        (
            r#"{"only":{"sku":["S1"],"category":["c"],"brand":["b"]}}"#,
            "it needs only goods that are S1 of category c by b",
        ),
        (
            r#"{"only":{"except_sku":["S1"],"except_category":["c"],"except_brand":["b"]}}"#,
            "it needs only goods, but not S1, but not of category c, but not by b",
        ),
        (r#"{"order_number":{"to":1}}"#, "it needs the customer's first order"),
        (r#"{"order_number":{"from":1,"to":1}}"#, "it needs the customer's first order"),
        (r#"{"order_number":{"from":2,"to":2}}"#, "it needs the customer's order number 2"),
        (r#"{"order_number":{"from":2,"to":4}}"#, "it needs the customer's order number 2 to 4"),
        (r#"{"order_number":{"from":2}}"#, "it needs the customer's order number at least 2"),
        (r#"{"order_number":{"every":10}}"#, "it needs the customer's order, every 10th"),
        (r#"{"order_number":{"to":1,"every":10}}"#, "it needs the customer's order number at most 1, every 10th"),
        (r#"{"window":{"from":"2026-03-01T00:00:00Z"}}"#, "it needs a time from 2026-03-01T00:00:00Z"),
        (r#"{"window":{"until":"2026-03-01T00:00:00Z"}}"#, "it needs a time until 2026-03-01T00:00:00Z"),
        (
            r#"{"window":{"from":"2026-03-01T00:00:00Z","until":"2026-04-01T00:00:00Z"}}"#,
            "it needs a time from 2026-03-01T00:00:00Z until 2026-04-01T00:00:00Z",
        ),
        (r#"{"weekly":{"from":"09:05","until":"17:30"}}"#, "it needs the hours from 09:05 until 17:30 on every day"),
        (
            r#"{"weekly":{"days":["sat","sun"],"from":"00:00","until":"24:00"}}"#,
            "it needs the hours from 00:00 until 24:00 on Sat or Sun",
        ),
    ] {
        assert_eq!(said(&format!(r#""when":[{condition}],{FIVE_PERCENT}"#), Reason::Condition(0)), sentence);
    }
    let own = format!(r#""refusal":"members only","when":[{{"tier":["a"]}}],{FIVE_PERCENT}"#);
    assert_eq!(said(&own, Reason::Condition(0)), "members only", "a promotion's own sentence comes first");
}

#[test]
fn every_other_reason_has_its_sentence() {
    let window = format!(
        r#""window":{{"from":"2026-03-01T00:00:00Z","until":"2026-04-01T00:00:00Z"}},"coupon":["welcome","back"],{FIVE_PERCENT}"#
    );
    for (reason, sentence) in [
        (Reason::Currency, "it is for carts in EUR"),
        (Reason::NotYet, "it begins on 2026-03-01T00:00:00Z"),
        (Reason::Over, "it ended on 2026-04-01T00:00:00Z"),
        (Reason::CouponNeeded, "it needs a coupon of welcome or back"),
        (Reason::CustomerNeeded, "it needs a customer, because each may use it so often only"),
        (Reason::Unavailable(Unavailable::Exhausted), "it is used up"),
        (Reason::Unavailable(Unavailable::CustomerLimit), "this customer has used it as often as one may"),
        (Reason::Unavailable(Unavailable::Budget), "what is left of its budget does not suffice"),
        (Reason::BelowTier, "no step of it is reached"),
        (Reason::NothingOff, "it makes nothing cheaper"),
        (Reason::Taken(1), "`P1` is given instead"),
        (Reason::Excluded(1), "it does not go together with `P1`"),
        (Reason::Stopped(1), "nothing goes together with `P1`"),
    ] {
        assert_eq!(said(&window, reason), sentence);
    }
}

#[test]
fn goods_that_are_missing_are_named_by_what_the_action_is_about() {
    for (action, nothing, too_few) in [
        (r#"{"order":{"percent":5,"of":{"brand":["a"]}}}"#, "goods by a", "goods by a"),
        (r#"{"unit":{"percent":5}}"#, "goods", "goods"),
        (r#"{"tiers":{"steps":[{"units":2,"percent":5}],"of":{"brand":["a"]}}}"#, "goods by a", "goods by a"),
        (r#"{"nth":{"n":3,"percent":50,"of":{"brand":["a"]}}}"#, "goods by a", "3 units of goods by a"),
        (r#"{"buy_get":{"buy":2,"get":1,"of":{"brand":["a"]}}}"#, "goods by a", "3 units of goods by a"),
        (
            r#"{"buy_get":{"buy":2,"get":1,"of":{"brand":["a"]},"get_of":{"brand":["b"]}}}"#,
            "goods by a, and goods by b",
            "2 units of goods by a",
        ),
        (r#"{"unit_price":{"unit":5,"of":{"brand":["a"]}}}"#, "goods by a", "goods by a"),
        (
            r#"{"bundle":{"parts":[{"quantity":1,"of":{"brand":["a"]}},{"quantity":2}],"price":5}}"#,
            "goods by a, and goods",
            "1 unit of goods by a, and 2 units of goods",
        ),
        (r#"{"gift":{"sku":"S","quantity":1}}"#, "goods", "goods"),
    ] {
        let parts = format!(r#""then":{action}"#);
        assert_eq!(said(&parts, Reason::NothingInScope), format!("it needs {nothing}"), "{action}");
        assert_eq!(said(&parts, Reason::TooFewUnits), format!("it needs {too_few}"), "{action}");
    }
    let charge = r#""then":{"charge":{"kind":"shipping","percent":100}}"#;
    assert_eq!(said(charge, Reason::NothingInScope), "the cart has no charge for shipping");
}

#[test]
fn steps_that_are_not_reached_begin_with_the_lowest() {
    let steps = |steps: &str| said(&format!(r#""then":{{"tiers":{{"steps":[{steps}]}}}}"#), Reason::BelowTier);
    let by_spend = steps(r#"{"spend":50,"percent":10},{"spend":20,"percent":5}"#);
    assert_eq!(by_spend, "it begins with goods for 20.00 EUR");
    assert_eq!(steps(r#"{"units":5,"percent":10},{"units":1,"percent":5}"#), "it begins with 1 unit of goods");
}

#[test]
fn what_applied_says_what_it_gave() {
    let rules = set(&[r#""then":{"gift":{"sku":"S","quantity":2}}"#, FIVE_PERCENT]);
    let of = |rule: u32| {
        let found = rules.explanation(rule, Verdict::Applied(Amount(12_500)), eur());
        (found.code, found.amount, found.sentence)
    };
    assert_eq!(of(0), (200, Amount(12_500), "P0: 2 x S as a gift".to_owned()));
    assert_eq!(of(1), (200, Amount(12_500), "P1: 1.25 EUR off".to_owned()));
}

#[test]
fn whoever_asks_hears_of_every_promotion_in_the_order_of_their_places() {
    let rules = set(&[
        r#""then":{"order":{"percent":5,"of":{"brand":["acme"]}}}"#,
        FIVE_PERCENT,
        r#""window":{"until":"2026-03-01T00:00:00Z"},"then":{"order":{"percent":5,"of":{"brand":["acme"]}}}"#,
    ]);
    let line = super::super::cart::CartLine {
        sku: crate::SkuId::new("S").unwrap(),
        category: None,
        brand: None,
        quantity: 2,
        unit_price: Amount(100_000),
    };
    let cart = Cart { currency: eur(), lines: vec![line], charges: Default::default() };
    let context = CartContext { now: Timestamp(1_800_000_000_000_000), ..CartContext::default() };
    let pricing = super::super::price(&rules, &cart, &context).unwrap();
    let said: Vec<String> =
        rules.explain(&pricing, &cart, &context).unwrap().into_iter().map(|found| found.sentence).collect();
    assert_eq!(said, ["P0: it needs goods by acme", "P1: 1.00 EUR off", "P2: it ended on 2026-03-01T00:00:00Z"]);
}
