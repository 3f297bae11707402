//! One run: two phases, and what must be true at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use stockade_actors::command::{Answer, Command};
use stockade_actors::faults::{Fault, FaultRule, MailboxFault};
use stockade_domain::account::AccountEvent;
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::order::{LatePayment, OrderEvent};
use stockade_domain::payment::gateway::Operation;
use stockade_domain::payment::{Method, PaymentEvent};
use stockade_domain::{OrderId, PaymentId, Timestamp};
use stockade_storage::disk::{Fault as DiskFault, Survival};
use stockade_storage::record::parse_record;

use super::clients::{Clients, SKUS};
use super::dice::Dice;
use super::faults::{FaultKind, FaultPlan};
use super::machine::Machine;
use super::rest::{nobody_waits_in_vain, the_books_agree};
use crate::audit::audit_records;
use crate::gateway::{Callback, Fate};

/// When a simulation begins.
const START: Timestamp = Timestamp(1_790_000_000_000_000);
/// Virtual seconds in which everything must come to rest once nothing fails.
const REST_SECONDS: i64 = 6 * 3600;
/// Steps without time passing after which a machine that still moves never rests.
const STEPS_TO_REST: u64 = 20_000;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Options {
    /// Steps of the safety phase.
    pub steps: u64,
    /// The kinds of faults that may be drawn.
    pub faults: Vec<FaultKind>,
    /// So many partitions all the time; none: one to three, as drawn, and others after some restarts.
    pub partitions: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 1_500, faults: FaultKind::ALL.to_vec(), partitions: None }
    }
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Of what.
    pub seed: u64,
    /// Steps taken, in both phases.
    pub steps: u64,
    /// Virtual seconds that passed.
    pub virtual_seconds: i64,
    /// Records that the journal had at the end.
    pub records: u64,
    /// How often the machine came up.
    pub lives: u64,
    /// How often each fault struck.
    pub fired: BTreeMap<FaultKind, u64>,
    /// How often clients had each answer.
    pub answers: BTreeMap<String, u64>,
    /// The same for the same seed and options.
    pub trace_hash: String,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Failure {
    /// By which it is repeated.
    pub seed: u64,
    /// After how many steps of the safety phase it was found, or that phase was over.
    pub step: u64,
    /// What is wrong.
    pub what: String,
    /// The last that clients asked and were told.
    pub trace: Vec<String>,
    /// What the journal says of the orders that the failure names.
    pub story: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {} at step {}: {}", self.seed, self.step, self.what)
    }
}

/// How many lines of the trace a failure shows.
const TRACE_SHOWN: usize = 40;

/// Runs a seed.
///
/// # Errors
///
/// [`Failure`]: something that must never be so was found.
pub fn simulate(seed: u64, options: &Options) -> Result<Outcome, Box<Failure>> {
    let mut run = Run::new(seed, options);
    let result = catch_unwind(AssertUnwindSafe(|| run.go(options.steps)));
    let what = match result {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("it panicked: {}", text.unwrap_or_default())
        }
    };
    let from = run.clients.trace.len().saturating_sub(TRACE_SHOWN);
    let story = run.machine.records().map_or_else(|_| Vec::new(), |records| story_of(&what, &records));
    Err(Box::new(Failure { seed, step: run.step, what, trace: run.clients.trace.split_off(from), story }))
}

/// Everything that the journal says of the orders and payments that a text names.
fn story_of(text: &str, records: &[(u64, Vec<u8>)]) -> Vec<String> {
    let is_id = |word: &&str| word.len() == 36 && word.split('-').count() == 5;
    let ids: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(is_id).collect();
    let subjects: Vec<&str> = text.split([' ', ',', '"']).filter(|word| word.contains('/')).collect();
    let mut story = Vec::new();
    for (seq, body) in records {
        let Ok((head, events)) = parse_record(body) else { continue };
        let Some(key) = EntityKind::from_byte(head.kind).and_then(|kind| EntityKey::from_parts(kind, head.key)) else {
            continue;
        };
        for event in Event::decode_all(key.kind(), events).unwrap_or_default() {
            let line = format!("{seq} {:.3} {key} {event:?}", (head.time - START.0) as f64 / 1e6);
            let is_subject = subjects.iter().any(|subject| key.to_string() == *subject);
            if is_subject && ids.is_empty() || ids.iter().any(|id| line.contains(id)) {
                story.push(line);
            }
        }
    }
    story
}

