//! The card gateway of a model: calls wait until the model says what becomes of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_actors::ports::{Gateway, GatewayAnswer};
use stockade_domain::PaymentId;
use stockade_domain::payment::gateway::{GatewayCall, GatewayOutcome, Operation};

/// What a card has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// Money taken, in ten-thousandths.
    pub taken: i64,
    /// Money given back.
    pub given_back: i64,
    /// How often money was taken.
    pub charges: u32,
    /// Undone: what comes later is not done.
    pub voided: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It is not done, and that is the answer.
    Declined,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is not done, and nobody answers.
    RequestLost,
}

#[derive(Default)]
pub struct Books {
    /// Calls that wait.
    pub calls: Vec<GatewayCall>,
    /// The answer under each idempotency key.
    pub done: BTreeMap<String, GatewayOutcome>,
    /// What happened, by payment.
    pub cards: BTreeMap<PaymentId, Card>,
    /// A twin: keys mean nothing to it.
    pub forgets_keys: bool,
}

/// A handle on it.
#[derive(Clone, Default)]
pub struct ModelGateway(pub Arc<Mutex<Books>>);

impl Gateway for ModelGateway {
    fn call(&self, call: GatewayCall) -> GatewayAnswer {
        self.0.lock().calls.push(call);
        // The model delivers the answer itself.
        Box::pin(std::future::pending())
    }
}

impl Books {
    /// Carries out what becomes of a waiting call; the answer, if there is one.
    pub fn settle(&mut self, at: usize, fate: Fate) -> Option<(GatewayCall, GatewayOutcome)> {
        let call = self.calls.remove(at);
        if fate == Fate::RequestLost {
            return None;
        }
        let key = call.idempotency_key();
        let known = self.done.get(&key).filter(|_| !self.forgets_keys).cloned();
        let outcome = known.unwrap_or_else(|| self.carry_out(&call, fate == Fate::Declined));
        self.done.insert(key, outcome.clone());
        (fate != Fate::AnswerLost).then_some((call, outcome))
    }

    /// Whether the call may still be declined.
    pub fn is_open(&self, call: &GatewayCall) -> bool {
        matches!(call.operation, Operation::Charge { .. }) && !self.done.contains_key(&call.idempotency_key())
    }

    fn carry_out(&mut self, call: &GatewayCall, declined: bool) -> GatewayOutcome {
        let (card, amount) = (self.cards.entry(call.payment).or_default(), call.money.amount.0);
        let reference = "done".to_owned();
        match &call.operation {
            Operation::Charge { .. } if declined || card.voided => {
                GatewayOutcome::Declined { reason: "declined".into() }
            }
            Operation::Charge { .. } => {
                card.taken += amount;
                card.charges += 1;
                GatewayOutcome::Approved { reference }
            }
            Operation::Void => {
                card.voided = true;
                card.given_back = card.taken;
                GatewayOutcome::Approved { reference }
            }
            Operation::Refund { .. } => {
                card.given_back += amount;
                GatewayOutcome::Approved { reference }
            }
            other => GatewayOutcome::Declined { reason: format!("{other:?} is not in the model") },
        }
    }
}
