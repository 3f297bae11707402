//! An engine of the experiment's own, with buyers at work on it, and what must be true of it afterwards.
//!
//! An engine that ends because its disk failed is opened again, as whoever runs one would do; a buyer who has no answer asks
//! again with the same order id. What a buyer was told is remembered, and looked for at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use stockade_actors::faults::is_like;
use stockade_actors::ports::{Clock, SystemClock};
use stockade_domain::ledger::LedgerAccount;
use stockade_domain::{Money, OrderId, Quantity, Timestamp};
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use super::buyer::Buyer;
use super::experiment::Experiment;
use super::fault::FaultSpec;
use super::run::{Strikes, Target};
use super::sample::Sample;
use super::shadow::Shadow;
use super::switchboard::Fired;
use crate::engine::{Config, Engine, Sku};
use crate::gateway::SimulatedGateway;

/// Goods that faults may name.
pub(super) const GOODS: &[&str] = &["chaos-1", "chaos-2", "chaos-3", SCARCE];
/// Goods that experiments with a control group sell beside, and that faults do not name.
pub(super) const CONTROL: &[&str] = &["control-1", "control-2"];
/// Of these there are only what comes in: who orders them waits in line.
pub(super) const SCARCE: &str = "chaos-4";
/// Units of each when the doors open.
const STOCK: Quantity = 1_000_000;
/// Latencies are counted up to ten minutes.
const LATENCY_MICROS_MAX: u64 = 600_000_000;
/// How long the end may take to come to rest.
const REST: Duration = Duration::from_secs(20);

pub(super) fn eur(cents: i64) -> Money {
    Money::new(stockade_domain::Amount(cents * 100), "EUR".parse().expect("a currency"))
}

/// What buyers counted.
#[derive(Default)]
pub(super) struct Counts {
    /// Requests that were answered.
    pub answered: AtomicU64,
    /// Requests without an answer, or with one that says that something is broken.
    pub errors: AtomicU64,
    /// Requests that were sent again.
    pub retries: AtomicU64,
    /// Buyers who had their order, and who had none in the end: of goods that faults name, and of the others.
    pub served: [AtomicU64; 2],
    /// See `served`.
    pub left: [AtomicU64; 2],
    pub in_flight: AtomicU64,
    /// Since the last sample.
    pub latencies: Mutex<Option<Histogram<u64>>>,
    /// Orders that were acknowledged.
    pub acknowledged: Mutex<Vec<OrderId>>,
}

impl Counts {
    pub(super) fn add(&self, latency: Duration, is_error: bool) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if is_error {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        let mut slot = self.latencies.lock();
        let histogram = slot.get_or_insert_with(|| {
            Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3).expect("these bounds are possible")
        });
        histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }
}

impl Counts {
    /// Of a hundred buyers of a group so many were served; none, if there was none.
    fn success_percent(&self, group: usize) -> Option<f64> {
        let at = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let served = at(&self.served[group]);
        share(served, served + at(&self.left[group]))
    }
}

/// Of a hundred; none, if there was none.
fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 * 100.0 / of as f64)
}

/// The engine that is there now, shared by the buyers.
pub(super) struct Shop {
    pub engine: RwLock<Engine>,
    /// What is sold.
    pub goods: Vec<&'static str>,
    pub counts: Counts,
    pub closing: AtomicBool,
}

/// See the module.
pub struct PrivateEngine {
    dir: tempfile::TempDir,
    partitions: usize,
    gateway: SimulatedGateway,
    clock: Hurried,
    shop: Arc<Shop>,
    buyers: JoinSet<()>,
    /// What is armed, to be armed again in an engine that was opened again.
    armed: Vec<FaultSpec>,
    /// Strikes in engines of before.
    fired_before: Vec<Fired>,
    restarts: u64,
    sampled: (Instant, u64, u64),
    /// Follows the journal; none while it is at work.
    shadow: Option<Shadow>,
}

