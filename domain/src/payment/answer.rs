//! What a payment does with the answers of its gateway. An answer to anything but the open operation is a repeated or
//! late one: what it says has been acted on, or is being undone.

use compact_str::CompactString;

use super::decide::{Desk, PaymentAsk};
use super::event::PaymentEvent;
use super::gateway::{ActionKind, GatewayOutcome, Operation};
use super::stage::Stage;
use super::state::OpenOperation;
use super::table::Step;
use crate::{Amount, Money, Refusal};

pub(super) fn answer(desk: &mut Desk<'_>, operation: &Operation, outcome: &GatewayOutcome) {
    if desk.payment.open.is_none_or(|open| !is_about(operation, open)) {
        return unasked(desk, operation, outcome);
    }
    match outcome {
        GatewayOutcome::Unknown { reason } => return desk.try_later(reason),
        GatewayOutcome::Unavailable { .. } => return desk.queue(),
        _ => {}
    }
    match operation {
        Operation::Charge { .. } => charged(desk, outcome),
        Operation::Authorize { .. } => authorised(desk, outcome),
        Operation::Capture { number } => captured(desk, *number, outcome),
        Operation::Renew { number } => renewed(desk, *number, outcome),
        Operation::Void => voided(desk, outcome),
        Operation::Refund { number } => refunded(desk, *number, outcome),
    }
}

/// What an operator has found out of what was given up: the outcome of what is open, or, where nothing is open any more, of
/// what should have gone back by itself and did not.
pub(super) fn resolve(desk: &mut Desk<'_>, outcome: &GatewayOutcome) -> Result<(), Refusal> {
    if let Some(call) = desk.payment.open_call() {
        answer(desk, &call.operation, outcome);
        return Ok(());
    }
    let owed = desk.payment.owed_by_itself();
    if owed.0 == 0 || !desk.payment.is_given_up() {
        return Err(Refusal::NotFound { what: "an open call".into() });
    }
    let wanted = Money::new(owed, desk.payment.money.currency);
    let is_back = match outcome {
        GatewayOutcome::Approved { .. } | GatewayOutcome::AlreadyMoved { .. } => true,
        GatewayOutcome::Moved { money, .. } => *money == wanted,
        _ => false,
    };
    if !is_back {
        return Err(Refusal::MoneyInvalid { why: format!("{wanted} must go back: say when it has, or retry") });
    }
    desk.may(Step::RequestRefund)?;
    // It went back in a way that the gateway knows nothing of.
    let number = desk.record_own_refund(owed);
    desk.record(PaymentEvent::Refunded { number });
    Ok(())
}

fn is_about(operation: &Operation, open: OpenOperation) -> bool {
    match (operation, open) {
        (Operation::Charge { .. }, OpenOperation::Charge)
        | (Operation::Authorize { .. }, OpenOperation::Authorize)
        | (Operation::Void, OpenOperation::Void) => true,
        (Operation::Capture { number }, OpenOperation::Capture(open))
        | (Operation::Renew { number }, OpenOperation::Renew(open))
        | (Operation::Refund { number }, OpenOperation::Refund(open)) => *number == open,
        _ => false,
    }
}

/// What was said to be declined and was done all the same: it is undone, or goes back. What was undone by a void is not
/// that: its answer has only been on its way for long.
fn unasked(desk: &mut Desk<'_>, operation: &Operation, outcome: &GatewayOutcome) {
    use GatewayOutcome as G;
    use Operation::{Authorize, Charge};
    let declined = matches!(desk.payment.stage(), Stage::Declined | Stage::AuthenticationFailed);
    if !declined || desk.payment.open.is_some() {
        return;
    }
    let wanted = desk.payment.money;
    let (reference, moved) = match (operation, outcome) {
        (Charge { .. }, G::Approved { reference }) => (reference, Some(wanted)),
        (Charge { .. } | Authorize { .. }, G::Moved { reference, money }) => (reference, Some(*money)),
        (Authorize { .. }, G::Approved { reference }) => (reference, None),
        (Charge { .. } | Authorize { .. }, G::Authorized { reference, .. }) => (reference, None),
        _ => return,
    };
    desk.record(PaymentEvent::LateSuccess { reference: reference.into() });
    match moved {
        Some(money) if money == wanted => {
            desk.record(PaymentEvent::Paid { reference: Some(reference.into()) });
            desk.give_back_all("paid after it had failed");
        }
        Some(money) => undo_broken(desk, wanted.amount, money),
        None => desk.start_void(),
    }
}

