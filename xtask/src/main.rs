//! `cargo xtask`: the pipeline, step by step or whole.
//!
//! ```text
//!   cargo xtask list                 every step, and what it does
//!   cargo xtask ci                   all of them, then a table
//!   cargo xtask ci format lints      only these
//!   cargo xtask ci --skip coverage   all but these
//!   cargo xtask page                 the last figures of coverage into README and badge
//!   cargo xtask hotspots             functions that are hot and badly covered, and those covered and never hot
//!   cargo xtask mutants domain 3/40  a share of all deliberate mistakes in domain (or sync): who catches them
//! ```
//!
//! A step is a row in [`steps::ALL`]; what it runs is in a file of its own where that is more than one program.

mod changed;
mod count;
mod coverage;
mod figures;
mod hotspots;
mod lcov;
mod mistakes;
mod mutants;
mod page;
mod pipeline;
mod shell;
mod steps;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "The pipeline of the workspace")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Runs steps, all of them if none is named, and prints a table of what they did.
    Ci {
        /// The steps to run.
        steps: Vec<String>,
        /// Steps to leave out.
        #[arg(long)]
        skip: Vec<String>,
    },
    /// Lists every step.
    List,
    /// Takes the last measurement of coverage over into the README and the badge.
    Page,
    /// Joins coverage with a profile of load: hot and badly covered, covered and never hot.
    Hotspots,
    /// Makes a share of all deliberate mistakes in `domain` and `sync`, such as `domain 3/40`, and tells who was caught.
    Mutants {
        /// `domain` or `sync`.
        target: String,
        /// Which share, of how many.
        shard: String,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().what {
        What::List => {
            for step in steps::ALL {
                println!("{:<14} {}", step.name, step.about);
            }
            ExitCode::SUCCESS
        }
        What::Page => said(page::make()),
        What::Hotspots => said(hotspots::run()),
        What::Mutants { target, shard } => said(mutants::run(&target, &shard)),
        What::Ci { steps, skip } => match pipeline::run(&steps, &skip) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                eprintln!("xtask: {error}");
                ExitCode::from(2)
            }
        },
    }
}

fn said(outcome: Result<String, shell::StepError>) -> ExitCode {
    match outcome {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(1)
        }
    }
}
