//! Durable orders in process: how many a second, over at least 20 seconds each, ending with the projector caught up.
//!
//! `cargo bench --bench engine [-- SECONDS [NAME]]`; a name picks the rows that hold it. Beside them, in the same run and on the same disk, what the machine can
//! do at all: groups of records appended to a preallocated file with one `fdatasync` each.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use stockade::engine::coupon_terms;
use stockade::promotions::promotion_from_json;
use stockade::{Config, Engine, Money, NewOrder, Payment, Sku};
use stockade_domain::promotion::CouponCode;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SKUS: usize = 1_000;
const STOCK: u64 = 1_000_000_000;

/// The names are made once: what is measured is the engine, not the caller's formatting.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..SKUS).map(|n| format!("SKU{n:05}")).collect());

fn sku(n: usize) -> &'static str {
    &NAMES[n % SKUS]
}

async fn shop(dir: &Path) -> Engine {
    let engine = Engine::open(Config::at(dir)).expect("a new directory opens");
    for n in 0..SKUS {
        engine.put_sku(Sku::new(sku(n), Money::parse("9.99 EUR").expect("money"))).await.expect("defined");
        engine.receive(sku(n), STOCK).await.expect("received");
    }
    engine
}

struct Figure {
    orders: u64,
    seconds: f64,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
}

fn report(name: &str, engine: &Engine, before: (u64, u64), figure: &Figure) {
    let (bytes, _) = engine.journal_size();
    let per_order = (bytes - before.0) as f64 / figure.orders as f64;
    println!(
        "{name:<34} {:>9.0} orders/s  p50 {:>6} us  p99 {:>6} us  p99.9 {:>7} us  {per_order:>6.0} journal bytes/order",
        figure.orders as f64 / figure.seconds,
        figure.p50_us,
        figure.p99_us,
        figure.p999_us,
    );
}

/// An order of so many lines, paid outside.
fn of_lines(n: usize, lines: usize) -> NewOrder {
    let order = (1..lines).fold(NewOrder::one(sku(n), 1), |order, line| order.line(sku(n + line * 131), 1));
    order.pay(Payment::external("bench"))
}

const CUSTOMERS: usize = 10_000;
const COUPONS: usize = 64;

static CUSTOMER_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..CUSTOMERS).map(|n| format!("c{n:05}")).collect());
static COUPON_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..COUPONS).map(|n| format!("BENCH{n:02}")).collect());

/// Wallets that are full, and a promotion with a budget whose coupons may be used often: every use and every cent is counted.
async fn fill_wallets(engine: &Engine) {
    for chunk in CUSTOMER_NAMES.chunks(1_000) {
        let full = Money::parse("100000000.00 EUR").expect("money");
        let credits: Vec<_> = chunk.iter().map(|customer| engine.credit(customer, full)).collect();
        for credit in credits {
            credit.await.expect("credited");
        }
    }
    let promotion = br#"{"id":"bench","name":"One off","lane":"coupon","coupon":["bench"],"currency":"EUR",
        "limits":{"budget":1000000000},"then":{"order":{"amount":1}}}"#;
    engine.put_promotion(promotion_from_json(promotion).expect("a promotion")).await.expect("defined");
    for code in COUPON_NAMES.iter() {
        let terms = coupon_terms("bench", Some(1_000_000_000)).expect("terms");
        engine.put_coupon(&CouponCode::new(code).expect("a code"), terms).await.expect("defined");
    }
}

/// The whole sale: units held, a coupon's use and its promotion's budget, money from a wallet, all of it settled.
fn whole_sale(n: usize) -> NewOrder {
    let order = NewOrder::one(sku(n), 1).customer(&CUSTOMER_NAMES[n * 31 % CUSTOMERS]);
    order.coupon(&COUPON_NAMES[n % COUPONS]).pay(Payment::wallet())
}