fn charged(desk: &mut Desk<'_>, outcome: &GatewayOutcome) {
    match outcome {
        GatewayOutcome::Approved { reference } => paid(desk, reference),
        GatewayOutcome::Moved { reference, money } if *money == desk.payment.money => paid(desk, reference),
        GatewayOutcome::Moved { money, .. } => undo_broken(desk, desk.payment.money.amount, *money),
        _ => authorised(desk, outcome),
    }
}

/// Another amount or currency than was asked for: it is undone whole.
fn undo_broken(desk: &mut Desk<'_>, asked: Amount, moved: Money) {
    note_broken(desk, asked, moved);
    desk.start_void();
}

fn note_broken(desk: &mut Desk<'_>, asked: Amount, moved: Money) {
    let currency = (moved.currency != desk.payment.money.currency).then_some(moved.currency);
    desk.record(PaymentEvent::IntegrityBroken { asked, moved: moved.amount, currency });
}

fn paid(desk: &mut Desk<'_>, reference: &str) {
    desk.record(PaymentEvent::Paid { reference: Some(reference.into()) });
    desk.ask(PaymentAsk::OrderPaid);
}

/// Money is set aside, or not. A gateway that only sets aside when it is asked to charge is asked to capture at once.
fn authorised(desk: &mut Desk<'_>, outcome: &GatewayOutcome) {
    let wanted = desk.payment.money;
    let (reference, money, expires_at) = match outcome {
        GatewayOutcome::Approved { reference } => (reference, wanted, None),
        GatewayOutcome::Authorized { reference, money, expires_at } => {
            (reference, money.unwrap_or(wanted), *expires_at)
        }
        GatewayOutcome::Declined { reason } => {
            let reason = CompactString::new(reason);
            desk.record(PaymentEvent::Failed { reason: reason.clone(), timeout: false });
            return desk.failed(reason);
        }
        GatewayOutcome::AuthenticationFailed { reason } => {
            let reason = CompactString::new(reason);
            desk.record(PaymentEvent::AuthenticationFailed { reason: reason.clone() });
            return desk.failed(reason);
        }
        GatewayOutcome::ActionRequired { kind, next } => return wait_for(desk, *kind, next),
        // Money has moved that was only to be set aside.
        GatewayOutcome::Moved { money, .. } => return undo_broken(desk, Amount::ZERO, *money),
        _ => return,
    };
    let (wanted, amount) = (wanted.amount, money.amount);
    if amount.0 <= 0 || amount > wanted || money.currency != desk.payment.money.currency {
        return undo_broken(desk, wanted, money);
    }
    let later = desk.payment.captures_later();
    desk.record(PaymentEvent::Authorized { amount, reference: reference.into(), expires_at });
    match () {
        // A part cannot pay the order.
        () if amount < wanted => desk.start_void(),
        () if later => desk.ask(PaymentAsk::OrderWaits),
        () => desk.start_capture(amount),
    }
}

fn wait_for(desk: &mut Desk<'_>, kind: ActionKind, next: &str) {
    let waits_already = desk.payment.progress.as_ref().is_some_and(|progress| progress.action.is_some());
    if !waits_already {
        desk.record(PaymentEvent::ActionRequired { kind, next: next.into() });
        desk.ask(PaymentAsk::OrderWaits);
    }
}

