//! `stockade match`: the bare book over standard input and output.
//!
//! ```text
//!   a line ─▶ lines ─▶ protocol: a command ─▶ session: the SKU's book ─▶ protocol: a line per event ─▶ an answer
//!                 └──▶ tracebook: the same book behind the protocol of a conformance suite
//! ```
//!
//! What it is not: nothing is durable, nobody is paid; it is the matching alone, for programs in other languages and
//! for those who want to check it.

mod decimal;
mod lines;
mod tracebook;

use stockade_domain::book::Book;

use super::output::{Failure, Output, Verdict};
use tracebook::TracebookError;

const EXAMPLES: &str = "\
Examples:
  echo '{\"sku\":\"LAMP\",\"command\":\"place\",\"id\":1,\"side\":\"supply\",\"price\":999,\"quantity\":5}' | stockade match
  stockade match < commands.jsonl > events.jsonl
  stockade match --tracebook            the protocol of the conformance suite `tracebook-conformance`

A JSON object per line in, one per event out, and one that ends each command's answers: see docs/match-protocol.md.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Speak the protocol of the Python package `tracebook-conformance`.
    #[arg(long)]
    tracebook: bool,
}

pub(super) fn run(arguments: &Arguments, _: &mut Output) -> Result<Verdict, Failure> {
    let (input, output) =
        (std::io::stdin().lock(), std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock()));
    if arguments.tracebook {
        return match tracebook::converse(input, output, Book::new) {
            Ok(()) => Ok(Verdict::Done),
            Err(error @ TracebookError::Protocol(_)) => Err(Failure::usage("protocol_invalid", error)),
            Err(error @ TracebookError::Io(_)) => Err(Failure::cannot("io_failed", error)),
        };
    }
    Ok(Verdict::Done)
}
