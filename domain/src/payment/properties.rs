//! Whatever a gateway loses, repeats and reorders, and whatever callers ask meanwhile: money moves once for each payment
//! and operation, and in the end the books say what the gateway's own books say.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::gateway::{ActionKind, GatewayCall, GatewayOutcome, Notice, Operation};
use super::{Method, Payment, PaymentAsk, PaymentCommand, PaymentEvent, PaymentState, Stage, decide, first_call};
use crate::ledger::{self, Ledger, LedgerAccount};
use crate::{Amount, Money, OrderId, PaymentId, Timestamp};

const START: Timestamp = Timestamp(1_700_000_000_000_000);

fn eur(amount: i64) -> Money {
    Money::new(Amount(amount), "EUR".parse().unwrap())
}

/// A gateway with books of its own, which does each key once.
#[derive(Default)]
struct Gateway {
    done: BTreeMap<String, GatewayOutcome>,
    asked: BTreeSet<String>,
    moved: i64,
    set_aside: i64,
    voided: bool,
    captured_of_set_aside: bool,
    charged_back: i64,
}

impl Gateway {
    /// Handles a call; what it decides for a key stays so.
    fn handle(&mut self, call: &GatewayCall, luck: u8) -> GatewayOutcome {
        let key = call.idempotency_key();
        self.asked.insert(key.clone());
        if let Some(done) = self.done.get(&key) {
            return done.clone();
        }
        let outcome = self.decide(call, luck);
        if outcome.is_final() {
            self.done.insert(key, outcome.clone());
        }
        outcome
    }

    fn decide(&mut self, call: &GatewayCall, luck: u8) -> GatewayOutcome {
        let (amount, reference) = (call.money.amount.0, call.idempotency_key());
        let declined = || GatewayOutcome::Declined { reason: "no".into() };
        match call.operation {
            Operation::Charge { .. } | Operation::Authorize { .. } if !self.voided && luck == 31 => {
                GatewayOutcome::AuthenticationFailed { reason: "wrong code".into() }
            }
            Operation::Charge { .. } | Operation::Authorize { .. } if self.voided || luck % 8 == 7 => declined(),
            Operation::Charge { .. } | Operation::Authorize { .. } if luck % 8 == 6 => {
                GatewayOutcome::ActionRequired { kind: ActionKind::ALL[luck as usize / 32 % 4].0, next: "there".into() }
            }
            Operation::Charge { .. } if luck % 8 == 5 => {
                self.moved += amount + 100;
                GatewayOutcome::Moved { reference, money: eur(amount + 100) }
            }
            Operation::Charge { .. } if luck % 8 > 2 => {
                self.moved += amount;
                GatewayOutcome::Approved { reference }
            }
            Operation::Charge { .. } | Operation::Authorize { .. } => {
                let part = if luck % 8 == 2 { amount / 2 } else { amount };
                self.set_aside = part;
                let expires_at = (luck % 8 == 1).then(|| START.plus_seconds(3 * 24 * 3600));
                GatewayOutcome::Authorized { reference, money: Some(eur(part)), expires_at }
            }
            Operation::Capture { .. } if self.voided || luck % 8 == 7 => declined(),
            Operation::Capture { .. } => {
                let moved = match luck % 8 {
                    6 => amount + 100,
                    5 if amount > 100 => amount - 100,
                    _ => amount,
                };
                self.captured_of_set_aside = true;
                self.moved += moved;
                GatewayOutcome::Moved { reference, money: eur(moved) }
            }
            Operation::Renew { .. } if luck % 8 == 7 => declined(),
            Operation::Renew { .. } => GatewayOutcome::Authorized { reference, money: None, expires_at: None },
            Operation::Void => self.void(call, luck),
            Operation::Refund { .. } if luck % 8 == 7 => declined(),
            Operation::Refund { .. } => {
                self.moved -= amount;
                GatewayOutcome::Approved { reference }
            }
        }
    }

    /// It undoes everything, or says that all of what was asked has moved.
    fn void(&mut self, call: &GatewayCall, luck: u8) -> GatewayOutcome {
        let reference = call.idempotency_key();
        let plain = self.captured_of_set_aside || self.moved == call.money.amount.0;
        if self.moved > 0 && plain && luck.is_multiple_of(2) && !self.captured_of_set_aside {
            return GatewayOutcome::AlreadyMoved { reference };
        }
        let had_moved = std::mem::take(&mut self.moved) != 0;
        self.voided = true;
        match had_moved && luck % 4 == 1 {
            true => GatewayOutcome::Moved { reference, money: call.money },
            false => GatewayOutcome::Approved { reference },
        }
    }
}

