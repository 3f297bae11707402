//! Examples of events of payments, wallets and the books.

use super::examples::{TIME, ann, bid_id, eur, order_id, payment_id, sku};
use stockade_domain::Amount;
use stockade_domain::account::{AccountEvent, Backing};
use stockade_domain::ledger::{LedgerAccount, LedgerEvent};
use stockade_domain::payment::gateway::ActionKind;
use stockade_domain::payment::{Method, PaymentEvent};

pub fn payment() -> Vec<(&'static str, PaymentEvent)> {
    use PaymentEvent as E;
    let credential = Some("tok_1".into());
    let money = eur("19.99");
    let opened = |paid_at| {
        let (order, credential) = (order_id(), Some("till 4".into()));
        E::Opened { order, method: Method::External, money, payer: None, credential, paid_at }
    };
    vec![
        (
            "created",
            E::Created {
                order: order_id(),
                method: Method::Card,
                money,
                payer: Some(ann()),
                credential,
                capture_later: false,
                overcapture: Amount::ZERO,
                retry_of: None,
            },
        ),
        (
            "created_plain",
            E::Created {
                order: order_id(),
                method: Method::External,
                money,
                payer: None,
                credential: None,
                capture_later: false,
                overcapture: Amount::ZERO,
                retry_of: None,
            },
        ),
        ("paid", E::Paid { reference: Some("ch_1".into()) }),
        ("paid_plain", E::Paid { reference: None }),
        ("failed", E::Failed { reason: "no funds".into(), timeout: false }),
        ("void_started", E::VoidStarted),
        ("refund_requested", E::RefundRequested { number: 1, amount: Amount(10_000) }),
        ("refunded", E::Refunded { number: 1 }),
        ("refund_failed", E::RefundFailed { number: 1, reason: "closed".into() }),
        ("retry_scheduled", E::RetryScheduled { attempt: 3, at: TIME }),
        ("opened", opened(None)),
        ("opened_since", opened(Some(TIME))),
        (
            "created_for_later",
            E::Created {
                order: order_id(),
                method: Method::Card,
                money,
                payer: None,
                credential: Some("tok_1".into()),
                capture_later: true,
                overcapture: Amount::ZERO,
                retry_of: None,
            },
        ),
        ("authorized", E::Authorized { amount: Amount(199_900), reference: "au_1".into(), expires_at: Some(TIME) }),
        ("authorized_plain", E::Authorized { amount: Amount(199_900), reference: "au_1".into(), expires_at: None }),
        ("capture_started", E::CaptureStarted { number: 1, amount: Amount(100_000) }),
        ("captured", E::Captured { number: 1, moved: Amount(100_000), reference: "cp_1".into() }),
        ("capture_failed", E::CaptureFailed { number: 2, reason: "gone".into() }),
        ("cancelled", E::Cancelled { reason: "let go".into(), after_capture: false }),
        ("action_required", E::ActionRequired { kind: ActionKind::Authentication, next: "https://bank".into() }),
        ("action_done", E::ActionDone),
        ("queued", E::Queued { attempt: 2, at: TIME }),
        ("given_up", E::GivenUp { attempt: 16, reason: "timeout".into() }),
        ("resumed", E::Resumed),
        ("renewal_started", E::RenewalStarted { number: 1 }),
        ("renewed", E::Renewed { number: 1, expires_at: Some(TIME) }),
        ("lapsed", E::Lapsed { reason: "too late".into() }),
        ("authentication_failed", E::AuthenticationFailed { reason: "wrong code".into() }),
        ("integrity_broken", E::IntegrityBroken { asked: Amount(100_000), moved: Amount(100_001), currency: None }),
        ("late_success", E::LateSuccess { reference: "ch_2".into() }),
        ("abandon_noted", E::AbandonNoted),
        ("settlement_sent", E::SettlementSent),
        ("settled", E::Settled),
        ("refund_reversed", E::RefundReversed { number: 1 }),
        ("dispute_opened", E::DisputeOpened { amount: Amount(100_000), reference: "dp_1".into() }),
        ("dispute_won", E::DisputeWon),
        ("dispute_lost", E::DisputeLost),
        ("charged_back", E::ChargedBack { amount: Amount(100_000) }),
        (
            "integrity_broken_currency",
            E::IntegrityBroken {
                asked: Amount(100_000),
                moved: Amount(100_000),
                currency: Some("JPY".parse().unwrap()),
            },
        ),
        ("surplus_requested", E::SurplusRequested { number: 1, amount: Amount(100) }),
        ("refund_deferred", E::RefundDeferred { amount: Amount(10_000) }),
        (
            "created_overcapture",
            E::Created {
                order: order_id(),
                method: Method::Card,
                money,
                payer: None,
                credential: Some("tok_1".into()),
                capture_later: true,
                overcapture: Amount(29_900),
                retry_of: None,
            },
        ),
        (
            "created_again",
            E::Created {
                order: order_id(),
                method: Method::Card,
                money,
                payer: None,
                credential: Some("tok_1".into()),
                capture_later: false,
                overcapture: Amount::ZERO,
                retry_of: Some(payment_id()),
            },
        ),
    ]
}

pub fn account() -> Vec<(&'static str, AccountEvent)> {
    use AccountEvent as E;
    let payment = payment_id();
    vec![
        ("credited", E::Credited { money: eur("50.00"), reference: Some("gift".into()) }),
        ("held", E::Held { payment, amount: Amount(30_000) }),
        ("settled", E::Settled { payment }),
        ("released", E::Released { payment }),
        ("spent", E::Spent { payment, amount: Amount(30_000) }),
        ("refunded", E::Refunded { payment, refund: 2, money: eur("3.00") }),
        ("set_aside", E::SetAside { payment, amount: Amount(7_500), backing: Backing { sku: sku(), bid: bid_id() } }),
    ]
}

pub fn ledger() -> Vec<(&'static str, LedgerEvent)> {
    let (debit, credit) = (LedgerAccount::BadDebt, LedgerAccount::Receivable);
    let (money, seller) = (eur("-11.06"), None);
    let entered = LedgerEvent::Entered { debit, credit, money, memo: "A563187".into(), seller };
    let (debit, credit, money, seller) = (LedgerAccount::Payable, LedgerAccount::Cash, eur("90.00"), Some(ann()));
    let paid_out = LedgerEvent::Entered { debit, credit, money, memo: "week 47".into(), seller };
    vec![("entered", entered), ("paid_out", paid_out)]
}
