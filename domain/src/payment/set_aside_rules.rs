//! Money that is set aside and taken later, in parts or not at all; what a gateway does that it was not asked; what a bank
//! questions.

use super::*;
use crate::payment::gateway::{ActionKind, Notice};
use crate::payment::progress::Capture;

const CENT: i64 = 100;

fn authorize() -> Operation {
    Operation::Authorize { token: "tok".into() }
}

fn capture(number: u32) -> Operation {
    Operation::Capture { number }
}

fn refund(number: u32) -> Operation {
    Operation::Refund { number }
}

fn money(cents: i64) -> Money {
    Money::new(Amount(cents * CENT), "EUR".parse().unwrap())
}

fn aside(cents: Option<i64>) -> GatewayOutcome {
    GatewayOutcome::Authorized { reference: "au".into(), money: cents.map(money), expires_at: None }
}

fn moved(cents: i64) -> GatewayOutcome {
    GatewayOutcome::Moved { reference: "mv".into(), money: money(cents) }
}

fn already() -> GatewayOutcome {
    GatewayOutcome::AlreadyMoved { reference: "am".into() }
}

fn take(cents: i64) -> PaymentCommand {
    PaymentCommand::Capture { amount: Some(Amount(cents * CENT)) }
}

const TAKE_ALL: PaymentCommand = PaymentCommand::Capture { amount: None };

/// A card payment of 10.00 whose money is taken when somebody asks for it.
fn later() -> Till {
    let order = OrderId::new(START, 1);
    let created = PaymentEvent::Created {
        order,
        method: Method::Card,
        money: Money::parse("10.00 EUR").unwrap(),
        payer: None,
        credential: Some("tok".into()),
        capture_later: true,
        overcapture: Amount::ZERO,
        retry_of: None,
    };
    let payment = Payment::create(PaymentId::of_order(order, 0, START), &created, START);
    Till { payment, now: START, asks: Vec::new() }
}

/// Its 10.00 are set aside.
fn set_aside() -> Till {
    let mut till = later();
    assert_eq!(till.answer(authorize(), aside(None)), ["authorized"]);
    assert_eq!(till.asks[0], PaymentAsk::OrderWaits);
    till
}

/// 4.00 of them are taken.
fn taken_in_part() -> Till {
    let mut till = set_aside();
    assert_eq!(till.run(take(400)).unwrap(), ["capture_started"]);
    assert_eq!(till.called(), [till.key("capture:1")]);
    assert_eq!(till.answer(capture(1), approved()), ["captured"]);
    assert_eq!((till.payment.stage(), till.payment.captured()), (Stage::PartiallyCaptured, Amount(400 * CENT)));
    till
}

fn failed(till: &Till) -> bool {
    till.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderFailed { .. }))
}

fn capture_failed(till: &Till) -> bool {
    till.asks.iter().any(|ask| matches!(ask, PaymentAsk::CaptureFailed { .. }))
}

#[test]
fn what_is_set_aside_is_taken_in_parts_and_the_order_is_paid_by_the_last() {
    let mut till = later();
    assert_eq!(first_call(&till.payment).map(|call| call.idempotency_key()), Some(till.key("authorize")));
    assert_eq!(till.payment.open_call(), first_call(&till.payment));
    assert!(!till.payment.has_money_set_aside(), "nothing is known yet");
    till = set_aside();
    assert!(till.payment.has_money_set_aside() && till.payment.captured() == Amount::ZERO);
    assert_eq!(till.payment.capturable(), Amount(1_000 * CENT));

    let mut till = taken_in_part();
    assert!(capture_failed(&till), "the order hears that only a part is taken");
    assert_eq!((till.payment.capturable(), till.payment.has_money_set_aside()), (Amount(600 * CENT), true));
    assert_eq!(till.run(TAKE_ALL).unwrap(), ["capture_started"]);
    assert_eq!(till.called(), [till.key("capture:2")]);
    assert!(!till.payment.has_money_set_aside(), "it is being taken");
    assert_eq!(till.run(TAKE_ALL).unwrap_err().code(), "order_state_invalid", "one after the other");
    assert_eq!(till.answer(capture(1), approved()), [""; 0], "an old answer");
    assert_eq!(till.answer(capture(2), approved()), ["captured"]);
    assert!(till.asks.contains(&PaymentAsk::OrderPaid));
    assert_eq!((till.payment.stage(), till.payment.captured()), (Stage::Captured, Amount(1_000 * CENT)));
    let all = [400, 600].map(|cents| Capture { amount: Amount(cents * CENT), moved: Some(Amount(cents * CENT)) });
    assert_eq!(till.payment.progress.as_ref().unwrap().captures, all);
}

