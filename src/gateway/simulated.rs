//! A card gateway for demos and tests. It does each key once, in books of its own that tests can ask, and loses, delays
//! and repeats what its script says.
//!
//! Without a script it decides by the token, at once. A script is asked before every call and says its [`Fate`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_actors::ports::{Gateway, GatewayAnswer};
use stockade_domain::payment::gateway::{ActionKind, GatewayCall, GatewayOutcome, Operation};
use stockade_domain::{Amount, Money, PaymentId};
use tokio::sync::oneshot;

/// It is declined.
pub const DECLINED_TOKEN: &str = "tok_declined";
/// Its answer is lost the first time it is asked; the charge is made.
pub const LOST_ANSWER_TOKEN: &str = "tok_lost_answer";
/// It is lost on the way there the first time it is asked.
pub const LOST_REQUEST_TOKEN: &str = "tok_lost_request";
/// It never answers.
pub const SILENT_TOKEN: &str = "tok_silent";
/// It wants the buyer to prove who they are, until [`SimulatedGateway::authenticate`] says that they did.
pub const AUTHENTICATION_TOKEN: &str = "tok_authentication";
/// It only sets the money aside when it is asked to charge.
pub const TWO_STEP_TOKEN: &str = "tok_two_step";

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Answer,
    /// It is refused.
    Decline,
    /// It is lost before it has an effect.
    LoseRequest,
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is done, and answered when [`SimulatedGateway::release`] says so.
    Hold,
    /// It is never answered, and nothing is done.
    Silence,
    /// This much more (or less) moves than was asked for, in ten-thousandths.
    MoveOther(i64),
    /// It is done and answered; but what has been taken cannot be undone, only refunded.
    CannotUndo,
}

/// What the gateway tells by itself after it has done something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Whose call it was.
    pub payment: PaymentId,
    /// What was asked.
    pub operation: Operation,
    /// What it has done.
    pub outcome: GatewayOutcome,
}

/// What moved for one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Card {
    /// What is set aside.
    pub set_aside: i64,
    /// What was taken.
    pub captured: i64,
    /// How often something was taken.
    pub captures: u32,
    /// What went back.
    pub refunded: i64,
    voided: bool,
    authenticated: bool,
}

type Script = Box<dyn FnMut(&GatewayCall, u64) -> Fate + Send>;

#[derive(Default)]
struct Books {
    done: HashMap<String, GatewayOutcome>,
    asked: HashMap<String, u64>,
    cards: BTreeMap<PaymentId, Card>,
    held: HashMap<String, Vec<oneshot::Sender<GatewayOutcome>>>,
    callbacks: Vec<Callback>,
    script: Option<Script>,
}

/// The gateway; clones share its books.
#[derive(Default, Clone)]
pub struct SimulatedGateway(Arc<Mutex<Books>>);

impl SimulatedGateway {
    /// What it has captured and what it has given back, in ten-thousandths.
    pub fn totals(&self) -> (i128, i128) {
        let books = self.0.lock();
        let sum = |of: fn(&Card) -> i64| books.cards.values().map(|card| i128::from(of(card))).sum();
        (sum(|card| card.captured), sum(|card| card.refunded))
    }

    /// How often it was asked for a key.
    pub fn times_asked(&self, key: &str) -> u64 {
        self.0.lock().asked.get(key).copied().unwrap_or(0)
    }

    /// How often it was asked at all.
    pub fn times_asked_in_all(&self) -> u64 {
        self.0.lock().asked.values().sum()
    }

    /// What really moved for a payment.
    pub fn card(&self, payment: PaymentId) -> Card {
        self.0.lock().cards.get(&payment).copied().unwrap_or_default()
    }

    /// What really moved, for every payment it knows.
    pub fn cards(&self) -> Vec<(PaymentId, Card)> {
        self.0.lock().cards.iter().map(|(payment, card)| (*payment, *card)).collect()
    }

    /// Asks this before every call; it is told the call and how often its key came before.
    pub fn script(&self, script: impl FnMut(&GatewayCall, u64) -> Fate + Send + 'static) {
        self.0.lock().script = Some(Box::new(script));
    }

    /// Answers what is held for a key.
    pub fn release(&self, key: &str) {
        let mut books = self.0.lock();
        let outcome = books.done.get(key).cloned();
        let outcome = outcome.unwrap_or_else(|| GatewayOutcome::Unknown { reason: "never asked".into() });
        for waiting in books.held.remove(key).unwrap_or_default() {
            // Whoever waited may have given up.
            let _ = waiting.send(outcome.clone());
        }
    }

    /// The buyer proves who they are.
    pub fn authenticate(&self, payment: PaymentId) {
        self.0.lock().cards.entry(payment).or_default().authenticated = true;
    }

    /// What it had given back comes again: the buyer's bank does not take it, and the card has it again as taken.
    pub fn send_back(&self, payment: PaymentId, amount: i64) {
        let mut books = self.0.lock();
        let card = books.cards.entry(payment).or_default();
        card.refunded -= amount.min(card.refunded);
    }

    /// What it would tell by itself about what it did since it was asked last; in the order in which it did it.
    pub fn take_callbacks(&self) -> Vec<Callback> {
        std::mem::take(&mut self.0.lock().callbacks)
    }
}

