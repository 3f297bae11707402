//! A gateway that is left alone for a while: the sale waits, and is not lost.

use super::*;

fn unavailable() -> GatewayOutcome {
    GatewayOutcome::Unavailable { reason: "it fails too often".into() }
}

/// How long it waits now, in seconds.
fn pause(till: &Till) -> i64 {
    (till.payment.ask_again_at.0 - till.now.0) / 1_000_000
}

/// Its gateway is tried when the pause is over.
fn try_again(till: &mut Till) {
    till.now = till.payment.ask_again_at;
    assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["retry_scheduled"]);
    assert_eq!(till.called().len(), 1);
}

#[test]
fn a_queued_payment_is_tried_within_half_a_minute_then_after_longer_and_longer_and_waiting_is_no_attempt() {
    let mut till = Till::with(Method::Card);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        assert_eq!(till.answer(charge(), unavailable()), ["queued"]);
        assert_eq!((till.payment.stage(), till.payment.attempts), (Stage::Queued, 0));
        pauses.push(pause(&till));
        try_again(&mut till);
    }
    // Payments that were queued together come back up to ten seconds apart.
    let apart = pauses[0] - 4;
    assert!((0..10).contains(&apart));
    assert_eq!(pauses, [4, 8, 16, 32, 40, 40].map(|pause| pause + apart));
    assert_eq!(till.answer(charge(), approved()), ["paid"]);
}

#[test]
fn a_refund_waits_like_a_charge_and_each_call_begins_with_the_first_pause() {
    let mut till = Till::paid(Method::Card);
    till.refund(40_000).unwrap();
    let refund = || Operation::Refund { number: 1 };
    till.answer(refund(), unavailable());
    try_again(&mut till);
    till.answer(refund(), unavailable());
    assert!(pause(&till) >= 8);
    try_again(&mut till);
    till.answer(refund(), unknown());
    try_again(&mut till);
    till.answer(refund(), unavailable());
    assert!(pause(&till) < 14, "it was asked meanwhile");
}

/// Found by a reviewer: what was only queued was undone after ten minutes, and the sale was lost.
#[test]
fn a_charge_that_was_never_sent_waits_for_hours_and_ends_without_a_void() {
    let mut till = Till::with(Method::Card);
    while till.now < START.plus_seconds(Payment::QUEUED_SECONDS_MAX) {
        assert_eq!(till.answer(charge(), unavailable()), ["queued"]);
        assert!(till.payment.was_never_asked());
        till.now = till.payment.ask_again_at;
        if till.now < START.plus_seconds(Payment::QUEUED_SECONDS_MAX) {
            assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["retry_scheduled"]);
        }
    }
    assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["failed"]);
    assert_eq!((till.payment.stage(), till.called().len()), (Stage::GatewayUnavailable, 0), "nothing to undo");
    assert!(till.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderFailed { .. })));
}

#[test]
fn what_was_queued_and_may_have_been_sent_since_is_undone_ten_minutes_after_that() {
    let hour = START.plus_seconds(3_600);
    let queued = || {
        let mut till = Till::with(Method::Card);
        till.answer(charge(), unavailable());
        till.now = hour;
        assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["retry_scheduled"]);
        till
    };
    // An answer of unknown outcome, and none at all.
    let mut unsure = queued();
    unsure.answer(charge(), unknown());
    let mut silent = queued();
    silent.now = silent.payment.ask_again_at;
    silent.run(PaymentCommand::AskAgain).unwrap();
    for mut till in [unsure, silent] {
        assert!(!till.payment.was_never_asked());
        till.now = hour.plus_seconds(Payment::INTENT_SECONDS_MAX - 1);
        assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["retry_scheduled"]);
        till.now = hour.plus_seconds(Payment::INTENT_SECONDS_MAX);
        assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["void_started"]);
    }
    // Whoever must act has the whole time for it.
    let mut waiting = queued();
    let wanted = GatewayOutcome::ActionRequired {
        kind: crate::payment::gateway::ActionKind::Authentication,
        next: "https://bank".into(),
    };
    assert_eq!(waiting.answer(charge(), wanted), ["action_required"]);
    assert_eq!(waiting.payment.ask_again_at, hour.plus_seconds(Payment::INTENT_SECONDS_MAX));
}

#[test]
fn what_is_queued_after_a_call_of_unknown_outcome_is_not_taken_for_never_sent() {
    let mut till = Till::with(Method::Card);
    till.answer(charge(), unknown());
    try_again(&mut till);
    assert_eq!(till.answer(charge(), unavailable()), ["queued"]);
    assert!(!till.payment.was_never_asked());
    assert_eq!(till.run(PaymentCommand::Abandon).unwrap(), ["void_started"]);
}

#[test]
fn an_order_that_gives_up_a_charge_that_was_never_sent_needs_no_void() {
    for command in [PaymentCommand::Abandon, PaymentCommand::Void] {
        let mut till = Till::with(Method::Card);
        till.answer(charge(), unavailable());
        assert_eq!(till.run(command).unwrap(), ["cancelled"]);
        assert_eq!((till.called().len(), till.payment.stage()), (0, Stage::Cancelled));
    }
}
