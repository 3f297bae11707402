//! HTTP traffic: many connections that order, and what they were told.
//!
//! ```text
//!   pacer thread ─▶ intended starts ─▶ connections ─▶ answers ─▶ counts and latencies      (a rate was asked for)
//!                                      connections ─▶ answers ─▶ counts and latencies      (as fast as they go)
//! ```
//!
//! With a rate, latency counts from the moment a request should have started, so a server that stalls is charged
//! for everybody who would have come meanwhile (Gil Tene's "coordinated omission").

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc};

use super::client::{Connection, Target};
use super::output::Failure;

/// A request without an answer for this long has an unknown outcome.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long after the end requests that should have started before it are still sent.
const GRACE: Duration = Duration::from_secs(10);
/// A connection that fails this often in a row gives up.
const FAILURES_IN_A_ROW_MAX: u32 = 3;
/// Latencies are counted up to a minute.
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// An order ready to be sent: its bytes, and what it takes of which ware.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) request: Vec<u8>,
    pub(super) units: Vec<(usize, u64)>,
}

/// What is to be sent.
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) connections: usize,
    /// Requests a second; none: each connection as fast as it is answered.
    pub(super) rate: Option<u32>,
    pub(super) duration: Duration,
    pub(super) orders: Vec<Prepared>,
    pub(super) wares: usize,
}

/// Counts that can be watched while traffic runs.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// Percentiles in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: histogram.max() }
    }
}

/// What the connections saw.
pub(super) struct Seen {
    pub(super) accepted: u64,
    /// Refusals by their code.
    pub(super) refused: BTreeMap<String, u64>,
    /// Requests whose outcome is unknown.
    pub(super) failed: u64,
    /// The last such failure.
    pub(super) failure: Option<String>,
    /// Requests that should have started and were not sent.
    pub(super) not_sent: u64,
    pub(super) units_accepted: Vec<u64>,
    pub(super) units_unknown: Vec<u64>,
    latencies: Histogram<u64>,
    accepted_latencies: Histogram<u64>,
    /// When the last order was accepted, from the start.
    pub(super) selling: Duration,
    pub(super) took: Duration,
}

impl Seen {
    fn new(wares: usize) -> Self {
        let histogram = Histogram::new_with_max(LATENCY_MICROS_MAX, 3).expect("a valid range and precision");
        Self {
            accepted: 0,
            refused: BTreeMap::new(),
            failed: 0,
            failure: None,
            not_sent: 0,
            units_accepted: vec![0; wares],
            units_unknown: vec![0; wares],
            latencies: histogram.clone(),
            accepted_latencies: histogram,
            selling: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    /// Requests that were refused by name.
    pub(super) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Of every answer.
    pub(super) fn latency(&self) -> Latency {
        Latency::of(&self.latencies)
    }

    /// Of accepted orders.
    pub(super) fn accepted_latency(&self) -> Latency {
        Latency::of(&self.accepted_latencies)
    }

    fn merge(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.failed += other.failed;
        self.failure = other.failure.or(self.failure.take());
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
        let add = |sums: &mut [u64], units: &[u64]| sums.iter_mut().zip(units).for_each(|(sum, more)| *sum += more);
        add(&mut self.units_accepted, &other.units_accepted);
        add(&mut self.units_unknown, &other.units_unknown);
        self.latencies.add(other.latencies).expect("the same range");
        self.accepted_latencies.add(other.accepted_latencies).expect("the same range");
        self.selling = self.selling.max(other.selling);
    }
}

/// A tiny generator (xorshift64*): which order comes next must cost nothing.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize) % bound
    }
}

/// When requests should start.
#[derive(Clone)]
enum Starts {
    /// At once, until this time.
    AsTheyCome { end: Instant },
    /// When the pacer says; none is sent after this time.
    Paced { queue: Arc<Mutex<mpsc::UnboundedReceiver<Instant>>>, end: Instant },
}

impl Starts {
    async fn next(&self) -> Option<Instant> {
        match self {
            Self::AsTheyCome { end } => {
                let now = Instant::now();
                (now < *end).then_some(now)
            }
            Self::Paced { queue, end } => {
                let intended = queue.lock().await.recv().await;
                intended.filter(|_| Instant::now() < *end)
            }
        }
    }
}

