//! Uses of promotions and coupons: a clean journal, and one for each way to break their rules.

use smallvec::smallvec;
use stockade_domain::order::{AppliedDiscount, AppliedUse, Promoted};
use stockade_domain::promotion::pricing::Target;
use stockade_domain::promotion::rule::Limits;
use stockade_domain::promotion::uses::{Subject, Terms, Use, UsesEvent};
use stockade_domain::promotion::{CouponCode, Label, PromotionId};

use super::super::Rule;
use super::*;

fn terms(limits: Limits) -> Terms {
    Terms { limits, ..Terms::of_coupon(Label::new("spring").unwrap(), None) }
}

fn twice() -> UsesEvent {
    UsesEvent::Defined { terms: terms(Limits { uses: Some(2), ..Limits::default() }) }
}

fn takes(n: u128, cents: i64) -> UsesEvent {
    UsesEvent::Held { order: id(n), taken: Use { amount: eur(cents).amount, customer: Some(ann()), round: 0 } }
}

/// One mug at 10.00 less 1.00, by a coupon, paid outside.
fn order_with_coupon(change: impl Fn(&mut Promoted)) -> Vec<OrderEvent> {
    let mut event = placed(1, 1, 0, &[(Method::External, 900)]);
    let OrderEvent::Placed { lines, promoted, .. } = &mut event else { unreachable!() };
    lines[0].discount = eur(100).amount;
    let subject = Subject::Coupon(CouponCode::new("HELLO").unwrap());
    let mut applied = Promoted {
        version: 1,
        discounts: smallvec![AppliedDiscount {
            promotion: PromotionId::new("spring").unwrap(),
            target: Target::Line(0),
            amount: eur(100).amount,
        }],
        uses: smallvec![AppliedUse { subject, amount: Amount::ZERO }],
        gifts: 0,
        round: 0,
    };
    change(&mut applied);
    *promoted = Some(Box::new(applied));
    vec![event, OrderEvent::PaidAtOnce { number: 0 }]
}

/// What takes 1.00 off an order.
fn promoted() -> UsesEvent {
    let text = r#"{"id":"spring","name":"Spring","lane":"coupon","currency":"EUR","then":{"order":{"amount":1}}}"#;
    UsesEvent::Promoted { promotion: Box::new(serde_json::from_str(text).unwrap()) }
}

impl Journal {
    fn promotion(&mut self, events: &[UsesEvent]) -> &mut Self {
        self.record(EntityKind::Promotion, b"spring", events)
    }

    fn coupon(&mut self, events: &[UsesEvent]) -> &mut Self {
        self.record(EntityKind::Coupon, b"HELLO", events)
    }

    /// An order that has a use of the coupon, which is settled.
    fn sold_with_coupon(&mut self, n: u128) -> &mut Self {
        self.sku(&[allocated(n, 1)]).coupon(&[takes(n, 0).used_at_once()]).order(n, &order_with_coupon(|_| {}))
    }
}

fn shop() -> Journal {
    let mut journal = Journal::default();
    journal.promotion(&[promoted()]).sku(&[defined(|_| {}), received(10)]).coupon(&[twice()]);
    journal
}

#[test]
fn orders_with_coupons_break_no_rule() {
    let mut journal = shop();
    journal.sold_with_coupon(1).sold_with_coupon(2);
    let cancelled = OrderEvent::Cancelled { lines: Default::default(), whole: true };
    let taken = Use { amount: eur(0).amount, customer: Some(ann()), round: 0 };
    let back = UsesEvent::Returned { order: id(2), taken, step: Some(4) };
    journal.order(2, &[cancelled]).coupon(&[back, UsesEvent::Heard { order: id(2), step: 4 }]).coupon(&[takes(3, 0)]);
    journal.coupon(&[UsesEvent::Released { order: id(3) }]);
    // Uses of a promotion that retires are ended as ever, and an order priced just before comes just after.
    journal.promotion(&[takes(4, 0), takes(5, 0), takes(6, 0), UsesEvent::Retired]);
    journal.promotion(&[UsesEvent::Released { order: id(4) }, UsesEvent::Settled { order: id(5) }]);
    journal.promotion(&[UsesEvent::GivenBack { order: id(5) }, UsesEvent::Released { order: id(6) }]);
    journal.coupon(&[takes(7, 0), UsesEvent::Settled { order: id(7) }]).order(7, &order_with_coupon(|_| {}));
    journal.promotion(&[promoted(), takes(8, 0), UsesEvent::Released { order: id(8) }]);
    let faults = journal.audit().faults;
    let of_uses =
        [Rule::UseOnce, Rule::UsesExceeded, Rule::UseWithoutOrder, Rule::OrderDiscounts, Rule::DiscountRetired];
    assert!(!faults.iter().any(|fault| of_uses.contains(&fault.rule)), "{faults:#?}");
}

