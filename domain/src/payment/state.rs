//! What a payment remembers.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use super::event::PaymentEvent;
use super::progress::{NextAction, Progress};
use super::stage::Stage;
use super::step::first_stage;
use super::table::{PaymentState, Step, transition};
use crate::{Amount, CustomerId, Money, OrderId, PaymentId, Refusal, Timestamp, codec};

/// How it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Method {
    /// From the customer's wallet.
    #[n(0)]
    Wallet,
    /// Through the card gateway.
    #[n(1)]
    Card,
    /// Taken by the caller, who names a reference.
    #[n(2)]
    External,
    /// On account: secured at once, paid by invoice.
    #[n(3)]
    Account,
}

impl Method {
    /// Every method with its public name.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Wallet, "wallet"), (Self::Card, "card"), (Self::External, "external"), (Self::Account, "account")];

    /// The public name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether the caller sees to the money. Nobody has to be asked, so such a payment is secured in the turn that begins it.
    pub const fn is_outside(self) -> bool {
        matches!(self, Self::External | Self::Account)
    }
}

/// A refund of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Refund {
    /// How much.
    #[n(0)]
    pub amount: Amount,
    /// None while it is under way, then whether it went back.
    #[n(1)]
    pub done: Option<bool>,
    /// It is of what was taken beyond what the payment is for, and its order does not know of it.
    #[cbor(n(2), skip_if = "codec::is_false")]
    pub surplus: bool,
}

