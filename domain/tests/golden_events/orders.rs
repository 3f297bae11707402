//! Examples of events of orders.

use super::examples::{TIME, ann, bid_id, eur, payment_id, sku};
use smallvec::smallvec;
use stockade_domain::Amount;
use stockade_domain::entity::RemoteStep;
use stockade_domain::order::{
    AppliedDiscount, AppliedUse, Charge, ChargeKind, Deferred, LineClaim, LineUnits, OrderEvent, PlacedLine,
    PlannedPayment, Promoted, ReturnedLine, Shipment, Tender,
};
use stockade_domain::payment::gateway::ActionKind;
use stockade_domain::payment::{Method, NextAction, Stage};
use stockade_domain::promotion::pricing::Target;
use stockade_domain::promotion::uses::Subject;
use stockade_domain::promotion::{CouponCode, PromotionId};
use stockade_domain::stock::{Disposition, KitPart, ReleaseReason};

pub fn order() -> Vec<(&'static str, OrderEvent)> {
    use OrderEvent as E;
    let line = PlacedLine {
        sku: sku(),
        quantity: 5,
        unit_price: Amount(99_901),
        filled: 3,
        backordered: 1,
        kit: None,
        claim: None,
        discount: Amount::ZERO,
    };
    let units = || smallvec![LineUnits { line: 0, quantity: 2 }, LineUnits { line: 1999, quantity: 1 }];
    let planned = |method| PlannedPayment { method, amount: Amount(100_000), reference: None };
    let placed = E::Placed {
        customer: Some(ann()),
        purchaser_key: None,
        currency: "EUR".parse().unwrap(),
        lines: smallvec![line.clone(), line],
        charges: smallvec![Charge { kind: ChargeKind::Fee, money: eur("2.50") }],
        payments: smallvec![planned(Method::Wallet), planned(Method::Card)],
        hold_expires_at: TIME,
        body_digest: u64::MAX,
        attempt: 2,
        waiting: false,
        bid: None,
        promoted: None,
        deferred: None,
    };
    let bare = E::Placed {
        customer: None,
        purchaser_key: Some(ann()),
        currency: "JPY".parse().unwrap(),
        lines: smallvec![],
        charges: smallvec![],
        payments: smallvec![],
        hold_expires_at: TIME,
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: None,
        promoted: None,
        deferred: None,
    };
    let returned = ReturnedLine { line: 0, quantity: 1, disposition: Disposition::WriteOff };
    let kit = Some(Box::new(vec![KitPart { sku: sku(), quantity: 2 }]));
    let kits = PlacedLine {
        sku: sku(),
        quantity: 1,
        unit_price: Amount(5),
        filled: 0,
        backordered: 1,
        kit,
        claim: None,
        discount: Amount::ZERO,
    };
    let waiting = E::Placed {
        customer: None,
        purchaser_key: Some(ann()),
        currency: "EUR".parse().unwrap(),
        lines: smallvec![kits],
        charges: smallvec![],
        payments: smallvec![],
        hold_expires_at: TIME,
        body_digest: 0,
        attempt: 0,
        waiting: true,
        bid: None,
        promoted: None,
        deferred: None,
    };
    let claim = Some(Box::new(LineClaim { number: 2, seller: ann(), commission_bps: 0 }));
    let of_seller = PlacedLine {
        sku: sku(),
        quantity: 4,
        unit_price: Amount(90_000),
        filled: 4,
        backordered: 0,
        kit: None,
        claim,
        discount: Amount::ZERO,
    };
    let bought = E::Placed {
        customer: Some(ann()),
        purchaser_key: None,
        currency: "EUR".parse().unwrap(),
        lines: smallvec![of_seller.clone()],
        charges: smallvec![],
        payments: smallvec![],
        hold_expires_at: TIME,
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: Some(Box::new(bid_id())),
        promoted: None,
        deferred: None,
    };
    let amount = Amount(-12_300);
    let mut all = vec![
        ("placed", placed),
        ("placed_bare", bare),
        ("payments_started", E::PaymentsStarted { payments: smallvec![planned(Method::External)] }),
        ("payment_secured", E::PaymentSecured { number: 1 }),
        ("paid_outside", E::PaidAtOnce { number: 0 }),
        ("payment_failed", E::PaymentFailed { number: 1, reason: "no funds".into() }),
        ("extended", E::Extended { hold_expires_at: TIME }),
        ("cancel_requested", E::CancelRequested),
        ("cancelled", E::Cancelled { lines: units(), whole: false }),
        ("expired", E::Expired),
        ("refused", E::Refused { reason: "no funds".into() }),
        ("backorder_filled", E::BackorderFilled { lines: units() }),
        ("displaced", E::Displaced { lines: units() }),
        ("shipped", E::Shipped { lines: units(), tracking: Some("T-1".into()) }),
        ("delivered", E::Delivered),
        ("returned", E::Returned { lines: smallvec![returned], refund: Amount(33_300) }),
        ("refund_granted", E::RefundGranted { amount, reason: "late".into() }),
        ("refunded", E::Refunded { number: 0, amount, done: true }),
        ("refund_started", E::RefundStarted { number: 0, amount }),
        ("step_done", E::StepDone { step: 8 }),
        ("placed_waiting", waiting),
        ("bought", bought),
        ("completed", E::Completed),
        ("offered", E::Offered { lines: units(), hold_expires_at: TIME }),
        ("shipped_short", E::ShippedShort { sku: sku(), quantity: 2 }),
        ("part_missing", E::PartMissing { line: 1, part: 2, missing: 3 }),
    ];
    let owed = |(step, (label, to))| (label, E::StepOwed { step, to: Box::new(to) });
    all.extend((0u32..).zip(steps()).map(owed));
    all.push(("placed_promoted", promoted()));
    all.extend((9u32..).zip(steps_of_uses()).map(owed));
    let E::Placed { lines, promoted, .. } = promoted() else { unreachable!("it is placed") };
    all.push(("edited", E::Edited { lines, promoted }));
    let (amount, commission, promoted) = (Amount(81_000), Amount(9_000), Amount(500));
    all.push(("payout_due", E::PayoutDue { line: 1, seller: ann(), amount, commission, promoted }));
    let owed_less = (Amount(-81_000), Amount(-9_000), Amount::ZERO);
    let (amount, commission, promoted) = owed_less;
    all.push(("payout_due_less", E::PayoutDue { line: 0, seller: ann(), amount, commission, promoted }));
    let claim = Some(Box::new(LineClaim { number: 1, seller: ann(), commission_bps: 1_250 }));
    let of_seller = PlacedLine { claim, ..of_seller };
    let shipment = Box::new(Shipment { lines: units(), tracking: Some("T-1".into()) });
    all.push(("charge_due", E::ChargeDue { hold_expires_at: TIME }));
    all.push(("ship_requested", E::ShipRequested { shipment }));
    all.push(("shipment_dropped", E::ShipmentDropped { reason: "gone".into() }));
    all.push(("accepted", E::Accepted));
    let next_action = Some(Box::new(NextAction { kind: ActionKind::Authentication, next: "https://b/3".into() }));
    all.push(("payment_waits", E::PaymentStands { number: 1, stage: Stage::AuthenticationPending, next_action }));
    all.push(("payment_stands", E::PaymentStands { number: 0, stage: Stage::Authorized, next_action: None }));
    let card = Tender { credential: Some("tok".into()), capture_later: true, ..Tender::by(Method::Card) };
    let wallet = Tender { amount: Some(eur("1.00")), ..Tender::by(Method::Wallet) };
    all.push(("placed_deferred", deferred(vec![wallet, card])));
    all.push(("edited_commission", E::Edited { lines: smallvec![of_seller], promoted: None }));
    all.push(("refund_reversed", E::RefundReversed { number: 0, amount: Amount(100_000) }));
    all
}

