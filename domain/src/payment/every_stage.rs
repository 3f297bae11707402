//! Every stage of a payment meets everything that can come to it: each command, each notice, each answer to each operation.
//!
//! What is to come of it stands in `every_stage.txt`, apart from the code, for people to read and to doubt: where the
//! payment is then, whom it tells, what it asks of others, or by what name it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::gateway::{ActionKind, GatewayOutcome, Notice, Operation};
use super::{Method, Payment, PaymentAsk, PaymentCommand, PaymentEvent, Stage, Step, decide, first_call, transition};
use crate::account::AccountCommand;
use crate::{Amount, CustomerId, Money, OrderId, PaymentId, Timestamp};

const START: Timestamp = Timestamp(1_700_000_000_000_000);
const EXPECTED: &str = include_str!("every_stage.txt");

/// A payment of ten euros, and what has happened to it.
struct Bench {
    payment: Payment,
    now: Timestamp,
    taken: BTreeSet<(Stage, Step)>,
}

fn eur(amount: i64) -> Money {
    Money::new(Amount(amount), "EUR".parse().unwrap())
}

fn reference() -> String {
    "ref".into()
}

impl Bench {
    fn new(method: Method, capture_later: bool) -> Self {
        let created = PaymentEvent::Created {
            order: OrderId::new(START, 1),
            method,
            money: eur(100_000),
            payer: Some(CustomerId::new("ann").unwrap()),
            credential: Some("tok".into()),
            capture_later,
            overcapture: Amount(1_000),
            retry_of: None,
        };
        let id = PaymentId::of_order(OrderId::new(START, 1), 0, START);
        Self { payment: Payment::create(id, &created, START), now: START, taken: BTreeSet::new() }
    }

    fn card() -> Self {
        Self::new(Method::Card, false)
    }

    /// Money that is set aside.
    fn aside() -> Self {
        let expires_at = Some(START.plus_seconds(7 * 24 * 3_600));
        Self::new(Method::Card, true).answers(GatewayOutcome::Authorized {
            reference: reference(),
            money: None,
            expires_at,
        })
    }

    fn take(&mut self, event: &PaymentEvent) {
        if let Some(step) = self.payment.step_of(event) {
            self.taken.insert((self.payment.stage(), step));
        }
        self.payment.apply(event, self.now);
    }

    /// What it asks of others, or the name of its refusal.
    fn run(&mut self, command: &PaymentCommand) -> Result<(usize, Vec<PaymentAsk>), &'static str> {
        let (mut events, mut asks) = (Vec::new(), Vec::new());
        decide(&self.payment, command, self.now, &mut events, &mut asks).map_err(|refusal| refusal.code())?;
        events.iter().for_each(|event| self.take(event));
        Ok((events.len(), asks))
    }

    fn then(mut self, command: PaymentCommand) -> Self {
        self.run(&command).unwrap_or_else(|code| panic!("{command:?} is refused: {code}"));
        self
    }

    /// The gateway answers what is open.
    fn answers(self, outcome: GatewayOutcome) -> Self {
        let operation = first_call(&self.payment).expect("something is open").operation;
        self.then(PaymentCommand::Answer { operation, outcome })
    }

    fn approves(self) -> Self {
        self.answers(GatewayOutcome::Approved { reference: reference() })
    }

    fn declines(self) -> Self {
        self.answers(GatewayOutcome::Declined { reason: "no".into() })
    }

    fn wants(self, kind: ActionKind) -> Self {
        self.answers(GatewayOutcome::ActionRequired { kind, next: "there".into() })
    }

    fn hears(self, notice: Notice) -> Self {
        self.then(PaymentCommand::Notice(notice))
    }

    fn records(mut self, event: PaymentEvent) -> Self {
        self.take(&event);
        self
    }

    fn renewing(mut self) -> Self {
        self.now = self.payment.next_due().expect("it lapses");
        self.then(PaymentCommand::AskAgain)
    }

    fn refund(self, amount: i64) -> Self {
        self.then(PaymentCommand::Refund { amount: Amount(amount) })
    }

    fn capture(self, amount: i64) -> Self {
        self.then(PaymentCommand::Capture { amount: Some(Amount(amount)) })
    }

    fn disputed(self) -> Self {
        self.hears(Notice::DisputeOpened { money: eur(100_000), reference: "dp_1".into() })
    }
}

