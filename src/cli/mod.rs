//! The commands of the binary: what people and scripts type.
//!
//! ```text
//!   arguments ─▶ settings (defaults < file < environment < arguments) ─▶ one command ─▶ report ─▶ exit code
//!                                                                          │
//!                                                     progress on stderr ◀─┘  (only on a terminal)
//! ```
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | it ran and found a fault: an oversold unit, a broken record |
//! | 2 | bad usage: arguments or configuration |
//! | 3 | it could not run: directory or port in use, disk full, file not found |
//!
//! With `--json` there is one JSON object on stdout and nothing else; people's text is for people and may change.
//!
//! What it is not: it decides nothing. Every command is a thin caller of the engine, the server, the replay or the
//! auditor.

mod audit;
mod chaos;
mod client;
mod demo;
mod load;
mod logs;
mod matching;
mod openapi;
mod output;
mod promotions;
mod replay;
mod serve;
mod settings;
mod shop;
mod simulate;
mod stop;
mod traffic;

#[cfg(test)]
pub(crate) use matching::match_lines;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::Output;

/// Decides who gets which unit of stock, and writes it down before it answers.
#[derive(Debug, Parser)]
#[command(name = "stockade", version, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
    /// Print one JSON object on stdout and nothing else.
    #[arg(long, global = true)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  stockade demo                                          a flash sale on this machine, in ten seconds
  stockade serve --data ./shop                           the server
  stockade replay orders.csv.zst --data ./history        a real order history through the engine
  stockade audit --data ./history                        everything recomputed from the journal
  stockade simulate --seeds 0..100                       power cuts, lost messages, failing cards: on virtual time
  stockade chaos run examples/chaos/slow-disk.yaml       a slow disk under load, with a verdict
  stockade match < commands.jsonl                        the bare book, for other programs

Exit codes: 0 done, 1 ran and found a fault, 2 bad usage, 3 could not run.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// A newcomer's first minute: a small shop, a flash sale of real HTTP clients, and the report.
    Demo(demo::Arguments),
    /// The server.
    Serve(serve::Arguments),
    /// Run a real order history through the engine.
    Replay(replay::Arguments),
    /// Recompute everything from the journal with code of its own, and compare.
    Audit(audit::Arguments),
    /// The whole engine on one thread and virtual time, with faults, from seeds.
    Simulate(simulate::Arguments),
    /// Experiments as files: faults in a running engine, on purpose and under watch.
    Chaos(chaos::Arguments),
    /// The bare book over standard input and output, a JSON line per command and per event.
    Match(matching::Arguments),
    /// Put HTTP load on a server, and check that nothing was oversold.
    Load(load::Arguments),
    /// The HTTP interface as an OpenAPI document.
    Openapi(openapi::Arguments),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    // clap prints help on stdout with code 0 and errors on stderr with code 2, as the contract wants.
    let arguments = Arguments::parse();
    let is_server = matches!(arguments.command, Verb::Serve(_));
    // What a simulation breaks on purpose is in its report.
    let breaks = matches!(arguments.command, Verb::Simulate(_) | Verb::Chaos(_));
    let log_level = logs::to_stderr(if is_server {
        "info"
    } else if breaks {
        "off"
    } else {
        "error"
    });
    let mut output = Output::new(arguments.json);
    let ended = match arguments.command {
        Verb::Demo(arguments) => demo::run(&arguments, &mut output),
        Verb::Serve(arguments) => serve::run(&arguments, log_level, &mut output),
        Verb::Replay(arguments) => replay::run(&arguments, &mut output),
        Verb::Audit(arguments) => audit::run(&arguments, &mut output),
        Verb::Simulate(arguments) => simulate::run(&arguments, &mut output),
        Verb::Chaos(arguments) => chaos::run(&arguments, &mut output),
        Verb::Match(arguments) => matching::run(&arguments, &mut output),
        Verb::Load(arguments) => load::run(&arguments, &mut output),
        Verb::Openapi(arguments) => Ok(openapi::run(&arguments, &mut output)),
    };
    match ended {
        Ok(verdict) => verdict.code(),
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_examples() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "`{}` has no examples", verb.get_name());
        }
    }
}