struct World {
    payment: Payment,
    now: Timestamp,
    ledger: Ledger,
    gateway: Gateway,
    calls: Vec<GatewayCall>,
    answers: Vec<(Operation, GatewayOutcome)>,
    paid: u32,
    failed: u32,
    met: BTreeSet<Stage>,
}

impl World {
    fn new(capture_later: bool, overcapture: i64) -> Self {
        let order = OrderId::new(START, 1);
        let created = PaymentEvent::Created {
            order,
            method: Method::Card,
            money: Money::parse("10.00 EUR").unwrap(),
            payer: None,
            credential: Some("tok".into()),
            capture_later,
            overcapture: Amount(overcapture),
            retry_of: None,
        };
        let payment = Payment::create(PaymentId::of_order(order, 0, START), &created, START);
        let calls = first_call(&payment).into_iter().collect();
        let (ledger, gateway) = (Ledger::default(), Gateway::default());
        Self {
            payment,
            now: START,
            ledger,
            gateway,
            calls,
            answers: Vec::new(),
            paid: 0,
            failed: 0,
            met: BTreeSet::new(),
        }
    }

    fn run(&mut self, command: PaymentCommand) -> bool {
        let (mut events, mut asks) = (Vec::new(), Vec::new());
        let decided = decide(&self.payment, &command, self.now, &mut events, &mut asks);
        assert!(decided.is_ok() || events.is_empty() && asks.is_empty(), "a refusal changes nothing");
        for event in &events {
            if let Some((currency, postings)) = ledger::of_payment(&self.payment, event) {
                self.ledger.post(currency, &postings);
            }
            let before = self.payment.state;
            let comes_again = matches!(event, PaymentEvent::RefundReversed { .. });
            self.payment.apply(event, self.now);
            self.met.insert(self.payment.stage());
            let bytes = minicbor::to_vec(&self.payment).unwrap();
            assert_eq!(minicbor::decode::<Payment>(&bytes).unwrap(), self.payment, "a snapshot reads back");
            let bytes = minicbor::to_vec(event).unwrap();
            assert_eq!(minicbor::decode::<PaymentEvent>(&bytes).unwrap(), *event);
            let stays = before != PaymentState::Refunded || self.payment.state == before || comes_again;
            assert!(stays, "what went back stays back");
        }
        for ask in asks {
            match ask {
                PaymentAsk::Gateway(call) => {
                    let same = |known: &&GatewayCall| known.idempotency_key() == call.idempotency_key();
                    assert!(self.calls.iter().find(same).is_none_or(|known| *known == call), "one key, one call");
                    self.calls.push(call);
                }
                PaymentAsk::OrderPaid => self.paid += 1,
                PaymentAsk::OrderFailed { .. } => self.failed += 1,
                _ => {}
            }
        }
        self.check();
        decided.is_ok()
    }

    fn card(&self) -> i64 {
        i64::try_from(self.ledger.balance(self.payment.money.currency, LedgerAccount::Card)).unwrap()
    }

    fn check(&self) {
        let payment = &self.payment;
        payment.check();
        let wanted = payment.captured().0 - payment.refunded().0 - payment.charged_back().0;
        assert_eq!(self.card(), wanted, "the books say what the payment says: {payment:?}");
        assert!(self.paid <= 1 && self.failed <= 1, "an order hears it once: {payment:?}");
        assert!(self.paid + self.failed <= 1 || payment.goes_back_by_itself(), "{payment:?}");
        let ended = matches!(payment.state, PaymentState::Failed | PaymentState::Refunded);
        assert!(!ended || payment.open.is_none(), "what has ended asks nobody: {payment:?}");
    }

