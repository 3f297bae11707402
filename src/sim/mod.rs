//! Simulation: the whole engine on one thread and virtual time, with faults, from a seed.
//!
//! ```text
//!   seed ─▶ fault plan, clients ─▶ machine (partitions, wire, journal, disk, gateway, clock)
//!           safety phase: clients act, faults strike, the machine goes down and comes up
//!           liveness phase: no faults, time passes ─▶ everything comes to rest
//!           then: the auditor, the promises made to clients, the gateway's own books
//! ```
//!
//! Everything is drawn from the seed, so a failure is repeated by its seed; the trace's hash says that it was.
//!
//! What it is not: it does not search; it takes one way through each seed. Snapshots and passivation are not in it.

mod clients;
mod dice;
mod faults;
mod machine;
mod rest;
mod run;
mod shrink;
mod wire;

pub use faults::FaultKind;
pub use run::{Failure, Options, Outcome, simulate};
pub use shrink::shrink;

/// Panics that are faults on purpose are not told to whoever runs this program.
pub fn silence_injected_panics() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if !text.starts_with("fault injected") {
            told(panic);
        }
    }));
}