/// How a payment comes to be in each stage. None: it is in it no longer than a record lasts.
fn in_stage(stage: Stage) -> Option<Bench> {
    use Stage as S;
    let unknown = || GatewayOutcome::Unknown { reason: "lost".into() };
    let unavailable = GatewayOutcome::Unavailable { reason: "it fails too often".into() };
    let moved = |amount| GatewayOutcome::Moved { reference: reference(), money: eur(amount) };
    Some(match stage {
        // Of these the record that leads into them leads out of them, too. Only the first cannot be made by hand.
        S::Created => return None,
        S::AuthorizedInPart => Bench::new(Method::Card, true).records(PaymentEvent::Authorized {
            amount: Amount(50_000),
            reference: "ref".into(),
            expires_at: None,
        }),
        S::Overcharged => Bench::aside().capture(100_000).records(PaymentEvent::Captured {
            number: 1,
            moved: Amount(100_500),
            reference: "ref".into(),
        }),
        S::MethodAwaited => Bench::card().wants(ActionKind::Method),
        S::DeviceDataAwaited => Bench::card().wants(ActionKind::DeviceData),
        S::AuthenticationPending => Bench::card().wants(ActionKind::Authentication),
        S::AuthenticationDone => Bench::card().wants(ActionKind::Authentication).hears(Notice::ActionDone),
        S::ManualReview => Bench::card().wants(ActionKind::Review),
        S::Authorizing => Bench::card(),
        S::Queued => Bench::card().answers(unavailable),
        S::RetryScheduled => Bench::card().answers(unknown()),
        S::Unresolved => Bench::card().answers(unknown()).then(PaymentCommand::Abandon),
        S::Authorized => Bench::aside(),
        S::AuthorizedAdjusted => Bench::aside().renewing().approves(),
        S::CaptureStarted => Bench::aside().capture(100_000),
        S::VoidStarted => Bench::aside().then(PaymentCommand::Void),
        S::PartiallyCaptured => Bench::aside().capture(40_000).approves(),
        S::Captured => Bench::card().approves(),
        S::SentForSettlement => Bench::card().approves().hears(Notice::SettlementSent),
        S::Settled => Bench::card().approves().hears(Notice::Settled),
        S::PartiallyRefunded => Bench::card().approves().refund(40_000).approves(),
        S::RefundRequested => Bench::card().approves().refund(40_000),
        S::RefundFailed => Bench::card().approves().refund(40_000).declines(),
        S::RefundReversed => {
            Bench::card().approves().refund(40_000).approves().hears(Notice::RefundReversed { number: 1 })
        }
        S::Refunded => Bench::card().approves().refund(100_000).approves(),
        S::RefundedAutomatically => {
            let answer = PaymentCommand::Answer {
                operation: Operation::Charge { token: "tok".into() },
                outcome: GatewayOutcome::Approved { reference: reference() },
            };
            Bench::card().declines().then(answer).approves()
        }
        S::Cancelled => Bench::aside().then(PaymentCommand::Void).approves(),
        S::CancelledAfterCapture => Bench::card().then(PaymentCommand::Abandon).answers(moved(100_000)),
        S::Declined => Bench::card().declines(),
        S::AuthenticationFailed => {
            Bench::card().answers(GatewayOutcome::AuthenticationFailed { reason: "wrong code".into() })
        }
        S::GatewayUnavailable => Bench::card().then(PaymentCommand::Abandon).approves(),
        S::Integrity => Bench::card().answers(moved(200_000)).approves(),
        S::Expired => Bench::aside().renewing().declines(),
        S::DisputeOpened => Bench::card().approves().disputed(),
        S::DisputeWon => Bench::card().approves().disputed().hears(Notice::DisputeWon),
        S::DisputeLost => Bench::card().approves().disputed().hears(Notice::DisputeLost),
    })
}

