//! When a condition is true of a cart, row by row, asked of the whole rule set: so the index that leads to a rule is asked
//! with it.

use crate::order::{Charge, ChargeKind};
use crate::payment::Method;
use crate::promotion::{Cart, CartContext, CartLine, Label, PresentedCoupon, RuleSet, price};
use crate::{Amount, CustomerId, Money, SkuId, Timestamp};

/// Two toys of Acme at 30.00, and a book of nobody at 20.00.
fn cart() -> Cart {
    let line = |sku: &str, category: &str, brand: Option<&str>, quantity, price: i64| CartLine {
        sku: SkuId::new(sku).unwrap(),
        category: Some(category.into()),
        brand: brand.map(Into::into),
        quantity,
        unit_price: Amount(price * 10_000),
    };
    let lines = vec![line("toy", "toys", Some("acme"), 2, 30), line("book", "books", None, 1, 20)];
    Cart { currency: "EUR".parse().unwrap(), lines, charges: Default::default() }
}

/// Gold of Germany in the app, with a coupon of spring, on their third order, on a Tuesday at 22:13.
fn context() -> CartContext {
    CartContext {
        now: Timestamp(1_700_000_000_000_000),
        orders_before: Some(2),
        tier: Some("gold".into()),
        region: Some("DE".into()),
        channel: Some("app".into()),
        payments: [Method::Card].into_iter().collect(),
        coupons: [PresentedCoupon { code: "C-1".parse().unwrap(), batch: Label::new("spring").unwrap() }]
            .into_iter()
            .collect(),
        ..CartContext::default()
    }
}

/// Whether a promotion of ten per cent with these parts applies.
fn applies(parts: &str, cart: &Cart, context: &CartContext) -> bool {
    let others =
        r#"{"id":"other","name":"O","lane":"order","when":[{"tier":["none"]}],"then":{"order":{"percent":1}}}"#;
    let text = format!(
        r#"{{"id":"p","name":"P","lane":"goods","currency":"EUR",{parts},"then":{{"order":{{"percent":10}}}}}}"#
    );
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let rules = RuleSet::compile(vec![read(others), read(&text)], 1).unwrap();
    let pricing = price(&rules, cart, context).unwrap();
    let off = pricing.discount();
    assert!(off == Amount::ZERO || off == Amount(80_000), "ten per cent of 80.00 or nothing: {off}");
    off != Amount::ZERO
}

