//! The fast pricing is held against the naive one, and both against what every pricing must be.

#[path = "support/naive_pricing.rs"]
mod naive_pricing;

use compact_str::CompactString;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use stockade_domain::order::{Charge, ChargeKind};
use stockade_domain::payment::Method;
use stockade_domain::promotion::action::{
    Action, Bundle, BundlePart, BuyGet, ChargeOff, Gift, Nth, Off, Percent, Tier, Tiers, UnitPrice,
};
use stockade_domain::promotion::condition::{OrderNumber, Subtotal, Units, Weekday, Weekly, Window};
use stockade_domain::promotion::pricing::{Priced, Target};
use stockade_domain::promotion::rule::{Basis, Limits, Pick};
use stockade_domain::promotion::{
    Cart, CartContext, CartLine, Condition, CouponCode, Label, Lane, PresentedCoupon, Promotion, PromotionId, RuleSet,
    Scope, Unavailable, Verdict, price,
};
use stockade_domain::{Amount, CustomerId, Money, SkuId, Timestamp};

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn sku(n: u8) -> SkuId {
    SkuId::new(format!("S{n}")).unwrap()
}

fn labels(prefix: &'static str, kinds: u8) -> impl Strategy<Value = Vec<Label>> {
    proptest::collection::vec((0..kinds).prop_map(move |n| label(&format!("{prefix}{n}"))), 1..3)
}

fn skus() -> impl Strategy<Value = Vec<SkuId>> {
    proptest::collection::vec((0..8u8).prop_map(sku), 1..4)
}

fn scope() -> impl Strategy<Value = Scope> {
    let list = |items: Vec<Label>, on: u8| if on == 0 { items } else { Vec::new() };
    prop_oneof![
        2 => Just(Scope::everything()),
        3 => (skus(), labels("c", 4), labels("b", 3), proptest::collection::vec(0..3u8, 6), skus()).prop_map(
            move |(skus, categories, brands, on, except)| Scope {
                sku: if on[0] == 0 { skus } else { Vec::new() },
                category: list(categories.clone(), on[1]),
                brand: list(brands.clone(), on[2]),
                except_sku: if on[3] == 0 { except } else { Vec::new() },
                except_category: list(categories, if on[1] == 0 { 1 } else { on[4] }),
                except_brand: list(brands, if on[2] == 0 { 1 } else { on[5] }),
            }
        ),
    ]
}

/// A positive amount in whole cents.
fn amount(cents: std::ops::Range<i64>) -> impl Strategy<Value = Amount> {
    cents.prop_map(|cents| Amount(cents * 100))
}

fn rate() -> impl Strategy<Value = (Option<Amount>, Option<Percent>)> {
    prop_oneof![
        amount(1..6_000).prop_map(|amount| (Some(amount), None)),
        prop_oneof![1..=10_000u32, Just(10_000), Just(5_000)].prop_map(|percent| (None, Some(Percent(percent)))),
    ]
}

fn off() -> impl Strategy<Value = Off> {
    (rate(), scope()).prop_map(|((amount, percent), of)| Off { amount, percent, of })
}

fn tiers() -> impl Strategy<Value = Action> {
    let steps = proptest::collection::btree_map(1..200u64, rate(), 1..4);
    (steps, any::<bool>(), scope()).prop_map(|(steps, by_units, of)| {
        let step = |(from, (amount, percent)): (u64, (Option<Amount>, Option<Percent>))| Tier {
            spend: (!by_units).then_some(Amount(from as i64 * 10_000)),
            units: by_units.then_some(from.div_ceil(10)),
            amount,
            percent,
        };
        let mut steps: Vec<Tier> = steps.into_iter().map(step).collect();
        steps.dedup_by_key(|step| (step.spend, step.units));
        Action::Tiers(Tiers { steps, of })
    })
}

fn action() -> impl Strategy<Value = Action> {
    let times = || proptest::option::of(1..4u64);
    let part = (1..4u64, scope()).prop_map(|(quantity, of)| BundlePart { quantity, of });
    prop_oneof![
        off().prop_map(Action::Order),
        off().prop_map(Action::Line),
        off().prop_map(Action::Unit),
        (rate(), 0..3usize).prop_map(|((amount, percent), kind)| {
            Action::Charge(ChargeOff { kind: ChargeKind::ALL[kind].0, amount, percent })
        }),
        tiers(),
        (2..5u64, rate(), scope(), times()).prop_map(|(n, (amount, percent), of, times)| Action::Nth(Nth {
            n,
            amount,
            percent,
            of,
            times
        })),
        (1..4u64, 1..3u64, rate(), scope(), proptest::option::of(scope()), times()).prop_map(
            |(buy, get, (_, percent), of, get_of, times)| Action::BuyGet(BuyGet {
                buy,
                get,
                percent,
                of,
                get_of,
                times
            })
        ),
        (0..8u8, 1..3u64).prop_map(|(n, quantity)| Action::Gift(Gift { sku: sku(n), quantity })),
        (0..400_000i64, scope()).prop_map(|(unit, of)| Action::UnitPrice(UnitPrice { unit: Amount(unit), of })),
        (proptest::collection::vec(part, 1..4), 0..900_000i64, times())
            .prop_map(|(parts, price, times)| Action::Bundle(Bundle { parts, price: Amount(price), times })),
    ]
}