/// Everything that can come to a payment, by the names of the table.
fn inputs(payment: &Payment) -> Vec<(String, PaymentCommand)> {
    use PaymentCommand as C;
    let approved = || GatewayOutcome::Approved { reference: reference() };
    let mut all: Vec<(String, C)> = [
        ("secure", C::Secure),
        ("abandon", C::Abandon),
        ("give_back", C::GiveBack),
        ("capture", C::Capture { amount: None }),
        ("capture_set_aside", C::CaptureSetAside),
        ("void", C::Void),
        ("refund", C::Refund { amount: Amount(10_000) }),
        ("ask_again", C::AskAgain),
        ("resume", C::Resume),
        ("resolve", C::Resolve { outcome: approved() }),
        ("notice action_done", C::Notice(Notice::ActionDone)),
        ("notice settlement_sent", C::Notice(Notice::SettlementSent)),
        ("notice settled", C::Notice(Notice::Settled)),
        ("notice refund_reversed", C::Notice(Notice::RefundReversed { number: 1 })),
        ("notice dispute_opened", C::Notice(Notice::DisputeOpened { money: eur(10_000), reference: "dp_2".into() })),
        ("notice dispute_won", C::Notice(Notice::DisputeWon)),
        ("notice dispute_lost", C::Notice(Notice::DisputeLost)),
    ]
    .map(|(name, command)| (name.to_owned(), command))
    .into();
    let progress = payment.progress.as_deref();
    let captures = progress.map_or(0, |progress| progress.captures.len() as u32).max(1);
    let renewals = progress.map_or(0, |progress| progress.renewals) + 1;
    let refunds = (payment.refunds.len() as u32).max(1);
    let token = || "tok".to_owned();
    for operation in [
        Operation::Charge { token: token() },
        Operation::Authorize { token: token() },
        Operation::Capture { number: captures },
        Operation::Renew { number: renewals },
        Operation::Void,
        Operation::Refund { number: refunds },
    ] {
        let wanted = match (&operation, progress) {
            (Operation::Capture { .. }, Some(progress)) => progress.captures.last().map(|capture| capture.amount),
            (Operation::Refund { .. }, _) => payment.refunds.last().map(|refund| refund.amount),
            _ => None,
        };
        let wanted = wanted.map_or(payment.money, |amount| eur(amount.0));
        for (name, outcome) in outcomes(wanted) {
            let name = format!("{} {name}", operation.name());
            all.push((name, C::Answer { operation: operation.clone(), outcome }));
        }
    }
    all
}

fn outcomes(wanted: Money) -> Vec<(&'static str, GatewayOutcome)> {
    use GatewayOutcome as G;
    let reason = || "so".to_owned();
    vec![
        ("approved", G::Approved { reference: reference() }),
        ("moved", G::Moved { reference: reference(), money: wanted }),
        ("moved_other", G::Moved { reference: reference(), money: eur(wanted.amount.0 + 20_000) }),
        (
            "moved_foreign",
            G::Moved { reference: reference(), money: Money::new(wanted.amount, "USD".parse().unwrap()) },
        ),
        ("authorized", G::Authorized { reference: reference(), money: None, expires_at: None }),
        ("authorized_part", G::Authorized { reference: reference(), money: Some(eur(10_000)), expires_at: None }),
        ("declined", G::Declined { reason: reason() }),
        ("authentication_failed", G::AuthenticationFailed { reason: reason() }),
        ("action_required", G::ActionRequired { kind: ActionKind::Review, next: "there".into() }),
        ("already_moved", G::AlreadyMoved { reference: reference() }),
        ("unknown", G::Unknown { reason: reason() }),
        ("unavailable", G::Unavailable { reason: reason() }),
    ]
}

/// What is not listed: callers and notices are refused, everything else changes nothing.
fn default_of(input: &str) -> String {
    match input {
        "capture" | "void" | "refund" | "resume" => "refused order_state_invalid".into(),
        "resolve" => "refused not_found".into(),
        "notice refund_reversed" => "refused not_found".into(),
        // Nothing was wanted, so there is nothing that could be done.
        "notice action_done" => "nothing".into(),
        notice if notice.starts_with("notice ") => "refused order_state_invalid".into(),
        _ => "nothing".into(),
    }
}

/// What a payment asks, in a few words.
fn said(ask: &PaymentAsk) -> String {
    match ask {
        PaymentAsk::Gateway(call) => match call.operation.number() {
            Some(number) => format!("calls {} {number}", call.operation.name()),
            None => format!("calls {}", call.operation.name()),
        },
        PaymentAsk::Account(_, command) => match command {
            AccountCommand::Settle { .. } => "wallet settles".into(),
            AccountCommand::Release { .. } => "wallet releases".into(),
            AccountCommand::Refund { .. } => "wallet gets it back".into(),
            other => panic!("a payment does not ask that: {other:?}"),
        },
        PaymentAsk::OrderPaid => "order: paid".into(),
        PaymentAsk::OrderPaidLate => "order: paid late".into(),
        PaymentAsk::OrderFailed { .. } => "order: failed".into(),
        PaymentAsk::CaptureFailed { .. } => "order: not captured".into(),
        PaymentAsk::OrderRefunded { done: true, .. } => "order: refunded".into(),
        PaymentAsk::OrderRefunded { done: false, .. } => "order: not refunded".into(),
        PaymentAsk::OrderRefundReversed { .. } => "order: refund reversed".into(),
        PaymentAsk::OrderSees => "order: sees".into(),
        PaymentAsk::OrderWaits => "nobody waits".into(),
        PaymentAsk::Notify { state } => format!("told {}", state.name()),
    }
}