#[test]
fn no_more_is_taken_than_is_set_aside_and_only_whole_cents() {
    for (amount, is_fine) in
        [(0, false), (-CENT, false), (1, false), (CENT, true), (1_000 * CENT, true), (1_001 * CENT, false)]
    {
        let taken = set_aside().run(PaymentCommand::Capture { amount: Some(Amount(amount)) });
        assert_eq!(
            taken.map_err(|refusal| refusal.code()),
            if is_fine { Ok(vec!["capture_started"]) } else { Err("money_invalid") },
            "{amount}"
        );
    }
    assert_eq!(taken_in_part().run(take(601)).unwrap_err().code(), "money_invalid");
    assert_eq!(later().run(TAKE_ALL).unwrap_err().code(), "order_state_invalid", "nothing is set aside yet");
    assert_eq!(
        Till::with(Method::Wallet).run(TAKE_ALL).unwrap_err().code(),
        "order_state_invalid",
        "a wallet is settled"
    );
}

#[test]
fn an_order_that_takes_all_is_told_what_comes_of_it_and_never_refused() {
    let mut till = set_aside();
    assert_eq!(till.run(PaymentCommand::CaptureSetAside).unwrap(), ["capture_started"]);
    assert_eq!(till.run(PaymentCommand::CaptureSetAside).unwrap(), [""; 0]);
    assert!(capture_failed(&till), "it is under way");
    assert_eq!(till.answer(capture(1), declined()), ["capture_failed"]);
    assert!(capture_failed(&till));
    assert_eq!(
        (till.payment.capturable(), till.payment.captured()),
        (Amount(1_000 * CENT), Amount::ZERO),
        "it is set aside still"
    );
    assert_eq!(till.run(PaymentCommand::CaptureSetAside).unwrap(), ["capture_started"]);
    assert_eq!(till.called(), [till.key("capture:2")]);
    assert_eq!(till.answer(capture(2), moved(1_000)), ["captured"]);
    assert_eq!(till.run(PaymentCommand::CaptureSetAside).unwrap(), [""; 0]);
    assert!(till.asks.is_empty(), "it is paid");
    let mut part = taken_in_part();
    assert_eq!(part.run(PaymentCommand::CaptureSetAside).unwrap(), ["capture_started"], "the rest");
}

#[test]
fn money_that_is_set_aside_is_let_go_once() {
    let mut till = set_aside();
    assert_eq!(till.run(PaymentCommand::Void).unwrap(), ["void_started"]);
    assert_eq!(till.run(PaymentCommand::Void).unwrap(), [""; 0]);
    assert_eq!(till.answer(Operation::Void, approved()), ["cancelled"]);
    assert!(failed(&till) && till.payment.state == PaymentState::Failed);
    assert_eq!(Till::with(Method::Wallet).run(PaymentCommand::Void).unwrap_err().code(), "order_state_invalid");
    let mut moved_before = set_aside();
    moved_before.run(PaymentCommand::Void).unwrap();
    assert_eq!(moved_before.answer(Operation::Void, moved(1_000)), ["cancelled"], "undone after it was taken");
    assert_eq!(moved_before.payment.stage(), Stage::CancelledAfterCapture);
}

#[test]
fn a_gateway_that_sets_aside_what_it_should_charge_is_asked_to_take_it_at_once() {
    let mut till = Till::with(Method::Card);
    assert_eq!(till.answer(charge(), aside(None)), ["authorized", "capture_started"]);
    assert_eq!(till.called(), [till.key("capture:1")]);
    assert_eq!(till.answer(capture(1), approved()), ["captured"]);
    assert_eq!(till.payment.state, PaymentState::Paid);

    let mut refused = Till::with(Method::Card);
    refused.answer(charge(), aside(None));
    assert_eq!(refused.answer(capture(1), declined()), ["capture_failed", "void_started"], "whoever charges wants all");
    let mut less = Till::with(Method::Card);
    less.answer(charge(), aside(None));
    assert_eq!(less.answer(capture(1), moved(900)), ["captured", "late_success", "refund_requested"]);
    assert!(failed(&less));
    let mut nothing = Till::with(Method::Card);
    nothing.answer(charge(), aside(None));
    assert_eq!(nothing.answer(capture(1), moved(0)), ["capture_failed", "void_started"]);
}

