//! What a payment remembers.

use compact_str::CompactString;
use minicbor::{Decode, Encode};

use super::event::PaymentEvent;
use super::table::{Column, PaymentState, transition};
use crate::{Amount, CustomerId, Money, OrderId, PaymentId, Timestamp, codec};

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

    /// Whether the caller sees to the money. Nobody has to be asked, so such a payment is secured with its order's own
    /// record, and becomes an actor only when some of it goes back.
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
}

impl Payment {
    /// How long a call to the gateway may stay unanswered before it is repeated under the same key, in seconds.
    pub const ASK_AGAIN_SECONDS: u32 = 30;

    /// Starts a payment from its first event.
    pub fn create(id: PaymentId, event: &PaymentEvent, now: Timestamp) -> Self {
        let (PaymentEvent::Created { order, method, money, payer, credential }
        | PaymentEvent::Opened { order, method, money, payer, credential }) = event
        else {
            panic!("a payment begins with `created` or `opened`, not {}", event.name());
        };
        let is_paid = matches!(event, PaymentEvent::Opened { .. });
        Self {
            id,
            order: *order,
            method: *method,
            money: *money,
            payer: payer.clone(),
            credential: credential.clone(),
            state: if is_paid { PaymentState::Paid } else { PaymentState::Pending },
            refunds: Vec::new(),
            open: (*method == Method::Card).then_some(OpenOperation::Charge),
            ask_again_at: now.plus_seconds(Self::ASK_AGAIN_SECONDS),
            attempts: 0,
            created_at: now,
            remark: None,
        }
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
        self.open.map(|_| self.ask_again_at)
    }

    /// Takes an event into the state.
    pub fn apply(&mut self, event: &PaymentEvent, now: Timestamp) {
        match event {
            PaymentEvent::Created { .. } | PaymentEvent::Opened { .. } => panic!("a payment is created once"),
            PaymentEvent::Paid { reference } => {
                self.step(Column::PaySuccess);
                self.open = None;
                self.remark = reference.clone();
            }
            PaymentEvent::Failed { reason, timeout } => {
                self.step(if *timeout { Column::Timeout } else { Column::PayFailure });
                self.open = None;
                self.remark = Some(reason.clone());
            }
            PaymentEvent::VoidStarted => self.open_operation(OpenOperation::Void, now),
            PaymentEvent::RefundRequested { number, amount } => {
                self.step(Column::RefundRequest);
                assert_eq!(*number as usize, self.refunds.len() + 1, "refunds are numbered in order");
                self.refunds.push(Refund { amount: *amount, done: None });
                if self.method == Method::Card {
                    self.open_operation(OpenOperation::Refund(*number), now);
                }
            }
            PaymentEvent::Refunded { number } => {
                self.refund(*number).done = Some(true);
                let whole = self.refunded() == self.money.amount;
                self.step(if whole { Column::RefundSuccess } else { Column::RefundPartSuccess });
                self.open = None;
            }
            PaymentEvent::RefundFailed { number, reason } => {
                self.refund(*number).done = Some(false);
                self.step(Column::RefundFailure);
                self.open = None;
                self.remark = Some(reason.clone());
            }
            PaymentEvent::RetryScheduled { attempt, at } => {
                self.attempts = *attempt;
                self.ask_again_at = *at;
            }
        }
        assert!(self.refunding().0 <= self.money.amount.0, "no more goes back than was paid");
    }

    fn refund(&mut self, number: u32) -> &mut Refund {
        &mut self.refunds[number as usize - 1]
    }

    fn open_operation(&mut self, operation: OpenOperation, now: Timestamp) {
        self.open = Some(operation);
        self.attempts = 0;
        self.ask_again_at = now.plus_seconds(Self::ASK_AGAIN_SECONDS);
    }

    fn step(&mut self, on: Column) {
        self.state = transition(self.state, on).expect("a recorded transition is legal").to;
    }
}