fn leaf() -> impl Strategy<Value = Condition> {
    let range = |most: i64| (0..most, 0..most).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![
        (range(20_000), scope()).prop_map(|((least, most), of)| {
            Condition::Subtotal(Subtotal { at_least: Some(Amount(least * 100)), at_most: Some(Amount(most * 100)), of })
        }),
        (0..6u64, scope())
            .prop_map(|(least, of)| { Condition::Quantity(Units { at_least: Some(least), at_most: None, of }) }),
        skus().prop_map(Condition::Sku),
        labels("c", 4).prop_map(Condition::Category),
        labels("b", 3).prop_map(Condition::Brand),
        scope().prop_map(Condition::Only),
        labels("t", 2).prop_map(Condition::Tier),
        labels("r", 2).prop_map(Condition::Region),
        labels("h", 2).prop_map(Condition::Channel),
        (0..4usize).prop_map(|at| Condition::Payment(vec![Method::ALL[at].0])),
        any::<bool>().prop_map(Condition::NewCustomer),
        (1..4u64, 1..4u64).prop_map(|(from, every)| {
            Condition::OrderNumber(OrderNumber { from: Some(from), to: Some(from + 3), every: Some(every) })
        }),
        (0..5u8, 1..5u8).prop_map(|(from, length)| {
            let day = |n: u8| Timestamp(i64::from(n) * 86_400_000_000);
            Condition::Window(Window { from: Some(day(from)), until: Some(day(from + length)) })
        }),
        (0..1_440u16, 0..1_440u16, any::<bool>()).prop_map(|(from, until, weekend)| {
            let days = if weekend { vec![Weekday::Sat, Weekday::Sun, Weekday::Thu] } else { Vec::new() };
            Condition::Weekly(Weekly { days, from, until })
        }),
        labels("k", 2).prop_map(Condition::Coupon),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    leaf().prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..3).prop_map(Condition::All),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(Condition::Any),
            inner.prop_map(|condition| Condition::Not(Box::new(condition))),
        ]
    })
}

fn promotion() -> impl Strategy<Value = Promotion> {
    let when = prop_oneof![2 => Just(Vec::new()), 2 => proptest::collection::vec(condition(), 1..3)];
    let sets = prop_oneof![3 => Just(Vec::new()), 1 => labels("x", 2)];
    let coupon = prop_oneof![4 => Just(Vec::new()), 1 => labels("k", 2)];
    let cap = prop_oneof![3 => Just(None), 1 => amount(1..2_000).prop_map(Some)];
    (when, action(), sets, coupon, cap, (0..5usize, -1..2i32, 0..8u8, 0..6u8, any::<bool>())).prop_map(
        |(when, then, exclusive, coupon, cap, (lane, priority, stop, limit, net))| Promotion {
            id: PromotionId::new("p").unwrap(),
            version: 1,
            name: label("a promotion"),
            priority,
            lane: Lane::standard()[lane].name.clone(),
            exclusive,
            window: Window::default(),
            coupon,
            currency: Some("EUR".parse().unwrap()),
            when,
            then,
            basis: if net { Basis::Net } else { Basis::List },
            cap,
            limits: Limits { uses: None, per_customer: (limit == 0).then_some(1), budget: None },
            stop: stop == 0,
            refusal: None,
        },
    )
}

fn promotions() -> impl Strategy<Value = Vec<Promotion>> {
    proptest::collection::vec(promotion(), 0..14).prop_map(|mut promotions| {
        // Ids that do not sort as they were made.
        for (n, promotion) in promotions.iter_mut().enumerate() {
            promotion.id = PromotionId::new(format!("p{}-{n}", n * 7 % 5)).unwrap();
        }
        promotions
    })
}

