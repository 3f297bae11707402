//! What a payment does with a command.

use compact_str::CompactString;

use super::call::call;
use super::event::PaymentEvent;
use super::gateway::{GatewayCall, GatewayOutcome, Notice, Operation};
use super::stage::Stage;
use super::state::{Method, OpenOperation, Payment};
use super::table::{PaymentState, Step, transition};
use super::{answer, notice};
use crate::account::AccountCommand;
use crate::mistake::{Mistake, made};
use crate::{Amount, CustomerId, Money, Refusal, Timestamp};

/// What a payment can be asked to do, or learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentCommand {
    /// The gateway answered, or the client confirmed: one command, keyed by payment and operation.
    Answer {
        /// What had been asked.
        operation: Operation,
        /// What is known now.
        outcome: GatewayOutcome,
    },
    /// The gateway tells something that it was not asked.
    Notice(Notice),
    /// The wallet money that was held for it is spent.
    Secure,
    /// The order gave up: nothing may be charged.
    Abandon,
    /// The order does not want money that came late.
    GiveBack,
    /// Take money that is set aside.
    Capture {
        /// How much; none: all of it.
        amount: Option<Amount>,
    },
    /// Take all that is set aside: what it pays for is about to be sent. It is not refused.
    CaptureSetAside,
    /// Let go what is set aside.
    Void,
    /// Give some back.
    Refund {
        /// How much.
        amount: Amount,
    },
    /// The time of an unanswered call has come, or the engine was restarted.
    AskAgain,
    /// An operator wants what was given up to be asked again.
    Resume,
    /// An operator has seen to what was given up, and says how it ended.
    Resolve {
        /// What became of it.
        outcome: GatewayOutcome,
    },
}

/// What a payment wants of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentAsk {
    /// Call the gateway, once the record that says so is durable.
    Gateway(GatewayCall),
    /// Tell a wallet.
    Account(CustomerId, AccountCommand),
    /// Tell the order that the money is secured.
    OrderPaid,
    /// Tell the order that money is here after all, whose charge was being undone: it takes it, or has it given back.
    OrderPaidLate,
    /// Tell the order that the payment failed.
    OrderFailed {
        /// Why.
        reason: CompactString,
    },
    /// Tell the order that what is set aside could not be taken, and is set aside still.
    CaptureFailed {
        /// Why.
        reason: CompactString,
    },
    /// Tell the order that money which had gone back is here again.
    OrderRefundReversed {
        /// How much.
        amount: Amount,
    },
    /// Tell the order how a refund ended.
    OrderRefunded {
        /// How much.
        amount: Amount,
        /// Whether it went back.
        done: bool,
    },
    /// Tell the order where the payment stands by then: what it is told otherwise does not say all of it.
    OrderSees,
    /// Whoever waits for the gateway need not: somebody else acts next.
    OrderWaits,
    /// Tell those who follow the payment.
    Notify {
        /// The state after.
        state: PaymentState,
    },
}

impl PaymentAsk {
    /// Whether the order will believe by it that the payment stands somewhere else.
    const fn moves_order(&self) -> bool {
        matches!(
            self,
            Self::OrderPaid
                | Self::OrderPaidLate
                | Self::OrderFailed { .. }
                | Self::OrderRefunded { .. }
                | Self::OrderRefundReversed { .. }
        )
    }
}

/// The first pause before an unanswered call is repeated; it doubles each time.
const BACKOFF_SECONDS: u32 = 2;
/// The longest such pause.
const BACKOFF_SECONDS_MAX: u32 = 3600;
/// How soon a call is tried that was not made because the gateway failed too often; twice as long after each further time.
const QUEUE_SECONDS: u32 = 4;
/// The longest such pause. Trying costs the gateway nothing while it is left alone, and whoever comes when it is well again
/// must not have been sent away for long.
const QUEUE_SECONDS_MAX: u32 = 40;
/// Over how many seconds queued payments are spread.
const QUEUE_SPREAD_SECONDS: u32 = 10;
/// How often anything but a charge is asked again in vain before an operator has to look at it.
pub const ATTEMPTS_MAX: u32 = 16;