    fn act(&mut self, (what, which, luck): (u8, u8, u8)) {
        let pick = |len: usize| which as usize % len.max(1);
        match what % 12 {
            0..=3 if !self.calls.is_empty() => {
                let call = self.calls[pick(self.calls.len())].clone();
                let unknown = GatewayOutcome::Unknown { reason: "lost".into() };
                let outcome = match luck / 8 % 4 {
                    0 => unknown,
                    1 => {
                        // The effect is there, the answer is lost.
                        let outcome = self.gateway.handle(&call, luck);
                        self.answers.push((call.operation.clone(), outcome));
                        unknown
                    }
                    _ => self.gateway.handle(&call, luck),
                };
                self.answers.push((call.operation.clone(), outcome.clone()));
                self.run(PaymentCommand::Answer { operation: call.operation, outcome });
            }
            4 | 5 if !self.answers.is_empty() => {
                let (operation, outcome) = self.answers[pick(self.answers.len())].clone();
                self.run(PaymentCommand::Answer { operation, outcome });
            }
            6 => {
                self.now = self.now.plus_seconds(u32::from(which) * 600);
                if self.payment.next_due().is_some_and(|due| due <= self.now) {
                    self.run(PaymentCommand::AskAgain);
                }
            }
            7 => {
                let amount = (luck % 3 > 0).then_some(Amount(i64::from(which % 12) * 10_000));
                self.run(PaymentCommand::Capture { amount });
            }
            8 if luck % 2 == 0 => {
                self.run(PaymentCommand::Abandon);
            }
            8 => {
                self.run(PaymentCommand::Void);
            }
            9 => {
                self.run(PaymentCommand::Refund { amount: Amount(i64::from(which % 12) * 10_000) });
            }
            10 => self.notice(which, luck),
            _ if luck % 4 == 0 => {
                // The last call was not made, so nothing comes of it.
                let is_new = |call: &GatewayCall| !self.gateway.asked.contains(&call.idempotency_key());
                if !self.calls.last().is_some_and(is_new) {
                    return;
                }
                let call = self.calls.pop().expect("there is one");
                let outcome = GatewayOutcome::Unavailable { reason: "open".into() };
                self.run(PaymentCommand::Answer { operation: call.operation, outcome });
            }
            _ => {
                self.run(PaymentCommand::Resume);
            }
        }
    }

    fn notice(&mut self, which: u8, luck: u8) {
        let (before, refunded) = (self.payment.charged_back(), self.payment.refunded());
        let waits = self.payment.progress.as_ref().is_some_and(|progress| progress.action.is_some());
        let notice = match luck % 7 {
            _ if waits && which.is_multiple_of(2) => Notice::ActionDone,
            0 => Notice::ActionDone,
            1 => Notice::SettlementSent,
            2 => Notice::Settled,
            3 | 4 => {
                let money = eur(i64::from(which % 10 + 1) * 10_000);
                Notice::DisputeOpened { money, reference: format!("d{}", which % 5).into() }
            }
            5 if which.is_multiple_of(3) => Notice::RefundReversed { number: u32::from(which % 4) },
            5 => Notice::DisputeWon,
            _ => Notice::DisputeLost,
        };
        self.run(PaymentCommand::Notice(notice));
        let taken = self.payment.charged_back().0 - before.0;
        self.gateway.moved += refunded.0 - self.payment.refunded().0 - taken;
        self.gateway.charged_back += taken;
    }

    /// The gateway is well again: whatever is open is asked until it is answered.
    fn settle(&mut self) {
        for _ in 0..64 {
            self.run(PaymentCommand::Resume);
            if self.payment.stage().main() == super::MainState::RequiresAction
                || self.payment.progress.as_ref().is_some_and(|it| it.action.is_some())
            {
                self.run(PaymentCommand::Notice(Notice::ActionDone));
            }
            if self.payment.open.is_none() {
                return;
            }
            let call = first_call(&self.payment).expect("something is open");
            let outcome = self.gateway.handle(&call, 3);
            self.run(PaymentCommand::Answer { operation: call.operation, outcome });
        }
        panic!("it never ends: {:?}", self.payment);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_moves_once_and_the_books_are_those_of_the_gateway(
        later in any::<bool>(),
        permitted in any::<bool>(),
        acts in proptest::collection::vec(any::<(u8, u8, u8)>(), 1..60),
    ) {
        let mut world = World::new(later, if permitted { 200 } else { 0 });
        acts.into_iter().for_each(|act| world.act(act));
        world.settle();
        world.check();
        prop_assert_eq!(world.card(), world.gateway.moved, "{:?}", world.payment);
        if world.payment.state == PaymentState::Failed {
            prop_assert_eq!(world.gateway.moved, 0, "what failed took nothing: {:?}", world.payment);
        }
    }
}

#[test]
fn many_stages_are_met_on_the_way() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut met = BTreeSet::from([Stage::Authorizing]);
    for case in 0..3_000 {
        let mut world = World::new(case % 2 == 0, case % 3 * 100);
        let acts = proptest::collection::vec(any::<(u8, u8, u8)>(), 1..60).new_tree(&mut runner).unwrap().current();
        acts.into_iter().for_each(|act| world.act(act));
        met.append(&mut world.met);
    }
    let missed: Vec<_> = Stage::ALL.iter().filter(|stage| !met.contains(stage)).collect();
    // A payment begins where its gateway is asked.
    assert_eq!(missed, [&Stage::Created]);
}
