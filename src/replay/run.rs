//! The steps of a history through an engine of its own.
//!
//! One partition handles its mailbox in order, so commands that one thread hands over in file order are decided in
//! file order, however many are in flight; nobody waits for an answer except a return whose sale is not decided yet.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use stockade_domain::ledger::{LedgerAccount, LedgerEvent};
use stockade_domain::order::ChargeKind;
use stockade_domain::stock::{Disposition, StockCommand, Unsellable};
use stockade_domain::{Amount, Currency, Location, Money, OrderId, Refusal, SkuId, check_quantity};

use super::answers::{Accepted, Answers, Outcome, Waiting, fills};
use super::history::{History, OpeningStock, Reading, Row, Step, Treatment};
use super::sales::{Link, Sales};
use super::shelves::{self, Moves};
use super::source::{self, SourceError};
use super::tally::{Latency, Tally};
use crate::engine::{Config, Engine, EngineError, NewOrder, Payment, Pending};

/// How many orders and rows are in flight at once: enough to keep the disk busy, few enough that returns seldom wait.
const IN_FLIGHT_MAX: usize = 1024;

/// What to do with demand that stock cannot fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShort {
    /// Refuse the order.
    Refuse,
    /// Fill what there is.
    Partial,
    /// Let the rest wait.
    Backorder,
}

/// How fast time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as it goes.
    Max,
    /// So many times as fast as it happened.
    Times(f64),
}

/// How a history is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The engine's directory: absent or empty.
    pub dir: PathBuf,
    /// How much there is at the start.
    pub stock: OpeningStock,
    /// What to do when it does not suffice.
    pub on_short: OnShort,
    /// How fast.
    pub speed: Speed,
    /// Only so many rows.
    pub limit: Option<u64>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the file, and in all.
    Reading(u64, u64),
    /// Rows, and in all.
    Running(u64, u64),
}

/// Why a replay did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The directory has something in it.
    #[error("{0} is not empty: a replay starts from nothing; name a directory that is absent or empty")]
    DirectoryNotEmpty(PathBuf),
    /// The engine as a whole.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine stopped answering.
    #[error("the engine stopped in the middle: {0}")]
    Stopped(Refusal),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// Runs a file through an engine in `options.dir` and closes it.
pub fn run(file: &Path, options: &Options, mut progress: impl FnMut(Progress)) -> Result<Tally, ReplayError> {
    check_empty(&options.dir)?;
    let mut reading = Reading::default();
    let report = |read, all| progress(Progress::Reading(read, all));
    source::read(file, options.limit, report, |fields| reading.add(fields))?;
    let history = reading.finish();
    // File order means one mailbox; more partitions would each keep an order of their own.
    let engine = Engine::open(Config::at(&options.dir).partitions(1))?;
    let ran = Driver::new(&history, &engine, options).and_then(|driver| driver.run(&mut progress));
    let closed = engine.close_blocking();
    let tally = ran?;
    closed?;
    Ok(tally)
}

fn check_empty(dir: &Path) -> Result<(), ReplayError> {
    // Absent or unreadable: the engine says what is wrong with it.
    let has_entries = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if has_entries { Err(ReplayError::DirectoryNotEmpty(dir.to_owned())) } else { Ok(()) }
}

/// A refusal that is not about one command but about the engine.
pub(super) fn stops(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::StorageFull | Refusal::StorageUnavailable | Refusal::Overloaded | Refusal::ActorFailed)
}

struct Driver<'a> {
    history: &'a History,
    engine: &'a Engine,
    options: &'a Options,
    currency: Currency,
    opening: Vec<Option<u64>>,
    /// Demand may find nothing left.
    may_sell_out: bool,
    answers: Answers,
    in_flight: usize,
    sales: Sales<'a>,
    unlinked: FxHashSet<u32>,
    /// Backorder runs: the invoices that wait for a SKU, first come first.
    queues: FxHashMap<u32, VecDeque<u32>>,
    /// SKUs of which units came in since their queue was last looked at.
    restocked: FxHashSet<u32>,
    /// By SKU, what moved outside orders.
    moves: Vec<Moves>,
    tally: Tally,
}