fn line() -> impl Strategy<Value = CartLine> {
    let price = prop_oneof![0..1_000_000i64, (1..5_000i64).prop_map(|cents| cents * 100), Just(100_000)];
    (0..8u8, price, 1..7u64, 0..5u8, 0..4u8).prop_map(|(n, unit_price, quantity, category, brand)| CartLine {
        sku: sku(n),
        category: (category < 4).then(|| CompactString::from(format!("c{category}"))),
        brand: (brand < 3).then(|| CompactString::from(format!("b{brand}"))),
        quantity,
        unit_price: Amount(unit_price),
    })
}

fn cart() -> impl Strategy<Value = Cart> {
    let eur = || "EUR".parse().unwrap();
    let charge = (0..3usize, 0..1_500i64).prop_map(move |(kind, cents)| Charge {
        kind: ChargeKind::ALL[kind].0,
        money: Money::new(Amount(cents * 100), eur()),
    });
    (proptest::collection::vec(line(), 0..8), proptest::collection::vec(charge, 0..3))
        .prop_map(move |(lines, charges)| Cart { currency: eur(), lines, charges: charges.into() })
}

fn context() -> impl Strategy<Value = CartContext> {
    let name = |prefix: &'static str| {
        proptest::option::of((0..3u8).prop_map(move |n| CompactString::from(format!("{prefix}{n}"))))
    };
    let who = (any::<bool>(), any::<bool>(), proptest::option::of(0..6u64), proptest::collection::vec(0..4usize, 0..3));
    let coupons = proptest::collection::vec(0..3u8, 0..3);
    (0..10i64 * 1_440, who, name("t"), name("r"), name("h"), coupons, proptest::option::weighted(0.2, 0..5u8)).prop_map(
        |(minute, (known, new_customer, orders_before, payments), tier, region, channel, coupons, refused)| {
            CartContext {
                now: Timestamp(minute * 60_000_000),
                utc_offset_minutes: 60,
                customer: known.then(|| CustomerId::new("ann").unwrap()),
                new_customer,
                orders_before,
                tier,
                region,
                channel,
                payments: payments.into_iter().map(|at| Method::ALL[at].0).collect(),
                coupons: coupons
                    .into_iter()
                    .map(|n| PresentedCoupon {
                        code: CouponCode::new(format!("CODE-{n}")).unwrap(),
                        batch: label(&format!("k{n}")),
                    })
                    .collect(),
                unavailable: refused
                    .map(|n| (PromotionId::new(format!("p{n}-0")).unwrap(), Unavailable::Exhausted))
                    .into_iter()
                    .collect(),
            }
        },
    )
}

/// Lanes of which some pick the first.
fn lanes(first: [bool; 5]) -> Vec<Lane> {
    let pick = |first| if first { Pick::First } else { Pick::Best };
    Lane::standard().into_iter().zip(first).map(|(lane, first)| Lane { pick: pick(first), ..lane }).collect()
}