fn steps() -> Vec<(&'static str, RemoteStep)> {
    use RemoteStep as S;
    let (customer, payment) = (ann(), payment_id());
    let (reason, disposition) = (ReleaseReason::Aborted, Disposition::Restock);
    vec![
        ("step_confirm", S::Confirm { sku: sku() }),
        ("step_settle", S::Settle { sku: sku() }),
        ("step_release_all", S::ReleaseAll { sku: sku(), reason }),
        ("step_release", S::Release { sku: sku(), filled: 2, backordered: 1, reason }),
        ("step_ship", S::Ship { sku: sku(), quantity: 2 }),
        ("step_return", S::Return { sku: sku(), quantity: 2, disposition, buyer: Some(ann()) }),
        ("step_account_settle", S::AccountSettle { customer: customer.clone(), payment }),
        ("step_account_release", S::AccountRelease { customer: customer.clone(), payment }),
        ("step_account_refund", S::AccountRefund { customer, payment, refund: 1, money: eur("1.00") }),
    ]
}

fn steps_of_uses() -> Vec<(&'static str, RemoteStep)> {
    let subject = || Subject::Promotion(PromotionId::new("welcome").unwrap());
    vec![
        ("step_uses_settle", RemoteStep::UsesSettle { subject: subject() }),
        ("step_uses_release", RemoteStep::UsesRelease { subject: subject(), round: 1 }),
        ("step_uses_give_back", RemoteStep::UsesGiveBack { subject: subject() }),
    ]
}

/// An order with everything that promotions leave in it.
fn promoted() -> OrderEvent {
    let line = PlacedLine {
        sku: sku(),
        quantity: 2,
        unit_price: Amount(100_000),
        filled: 2,
        backordered: 0,
        kit: None,
        claim: None,
        discount: Amount(12_300),
    };
    let promotion = || PromotionId::new("welcome").unwrap();
    let off = |target| AppliedDiscount { promotion: promotion(), target, amount: Amount(12_300) };
    let promoted = Promoted {
        version: 7,
        discounts: smallvec![off(Target::Line(0)), off(Target::Charge(1))],
        uses: smallvec![
            AppliedUse { subject: Subject::Coupon(CouponCode::new("SPRING-1").unwrap()), amount: Amount::ZERO },
            AppliedUse { subject: Subject::Promotion(promotion()), amount: Amount(24_600) },
        ],
        gifts: 1,
        round: 2,
    };
    OrderEvent::Placed {
        customer: None,
        purchaser_key: None,
        currency: "EUR".parse().unwrap(),
        lines: smallvec![line],
        charges: smallvec![],
        payments: smallvec![],
        hold_expires_at: TIME,
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: None,
        promoted: Some(Box::new(promoted)),
        deferred: None,
    }
}

fn deferred(tenders: Vec<Tender>) -> OrderEvent {
    let mut placed = promoted();
    if let OrderEvent::Placed { promoted, deferred, .. } = &mut placed {
        *promoted = None;
        *deferred = Some(Box::new(Deferred { tenders, hold_seconds: 900, due: false }));
    }
    placed
}