fn captured(desk: &mut Desk<'_>, number: u32, outcome: &GatewayOutcome) {
    let progress = desk.payment.progress.as_deref().expect("a capture is open");
    let asked = progress.captures[number as usize - 1].amount;
    let (moved, reference) = match outcome {
        GatewayOutcome::Approved { reference } | GatewayOutcome::AlreadyMoved { reference } => (asked, reference),
        GatewayOutcome::Moved { money, .. } if money.currency != desk.payment.money.currency => {
            return capture_in_another_currency(desk, asked, *money);
        }
        GatewayOutcome::Moved { reference, money } if money.amount.0 > 0 => (money.amount, reference),
        GatewayOutcome::Declined { reason } => return capture_failed(desk, number, reason),
        // Nothing moved, or something that is no answer to a capture.
        _ => return capture_failed(desk, number, "nothing moved"),
    };
    let abandoned = progress.abandoned;
    let may_move = asked.0 + desk.payment.overcapture.0 - progress.overcharged.0;
    let too_much = moved.0 > may_move;
    if too_much {
        let moved = Money::new(moved, desk.payment.money.currency);
        if desk.payment.stage() == Stage::CaptureStarted {
            return undo_broken(desk, asked, moved);
        }
        // A part is booked already, so all of it goes back as it came.
        note_broken(desk, asked, moved);
    }
    desk.record(PaymentEvent::Captured { number, moved, reference: reference.into() });
    match () {
        () if abandoned => desk.give_back_all("the order gave up"),
        () if too_much => desk.give_back_all("more was taken than may be"),
        () if desk.payment.captured() >= desk.payment.money.amount => {
            desk.ask(PaymentAsk::OrderPaid);
            desk.return_surplus();
        }
        // Whoever charges at once wants all of it: less than was asked for is not a payment.
        () if !desk.payment.captures_later() => desk.give_back_all("less moved than was asked for"),
        () => desk.ask(PaymentAsk::CaptureFailed { reason: "only a part is taken yet".into() }),
    }
}

/// What cannot be booked is undone; beside what was taken before, only somebody who looks at it can say what is to be done.
fn capture_in_another_currency(desk: &mut Desk<'_>, asked: Amount, moved: Money) {
    if desk.payment.stage() == Stage::CaptureStarted {
        return undo_broken(desk, asked, moved);
    }
    note_broken(desk, asked, moved);
    desk.give_up("another currency moved than was asked for");
}

fn capture_failed(desk: &mut Desk<'_>, number: u32, reason: &str) {
    let abandoned = desk.payment.progress.as_ref().is_some_and(|progress| progress.abandoned);
    desk.record(PaymentEvent::CaptureFailed { number, reason: reason.into() });
    match () {
        () if abandoned => desk.give_back_all("the order gave up"),
        () if !desk.payment.captures_later() => desk.start_void(),
        () => desk.ask(PaymentAsk::CaptureFailed { reason: reason.into() }),
    }
}

fn renewed(desk: &mut Desk<'_>, number: u32, outcome: &GatewayOutcome) {
    let expires_at = match outcome {
        GatewayOutcome::Authorized { money: Some(money), .. } if !covers(desk, *money) => {
            return renewed_as_another(desk, number, *money);
        }
        GatewayOutcome::Authorized { expires_at, .. } => *expires_at,
        GatewayOutcome::Approved { .. } => None,
        _ if desk.payment.stage() == Stage::PartiallyCaptured => {
            desk.record(PaymentEvent::Renewed { number, expires_at: None });
            return desk.give_back_all("what was set aside has lapsed");
        }
        _ => {
            let reason = CompactString::from("what was set aside has lapsed");
            desk.record(PaymentEvent::Lapsed { reason: reason.clone() });
            return desk.failed(reason);
        }
    };
    desk.record(PaymentEvent::Renewed { number, expires_at });
    if desk.payment.progress.as_ref().is_some_and(|progress| progress.abandoned) {
        desk.give_back_all("the order gave up");
    }
}

/// Whether what is set aside anew can be taken in place of what was set aside before.
fn covers(desk: &Desk<'_>, money: Money) -> bool {
    money.currency == desk.payment.money.currency && money.amount >= desk.payment.capturable()
}

fn renewed_as_another(desk: &mut Desk<'_>, number: u32, money: Money) {
    let asked = desk.payment.capturable();
    if desk.payment.stage() != Stage::PartiallyCaptured {
        return undo_broken(desk, asked, money);
    }
    note_broken(desk, asked, money);
    desk.record(PaymentEvent::Renewed { number, expires_at: None });
    desk.give_back_all("something else was set aside than was asked for");
}

