//! `cargo xtask`: the pipeline, step by step or whole.
//!
//! ```text
//!   cargo xtask list                 every step, and what it does
//!   cargo xtask ci                   all of them, then a table
//!   cargo xtask ci format lints      only these
//!   cargo xtask ci --skip coverage   all but these
//! ```
//!
//! A step is a row in [`steps::ALL`]; what it runs is in a file of its own where that is more than one program.

mod count;
mod coverage;
mod figures;
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
}

fn main() -> ExitCode {
    match Arguments::parse().what {
        What::List => {
            for step in steps::ALL {
                println!("{:<14} {}", step.name, step.about);
            }
            ExitCode::SUCCESS
        }
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