/// Keeps `in_flight` orders under way for a while.
async fn closed_loop(
    engine: &Engine,
    in_flight: usize,
    order: impl Fn(usize) -> NewOrder + Clone + Send + 'static,
    period: Duration,
) -> Figure {
    let begun = Instant::now();
    let end = begun + period;
    let shared = Arc::new(Mutex::new(new_histogram()));
    let tasks: Vec<_> = (0..in_flight)
        .map(|task| {
            let (engine, histogram, order) = (engine.clone(), Arc::clone(&shared), order.clone());
            tokio::spawn(async move {
                let mut n = task * 7919;
                while Instant::now() < end {
                    n += 1;
                    let sent = Instant::now();
                    engine.place(order(n)).await.expect("ample stock");
                    record(&histogram, sent, 1);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
    finish(engine, begun, &shared).await
}

/// Places batches of 64, sixteen at a time.
async fn batches(engine: &Engine, period: Duration) -> Figure {
    let begun = Instant::now();
    let end = begun + period;
    let shared = Arc::new(Mutex::new(new_histogram()));
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (engine, histogram) = (engine.clone(), Arc::clone(&shared));
            tokio::spawn(async move {
                let mut n = task * 7919;
                while Instant::now() < end {
                    let sent = Instant::now();
                    n += 64;
                    let orders = (0..64).map(|i| NewOrder::one(sku(n + i), 1).pay(Payment::external("bench")));
                    for pending in engine.place_many(orders) {
                        pending.await.expect("ample stock");
                    }
                    record(&histogram, sent, 64);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no task panics");
    }
    finish(engine, begun, &shared).await
}

/// One for all tasks: they share a thread, and a table each would push the engine out of the cache.
fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 100_000_000, 3).expect("a histogram")
}

fn record(histogram: &Mutex<Histogram<u64>>, sent: Instant, orders: u64) {
    histogram.lock().record_n(sent.elapsed().as_micros() as u64, orders).expect("within range");
}

async fn finish(engine: &Engine, begun: Instant, histogram: &Mutex<Histogram<u64>>) -> Figure {
    engine.catch_up().await.expect("the projector is alive");
    let all = histogram.lock();
    Figure {
        orders: all.len(),
        seconds: begun.elapsed().as_secs_f64(),
        p50_us: all.value_at_quantile(0.5),
        p99_us: all.value_at_quantile(0.99),
        p999_us: all.value_at_quantile(0.999),
    }
}

/// What the disk does at all: groups of records of 200 bytes, each made durable.
fn bare_disk(dir: &Path, group: usize) -> f64 {
    let path = dir.join("bare");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path).expect("a file");
    let size = 64 << 20;
    (&file).write_all(&vec![0; size]).expect("filled");
    file.sync_all().expect("synced");
    let bytes = vec![7u8; group * 200];
    let (begun, mut at, mut records) = (Instant::now(), 0, 0);
    while begun.elapsed() < Duration::from_secs(3) {
        if at + bytes.len() > size {
            at = 0;
        }
        file.write_all_at(&bytes, at as u64).expect("written");
        file.sync_data().expect("synced");
        at += bytes.len();
        records += group;
    }
    records as f64 / begun.elapsed().as_secs_f64()
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

const MANY: u64 = 1_000_000;
/// How many of them are asked for all the time.
const HOT: u64 = 100_000;

fn name(n: u64) -> String {
    format!("IDLE{n:07}")
}

/// A million SKUs with stock: what those that nobody asks for cost in memory (all resident bytes, shared out, journal and
/// derived store on disk), what a hundred thousand hot ones add, and how long one waits that has not been asked for.
async fn many_skus(dir: &Path, period: Duration) {
    const AT_ONCE: u64 = 1_000;
    let engine = Engine::open(Config::at(dir)).expect("a new directory opens");
    let price = Money::parse("1.00 EUR").expect("money");
    for chunk in 0..MANY / AT_ONCE {
        let define = |n| engine.put_sku(Sku::new(name(chunk * AT_ONCE + n), price));
        let defined: Vec<_> = (0..AT_ONCE).map(define).collect();
        let receive = |n| engine.receive(name(chunk * AT_ONCE + n), 1_000_000);
        let received: Vec<_> = (0..AT_ONCE).map(receive).collect();
        for sku in defined {
            sku.await.expect("defined");
        }
        for stock in received {
            stock.await.expect("received");
        }
    }
    engine.close().await.expect("closed");
    drop(engine);
    // What is resident is read in a process that has done nothing else.
    let program = std::env::current_exe().expect("this program has a path");
    let seconds = period.as_secs().to_string();
    let status = std::process::Command::new(program).arg(OPENED_AGAIN).arg(dir).arg(seconds).status();
    assert!(status.expect("it can be started").success());
}

/// The word by which this program is told to go on with the directory of a million SKUs.
const OPENED_AGAIN: &str = "--many-skus-opened-again";

async fn many_skus_opened_again(dir: &Path, period: Duration) {
    let before = resident_bytes();
    let begun = Instant::now();
    let engine = Engine::open(Config::at(dir)).expect("opens again");
    engine.read_stock(name(0)).await.expect("answers");
    println!("{:<34} {:>9.2} s to the first answer", "a million SKUs, opened", begun.elapsed().as_secs_f64());
    let idle = resident_bytes().saturating_sub(before);
    println!("{:<34} {:>9} bytes resident each", "idle SKUs (1,000,000)", idle / MANY);

    let (mut asked, mut ordered) = (new_histogram(), new_histogram());
    for n in 0..2_000 {
        // Scattered over those that stay cold.
        let cold = name(HOT + (n * 7_919) % (MANY - HOT));
        let begun = Instant::now();
        if n % 2 == 0 {
            engine.read_stock(cold).await.expect("answers");
            asked.record(begun.elapsed().as_nanos() as u64).expect("within bounds");
        } else {
            engine.place(NewOrder::one(cold, 1).pay(Payment::external("bench"))).await.expect("ample stock");
            ordered.record(begun.elapsed().as_nanos() as u64).expect("within bounds");
        }
    }
    let micros = |histogram: &Histogram<u64>, q| histogram.value_at_quantile(q) as f64 / 1e3;
    for (what, histogram) in [("a cold SKU, read", &asked), ("a cold SKU, ordered, durable", &ordered)] {
        println!("{what:<34} p50 {:>7.0} us, p99 {:>7.0} us", micros(histogram, 0.5), micros(histogram, 0.99));
    }
    let (begun, mut placed, mut under_way) = (Instant::now(), 0_u64, Vec::new());
    while begun.elapsed() < period || placed < HOT {
        let orders = (0..512).map(|n| NewOrder::one(name((placed + n) * 31 % HOT), 1).pay(Payment::external("bench")));
        let next = engine.place_many(orders);
        for pending in std::mem::replace(&mut under_way, next) {
            pending.await.expect("ample stock");
        }
        placed += 512;
    }
    for pending in under_way {
        pending.await.expect("ample stock");
    }
    let rate = placed as f64 / begun.elapsed().as_secs_f64();
    engine.settled().await.expect("the projector is alive");
    let all = resident_bytes().saturating_sub(before);
    println!("{:<34} {rate:>9.0} orders/s, {} MB resident in all", "100,000 of them hot", all / 1_000_000);
    engine.close().await.expect("closed");
}

async fn start_up(dir: &Path, orders: u64) {
    let engine = shop(dir).await;
    let mut placed = 0;
    while placed < orders {
        let batch = (0..4096).map(|n| NewOrder::one(sku(n), 1).pay(Payment::external("bench")));
        for pending in engine.place_many(batch) {
            pending.await.expect("ample stock");
        }
        placed += 4096;
    }
    let begun = Instant::now();
    engine.close().await.expect("closed");
    drop(engine);
    println!("{:<34} {:>9.2} s, with a checkpoint", "closing", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let engine = Engine::open(Config::at(dir)).expect("opens again");
    engine.read_stock(sku(0)).await.expect("answers");
    println!(
        "{:<34} {:>9.2} s to the first answer, {placed} orders, {} records replayed",
        "start-up",
        begun.elapsed().as_secs_f64(),
        engine.replayed_at_open()
    );
    engine.close().await.expect("closed");
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let [word, dir, seconds] = &words[..]
        && word == OPENED_AGAIN
    {
        let period = Duration::from_secs(seconds.parse().expect("seconds"));
        return runtime.block_on(many_skus_opened_again(Path::new(dir), period));
    }
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(20);
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with("--") && arg.parse::<u64>().is_err());
    let wanted = |name: &str| only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let period = Duration::from_secs(seconds);
    let place = tempfile::Builder::new().prefix("stockade-bench").tempdir_in(".").expect("a directory");
    for group in [1, 64, 1024].into_iter().filter(|_| wanted("bare fdatasync")) {
        println!(
            "{:<34} {:>9.0} records/s",
            format!("bare fdatasync, groups of {group}"),
            bare_disk(place.path(), group)
        );
    }
    runtime.block_on(async {
        for (name, in_flight, lines) in [
            ("one line, 1 in flight", 1, 1),
            ("one line, 64 in flight", 64, 1),
            ("one line, 1,024 in flight", 1024, 1),
            ("five lines, 1,024 in flight", 1024, 5),
        ]
        .into_iter()
        .filter(|(name, ..)| wanted(name))
        {
            let dir = tempfile::tempdir_in(place.path()).expect("a directory");
            let engine = shop(dir.path()).await;
            let before = engine.journal_size();
            let figure = closed_loop(&engine, in_flight, move |n| of_lines(n, lines), period).await;
            report(name, &engine, before, &figure);
            engine.close().await.expect("closed");
        }
        if wanted("whole sale") {
            let dir = tempfile::tempdir_in(place.path()).expect("a directory");
            let engine = shop(dir.path()).await;
            fill_wallets(&engine).await;
            let before = engine.journal_size();
            let figure = closed_loop(&engine, 1024, whole_sale, period).await;
            report("whole sale, 1,024 in flight", &engine, before, &figure);
            engine.close().await.expect("closed");
        }
        if wanted("batches of 64") {
            let dir = tempfile::tempdir_in(place.path()).expect("a directory");
            let engine = shop(dir.path()).await;
            let before = engine.journal_size();
            let figure = batches(&engine, period).await;
            report("batches of 64, 16 under way", &engine, before, &figure);
            engine.close().await.expect("closed");
        }
        if wanted("many SKUs") {
            let dir = tempfile::tempdir_in(place.path()).expect("a directory");
            many_skus(dir.path(), period).await;
        }
        if wanted("start-up") {
            let dir = tempfile::tempdir_in(place.path()).expect("a directory");
            start_up(dir.path(), 1_000_000).await;
        }
    });
}