impl<'a> Driver<'a> {
    fn new(history: &'a History, engine: &'a Engine, options: &'a Options) -> Result<Self, ReplayError> {
        Ok(Self {
            history,
            engine,
            options,
            currency: Currency::from_str("GBP").expect("a currency"),
            opening: history.opening(options.stock),
            may_sell_out: options.stock != OpeningStock::Ample && options.on_short == OnShort::Refuse,
            answers: Answers::start(engine).map_err(ReplayError::Thread)?,
            in_flight: 0,
            sales: Sales::new(history),
            unlinked: FxHashSet::default(),
            queues: FxHashMap::default(),
            restocked: FxHashSet::default(),
            moves: vec![Moves::default(); history.skus() + 1],
            tally: Tally { rows: history.rows.len() as u64, ..Tally::default() },
        })
    }

    fn run(mut self, progress: &mut impl FnMut(Progress)) -> Result<Tally, ReplayError> {
        let start = Instant::now();
        let takes_backorders = self.options.on_short == OnShort::Backorder;
        shelves::fill(self.engine, self.history, &self.opening, self.currency, takes_backorders)?;
        let all = self.history.rows.len() as u64;
        let begin = self.history.rows.first().map_or(0, |row| row.time);
        let history = self.history;
        for (number, step) in history.steps().enumerate() {
            let row = match step {
                Step::Order(invoice) => history.invoice(invoice).lines[0],
                Step::Row(row) => row,
            };
            if number % 256 == 0 {
                progress(Progress::Running(u64::from(row), all));
            }
            self.pace(&history.rows[row as usize], begin, start);
            match step {
                Step::Order(invoice) => self.place(invoice)?,
                Step::Row(row) => self.run_row(row)?,
            }
            self.keep_window(IN_FLIGHT_MAX)?;
        }
        self.keep_window(0)?;
        self.follow_all_queues()?;
        let seconds = start.elapsed().as_secs_f64();
        self.finish(seconds)
    }

