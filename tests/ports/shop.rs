//! A shop on a real directory, on the engine's own time, and what every test of a port demands of it in the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use stockade::audit::audit;
use stockade::chaos::{Fault, FaultSpec, Selector};
use stockade::gateway::SimulatedGateway;
use stockade::{
    Config, Engine, ManualClock, Money, NewOrder, OrderId, OrderSnapshot, Payment, Refusal, Sku, Timestamp,
};
use tempfile::TempDir;

pub const START: Timestamp = Timestamp(1_790_000_000_000_000);
/// They lie in different partitions, whether there are two or three.
pub const SKUS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
pub const UNITS: u64 = 1_000;

pub struct Shop {
    pub dir: TempDir,
    pub engine: Engine,
    pub gateway: SimulatedGateway,
    pub clock: ManualClock,
    pub partitions: usize,
}

pub fn eur(text: &str) -> Money {
    Money::parse(&format!("{text} EUR")).unwrap()
}

pub fn strike(fault: Fault, operation: &str, count: u64) -> FaultSpec {
    let select = Selector { operation: Some(operation.into()), count: Some(count), ..Selector::default() };
    FaultSpec { fault, select }
}

impl Shop {
    pub fn open(partitions: usize) -> Self {
        let (dir, gateway, clock) = (tempfile::tempdir().unwrap(), SimulatedGateway::default(), ManualClock::at(START));
        let engine = Engine::open(config(&dir, &gateway, &clock, partitions)).unwrap();
        for sku in SKUS {
            engine.put_sku(Sku::new(sku, eur("1.00"))).wait().unwrap();
            engine.receive(sku, UNITS).wait().unwrap();
        }
        engine.credit("ann", eur("10000.00")).wait().unwrap();
        Self { dir, engine, gateway, clock, partitions }
    }

    pub fn arm(&self, specs: impl IntoIterator<Item = FaultSpec>) {
        self.engine.switchboard().arm(specs.into_iter().collect()).unwrap();
    }

    /// One unit of one SKU, from a wallet.
    pub fn order(&self, sku: &str) -> NewOrder {
        NewOrder::one(sku, 1).id(self.engine.new_order_id()).customer("ann").pay(Payment::wallet())
    }

    /// One unit of every SKU.
    pub fn big_order(&self) -> NewOrder {
        let order = NewOrder::one(SKUS[0], 1).id(self.engine.new_order_id()).pay(Payment::external("cash"));
        SKUS[1..].iter().fold(order, |order, sku| order.line(*sku, 1))
    }

    /// The same, of an order that lives in this one of the partitions.
    pub fn big_order_of(&self, partition: u64, partitions: u64) -> NewOrder {
        let lives_there = |id: &OrderId| id.route() % partitions == partition;
        let id = std::iter::repeat_with(|| self.engine.new_order_id()).find(lives_there).expect("ids do not end");
        self.big_order().id(id)
    }

    /// Places an order; no time passes.
    pub fn place(&self, order: &NewOrder) -> Result<OrderSnapshot, Refusal> {
        self.engine.place(order.clone()).wait()
    }

    /// Places an order while time passes, so that whoever asks again does.
    pub fn place_in_time(&self, order: &NewOrder) -> Result<OrderSnapshot, Refusal> {
        let pending = self.engine.place(order.clone());
        self.while_time_passes(|| pending.wait())
    }

    pub fn while_time_passes<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let done = work();
                is_done.store(true, Ordering::Release);
                done
            });
            while !is_done.load(Ordering::Acquire) && !worker.is_finished() {
                self.tick();
            }
            worker.join().unwrap()
        })
    }

    /// A second passes, and every partition notices. It lasts a millisecond at least: threads and disks have real time, and
    /// a day of the engine must not pass while they do their work.
    pub fn tick(&self) {
        thread::park_timeout(Duration::from_millis(1));
        self.clock.advance_seconds(1);
        for sku in SKUS {
            // A partition that is held up, or has ended, says so to those who ask for something.
            let _ = self.engine.read_stock(sku).wait();
        }
    }

    pub fn clock_now(&self) -> Timestamp {
        stockade::Clock::now(&self.clock)
    }

    pub fn status(&self, order: OrderId) -> &'static str {
        self.engine.read_order(order).wait().unwrap().status
    }

    pub fn fired(&self, fault: &str) -> u64 {
        self.engine.switchboard().fired().iter().filter(|fired| fired.fault == fault).map(|fired| fired.count).sum()
    }

    pub fn allocated(&self, sku: &str) -> u64 {
        self.engine.read_stock(sku).wait().unwrap().0.levels.totals.allocated
    }

    /// Off is off: nothing strikes, nothing is held back.
    pub fn disarm(&self) {
        let switchboard = self.engine.switchboard();
        switchboard.disarm();
        assert!(!switchboard.is_armed() && switchboard.armed().is_empty());
        let fired = switchboard.fired();
        for sku in SKUS {
            let order = NewOrder::one(sku, 1).pay(Payment::external("cash"));
            assert_eq!(self.engine.place(order).wait().unwrap().status, "paid", "{sku}");
        }
        assert_eq!(switchboard.held_back(), 0);
        assert_eq!(switchboard.fired(), fired, "nothing strikes any more");
    }

    /// Closes and opens again.
    pub fn reopen(self) -> Self {
        // A generation that has ended says so when it is closed.
        let _ended = self.engine.close_blocking();
        let Self { dir, engine, gateway, clock, partitions } = self;
        drop(engine);
        let engine = Engine::open(config(&dir, &gateway, &clock, partitions)).unwrap();
        Self { dir, engine, gateway, clock, partitions }
    }

    /// Closes; the auditor finds nothing: nothing oversold, every book in balance.
    pub fn end(self) {
        self.engine.close_blocking().unwrap();
        let Self { dir, engine, .. } = self;
        drop(engine);
        let report = audit(dir.path(), |_, _| ()).unwrap();
        assert_eq!(report.faults_found, 0, "{:?}", report.faults);
    }
}

fn config(dir: &TempDir, gateway: &SimulatedGateway, clock: &ManualClock, partitions: usize) -> Config {
    Config::at(dir.path()).partitions(partitions).gateway(gateway.clone()).clock(clock.clone()).private()
}
