//! What only an operator can end: he sees it, has it tried again, or says how it ended.

use super::*;

fn resolve(till: &mut Till, outcome: GatewayOutcome) -> Result<Vec<&'static str>, Refusal> {
    till.run(PaymentCommand::Resolve { outcome })
}

/// Found by a reviewer: such a void was asked for every hour without end, and its order held its units for ever.
#[test]
fn a_void_that_is_refused_again_and_again_is_given_up_to_an_operator() {
    for refusal in [declined(), unknown()] {
        let mut till = Till::with(Method::Card);
        till.run(PaymentCommand::Abandon).unwrap();
        let mut asked = 0;
        while till.answer(Operation::Void, refusal.clone()) != ["given_up"] {
            till.now = till.payment.ask_again_at;
            assert_eq!(till.run(PaymentCommand::AskAgain).unwrap(), ["retry_scheduled"]);
            asked += 1;
            assert!(asked <= crate::payment::ATTEMPTS_MAX, "it is asked without end");
        }
        assert_eq!((till.payment.is_given_up(), till.payment.next_due()), (true, None));
        assert_eq!(till.payment.state, PaymentState::Pending, "the money may have moved");
        // Retried, it is refused again; then somebody has seen to it.
        let mut retried = Till { payment: till.payment.clone(), now: till.now, asks: Vec::new() };
        assert_eq!(retried.run(PaymentCommand::Resume).unwrap(), ["resumed"]);
        assert_eq!(retried.called(), [retried.key("void")]);
        assert_eq!(resolve(&mut till, approved()).unwrap(), ["failed"]);
        assert!(till.asks.iter().any(|ask| matches!(ask, PaymentAsk::OrderFailed { .. })));
        assert!(!till.payment.is_given_up());
    }
}

/// Money that came late and that its gateway refused to give back: nothing is open.
fn stuck() -> Till {
    let mut till = Till::with(Method::Card);
    till.answer(charge(), declined());
    till.answer(charge(), approved());
    assert_eq!(till.answer(Operation::Refund { number: 1 }, declined()), ["given_up", "refund_failed"]);
    assert_eq!((till.payment.open, till.payment.is_given_up()), (None, true));
    till
}

#[test]
fn what_did_not_go_back_by_itself_is_resolved_although_nothing_is_open() {
    let moved = |text: &str| GatewayOutcome::Moved { reference: "by hand".into(), money: Money::parse(text).unwrap() };
    for outcome in [approved(), moved("10.00 EUR")] {
        let mut till = stuck();
        assert_eq!(resolve(&mut till, outcome).unwrap(), ["refund_requested", "refunded"]);
        assert!(till.called().is_empty(), "the gateway is not asked for what is done");
        assert_eq!((till.payment.stage(), till.payment.is_given_up()), (Stage::RefundedAutomatically, false));
    }
    for outcome in [declined(), moved("9.00 EUR"), moved("10.00 USD")] {
        assert_eq!(resolve(&mut stuck(), outcome).unwrap_err().code(), "money_invalid", "nobody may keep it");
    }
}

#[test]
fn only_what_is_open_or_was_given_up_can_be_resolved() {
    for mut till in [Till::paid(Method::Card), Till::paid(Method::Wallet), Till::with(Method::Wallet)] {
        assert_eq!(resolve(&mut till, approved()).unwrap_err().code(), "not_found");
    }
    assert_eq!(resolve(&mut Till::with(Method::Card), approved()).unwrap(), ["paid"]);
}