/// What the gateway's script draws its fates from.
struct Fates {
    plan: FaultPlan,
    /// Calls that are answered late.
    held: Vec<String>,
    /// Payments whose charges are not answered any more.
    silent: BTreeSet<PaymentId>,
    /// Nothing fails any more.
    is_over: bool,
}

struct Run {
    seed: u64,
    plan: FaultPlan,
    fates: Arc<Mutex<Fates>>,
    clients: Clients,
    machine: Machine,
    /// Restarts do not change their number.
    keeps_partitions: bool,
    dice: Dice,
    step: u64,
    steps_in_all: u64,
    /// Callbacks of the gateway that have not been delivered.
    callbacks: Vec<Callback>,
    latest: Timestamp,
}

/// Every policy in its turn, so that a seed says it.
fn late_payment(seed: u64) -> LatePayment {
    LatePayment::ALL[(seed % LatePayment::ALL.len() as u64) as usize].0
}

impl Run {
    fn new(seed: u64, options: &Options) -> Self {
        let mut dice = Dice::of(seed, "world");
        let drawn = 1 + dice.below(3) as usize;
        let partitions = options.partitions.unwrap_or(drawn);
        let plan = FaultPlan::drawn(seed, &options.faults);
        let plan_of_fates = plan.with_dice(Dice::of(seed, "fates"));
        let fates = Fates { plan: plan_of_fates, held: Vec::new(), silent: BTreeSet::new(), is_over: false };
        Self {
            seed,
            plan,
            fates: Arc::new(Mutex::new(fates)),
            clients: Clients::new(seed),
            machine: Machine::new(partitions, late_payment(seed), START),
            keeps_partitions: options.partitions.is_some(),
            dice,
            step: 0,
            steps_in_all: 0,
            callbacks: Vec::new(),
            latest: START,
        }
    }

    fn go(&mut self, steps: u64) -> Result<Outcome, String> {
        self.script_gateway();
        self.clients.open_shop(&self.machine);
        while self.step < steps {
            self.step += 1;
            self.strike()?;
            self.clients.act(&self.machine);
            self.advance()?;
            if self.dice.per_mille(250) {
                self.machine.clock.advance_seconds(1 + self.dice.below(5) as i64);
            }
        }
        self.come_to_rest()?;
        self.judge()
    }

    /// The gateway's fate of each call is drawn when it is called.
    fn script_gateway(&self) {
        let fates = Arc::clone(&self.fates);
        self.machine.gateway.script(move |call, _| {
            let Fates { plan, held, silent, is_over } = &mut *fates.lock();
            // Every third card's money cannot be undone once it is taken; of these nothing more is heard once an answer was lost,
            // until the charge is to be undone.
            let is_stubborn = call.payment.to_bytes()[15] % 3 == 0;
            let at_last = if is_stubborn { Fate::CannotUndo } else { Fate::Answer };
            let is_charge = matches!(call.operation, Operation::Charge { .. });
            match () {
                () if is_charge && silent.contains(&call.payment) => Fate::LoseAnswer,
                () if *is_over => at_last,
                () if plan.strikes(FaultKind::GatewayDeclines) => Fate::Decline,
                () if plan.strikes(FaultKind::GatewayLosesRequest) => Fate::LoseRequest,
                () if plan.strikes(FaultKind::GatewayLosesAnswer) => {
                    silent.extend((is_charge && is_stubborn).then_some(call.payment));
                    Fate::LoseAnswer
                }
                () if plan.strikes(FaultKind::GatewayLate) => {
                    held.push(call.idempotency_key());
                    Fate::Hold
                }
                () => at_last,
            }
        });
    }

