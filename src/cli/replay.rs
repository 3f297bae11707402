//! `stockade replay`: a real order history through an engine of its own.

use std::path::PathBuf;

use super::output::{Failure, Output, Verdict, grouped, micros, progress};
use super::settings::{Overrides, Settings};
use crate::replay::tally::decimal_text;
use crate::replay::{self, OnShort, OpeningStock, Options, Progress, ReplayError, Speed, Sum, Tally};

const EXAMPLES: &str = "\
Examples:
  stockade replay online_retail.csv.zst --data ./history
  stockade replay online_retail.csv.zst --data ./scarce --stock scarce=70 --on-short backorder --json
  stockade replay online_retail.xlsx --data ./slow --speed 86400 --limit 10000      a day in a second

The file is `online-retail` CSV, plain, gzip or zstandard, or the original spreadsheet. DIR must be absent or empty;
afterwards `stockade audit --data DIR` recomputes everything from its journal.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The history.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the engine's state goes: absent or empty [default: ./stockade-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Opening stock: all that is sold and written off, or this percentage of what is sold.
    #[arg(long, value_name = "ample|scarce=PERCENT", default_value = "ample", value_parser = parse_stock)]
    stock: OpeningStock,
    /// What to do with an order that stock cannot fill.
    #[arg(long, value_name = "refuse|partial|backorder", default_value = "refuse", value_parser = parse_on_short)]
    on_short: OnShort,
    /// As fast as it goes, or so many times as fast as it happened.
    #[arg(long, value_name = "max|N", default_value = "max", value_parser = parse_speed)]
    speed: Speed,
    /// Only the first rows.
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
}

fn parse_stock(text: &str) -> Result<OpeningStock, String> {
    let percent = text.strip_prefix("scarce=").and_then(|percent| percent.parse().ok());
    match percent {
        _ if text == "ample" => Ok(OpeningStock::Ample),
        Some(percent @ 0..=100) => Ok(OpeningStock::Scarce(percent)),
        _ => Err("write ample, or scarce= and a whole percentage from 0 to 100, such as scarce=70".into()),
    }
}

fn parse_on_short(text: &str) -> Result<OnShort, String> {
    match text {
        "refuse" => Ok(OnShort::Refuse),
        "partial" => Ok(OnShort::Partial),
        "backorder" => Ok(OnShort::Backorder),
        _ => Err("write refuse, partial or backorder".into()),
    }
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
        _ => Err("write max, or how many times as fast as it happened, such as 86400".into()),
    }
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let overrides = Overrides { data: arguments.data.clone(), ..Overrides::default() };
    let options = Options {
        dir: Settings::load(None, &overrides)?.data,
        stock: arguments.stock,
        on_short: arguments.on_short,
        speed: arguments.speed,
        limit: arguments.limit,
    };
    let bar = progress(0, "{msg} {wide_bar} {percent}% {eta}");
    let ran = replay::run(&arguments.file, &options, |at| {
        let (message, done, all) = match at {
            Progress::Reading(read, all) => ("reading", read, all),
            Progress::Running(row, all) => ("running", row, all),
        };
        bar.set_message(message);
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let tally = ran.map_err(failure)?;
    output.report(&tally, || text(&tally, &options));
    Ok(Verdict::of(tally.is_well()))
}

fn failure(error: ReplayError) -> Failure {
    match error {
        ReplayError::Engine(error) => error.into(),
        ReplayError::Source(_) => Failure::cannot("file_unreadable", error),
        ReplayError::DirectoryNotEmpty(_) => Failure::cannot("directory_not_empty", error),
        ReplayError::Stopped(stockade_domain::Refusal::StorageFull) => Failure::cannot("disk_full", error),
        ReplayError::Stopped(_) => Failure::cannot("engine_stopped", error),
        ReplayError::Thread(_) => Failure::cannot("thread_not_started", error),
    }
}

fn text(tally: &Tally, options: &Options) -> String {
    let mut text = format!(
        "{} rows, {} orders: {} accepted\n",
        grouped(tally.rows),
        grouped(tally.orders.placed),
        grouped(tally.orders.accepted)
    );
    for (code, count) in &tally.orders.rejected {
        text += &format!("  rejected          {} {code}\n", grouped(*count));
    }
    for (name, sum) in [
        ("sold", &tally.sold),
        ("returned", &tally.returned),
        ("written off", &tally.written_off),
        ("found", &tally.found),
        ("service charged", &tally.service_charged),
        ("service credited", &tally.service_credited),
        ("bad debt", &tally.bad_debt),
        ("refused", &tally.refused),
    ] {
        let Sum { rows, units, money } = sum;
        let (rows, units, money) = (grouped(*rows), grouped(*units), decimal_text(*money));
        text += &format!("  {name:<16} {rows:>9} rows {units:>11} units {money:>16} GBP\n");
    }
    for (reason, count) in &tally.skipped {
        text += &format!("  skipped           {} {reason}\n", grouped(*count));
    }
    let (unfilled, unlinked) = (grouped(tally.units_unfilled), grouped(tally.returns_unlinked));
    text +=
        &format!("units unfilled {unfilled}, returns unlinked {unlinked}, rounding {}\n", decimal_text(tally.rounding));
    text += &format!("oversold {}\n", tally.oversold);
    if tally.stock_mismatches > 0 {
        text += &format!("FAULT: the stock of {} SKUs is not what the answers add up to\n", tally.stock_mismatches);
    }
    text += &format!(
        "{:.2} s: {} orders/s, {} lines/s, latency p50 {} p99 {} p99.9 {}\n",
        tally.seconds,
        grouped(tally.orders_per_second as u64),
        grouped(tally.lines_per_second as u64),
        micros(tally.latency_us.p50),
        micros(tally.latency_us.p99),
        micros(tally.latency_us.p999)
    );
    text += &format!("next: stockade audit --data {}\n", options.dir.display());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_mean_nothing_are_refused_with_what_to_write() {
        assert_eq!(parse_stock("scarce=70"), Ok(OpeningStock::Scarce(70)));
        for text in ["", "scarce", "scarce=", "scarce=-1", "scarce=101", "scarce=7.5", "Ample"] {
            assert!(parse_stock(text).unwrap_err().contains("scarce=70"), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "fast", ""] {
            assert!(parse_speed(text).is_err(), "{text}");
        }
        assert_eq!(parse_speed("2.5"), Ok(Speed::Times(2.5)));
        assert!(parse_on_short("panic").is_err());
    }
}