/// Journals that break a rule about uses and discounts.
pub(super) fn broken_uses() -> Vec<(Rule, &'static str, Journal)> {
    let with = |change: &dyn Fn(&mut Journal)| {
        let mut journal = shop();
        change(&mut journal);
        journal
    };
    let old = |journal: &mut Journal| {
        // What is young may be on its way.
        journal.later(3600);
        for _ in 0..5_000 {
            journal.sku(&[received(1)]);
        }
    };
    let discount = |change: &'static dyn Fn(&mut Promoted)| {
        with(&move |j| {
            j.sku(&[allocated(1, 1)])
                .coupon(&[takes(1, 0), UsesEvent::Settled { order: id(1) }])
                .order(1, &order_with_coupon(change));
        })
    };
    vec![
        (
            Rule::UseOnce,
            "two uses of one order",
            with(&|j| {
                j.coupon(&[takes(1, 0), takes(1, 0)]);
            }),
        ),
        (
            Rule::UseOnce,
            "a use taken at once beside one that is held",
            with(&|j| {
                j.coupon(&[takes(1, 0), takes(1, 0).used_at_once()]);
            }),
        ),
        (
            Rule::UsesExceeded,
            "three uses of two, taken at once",
            with(&|j| {
                j.coupon(&[takes(1, 0), takes(2, 0), takes(3, 0)].map(UsesEvent::used_at_once));
            }),
        ),
        (
            Rule::UseOnce,
            "a use settled that was not held",
            with(&|j| {
                j.coupon(&[UsesEvent::Settled { order: id(1) }]);
            }),
        ),
        (
            Rule::UseOnce,
            "a use that goes back twice",
            with(&|j| {
                j.coupon(&[takes(1, 0), UsesEvent::Released { order: id(1) }, UsesEvent::Released { order: id(1) }]);
            }),
        ),
        (
            Rule::UseOnce,
            "a use given back before it was used",
            with(&|j| {
                j.coupon(&[takes(1, 0), UsesEvent::GivenBack { order: id(1) }]);
            }),
        ),
        (
            Rule::UseOnce,
            "more given back than was used",
            with(&|j| {
                let taken = Use { amount: eur(50).amount, customer: Some(ann()), round: 0 };
                j.coupon(&[takes(1, 40), UsesEvent::Used { order: id(1) }]);
                j.coupon(&[UsesEvent::Returned { order: id(1), taken, step: None }]);
            }),
        ),
        (
            Rule::UseOnce,
            "a use given back by two steps",
            with(&|j| {
                let back = |step| {
                    let taken = Use { amount: eur(0).amount, customer: Some(ann()), round: 0 };
                    UsesEvent::Returned { order: id(1), taken, step: Some(step) }
                };
                j.coupon(&[takes(1, 0), UsesEvent::Used { order: id(1) }, back(1), back(2)]);
            }),
        ),
        (
            Rule::UseOnce,
            "an order that has heard of a step that was not done",
            with(&|j| {
                j.coupon(&[takes(1, 0), UsesEvent::Used { order: id(1) }, UsesEvent::Heard { order: id(1), step: 1 }]);
            }),
        ),
        (
            Rule::UsesExceeded,
            "three uses of two",
            with(&|j| {
                j.coupon(&[takes(1, 0), takes(2, 0), takes(3, 0)]);
            }),
        ),
        (
            Rule::UsesExceeded,
            "a budget that is exceeded",
            with(&|j| {
                let limits = Limits { budget: Some(eur(100).amount), ..Limits::default() };
                j.coupon(&[UsesEvent::Defined { terms: terms(limits) }, takes(1, 60), takes(2, 60)]);
            }),
        ),
        (
            Rule::UsesExceeded,
            "a customer's second use of one",
            with(&|j| {
                let limits = Limits { per_customer: Some(1), ..Limits::default() };
                j.coupon(&[UsesEvent::Defined { terms: terms(limits) }, takes(1, 0), takes(2, 0)]);
            }),
        ),
        (
            Rule::UsesExceeded,
            "a use of what was called back",
            with(&|j| {
                let revoked = Terms { revoked: true, ..terms(Limits::default()) };
                j.coupon(&[UsesEvent::Defined { terms: revoked }, takes(1, 0)]);
            }),
        ),
        (
            Rule::UsesExceeded,
            "a use of a promotion that was retired",
            with(&|j| {
                j.promotion(&[UsesEvent::Retired]).promotion(&[takes(1, 0)]);
            }),
        ),
        (
            Rule::DiscountRetired,
            "a discount of a promotion that was retired before the rules that priced it",
            with(&|j| {
                j.promotion(&[UsesEvent::Retired]).promotion(&[promoted()]);
                let retired = j.records.len() as u64 - 1;
                j.sku(&[allocated(1, 1)])
                    .coupon(&[takes(1, 0), UsesEvent::Settled { order: id(1) }])
                    .order(1, &order_with_coupon(|p| p.version = retired));
            }),
        ),
        (
            Rule::DiscountRetired,
            "a promotion that retires twice",
            with(&|j| {
                j.promotion(&[UsesEvent::Retired, UsesEvent::Retired]);
            }),
        ),
        (
            Rule::UseWithoutOrder,
            "a use that no order knows",
            with(&|j| {
                j.coupon(&[takes(1, 0)]);
                old(j);
            }),
        ),
        (
            Rule::UseWithoutOrder,
            "a paid order whose use is only held",
            with(&|j| {
                j.sku(&[allocated(1, 1)]).coupon(&[takes(1, 0)]).order(1, &order_with_coupon(|_| {}));
            }),
        ),
        (
            Rule::UseWithoutOrder,
            "a cancelled order that keeps its use",
            with(&|j| {
                j.sold_with_coupon(1);
                j.order(1, &[OrderEvent::Cancelled { lines: Default::default(), whole: true }]);
            }),
        ),
        (
            Rule::OrderDiscounts,
            "a discount that its line does not have",
            discount(&|p| {
                p.discounts[0].amount = eur(50).amount;
            }),
        ),
        (
            Rule::OrderDiscounts,
            "a discount off a line that is not there",
            discount(&|p| {
                p.discounts[0].target = Target::Line(7);
            }),
        ),
        (
            Rule::OrderDiscounts,
            "a discount off a charge that is not there",
            discount(&|p| {
                p.discounts[0].target = Target::Charge(0);
            }),
        ),
    ]
}