/// A payment while it decides: what it has decided so far is taken in, so that the next rule sees it.
pub(super) struct Desk<'a> {
    pub(super) payment: Payment,
    pub(super) now: Timestamp,
    out: &'a mut Vec<PaymentEvent>,
    asks: &'a mut Vec<PaymentAsk>,
    told: Vec<PaymentState>,
}

/// Decides a command at `now`; events go to `out`, messages to `asks`, both untouched by a refusal.
pub fn decide(
    payment: &Payment,
    command: &PaymentCommand,
    now: Timestamp,
    out: &mut Vec<PaymentEvent>,
    asks: &mut Vec<PaymentAsk>,
) -> Result<(), Refusal> {
    let asks_before = asks.len();
    let mut desk = Desk { payment: payment.clone(), now, out, asks, told: Vec::new() };
    match command {
        PaymentCommand::Answer { operation, outcome } => answer::answer(&mut desk, operation, outcome),
        PaymentCommand::Notice(notice) => notice::heed(&mut desk, notice)?,
        PaymentCommand::Secure => desk.secure(),
        PaymentCommand::Abandon => desk.abandon(),
        PaymentCommand::GiveBack => desk.give_back(),
        PaymentCommand::Capture { amount } => desk.capture(*amount)?,
        PaymentCommand::CaptureSetAside => desk.capture_set_aside(),
        PaymentCommand::Void => desk.void()?,
        PaymentCommand::Refund { amount } => desk.refund(*amount)?,
        PaymentCommand::AskAgain => desk.ask_again(),
        PaymentCommand::Resume => desk.resume()?,
        PaymentCommand::Resolve { outcome } => answer::resolve(&mut desk, outcome)?,
    }
    let told = std::mem::take(&mut desk.told);
    let stands = |payment: &Payment| (payment.stage(), payment.next_action());
    if stands(payment) != stands(&desk.payment) || desk.asks[asks_before..].iter().any(PaymentAsk::moves_order) {
        desk.ask(PaymentAsk::OrderSees);
    }
    asks.extend(told.into_iter().map(|state| PaymentAsk::Notify { state }));
    Ok(())
}