/// The machine's clock, which is set forward when everything is to come to rest: nobody waits for an hour's pause.
#[derive(Clone, Default)]
struct Hurried(Arc<AtomicI64>);

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_micros(self.0.load(Ordering::Relaxed))
    }
}

fn config(dir: PathBuf, partitions: usize, gateway: &SimulatedGateway, clock: &Hurried) -> Config {
    let config = Config::at(dir).partitions(partitions).gateway(gateway.clone()).clock(clock.clone()).private();
    // Small enough that an experiment of seconds seals segments and takes checkpoints.
    Config { segment_bytes: 1 << 20, checkpoint_records: 20_000, ..config }
}

/// What is still to strike after an engine has ended of it: faults that strike only so often are not given another chance.
fn left_of(armed: &[FaultSpec], fired: &[Fired]) -> Vec<FaultSpec> {
    let struck = |spec: &FaultSpec| {
        let is_named = |operation| spec.select.operation.as_deref().is_none_or(|pattern| is_like(operation, pattern));
        let of_spec =
            |one: &&Fired| one.port == spec.fault.port() && one.fault == spec.fault.name() && is_named(one.operation);
        fired.iter().filter(of_spec).map(|one| one.count).sum::<u64>()
    };
    let left = |spec: &FaultSpec| {
        let mut spec = spec.clone();
        if let Some(count) = spec.select.count {
            spec.select.count = Some(count.saturating_sub(struck(&spec))).filter(|left| *left > 0);
            spec.select.count?;
        }
        Some(spec)
    };
    armed.iter().filter_map(left).collect()
}

fn said(error: impl ToString) -> String {
    error.to_string()
}

impl PrivateEngine {
    /// Opens an engine in a directory of its own, fills its shelves, lets the buyers in.
    ///
    /// # Errors
    ///
    /// A sentence, when it cannot be opened.
    pub async fn open(experiment: &Experiment) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(said)?;
        let Experiment { load, seed, control_group, .. } = experiment;
        let (gateway, partitions) = (SimulatedGateway::default(), load.partitions);
        let clock = Hurried::default();
        let opening = config(dir.path().join("shop"), partitions, &gateway, &clock);
        let engine = tokio::task::spawn_blocking(move || Engine::open(opening)).await.map_err(said)?.map_err(said)?;
        let goods: Vec<&'static str> = GOODS.iter().chain(CONTROL.iter().filter(|_| *control_group)).copied().collect();
        for &name in &goods {
            engine.put_sku(Sku::new(name, eur(500)).backorder_max(1_000)).await.map_err(said)?;
            if name != SCARCE {
                engine.receive(name, STOCK).await.map_err(said)?;
            }
        }
        super::buyer::set_up(&engine).await.map_err(said)?;
        let (counts, closing) = (Counts::default(), AtomicBool::new(false));
        let shop = Shop { engine: RwLock::new(engine), goods, counts, closing };
        let shop = Arc::new(shop);
        let mut buyers = JoinSet::new();
        for number in 0..load.buyers {
            buyers.spawn(Buyer::new(Arc::clone(&shop), *seed, number as u64).shop());
        }
        let (armed, fired_before, sampled) = (Vec::new(), Vec::new(), (Instant::now(), 0, 0));
        let shadow = Some(Shadow::default());
        Ok(Self { dir, partitions, gateway, clock, shop, buyers, armed, fired_before, restarts: 0, sampled, shadow })
    }

    /// Whether the engine has ended: nothing is written any more.
    async fn has_ended(&self) -> bool {
        self.shop.engine.read().await.has_failed()
    }

    /// Opens the engine again, as whoever runs one would do when it has ended.
    async fn revive(&mut self) -> Result<(), String> {
        if !self.has_ended().await {
            return Ok(());
        }
        let mut slot = self.shop.engine.write().await;
        let fired = slot.switchboard().fired();
        self.armed = left_of(&self.armed, &fired);
        self.fired_before.extend(fired);
        slot.switchboard().disarm();
        let old = slot.clone();
        // What could not be written is unknown to whoever asked for it; closing says so, too.
        let _ = tokio::time::timeout(REST, old.close()).await;
        drop(old);
        let opening = config(self.dir.path().join("shop"), self.partitions, &self.gateway, &self.clock);
        // The directory is locked until the last handle of the old engine has gone.
        *slot = Engine::in_memory().map_err(said)?;
        let begun = Instant::now();
        let opened = loop {
            let opening = opening.clone();
            match tokio::task::spawn_blocking(move || Engine::open(opening)).await.map_err(said)? {
                Err(_) if begun.elapsed() < REST => tokio::time::sleep(Duration::from_millis(50)).await,
                opened => break opened.map_err(|error| format!("it does not come up again: {error}"))?,
            }
        };
        self.restarts += 1;
        opened.switchboard().arm(self.armed.clone()).map_err(said)?;
        *slot = opened;
        Ok(())
    }

    async fn all_fired(&self) -> Vec<Fired> {
        let mut sums: BTreeMap<_, u64> = BTreeMap::new();
        let now = self.shop.engine.read().await.switchboard().fired();
        for Fired { port, fault, operation, count } in self.fired_before.iter().cloned().chain(now) {
            *sums.entry((port, fault, operation)).or_default() += count;
        }
        let one = |((port, fault, operation), count)| Fired { port, fault, operation, count };
        sums.into_iter().map(one).collect()
    }

    /// What was promised and not there, as far as the journal tells.
    async fn oversold(&mut self) -> Result<Option<f64>, String> {
        let Some(mut shadow) = self.shadow.take() else { return Ok(None) };
        let engine = self.shop.engine.read().await.clone();
        let followed = tokio::task::spawn_blocking(move || {
            shadow.catch_up(&engine);
            shadow
        });
        let shadow = self.shadow.insert(followed.await.map_err(said)?);
        Ok(Some(shadow.oversold() as f64))
    }

    /// What buyers were told must be there.
    async fn lost(&self) -> Vec<String> {
        let acknowledged = std::mem::take(&mut *self.shop.counts.acknowledged.lock());
        let engine = self.shop.engine.read().await.clone();
        let mut lost = Vec::new();
        for id in acknowledged {
            if engine.read_order(id).await.is_err() {
                lost.push(format!("order {id} was acknowledged and is not there"));
            }
        }
        lost
    }
}

