//! `stockade load`: HTTP load on a server that is already there, and the oversell check.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::client::Target;
use super::output::{Failure, Output, Verdict, grouped, micros, progress};
use super::shop::{self, Shelves, Ware};
use super::traffic::{self, Dice, Latency, Live, Plan, Prepared, Seen};

const EXAMPLES: &str = "\
Examples:
  stockade load --target http://127.0.0.1:8080                        64 connections, as fast as they are answered
  stockade load --target http://127.0.0.1:8080 --rps 5000 --for 1m    open loop: latency from the intended start
  stockade load --target http://127.0.0.1:8080 --sku flash --stock 1000

It defines its SKUs and fills them itself. The check at the end assumes that nobody else orders them meanwhile.";

/// How many different orders are made before the load starts.
const PREPARED_ORDERS: usize = 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The server's public address.
    #[arg(long, value_name = "URL", value_parser = Target::parse)]
    target: Target,
    /// Requests a second; without it each connection sends as fast as it is answered.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rps: Option<u32>,
    /// Connections, kept alive.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// How long, such as 500ms, 30s or 2m.
    #[arg(long = "for", value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    duration: Duration,
    /// A SKU to order; may be repeated [default: load-0 to load-49].
    #[arg(long, value_name = "SKU")]
    sku: Vec<String>,
    /// Units of each SKU that arrive before the start.
    #[arg(long, value_name = "UNITS", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    stock: u64,
    /// Lines of an order, each of one unit.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    lines: u32,
    /// A key of the server's, where it wants one.
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
}

/// Reads `500ms`, `30s`, `2m`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write 500ms, 30s or 2m");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let millis = match &text[digits..] {
        "ms" => Some(number),
        "s" | "" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    match millis {
        // A day is longer than any load; beyond it sums of times could overflow.
        Some(millis) if (1..=86_400_000).contains(&millis) => Ok(Duration::from_millis(millis)),
        _ => Err(wrong()),
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    seconds: f64,
    attempts: u64,
    accepted: u64,
    refused: &'a std::collections::BTreeMap<String, u64>,
    failed: u64,
    not_sent: u64,
    requests_per_second: f64,
    orders_per_second: f64,
    latency_us: Latency,
    accepted_latency_us: Latency,
    units: &'a Shelves,
    oversold: u64,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let target = arguments.target.clone().with_key(arguments.api_key.clone());
    let wares = wares(arguments);
    let (seen, shelves) = traffic::runtime()?.block_on(async {
        let initial = shop::open(&target, &wares).await?;
        let plan = Plan {
            target: target.clone(),
            connections: arguments.connections as usize,
            rate: arguments.rps,
            duration: arguments.duration,
            orders: prepare(&target, &wares, arguments.lines),
            wares: wares.len(),
        };
        let seen = watched(plan).await?;
        let shelves = shop::check(&target, &wares, &initial, &seen.units_accepted, &seen.units_unknown).await?;
        Ok::<_, Failure>((seen, shelves))
    })?;
    if let (0, 0, Some(error)) = (seen.accepted, seen.refusals(), &seen.failure) {
        return Err(Failure::cannot("target_unreachable", format!("no request was answered: {error}")));
    }
    output.report(&report(&seen, &shelves), || text(&seen, &shelves));
    Ok(Verdict::of(shelves.is_well()))
}

fn wares(arguments: &Arguments) -> Vec<Ware> {
    let names = match &arguments.sku[..] {
        [] => (0..50).map(|number| format!("load-{number}")).collect(),
        named => named.to_vec(),
    };
    let ware = |sku: String| Ware { name: format!("load on {sku}"), sku, price: "9.99", stock: arguments.stock };
    names.into_iter().map(ware).collect()
}

/// Makes the orders before the load, so that sending one costs a copy.
fn prepare(target: &Target, wares: &[Ware], lines: u32) -> Vec<Prepared> {
    let mut dice = Dice::new(7);
    let prepared = |_| {
        let units: Vec<(usize, u64)> = (0..lines).map(|_| (dice.below(wares.len()), 1)).collect();
        Prepared { request: order_request(target, wares, &units), units }
    };
    (0..PREPARED_ORDERS).map(prepared).collect()
}