    /// Waits until it is time, if time has a speed.
    fn pace(&self, row: &Row, begin: i64, start: Instant) {
        let Speed::Times(times) = self.options.speed else { return };
        let micros = (row.time - begin).max(0) as f64 / times;
        let due = start + Duration::from_micros(micros as u64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }

    fn place(&mut self, invoice: u32) -> Result<(), ReplayError> {
        let history = self.history;
        let Some(&first) = history.invoice(invoice).lines.first() else { return Ok(()) };
        let mut order = NewOrder::empty();
        if let Some(customer) = history.customer(&history.rows[first as usize]) {
            order = order.customer(customer);
        }
        for &line in &history.invoice(invoice).lines {
            let row = &history.rows[line as usize];
            // A negative or zero quantity is none: zero is refused by name.
            let quantity = row.quantity.max(0).unsigned_abs();
            order = order.line_at(history.sku(row.sku), quantity, Money::new(row.price, self.currency));
        }
        for &charge in &history.invoice(invoice).charges {
            let row = &history.rows[charge as usize];
            let kind = charge_kind(history.sku(row.sku));
            if let Some(money) = self.as_charge(row) {
                order = order.charge(kind, money);
            } else if i64::try_from(row.money()).is_err() {
                // No ledger could hold it: the order is refused by name.
                order = order.charge(kind, Money::new(Amount(i64::MAX), self.currency));
            }
        }
        order = match self.options.on_short {
            OnShort::Refuse => order,
            OnShort::Partial => order.allow_partial(),
            OnShort::Backorder => order.allow_backorder(),
        };
        if self.may_sell_out {
            // An order with an id of its own is decided by the SKU itself. At the door it would be refused by a gauge
            // that does not know yet of the rows before it that are still under way.
            order = order.id(self.engine.new_order_id());
            order.order.body_digest = 1;
        }
        let since = Instant::now();
        let pending = self.engine.place(order.pay(Payment::external("replay")));
        self.sales.placed(invoice);
        self.hand_over(Waiting::Order { invoice, pending, since });
        Ok(())
    }

    /// A service as a charge of an order; what is no positive number of pennies becomes an entry beside it.
    fn as_charge(&self, row: &Row) -> Option<Money> {
        let amount = Amount(i64::try_from(row.money()).ok()?);
        (!amount.is_negative() && amount.is_rounded(self.currency)).then_some(Money::new(amount, self.currency))
    }

    fn run_row(&mut self, number: u32) -> Result<(), ReplayError> {
        let row = self.history.rows[number as usize];
        let location = Location::main();
        match row.treatment {
            Treatment::BadDebt => self.enter(number, LedgerAccount::BadDebt, LedgerAccount::Receivable, row.money()),
            Treatment::ServiceCredited => {
                self.enter(number, LedgerAccount::Charges, LedgerAccount::Cash, -row.money());
            }
            Treatment::ServiceCharged => {
                self.enter(number, LedgerAccount::Cash, LedgerAccount::Charges, row.money());
            }
            Treatment::Return => self.take_back(number, &row)?,
            Treatment::WriteOff => {
                let (from, quantity, reason) = (Unsellable::Free, row.units(), "write-off".into());
                self.stock(number, StockCommand::WriteOff { location, lot: None, from, quantity, reason });
            }
            Treatment::Found => {
                self.restocked.insert(row.sku);
                let (delta, reason) = (row.quantity, "found".into());
                self.stock(number, StockCommand::Adjust { location, lot: None, delta, reason, force: false });
            }
            Treatment::Sold => unreachable!("sold rows run with their invoice"),
        }
        Ok(())
    }

    fn stock(&mut self, number: u32, command: StockCommand) {
        let sku = self.history.sku(self.history.rows[number as usize].sku);
        let pending = self.engine.stock(sku, command);
        self.hand_over(Waiting::Stock { row: number, pending });
    }

    fn entry(&self, debit: LedgerAccount, credit: LedgerAccount, money: i128, memo: &str) -> Pending<u64> {
        // An amount that no ledger holds is refused there by name, as the smallest number is.
        let amount = Amount(i64::try_from(money).unwrap_or(i64::MIN));
        let money = Money::new(amount, self.currency);
        self.engine.enter(LedgerEvent::Entered { debit, credit, money, memo: memo.into(), seller: None })
    }

    fn enter(&mut self, number: u32, debit: LedgerAccount, credit: LedgerAccount, money: i128) {
        let sku = self.history.sku(self.history.rows[number as usize].sku);
        let pending = self.entry(debit, credit, money, sku);
        self.hand_over(Waiting::Entry { row: number, pending });
    }

    /// Why a return cannot run, whatever was sold. Goodwill must not be booked for goods that are then refused.
    fn is_no_return(&self, row: &Row) -> Option<&'static str> {
        if check_quantity(row.units()).is_err() {
            return Some(Refusal::QuantityInvalid.code());
        }
        if i64::try_from(row.money()).is_err() {
            return Some("money_invalid");
        }
        SkuId::new(self.history.sku(row.sku)).is_err().then_some("sku_unknown")
    }