    /// Lets strike what strikes now.
    fn strike(&mut self) -> Result<(), String> {
        use FaultKind as F;
        for (kind, fault) in [(F::CrashBefore, MailboxFault::CrashBefore), (F::CrashAfter, MailboxFault::CrashAfter)] {
            if self.plan.strikes(kind) {
                self.machine.faults.arm(vec![FaultRule::first(Fault::Mailbox(fault), 1)]);
            }
        }
        if self.plan.strikes(F::ClockAhead) {
            self.machine.clock.advance_seconds(30 + self.plan.below(600) as i64);
        }
        if self.plan.strikes(F::ClockBack) {
            let now = self.machine.now();
            self.machine.clock.set(Timestamp(now.0 - 1_000_000 * self.plan.below(120) as i64));
        }
        let next = self.machine.disk().operation_count() + self.plan.below(6) as usize;
        let bytes = self.plan.below(4_000) as usize;
        for (kind, fault) in [
            (F::DiskError, DiskFault::Error),
            (F::ShortWrite, DiskFault::ShortWrite { bytes }),
            (F::DiskFull, DiskFault::Full),
            (F::PowerCutInWrite, DiskFault::PowerCut { bytes }),
        ] {
            if self.plan.strikes(kind) {
                self.machine.disk().arm(next, fault);
            }
        }
        if self.plan.strikes(F::Kill) {
            return self.restart(None);
        }
        if self.plan.strikes(F::PowerLoss) {
            return self.restart_without_power();
        }
        Ok(())
    }

    fn restart_without_power(&mut self) -> Result<(), String> {
        let seed = self.plan.below(u64::MAX);
        let survival = match seed % 4 {
            0 => Survival::Nothing,
            1 => Survival::Everything,
            _ => Survival::Random(seed),
        };
        self.restart(Some(survival))
    }

    fn restart(&mut self, survival: Option<Survival>) -> Result<(), String> {
        // Another number of partitions, now and then.
        let drawn = if self.dice.per_mille(300) { 1 + self.dice.below(3) as usize } else { self.machine.partitions() };
        let partitions = if self.keeps_partitions { self.machine.partitions() } else { drawn };
        let up = self.machine.restart(survival, partitions);
        self.clients.hang_up();
        up.map_err(|error| format!("it does not come up again: {error}"))
    }

    /// A step of everything.
    fn advance(&mut self) -> Result<bool, String> {
        self.steps_in_all += 1;
        self.latest = self.latest.max(self.machine.now());
        let moved = self.machine.step(&mut self.plan);
        self.clients.hear();
        if self.machine.has_ended {
            // Somebody starts it again; when a write was cut by the power, that is gone too.
            self.restart_without_power()?;
            return Ok(true);
        }
        let delivered = self.deliver_callbacks();
        Ok(moved || delivered)
    }

    /// The gateway answers what it has held, and tells by itself what it did; sometimes twice.
    fn deliver_callbacks(&mut self) -> bool {
        let released = {
            let mut fates = self.fates.lock();
            let ready = if fates.is_over || self.dice.per_mille(100) { fates.held.len() } else { 0 };
            fates.held.drain(..ready).collect::<Vec<_>>()
        };
        released.iter().for_each(|key| self.machine.gateway.release(key));
        self.callbacks.extend(self.machine.gateway.take_callbacks());
        let (is_over, mut delivered) = {
            let fates = self.fates.lock();
            let is_silent = |told: &Callback| {
                matches!(told.operation, Operation::Charge { .. }) && fates.silent.contains(&told.payment)
            };
            self.callbacks.retain(|callback| !is_silent(callback));
            (fates.is_over, !released.is_empty())
        };
        let mut later = Vec::new();
        for callback in std::mem::take(&mut self.callbacks) {
            if !is_over && self.dice.per_mille(700) {
                later.push(callback);
                continue;
            }
            delivered = true;
            self.machine.tell_payment(&callback);
            if self.plan.strikes(FaultKind::CallbackTwice) {
                later.push(callback);
            }
        }
        self.callbacks = later;
        delivered
    }