fn check(priced: &[Priced], of: impl Fn(u32) -> Target, pricing: &stockade_domain::promotion::Pricing) {
    for (at, priced) in (0..).zip(priced) {
        let sum: i64 = pricing.discounts_of(of(at)).map(|discount| discount.amount.0).sum();
        assert_eq!(sum, priced.discount.0, "a discount is the sum of what the promotions took");
        assert!(priced.net().0 >= 0 && priced.discount.0 >= 0, "nothing is below zero: {priced:?}");
        assert!(priced.discount.is_rounded(pricing.currency));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_fast_pricing_is_the_naive_one(
        promotions in promotions(), cart in cart(), context in context(), first in any::<[bool; 5]>(),
    ) {
        let lanes = lanes(first);
        let rules = RuleSet::compile_in(lanes.clone(), promotions.clone(), 7).unwrap();
        let pricing = price(&rules, &cart, &context).unwrap();
        let naive = naive_pricing::price(&lanes, &promotions, &cart, &context);
        let off = |priced: &[Priced]| priced.iter().map(|priced| priced.discount.0).collect::<Vec<_>>();
        prop_assert_eq!(off(&pricing.lines), naive.lines);
        prop_assert_eq!(off(&pricing.charges), naive.charges);
        let explained = rules.explain(&pricing, &cart, &context).unwrap();
        let outcomes: naive_pricing::Outcomes = explained
            .iter()
            .map(|explanation| (explanation.promotion.clone(), (explanation.code == 200).then_some(explanation.amount.0)))
            .collect();
        prop_assert_eq!(outcomes, naive.outcomes);
        let gifts: Vec<_> =
            pricing.uses.gifts.iter().map(|gift| (gift.promotion.clone(), gift.sku.to_string(), gift.quantity)).collect();
        prop_assert_eq!(gifts, naive.gifts);
        prop_assert_eq!(pricing.version, 7);
    }

    #[test]
    fn discounts_sum_exactly_and_nothing_is_below_zero(
        promotions in promotions(), cart in cart(), context in context(),
    ) {
        let rules = RuleSet::compile(promotions, 1).unwrap();
        let pricing = price(&rules, &cart, &context).unwrap();
        check(&pricing.lines, Target::Line, &pricing);
        check(&pricing.charges, Target::Charge, &pricing);
        let of_rules: i64 = rules.explain(&pricing, &cart, &context).unwrap().iter().map(|it| it.amount.0).sum();
        let gross: i64 = pricing.lines.iter().chain(&pricing.charges).map(|priced| priced.gross.0).sum();
        prop_assert_eq!(of_rules, pricing.discount().0);
        prop_assert_eq!(pricing.total().0, gross - pricing.discount().0);
    }

    #[test]
    fn the_order_of_the_file_means_nothing(
        (promotions, shuffled) in promotions().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        cart in cart(), context in context(),
    ) {
        let priced = [promotions, shuffled].map(|promotions| {
            price(&RuleSet::compile(promotions, 1).unwrap(), &cart, &context).unwrap()
        });
        prop_assert_eq!(&priced[0], &priced[1]);
    }

    #[test]
    fn a_promotion_that_does_not_apply_changes_nothing(
        promotions in promotions(), more in promotion(), cart in cart(), context in context(),
    ) {
        let before = price(&RuleSet::compile(promotions.clone(), 1).unwrap(), &cart, &context).unwrap();
        let more = Promotion { id: PromotionId::new("more").unwrap(), ..more };
        let after_rules = RuleSet::compile(promotions.into_iter().chain([more.clone()]).collect(), 1).unwrap();
        let after = price(&after_rules, &cart, &context).unwrap();
        let explained = after_rules.explain(&after, &cart, &context).unwrap();
        let refused = explained.iter().any(|explanation| explanation.promotion == more.id && explanation.code == 403);
        if refused {
            prop_assert_eq!(&before.lines, &after.lines);
            prop_assert_eq!(&before.charges, &after.charges);
            prop_assert_eq!(&before.uses, &after.uses);
        }
    }

    #[test]
    fn a_promotion_is_the_same_after_the_journal_and_after_json(promotion in promotion()) {
        let bytes = minicbor::to_vec(&promotion).unwrap();
        let json = serde_json::to_string(&promotion).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Promotion>(&json).unwrap(), &promotion);
        prop_assert_eq!(&minicbor::decode::<Promotion>(&bytes).unwrap(), &promotion);
    }

    #[test]
    fn units_of_a_discounted_line_refund_its_net_together(
        promotions in promotions(), cart in cart(), context in context(),
    ) {
        let pricing = price(&RuleSet::compile(promotions, 1).unwrap(), &cart, &context).unwrap();
        for (line, priced) in cart.lines.iter().zip(&pricing.lines) {
            let share = |k| stockade_domain::money::share_of_units(priced.net(), line.quantity, k, 1, cart.currency).0;
            prop_assert_eq!((0..line.quantity).map(share).sum::<i64>(), priced.net().0);
        }
    }
}

/// A comparison proves nothing of what never happens: every action applies and every reason is given, often.
#[test]
fn what_is_compared_happens() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..2_000 {
        let (promotions, cart, context) =
            (promotions(), cart(), context()).new_tree(&mut runner).expect("the strategies reject nothing").current();
        let rules = RuleSet::compile(promotions, 1).unwrap();
        for considered in price(&rules, &cart, &context).unwrap().considered {
            let name = |value: String| value.split('(').next().unwrap_or_default().to_owned();
            let kind = match considered.verdict {
                Verdict::Applied(_) => name(format!("{:?}", rules.promotion(considered.rule).then)),
                Verdict::Refused(reason) => name(format!("{reason:?}")),
            };
            *seen.entry(kind).or_default() += 1;
        }
    }
    let actions =
        ["Order", "Line", "Unit", "Charge", "Tiers", "Nth", "BuyGet", "Gift", "UnitPrice", "Bundle"].into_iter();
    let reasons = [
        "CustomerNeeded",
        "Unavailable",
        "Condition",
        "NothingInScope",
        "BelowTier",
        "TooFewUnits",
        "NothingOff",
        "Taken",
        "Excluded",
        "Stopped",
    ];
    for kind in actions.chain(reasons) {
        assert!(seen.get(kind).is_some_and(|times| *times >= 20), "{kind}: {seen:?}");
    }
}