impl Target for PrivateEngine {
    async fn arm(&mut self, faults: &[FaultSpec]) -> Result<(), String> {
        self.armed = faults.to_vec();
        self.shop.engine.read().await.switchboard().arm(self.armed.clone()).map_err(said)
    }

    async fn disarm(&mut self) -> Result<(), String> {
        self.armed.clear();
        self.shop.engine.read().await.switchboard().disarm();
        Ok(())
    }

    async fn residue(&mut self) -> Result<Option<String>, String> {
        let engine = self.shop.engine.read().await;
        let (armed, held) = (engine.switchboard().is_armed(), engine.switchboard().held_back());
        Ok((armed || held > 0).then(|| format!("armed: {armed}, held back: {held}")))
    }

    async fn sample(&mut self) -> Result<Sample, String> {
        self.revive().await?;
        let counts = &self.shop.counts;
        let at = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let (answered, errors) = (at(&counts.answered), at(&counts.errors));
        let (since, answered_before, errors_before) =
            std::mem::replace(&mut self.sampled, (Instant::now(), answered, errors));
        let (news, wrong) = (answered - answered_before, errors - errors_before);
        let histogram = counts.latencies.lock().take();
        let quantile = |q| histogram.as_ref().map(|h| h.value_at_quantile(q) as f64 / 1_000.0);
        let in_flight = at(&counts.in_flight) as f64;
        let (success_percent, control_success_percent) = (counts.success_percent(0), counts.success_percent(1));
        Ok(Sample {
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            throughput: Some(news as f64 / since.elapsed().as_secs_f64().max(1e-3)),
            error_percent: share(wrong, news),
            in_flight: Some(in_flight),
            success_percent,
            control_success_percent,
            oversold: self.oversold().await?,
        })
    }

