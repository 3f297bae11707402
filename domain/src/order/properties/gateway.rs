//! A gateway that does each thing at most once under its key, and may or may not say so. It may set aside where it is asked
//! to take, take less than it is asked for, want the buyer first, find that nothing can be undone any more, and take money
//! that it had declined.

use std::collections::{BTreeMap, BTreeSet};

use crate::payment::gateway::{ActionKind, GatewayCall, GatewayOutcome, Operation};
use crate::{Amount, Money, PaymentId, Timestamp};

/// What chance decides about a call: whether it is heard, approved, and answered in words that arrive; and how odd it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Luck {
    pub(super) heard: bool,
    pub(super) approves: bool,
    pub(super) answers: bool,
    /// Up to here everything is plain.
    pub(super) odd: u8,
}

/// Luck without anything odd in it.
pub(super) const PLAIN: u8 = 0;

/// A card as the gateway sees it.
#[derive(Debug, Default)]
struct Card {
    set_aside: i64,
    taken: i64,
    /// All of what a charge asked for.
    charged: bool,
    voided: bool,
}

#[derive(Debug, Default)]
pub(super) struct Gateway {
    /// Every call ever made; each may be answered, repeated and answered again in any order.
    pub(super) calls: Vec<GatewayCall>,
    /// What was decided, by key.
    decided: BTreeMap<String, GatewayOutcome>,
    cards: BTreeMap<PaymentId, Card>,
    /// Payments whose buyer was asked to act.
    asked: BTreeSet<PaymentId>,
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
    pub(super) fn answer(&mut self, call: &GatewayCall, luck: Luck, now: Timestamp) -> GatewayOutcome {
        let unknown = || GatewayOutcome::Unknown { reason: "timeout".into() };
        if !luck.heard {
            return unknown();
        }
        let begins = matches!(call.operation, Operation::Charge { .. } | Operation::Authorize { .. });
        let is_decided = self.decided.contains_key(&call.idempotency_key());
        if begins && !is_decided && luck.odd == 1 && self.asked.insert(call.payment) {
            let next = "https://bank.example".to_owned();
            return GatewayOutcome::ActionRequired { kind: ActionKind::Authentication, next };
        }
        let outcome = self.decide(call, luck, now);
        if luck.answers { outcome } else { unknown() }
    }

    fn decide(&mut self, call: &GatewayCall, luck: Luck, now: Timestamp) -> GatewayOutcome {
        let key = call.idempotency_key();
        let card = self.cards.entry(call.payment).or_default();
        // What it has declined it finds done after all.
        let relents = luck.odd == 2
            && luck.approves
            && matches!(call.operation, Operation::Charge { .. })
            && matches!(self.decided.get(&key), Some(GatewayOutcome::Declined { .. }))
            && !card.voided;
        if let Some(before) = self.decided.get(&key).filter(|_| !relents) {
            return before.clone();
        }
        let outcome = card.decide(call, luck, now);
        self.decided.insert(key, outcome.clone());
        outcome
    }

    /// Money taken and not given back.
    pub(super) fn taken(&self, payment: PaymentId) -> Amount {
        self.cards.get(&payment).map_or(Amount::ZERO, |card| Amount(card.taken))
    }
}

impl Card {
    fn decide(&mut self, call: &GatewayCall, luck: Luck, now: Timestamp) -> GatewayOutcome {
        let (reference, amount) = (call.idempotency_key(), call.money.amount.0);
        let declined = || GatewayOutcome::Declined { reason: "declined".into() };
        let expires_at = (luck.odd == 3).then(|| now.plus_seconds(600));
        match call.operation {
            Operation::Void => self.undo(reference, call.money, luck),
            Operation::Refund { .. } if !luck.approves => declined(),
            Operation::Refund { .. } => {
                self.taken -= amount;
                GatewayOutcome::Approved { reference }
            }
            _ if self.voided || !luck.approves => declined(),
            Operation::Charge { .. } if luck.odd == 4 => {
                // It only sets aside, and wants to be asked again.
                self.set_aside = amount;
                GatewayOutcome::Authorized { reference, money: None, expires_at }
            }
            Operation::Charge { .. } => {
                (self.taken, self.charged) = (self.taken + amount, true);
                match luck.odd {
                    5 => GatewayOutcome::Moved { reference, money: call.money },
                    _ => GatewayOutcome::Approved { reference },
                }
            }
            Operation::Authorize { .. } => {
                self.set_aside = if luck.odd == 5 { self.part_of(call) } else { amount };
                GatewayOutcome::Authorized {
                    reference,
                    money: Some(Money::new(Amount(self.set_aside), call.money.currency)),
                    expires_at,
                }
            }
            Operation::Capture { .. } => {
                let moved = if luck.odd == 5 { self.part_of(call) } else { amount };
                self.set_aside -= moved;
                self.taken += moved;
                GatewayOutcome::Moved { reference, money: Money::new(Amount(moved), call.money.currency) }
            }
            Operation::Renew { .. } => GatewayOutcome::Authorized { reference, money: None, expires_at },
        }
    }

    /// Half of it, but something.
    fn part_of(&self, call: &GatewayCall) -> i64 {
        let unit = call.money.currency.minor_unit();
        (call.money.amount.0 / unit / 2).max(1) * unit
    }

    /// It undoes everything, or says that all of what a charge asked for has moved.
    fn undo(&mut self, reference: String, money: Money, luck: Luck) -> GatewayOutcome {
        if self.charged && self.taken == money.amount.0 && luck.odd >= 4 {
            return GatewayOutcome::AlreadyMoved { reference };
        }
        (self.voided, self.set_aside) = (true, 0);
        match std::mem::take(&mut self.taken) {
            0 => GatewayOutcome::Approved { reference },
            _ if luck.odd == 3 => GatewayOutcome::Moved { reference, money },
            _ => GatewayOutcome::Approved { reference },
        }
    }
}