impl std::fmt::Debug for SimulatedGateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SimulatedGateway").field(&self.totals()).finish()
    }
}

impl Books {
    fn fate(&mut self, call: &GatewayCall, before: u64) -> Fate {
        if let Some(script) = &mut self.script {
            return script(call, before);
        }
        match token(&call.operation) {
            DECLINED_TOKEN => Fate::Decline,
            LOST_ANSWER_TOKEN if before == 0 => Fate::LoseAnswer,
            LOST_REQUEST_TOKEN if before == 0 => Fate::LoseRequest,
            SILENT_TOKEN => Fate::Silence,
            _ => Fate::Answer,
        }
    }

    /// Does a call unless its key was done before; what is not final is not kept.
    fn handle(&mut self, call: &GatewayCall, fate: &Fate) -> GatewayOutcome {
        let key = call.idempotency_key();
        if let Some(done) = self.done.get(&key) {
            return done.clone();
        }
        let extra = if let Fate::MoveOther(extra) = fate { *extra } else { 0 };
        let outcome = match fate {
            Fate::Decline => GatewayOutcome::Declined { reason: "card declined".into() },
            _ => self.decide(call, extra, *fate != Fate::CannotUndo),
        };
        if outcome.is_final() {
            self.done.insert(key, outcome.clone());
            let (payment, operation) = (call.payment, call.operation.clone());
            self.callbacks.push(Callback { payment, operation, outcome: outcome.clone() });
        }
        outcome
    }

    fn decide(&mut self, call: &GatewayCall, extra: i64, can_undo: bool) -> GatewayOutcome {
        let card = self.cards.entry(call.payment).or_default();
        let amount = call.money.amount.0;
        let reference = format!("sim-{}", call.idempotency_key());
        let took = move |card: &mut Card| {
            card.captured += amount + extra;
            card.captures += 1;
        };
        match &call.operation {
            Operation::Charge { .. } | Operation::Authorize { .. } | Operation::Capture { .. } if card.voided => {
                GatewayOutcome::Declined { reason: "voided".into() }
            }
            Operation::Charge { token } | Operation::Authorize { token }
                if token == AUTHENTICATION_TOKEN && !card.authenticated =>
            {
                let next = format!("https://gateway.example/authenticate/{}", call.payment);
                GatewayOutcome::ActionRequired { kind: ActionKind::Authentication, next }
            }
            Operation::Charge { token } if token != TWO_STEP_TOKEN => {
                took(card);
                moved(reference, call.money, extra)
            }
            Operation::Charge { .. } | Operation::Authorize { .. } => {
                card.set_aside = amount;
                GatewayOutcome::Authorized { reference, money: Some(call.money), expires_at: None }
            }
            Operation::Capture { .. } if card.captured + amount > card.set_aside => {
                GatewayOutcome::Declined { reason: "more than is set aside".into() }
            }
            Operation::Capture { .. } => {
                took(card);
                moved(reference, call.money, extra)
            }
            Operation::Renew { .. } => GatewayOutcome::Authorized { reference, money: None, expires_at: None },
            Operation::Void if !can_undo && card.captured > card.refunded => GatewayOutcome::AlreadyMoved { reference },
            Operation::Void => {
                // A charge that arrives after its void is not made.
                card.voided = true;
                card.set_aside = 0;
                card.refunded = card.captured;
                GatewayOutcome::Approved { reference }
            }
            Operation::Refund { .. } if card.refunded + amount > card.captured => {
                GatewayOutcome::Declined { reason: "more than was taken".into() }
            }
            Operation::Refund { .. } => {
                card.refunded += amount;
                GatewayOutcome::Approved { reference }
            }
        }
    }
}

fn moved(reference: String, asked: Money, extra: i64) -> GatewayOutcome {
    match extra {
        0 => GatewayOutcome::Approved { reference },
        _ => GatewayOutcome::Moved { reference, money: Money::new(Amount(asked.amount.0 + extra), asked.currency) },
    }
}

fn token(operation: &Operation) -> &str {
    match operation {
        Operation::Charge { token } | Operation::Authorize { token } => token,
        _ => "",
    }
}

impl Gateway for SimulatedGateway {
    fn call(&self, call: GatewayCall) -> GatewayAnswer {
        let key = call.idempotency_key();
        let mut books = self.0.lock();
        let asked = books.asked.entry(key.clone()).or_default();
        let before = *asked;
        *asked += 1;
        let fate = books.fate(&call, before);
        let unknown = |reason: &str| GatewayOutcome::Unknown { reason: reason.into() };
        if fate == Fate::Silence {
            return Box::pin(std::future::pending());
        }
        if fate == Fate::LoseRequest {
            return Box::pin(std::future::ready(unknown("the request was lost")));
        }
        let outcome = books.handle(&call, &fate);
        match fate {
            Fate::LoseAnswer => Box::pin(std::future::ready(unknown("connection lost"))),
            Fate::Hold => {
                let (answer, answered) = oneshot::channel();
                books.held.entry(key).or_default().push(answer);
                Box::pin(async move {
                    answered.await.unwrap_or_else(|_| GatewayOutcome::Unknown { reason: "the gateway is gone".into() })
                })
            }
            _ => Box::pin(std::future::ready(outcome)),
        }
    }
}
