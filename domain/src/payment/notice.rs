//! What a payment does with what its gateway tells without being asked. Notices come again and out of order: one that
//! says what is already known changes nothing, one that cannot be now is refused by name and comes again later.

use super::decide::{Desk, PaymentAsk};
use super::event::PaymentEvent;
use super::gateway::Notice;
use super::stage::Stage;
use super::state::Method;
use super::table::Step;
use crate::{Amount, Money, Refusal};

pub(super) fn heed(desk: &mut Desk<'_>, notice: &Notice) -> Result<(), Refusal> {
    let stage = desk.payment.stage();
    if desk.payment.method != Method::Card {
        // Nobody but a card's gateway knows more of a payment than the engine does.
        return Err(Refusal::PaymentStateInvalid { state: stage.sub_name(), event: notice.step().name() });
    }
    match notice {
        Notice::ActionDone => {
            if desk.payment.progress.as_ref().is_none_or(|progress| progress.action.is_none()) {
                return Ok(());
            }
            desk.may(Step::ActionDone)?;
            desk.record(PaymentEvent::ActionDone);
            desk.call_open();
        }
        Notice::SettlementSent => {
            if matches!(stage, Stage::SentForSettlement | Stage::Settled) {
                return Ok(());
            }
            desk.may(Step::SendForSettlement)?;
            desk.record(PaymentEvent::SettlementSent);
        }
        Notice::Settled => {
            if stage == Stage::Settled {
                return Ok(());
            }
            desk.may(Step::Settle)?;
            desk.record(PaymentEvent::Settled);
        }
        Notice::RefundReversed { number } => reverse_refund(desk, *number)?,
        Notice::DisputeOpened { money, reference } => open_dispute(desk, *money, reference)?,
        Notice::DisputeWon => {
            if stage == Stage::DisputeWon {
                return Ok(());
            }
            desk.may(Step::WinDispute)?;
            desk.record(PaymentEvent::DisputeWon);
        }
        Notice::DisputeLost => {
            let lost_before = stage != Stage::DisputeOpened && desk.payment.charged_back().0 > 0;
            if lost_before {
                return Ok(());
            }
            desk.may(Step::LoseDispute)?;
            let amount = desk.payment.progress.as_ref().map_or(Amount::ZERO, |progress| progress.disputed);
            desk.record(PaymentEvent::DisputeLost);
            desk.record(PaymentEvent::ChargedBack { amount });
        }
    }
    Ok(())
}

fn reverse_refund(desk: &mut Desk<'_>, number: u32) -> Result<(), Refusal> {
    let refund = (number as usize).checked_sub(1).and_then(|at| desk.payment.refunds.get(at)).copied();
    match refund.map(|refund| refund.done) {
        None => Err(Refusal::NotFound { what: format!("refund {number}") }),
        Some(Some(false)) => Ok(()),
        Some(_) => {
            desk.may(Step::ReverseRefund)?;
            desk.record(PaymentEvent::RefundReversed { number });
            match refund.filter(|refund| !refund.surplus && !desk.payment.goes_back_by_itself()) {
                Some(refund) => desk.ask(PaymentAsk::OrderRefundReversed { amount: refund.amount }),
                // Money that nobody may keep, and that nobody but an operator is told of.
                None => desk.give_up("what had gone back by itself came again"),
            }
            Ok(())
        }
    }
}

impl Notice {
    /// What the table calls it.
    const fn step(&self) -> Step {
        match self {
            Self::ActionDone => Step::ActionDone,
            Self::SettlementSent => Step::SendForSettlement,
            Self::Settled => Step::Settle,
            Self::RefundReversed { .. } => Step::ReverseRefund,
            Self::DisputeOpened { .. } => Step::OpenDispute,
            Self::DisputeWon => Step::WinDispute,
            Self::DisputeLost => Step::LoseDispute,
        }
    }
}

fn open_dispute(desk: &mut Desk<'_>, money: Money, reference: &str) -> Result<(), Refusal> {
    let known = |progress: &super::Progress| progress.disputes.iter().any(|known| known == reference);
    if desk.payment.progress.as_deref().is_some_and(known) {
        return Ok(());
    }
    let wanted = desk.payment.money.currency;
    if money.currency != wanted {
        return Err(Refusal::CurrencyMismatch { wanted: wanted.to_string(), found: money.currency.to_string() });
    }
    let amount = money.amount;
    desk.may(Step::OpenDispute)?;
    if desk.payment.open.is_some() || desk.payment.goes_back_by_itself() {
        let state = desk.payment.stage().sub_name();
        return Err(Refusal::PaymentStateInvalid { state, event: Step::OpenDispute.name() });
    }
    let left = desk.payment.captured().0 - desk.payment.refunded().0 - desk.payment.charged_back().0;
    if amount.0 <= 0 || amount.0 > left {
        return Err(Refusal::MoneyInvalid {
            why: "a dispute is about a positive amount, at most what was paid and did not go back".into(),
        });
    }
    desk.record(PaymentEvent::DisputeOpened { amount, reference: reference.into() });
    Ok(())
}