#[test]
fn less_than_all_of_it_set_aside_cannot_pay_and_more_is_in_doubt() {
    for (cents, events, stage) in [
        (Some(1_000), &["authorized"][..], Stage::Authorized),
        (Some(999), &["authorized", "void_started"], Stage::VoidStarted),
        (Some(1_001), &["integrity_broken", "void_started"], Stage::Unresolved),
        (Some(0), &["integrity_broken", "void_started"], Stage::Unresolved),
    ] {
        let mut till = later();
        assert_eq!(till.answer(authorize(), aside(cents)), events, "{cents:?}");
        assert_eq!(till.payment.stage(), stage, "{cents:?}");
    }
    let mut till = later();
    assert_eq!(
        till.answer(authorize(), moved(1_000)),
        ["integrity_broken", "void_started"],
        "it was only to be set aside"
    );
}

#[test]
fn a_charge_that_moves_another_amount_is_undone_and_somebody_looks_at_what_cannot_be() {
    let mut till = Till::with(Method::Card);
    assert_eq!(till.answer(charge(), moved(1_000)), ["paid"]);
    let mut till = Till::with(Method::Card);
    assert_eq!(till.answer(charge(), moved(999)), ["integrity_broken", "void_started"]);
    let mut undone = Till { payment: till.payment.clone(), now: START, asks: Vec::new() };
    assert_eq!(undone.answer(Operation::Void, approved()), ["failed"]);
    assert_eq!(undone.payment.stage(), Stage::Integrity);
    assert_eq!(till.answer(Operation::Void, already()), ["given_up"]);
    assert!(till.payment.is_given_up() && !failed(&till), "nothing is booked");
    assert_eq!(till.run(PaymentCommand::Resume).unwrap(), ["resumed"]);
    assert_eq!(till.called(), [till.key("void")]);
}

#[test]
fn an_order_that_gives_up_gets_back_what_was_taken_as_soon_as_that_is_known() {
    let mut till = taken_in_part();
    assert_eq!(till.run(PaymentCommand::Abandon).unwrap(), ["late_success", "refund_requested"]);
    assert!(failed(&till));
    assert_eq!(till.run(PaymentCommand::Abandon).unwrap(), [""; 0]);
    assert_eq!(till.answer(refund(1), moved(400)), ["refunded"]);
    assert!(
        !till.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderRefunded { .. })),
        "the order counts it as failed"
    );

    for (outcome, events) in
        [(approved(), &["captured", "refund_requested"][..]), (declined(), &["capture_failed", "refund_requested"])]
    {
        let mut till = taken_in_part();
        till.run(TAKE_ALL).unwrap();
        assert_eq!(till.run(PaymentCommand::Abandon).unwrap(), ["abandon_noted"]);
        assert_eq!(till.run(PaymentCommand::Abandon).unwrap(), [""; 0], "noted once");
        let found = till.answer(capture(2), outcome);
        assert_eq!(found.into_iter().filter(|name| *name != "late_success").collect::<Vec<_>>(), events);
        assert!(failed(&till));
    }
}

#[test]
fn a_late_capture_of_a_part_goes_back_and_of_all_is_the_orders_to_decide() {
    for (cents, asked) in [(1_000, "paid"), (400, "back")] {
        let mut till = set_aside();
        till.run(take(cents)).unwrap();
        till.run(PaymentCommand::Abandon).unwrap();
        assert_eq!(till.payment.open, Some(OpenOperation::Void));
        till.answer(Operation::Void, already());
        assert_eq!(till.payment.captured(), Amount(cents * CENT));
        assert_eq!(till.asks.contains(&PaymentAsk::OrderPaidLate), asked == "paid", "{cents}");
        assert_eq!(failed(&till), asked == "back", "{cents}");
    }
}

