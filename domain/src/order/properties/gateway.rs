//! A gateway that does each thing at most once under its key, and may or may not say so.

use std::collections::BTreeMap;

use crate::payment::gateway::{GatewayCall, GatewayOutcome, Operation};
use crate::{Amount, PaymentId};

/// What chance decides about a call: whether it is heard, approved, and answered in words that arrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Luck {
    pub(super) heard: bool,
    pub(super) approves: bool,
    pub(super) answers: bool,
}

#[derive(Debug, Default)]
pub(super) struct Gateway {
    /// Every call ever made; each may be answered, repeated and answered again in any order.
    pub(super) calls: Vec<GatewayCall>,
    /// What was decided, by key: approved or not.
    decided: BTreeMap<String, bool>,
    /// Money taken from the card of each payment.
    taken: BTreeMap<PaymentId, Amount>,
}

impl Gateway {
    pub(super) fn call(&mut self, call: GatewayCall) {
        let same = |known: &&GatewayCall| known.idempotency_key() == call.idempotency_key();
        if let Some(known) = self.calls.iter().find(same) {
            assert_eq!(*known, call, "one key, one call");
        }
        self.calls.push(call);
    }

    /// Handles a call and answers it.
    pub(super) fn answer(&mut self, call: &GatewayCall, luck: Luck) -> GatewayOutcome {
        let unknown = || GatewayOutcome::Unknown { reason: "timeout".into() };
        if !luck.heard {
            return unknown();
        }
        let approved = self.decide(call, luck.approves);
        match (luck.answers, approved) {
            (false, _) => unknown(),
            (true, true) => GatewayOutcome::Approved { reference: call.idempotency_key() },
            (true, false) => GatewayOutcome::Declined { reason: "declined".into() },
        }
    }

    fn decide(&mut self, call: &GatewayCall, approves: bool) -> bool {
        let voided = self.decided.contains_key(&format!("{}:void", call.payment));
        let approved = match call.operation {
            // A void always works, and nothing can be charged after it.
            Operation::Void => true,
            Operation::Charge { .. } => approves && !voided,
            Operation::Refund { .. } => approves,
            Operation::Authorize { .. } | Operation::Capture { .. } | Operation::Renew { .. } => {
                panic!("no payment of these orders is captured later")
            }
        };
        if let Some(before) = self.decided.get(&call.idempotency_key()) {
            return *before;
        }
        self.decided.insert(call.idempotency_key(), approved);
        let taken = self.taken.entry(call.payment).or_default();
        match call.operation {
            Operation::Charge { .. } if approved => taken.0 += call.money.amount.0,
            Operation::Refund { .. } if approved => taken.0 -= call.money.amount.0,
            Operation::Void => taken.0 = 0,
            _ => {}
        }
        approved
    }

    /// Money taken and not given back.
    pub(super) fn taken(&self, payment: PaymentId) -> Amount {
        self.taken.get(&payment).copied().unwrap_or_default()
    }
}
