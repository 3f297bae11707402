//! `stockade demo`: a newcomer's first minute.
//!
//! Everything in it is real: a journal on disk in a directory of its own, the server, and clients over sockets.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::client::Target;
use super::load::{order_request, parse_duration, per_second, watched};
use super::output::{Failure, Output, Verdict, grouped, micros};
use super::serve;
use super::settings::Settings;
use super::shop::{self, Shelves, Ware};
use super::stop::StopSignals;
use super::traffic::{self, Latency, Plan, Prepared, Seen};
use crate::Engine;

const EXAMPLES: &str = "\
Examples:
  stockade demo
  stockade demo --keep                      leaves the server up, to be tried with curl
  stockade demo --units 500 --for 2s --json";

/// Of a hundred buyers so many want what is on sale.
const FLASH_BUYERS_PERCENT: usize = 80;

/// The rest of the shop: what people buy while they are there, with a small stock that may sell out too.
const SIDE_WARES: [(&str, &str, &str); 5] = [
    ("mug-blue", "Mug, blue", "7.50"),
    ("tea-assam", "Assam tea, 250 g", "5.95"),
    ("candle", "Beeswax candle", "12.00"),
    ("notebook", "Notebook, dotted", "9.20"),
    ("poster", "Poster, signed", "24.00"),
];

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Leave the server up until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// How long the sale lasts.
    #[arg(long = "for", value_name = "DURATION", default_value = "8s", value_parser = parse_duration)]
    duration: Duration,
    /// Units on sale.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    units: u64,
    /// Buyers at once.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    url: String,
    seconds: f64,
    attempts: u64,
    sold: u64,
    refused: u64,
    failed: u64,
    units: Shelves,
    oversold: u64,
    orders_per_second: f64,
    attempts_per_second: f64,
    latency_us: Latency,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let directory = tempfile::Builder::new().prefix("stockade-demo-").tempdir().map_err(|error| {
        Failure::cannot("directory_unusable", format!("no temporary directory ({error}): set TMPDIR to one"))
    })?;
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let data = directory.path().join("data");
    let settings = Settings { data, listen: any_port, admin: any_port, ..Settings::default() };
    let engine = Engine::open(settings.engine())?;
    let server = match serve::start(&engine, &settings, None) {
        Ok(server) => server,
        Err(failure) => {
            engine.close_blocking()?;
            return Err(failure);
        }
    };
    let (address, _) = server.addresses();
    let sale = sell(arguments, address, output);
    if let Ok((report, selling)) = &sale {
        output.report(report, || text(report, *selling, arguments, address));
        if arguments.keep {
            let signals = StopSignals::catch()?;
            output.line(format!("the server stays up on http://{address}: stop it with Ctrl-C"));
            signals.wait_or(server.drain_requested());
        }
    }
    serve::stop(server, &engine, Duration::from_secs(5))?;
    let (report, _) = sale?;
    Ok(Verdict::of(report.units.is_well() && report.failed == 0))
}

/// Fills the shop, opens the doors, and counts.
fn sell(arguments: &Arguments, address: SocketAddr, output: &mut Output) -> Result<(Report, Duration), Failure> {
    let url = format!("http://{address}");
    let target = Target::parse(&url).map_err(|why| Failure::cannot("address_unusable", why))?;
    let wares = wares(arguments.units);
    output.line(format!(
        "a shop of {} SKUs on {url}: {} units of `{}` go on sale to {} buyers",
        wares.len(),
        grouped(arguments.units),
        wares[0].sku,
        arguments.connections
    ));
    let (seen, shelves) = traffic::runtime()?.block_on(async {
        let initial = shop::open(&target, &wares).await?;
        let plan = Plan {
            target: target.clone(),
            connections: arguments.connections as usize,
            rate: None,
            duration: arguments.duration,
            orders: prepare(&target, &wares),
            wares: wares.len(),
        };
        let seen = watched(plan).await?;
        let shelves = shop::check(&target, &wares, &initial, &seen.units_accepted, &seen.units_unknown).await?;
        Ok::<_, Failure>((seen, shelves))
    })?;
    let selling = seen.selling;
    Ok((report(url, &seen, shelves), selling))
}

fn wares(units: u64) -> Vec<Ware> {
    let flash = Ware { sku: "sneaker-flash".into(), name: "Sneaker, limited".into(), price: "89.00", stock: units };
    let side = SIDE_WARES.map(|(sku, name, price)| Ware {
        sku: sku.into(),
        name: name.into(),
        price,
        stock: (units / 50).max(1),
    });
    std::iter::once(flash).chain(side).collect()
}

/// A hundred buyers: most want one of what is on sale, the others two of something else.
fn prepare(target: &Target, wares: &[Ware]) -> Vec<Prepared> {
    let prepared = |buyer: usize| {
        let units = if buyer < FLASH_BUYERS_PERCENT { (0, 1) } else { (1 + buyer % (wares.len() - 1), 2) };
        Prepared { request: order_request(target, wares, &[units]), units: vec![units] }
    };
    (0..100).map(prepared).collect()
}

fn report(url: String, seen: &Seen, units: Shelves) -> Report {
    let attempts = seen.accepted + seen.refusals() + seen.failed;
    Report {
        url,
        seconds: seen.took.as_secs_f64(),
        attempts,
        sold: seen.accepted,
        refused: seen.refusals(),
        failed: seen.failed,
        oversold: units.oversold,
        units,
        // Once everything is sold nothing can be ordered: the rate is that of the time of selling.
        orders_per_second: per_second(seen.accepted, seen.selling),
        attempts_per_second: per_second(attempts, seen.took),
        latency_us: seen.accepted_latency(),
    }
}

fn text(report: &Report, selling: Duration, arguments: &Arguments, address: SocketAddr) -> String {
    let Report { units, latency_us, .. } = report;
    let mut text = format!(
        "\n  sold        {} orders, {} units, each paid and on disk before it was answered\n",
        grouped(report.sold),
        grouped(units.accepted)
    );
    text += &format!("  refused     {} (sold out)\n", grouped(report.refused));
    text += &format!(
        "  oversold    {} ({} at the start = {} accepted + {} still there)\n",
        report.oversold,
        grouped(units.initial),
        grouped(units.accepted),
        units.available
    );
    text += &format!(
        "  speed       {} orders/s over {:.1} s of selling, {} attempts/s in all\n",
        grouped(report.orders_per_second as u64),
        selling.as_secs_f64(),
        grouped(report.attempts_per_second as u64)
    );
    text += &format!(
        "  latency     p50 {}  p99 {}  p99.9 {} of accepted orders\n",
        micros(latency_us.p50),
        micros(latency_us.p99),
        micros(latency_us.p999)
    );
    if !units.is_well() || report.failed > 0 {
        text += &format!(
            "  FAULT       {} units unaccounted for, {} requests without an answer\n",
            units.unaccounted, report.failed
        );
    }
    text += "\nnext:\n";
    if arguments.keep {
        text += &format!(
            "  curl http://{address}/api/v1/skus/sneaker-flash/stock\n  \
             curl -H 'content-type: application/json' -d '{{\"sku\":\"mug-blue\",\"quantity\":1}}' http://{address}/api/v1/orders\n"
        );
    } else {
        text += "  stockade demo --keep                 the same, and the server stays up for curl\n";
    }
    text += "  stockade serve --data ./shop         a server with a directory that stays\n  \
             stockade replay FILE --data ./history, then stockade audit --data ./history\n  \
             stockade --help\n";
    text
}