    fn take_back(&mut self, number: u32, row: &Row) -> Result<(), ReplayError> {
        if let Some(reason) = self.is_no_return(row) {
            self.tally.skip(reason);
            return Ok(());
        }
        while self.sales.must_wait_for(row) {
            self.take_next()?;
        }
        if self.sales.may_grow(row) {
            self.follow_queue(row.sku)?;
        }
        match self.sales.link(row) {
            Link::To { order, line } => {
                let pending = self.engine.take_back(order, vec![(line, row.units(), Disposition::Restock)]);
                self.hand_over(Waiting::TakenBack { row: number, pending });
            }
            Link::Refused => {
                self.tally.skip("sale_refused");
                return Ok(());
            }
            Link::Unlinked => {
                self.unlinked.insert(number);
                self.stock(
                    number,
                    StockCommand::Return {
                        order: None,
                        location: None,
                        lot: None,
                        quantity: row.units(),
                        disposition: Disposition::Restock,
                        buyer: None,
                    },
                );
                if row.money() != 0 {
                    let goodwill = (LedgerAccount::Goodwill, LedgerAccount::Cash);
                    let pending = self.entry(goodwill.0, goodwill.1, -row.money(), "unlinked return");
                    self.hand_over(Waiting::Beside { pending });
                }
            }
        }
        self.restocked.insert(row.sku);
        Ok(())
    }

    fn hand_over(&mut self, waiting: Waiting) {
        // What must not fail has no outcome unless it does.
        self.in_flight += usize::from(!matches!(waiting, Waiting::Beside { .. }));
        self.answers.wait_for(waiting);
    }

    /// Takes outcomes in until at most so many are in flight.
    fn keep_window(&mut self, most: usize) -> Result<(), ReplayError> {
        while let Some(outcome) = self.answers.ready() {
            self.take(outcome)?;
        }
        while self.in_flight > most {
            self.take_next()?;
        }
        Ok(())
    }

    fn take_next(&mut self) -> Result<(), ReplayError> {
        let outcome = self.answers.next().ok_or(ReplayError::Stopped(Refusal::StorageUnavailable))?;
        self.take(outcome)
    }

    fn take(&mut self, outcome: Outcome) -> Result<(), ReplayError> {
        match outcome {
            Outcome::Order { invoice, result } => {
                self.in_flight -= 1;
                match result {
                    Ok(accepted) => self.take_order(invoice, &accepted),
                    Err(refusal) if stops(&refusal) => return Err(ReplayError::Stopped(refusal)),
                    Err(refusal) => self.sales.refused(invoice, refusal.code()),
                }
            }
            Outcome::Row { row, result } => {
                self.in_flight -= 1;
                match result {
                    Ok(()) => self.count(row),
                    Err(refusal) if stops(&refusal) => return Err(ReplayError::Stopped(refusal)),
                    Err(refusal) => self.tally.skip(refusal.code()),
                }
            }
            Outcome::Broken(refusal) => return Err(ReplayError::Stopped(refusal)),
        }
        Ok(())
    }

    fn take_order(&mut self, invoice: u32, accepted: &Accepted) {
        self.sales.accepted(invoice, accepted.order, &accepted.fills);
        let history = self.history;
        for &charge in &history.invoice(invoice).charges {
            let row = &history.rows[charge as usize];
            if self.as_charge(row).is_none() {
                let pending = self.entry(LedgerAccount::Cash, LedgerAccount::Charges, row.money(), "sub-penny charge");
                self.hand_over(Waiting::Beside { pending });
            }
        }
        for &credit in &history.invoice(invoice).credits {
            let money = -history.rows[credit as usize].money();
            self.enter(credit, LedgerAccount::Charges, LedgerAccount::Cash, money);
        }
        if accepted.waits {
            for &line in &history.invoice(invoice).lines {
                let row = &history.rows[line as usize];
                let queue = self.queues.entry(row.sku).or_default();
                if row.units() > self.sales.filled(line) && queue.back() != Some(&invoice) {
                    queue.push_back(invoice);
                }
            }
        }
    }