impl Desk<'_> {
    /// Records an event; whether it is told is for the table to say.
    pub(super) fn record(&mut self, event: PaymentEvent) {
        let (stage, step) = (self.payment.stage(), self.payment.step_of(&event));
        let notify = step.is_some_and(|step| transition(stage, step).is_ok_and(|next| next.notify));
        self.payment.apply(&event, self.now);
        self.out.push(event);
        if notify {
            self.told.push(self.payment.state);
        }
    }

    pub(super) fn ask(&mut self, ask: PaymentAsk) {
        self.asks.push(ask);
    }

    /// Refuses by name what the table does not have.
    pub(super) fn may(&self, step: Step) -> Result<(), Refusal> {
        transition(self.payment.stage(), step).map(|_| ())
    }

    /// Calls the gateway for what is open.
    pub(super) fn call_open(&mut self) {
        if let Some(open) = self.payment.open {
            let call = call(&self.payment, open);
            self.ask(PaymentAsk::Gateway(call));
        }
    }

    fn secure(&mut self) {
        if self.payment.state != PaymentState::Pending || self.payment.method == Method::Card {
            return;
        }
        self.record(PaymentEvent::Paid { reference: None });
        if let (Method::Wallet, Some(payer)) = (self.payment.method, self.payment.payer.clone()) {
            self.ask(PaymentAsk::Account(payer, AccountCommand::Settle { payment: self.payment.id }));
        }
        self.ask(PaymentAsk::OrderPaid);
    }

    fn abandon(&mut self) {
        let payment = &self.payment;
        match (payment.state, payment.open) {
            (PaymentState::Pending, Some(OpenOperation::Void)) => {}
            (PaymentState::Pending, _) if payment.method == Method::Card && !made(Mistake::VoidSkipped) => {
                self.let_go();
            }
            (PaymentState::Pending, _) => self.cancel("the order gave up"),
            // A part was captured, so the order still waits for the rest: it goes back, once it is known how much.
            (PaymentState::Paid, None) if self.awaits_captures() => self.give_back_all("the order gave up"),
            (PaymentState::Paid, Some(_)) if self.awaits_captures() => self.record(PaymentEvent::AbandonNoted),
            _ => {}
        }
    }

    /// Whether some of the money is taken, and the order waits for the rest.
    fn awaits_captures(&self) -> bool {
        let payment = &self.payment;
        payment.stage() == Stage::PartiallyCaptured
            && !payment.progress.as_ref().is_some_and(|progress| progress.abandoned || progress.automatic)
    }

    fn capture(&mut self, amount: Option<Amount>) -> Result<(), Refusal> {
        self.may(Step::StartCapture)?;
        if self.payment.method != Method::Card || self.payment.open.is_some() || self.payment.goes_back_by_itself() {
            let state = self.payment.stage().sub_name();
            return Err(Refusal::PaymentStateInvalid { state, event: Step::StartCapture.name() });
        }
        let amount = amount.unwrap_or(self.payment.capturable());
        if amount.0 <= 0 || amount > self.payment.capturable() || !amount.is_rounded(self.payment.money.currency) {
            return Err(Refusal::MoneyInvalid {
                why: "a capture is positive, in whole minor units, and at most what is set aside".into(),
            });
        }
        self.start_capture(amount);
        Ok(())
    }

    pub(super) fn start_capture(&mut self, amount: Amount) {
        let number = self.payment.progress.as_ref().map_or(0, |progress| progress.captures.len()) as u32 + 1;
        self.record(PaymentEvent::CaptureStarted { number, amount });
        self.call_open();
    }

    /// The order wants all of what is set aside. It cannot be refused: the order is told if it comes to nothing.
    fn capture_set_aside(&mut self) {
        if self.payment.state != PaymentState::Pending && self.payment.stage() != Stage::PartiallyCaptured {
            return;
        }
        if let Err(refusal) = self.capture(None) {
            self.ask(PaymentAsk::CaptureFailed { reason: refusal.to_string().into() });
        }
    }

    fn void(&mut self) -> Result<(), Refusal> {
        self.may(Step::StartVoid)?;
        if self.payment.method != Method::Card {
            let state = self.payment.stage().sub_name();
            return Err(Refusal::PaymentStateInvalid { state, event: Step::StartVoid.name() });
        }
        if self.payment.open != Some(OpenOperation::Void) {
            self.let_go();
        }
        Ok(())
    }

    /// Nothing may be charged: what its gateway may have done is undone.
    fn let_go(&mut self) {
        match self.payment.was_never_asked() {
            true => self.cancel("given up before its gateway was asked"),
            false => self.start_void(),
        }
    }

    /// It is given up, and nothing has to be undone.
    pub(super) fn cancel(&mut self, reason: &str) {
        let reason = CompactString::from(reason);
        self.record(PaymentEvent::Cancelled { reason: reason.clone(), after_capture: false });
        self.failed(reason);
    }

    pub(super) fn start_void(&mut self) {
        self.record(PaymentEvent::VoidStarted);
        self.call_open();
    }

    /// The payment has failed: the wallet's hold and the order are told.
    pub(super) fn failed(&mut self, reason: CompactString) {
        if let (Method::Wallet, Some(payer)) = (self.payment.method, self.payment.payer.clone()) {
            self.ask(PaymentAsk::Account(payer, AccountCommand::Release { payment: self.payment.id }));
        }
        self.ask(PaymentAsk::OrderFailed { reason });
    }

    /// What was taken and is not wanted goes back by itself; the order learns that the payment failed.
    pub(super) fn give_back_all(&mut self, reason: &str) {
        if !self.payment.goes_back_by_itself() {
            self.record(PaymentEvent::LateSuccess { reference: reason.into() });
        }
        self.request_refund(self.payment.refundable());
        self.failed(reason.into());
    }

    /// Money of a card is to go back.
    pub(super) fn request_refund(&mut self, amount: Amount) {
        let number = self.payment.refunds.len() as u32 + 1;
        self.record(PaymentEvent::RefundRequested { number, amount });
        self.call_open();
    }

    /// What was taken beyond what the payment is for goes back by itself; that is between the gateway and the house.
    pub(super) fn return_surplus(&mut self) {
        let amount = self.payment.surplus();
        if amount.0 > 0 {
            self.record_own_refund(amount);
            self.call_open();
        }
    }

    /// Records that money is to go back which nobody may keep; gives the refund's number.
    pub(super) fn record_own_refund(&mut self, amount: Amount) -> u32 {
        let number = self.payment.refunds.len() as u32 + 1;
        self.record(match self.payment.goes_back_by_itself() {
            true => PaymentEvent::RefundRequested { number, amount },
            false => PaymentEvent::SurplusRequested { number, amount },
        });
        number
    }

    /// Only money of which nothing is on its way back.
    fn give_back(&mut self) {
        let is_here = self.payment.state == PaymentState::Paid && self.payment.open.is_none();
        let is_cards = self.payment.method == Method::Card;
        if is_here
            && is_cards
            && self.may(Step::LateSuccess).is_ok()
            && !self.payment.goes_back_by_itself()
            && self.payment.refunds.is_empty()
        {
            self.give_back_all("taken after the order gave up");
        }
    }

    fn refund(&mut self, amount: Amount) -> Result<(), Refusal> {
        let questioned = self.payment.progress.as_ref().is_some_and(|it| it.disputed.0 > 0 || it.charged_back.0 > 0);
        if questioned && (self.may(Step::RequestRefund).is_err() || amount > self.payment.refundable()) {
            // The bank has the money, or may take it: the order is told that nothing goes back from here.
            self.ask(PaymentAsk::OrderRefunded { amount, done: false });
            return Ok(());
        }
        if self.payment.returns_surplus() && amount.0 > 0 && amount <= self.payment.refundable() {
            self.record(PaymentEvent::RefundDeferred { amount });
            return Ok(());
        }
        self.may(Step::RequestRefund)?;
        if self.payment.open.is_some() || self.payment.stage() == Stage::PartiallyCaptured {
            // The order still waits for the rest: only all of it goes back, when the order gives up.
            let state = self.payment.stage().sub_name();
            return Err(Refusal::PaymentStateInvalid { state, event: Step::RequestRefund.name() });
        }
        if amount.0 <= 0 || amount > self.payment.refundable() {
            return Err(Refusal::MoneyInvalid {
                why: "a refund is positive and at most what was paid and not yet refunded".into(),
            });
        }
        if self.payment.method == Method::Card {
            self.request_refund(amount);
            return Ok(());
        }
        let number = self.payment.refunds.len() as u32 + 1;
        self.record(PaymentEvent::RefundRequested { number, amount });
        let money = Money::new(amount, self.payment.money.currency);
        match self.payment.method {
            Method::Wallet => {
                let payer = self.payment.payer.clone().expect("a wallet has an owner");
                let command = AccountCommand::Refund { payment: self.payment.id, refund: number, money };
                self.ask(PaymentAsk::Account(payer, command));
            }
            Method::Card | Method::External | Method::Account => {}
        }
        self.record(PaymentEvent::Refunded { number });
        self.ask(PaymentAsk::OrderRefunded { amount, done: true });
        Ok(())
    }

    fn ask_again(&mut self) {
        let Some(open) = self.payment.open else { return self.renew() };
        if self.payment.is_given_up() {
            return;
        }
        if matches!(open, OpenOperation::Charge | OpenOperation::Authorize) {
            if self.payment.was_never_asked() {
                if self.waits_until() <= self.now {
                    let reason = CompactString::from("its gateway could not be asked in time");
                    self.record(PaymentEvent::Failed { reason: reason.clone(), timeout: true });
                    return self.failed(reason);
                }
            } else if self.payment.intent_ends_at() <= self.now {
                return self.start_void();
            }
        }
        if self.is_hopeless(self.payment.attempts) {
            let reason = "the gateway does not answer".into();
            return self.record(PaymentEvent::GivenUp { attempt: self.payment.attempts, reason });
        }
        let attempt = self.payment.attempts.saturating_add(1);
        let at = self.now.plus_seconds(Payment::ASK_AGAIN_SECONDS);
        self.record(PaymentEvent::RetryScheduled { attempt, at });
        self.call_open();
    }

    /// What is set aside and about to lapse is set aside anew.
    fn renew(&mut self) {
        if self.payment.next_due().is_some_and(|due| due <= self.now) {
            let number = self.payment.progress.as_ref().map_or(0, |progress| progress.renewals) + 1;
            self.record(PaymentEvent::RenewalStarted { number });
            self.call_open();
        }
    }

    fn resume(&mut self) -> Result<(), Refusal> {
        if !self.payment.is_given_up() {
            return Err(Refusal::PaymentStateInvalid { state: self.payment.stage().sub_name(), event: "RESUME" });
        }
        if self.payment.open.is_none() {
            // While a bank questions it, nothing goes back.
            self.may(Step::RequestRefund)?;
        }
        self.record(PaymentEvent::Resumed);
        if self.payment.open.is_some() {
            self.call_open();
        } else if self.payment.owed_by_itself().0 > 0 {
            // The gateway had refused to give it back: that is asked anew, under a new key.
            self.record_own_refund(self.payment.owed_by_itself());
            self.call_open();
        }
        Ok(())
    }

    /// Only an operator can help.
    pub(super) fn give_up(&mut self, reason: &str) {
        let attempt = self.payment.attempts.saturating_add(1);
        self.record(PaymentEvent::GivenUp { attempt, reason: reason.into() });
    }

    /// The gateway was not asked: that is no attempt. Payments that were queued together do not come back together.
    pub(super) fn queue(&mut self) {
        // Asking again has counted it.
        let attempt = self.payment.attempts.saturating_sub(1);
        let apart = u32::from(self.payment.id.to_bytes()[15]) % QUEUE_SPREAD_SECONDS;
        let pause = QUEUE_SECONDS.saturating_mul(1 << self.payment.waits.min(12)).min(QUEUE_SECONDS_MAX);
        let at = self.now.plus_seconds(pause + apart);
        self.record(PaymentEvent::Queued { attempt, at });
    }

    /// How long a charge waits for a gateway that was never asked for it.
    fn waits_until(&self) -> Timestamp {
        self.payment.created_at.plus_seconds(Payment::QUEUED_SECONDS_MAX)
    }

    /// No certain answer: it is asked again after a longer pause, or given up to an operator.
    pub(super) fn try_later(&mut self, reason: &str) {
        let attempt = self.payment.attempts;
        if self.is_hopeless(attempt) {
            return self.record(PaymentEvent::GivenUp { attempt, reason: reason.into() });
        }
        let at = self.now.plus_seconds(pause_after(attempt.saturating_add(1)));
        self.record(PaymentEvent::RetryScheduled { attempt, at });
    }

    /// Whether it was asked again in vain so often that an operator has to look at it. A charge is undone instead.
    fn is_hopeless(&self, attempt: u32) -> bool {
        attempt >= ATTEMPTS_MAX && !matches!(self.payment.open, Some(OpenOperation::Charge | OpenOperation::Authorize))
    }
}

/// How long to wait after so many attempts, in seconds.
fn pause_after(attempt: u32) -> u32 {
    BACKOFF_SECONDS.saturating_mul(1 << attempt.min(12)).min(BACKOFF_SECONDS_MAX)
}
