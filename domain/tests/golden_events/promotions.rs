//! Examples of events of promotions and coupons.

use super::examples::{TIME, ann, order_id};
use stockade_domain::Amount;
use stockade_domain::promotion::action::Off;
use stockade_domain::promotion::condition::Window;
use stockade_domain::promotion::rule::{Basis, Limits};
use stockade_domain::promotion::uses::{Terms as UsesTerms, Use, UsesEvent};
use stockade_domain::promotion::{Action, Condition, Label, Promotion, PromotionId};

pub fn uses() -> Vec<(&'static str, UsesEvent)> {
    use UsesEvent as E;
    let order = order_id();
    let taken = Use { amount: Amount(12_300), customer: Some(ann()), round: 1 };
    let terms = UsesTerms {
        limits: Limits { uses: Some(100), per_customer: Some(1), budget: Some(Amount(1_000_000)) },
        currency: Some("EUR".parse().unwrap()),
        window: Window { from: Some(TIME), until: Some(TIME) },
        batch: Some(Label::new("spring").unwrap()),
        revoked: false,
    };
    let promotion = Box::new(Promotion {
        id: PromotionId::new("welcome").unwrap(),
        version: 3,
        name: Label::new("300 less 50").unwrap(),
        priority: -1,
        lane: Label::new("order").unwrap(),
        exclusive: vec![Label::new("welcome").unwrap()],
        window: Window { from: Some(TIME), until: None },
        coupon: vec![Label::new("spring").unwrap()],
        currency: Some("EUR".parse().unwrap()),
        when: vec![Condition::NewCustomer(true)],
        then: Action::Order(Off { amount: Some(Amount(500_000)), ..Off::default() }),
        basis: Basis::Net,
        cap: Some(Amount(400_000)),
        limits: terms.limits.clone(),
        stop: true,
        refusal: Some(Label::new("not for you").unwrap()),
    });
    vec![
        ("defined", E::Defined { terms }),
        ("held", E::Held { order, taken: taken.clone() }),
        ("settled", E::Settled { order }),
        ("released", E::Released { order }),
        ("given_back", E::GivenBack { order }),
        ("promoted", E::Promoted { promotion }),
        ("retired", E::Retired),
        ("used", E::Used { order }),
        ("returned", E::Returned { order, taken: taken.clone(), step: None }),
        ("returned_by_step", E::Returned { order, taken: taken.clone(), step: Some(3) }),
        ("heard", E::Heard { order, step: 3 }),
        ("taken", E::Taken { order, taken }),
    ]
}
