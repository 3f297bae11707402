//! `stockade openapi`: the document that a server has at `/openapi.json`.

use super::output::{Output, Verdict};
use crate::http::openapi;

const EXAMPLES: &str = "\
Examples:
  stockade openapi > stockade.json       for generators of clients, and for comparing two versions";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments, output: &mut Output) -> Verdict {
    let document = openapi::value();
    output.report(document, || serde_json::to_string_pretty(document).unwrap_or_default());
    Verdict::Done
}
