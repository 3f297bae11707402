//! Random days in a small shop: orders, stock, payments, wallets and the books together, checked after every act.
//!
//! ```text
//!   acts ─▶ shop (decide, record, act; messages in any interleaving, some twice) ─▶ journal
//!             │      gateway: at most once under a key, may be silent, slow or late
//!             └─▶ audit: the same sums by plain arithmetic, and everything rebuilt from the journal
//! ```

mod acts;
mod audit;
mod checkout;
mod gateway;
mod promotions;
mod shop;
mod stall;
mod worth;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use self::acts::{Act, acts};
use self::shop::{Post, Shop};
use super::LatePayment;

/// Runs a day; says which events occurred and with which codes acts were refused.
fn run(currency: &str, post: Post, day: &[Act]) -> BTreeSet<String> {
    let mut shop = Shop::new(currency.parse().unwrap(), post);
    shop.late_payment = LatePayment::ALL[day.len() % 3].0;
    shop.open();
    if !day.len().is_multiple_of(4) {
        shop.declare_promotions();
    }
    shop.check();
    for act in day {
        if let Err(refusal) = shop.act(act) {
            shop.seen.insert(format!("refused {}", refusal.code()));
        }
        shop.check();
    }
    // What is set aside is set aside anew before it lapses.
    shop.wait(400);
    shop.drain();
    shop.check();
    shop.check_at_rest();
    shop.check_all_discounts();
    shop.check_rebuilt();
    shop.seen
}

fn post() -> impl Strategy<Value = Post> {
    any::<(bool, bool)>().prop_map(|(depth_first, twice)| Post { depth_first, twice })
}

fn currency() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("EUR"), 1 => Just("JPY"), 1 => Just("KWD")]
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(300) })]

    #[test]
    fn stock_money_and_orders_agree_whatever_happens_in_the_shop(
        currency in currency(), post in post(), day in acts(110)
    ) {
        run(currency, post, &day);
    }
}

/// What must occur in them.
const WANTED: &[&str] = &[
    "order placed",
    "order payments_started",
    "order payment_secured",
    "order payment_failed",
    "order extended",
    "order cancel_requested",
    "order cancelled",
    "order expired",
    "order refused",
    "order backorder_filled",
    "order oversold",
    "order shipped",
    "order delivered",
    "order returned",
    "order refund_granted",
    "order refund_started",
    "order refunded",
    "order offered",
    "order part_missing",
    "order edited",
    "order completed",
    "order payout_due",
    "order charge_due",
    "order ship_requested",
    "order shipment_dropped",
    "order payment_stands",
    "promotion held",
    "promotion settled",
    "promotion released",
    "promotion given_back",
    "coupon held",
    "coupon settled",
    "payment authorized",
    "payment capture_started",
    "payment captured",
    "payment capture_failed",
    "payment renewed",
    "payment action_required",
    "payment action_done",
    "payment cancelled",
    "payment late_success",
    "payment given_up",
    "charged at fill",
    "charged in vain",
    "discounted units returned",
    "discounted units cancelled",
    "discounted units refunded",
    "a discounted order cancelled",
    "units returned",
    "a seller's units returned",
    "a gift was short",
    "a promotion was used up",
    "refused coupon_invalid",
    "refused coupon_exhausted",
    "payment created",
    "payment paid",
    "payment failed",
    "payment void_started",
    "payment refund_requested",
    "payment refunded",
    "payment refund_failed",
    "payment retry_scheduled",
    "account credited",
    "account held",
    "account settled",
    "account released",
    "account spent",
    "account refunded",
    "sku allocated",
    "sku held",
    "sku settled",
    "sku released",
    "sku backorder_filled",
    "sku backorder_cancelled",
    "sku oversold",
    "sku shipped",
    "sku returned",
    "sku lot_expired",
    "refused already_paid",
    "refused hold_expired",
    "refused insufficient_balance",
    "refused order_state_invalid",
    "refused price_changed",
    "refused stock_exhausted",
    "refused money_invalid",
    "refused below_commitments",
    "refused customer_required",
    "refused body_invalid",
    "refused quantity_invalid",
];

/// The property above proves nothing about what never occurs.
#[test]
fn random_days_contain_every_event_and_the_refusals_that_matter() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..600 {
        let (post, day) = (post(), acts(110)).new_tree(&mut runner).unwrap().current();
        seen.extend(run("EUR", post, &day));
    }
    let missing: Vec<_> = WANTED.iter().filter(|name| !seen.contains(**name)).collect();
    assert!(missing.is_empty(), "these never occurred: {missing:?}");
}
