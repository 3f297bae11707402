//! `stockade audit`: everything recomputed from the journal, and compared.

use std::path::PathBuf;

use super::output::{Failure, Output, Verdict, grouped, progress};
use super::settings::{Overrides, Settings};
use crate::audit::{self, AuditError, AuditReport};

const EXAMPLES: &str = "\
Examples:
  stockade audit --data ./shop
  stockade audit --data ./shop --json | jq .faults

Stop the server first: the audit reads a directory that nobody writes.";

/// How many faults are shown to people; `--json` has more.
const FAULTS_SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directory to audit [default: ./stockade-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<Verdict, Failure> {
    let overrides = Overrides { data: arguments.data.clone(), ..Overrides::default() };
    let dir = Settings::load(None, &overrides)?.data;
    if !dir.is_dir() {
        let message = format!("{} is not a directory: name the one to audit with --data", dir.display());
        return Err(Failure::cannot("directory_not_found", message));
    }
    let bar = progress(0, "auditing {wide_bar} {percent}% {pos}/{len}");
    let report = audit::audit(&dir, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report.map_err(failure)?;
    output.report(&report, || text(&report));
    Ok(Verdict::of(report.is_clean()))
}

fn failure(error: AuditError) -> Failure {
    let code = match &error {
        AuditError::InUse { .. } => "directory_in_use",
        AuditError::NoJournal { .. } => "journal_not_found",
        AuditError::Newer(_) => "version_newer",
        _ => "audit_failed",
    };
    Failure::cannot(code, error)
}

fn text(report: &AuditReport) -> String {
    let mut text = format!(
        "{} records, {} events: {} SKUs, {} orders, {} payments, {} wallets\n",
        grouped(report.records),
        grouped(report.events),
        grouped(report.skus),
        grouped(report.orders),
        grouped(report.payments),
        grouped(report.accounts),
    );
    text += &format!(
        "{} snapshots and {} entries of lists compared\n",
        grouped(report.snapshots),
        grouped(report.model_entries)
    );
    for (currency, accounts) in &report.ledger {
        for (account, balance) in accounts {
            text += &format!("  {account:<12} {balance:>20} {currency}\n");
        }
    }
    text += &format!("oversold {}\n", report.oversold);
    if report.is_clean() {
        return text + "clean: every balance recomputed from the journal agrees";
    }
    text += &format!("{} faults:\n", grouped(report.faults_found));
    for fault in report.faults.iter().take(FAULTS_SHOWN) {
        text += &format!("  {fault}\n");
    }
    if report.faults_found > FAULTS_SHOWN as u64 {
        text += "  ... (--json shows more)\n";
    }
    text
}
