//! `stockade match`: the bare book over standard input and output.
//!
//! ```text
//!   a line ─▶ lines ─▶ protocol: a command ─▶ session: the SKU's book ─▶ protocol: a line per event ─▶ an answer
//!                 └──▶ tracebook: the same book behind the protocol of a conformance suite
//! ```
//!
//! What it is not: nothing is durable, nobody is paid; it is the matching alone, for programs in other languages and
//! for those who want to check it.

mod answer;
mod decimal;
mod lines;
mod request;
mod session;
mod tracebook;

use std::io::{Read, Write};

use stockade_domain::book::Book;

use super::output::{Failure, Output, Verdict};
use lines::{LINE_LENGTH_MAX, Line, Lines};
use session::Session;
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
    match answer_all(input, output) {
        Ok(()) => Ok(Verdict::Done),
        // A reader that went away (`| head`) has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Verdict::Done),
        Err(error) => Err(Failure::cannot("io_failed", format!("cannot read or write: {error}"))),
    }
}

/// Answers every line, to the end of the input.
fn answer_all(input: impl Read, output: impl Write) -> std::io::Result<()> {
    let (mut lines, mut session, mut number) = (Lines::new(input, output), Session::default(), 0);
    while let Some((line, output)) = lines.next()? {
        number += 1;
        match line {
            Line::Text(text) if text.iter().all(u8::is_ascii_whitespace) => {}
            Line::Text(text) => session.answer(number, text, output)?,
            Line::TooLong => {
                answer::invalid(output, number, &request::RequestError::LineTooLong(LINE_LENGTH_MAX))?;
            }
        }
    }
    lines.flush()
}

/// Lines of the protocol, for the fuzzing targets: whatever comes in, a line of JSON goes out for each that is not empty.
#[cfg(test)]
pub(crate) fn match_lines(input: &[u8]) -> Result<bool, String> {
    let mut output = Vec::new();
    answer_all(input, &mut output).map_err(|error| error.to_string())?;
    let (mut answers, mut done) = (0, false);
    for line in output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let value: serde_json::Value = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
        answers += usize::from(value.get("answer").is_some());
        done |= value["answer"] == "done";
    }
    let asked = input.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace)).count();
    if answers != asked {
        return Err(format!("{asked} lines have {answers} answers"));
    }
    Ok(done)
}