#[test]
fn a_condition_is_true_of_the_carts_that_it_means() {
    // The list of nine names is searched in another way than that of a few.
    let nine = |last: &str| format!(r#"["a","b","c","d","e","f","g","h","{last}"]"#);
    let rows = [
        (r#"{"subtotal":{"at_least":80}}"#, true),
        (r#"{"subtotal":{"at_least":80.01}}"#, false),
        (r#"{"subtotal":{"at_most":80}}"#, true),
        (r#"{"subtotal":{"at_most":79.99}}"#, false),
        (r#"{"subtotal":{"at_least":60,"at_most":60,"of":{"brand":["acme"]}}}"#, true),
        (r#"{"subtotal":{"at_least":60.01,"of":{"brand":["acme"]}}}"#, false),
        (r#"{"subtotal":{"at_least":20,"at_most":20,"of":{"except_brand":["acme"]}}}"#, true),
        (r#"{"quantity":{"at_least":3,"at_most":3}}"#, true),
        (r#"{"quantity":{"at_least":4}}"#, false),
        (r#"{"quantity":{"at_most":2}}"#, false),
        (r#"{"quantity":{"at_least":2,"at_most":2,"of":{"category":["toys"]}}}"#, true),
        (r#"{"quantity":{"at_least":1,"at_most":1,"of":{"except_sku":["toy"]}}}"#, true),
        (r#"{"sku":["book"]}"#, true),
        (r#"{"sku":["pen"]}"#, false),
        (r#"{"category":["toys"]}"#, true),
        (r#"{"category":["pens"]}"#, false),
        (r#"{"brand":["acme"]}"#, true),
        (r#"{"brand":["other"]}"#, false),
        (r#"{"only":{"category":["toys","books"]}}"#, true),
        (r#"{"only":{"category":["toys"]}}"#, false),
        (r#"{"only":{"except_category":["pens"]}}"#, true),
        (r#"{"only":{"category":["toys","books"],"except_sku":["book"]}}"#, false),
        (r#"{"tier":["gold"]}"#, true),
        (r#"{"tier":["silver"]}"#, false),
        (r#"{"region":["FR","DE"]}"#, true),
        (r#"{"region":["FR"]}"#, false),
        (r#"{"channel":["app"]}"#, true),
        (r#"{"channel":["web"]}"#, false),
        (r#"{"payment":["wallet","card"]}"#, true),
        (r#"{"payment":["wallet","external","account"]}"#, false),
        (r#"{"new_customer":false}"#, true),
        (r#"{"new_customer":true}"#, false),
        (r#"{"order_number":{"from":3}}"#, true),
        (r#"{"order_number":{"from":4}}"#, false),
        (r#"{"order_number":{"to":3}}"#, true),
        (r#"{"order_number":{"to":2}}"#, false),
        (r#"{"order_number":{"every":3}}"#, true),
        (r#"{"order_number":{"every":2}}"#, false),
        (r#"{"window":{"from":"2023-11-14T22:13:20Z"}}"#, true),
        (r#"{"window":{"until":"2023-11-14T22:13:20Z"}}"#, false),
        (r#"{"weekly":{"days":["tue"],"from":"22:13","until":"22:14"}}"#, true),
        (r#"{"weekly":{"days":["wed"],"from":"22:13","until":"22:14"}}"#, false),
        (r#"{"coupon":["spring"]}"#, true),
        (r#"{"coupon":["autumn"]}"#, false),
        (r#"{"all":[{"tier":["gold"]},{"region":["DE"]}]}"#, true),
        (r#"{"all":[{"tier":["gold"]},{"region":["FR"]}]}"#, false),
        (r#"{"any":[{"tier":["silver"]},{"region":["DE"]}]}"#, true),
        (r#"{"any":[{"tier":["silver"]},{"region":["FR"]}]}"#, false),
        (r#"{"not":{"tier":["gold"]}}"#, false),
        (r#"{"not":{"tier":["silver"]}}"#, true),
    ];
    for (condition, wanted) in rows {
        assert_eq!(applies(&format!(r#""when":[{condition}]"#), &cart(), &context()), wanted, "{condition}");
    }
    assert!(applies(&format!(r#""when":[{{"tier":{}}}]"#, nine("gold")), &cart(), &context()));
    assert!(!applies(&format!(r#""when":[{{"tier":{}}}]"#, nine("silver")), &cart(), &context()));
}

#[test]
fn what_is_not_known_of_a_buyer_is_true_of_no_condition_that_asks_for_it() {
    let unknown = CartContext { now: context().now, ..CartContext::default() };
    for condition in [
        r#"{"tier":["gold"]}"#,
        r#"{"payment":["wallet","card","external","account"]}"#,
        r#"{"order_number":{"from":1}}"#,
        r#"{"coupon":["spring"]}"#,
    ] {
        assert!(!applies(&format!(r#""when":[{condition}]"#), &cart(), &unknown), "{condition}");
    }
}

#[test]
fn a_promotions_own_terms_are_asked_beside_its_conditions() {
    let ann = CartContext { customer: Some(CustomerId::new("ann").unwrap()), ..context() };
    for (parts, context, wanted) in [
        (r#""window":{"from":"2023-11-14T22:13:20Z"}"#, context(), true),
        (r#""window":{"from":"2023-11-14T22:13:21Z"}"#, context(), false),
        (r#""window":{"until":"2023-11-14T22:13:21Z"}"#, context(), true),
        (r#""window":{"until":"2023-11-14T22:13:20Z"}"#, context(), false),
        (r#""coupon":["spring","summer"]"#, context(), true),
        (r#""coupon":["summer"]"#, context(), false),
        (r#""limits":{"per_customer":1}"#, context(), false),
        (r#""limits":{"per_customer":1}"#, ann, true),
        (r#""limits":{"uses":1}"#, context(), true),
    ] {
        assert_eq!(applies(parts, &cart(), &context), wanted, "{parts}");
    }
    let dollars = Cart { currency: "USD".parse().unwrap(), ..cart() };
    assert!(!applies(r#""priority":1"#, &dollars, &context()));
}

#[test]
fn a_cart_that_cannot_be_counted_is_refused() {
    let rules = RuleSet::empty();
    let code = |change: fn(&mut Cart)| {
        let mut cart = cart();
        change(&mut cart);
        price(&rules, &cart, &context()).err().map(|refusal| refusal.code())
    };
    let charge = |text: &str| Charge { kind: ChargeKind::Tax, money: Money::parse(text).unwrap() };
    assert_eq!(code(|_| ()), None);
    assert_eq!(code(|cart| cart.lines[0].quantity = 0), Some("quantity_invalid"));
    assert_eq!(code(|cart| cart.lines[0].unit_price = Amount(-1)), Some("money_invalid"));
    assert_eq!(code(|cart| cart.lines[0].unit_price = Amount(i64::MAX / 2)), Some("money_invalid"));
    for (text, wanted) in [
        ("1.00 EUR", None),
        ("0.00 EUR", None),
        ("1.00 USD", Some("currency_mismatch")),
        ("-1.00 EUR", Some("money_invalid")),
        ("0.001 EUR", Some("money_invalid")),
    ] {
        let mut cart = cart();
        cart.charges.push(charge(text));
        assert_eq!(price(&rules, &cart, &context()).err().map(|refusal| refusal.code()), wanted, "{text}");
    }
}

#[test]
fn a_set_says_what_it_holds() {
    let empty = RuleSet::empty();
    assert_eq!((empty.version(), empty.promotions().len(), empty.lanes().len()), (0, 0, 5));
    let read = |id: &str, lane: &str, priority: i32| {
        let text = format!(
            r#"{{"id":"{id}","name":"N","lane":"{lane}","priority":{priority},"then":{{"order":{{"percent":1}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let rules = RuleSet::compile(
        vec![read("d", "order", 0), read("c", "goods", 1), read("b", "goods", 1), read("a", "goods", 0)],
        7,
    );
    let rules = rules.unwrap();
    let places: Vec<&str> = rules.promotions().iter().map(|promotion| promotion.id.as_str()).collect();
    assert_eq!(places, ["b", "c", "a", "d"], "by lane, the higher priority first, then by id");
    assert_eq!((rules.version(), rules.promotion(1).id.as_str()), (7, "c"));
    assert_eq!(rules.find(&"d".parse().unwrap()).map(|found| found.lane.as_str()), Some("order"));
    assert_eq!(rules.find(&"e".parse().unwrap()), None);
}

/// What a promotion takes off three lines (3 x 10.00, 2 x 6.00, 1 x 4.00), in cents, worked out by hand.
#[test]
fn an_action_takes_off_what_it_says_line_by_line() {
    let rows: [(&str, [i64; 3]); 34] = [
        (r#"{"order":{"amount":20}}"#, [1_304, 522, 174]),
        (r#"{"order":{"amount":60}}"#, [3_000, 1_200, 400]),
        (r#"{"order":{"percent":50}}"#, [1_500, 600, 200]),
        (r#"{"order":{"amount":5,"of":{"sku":["c"]}}}"#, [0, 0, 400]),
        (r#"{"order":{"amount":5,"of":{"except_sku":["a"]}}}"#, [0, 375, 125]),
        (r#"{"line":{"amount":5}}"#, [500, 500, 400]),
        (r#"{"line":{"percent":33}}"#, [990, 396, 132]),
        (r#"{"unit":{"amount":1}}"#, [300, 200, 100]),
        (r#"{"unit":{"amount":7}}"#, [2_100, 1_200, 400]),
        (r#"{"unit":{"percent":33.33}}"#, [999, 400, 133]),
        (r#"{"unit_price":{"unit":5}}"#, [1_500, 200, 0]),
        (r#"{"unit_price":{"unit":10}}"#, [0, 0, 0]),
        (
            r#"{"tiers":{"steps":[{"spend":46,"amount":8},{"spend":40,"amount":5},{"spend":46.01,"amount":20}]}}"#,
            [522, 209, 69],
        ),
        (r#"{"tiers":{"steps":[{"units":7,"amount":9},{"units":6,"amount":3}]}}"#, [196, 78, 26]),
        (r#"{"tiers":{"steps":[{"spend":46,"percent":10}]}}"#, [300, 120, 40]),
        (r#"{"tiers":{"steps":[{"units":7,"percent":10}]}}"#, [0, 0, 0]),
        (r#"{"nth":{"n":2,"percent":50}}"#, [500, 300, 200]),
        (r#"{"nth":{"n":3,"amount":1}}"#, [100, 0, 100]),
        (r#"{"nth":{"n":7,"percent":50}}"#, [0, 0, 0]),
        (r#"{"nth":{"n":2,"percent":50,"of":{"sku":["b"]}}}"#, [0, 300, 0]),
        (r#"{"buy_get":{"buy":2,"get":1}}"#, [1_000, 0, 400]),
        (r#"{"buy_get":{"buy":2,"get":1,"percent":50}}"#, [500, 0, 200]),
        (r#"{"buy_get":{"buy":2,"get":1,"times":1}}"#, [1_000, 0, 0]),
        (r#"{"buy_get":{"buy":1,"get":1,"of":{"sku":["b","c"]}}}"#, [0, 600, 0]),
        (r#"{"buy_get":{"buy":6,"get":1}}"#, [0, 0, 0]),
        (r#"{"buy_get":{"buy":2,"get":1,"of":{"sku":["a"]},"get_of":{"sku":["b","c"]}}}"#, [0, 0, 400]),
        (r#"{"buy_get":{"buy":1,"get":1,"of":{"sku":["a"]},"get_of":{"sku":["b","c"]}}}"#, [0, 1_200, 400]),
        (r#"{"buy_get":{"buy":1,"get":1,"times":2,"of":{"sku":["a"]},"get_of":{"sku":["b","c"]}}}"#, [0, 600, 400]),
        (r#"{"buy_get":{"buy":4,"get":1,"of":{"sku":["a"]},"get_of":{"sku":["b"]}}}"#, [0, 0, 0]),
        (r#"{"buy_get":{"buy":5,"get":9,"of":{"sku":["a","b"]},"get_of":{"sku":["b","c"]}}}"#, [0, 0, 400]),
        (
            r#"{"bundle":{"parts":[{"quantity":1,"of":{"sku":["a"]}},{"quantity":1,"of":{"sku":["b"]}}],"price":12}}"#,
            [500, 300, 0],
        ),
        (
            r#"{"bundle":{"parts":[{"quantity":1,"of":{"sku":["a"]}},{"quantity":1,"of":{"sku":["b"]}}],"price":12,"times":1}}"#,
            [250, 150, 0],
        ),
        (r#"{"bundle":{"parts":[{"quantity":2,"of":{"sku":["a"]}},{"quantity":1}],"price":20}}"#, [462, 138, 0]),
        (r#"{"bundle":{"parts":[{"quantity":4,"of":{"sku":["a"]}}],"price":1}}"#, [0, 0, 0]),
    ];
    let line = |(sku, quantity, price): (&str, u64, i64)| CartLine {
        sku: SkuId::new(sku).unwrap(),
        category: None,
        brand: None,
        quantity,
        unit_price: Amount(price * 10_000),
    };
    let lines = [("a", 3, 10), ("b", 2, 6), ("c", 1, 4)].map(line).to_vec();
    let cart = Cart { currency: "EUR".parse().unwrap(), lines, charges: Default::default() };
    let off = |parts: &str| {
        let text = format!(r#"{{"id":"p","name":"P","lane":"goods","currency":"EUR",{parts}}}"#);
        let promotion = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let pricing = price(&RuleSet::compile(vec![promotion], 1).unwrap(), &cart, &context()).unwrap();
        assert_eq!(pricing.total().0, pricing.subtotal().0 - pricing.discount().0);
        pricing.lines.iter().map(|line| line.discount.0 / 100).collect::<Vec<_>>()
    };
    for (action, cents) in rows {
        assert_eq!(off(&format!(r#""then":{action}"#)), cents, "{action}");
    }
    assert_eq!(off(r#""cap":10,"then":{"order":{"percent":50}}"#), [652, 261, 87], "no more than the cap");
    assert_eq!(
        off(r#""cap":10,"then":{"line":{"amount":4}}"#),
        [334, 333, 333],
        "the odd cent goes to the first of equals"
    );
}