/// What was asked of the gateway and not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum OpenOperation {
    /// The charge.
    #[n(0)]
    Charge,
    /// Undoing a charge of unknown outcome.
    #[n(1)]
    Void,
    /// The refund with this number.
    #[n(2)]
    Refund(#[n(0)] u32),
    /// Setting money aside.
    #[n(3)]
    Authorize,
    /// The capture with this number.
    #[n(4)]
    Capture(#[n(0)] u32),
    /// The renewal with this number.
    #[n(5)]
    Renew(#[n(0)] u32),
}

/// The state of one payment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Payment {
    /// Its id.
    #[n(0)]
    pub id: PaymentId,
    /// The order it pays for.
    #[n(1)]
    pub order: OrderId,
    /// How.
    #[n(2)]
    pub method: Method,
    /// How much.
    #[n(3)]
    pub money: Money,
    /// Whose wallet or account.
    #[n(4)]
    pub payer: Option<CustomerId>,
    /// A card's token or an external payment's reference.
    #[cbor(n(5), with = "codec::optional_text")]
    pub credential: Option<CompactString>,
    /// Where it stands.
    #[n(6)]
    pub state: PaymentState,
    /// Every refund, by number from 1.
    #[n(7)]
    pub refunds: Vec<Refund>,
    /// What the gateway has not answered yet.
    #[n(8)]
    pub open: Option<OpenOperation>,
    /// When the open operation is asked again if nothing is heard.
    #[n(9)]
    pub ask_again_at: Timestamp,
    /// How often it was asked.
    #[n(10)]
    pub attempts: u32,
    /// When the payment was created.
    #[n(11)]
    pub created_at: Timestamp,
    /// The gateway's name for the charge, or why it failed.
    #[cbor(n(12), with = "codec::optional_text")]
    pub remark: Option<CompactString>,
    /// Where it stands in full; snapshots from before there was more than the public state have none.
    #[n(13)]
    stage: Option<Stage>,
    /// What only payments have that are captured later, wait for somebody, or are questioned.
    #[n(14)]
    pub progress: Option<Box<Progress>>,
    /// How much more than is set aside may be taken.
    #[cbor(n(15), skip_if = "codec::is_zero")]
    pub overcapture: Amount,
    /// Its gateway cannot have heard of it before what is on its way now, if anything is.
    #[cbor(n(16), skip_if = "codec::is_false")]
    unsent: bool,
    /// Its last call was not made, and none is on its way.
    #[cbor(n(17), skip_if = "codec::is_false")]
    queued: bool,
    /// How often in a row its call was not made.
    #[cbor(n(18), skip_if = "codec::is_none_yet")]
    pub waits: u32,
    /// Since when its gateway may know of it, if that is later than its creation.
    #[n(19)]
    asked_since: Option<Timestamp>,
    /// The payment that failed, of which this is another try.
    #[n(20)]
    pub retry_of: Option<PaymentId>,
}

impl Payment {
    /// How long a call to the gateway may stay unanswered before it is repeated under the same key, in seconds.
    pub const ASK_AGAIN_SECONDS: u32 = 30;
    /// The longest a charge may stay of unknown outcome once its gateway may know of it; then it is undone, and only then is
    /// its stock released.
    pub const INTENT_SECONDS_MAX: u32 = 600;
    /// The longest a charge may wait for a gateway that was never asked for it; then it has failed, and nothing has to be
    /// undone.
    pub const QUEUED_SECONDS_MAX: u32 = 6 * 3600;

    /// Starts a payment from its first event.
    pub fn create(id: PaymentId, event: &PaymentEvent, now: Timestamp) -> Self {
        let (PaymentEvent::Created { order, method, money, payer, credential, .. }
        | PaymentEvent::Opened { order, method, money, payer, credential, .. }) = event
        else {
            panic!("a payment begins with `created` or `opened`, not {}", event.name());
        };
        let capture_later = matches!(event, PaymentEvent::Created { capture_later: true, .. });
        let (overcapture, retry_of) = match event {
            PaymentEvent::Created { overcapture, retry_of, .. } => (*overcapture, *retry_of),
            _ => (Amount::ZERO, None),
        };
        let began = match event {
            PaymentEvent::Opened { paid_at: Some(paid_at), .. } => *paid_at,
            _ => now,
        };
        let stage = first_stage(event, *method);
        let open = match (method, capture_later) {
            (Method::Card, true) => Some(OpenOperation::Authorize),
            (Method::Card, false) => Some(OpenOperation::Charge),
            _ => None,
        };
        Self {
            id,
            order: *order,
            method: *method,
            money: *money,
            payer: payer.clone(),
            credential: credential.clone(),
            state: stage.public(),
            refunds: Vec::new(),
            open,
            ask_again_at: now.plus_seconds(Self::ASK_AGAIN_SECONDS),
            attempts: 0,
            created_at: began,
            remark: None,
            stage: Some(stage),
            progress: capture_later.then(|| Box::new(Progress { capture_later, ..Progress::default() })),
            overcapture,
            unsent: matches!(event, PaymentEvent::Created { .. }) && *method == Method::Card,
            queued: false,
            waits: 0,
            asked_since: None,
            retry_of,
        }
    }

    /// Whether it is certain that its gateway never heard of it.
    pub const fn was_never_asked(&self) -> bool {
        self.unsent && self.queued
    }

    /// When a charge of unknown outcome is undone.
    pub fn intent_ends_at(&self) -> Timestamp {
        self.asked_since.unwrap_or(self.created_at).plus_seconds(Self::INTENT_SECONDS_MAX)
    }

    /// Refuses to try it again: only what failed is, and only its gateway can be asked again.
    pub fn check_retry(&self) -> Result<(), Refusal> {
        let (state, event) = (self.stage().sub_name(), Step::Retry.name());
        if self.method != Method::Card {
            return Err(Refusal::PaymentStateInvalid { state, event });
        }
        transition(self.stage(), Step::Retry).map(|_| ())
    }

    /// Where it stands in full.
    pub fn stage(&self) -> Stage {
        self.stage.unwrap_or(Stage::of_public(self.state))
    }

    /// What was taken, refunds not counted.
    pub fn captured(&self) -> Amount {
        match &self.progress {
            Some(progress) if !progress.captures.is_empty() => progress.captured(),
            _ if matches!(self.state, PaymentState::Pending | PaymentState::Failed) => Amount::ZERO,
            _ => self.money.amount,
        }
    }

    /// What is set aside and not taken.
    pub fn capturable(&self) -> Amount {
        self.progress
            .as_ref()
            .map_or(Amount::ZERO, |progress| Amount((progress.authorized.0 - progress.capturing().0).max(0)))
    }

    /// What the bank took back.
    pub fn charged_back(&self) -> Amount {
        self.progress.as_ref().map_or(Amount::ZERO, |progress| progress.charged_back)
    }

    /// What can still be asked to go back.
    pub fn refundable(&self) -> Amount {
        Amount(self.captured().0 - self.refunding().0 - self.charged_back().0)
    }

    /// What was taken beyond what it is for, and has neither gone back nor is on its way.
    pub fn surplus(&self) -> Amount {
        if self.goes_back_by_itself() {
            return Amount::ZERO;
        }
        let gone = self.refunds.iter().filter(|refund| refund.surplus && refund.done != Some(false));
        let gone: i64 = gone.map(|refund| refund.amount.0).sum();
        Amount((self.captured().0 - self.money.amount.0 - gone).max(0))
    }

    /// What nobody may keep and is not on its way back.
    pub fn owed_by_itself(&self) -> Amount {
        if self.goes_back_by_itself() { self.refundable() } else { self.surplus() }
    }

    /// Whether the surplus is on its way back.
    pub fn returns_surplus(&self) -> bool {
        self.refunds.last().is_some_and(|refund| refund.surplus && refund.done.is_none())
    }

    /// Whether it came when nobody waited for it, and goes back by itself.
    pub fn goes_back_by_itself(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.automatic)
    }

    /// Whether it is asked no more until somebody says so.
    pub fn is_given_up(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.given_up)
    }

    /// What somebody has to do before its gateway goes on.
    pub fn next_action(&self) -> Option<NextAction> {
        let progress = self.progress.as_deref()?;
        Some(NextAction { kind: progress.action?, next: progress.next_action.clone()? })
    }

    /// Whether somebody has to ask before its money is taken.
    pub fn captures_later(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.capture_later)
    }

    /// Whether its money is set aside and can be taken now.
    pub fn has_money_set_aside(&self) -> bool {
        let stages = [Stage::Authorized, Stage::AuthorizedAdjusted, Stage::PartiallyCaptured];
        stages.contains(&self.stage()) && self.open.is_none() && !self.goes_back_by_itself()
    }

    /// What has gone back.
    pub fn refunded(&self) -> Amount {
        Amount(self.refunds.iter().filter(|refund| refund.done == Some(true)).map(|refund| refund.amount.0).sum())
    }

    /// What has gone back or is on its way.
    pub fn refunding(&self) -> Amount {
        Amount(self.refunds.iter().filter(|refund| refund.done != Some(false)).map(|refund| refund.amount.0).sum())
    }

    /// When the payment must be woken.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.open.is_some() {
            return (!self.is_given_up()).then_some(self.ask_again_at);
        }
        let awaits = matches!(
            self.stage(),
            Stage::Authorized | Stage::AuthorizedInPart | Stage::AuthorizedAdjusted | Stage::PartiallyCaptured
        );
        let wanted = awaits && self.capturable().0 > 0 && !self.goes_back_by_itself();
        self.progress.as_ref().filter(|_| wanted).and_then(|progress| progress.renew_at)
    }

    /// Takes an event into the state.
    pub fn apply(&mut self, event: &PaymentEvent, now: Timestamp) {
        if let Some(step) = self.step_of(event) {
            let stage = transition(self.stage(), step).expect("a recorded transition is legal").to;
            self.stage = Some(stage);
            self.state = stage.public();
        }
        match event {
            PaymentEvent::Created { .. } | PaymentEvent::Opened { .. } => panic!("a payment is created once"),
            PaymentEvent::Paid { reference } => {
                self.open = None;
                self.remark = reference.clone();
            }
            PaymentEvent::Failed { reason, .. }
            | PaymentEvent::Cancelled { reason, .. }
            | PaymentEvent::Lapsed { reason }
            | PaymentEvent::AuthenticationFailed { reason } => {
                self.open = None;
                self.remark = Some(reason.clone());
            }
            PaymentEvent::VoidStarted => self.open_operation(OpenOperation::Void, now),
            PaymentEvent::RefundRequested { number, amount } | PaymentEvent::SurplusRequested { number, amount } => {
                assert_eq!(*number as usize, self.refunds.len() + 1, "refunds are numbered in order");
                let surplus = matches!(event, PaymentEvent::SurplusRequested { .. });
                self.refunds.push(Refund { amount: *amount, done: None, surplus });
                if let Some(progress) = self.progress.as_mut().filter(|_| !surplus) {
                    progress.deferred_refund = Amount::ZERO;
                }
                if self.method == Method::Card {
                    self.open_operation(OpenOperation::Refund(*number), now);
                }
            }
            PaymentEvent::Refunded { number } => {
                self.refund(*number).done = Some(true);
                self.open = None;
            }
            PaymentEvent::RefundFailed { number, reason } => {
                self.refund(*number).done = Some(false);
                self.open = None;
                self.remark = Some(reason.clone());
            }
            PaymentEvent::RefundReversed { number } => self.refund(*number).done = Some(false),
            PaymentEvent::RetryScheduled { attempt, at } => {
                self.attempts = *attempt;
                self.ask_again_at = *at;
                if std::mem::take(&mut self.queued) {
                    // The call before was not made: whether this one is, is yet to be heard.
                    self.asked_since = self.unsent.then_some(now).or(self.asked_since);
                } else {
                    self.was_asked();
                }
            }
            PaymentEvent::Queued { attempt, at } => {
                self.attempts = *attempt;
                self.ask_again_at = *at;
                self.queued = true;
                self.waits = self.waits.saturating_add(1);
            }
            PaymentEvent::Authorized { reference, .. } => {
                self.open = None;
                self.remark = Some(reference.clone());
                self.progress_mut().apply(event, now);
            }
            PaymentEvent::CaptureStarted { number, .. } => {
                self.progress_mut().apply(event, now);
                self.open_operation(OpenOperation::Capture(*number), now);
            }
            PaymentEvent::RenewalStarted { number } => self.open_operation(OpenOperation::Renew(*number), now),
            PaymentEvent::Captured { .. } | PaymentEvent::CaptureFailed { .. } | PaymentEvent::Renewed { .. } => {
                self.open = None;
                self.progress_mut().apply(event, now);
            }
            PaymentEvent::ActionDone | PaymentEvent::Resumed => {
                self.attempts = 0;
                self.ask_again_at = now.plus_seconds(Self::ASK_AGAIN_SECONDS);
                self.progress_mut().apply(event, now);
            }
            PaymentEvent::GivenUp { attempt, reason } => {
                self.attempts = *attempt;
                self.remark = Some(reason.clone());
                self.progress_mut().apply(event, now);
            }
            PaymentEvent::ActionRequired { .. } => {
                // The buyer has as long as the intent lives.
                self.was_asked();
                self.ask_again_at = self.intent_ends_at();
                self.progress_mut().apply(event, now);
            }
            PaymentEvent::IntegrityBroken { .. }
            | PaymentEvent::LateSuccess { .. }
            | PaymentEvent::AbandonNoted
            | PaymentEvent::RefundDeferred { .. }
            | PaymentEvent::DisputeOpened { .. }
            | PaymentEvent::DisputeWon
            | PaymentEvent::DisputeLost
            | PaymentEvent::ChargedBack { .. } => self.progress_mut().apply(event, now),
            PaymentEvent::SettlementSent | PaymentEvent::Settled => {}
        }
        if self.open.is_none() {
            self.was_asked();
        }
        let nothing_to_ask = self.open.is_none() && self.owed_by_itself().0 == 0;
        if let Some(progress) = self.progress.as_mut().filter(|_| nothing_to_ask) {
            progress.given_up = false;
        }
        self.check();
    }

    /// Asserts what always holds: no more is taken than was set aside and may be taken beyond that, unless it is known to be
    /// wrong and all of it goes back; no more goes back than was taken.
    pub fn check(&self) {
        assert!(self.captured().0 >= 0 && self.refundable().0 >= 0, "no more goes back than was taken: {self:?}");
        if let Some(progress) = self.progress.as_deref().filter(|progress| !progress.captures.is_empty()) {
            let asked = progress.capturing();
            assert!(asked.0 <= progress.authorized.0, "no more is asked for than was set aside: {self:?}");
            let most = progress.authorized.0 + self.overcapture.0;
            let is_wrong = progress.integrity_broken;
            assert!(progress.captured().0 <= most || is_wrong, "no more is taken than may be: {self:?}");
        }
    }

    fn progress_mut(&mut self) -> &mut Progress {
        self.progress.get_or_insert_default()
    }

    fn refund(&mut self, number: u32) -> &mut Refund {
        &mut self.refunds[number as usize - 1]
    }

    /// Its gateway may know of it.
    fn was_asked(&mut self) {
        (self.unsent, self.queued, self.waits) = (false, false, 0);
    }

    fn open_operation(&mut self, operation: OpenOperation, now: Timestamp) {
        self.open = Some(operation);
        self.attempts = 0;
        self.was_asked();
        self.ask_again_at = now.plus_seconds(Self::ASK_AGAIN_SECONDS);
        if let Some(progress) = &mut self.progress {
            progress.given_up = false;
        }
    }
}