#[test]
fn a_refund_of_another_amount_waits_for_somebody_and_a_declined_one_is_told() {
    for (outcome, events, told) in [
        (moved(400), &["refunded"][..], Some(true)),
        (already(), &["refunded"], Some(true)),
        (approved(), &["refunded"], Some(true)),
        (moved(399), &["given_up"], None),
        (declined(), &["refund_failed"], Some(false)),
        (aside(None), &["refund_failed"], Some(false)),
    ] {
        let mut till = Till::paid(Method::Card);
        till.refund(400 * CENT).unwrap();
        assert_eq!(till.answer(refund(1), outcome.clone()), events, "{outcome:?}");
        let amount = Amount(400 * CENT);
        let found = till.asks.iter().find_map(|ask| match ask {
            PaymentAsk::OrderRefunded { amount: of, done } if *of == amount => Some(*done),
            _ => None,
        });
        assert_eq!(found, told, "{outcome:?}");
    }
    let mut automatic = Till::with(Method::Card);
    automatic.answer(charge(), declined());
    automatic.answer(charge(), approved());
    assert_eq!(automatic.answer(refund(1), declined()), ["given_up", "refund_failed"], "money that nobody may keep");
    assert_eq!(automatic.run(PaymentCommand::Resume).unwrap(), ["resumed", "refund_requested"]);
    assert_eq!(automatic.called(), [automatic.key("refund:2")], "asked anew under a new key");
    assert_eq!(automatic.answer(refund(2), approved()), ["refunded"]);
    assert_eq!(automatic.run(PaymentCommand::Resume).unwrap_err().code(), "order_state_invalid");
}

#[test]
fn a_buyer_who_must_act_is_waited_for_once_and_asked_for_again_after_it() {
    let wanted = |next: &str| GatewayOutcome::ActionRequired { kind: ActionKind::Authentication, next: next.into() };
    let mut till = Till::with(Method::Card);
    assert_eq!(till.run(PaymentCommand::Notice(Notice::ActionDone)).unwrap(), [""; 0], "nothing was wanted");
    assert_eq!(till.answer(charge(), wanted("there")), ["action_required"]);
    assert_eq!(till.asks[0], PaymentAsk::OrderWaits);
    assert_eq!(
        till.payment.next_due(),
        Some(START.plus_seconds(Payment::INTENT_SECONDS_MAX)),
        "as long as the intent lives"
    );
    assert_eq!(till.answer(charge(), wanted("elsewhere")), [""; 0]);
    assert_eq!(till.run(PaymentCommand::Notice(Notice::ActionDone)).unwrap(), ["action_done"]);
    assert_eq!(till.called(), [till.key("charge")]);
    let failed_proof = GatewayOutcome::AuthenticationFailed { reason: "no".into() };
    assert_eq!(till.answer(charge(), failed_proof), ["authentication_failed"]);
    assert!(failed(&till));
    assert_eq!(till.answer(charge(), moved(1_000)), ["late_success", "paid", "refund_requested"], "paid all the same");
}

#[test]
fn notices_of_what_is_known_change_nothing_and_of_what_cannot_be_are_refused() {
    let notice =
        |till: &mut Till, notice: Notice| till.run(PaymentCommand::Notice(notice)).map_err(|refusal| refusal.code());
    let mut till = Till::with(Method::Card);
    for early in [Notice::SettlementSent, Notice::Settled, Notice::DisputeWon, Notice::DisputeLost] {
        assert_eq!(notice(&mut till, early), Err("order_state_invalid"));
    }
    assert_eq!(notice(&mut till, Notice::RefundReversed { number: 1 }), Err("not_found"));
    assert_eq!(notice(&mut till, Notice::RefundReversed { number: 0 }), Err("not_found"));
    let mut till = Till::paid(Method::Card);
    assert_eq!(notice(&mut till, Notice::SettlementSent), Ok(vec!["settlement_sent"]));
    assert_eq!(notice(&mut till, Notice::SettlementSent), Ok(vec![]));
    assert_eq!(notice(&mut till, Notice::Settled), Ok(vec!["settled"]));
    assert_eq!(notice(&mut till, Notice::Settled), Ok(vec![]));
    assert_eq!(notice(&mut till, Notice::SettlementSent), Ok(vec![]), "it came before");

    let mut back = Till::paid(Method::Card);
    back.refund(400 * CENT).unwrap();
    back.answer(refund(1), approved());
    assert_eq!(back.payment.refundable(), Amount(600 * CENT));
    assert_eq!(notice(&mut back, Notice::RefundReversed { number: 1 }), Ok(vec!["refund_reversed"]));
    assert_eq!(notice(&mut back, Notice::RefundReversed { number: 1 }), Ok(vec![]));
    assert_eq!((back.payment.refunded(), back.payment.refundable()), (Amount::ZERO, Amount(1_000 * CENT)));
}

