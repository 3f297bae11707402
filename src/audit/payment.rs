//! The auditor's own fold of payments, with a table of transitions of its own.

use smallvec::SmallVec;
use stockade_domain::payment::{Method, PaymentEvent, PaymentState};
use stockade_domain::{CustomerId, Money, OrderId, Timestamp};

use super::ledger::Books;
use super::report::{Rule, Scene};

/// What the gateway was asked and has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Charge,
    Void,
    Refund,
}

/// A refund: how much, and how it ended if it did.
#[derive(Debug, Clone, Copy)]
struct Refund {
    amount: i64,
    done: Option<bool>,
}

/// A payment as its records make it.
pub(super) struct Payment {
    pub(super) last_time: Timestamp,
    pub(super) last_seq: u64,
    pub(super) order: OrderId,
    pub(super) method: Method,
    pub(super) money: Money,
    pub(super) payer: Option<CustomerId>,
    pub(super) state: PaymentState,
    asked: Asked,
    refunds: SmallVec<[Refund; 1]>,
    /// It has records of its own; one that its order secured has none until some of it goes back.
    has_actor: bool,
    /// Its order was refused and placed again: nobody follows this payment any more.
    pub(super) superseded: bool,
}

use PaymentState::{Failed, Paid, Pending, Refunded, Refunding};

impl Payment {
    /// Begins a payment; `None` when the event is not its creation.
    pub(super) fn create(event: &PaymentEvent, scene: &mut Scene<'_>) -> Option<Self> {
        let (PaymentEvent::Created { order, method, money, payer, .. }
        | PaymentEvent::Opened { order, method, money, payer, .. }) = event
        else {
            return None;
        };
        let whole = money.amount.0 > 0 && money.amount.is_rounded(money.currency);
        scene.expect(whole, Rule::OrderPayments, || format!("a payment of {money}"));
        let owned = payer.is_some() || !matches!(method, Method::Wallet | Method::Account);
        scene.expect(owned, Rule::OrderPayments, || "a wallet or account without an owner".into());
        Some(Self {
            last_time: scene.now,
            last_seq: scene.seq,
            order: *order,
            method: *method,
            money: *money,
            payer: payer.clone(),
            state: Pending,
            asked: if *method == Method::Card { Asked::Charge } else { Asked::Nothing },
            refunds: SmallVec::new(),
            has_actor: true,
            superseded: false,
        })
    }

    /// The payment that an order secured with its own record.
    pub(super) fn outside(order: OrderId, method: Method, money: Money, payer: Option<CustomerId>) -> Self {
        Self {
            last_time: Timestamp(0),
            last_seq: 0,
            order,
            method,
            money,
            payer,
            state: Paid,
            asked: Asked::Nothing,
            refunds: SmallVec::new(),
            has_actor: false,
            superseded: false,
        }
    }