/// An order paid outside: what the load measures is the engine, not a gateway.
pub(super) fn order_request(target: &Target, wares: &[Ware], units: &[(usize, u64)]) -> Vec<u8> {
    let line = |(ware, quantity): &(usize, u64)| serde_json::json!({ "sku": wares[*ware].sku, "quantity": quantity });
    let payment = serde_json::json!({ "method": "external", "reference": "load" });
    let body = match units {
        [(ware, quantity)] => {
            serde_json::json!({ "sku": wares[*ware].sku, "quantity": quantity, "payment": payment })
        }
        _ => serde_json::json!({ "lines": units.iter().map(line).collect::<Vec<_>>(), "payment": payment }),
    };
    target.request("POST", "/api/v1/orders", &body.to_string())
}

/// Runs traffic with a progress bar on a terminal.
pub(super) async fn watched(plan: Plan) -> Result<Seen, Failure> {
    let live = Arc::new(Live::default());
    let millis = u64::try_from(plan.duration.as_millis()).unwrap_or(u64::MAX);
    let bar = progress(millis, "{wide_bar} {msg}");
    let watcher = {
        let (live, bar) = (Arc::clone(&live), bar.clone());
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(100));
            let start = std::time::Instant::now();
            let mut last = 0;
            loop {
                beat.tick().await;
                let accepted = live.accepted.load(Ordering::Relaxed);
                let refused = live.refused.load(Ordering::Relaxed);
                let rate = (accepted + refused - last) * 10;
                last = accepted + refused;
                bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
                let (accepted, refused, rate) = (grouped(accepted), grouped(refused), grouped(rate));
                bar.set_message(format!("sold {accepted}  refused {refused}  {rate}/s"));
            }
        })
    };
    let seen = traffic::run(plan, &live).await;
    watcher.abort();
    bar.finish_and_clear();
    seen
}

fn report<'a>(seen: &'a Seen, shelves: &'a Shelves) -> Report<'a> {
    let seconds = seen.took.as_secs_f64();
    let attempts = seen.accepted + seen.refusals() + seen.failed;
    Report {
        seconds,
        attempts,
        accepted: seen.accepted,
        refused: &seen.refused,
        failed: seen.failed,
        not_sent: seen.not_sent,
        requests_per_second: per_second(attempts, seen.took),
        orders_per_second: per_second(seen.accepted, seen.took),
        latency_us: seen.latency(),
        accepted_latency_us: seen.accepted_latency(),
        units: shelves,
        oversold: shelves.oversold,
    }
}

/// A rate; no time at all is no rate.
pub(super) fn per_second(count: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn text(seen: &Seen, shelves: &Shelves) -> String {
    let latency = seen.latency();
    let mut text = format!(
        "accepted   {} ({} orders/s)\nrefused    {}\nlatency    p50 {}  p99 {}  p99.9 {}  max {}\n",
        grouped(seen.accepted),
        grouped(per_second(seen.accepted, seen.took) as u64),
        grouped(seen.refusals()),
        micros(latency.p50),
        micros(latency.p99),
        micros(latency.p999),
        micros(latency.max),
    );
    for (code, count) in &seen.refused {
        text += &format!("           {} {code}\n", grouped(*count));
    }
    if seen.failed + seen.not_sent > 0 {
        let why = seen.failure.as_deref().unwrap_or("the server is slower than the rate");
        text += &format!("failed     {}, not sent {} ({why})\n", grouped(seen.failed), grouped(seen.not_sent));
    }
    text += &format!(
        "oversold   {} ({} units accepted + {} available, {} at the start)\n",
        shelves.oversold,
        grouped(shelves.accepted),
        shelves.available,
        grouped(shelves.initial),
    );
    if shelves.unaccounted > 0 {
        text += &format!("FAULT      {} units are unaccounted for\n", grouped(shelves.unaccounted));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_an_end() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("30", 30_000), ("2m", 120_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        }
        for text in ["", "s", "0s", "-1s", "1h30", "1.5s", "99999999999999999999s", "18446744073709551615m", "ä"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_order_of_one_line_takes_the_short_form() {
        let target = Target::parse("http://a:1").unwrap();
        let wares = [Ware { sku: "x".into(), name: String::new(), price: "1", stock: 1 }];
        let short = String::from_utf8(order_request(&target, &wares, &[(0, 2)])).unwrap();
        assert!(short.contains(r#""sku":"x""#) && !short.contains("lines"), "{short}");
        let long = String::from_utf8(order_request(&target, &wares, &[(0, 1), (0, 1)])).unwrap();
        assert!(long.contains(r#""lines":[{"#), "{long}");
    }
}