/// Emits intended starts evenly. A thread of its own sleeps more exactly than the runtime's millisecond timer.
fn pace(rate: u32, start: Instant, duration: Duration, starts: &mpsc::UnboundedSender<Instant>) -> u64 {
    let all = (f64::from(rate) * duration.as_secs_f64()) as u64;
    for number in 0..all {
        let intended = start + Duration::from_secs_f64(number as f64 / f64::from(rate));
        std::thread::sleep(intended.saturating_duration_since(Instant::now()));
        if starts.send(intended).is_err() {
            break;
        }
    }
    all
}

/// Sends the plan's traffic and waits for its end.
pub(super) async fn run(plan: Plan, live: &Arc<Live>) -> Result<Seen, Failure> {
    let plan = Arc::new(plan);
    let start = Instant::now();
    let end = start + plan.duration;
    let mut pacer = None;
    let starts = match plan.rate {
        None => Starts::AsTheyCome { end },
        Some(rate) => {
            let (sender, receiver) = mpsc::unbounded_channel();
            let duration = plan.duration;
            let thread = std::thread::Builder::new().name("pacer".into());
            let spawned = thread.spawn(move || pace(rate, start, duration, &sender));
            pacer = Some(spawned.map_err(|error| Failure::cannot("thread_not_started", error))?);
            Starts::Paced { queue: Arc::new(Mutex::new(receiver)), end: end + GRACE }
        }
    };
    let connections: Vec<_> = (0..plan.connections)
        .map(|number| tokio::spawn(order_on(number, Arc::clone(&plan), starts.clone(), start, Arc::clone(live))))
        .collect();
    let mut seen = Seen::new(plan.wares);
    for connection in connections {
        let part = connection.await.map_err(|error| Failure::cannot("load_failed", error))?;
        seen.merge(part);
    }
    seen.took = start.elapsed();
    // With every connection gone the pacer finds its channel closed and ends.
    drop(starts);
    if let Some(pacer) = pacer {
        let intended = pacer.join().unwrap_or(0);
        seen.not_sent = intended.saturating_sub(seen.accepted + seen.refusals() + seen.failed);
    }
    Ok(seen)
}

/// One connection's life.
async fn order_on(number: usize, plan: Arc<Plan>, starts: Starts, start: Instant, live: Arc<Live>) -> Seen {
    let mut seen = Seen::new(plan.wares);
    let mut dice = Dice::new(number as u64 + 1);
    let mut connection = Connection::new(&plan.target);
    let mut failures = 0;
    while failures < FAILURES_IN_A_ROW_MAX {
        let Some(intended) = starts.next().await else { break };
        let order = &plan.orders[dice.below(plan.orders.len())];
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, connection.exchange(&order.request)).await;
        let micros = u64::try_from(intended.elapsed().as_micros()).unwrap_or(u64::MAX);
        let answer = match answer.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(answer) => answer,
            Err(error) => {
                failures += 1;
                seen.failed += 1;
                seen.failure = Some(error.to_string());
                order.units.iter().for_each(|(ware, units)| seen.units_unknown[*ware] += units);
                connection = Connection::new(&plan.target);
                continue;
            }
        };
        failures = 0;
        seen.latencies.saturating_record(micros);
        if answer.is_success() {
            seen.accepted += 1;
            seen.accepted_latencies.saturating_record(micros);
            seen.selling = start.elapsed();
            order.units.iter().for_each(|(ware, units)| seen.units_accepted[*ware] += units);
            live.accepted.fetch_add(1, Ordering::Relaxed);
        } else {
            let code = answer.problem();
            if code == "storage_unavailable" {
                order.units.iter().for_each(|(ware, units)| seen.units_unknown[*ware] += units);
            }
            *seen.refused.entry(code).or_default() += 1;
            live.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
    seen
}

/// A runtime for clients: one thread, beside the server's.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::cannot("thread_not_started", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pacer_intends_every_start_even_when_it_is_late() {
        let (sender, mut starts) = mpsc::unbounded_channel();
        let start = Instant::now();
        assert_eq!(pace(10_000, start, Duration::from_millis(20), &sender), 200);
        let mut intended = Vec::new();
        while let Ok(at) = starts.try_recv() {
            intended.push(at - start);
        }
        assert_eq!(intended.len(), 200);
        assert_eq!(intended[100], Duration::from_millis(10));
        assert!(start.elapsed() >= intended[199]);
    }

    #[test]
    fn dice_reach_every_side() {
        let mut dice = Dice::new(1);
        let sides: std::collections::BTreeSet<usize> = (0..1000).map(|_| dice.below(7)).collect();
        assert_eq!(sides.len(), 7);
    }
}