    /// Counts a row that was done by itself.
    fn count(&mut self, number: u32) {
        let row = &self.history.rows[number as usize];
        let sum = match row.treatment {
            Treatment::BadDebt => &mut self.tally.bad_debt,
            Treatment::ServiceCredited => &mut self.tally.service_credited,
            Treatment::ServiceCharged => &mut self.tally.service_charged,
            Treatment::Return => &mut self.tally.returned,
            Treatment::WriteOff => &mut self.tally.written_off,
            Treatment::Found => &mut self.tally.found,
            Treatment::Sold => unreachable!("sold rows are counted with their orders"),
        };
        sum.add(row.units(), row.money());
        self.moves[row.sku as usize].add(row);
        self.tally.returns_unlinked += u64::from(self.unlinked.contains(&number));
    }

    /// Units came in for which orders wait: finds out which orders got them, and ships these.
    fn follow_queue(&mut self, sku: u32) -> Result<(), ReplayError> {
        if self.options.on_short != OnShort::Backorder || !self.restocked.contains(&sku) {
            return Ok(());
        }
        self.keep_window(0)?;
        self.restocked.remove(&sku);
        while let Some(&invoice) = self.queues.get(&sku).and_then(VecDeque::front) {
            let order = self.sales.order(invoice).expect("only accepted orders wait");
            if !self.refresh(invoice, order, sku)? {
                break;
            }
            self.queues.entry(sku).or_default().pop_front();
        }
        Ok(())
    }

    /// Reads what an order has by now; says whether all of this SKU is filled, so that the next in line may have got some.
    fn refresh(&mut self, invoice: u32, order: OrderId, sku: u32) -> Result<bool, ReplayError> {
        let snapshot = self.engine.read_order(order).wait().map_err(ReplayError::Stopped)?;
        if snapshot.order.lines.iter().any(|line| line.unshipped() > 0) {
            self.engine.ship(order).wait().map_err(ReplayError::Stopped)?;
        }
        self.sales.accepted(invoice, order, &fills(&snapshot));
        let name = self.history.sku(sku);
        Ok(!snapshot.order.lines.iter().any(|line| line.backordered > 0 && line.sku.as_str() == name))
    }

    fn follow_all_queues(&mut self) -> Result<(), ReplayError> {
        let mut skus: Vec<u32> = self.restocked.iter().copied().collect();
        skus.sort_unstable();
        skus.into_iter().try_for_each(|sku| self.follow_queue(sku))
    }

    fn finish(mut self, seconds: f64) -> Result<Tally, ReplayError> {
        self.answers.end();
        while let Some(outcome) = self.answers.next() {
            self.take(outcome)?;
        }
        if let Some(latencies) = self.answers.latencies() {
            let at = |quantile| latencies.value_at_quantile(quantile);
            self.tally.latency_us = Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
        }
        self.sales.count(&mut self.tally);
        assert_eq!(self.tally.rows_treated(), self.tally.rows, "every row is treated exactly once");
        for partition in 0..self.engine.partitions() {
            let books = self.engine.read_ledger(partition).wait().map_err(ReplayError::Stopped)?;
            self.tally.rounding += books.balance(self.currency, LedgerAccount::Rounding);
        }
        for (number, moved) in self.moves.iter_mut().enumerate().skip(1) {
            moved.opening = self.opening[number];
        }
        for (number, row) in self.history.rows.iter().enumerate() {
            self.moves[row.sku as usize].sold += i128::from(self.sales.filled(number as u32));
        }
        let compared = shelves::compare(self.engine, self.history, &self.moves)?;
        (self.tally.oversold, self.tally.stock_mismatches) = compared;
        self.tally.seconds = seconds;
        if seconds > 0.0 {
            self.tally.orders_per_second = self.tally.orders.placed as f64 / seconds;
            self.tally.lines_per_second = self.tally.rows as f64 / seconds;
        }
        Ok(self.tally)
    }
}

/// How a service is charged.
fn charge_kind(code: &str) -> ChargeKind {
    match code {
        "POST" | "DOT" | "C2" => ChargeKind::Shipping,
        _ => ChargeKind::Fee,
    }
}