    /// Takes an event in.
    pub(super) fn take(&mut self, event: &PaymentEvent, books: &mut Books, scene: &mut Scene<'_>) {
        use PaymentEvent as E;
        let amount = i128::from(self.money.amount.0);
        match event {
            E::Created { .. } => scene.fault(Rule::PaymentTwice, "it was created already"),
            E::Opened { order, method, money, payer, .. } => {
                scene.expect(!self.has_actor, Rule::PaymentTwice, || "it was opened already".into());
                let same = (*order, *method, *money, payer) == (self.order, self.method, self.money, &self.payer);
                scene.expect(same, Rule::OrderPayment, || "it was opened as another than its order made it".into());
                self.has_actor = true;
            }
            E::Paid { .. } => {
                self.step(event, Paid, scene);
                self.asked = Asked::Nothing;
                books.secure(self.money.currency, self.method, amount);
            }
            E::Failed { .. } => {
                self.step(event, Failed, scene);
                self.asked = Asked::Nothing;
            }
            E::VoidStarted => {
                let charges = self.state == Pending && self.asked == Asked::Charge;
                scene.expect(charges, Rule::PaymentTransition, || "undone, but no charge was open".into());
                self.asked = Asked::Void;
            }
            E::RefundRequested { number, amount } => {
                self.step(event, Refunding, scene);
                let next = self.refunds.len() as u64 + 1;
                scene.expect(u64::from(*number) == next, Rule::PaymentTransition, || {
                    format!("refund {number} came where {next} was next")
                });
                self.refunds.push(Refund { amount: amount.0, done: None });
                self.asked = if self.method == Method::Card { Asked::Refund } else { Asked::Nothing };
                let sum = self.sum(|refund| refund.done != Some(false));
                let within = amount.0 > 0 && sum <= i128::from(self.money.amount.0);
                scene.expect(within, Rule::RefundExceeds, || format!("{sum} of {} are to go back", self.money));
            }
            E::Refunded { number } => {
                if let Some(gone) = self.end_refund(*number, true, scene) {
                    books.refund(self.money.currency, self.method, gone);
                }
                let to = if self.refunded() == amount { Refunded } else { Paid };
                self.step(event, to, scene);
                self.asked = Asked::Nothing;
            }
            E::RefundFailed { number, .. } => {
                self.end_refund(*number, false, scene);
                self.step(event, Paid, scene);
                self.asked = Asked::Nothing;
            }
            E::RetryScheduled { .. } => {
                let open = self.asked != Asked::Nothing;
                scene.expect(open, Rule::PaymentTransition, || "nothing was open that could be asked again".into());
            }
        }
    }

    /// The table: which events lead out of which state.
    fn step(&mut self, event: &PaymentEvent, to: PaymentState, scene: &mut Scene<'_>) {
        let legal = matches!(
            (self.state, event, to),
            (Pending, PaymentEvent::Paid { .. }, Paid)
                | (Pending, PaymentEvent::Failed { .. }, Failed)
                | (Paid, PaymentEvent::RefundRequested { .. }, Refunding)
                | (Refunding, PaymentEvent::Refunded { .. }, Refunded | Paid)
                | (Refunding, PaymentEvent::RefundFailed { .. }, Paid)
        );
        scene.expect(legal, Rule::PaymentTransition, || {
            format!("{} came to a {} payment", event.name(), self.state.name())
        });
        self.state = to;
    }

    /// Ends a refund that is under way and says how much it was.
    fn end_refund(&mut self, number: u32, done: bool, scene: &mut Scene<'_>) -> Option<i128> {
        let refund = (number as usize).checked_sub(1).and_then(|at| self.refunds.get_mut(at));
        match refund.filter(|refund| refund.done.is_none()) {
            Some(refund) => {
                refund.done = Some(done);
                Some(i128::from(refund.amount))
            }
            None => {
                scene.fault(Rule::PaymentTransition, format!("refund {number} is not under way"));
                None
            }
        }
    }

    fn sum(&self, of: impl Fn(&Refund) -> bool) -> i128 {
        self.refunds.iter().filter(|refund| of(refund)).map(|refund| i128::from(refund.amount)).sum()
    }

    /// What went back.
    pub(super) fn refunded(&self) -> i128 {
        self.sum(|refund| refund.done == Some(true))
    }

    /// How it differs from a snapshot, if it does.
    pub(super) fn differs(&self, state: &stockade_domain::payment::Payment) -> Option<String> {
        let refunds = |state: &stockade_domain::payment::Payment| {
            state.refunds.iter().map(|refund| (refund.amount.0, refund.done)).collect::<Vec<_>>()
        };
        let known = (state.order, state.method, state.money, state.state, refunds(state), state.open.is_some());
        let own = self.refunds.iter().map(|refund| (refund.amount, refund.done)).collect::<Vec<_>>();
        let wanted = (self.order, self.method, self.money, self.state, own, self.asked != Asked::Nothing);
        (known != wanted).then(|| format!("it is {known:?}, not {wanted:?}"))
    }

    /// What was secured.
    pub(super) fn secured(&self) -> i128 {
        if matches!(self.state, Pending | Failed) { 0 } else { i128::from(self.money.amount.0) }
    }
}
