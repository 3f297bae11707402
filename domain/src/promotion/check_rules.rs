//! What makes no sense in a promotion, row by row: the place that is named for it, and what is still accepted beside it.

use super::*;
use crate::promotion::action::Off;
use crate::promotion::condition::{Weekly, Window};
use crate::promotion::names::Label;
use crate::promotion::rule::{Limits, Pick};
use crate::{SkuId, Timestamp};

/// A promotion in euros with these parts beside its names.
fn promotion_with(parts: &str) -> Promotion {
    let text = format!(r#"{{"id":"p","name":"P","lane":"goods","currency":"EUR",{parts}}}"#);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn five_percent() -> Promotion {
    promotion_with(r#""then":{"order":{"percent":5}}"#)
}

/// The place that is named, or nothing where all is well.
fn place(of: &Promotion) -> Option<String> {
    match promotion(of) {
        Ok(()) => None,
        Err(PromotionError::Invalid { path, .. }) => Some(path),
        Err(error) => panic!("{error}"),
    }
}

fn check_rows(rows: &[(&str, &str)], whole: impl Fn(&str) -> String) {
    for (part, wanted) in rows {
        let found = place(&promotion_with(&whole(part)));
        assert_eq!(found.as_deref().unwrap_or("fine"), *wanted, "{part}");
    }
}

#[test]
fn a_condition_that_makes_no_sense_is_named_with_its_place() {
    let rows = [
        (r#"{"all":[]}"#, "when[0]"),
        (r#"{"all":[{"tier":["gold"]},{"tier":[]}]}"#, "when[0].all[1]"),
        (r#"{"any":[{"tier":[]}]}"#, "when[0].any[0]"),
        (r#"{"not":{"tier":[]}}"#, "when[0].not"),
        (r#"{"tier":["gold"]}"#, "fine"),
        (r#"{"sku":[]}"#, "when[0]"),
        (r#"{"payment":[]}"#, "when[0]"),
        (r#"{"payment":["card"]}"#, "fine"),
        (r#"{"subtotal":{}}"#, "when[0].subtotal"),
        (r#"{"subtotal":{"at_least":0}}"#, "fine"),
        (r#"{"subtotal":{"at_least":-1}}"#, "when[0].subtotal.at_least"),
        (r#"{"subtotal":{"at_least":5,"at_most":5}}"#, "fine"),
        (r#"{"subtotal":{"at_least":5,"at_most":4.99}}"#, "when[0].subtotal"),
        (r#"{"subtotal":{"at_most":0.001}}"#, "when[0].subtotal.at_most"),
        (r#"{"quantity":{}}"#, "when[0].quantity"),
        (r#"{"quantity":{"at_least":3,"at_most":3}}"#, "fine"),
        (r#"{"quantity":{"at_least":3,"at_most":2}}"#, "when[0].quantity"),
        (r#"{"order_number":{}}"#, "when[0]"),
        (r#"{"order_number":{"every":0}}"#, "when[0]"),
        (r#"{"order_number":{"from":0}}"#, "when[0]"),
        (r#"{"order_number":{"to":0}}"#, "when[0]"),
        (r#"{"order_number":{"every":1}}"#, "fine"),
        (r#"{"order_number":{"from":1}}"#, "fine"),
        (r#"{"order_number":{"to":1}}"#, "fine"),
        (r#"{"order_number":{"from":2,"to":2}}"#, "fine"),
        (r#"{"order_number":{"from":3,"to":2}}"#, "when[0]"),
        (r#"{"window":{}}"#, "when[0].window"),
        (r#"{"window":{"from":"2026-03-01T00:00:00Z"}}"#, "fine"),
        (r#"{"window":{"from":"2026-03-02T00:00:00Z","until":"2026-03-01T00:00:00Z"}}"#, "when[0].window"),
        (r#"{"weekly":{"from":"00:00","until":"24:00"}}"#, "fine"),
        (r#"{"new_customer":true}"#, "fine"),
    ];
    check_rows(&rows, |condition| format!(r#""when":[{condition}],"then":{{"order":{{"percent":5}}}}"#));
}

#[test]
fn an_action_that_makes_no_sense_is_named_with_its_place() {
    let rows = [
        (r#"{"order":{}}"#, "then.order"),
        (r#"{"order":{"amount":1,"percent":1}}"#, "then.order"),
        (r#"{"line":{}}"#, "then.line"),
        (r#"{"unit":{"amount":0}}"#, "then.unit.amount"),
        (r#"{"unit":{"amount":0.01}}"#, "fine"),
        (r#"{"unit":{"amount":0.001}}"#, "then.unit.amount"),
        (r#"{"unit":{"amount":-1}}"#, "then.unit.amount"),
        // The largest whole cents whose sums can still be counted, and one more.
        (r#"{"unit":{"amount":"900719925474.09"}}"#, "fine"),
        (r#"{"unit":{"amount":"900719925474.10"}}"#, "then.unit.amount"),
        (r#"{"charge":{"kind":"tax"}}"#, "then.charge"),
        (r#"{"tiers":{"steps":[]}}"#, "then.tiers.steps"),
        (r#"{"tiers":{"steps":[{"spend":10,"percent":1},{"spend":20,"percent":2}]}}"#, "fine"),
        (r#"{"tiers":{"steps":[{"units":1,"percent":1},{"units":2,"percent":2}]}}"#, "fine"),
        (r#"{"tiers":{"steps":[{"spend":10,"percent":1},{"spend":10,"percent":2}]}}"#, "then.tiers.steps[1]"),
        (r#"{"tiers":{"steps":[{"spend":10,"percent":1},{"units":2,"percent":2}]}}"#, "then.tiers.steps[1]"),
        (r#"{"tiers":{"steps":[{"units":2,"percent":1},{"spend":10,"percent":2}]}}"#, "then.tiers.steps[1]"),
        (r#"{"tiers":{"steps":[{"percent":1}]}}"#, "then.tiers.steps[0]"),
        (r#"{"tiers":{"steps":[{"spend":10,"units":1,"percent":1}]}}"#, "then.tiers.steps[0]"),
        (r#"{"tiers":{"steps":[{"spend":0,"percent":1}]}}"#, "then.tiers.steps[0].spend"),
        (r#"{"tiers":{"steps":[{"units":0,"percent":1}]}}"#, "then.tiers.steps[0].units"),
        (r#"{"tiers":{"steps":[{"units":1}]}}"#, "then.tiers.steps[0]"),
        (r#"{"nth":{"n":1,"percent":50}}"#, "then.nth.n"),
        (r#"{"nth":{"n":2,"percent":50}}"#, "fine"),
        (r#"{"nth":{"n":2}}"#, "then.nth"),
        (r#"{"nth":{"n":1000000001,"percent":50}}"#, "then.nth.n"),
        (r#"{"nth":{"n":2,"percent":50,"times":0}}"#, "then.nth.times"),
        (r#"{"buy_get":{"buy":0,"get":1}}"#, "then.buy_get.buy"),
        (r#"{"buy_get":{"buy":1,"get":0}}"#, "then.buy_get.get"),
        (r#"{"buy_get":{"buy":1,"get":1,"times":0}}"#, "then.buy_get.times"),
        (r#"{"buy_get":{"buy":1000000000,"get":1}}"#, "fine"),
        (r#"{"gift":{"sku":"S","quantity":0}}"#, "then.gift.quantity"),
        (r#"{"gift":{"sku":"S","quantity":1000000001}}"#, "then.gift.quantity"),
        (r#"{"unit_price":{"unit":0}}"#, "fine"),
        (r#"{"unit_price":{"unit":0.0001}}"#, "fine"),
        (r#"{"unit_price":{"unit":-0.0001}}"#, "then.unit_price.unit"),
        (r#"{"unit_price":{"unit":"900719925474.0991"}}"#, "fine"),
        (r#"{"unit_price":{"unit":"900719925474.0992"}}"#, "then.unit_price.unit"),
        (r#"{"bundle":{"parts":[],"price":1}}"#, "then.bundle.parts"),
        (r#"{"bundle":{"parts":[{"quantity":1},{"quantity":0}],"price":1}}"#, "then.bundle.parts[1].quantity"),
        (r#"{"bundle":{"parts":[{"quantity":1}],"price":1,"times":0}}"#, "then.bundle.times"),
        (r#"{"bundle":{"parts":[{"quantity":1}],"price":-1}}"#, "then.bundle.price"),
        (r#"{"bundle":{"parts":[{"quantity":1}],"price":0}}"#, "fine"),
    ];
    check_rows(&rows, |action| format!(r#""then":{action}"#));
}

#[test]
fn caps_limits_and_windows_that_make_no_sense_are_named() {
    let rows = [
        (r#""cap":0"#, "cap"),
        (r#""cap":1"#, "fine"),
        (r#""limits":{"budget":0}"#, "limits.budget"),
        (r#""limits":{"budget":0.005}"#, "limits.budget"),
        (r#""limits":{"uses":0}"#, "limits.uses"),
        (r#""limits":{"per_customer":0}"#, "limits.per_customer"),
        (r#""limits":{"uses":1,"per_customer":1,"budget":1}"#, "fine"),
        (r#""window":{"from":"2026-03-01T00:00:00Z","until":"2026-03-01T00:00:00Z"}"#, "window"),
        (r#""window":{"from":"2026-03-01T00:00:00Z","until":"2026-03-01T00:00:01Z"}"#, "fine"),
    ];
    check_rows(&rows, |part| format!(r#"{part},"then":{{"order":{{"percent":5}}}}"#));
}

/// The journal keeps numbers that no JSON can bring.
#[test]
fn percentages_and_hours_are_checked_however_they_came() {
    for (percent, wanted) in
        [(0, Some("then.order.percent")), (1, None), (10_000, None), (10_001, Some("then.order.percent"))]
    {
        let then = Action::Order(Off { percent: Some(Percent(percent)), ..Off::default() });
        assert_eq!(place(&Promotion { then, ..five_percent() }).as_deref(), wanted, "{percent}");
    }
    for (from, until, wanted) in [(1_440, 1_440, None), (1_441, 60, Some("when[0]")), (60, 1_441, Some("when[0]"))] {
        let when = vec![Condition::Weekly(Weekly { days: Vec::new(), from, until })];
        assert_eq!(place(&Promotion { when, ..five_percent() }).as_deref(), wanted, "{from} {until}");
    }
}

#[test]
fn conditions_stand_in_one_another_eight_deep_and_no_deeper() {
    let nested = |depth: usize| {
        let leaf = Condition::NewCustomer(true);
        (0..depth).fold(leaf, |inner, at| match at % 3 {
            0 => Condition::Not(Box::new(inner)),
            1 => Condition::All(vec![inner]),
            _ => Condition::Any(vec![inner]),
        })
    };
    assert_eq!(place(&Promotion { when: vec![nested(8)], ..five_percent() }), None);
    let found = place(&Promotion { when: vec![nested(9)], ..five_percent() }).unwrap();
    assert_eq!(found, "when[0].any[0].all[0].not.any[0].all[0].not.any[0].all[0].not");
}

#[test]
fn a_list_has_ten_thousand_entries_and_no_more() {
    let names = |count: usize| vec![Label::new("x").unwrap(); count];
    let skus = |count: usize| vec![SkuId::new("S").unwrap(); count];
    type Listed = fn(Vec<Label>, Vec<SkuId>) -> Scope;
    let scopes: [Listed; 6] = [
        |_, sku| Scope { sku, ..Scope::default() },
        |_, except_sku| Scope { except_sku, ..Scope::default() },
        |category, _| Scope { category, ..Scope::default() },
        |brand, _| Scope { brand, ..Scope::default() },
        |except_category, _| Scope { except_category, ..Scope::default() },
        |except_brand, _| Scope { except_brand, ..Scope::default() },
    ];
    for (count, scope_place, list_place) in
        [(LIST_MAX, None, None), (LIST_MAX + 1, Some("then.order.of"), Some("when[0]"))]
    {
        for (at, scope) in scopes.iter().enumerate() {
            let off = Off { percent: Some(Percent(500)), amount: None, of: scope(names(count), skus(count)) };
            let of = Promotion { then: Action::Order(off), ..five_percent() };
            assert_eq!(place(&of).as_deref(), scope_place, "list {at} of {count}");
        }
        let of = Promotion { when: vec![Condition::Tier(names(count))], ..five_percent() };
        assert_eq!(place(&of).as_deref(), list_place, "{count}");
    }
}

#[test]
fn scopes_are_checked_wherever_they_stand() {
    let long = format!("[{}]", vec![r#""x""#; LIST_MAX + 1].join(","));
    let rows = [
        (r#""then":{"line":{"percent":1,"of":OF}}"#, "then.line.of"),
        (r#""then":{"tiers":{"steps":[{"units":1,"percent":1}],"of":OF}}"#, "then.tiers.of"),
        (r#""then":{"nth":{"n":2,"percent":1,"of":OF}}"#, "then.nth.of"),
        (r#""then":{"buy_get":{"buy":1,"get":1,"of":OF}}"#, "then.buy_get.of"),
        (r#""then":{"buy_get":{"buy":1,"get":1,"get_of":OF}}"#, "then.buy_get.get_of"),
        (r#""then":{"unit_price":{"unit":1,"of":OF}}"#, "then.unit_price.of"),
        (r#""then":{"bundle":{"parts":[{"quantity":1,"of":OF}],"price":1}}"#, "then.bundle.parts[0].of"),
        (r#""when":[{"only":OF}],"then":{"order":{"percent":1}}"#, "when[0].only"),
        (r#""when":[{"subtotal":{"at_least":1,"of":OF}}],"then":{"order":{"percent":1}}"#, "when[0].subtotal.of"),
        (r#""when":[{"quantity":{"at_least":1,"of":OF}}],"then":{"order":{"percent":1}}"#, "when[0].quantity.of"),
    ];
    check_rows(&rows, |parts| parts.replace("OF", &format!(r#"{{"brand":{long}}}"#)));
}

#[test]
fn money_needs_a_currency_and_nothing_else_counts_as_lacking_one() {
    let without = |parts: &str| Promotion { currency: None, ..promotion_with(parts) };
    for (parts, wanted) in [
        (r#""then":{"order":{"amount":1}}"#, true),
        (r#""then":{"unit_price":{"unit":1}}"#, true),
        (r#""then":{"order":{"percent":1}},"cap":1"#, true),
        (r#""then":{"order":{"percent":1}},"limits":{"budget":1}"#, true),
        (r#""then":{"order":{"percent":1}}"#, false),
        (r#""then":{"order":{}}"#, false),
    ] {
        assert_eq!(lacks_currency(&without(parts)), wanted, "{parts}");
    }
    assert!(!lacks_currency(&promotion_with(r#""then":{"order":{"amount":1}}"#)));
}

#[test]
fn ids_and_names_of_lanes_are_there_once_and_lanes_that_are_named_exist() {
    let lane = |name: &str| Lane { name: Label::new(name).unwrap(), pick: Pick::Best };
    assert_eq!(lanes(&[lane("a"), lane("b")]), Ok(()));
    let twice = lanes(&[lane("a"), lane("b"), lane("a")]);
    assert_eq!(twice, Err(PromotionError::DuplicateLane { lane: "a".to_owned() }));

    let (one, other) = (five_percent(), Promotion { id: PromotionId::new("q").unwrap(), ..five_percent() });
    assert_eq!(distinct([&one, &other].into_iter()), Ok(()));
    let twice = distinct([&one, &other, &one].into_iter());
    assert_eq!(twice, Err(PromotionError::Duplicate { promotion: one.id.clone() }));

    let said = unknown_lane(&one, &[lane("a"), lane("b")]).to_string();
    assert_eq!(said, "promotion p: `lane`: `goods` is no lane: use one of a, b");
}

#[test]
fn the_default_parts_of_a_promotion_are_accepted() {
    let of = Promotion {
        window: Window { from: Some(Timestamp(1)), until: None },
        limits: Limits::default(),
        ..five_percent()
    };
    assert_eq!(promotion(&of), Ok(()));
}
