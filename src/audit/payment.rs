//! The auditor's own fold of payments, with a table of transitions of its own.

use smallvec::SmallVec;
use stockade_domain::payment::gateway::ActionKind;
use stockade_domain::payment::{Method, PaymentEvent, PaymentState};
use stockade_domain::{CustomerId, Money, OrderId, PaymentId, Timestamp};

use super::ledger::Books;
use super::report::{Rule, Scene};

/// What the gateway was asked and has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Charge,
    Void,
    Refund,
    /// Taking what is set aside, or setting it aside anew.
    Capture,
}

/// A refund: how much, and how it ended if it did.
#[derive(Debug, Clone, Copy)]
struct Refund {
    amount: i64,
    done: Option<bool>,
    /// Of what was taken beyond what the payment is for; its order does not know of it.
    surplus: bool,
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
    /// What was taken.
    captured: i128,
    /// What was asked for, of the capture under way.
    capturing: Option<(u32, i128)>,
    captures: u32,
    set_aside: i128,
    /// How much more may be taken.
    overcapture: i128,
    /// The payment that failed, of which it is another try.
    pub(super) retry_of: Option<PaymentId>,
    /// Another amount or currency moved than was asked for: all of it goes back.
    broken: bool,
    disputed: i128,
    charged_back: i128,
    /// A refund had gone back and came again.
    reversed: bool,
    /// It came when nobody waited for it and goes back by itself: its order counts it as failed.
    pub(super) automatic: bool,
    /// Its gateway is not asked any more until somebody says so.
    given_up: bool,
    /// It has records of its own; one that its order secured has none until some of it goes back.
    has_actor: bool,
    /// It goes on only when the buyer has acted.
    pub(super) asks_the_buyer: bool,
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
        let (overcapture, retry_of) = match event {
            PaymentEvent::Created { overcapture, retry_of, .. } => (overcapture.0, *retry_of),
            _ => (0, None),
        };
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
            captured: 0,
            capturing: None,
            captures: 0,
            set_aside: 0,
            overcapture: i128::from(overcapture),
            retry_of,
            broken: false,
            disputed: 0,
            charged_back: 0,
            reversed: false,
            automatic: false,
            given_up: false,
            has_actor: true,
            asks_the_buyer: false,
            superseded: false,
        })
    }

    /// The payment that an order secured with its own record.
    pub(super) fn paid_at_once(order: OrderId, method: Method, money: Money, payer: Option<CustomerId>) -> Self {
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
            captured: i128::from(money.amount.0),
            capturing: None,
            captures: 0,
            set_aside: 0,
            overcapture: 0,
            retry_of: None,
            broken: false,
            disputed: 0,
            charged_back: 0,
            reversed: false,
            automatic: false,
            given_up: false,
            has_actor: false,
            asks_the_buyer: false,
            superseded: false,
        }
    }

    /// Takes an event in.
    pub(super) fn take(&mut self, event: &PaymentEvent, books: &mut Books, scene: &mut Scene<'_>) {
        use PaymentEvent as E;
        let amount = i128::from(self.money.amount.0);
        self.asks_the_buyer = match event {
            E::ActionRequired { kind, .. } => *kind != ActionKind::Review,
            // The gateway is asked again how it stands meanwhile.
            E::RetryScheduled { .. } | E::Queued { .. } => self.asks_the_buyer,
            _ => false,
        };
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
                self.captured = amount;
                books.secure(self.money.currency, self.method, amount);
            }
            E::Failed { .. } | E::Cancelled { .. } | E::Lapsed { .. } | E::AuthenticationFailed { .. } => {
                self.step(event, Failed, scene);
                self.asked = Asked::Nothing;
            }
            E::VoidStarted => {
                let charges = self.state == Pending && self.method == Method::Card && self.asked != Asked::Void;
                scene.expect(charges, Rule::PaymentTransition, || "undone, but no charge was open".into());
                self.asked = Asked::Void;
            }
            E::RefundRequested { number, amount } => {
                self.request_refund(event, *number, amount.0, scene);
            }
            E::SurplusRequested { number, amount } => {
                let over = i128::from(amount.0) <= self.surplus();
                scene.expect(over, Rule::RefundExceeds, || format!("{} goes back as surplus, and is none", amount.0));
                self.request_refund(event, *number, amount.0, scene);
            }
            E::RefundDeferred { .. } => {
                let busy = self.refunds.last().is_some_and(|last| last.surplus && last.done.is_none());
                scene.expect(busy, Rule::PaymentTransition, || "a refund waits for no surplus".into());
            }
            E::Refunded { number } => {
                if let Some(gone) = self.end_refund(*number, true, scene) {
                    books.refund(self.money.currency, self.method, gone);
                }
                let to = self.after_going_back();
                self.step(event, to, scene);
                self.asked = Asked::Nothing;
            }
            E::RefundFailed { number, .. } => {
                self.end_refund(*number, false, scene);
                self.step(event, Paid, scene);
                self.asked = Asked::Nothing;
            }
            E::RetryScheduled { .. } | E::Queued { .. } | E::GivenUp { .. } => {
                self.given_up |= matches!(event, E::GivenUp { .. });
                // What had gone back by itself and came again waits for an operator, too.
                let open = self.asked != Asked::Nothing || self.reversed;
                scene.expect(open, Rule::PaymentTransition, || "nothing was open that could be asked again".into());
            }
            E::Resumed => self.given_up = false,
            E::ActionRequired { .. } | E::ActionDone | E::AbandonNoted => {}
            E::IntegrityBroken { asked, moved, currency } => {
                let wrong = asked != moved || currency.is_some_and(|currency| currency != self.money.currency);
                self.broken = true;
                scene.expect(wrong, Rule::PaymentTransition, || "nothing was wrong with the amount".into());
            }
            E::SettlementSent | E::Settled => {
                let paid = self.state == Paid;
                scene.expect(paid, Rule::PaymentTransition, || "settled, but it is not paid".into());
            }
            E::LateSuccess { .. } => {
                self.automatic = true;
                self.state = if self.state == Failed { Pending } else { self.state };
            }
            _ => self.take_parts(event, books, scene),
        }
    }

    /// Whether money came that nobody waited for, and does not go back.
    pub(super) fn keeps_what_nobody_waits_for(&self) -> bool {
        let is_open = self.asked != Asked::Nothing || self.given_up || self.is_questioned();
        let keeps = if self.automatic { self.secured() > self.refunded() } else { self.surplus() > 0 };
        keeps && !is_open && self.state == Paid
    }

    fn request_refund(&mut self, event: &PaymentEvent, number: u32, amount: i64, scene: &mut Scene<'_>) {
        self.step(event, Refunding, scene);
        let next = self.refunds.len() as u64 + 1;
        scene.expect(u64::from(number) == next, Rule::PaymentTransition, || {
            format!("refund {number} came where {next} was next")
        });
        let surplus = matches!(event, PaymentEvent::SurplusRequested { .. });
        self.refunds.push(Refund { amount, done: None, surplus });
        self.asked = if self.method == Method::Card { Asked::Refund } else { Asked::Nothing };
        let sum = self.sum(|refund| refund.done != Some(false));
        let within = amount > 0 && sum + self.charged_back <= self.captured;
        scene.expect(within, Rule::RefundExceeds, || {
            format!("{sum} of {} are to go back, where {} was taken", self.money, self.captured)
        });
    }

    /// What was taken beyond what it is for, and is not on its way back.
    fn surplus(&self) -> i128 {
        let gone = self.sum(|refund| refund.surplus && refund.done != Some(false));
        (self.captured - i128::from(self.money.amount.0) - gone).max(0)
    }

    /// What went back of what its order knows.
    pub(super) fn refunded_to_order(&self) -> i128 {
        self.sum(|refund| !refund.surplus && refund.done == Some(true))
    }

    /// Whether its order can see it so: of a surplus it knows nothing.
    pub(super) fn is_seen_as(&self, state: PaymentState) -> bool {
        let returns_surplus = self.refunds.last().is_some_and(|last| last.surplus && last.done.is_none());
        let keeps_only_surplus = self.refunded_to_order() + self.charged_back == i128::from(self.money.amount.0);
        self.state == state
            || self.state == Refunding && returns_surplus && state == Paid
            || self.state == Paid
                && self.captured > i128::from(self.money.amount.0)
                && keeps_only_surplus
                && state == Refunded
    }

    /// What is set aside, taken in parts, and taken back by a bank.
    fn take_parts(&mut self, event: &PaymentEvent, books: &mut Books, scene: &mut Scene<'_>) {
        use PaymentEvent as E;
        let currency = self.money.currency;
        match event {
            E::Authorized { amount, .. } => {
                let open = self.state == Pending && self.asked == Asked::Charge && amount.0 > 0;
                let within = amount.0 <= self.money.amount.0;
                scene.expect(open && within, Rule::PaymentTransition, || "set aside, but not asked for".into());
                self.set_aside = i128::from(amount.0);
                self.asked = Asked::Nothing;
            }
            E::CaptureStarted { number, amount } => {
                self.captures += 1;
                let within = self.captured + i128::from(amount.0) <= self.set_aside && amount.0 > 0;
                let next = *number == self.captures && self.asked == Asked::Nothing;
                scene.expect(within && next, Rule::PaymentTransition, || "more is taken than is set aside".into());
                self.capturing = Some((*number, i128::from(amount.0)));
                self.asked = Asked::Capture;
            }
            E::Captured { number, moved, .. } => {
                let known = self.capturing.take().is_some_and(|(open, _)| open == *number) && moved.0 > 0;
                scene.expect(known, Rule::PaymentTransition, || "taken, but not asked for".into());
                self.captured += i128::from(moved.0);
                let most = self.set_aside + self.overcapture;
                scene.expect(self.captured <= most || self.broken, Rule::CaptureExceeds, || {
                    format!("{} is taken, where {} was set aside", self.captured, self.set_aside)
                });
                books.secure(currency, self.method, i128::from(moved.0));
                self.step(event, Paid, scene);
                self.asked = Asked::Nothing;
            }
            E::CaptureFailed { number, .. } => {
                let known = self.capturing.take().is_some_and(|(open, _)| open == *number);
                scene.expect(known, Rule::PaymentTransition, || "not taken, but not asked for either".into());
                self.asked = Asked::Nothing;
            }
            E::RenewalStarted { .. } => {
                let idle = self.asked == Asked::Nothing && self.set_aside > 0;
                scene.expect(idle, Rule::PaymentTransition, || "nothing was set aside".into());
                self.asked = Asked::Capture;
            }
            E::Renewed { .. } => self.asked = Asked::Nothing,
            E::RefundReversed { number } => {
                let refund = (*number as usize).checked_sub(1).and_then(|at| self.refunds.get_mut(at));
                match refund.filter(|refund| refund.done == Some(true)) {
                    Some(refund) => {
                        refund.done = Some(false);
                        self.reversed = true;
                        self.state = Paid;
                        books.secure(currency, self.method, i128::from(refund.amount));
                    }
                    None => scene.fault(Rule::PaymentTransition, format!("refund {number} had not gone back")),
                }
            }
            E::DisputeOpened { amount, .. } => {
                let left = self.captured - self.refunded() - self.charged_back;
                let within = self.state == Paid && amount.0 > 0 && i128::from(amount.0) <= left;
                scene.expect(within, Rule::RefundExceeds, || format!("{} are questioned of {left}", amount.0));
                self.disputed = i128::from(amount.0);
            }
            E::DisputeWon => self.disputed = 0,
            E::DisputeLost => self.step(event, Refunding, scene),
            E::ChargedBack { amount } => {
                let amount = i128::from(amount.0);
                let questioned = amount == std::mem::take(&mut self.disputed);
                scene.expect(questioned, Rule::RefundExceeds, || "another amount was questioned".into());
                self.charged_back += amount;
                books.charge_back(currency, self.method, amount);
                self.step(event, self.after_going_back(), scene);
            }
            _ => scene.fault(Rule::PaymentTransition, format!("{} is not an event of a payment's parts", event.name())),
        }
    }

    /// Where it stands when some has gone back.
    fn after_going_back(&self) -> PaymentState {
        if self.refunded() + self.charged_back == self.captured { Refunded } else { Paid }
    }

    /// The table: which events lead out of which state.
    fn step(&mut self, event: &PaymentEvent, to: PaymentState, scene: &mut Scene<'_>) {
        let legal = matches!(
            (self.state, event, to),
            (Pending, PaymentEvent::Paid { .. }, Paid)
                | (Pending | Paid, PaymentEvent::Captured { .. }, Paid)
                | (Pending, PaymentEvent::Failed { .. } | PaymentEvent::Cancelled { .. }, Failed)
                | (Pending, PaymentEvent::Lapsed { .. } | PaymentEvent::AuthenticationFailed { .. }, Failed)
                | (Paid, PaymentEvent::DisputeLost, Refunding)
                | (Refunding, PaymentEvent::ChargedBack { .. }, Refunded | Paid)
                | (Paid, PaymentEvent::RefundRequested { .. } | PaymentEvent::SurplusRequested { .. }, Refunding)
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
        let taken = i128::from(state.captured().0);
        let known = (state.order, state.method, state.money, state.state, refunds(state), state.open.is_some(), taken);
        let own = self.refunds.iter().map(|refund| (refund.amount, refund.done)).collect::<Vec<_>>();
        let wanted =
            (self.order, self.method, self.money, self.state, own, self.asked != Asked::Nothing, self.captured);
        (known != wanted).then(|| format!("it is {known:?}, not {wanted:?}"))
    }

    /// Whether it can be another try of that payment, which failed.
    pub(super) fn can_retry(&self, failed: &Self) -> bool {
        let same = (failed.order, failed.method, failed.money) == (self.order, self.method, self.money);
        same && self.method == Method::Card && (failed.state == Failed || failed.automatic)
    }

    /// What was secured.
    pub(super) const fn secured(&self) -> i128 {
        self.captured
    }

    /// Whether its order may still wait for the rest of it.
    pub(super) fn is_taken_in_part(&self) -> bool {
        self.state == Paid && self.captures > 0 && self.captured < i128::from(self.money.amount.0)
    }

    /// Whether a bank's doing has moved it away from what its order knows.
    pub(super) fn is_questioned(&self) -> bool {
        self.charged_back > 0
    }
}
