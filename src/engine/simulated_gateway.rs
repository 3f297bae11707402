//! A card gateway for demos and tests: it decides by the token, at once, and does each key at most once.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_actors::ports::{Gateway, GatewayAnswer};
use stockade_domain::payment::gateway::{GatewayCall, GatewayOutcome, Operation};

/// Tokens that it does not simply approve.
pub const DECLINED_TOKEN: &str = "tok_declined";
/// Its answer is lost the first time it is asked; the charge is made.
pub const LOST_ANSWER_TOKEN: &str = "tok_lost_answer";
/// It never answers.
pub const SILENT_TOKEN: &str = "tok_silent";

#[derive(Debug, Default)]
struct Books {
    done: HashMap<String, GatewayOutcome>,
    asked: HashMap<String, u64>,
    captured: i128,
    refunded: i128,
}

/// The gateway; clones share its books.
#[derive(Debug, Default, Clone)]
pub struct SimulatedGateway(Arc<Mutex<Books>>);

impl SimulatedGateway {
    /// What it has captured and what it has given back, in ten-thousandths.
    pub fn totals(&self) -> (i128, i128) {
        let books = self.0.lock();
        (books.captured, books.refunded)
    }

    /// How often it was asked for a key.
    pub fn times_asked(&self, key: &str) -> u64 {
        self.0.lock().asked.get(key).copied().unwrap_or(0)
    }

    fn decide(books: &mut Books, call: &GatewayCall) -> GatewayOutcome {
        let amount = i128::from(call.money.amount.0);
        match &call.operation {
            Operation::Charge { token } if token == DECLINED_TOKEN => {
                GatewayOutcome::Declined { reason: "card declined".into() }
            }
            Operation::Charge { .. } => {
                books.captured += amount;
                GatewayOutcome::Approved { reference: format!("sim-{}", call.payment) }
            }
            Operation::Void => {
                let charge = GatewayCall { operation: Operation::Charge { token: String::new() }, ..call.clone() };
                if let Some(GatewayOutcome::Approved { .. }) = books.done.get(&charge.idempotency_key()) {
                    books.refunded += amount;
                }
                // A charge that arrives after its void is not made.
                let declined = GatewayOutcome::Declined { reason: "voided".into() };
                books.done.insert(charge.idempotency_key(), declined);
                GatewayOutcome::Approved { reference: "void".into() }
            }
            Operation::Refund { .. } => {
                books.refunded += amount;
                GatewayOutcome::Approved { reference: format!("refund-{}", call.payment) }
            }
        }
    }
}

impl Gateway for SimulatedGateway {
    fn call(&self, call: GatewayCall) -> GatewayAnswer {
        let key = call.idempotency_key();
        let token = match &call.operation {
            Operation::Charge { token } => token.clone(),
            _ => String::new(),
        };
        if token == SILENT_TOKEN {
            return Box::pin(std::future::pending());
        }
        let mut books = self.0.lock();
        let asked = books.asked.entry(key.clone()).or_default();
        *asked += 1;
        let first = *asked == 1;
        let outcome = match books.done.get(&key) {
            Some(outcome) => outcome.clone(),
            None => {
                let outcome = Self::decide(&mut books, &call);
                books.done.insert(key, outcome.clone());
                outcome
            }
        };
        let lost = first && token == LOST_ANSWER_TOKEN;
        let heard = if lost { GatewayOutcome::Unknown { reason: "connection lost".into() } } else { outcome };
        Box::pin(std::future::ready(heard))
    }
}