    /// Nothing fails any more, and time passes.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.plan.end();
        self.fates.lock().is_over = true;
        self.machine.faults.arm(Vec::new());
        self.machine.disk().disarm();
        let behind = self.latest.0 - self.machine.now().0;
        self.machine.clock.advance_seconds(behind.max(0) / 1_000_000 + 1);
        let until = self.machine.now().0 + REST_SECONDS * 1_000_000;
        let mut pause = 1;
        while self.machine.now().0 < until {
            self.stand_still()?;
            self.resume_given_up();
            self.machine.clock.advance_seconds(pause);
            pause = (pause * 2).min(600);
        }
        self.stand_still()?;
        match self.clients.waiting().first() {
            Some(what) => Err(format!("six hours later nobody has answered: {what}")),
            None => Ok(()),
        }
    }

    /// Steps until nothing moves.
    fn stand_still(&mut self) -> Result<(), String> {
        for _ in 0..STEPS_TO_REST {
            if !self.advance()? {
                return Ok(());
            }
        }
        Err("it never comes to rest although no time passes".into())
    }

    /// An operator looks after payments whose gateway is not asked any more.
    fn resume_given_up(&mut self) {
        for partition in 0..self.machine.partitions() {
            let given_up = self.machine.ask(partition, Command::ReadDeadLetters);
            let Some(Ok(Answer::Payments(payments))) = given_up else { continue };
            for payment in payments.into_iter() {
                let command = Box::new(stockade_domain::payment::PaymentCommand::Resume);
                drop(
                    self.machine
                        .send(&EntityKey::Payment(payment.id), Command::Payment { payment: payment.id, command }),
                );
            }
        }
    }

    // ---- what must be true ----

    fn judge(&mut self) -> Result<Outcome, String> {
        for partition in 0..self.machine.partitions() {
            match self.machine.ask(partition, Command::Check) {
                Some(Ok(Answer::Count(_))) => {}
                other => return Err(format!("partition {partition} does not hold its invariants: {other:?}")),
            }
        }
        match self.machine.faults.bugs() {
            0 => {}
            bugs => return Err(format!("{bugs} commands panicked that no fault made to")),
        }
        nobody_waits_in_vain(&mut self.machine, &SKUS)?;
        let records = self.machine.records()?;
        let report = audit_records(records.iter().map(|(seq, body)| (*seq, body)));
        if let Some(fault) = report.faults.first() {
            return Err(format!("the auditor found {} faults, the first: {fault:?}", report.faults_found));
        }
        if report.oversold > 0 || report.in_flight > 0 {
            let (oversold, of) = (report.oversold, report.in_flight_of.join(", "));
            return Err(format!("{oversold} oversold, in flight at rest: {of}"));
        }
        the_books_agree(&mut self.machine, &report.ledger)?;
        let cards = self.check_promises(&records)?;
        self.check_gateway(&cards)?;
        let mut hash = blake3::Hasher::new();
        for (seq, body) in &records {
            hash.update(&seq.to_le_bytes()).update(body);
        }
        for line in &self.clients.trace {
            hash.update(line.as_bytes());
        }
        let mut fired = self.plan.fired().clone();
        for (kind, times) in self.fates.lock().plan.fired() {
            *fired.entry(*kind).or_default() += times;
        }
        Ok(Outcome {
            seed: self.seed,
            steps: self.steps_in_all,
            virtual_seconds: (self.machine.now().0 - START.0) / 1_000_000,
            records: records.len() as u64,
            lives: self.machine.lives,
            fired,
            answers: self.clients.answers.clone(),
            trace_hash: hash.finalize().to_hex().to_string(),
        })
    }

    /// What was acknowledged is in the journal. Gives the card payments that are there.
    fn check_promises(&self, records: &[(u64, Vec<u8>)]) -> Result<Vec<PaymentId>, String> {
        let (mut placed, mut cards, mut credited) = (BTreeSet::<OrderId>::new(), Vec::new(), 0i128);
        for (_, body) in records {
            let Ok((head, events)) = parse_record(body) else { continue };
            let Some(kind) = EntityKind::from_byte(head.kind) else { continue };
            let key = EntityKey::from_parts(kind, head.key);
            for event in Event::decode_all(kind, events).map_err(|error| error.to_string())? {
                match (&key, event) {
                    (Some(EntityKey::Order(id)), Event::Order(OrderEvent::Placed { .. })) => drop(placed.insert(*id)),
                    (Some(EntityKey::Order(id)), Event::Order(OrderEvent::Refused { .. })) => drop(placed.remove(id)),
                    (
                        Some(EntityKey::Payment(id)),
                        Event::Payment(PaymentEvent::Created { method: Method::Card, .. }),
                    ) => {
                        cards.push(*id);
                    }
                    (_, Event::Account(AccountEvent::Credited { money, .. })) => credited += i128::from(money.amount.0),
                    _ => {}
                }
            }
        }
        let promises = &self.clients.promises;
        if let Some(lost) = promises.orders.iter().find(|order| !placed.contains(order)) {
            return Err(format!("order {lost} was acknowledged and is lost, or was refused afterwards"));
        }
        let most = promises.credited + promises.maybe_credited;
        if !(promises.credited..=most).contains(&credited) {
            return Err(format!("{} was acknowledged as credited, {credited} is there", promises.credited));
        }
        Ok(cards)
    }

    /// What the engine believes of each card is what the gateway did.
    fn check_gateway(&mut self, cards: &[PaymentId]) -> Result<(), String> {
        for id in cards {
            let partition = (id.route() % self.machine.partitions() as u64) as usize;
            let payment = match self.machine.ask(partition, Command::ReadPayment { payment: *id }) {
                Some(Ok(Answer::Payment(payment))) => payment,
                other => return Err(format!("payment {id} cannot be read: {other:?}")),
            };
            let card = self.machine.gateway.card(*id);
            let (moved, believed) = (card.captured - card.refunded, payment.captured().0 - payment.refunded().0);
            if payment.open.is_none() && moved != believed {
                return Err(format!("of payment {id} the gateway has {moved}, the engine believes {believed}"));
            }
            if card.captures > 1 {
                return Err(format!("payment {id} was captured {} times", card.captures));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Run {
        let mut run = Run::new(1, &Options { steps: 60, faults: Vec::new(), partitions: None });
        run.go(60).expect("nothing fails");
        run
    }

    #[test]
    fn an_order_that_was_acknowledged_and_is_lost_is_found() {
        let mut run = quiet();
        run.clients.promises.orders.insert(OrderId::new(START, 1));
        assert!(run.judge().unwrap_err().contains("acknowledged and is lost"));
    }

    #[test]
    fn money_that_was_acknowledged_and_is_not_there_is_found() {
        let mut run = quiet();
        run.clients.promises.credited += 1;
        assert!(run.judge().unwrap_err().contains("acknowledged as credited"));
    }

    #[test]
    fn an_answer_that_never_comes_is_found() {
        let mut run = quiet();
        run.clients.forget_an_answer();
        assert!(run.come_to_rest().unwrap_err().contains("nobody has answered"));
    }

    #[test]
    fn a_story_is_of_those_that_a_failure_names() {
        let run = quiet();
        let order = run.clients.promises.orders.first().expect("somebody bought something").to_string();
        let story = story_of(&format!("order {order} is odd"), &run.machine.records().unwrap());
        assert!(!story.is_empty() && story.iter().all(|line| line.contains(&order)));
    }
}
