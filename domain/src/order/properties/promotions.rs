//! What promotions the shop has, and who owns their uses.

use serde_json::{Value, json};

use super::shop::Shop;
use crate::promotion::uses::{Subject, Terms, UsesCommand};
use crate::promotion::{CouponCode, Label, Promotion, RuleSet};

/// Codes that buyers present; the last is nobody's.
pub(super) const COUPONS: [&str; 3] = ["SPRING-1", "SPRING-2", "FORGED"];

/// Promotions, in every currency: a part of each line, a coupon's part of the order, half of the shipping, a third apple
/// for nothing, a book on top, and so much off what is dear, as long as the budget lasts.
fn promotions(currency: &str) -> Vec<Promotion> {
    let declared = json!([
        {"id": "tenth", "name": "A tenth", "lane": "goods", "then": {"line": {"percent": 7.5}}, "limits": {"uses": 9}},
        {"id": "third", "name": "The third", "lane": "goods", "then": {"nth": {"n": 3, "percent": 100, "of": {"sku": ["apple"]}}}},
        {"id": "spring", "name": "Spring", "lane": "coupon", "coupon": ["spring"], "then": {"order": {"percent": 12.34}}},
        {"id": "post", "name": "Post", "lane": "shipping", "then": {"charge": {"kind": "shipping", "percent": 50}}},
        {"id": "book", "name": "A book", "lane": "gift", "when": [{"quantity": {"at_least": 5}}],
         "then": {"gift": {"sku": "book", "quantity": 1}}, "limits": {"per_customer": 2}},
        {"id": "dear", "name": "Dear", "lane": "order", "currency": currency,
         "when": [{"subtotal": {"at_least": 100}}],
         "then": {"order": {"amount": 11}}, "limits": {"budget": 50}},
    ]);
    let Value::Array(declared) = declared else { unreachable!("it is a list") };
    declared.into_iter().map(|one| serde_json::from_value(one).expect("a promotion")).collect()
}

impl Shop {
    pub(super) fn declare_promotions(&mut self) {
        let promotions = promotions(&self.currency.to_string());
        for promotion in &promotions {
            let subject = Subject::Promotion(promotion.id.clone());
            self.tell_uses(&subject, &UsesCommand::Promote { promotion: Box::new(promotion.clone()) }).unwrap();
        }
        for (code, uses) in COUPONS[..2].iter().zip([Some(1), Some(4)]) {
            let terms = Terms::of_coupon(Label::new("spring").unwrap(), uses);
            let subject = Subject::Coupon(CouponCode::new(code).unwrap());
            self.tell_uses(&subject, &UsesCommand::Define { terms }).unwrap();
        }
        self.rules = Some(RuleSet::compile(promotions, 1).unwrap());
    }

    /// What is held and used is what orders have.
    pub(super) fn check_uses(&self) {
        for (subject, state) in &self.uses {
            assert!(state.adds_up(), "{state:?}");
            for (id, taken) in &state.held {
                let order = &self.orders[id];
                assert_eq!((order.outcome, order.secured), (crate::order::Outcome::Open, false), "{subject:?}");
                assert_eq!(order.use_of(subject).as_ref(), Some(taken), "{subject:?}");
            }
            // What is used is only counted: it is what orders that are paid remember.
            let open = self.orders.values().filter(|order| order.outcome == crate::order::Outcome::Open);
            let of_orders: Vec<_> = open.filter_map(|order| Some((order.use_of(subject)?, order.secured))).collect();
            assert_eq!(of_orders.iter().filter(|(_, secured)| *secured).count() as u64, state.used(), "{subject:?}");
            let amount: i64 = of_orders.iter().map(|(taken, _)| taken.amount.0).sum();
            assert_eq!(amount, state.taken.amount.0, "{subject:?}");
            if let Some(terms) = &state.terms {
                assert!(terms.limits.uses.is_none_or(|limit| state.taken.uses <= limit));
                assert!(terms.limits.budget.is_none_or(|budget| state.taken.amount <= budget));
            }
        }
        let of_orders = self.orders.values().filter(|order| order.outcome == crate::order::Outcome::Open);
        let wanted: usize = of_orders.flat_map(|order| &order.promoted).map(|promoted| promoted.uses.len()).sum();
        let found: usize = self.uses.values().map(|state| state.held.len() + state.used() as usize).sum();
        assert_eq!(found, wanted, "every order that stands has its uses");
    }
}