fn voided(desk: &mut Desk<'_>, outcome: &GatewayOutcome) {
    match outcome {
        GatewayOutcome::Approved { .. } | GatewayOutcome::Authorized { .. } => {
            let came_late = desk.payment.goes_back_by_itself();
            let was_set_aside = desk.payment.stage() == Stage::VoidStarted || came_late;
            let broken = desk.payment.progress.as_ref().is_some_and(|progress| progress.integrity_broken);
            match () {
                () if broken => undone(desk, "another amount moved than was asked for", false),
                () if was_set_aside => desk.cancel("let go"),
                () => undone(desk, "no answer in time", true),
            }
        }
        GatewayOutcome::Moved { money, .. } if *money != desk.payment.money => {
            note_broken(desk, desk.payment.money.amount, *money);
            undone(desk, "another amount moved than was asked for", false);
        }
        GatewayOutcome::Moved { .. } => {
            let reason = CompactString::from("undone after it was taken");
            desk.record(PaymentEvent::Cancelled { reason: reason.clone(), after_capture: true });
            desk.failed(reason);
        }
        GatewayOutcome::AlreadyMoved { .. } if desk.payment.progress.as_ref().is_some_and(|it| it.integrity_broken) => {
            // How much moved is in doubt, so nothing is booked and nothing given back without somebody who looks at it.
            desk.give_up("another amount moved than was asked for, and it cannot be undone");
        }
        GatewayOutcome::AlreadyMoved { reference } => {
            let reference = CompactString::new(reference);
            let open = desk.payment.progress.as_ref().and_then(|progress| {
                let number = progress.captures.len();
                progress.captures.last().filter(|last| last.moved.is_none()).map(|last| (number as u32, last.amount))
            });
            desk.record(match open {
                Some((number, moved)) => PaymentEvent::Captured { number, moved, reference },
                None => PaymentEvent::Paid { reference: Some(reference) },
            });
            match desk.payment.captured() >= desk.payment.money.amount {
                true if desk.payment.goes_back_by_itself() => desk.give_back_all("paid after it had failed"),
                true => desk.ask(PaymentAsk::OrderPaidLate),
                false => desk.give_back_all("a part was taken after the order gave up"),
            }
        }
        // It is not undone, and the money may have moved: the outcome is unknown still. After so many attempts an operator
        // has to look at it.
        GatewayOutcome::Declined { reason } => desk.try_later(reason),
        _ => desk.try_later("no answer to a void"),
    }
}

fn undone(desk: &mut Desk<'_>, reason: &str, timeout: bool) {
    let reason = CompactString::new(reason);
    desk.record(PaymentEvent::Failed { reason: reason.clone(), timeout });
    desk.failed(reason);
}

fn refunded(desk: &mut Desk<'_>, number: u32, outcome: &GatewayOutcome) {
    let refund = desk.payment.refunds[number as usize - 1];
    let amount = refund.amount;
    let wanted = Money::new(amount, desk.payment.money.currency);
    // Of what goes back by itself its order does not hear.
    let by_itself = refund.surplus || desk.payment.goes_back_by_itself();
    let reason = match outcome {
        GatewayOutcome::Approved { .. } | GatewayOutcome::AlreadyMoved { .. } => None,
        GatewayOutcome::Moved { money, .. } if *money == wanted => None,
        GatewayOutcome::Moved { .. } => {
            // An operator has to look at it; until then it is under way.
            return desk.give_up("the gateway says that another amount or currency went back");
        }
        GatewayOutcome::Declined { reason } => Some(reason.as_str()),
        _ => Some("no answer to a refund"),
    };
    match reason {
        None => {
            if !refund.surplus && desk.payment.surplus().0 > 0 {
                desk.give_up("what was taken too much did not go back");
            }
            desk.record(PaymentEvent::Refunded { number });
        }
        Some(reason) => {
            if by_itself || desk.payment.surplus().0 > 0 {
                // Money that nobody may keep.
                desk.give_up(reason);
            }
            desk.record(PaymentEvent::RefundFailed { number, reason: reason.into() });
        }
    }
    if !by_itself {
        desk.ask(PaymentAsk::OrderRefunded { amount, done: reason.is_none() });
    }
    let next = desk.payment.progress.as_ref().map_or(Amount::ZERO, |progress| progress.deferred_refund);
    if next.0 > 0 {
        desk.request_refund(next);
    }
}