/// What came of an input.
fn outcome_of(bench: &mut Bench, command: &PaymentCommand) -> String {
    let before = bench.payment.stage();
    match bench.run(command) {
        Err(code) => {
            assert_eq!(bench.payment.stage(), before);
            format!("refused {code}")
        }
        Ok((0, asks)) if asks.is_empty() => "nothing".into(),
        Ok((_, asks)) => {
            let stage = bench.payment.stage();
            let mut text = if stage == before { "stays".to_owned() } else { stage.name() };
            if bench.payment.is_given_up() {
                text.push_str(", given up");
            }
            // Whatever moves it is shown to its order, so the table does not say so each time.
            let is_seen = asks.contains(&PaymentAsk::OrderSees);
            assert!(is_seen || stage == before, "the order does not see how it stands: {text}");
            let rest = asks.iter().filter(|ask| **ask != PaymentAsk::OrderSees);
            rest.for_each(|ask| write!(text, ", {}", said(ask)).unwrap());
            text
        }
    }
}

/// The scenes of the table: every stage of a card, what is different where something is under way, and of a wallet.
fn scenes() -> Vec<(String, Box<dyn Fn() -> Bench>)> {
    let mut scenes: Vec<(String, Box<dyn Fn() -> Bench>)> = Vec::new();
    for stage in Stage::ALL.iter().copied().filter(|stage| in_stage(*stage).is_some()) {
        scenes.push((stage.name(), Box::new(move || in_stage(stage).expect("it can be made"))));
    }
    let moved = |amount| GatewayOutcome::Moved { reference: reference(), money: eur(amount) };
    let late = |outcome| PaymentCommand::Answer { operation: Operation::Charge { token: "tok".into() }, outcome };
    let aside = || GatewayOutcome::Authorized { reference: reference(), money: None, expires_at: None };
    let approved = || GatewayOutcome::Approved { reference: reference() };
    let dispute = || Notice::DisputeOpened { money: eur(40_000), reference: "dp_1".into() };
    let mut and = |name: &str, make: Box<dyn Fn() -> Bench>| scenes.push((name.to_owned(), make));
    and("authorized, being renewed", Box::new(|| Bench::aside().renewing()));
    and(
        "partially_captured, the rest being taken",
        Box::new(|| Bench::aside().capture(40_000).approves().capture(60_000)),
    );
    and(
        "partially_captured, a further part being taken",
        Box::new(|| Bench::aside().capture(40_000).approves().capture(30_000)),
    );
    and(
        "partially_captured, the rest being renewed",
        Box::new(|| Bench::aside().capture(40_000).approves().renewing()),
    );
    and(
        "partially_captured, the rest being taken when its order gave up",
        Box::new(|| Bench::aside().capture(40_000).approves().capture(60_000).then(PaymentCommand::Abandon)),
    );
    and("processing: unresolved, another amount moved", Box::new(move || Bench::card().answers(moved(200_000))));
    and(
        "processing: unresolved, a part being taken",
        Box::new(|| Bench::aside().capture(40_000).then(PaymentCommand::Abandon)),
    );
    and(
        "processing: unresolved, set aside after it was declined",
        Box::new(move || Bench::card().declines().then(late(aside()))),
    );
    and("partially_refunded: requested, of all", Box::new(|| Bench::card().approves().refund(100_000)));
    and("partially_refunded: requested, by itself", Box::new(move || Bench::card().declines().then(late(approved()))));
    and(
        "partially_refunded: failed, by itself",
        Box::new(move || Bench::card().declines().then(late(approved())).declines()),
    );
    and(
        "partially_refunded: requested, of a surplus",
        Box::new(move || Bench::aside().capture(100_000).answers(moved(100_500))),
    );
    and("disputed: opened, about a part", Box::new(move || Bench::card().approves().hears(dispute())));
    let wallet = || Bench::new(Method::Wallet, false);
    scenes.push(("authorized, of a wallet".into(), Box::new(wallet)));
    scenes.push(("captured, of a wallet".into(), Box::new(move || wallet().then(PaymentCommand::Secure))));
    scenes
}

