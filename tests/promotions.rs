//! Promotions from their file to their sentences: `examples/promotions.yaml` and a table of what it answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use smallvec::SmallVec;
use stockade::promotions::{PromotionFile, PromotionFileError, from_yaml, promotion_from_json};
use stockade::{Amount, CustomerId, Money, Timestamp};
use stockade_domain::order::{Charge, ChargeKind};
use stockade_domain::payment::Method;
use stockade_domain::promotion::{
    Cart, CartContext, CartLine, CouponCode, Label, PresentedCoupon, Pricing, PromotionId, RuleSet, Unavailable, price,
};

#[path = "promotions/over_http.rs"]
mod over_http;

const PROMOTIONS: &str = include_str!("../examples/promotions.yaml");
const TABLE: &str = include_str!("promotions/table.yaml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    catalogue: BTreeMap<String, Goods>,
    cases: Vec<Case>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct Goods {
    category: Option<String>,
    brand: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    #[serde(default)]
    currency: Option<String>,
    cart: Vec<String>,
    #[serde(default)]
    context: Context,
    total: String,
    #[serde(default)]
    off: Option<Vec<String>>,
    #[serde(default)]
    uses: Option<Vec<String>>,
    say: BTreeMap<String, (u16, String)>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Context {
    now: Option<Timestamp>,
    offset: i16,
    customer: Option<String>,
    new: bool,
    orders_before: Option<u64>,
    tier: Option<String>,
    region: Option<String>,
    channel: Option<String>,
    payment: Payments,
    coupons: BTreeMap<String, String>,
    unavailable: BTreeMap<String, String>,
    shipping: Option<Amount>,
}

/// One method, or those of several tenders.
#[derive(Deserialize, Clone, Default)]
#[serde(untagged)]
enum Payments {
    #[default]
    Unknown,
    One(Method),
    Several(Vec<Method>),
}

impl Payments {
    fn methods(&self) -> SmallVec<[Method; 2]> {
        match self {
            Self::Unknown => SmallVec::new(),
            Self::One(method) => SmallVec::from_elem(*method, 1),
            Self::Several(methods) => methods.iter().copied().collect(),
        }
    }
}

impl Case {
    fn cart(&self, catalogue: &BTreeMap<String, Goods>) -> Cart {
        let currency = self.currency.as_deref().unwrap_or("EUR").parse().expect("a currency");
        let line = |text: &String| {
            let (quantity, rest) = text.split_once(" x ").expect("units x SKU");
            let (sku, unit_price) = rest.split_once(" @ ").expect("SKU @ price");
            let goods = catalogue.get(sku).cloned().unwrap_or_default();
            CartLine {
                sku: sku.parse().expect("a SKU"),
                category: goods.category.map(Into::into),
                brand: goods.brand.map(Into::into),
                quantity: quantity.parse().expect("units"),
                unit_price: unit_price.parse().expect("a price"),
            }
        };
        let shipping = |amount| Charge { kind: ChargeKind::Shipping, money: Money::new(amount, currency) };
        Cart {
            currency,
            lines: self.cart.iter().map(line).collect(),
            charges: self.context.shipping.map(shipping).into_iter().collect(),
        }
    }

    fn context(&self) -> CartContext {
        let of = &self.context;
        let unavailable = |(id, why): (&String, &String)| {
            let why = match why.as_str() {
                "used" => Unavailable::Exhausted,
                "customer" => Unavailable::CustomerLimit,
                "budget" => Unavailable::Budget,
                other => panic!("`{other}` is no reason"),
            };
            (PromotionId::new(id).expect("an id"), why)
        };
        let coupon = |(code, batch): (&String, &String)| PresentedCoupon {
            code: CouponCode::new(code).expect("a code"),
            batch: Label::new(batch).expect("a batch"),
        };
        CartContext {
            now: of.now.unwrap_or(Timestamp(1_775_995_200_000_000)), // 2026-04-12T12:00:00Z
            utc_offset_minutes: of.offset,
            customer: of.customer.as_ref().map(|name| CustomerId::new(name).expect("a customer")),
            new_customer: of.new,
            orders_before: of.orders_before,
            tier: of.tier.as_ref().map(Into::into),
            region: of.region.as_ref().map(Into::into),
            channel: of.channel.as_ref().map(Into::into),
            payments: of.payment.methods(),
            coupons: of.coupons.iter().map(coupon).collect(),
            unavailable: of.unavailable.iter().map(unavailable).collect(),
        }
    }
}

fn rules() -> RuleSet {
    PromotionFile::from_yaml(PROMOTIONS).expect("the example is well formed").compile(1).expect("and makes sense")
}

/// Everything that is held for a pricing: promotions, coupons, gifts.
fn held(pricing: &Pricing) -> Vec<String> {
    let promotions = pricing.uses.promotions.iter().map(|of| of.promotion.to_string());
    let coupons = pricing.uses.coupons.iter().map(|of| of.code.to_string());
    promotions.chain(coupons).chain(pricing.uses.gifts.iter().map(|gift| gift.sku.to_string())).collect()
}

#[test]
fn the_table_of_carts_and_contexts_answers_with_codes_sentences_and_totals() {
    let rules = rules();
    let table: Table = from_yaml(TABLE).expect("the table is well formed");
    assert!(rules.promotions().len() >= 300, "{} promotions", rules.promotions().len());
    assert!(table.cases.len() >= 60, "{} cases", table.cases.len());
    let mut wrong = Vec::new();
    for case in &table.cases {
        let (cart, context) = (case.cart(&table.catalogue), case.context());
        let pricing = price(&rules, &cart, &context).expect("the cart is fine");
        let mut differ = |what: &str, found: String, wanted: String| {
            if found != wanted {
                wrong.push(format!("{}: {what}\n    found  {found}\n    wanted {wanted}", case.case));
            }
        };
        differ("total", pricing.total().to_string(), case.total.clone());
        if let Some(off) = &case.off {
            let found: Vec<String> = pricing.lines.iter().map(|line| line.discount.to_string()).collect();
            differ("off", format!("{found:?}"), format!("{off:?}"));
        }
        if let Some(uses) = &case.uses {
            let mut found = held(&pricing);
            let mut wanted = uses.clone();
            found.sort();
            wanted.sort();
            differ("uses", format!("{found:?}"), format!("{wanted:?}"));
        }
        let explained = rules.explain(&pricing, &cart, &context).expect("the cart is fine");
        assert_eq!(explained.len(), rules.promotions().len(), "every promotion is explained");
        for (id, (code, sentence)) in &case.say {
            let found = explained.iter().find(|it| it.promotion.as_str() == id).unwrap_or_else(|| panic!("no {id}"));
            differ(id, format!("{} {}", found.code, found.sentence), format!("{code} {sentence}"));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_kind_of_promotion_of_the_example_applies_somewhere_in_the_table() {
    let rules = rules();
    let table: Table = from_yaml(TABLE).expect("the table is well formed");
    let mut applied = std::collections::BTreeSet::new();
    for case in &table.cases {
        let (cart, context) = (case.cart(&table.catalogue), case.context());
        let pricing = price(&rules, &cart, &context).expect("the cart is fine");
        for explanation in rules.explain(&pricing, &cart, &context).expect("the cart is fine") {
            if explanation.code == 200 {
                let promotion = rules.find(&explanation.promotion).expect("it is of the set");
                let kind = serde_json::to_value(&promotion.then).expect("JSON");
                applied.insert(kind.as_object().expect("a map").keys().next().expect("one action").clone());
            }
        }
    }
    let all = ["bundle", "buy_get", "charge", "gift", "line", "nth", "order", "tiers", "unit", "unit_price"];
    assert_eq!(applied.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_path() {
    let file = |rule: &str| format!("currency: EUR\npromotions:\n  - {rule}\n");
    let with = |then: &str| file(&format!("{{id: a, name: A, lane: goods, then: {then}}}"));
    let when =
        |when: &str| file(&format!("{{id: a, name: A, lane: goods, when: [{when}], then: {{order: {{amount: 1}}}}}}"));
    let cases = [
        (with("{order: {amount: 1, off: {}}}"), "promotions[0].then.order.off", "unknown field `off`"),
        (with("{discount: {amount: 1}}"), "promotions[0].then", "unknown variant `discount`"),
        (when("{subtotal: {at_least: 1, of: {categry: [a]}}}"), "promotions[0].when[0].subtotal.of.categry", "categry"),
        (when("{category: []}"), "when[0]", "the list is empty"),
        (when("{window: {from: 2026-02-30T00:00:00Z}}"), "promotions[0].when[0].window.from", "is not a time"),
        (when("{weekly: {from: \"25:00\", until: \"26:00\"}}"), "promotions[0].when[0].weekly.from", "time of day"),
        (when("{payment: [cash]}"), "promotions[0].when[0].payment[0]", "`cash` is none of wallet"),
        (when("{order_number: {every: 0}}"), "when[0]", "counted from 1"),
        (with("{order: {amount: 1, percent: 1}}"), "then.order", "either an `amount` or a `percent`"),
        (with("{order: {amount: 0.001}}"), "then.order.amount", "whole minor units of EUR"),
        (with("{order: {amount: 1.23456}}"), "promotions[0].then.order.amount", "at most four decimals"),
        (with("{line: {percent: 100.01}}"), "promotions[0].then.line.percent", "from 0.01 to 100"),
        (with("{nth: {n: 1, percent: 50}}"), "then.nth.n", "every second"),
        (with("{tiers: {steps: [{spend: 1, amount: 1}, {units: 1, amount: 1}]}}"), "then.tiers.steps[1]", "every step"),
        (with("{gift: {sku: A, quantity: 0}}"), "then.gift.quantity", "whole number"),
        (file("{id: a, name: A, lane: nowhere, then: {order: {amount: 1}}}"), "lane", "is no lane"),
        (
            file("{id: a b, name: A, lane: goods, then: {order: {amount: 1}}}"),
            "promotions[0].id",
            "is not a promotion id",
        ),
        (file("{id: a, name: A, lane: goods}"), "promotions[0]", "missing field `then`"),
        ("promotions: [{id: a, name: A, lane: goods, then: {order: {amount: 1}}}]".to_owned(), "currency", "name its"),
    ];
    for (text, path, why) in cases {
        let error = PromotionFile::from_yaml(&text).and_then(|file| file.compile(1)).err().expect(&text).to_string();
        assert!(error.contains(&format!("`{path}`")) && error.contains(why), "{text}\n{error}");
    }
}

#[test]
fn duplicate_keys_duplicate_ids_and_what_is_no_yaml_are_refused() {
    let twice = "promotions: []\npromotions: []\n";
    assert!(matches!(PromotionFile::from_yaml(twice), Err(PromotionFileError::Syntax { .. })));
    assert!(matches!(PromotionFile::from_yaml("promotions: ["), Err(PromotionFileError::Syntax { .. })));
    let rule = "{id: a, name: A, lane: goods, then: {line: {percent: 1}}}";
    let same = PromotionFile::from_yaml(&format!("promotions: [{rule}, {rule}]")).and_then(|file| file.compile(1));
    assert!(same.err().expect("an id is unique").to_string().contains("there twice"));
    let deep = format!("promotions: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(PromotionFile::from_yaml(&deep).is_err());
}

#[test]
fn a_promotion_reads_from_json_as_it_was_written_from_yaml() {
    let rules = rules();
    for promotion in rules.promotions() {
        let json = serde_json::to_vec(promotion).expect("JSON");
        assert_eq!(promotion_from_json(&json).expect("its own shape"), *promotion);
    }
}

#[test]
fn the_example_file_is_what_its_script_writes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/promotions.py");
    // Where there is no Python the file stands for itself.
    let Ok(output) = std::process::Command::new("python3").arg(script).output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == PROMOTIONS.as_bytes(), "run python3 examples/promotions.py > examples/promotions.yaml");
}
