//! The thread that waits for answers, so that the driver can go on handing work over.
//!
//! Answers are waited for in the order of the commands, which is the order in which one partition gives them. An
//! accepted order is shipped here, at once: the driver hears of it only after its shipment was handed over, so a
//! return that it sends next comes after the shipment in the partition's mailbox.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use hdrhistogram::Histogram;
use stockade_domain::{OrderId, Refusal};

use crate::engine::{Engine, OrderSnapshot, Pending, StockSnapshot};

/// How many shipments are under way before the oldest is waited for.
const SHIPMENTS_UNDER_WAY_MAX: usize = 1024;
/// Latencies are counted up to a minute.
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// A command under way.
pub(super) enum Waiting {
    Order {
        invoice: u32,
        pending: Pending<OrderSnapshot>,
        since: Instant,
    },
    Stock {
        row: u32,
        pending: Pending<StockSnapshot>,
    },
    TakenBack {
        row: u32,
        pending: Pending<OrderSnapshot>,
    },
    Entry {
        row: u32,
        pending: Pending<u64>,
    },
    /// A second entry of a row, which must not fail.
    Beside {
        pending: Pending<u64>,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Order {
        invoice: u32,
        result: Result<Accepted, Refusal>,
    },
    Row {
        row: u32,
        result: Result<(), Refusal>,
    },
    /// Something that cannot be refused was.
    Broken(Refusal),
}

/// An order that the engine took.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) order: OrderId,
    /// Units filled of each line.
    pub(super) fills: Vec<u64>,
    /// Some of it waits for stock.
    pub(super) waits: bool,
}

/// Units of each line that the order has.
pub(super) fn fills(snapshot: &OrderSnapshot) -> Vec<u64> {
    snapshot.order.lines.iter().map(|line| line.filled).collect()
}

/// The waiting thread and the ways to and from it.
pub(super) struct Answers {
    waiting: Option<mpsc::Sender<Waiting>>,
    outcomes: mpsc::Receiver<Outcome>,
    thread: Option<JoinHandle<Histogram<u64>>>,
}

impl Answers {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let (waiting, queue) = mpsc::channel();
        let (sender, outcomes) = mpsc::channel();
        let engine = engine.clone();
        let thread = std::thread::Builder::new().name("answers".into());
        let thread = thread.spawn(move || wait_for_all(&engine, &queue, &sender))?;
        Ok(Self { waiting: Some(waiting), outcomes, thread: Some(thread) })
    }

    pub(super) fn wait_for(&self, waiting: Waiting) {
        let queue = self.waiting.as_ref().expect("nothing is handed over after the end");
        queue.send(waiting).expect("the thread takes all until the end");
    }

    /// The next outcome, without waiting.
    pub(super) fn ready(&self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }

    /// The next outcome; none when all was answered after the end.
    pub(super) fn next(&self) -> Option<Outcome> {
        self.outcomes.recv().ok()
    }

    /// Nothing more comes; the outcomes still do.
    pub(super) fn end(&mut self) {
        self.waiting = None;
    }

    /// The orders' latencies, once all outcomes were taken.
    pub(super) fn latencies(&mut self) -> Option<Histogram<u64>> {
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

fn wait_for_all(engine: &Engine, queue: &mpsc::Receiver<Waiting>, outcomes: &mpsc::Sender<Outcome>) -> Histogram<u64> {
    let mut latencies = Histogram::new_with_max(LATENCY_MICROS_MAX, 3).expect("a valid range and precision");
    let mut shipments: VecDeque<Pending<OrderSnapshot>> = VecDeque::new();
    // A driver that went away wants no outcomes: then there is nobody to tell.
    let tell = |outcome| drop(outcomes.send(outcome));
    let ended = |pending: Pending<OrderSnapshot>| {
        if let Err(refusal) = pending.wait() {
            tell(Outcome::Broken(refusal));
        }
    };
    for waiting in queue {
        match waiting {
            Waiting::Order { invoice, pending, since } => {
                let result = pending.wait();
                latencies.saturating_record(u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX));
                let result = result.map(|snapshot| accept(engine, &snapshot, &mut shipments));
                tell(Outcome::Order { invoice, result });
            }
            Waiting::Stock { row, pending } => {
                tell(Outcome::Row { row, result: pending.wait().map(drop) });
            }
            Waiting::TakenBack { row, pending } => {
                tell(Outcome::Row { row, result: pending.wait().map(drop) });
            }
            Waiting::Entry { row, pending } => {
                tell(Outcome::Row { row, result: pending.wait().map(drop) });
            }
            Waiting::Beside { pending } => {
                if let Err(refusal) = pending.wait() {
                    tell(Outcome::Broken(refusal));
                }
            }
        }
        if shipments.len() > SHIPMENTS_UNDER_WAY_MAX
            && let Some(oldest) = shipments.pop_front()
        {
            ended(oldest);
        }
    }
    shipments.into_iter().for_each(ended);
    latencies
}

/// Ships what is filled.
fn accept(engine: &Engine, snapshot: &OrderSnapshot, shipments: &mut VecDeque<Pending<OrderSnapshot>>) -> Accepted {
    let fills = fills(snapshot);
    if fills.iter().any(|fill| *fill > 0) {
        shipments.push_back(engine.ship(snapshot.id));
    }
    let waits = snapshot.order.lines.iter().any(|line| line.backordered > 0);
    Accepted { order: snapshot.id, fills, waits }
}