type Table = BTreeMap<(String, String), String>;

/// What happens, without what is the default, and every step that was taken on the way.
fn actual() -> (Table, BTreeSet<(Stage, Step)>) {
    let (mut table, mut taken) = (Table::new(), BTreeSet::new());
    for (name, make) in scenes() {
        for (input, command) in inputs(&make().payment) {
            let mut bench = make();
            let outcome = outcome_of(&mut bench, &command);
            taken.append(&mut bench.taken);
            if outcome != default_of(&input) {
                table.insert((name.clone(), input), outcome);
            }
        }
    }
    (table, taken)
}

/// The table as it is written: a stage begins a line, what comes to it follows indented, `inputs => outcome`.
fn expected() -> Table {
    let (mut table, mut stages) = (Table::new(), Vec::<String>::new());
    for line in EXPECTED.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            None => stages = line.split(" | ").map(str::to_owned).collect(),
            Some(row) => {
                let (inputs, outcome) = row.split_once(" => ").unwrap_or_else(|| panic!("no outcome: {row}"));
                for stage in &stages {
                    for input in inputs.split(" | ") {
                        let before = table.insert((stage.clone(), input.trim().to_owned()), outcome.trim().to_owned());
                        assert!(before.is_none(), "{stage} meets `{input}` twice");
                    }
                }
            }
        }
    }
    table
}

/// The table as it would be written now.
fn written(table: &Table) -> String {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    for (name, make) in scenes() {
        let mut rows: Vec<(&str, String)> = Vec::new();
        for (input, _) in inputs(&make().payment) {
            let Some(outcome) = table.get(&(name.clone(), input.clone())) else { continue };
            match rows.iter_mut().find(|row| row.0 == outcome) {
                Some(row) => write!(row.1, " | {input}").unwrap(),
                None => rows.push((outcome, input)),
            }
        }
        let rows: Vec<_> = rows.iter().map(|(outcome, inputs)| format!("    {inputs} => {outcome}")).collect();
        match blocks.iter_mut().find(|block| block.1 == rows) {
            Some(block) => write!(block.0, " | {name}").unwrap(),
            None => blocks.push((name, rows)),
        }
    }
    blocks.iter().map(|(names, rows)| format!("{names}\n{}\n\n", rows.join("\n"))).collect()
}

#[test]
fn a_payment_can_be_brought_into_every_stage_but_the_one_that_no_record_ends_in() {
    for stage in Stage::ALL {
        match in_stage(*stage) {
            Some(bench) => assert_eq!(bench.payment.stage(), *stage),
            None => assert_eq!(*stage, Stage::Created),
        }
    }
    // Every way to make a payment leads out of it.
    let methods = Method::ALL.map(|(method, _)| Bench::new(method, false).payment.stage());
    assert_eq!(methods, [Stage::Authorized, Stage::Authorizing, Stage::Authorized, Stage::Authorized]);
    let into: Vec<_> = Stage::ALL
        .iter()
        .flat_map(|from| Step::ALL.iter().map(move |on| (*from, *on)))
        .filter(|(from, on)| transition(*from, *on).is_ok_and(|next| next.to == Stage::Created))
        .collect();
    assert!(into.iter().all(|(from, on)| *on == Step::Retry && from.main().name() == "failed"), "{into:?}");
}

#[test]
fn whatever_comes_to_a_payment_in_whatever_stage_ends_as_the_table_says() {
    let (actual, expected) = (actual().0, expected());
    let keys: BTreeSet<_> = actual.keys().chain(expected.keys()).collect();
    let nothing = String::from("(as by default)");
    let differing: Vec<_> = keys
        .into_iter()
        .map(|key| (key, actual.get(key).unwrap_or(&nothing), expected.get(key).unwrap_or(&nothing)))
        .filter(|(_, is, wanted)| is != wanted)
        .map(|((stage, input), is, wanted)| format!("{stage}, {input}: {is}\n    wanted: {wanted}"))
        .collect();
    assert!(differing.is_empty(), "{}\n\nall of it now:\n{}", differing.join("\n"), written(&actual));
}

#[test]
fn no_step_of_the_table_is_without_a_use() {
    let taken = actual().1;
    let steps: BTreeSet<_> = taken.iter().map(|(_, step)| *step).collect();
    let unused: Vec<_> = Step::ALL.iter().filter(|step| !steps.contains(step)).collect();
    // These begin a payment: they are taken by `first_stage`.
    assert_eq!(unused, [&Step::Start, &Step::Retry]);
}