#[test]
fn a_bank_questions_at_most_what_was_paid_and_did_not_go_back() {
    let dispute = |cents: i64, name: &str| {
        PaymentCommand::Notice(Notice::DisputeOpened { money: money(cents), reference: name.into() })
    };
    for (cents, code) in
        [(0, Some("money_invalid")), (-1, Some("money_invalid")), (601, Some("money_invalid")), (600, None)]
    {
        let mut till = Till::paid(Method::Card);
        till.refund(400 * CENT).unwrap();
        assert_eq!(till.run(dispute(100, "d0")).unwrap_err().code(), "order_state_invalid", "a refund is under way");
        till.answer(refund(1), approved());
        assert_eq!(till.run(dispute(cents, "d1")).err().map(|refusal| refusal.code()), code, "{cents}");
    }
    let mut till = Till::paid(Method::Card);
    assert_eq!(till.run(dispute(300, "d1")).unwrap(), ["dispute_opened"]);
    assert_eq!(till.run(dispute(300, "d1")).unwrap(), [""; 0], "told again");
    assert_eq!(till.refund(400 * CENT).unwrap(), [""; 0], "the bank may take it");
    assert_eq!(
        till.asks,
        [PaymentAsk::OrderRefunded { amount: Amount(400 * CENT), done: false }, PaymentAsk::OrderSees]
    );
    assert_eq!(till.run(PaymentCommand::Notice(Notice::DisputeLost)).unwrap(), ["dispute_lost", "charged_back"]);
    assert_eq!((till.payment.charged_back(), till.payment.refundable()), (Amount(300 * CENT), Amount(700 * CENT)));
    assert_eq!(till.run(PaymentCommand::Notice(Notice::DisputeLost)).unwrap(), [""; 0]);
    assert_eq!(till.refund(701 * CENT).unwrap(), [""; 0], "the bank has the rest");
    assert!(
        matches!(till.asks[0], PaymentAsk::OrderRefunded { amount: Amount(70_100), done: false }),
        "{:?}",
        till.asks
    );

    let mut won = Till::paid(Method::Card);
    won.run(dispute(300, "d1")).unwrap();
    assert_eq!(won.run(PaymentCommand::Notice(Notice::DisputeWon)).unwrap(), ["dispute_won"]);
    assert_eq!(won.run(PaymentCommand::Notice(Notice::DisputeWon)).unwrap(), [""; 0]);
    assert_eq!(won.payment.refundable(), Amount(1_000 * CENT));
    assert_eq!(won.payment.progress.as_ref().unwrap().disputed, Amount::ZERO);
}

#[test]
fn what_lapses_is_renewed_a_day_early_or_half_way_and_never_at_once() {
    const HOUR: u32 = 3_600;
    for (lasts, renewed_after) in
        [(72 * HOUR, 48 * HOUR), (48 * HOUR, 24 * HOUR), (20 * HOUR, 10 * HOUR), (60, 60), (0, 60)]
    {
        let mut till = later();
        let expires_at = Some(START.plus_seconds(lasts));
        till.answer(authorize(), GatewayOutcome::Authorized { reference: "au".into(), money: None, expires_at });
        assert_eq!(till.payment.next_due(), Some(START.plus_seconds(renewed_after)), "{lasts}");
    }
    assert_eq!(set_aside().payment.next_due(), None, "the gateway does not say when it lapses");
}

#[test]
fn an_operation_is_told_by_its_name_and_its_number() {
    for operation in [
        Operation::Charge { token: String::new() },
        Operation::Authorize { token: String::new() },
        Operation::Void,
        capture(2),
        Operation::Renew { number: 3 },
        refund(4),
    ] {
        assert_eq!(Operation::from_parts(operation.name(), operation.number()), Some(operation));
    }
    for (name, number) in [("charge", Some(1)), ("void", Some(1)), ("capture", None), ("refund", None), ("pay", None)] {
        assert_eq!(Operation::from_parts(name, number), None, "{name} {number:?}");
    }
    for (kind, name) in ActionKind::ALL {
        assert_eq!((kind.name(), ActionKind::from_name(name)), (name, Some(kind)));
    }
    assert_eq!(ActionKind::from_name("dance"), None);
}

#[test]
fn only_an_answer_that_may_change_is_asked_for_again() {
    let wanted = GatewayOutcome::ActionRequired { kind: ActionKind::Review, next: String::new() };
    let unavailable = GatewayOutcome::Unavailable { reason: String::new() };
    for (outcome, is_final) in [
        (approved(), true),
        (declined(), true),
        (moved(1), true),
        (already(), true),
        (aside(None), true),
        (unknown(), false),
        (wanted, false),
        (unavailable, false),
    ] {
        assert_eq!(outcome.is_final(), is_final, "{outcome:?}");
    }
}