    async fn fired(&mut self) -> Result<Vec<Strikes>, String> {
        Ok(self.all_fired().await.iter().map(Strikes::from).collect())
    }

    async fn finish(&mut self) -> Result<(Vec<String>, BTreeMap<String, f64>), String> {
        self.shop.closing.store(true, Ordering::Relaxed);
        while self.buyers.join_next().await.is_some() {}
        self.revive().await?;
        let mut broken = self.lost().await;
        let engine = self.shop.engine.read().await.clone();
        // Payments under way come to their end once nothing fails.
        let begun = Instant::now();
        let books = loop {
            let books = engine.ledger().await.map_err(said)?;
            let (captured, refunded) = self.gateway.totals();
            let known = books.balance("EUR".parse().expect("a currency"), LedgerAccount::Card);
            if known == captured - refunded || begun.elapsed() > REST {
                break known - (captured - refunded);
            }
            self.clock.0.fetch_add(10_000_000, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        if books != 0 {
            broken.push(format!("the gateway's books differ from the engine's by {books} ten-thousandths"));
        }
        let charged_twice = self.gateway.cards().iter().filter(|(_, card)| card.captures > 1).count();
        if charged_twice > 0 {
            broken.push(format!("{charged_twice} payments were captured twice"));
        }
        if let Err(refusal) = engine.check().await {
            broken.push(format!("an actor does not hold its invariants: {refusal}"));
        }
        let _ = tokio::time::timeout(REST, engine.close()).await;
        drop(engine);
        *self.shop.engine.write().await = Engine::in_memory().map_err(said)?;
        let dir = self.dir.path().join("shop");
        let report = tokio::task::spawn_blocking(move || crate::audit::audit(&dir, |_, _| {})).await.map_err(said)?;
        match report {
            Ok(report) => {
                broken.extend(
                    report.faults.first().map(|fault| format!("the auditor found {}: {fault:?}", report.faults_found)),
                );
                if report.oversold > 0 {
                    broken.push(format!("{} units were oversold", report.oversold));
                }
            }
            Err(error) => broken.push(format!("the journal cannot be audited: {error}")),
        }
        Ok((broken, self.figures()))
    }
}

impl PrivateEngine {
    fn figures(&self) -> BTreeMap<String, f64> {
        let counts = &self.shop.counts;
        let at = |of: &AtomicU64| of.load(Ordering::Relaxed) as f64;
        let figures = [
            ("requests", at(&counts.answered)),
            ("retries", at(&counts.retries)),
            ("errors", at(&counts.errors)),
            ("restarts", self.restarts as f64),
        ];
        let shares = [
            ("final_success_percent", counts.success_percent(0)),
            ("final_success_percent_of_control_group", counts.success_percent(1)),
        ];
        let shares = shares.into_iter().filter_map(|(name, share)| Some((name, share?)));
        figures.into_iter().chain(shares).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::fault::{DiskFault, Fault, Port, Selector};

    #[test]
    fn a_fault_that_strikes_once_has_struck_also_when_the_engine_ended_of_it() {
        let spec = |fault, operation: &str, count| {
            let select = Selector { operation: Some(operation.into()), count, ..Selector::default() };
            FaultSpec { fault: Fault::Disk(fault), select }
        };
        let armed = [
            spec(DiskFault::Eio, "write", Some(1)),
            spec(DiskFault::Eio, "sync*", Some(3)),
            spec(DiskFault::TornWrite, "write", Some(1)),
            spec(DiskFault::Enospc, "write", None),
        ];
        let fired = |fault, operation, count| Fired { port: Port::Disk, fault, operation, count };
        let left = left_of(&armed, &[fired("eio", "write", 1), fired("eio", "sync", 1), fired("enospc", "write", 9)]);
        let counts: Vec<_> = left.iter().map(|spec| (spec.fault.name(), spec.select.count)).collect();
        assert_eq!(counts, [("eio", Some(2)), ("torn_write", Some(1)), ("enospc", None)]);
    }
}
