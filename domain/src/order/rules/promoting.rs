//! What promotions do to an order that is placed: what is priced, what is taken off, which uses it needs.

use smallvec::{SmallVec, smallvec};

use super::{START, amount, eur, fill, line, sku};
use crate::order::{
    AppliedDiscount, AppliedUse, Charge, ChargeKind, Fill, NewLine, NewOrder, OrderEvent, Placement, Pricer, Promoted,
    Tender, demand, place_with,
};
use crate::payment::Method;
use crate::promotion::pricing::{GrantedGift, Target};
use crate::promotion::uses::{Subject, Use, UsesCommand};
use crate::promotion::{CouponCode, Label, PresentedCoupon, PromotionId, RuleSet, Unavailable};
use crate::{Amount, CustomerId, OrderId, Quantity, Refusal};

fn rules(promotions: &[(&str, &str)]) -> RuleSet {
    let promotion = |(id, parts): &(&str, &str)| {
        let text = format!(r#"{{"id":"{id}","name":"{id}","lane":"goods","currency":"EUR",{parts}}}"#);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    RuleSet::compile(promotions.iter().map(promotion).collect(), 9).unwrap()
}

fn wanted(lines: &[(&str, Quantity)]) -> NewOrder {
    NewOrder::new(OrderId::new(START, 1), lines.iter().map(|(name, units)| NewLine::of_house(sku(name), *units)))
}

fn placed(order: &NewOrder, fills: &[Fill], pricer: Pricer<'_>) -> Result<Placement, Refusal> {
    place_with(order, &demand(order)?, fills, &[], START, pricer)
}

fn priced(order: &NewOrder, fills: &[Fill], rules: &RuleSet) -> Result<Placement, Refusal> {
    placed(order, fills, Pricer { rules: Some(rules), coupons: &[] })
}

fn promotion(id: &str) -> PromotionId {
    PromotionId::new(id).unwrap()
}

fn coupon(text: &str) -> CouponCode {
    CouponCode::new(text).unwrap()
}

fn discounts(placement: &Placement) -> Vec<Amount> {
    match &*placement.placed {
        OrderEvent::Placed { lines, .. } => lines.iter().map(|line| line.discount).collect(),
        _ => unreachable!(),
    }
}

#[test]
fn what_is_taken_off_stands_on_its_line_and_in_the_order() {
    let rules =
        rules(&[("books", r#""then":{"line":{"percent":10,"of":{"category":["books"]}}},"limits":{"uses":5}"#)]);
    let of_class = |fill: Fill, category: &str| Fill { category: Some(category.into()), ..fill };
    let fills = [of_class(fill("20.00", 1, 0), "toys"), of_class(fill("10.00", 1, 1), "books")];
    let placement = priced(&wanted(&[("toy", 1), ("book", 2)]), &fills, &rules).unwrap();
    assert_eq!(discounts(&placement), [Amount::ZERO, amount("2.00")], "a tenth of both books, one of which waits");
    assert_eq!(placement.total, eur("38.00"));
    let promoted = placement.promoted().unwrap();
    let discount = AppliedDiscount { promotion: promotion("books"), target: Target::Line(1), amount: amount("2.00") };
    assert_eq!(promoted.discounts[..], [discount]);
    let used = AppliedUse { subject: Subject::Promotion(promotion("books")), amount: amount("2.00") };
    assert_eq!(promoted.uses[..], [used]);
    assert_eq!((promoted.version, promoted.gifts), (9, 0));
}

/// A line that got nothing is not priced: places of discounts are those of the order all the same.
#[test]
fn lines_that_got_nothing_are_not_priced_and_shift_no_discount() {
    let rules = rules(&[("five", r#""then":{"line":{"amount":5}}"#)]);
    let mut order = wanted(&[("none", 1), ("some", 1)]);
    order.allow_partial = true;
    let placement = priced(&order, &[fill("50.00", 0, 0), fill("20.00", 1, 0)], &rules).unwrap();
    assert_eq!(discounts(&placement), [Amount::ZERO, amount("5.00")]);
    assert_eq!(placement.promoted().unwrap().discounts[0].target, Target::Line(1));
}

#[test]
fn charges_are_made_cheaper_beside_the_lines() {
    let mut order = wanted(&[("a", 1)]);
    let charge = |kind, text: &str| Charge { kind, money: eur(text) };
    order.charges.extend([charge(ChargeKind::Tax, "2.00"), charge(ChargeKind::Shipping, "4.90")]);
    let rules = rules(&[
        ("ship", r#""then":{"charge":{"kind":"shipping","percent":100}}"#),
        ("line", r#""then":{"line":{"amount":1}}"#),
    ]);
    let placement = priced(&order, &[fill("10.00", 1, 0)], &rules).unwrap();
    assert_eq!(placement.total, eur("11.00"), "10.00 - 1.00 + 2.00");
    let promoted = placement.promoted().unwrap();
    assert_eq!(promoted.off_charges(), amount("4.90"));
    assert!(promoted.discounts.iter().any(|discount| discount.target == Target::Charge(1)));
}

#[test]
fn what_the_buyer_says_of_himself_is_what_conditions_ask() {
    type Say = fn(&mut NewOrder);
    let says: [(&str, Say); 7] = [
        (r#"{"tier":["gold"]}"#, |order| order.promotions_mut().tier = Some("gold".into())),
        (r#"{"region":["DE"]}"#, |order| order.promotions_mut().region = Some("DE".into())),
        (r#"{"channel":["app"]}"#, |order| order.promotions_mut().channel = Some("app".into())),
        (r#"{"new_customer":true}"#, |order| order.promotions_mut().new_customer = true),
        (r#"{"order_number":{"from":3,"to":3}}"#, |order| order.promotions_mut().orders_before = Some(2)),
        (r#"{"payment":["card"]}"#, |order| {
            order.payments.extend([Tender { credential: Some("tok".into()), ..Tender::by(Method::Card) }]);
        }),
        // 1,700,000,000 s are a Tuesday, 22:13 in Greenwich; three hours further east it is Wednesday.
        (r#"{"weekly":{"days":["wed"],"from":"00:00","until":"24:00"}}"#, |order| {
            order.promotions_mut().utc_offset_minutes = 180;
        }),
    ];
    for (condition, say) in says {
        let parts = format!(r#""when":[{condition}],"then":{{"order":{{"amount":1}}}}"#);
        let rules = rules(&[("p", &parts)]);
        let mut order = wanted(&[("a", 1)]);
        let fills = [fill("10.00", 1, 0)];
        assert_eq!(priced(&order, &fills, &rules).unwrap().total, eur("10.00"), "{condition} is not said");
        say(&mut order);
        assert_eq!(priced(&order, &fills, &rules).unwrap().total, eur("9.00"), "{condition}");
    }
}

#[test]
fn a_promotion_that_its_owner_refused_is_left_out() {
    let rules = rules(&[("p", r#""then":{"order":{"amount":1}}"#), ("q", r#""then":{"order":{"percent":1}}"#)]);
    let mut order = wanted(&[("a", 1)]);
    order.promotions_mut().unavailable.push((promotion("p"), Unavailable::Budget));
    let placement = priced(&order, &[fill("10.00", 1, 0)], &rules).unwrap();
    assert_eq!(placement.promoted().unwrap().discounts[0].promotion, promotion("q"));
}

#[test]
fn a_coupon_is_used_by_a_promotion_that_takes_it_or_refused_by_name() {
    let taken = rules(&[("p", r#""coupon":["spring"],"then":{"order":{"amount":1}}"#)]);
    let mut order = wanted(&[("a", 1)]);
    order.promotions_mut().coupons.push(coupon("SPRING-1"));
    order.promotions_mut().round = 3;
    let fills = [fill("10.00", 1, 0)];
    let known = [PresentedCoupon { code: coupon("SPRING-1"), batch: Label::new("spring").unwrap() }];
    let placement = placed(&order, &fills, Pricer { rules: Some(&taken), coupons: &known }).unwrap();
    assert_eq!(placement.total, eur("9.00"));
    let promoted = placement.promoted().unwrap();
    let used = AppliedUse { subject: Subject::Coupon(coupon("SPRING-1")), amount: Amount::ZERO };
    assert_eq!((&promoted.uses[..], promoted.round), (&[used][..], 3));

    let why = |refused: Result<Placement, Refusal>| match refused.unwrap_err() {
        Refusal::CouponInvalid { code, why } => (code, why),
        refusal => panic!("{refusal}"),
    };
    let nobody = why(placed(&order, &fills, Pricer { rules: Some(&taken), coupons: &[] }));
    assert_eq!(nobody, ("SPRING-1".to_owned(), "no promotion that takes it applies to this order".into()));
    let none = why(placed(&order, &fills, Pricer::default()));
    assert_eq!(none, ("SPRING-1".to_owned(), "no promotion takes coupons".into()));
    assert!(placed(&wanted(&[("a", 1)]), &fills, Pricer::default()).unwrap().promoted().is_none());
}

#[test]
fn gifts_are_the_last_lines_and_are_not_priced() {
    let rules = rules(&[
        ("gift", r#""then":{"gift":{"sku":"mug","quantity":2}}"#),
        ("line", r#""then":{"line":{"amount":1}}"#),
    ]);
    let mut order = wanted(&[("a", 1)]);
    let first = priced(&order, &[fill("10.00", 1, 0)], &rules).unwrap();
    let gift = GrantedGift { promotion: promotion("gift"), sku: sku("mug"), quantity: 2 };
    assert_eq!(first.gifts, std::slice::from_ref(&gift));
    order.set_gifts(first.gifts, "EUR".parse().unwrap());
    let (count, last) = (order.lines.len(), order.lines.last().unwrap());
    assert_eq!((count, last.quantity, last.unit_price), (2, 2, Some(eur("0.00"))));
    let second = priced(&order, &[fill("10.00", 1, 0), fill("7.00", 2, 0)], &rules).unwrap();
    assert_eq!((second.total, second.promoted().unwrap().gifts), (eur("9.00"), 1));
    assert_eq!(second.gifts, [gift]);
    order.set_gifts(Vec::new(), "EUR".parse().unwrap());
    assert_eq!(order.lines.len(), 1, "the gift is gone");
    order.drop_gifts();
    assert_eq!(order.lines.len(), 1);
}

#[test]
fn an_order_that_no_promotion_touched_does_not_remember_them() {
    let rules = rules(&[("p", r#""when":[{"new_customer":true}],"then":{"order":{"amount":1}}"#)]);
    assert!(priced(&wanted(&[("a", 1)]), &[fill("10.00", 1, 0)], &rules).unwrap().promoted().is_none());
    let says = |promoted: Promoted| {
        let empty = Promoted { version: 9, round: 9, ..Promoted::default() };
        let filled = Promoted { version: 9, round: 9, ..promoted };
        (empty.says_anything(), filled.says_anything())
    };
    let used = AppliedUse { subject: Subject::Promotion(promotion("p")), amount: Amount::ZERO };
    let discount = AppliedDiscount { promotion: promotion("p"), target: Target::Line(0), amount: amount("1.00") };
    assert_eq!(says(Promoted { uses: smallvec![used], ..Promoted::default() }), (false, true));
    assert_eq!(says(Promoted { discounts: smallvec![discount], ..Promoted::default() }), (false, true));
    assert_eq!(says(Promoted { gifts: 1, ..Promoted::default() }), (false, true));
}

#[test]
fn uses_are_held_for_the_buyer_in_the_round_of_the_try_and_end_with_the_order() {
    let uses = vec![AppliedUse { subject: Subject::Promotion(promotion("p")), amount: amount("2.00") }];
    let promoted = Promoted { uses: uses.into(), round: 6, ..Promoted::default() };
    let (mut order, eur) = (wanted(&[("a", 1)]), "EUR".parse().unwrap());
    let held = |order: &NewOrder| promoted.holds(order, eur).map(|(_, command)| command).collect::<SmallVec<[_; 1]>>();
    let hold = |customer: Option<&str>| UsesCommand::Hold {
        order: OrderId::new(START, 1),
        amount: amount("2.00"),
        currency: eur,
        customer: customer.map(|name| CustomerId::new(name).unwrap()),
        round: 6,
    };
    assert_eq!(held(&order)[..], [hold(None)]);
    order.purchaser_key = Some(CustomerId::new("guest").unwrap());
    assert_eq!(held(&order)[..], [hold(Some("guest"))]);
    order.customer = Some(CustomerId::new("ann").unwrap());
    assert_eq!(held(&order)[..], [hold(Some("ann"))], "the customer comes before a guest's key");
    assert!(promoted.uses(&Subject::Promotion(promotion("p"))) && !promoted.uses(&Subject::Promotion(promotion("q"))));

    // What it had of each its order says: the owner only counts what is used.
    let taken = || Some(Use { amount: amount("2.00"), customer: Some(CustomerId::new("ann").unwrap()), round: 6 });
    for (secured, wanted) in [
        (false, UsesCommand::Release { order: OrderId::new(START, 1), round: 6 }),
        (true, UsesCommand::GiveBack { order: OrderId::new(START, 1), taken: taken(), step: None }),
    ] {
        let mut desk = super::Desk::with(&[line("a", "5.00", 1, 0)], &[(Method::External, "5.00")]);
        desk.order.promoted = Some(Box::new(promoted.clone()));
        if secured {
            desk.secure(0);
            let settle = UsesCommand::Settle { order: desk.order.id };
            assert!(desk.asks.contains(&super::OrderAsk::Uses(Subject::Promotion(promotion("p")), settle)));
        }
        desk.run(super::CANCEL).unwrap();
        assert!(desk.asks.contains(&super::OrderAsk::Uses(Subject::Promotion(promotion("p")), wanted)), "{secured}");
    }
}
