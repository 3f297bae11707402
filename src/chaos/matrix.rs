//! Which faults have struck which operations, over many reports, and how much of what is possible that is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::fault::{Port, operations};
use super::run::Strikes;

/// Faults of a port, the operations that they can strike (patterns, `*` for all), and what is left out, each with its reason.
type Row = (Port, &'static [&'static str], &'static [&'static str], &'static [(&'static str, &'static str)]);

/// Callers' commands.
const COMMANDS: &[&str] = stockade_actors::faults::COMMANDS;
/// What partitions tell each other.
const PEERS: &[&str] = stockade_actors::faults::PEER_MESSAGES;

const INTERNAL: &[(&str, &str)] = &[
    ("engine", "checkpoints and what the engine tells itself: no caller's, and never refused"),
    ("stock", "commands of the protocol between actors: nobody sends them from outside"),
    ("order", "commands of the protocol between actors: nobody sends them from outside"),
    ("timer", "a partition's own clock, not a message"),
    ("gateway_answer", "repeated by the gateway's port, which has faults of its own"),
    ("tell_order", "only after an order was made in the partition of another one's SKU"),
    ("bid_held", "bids of wallets elsewhere"),
    ("hold_bid", "bids of wallets elsewhere"),
    ("keep_for_bid", "bids of wallets elsewhere"),
    ("inquire_bid", "asked only after a restart"),
    ("inquire", "asked only when an order's home was silent for seconds"),
    ("inquire_money", "asked only when an order's home was silent for seconds"),
    ("inquire_use", "asked only when an order's home was silent for seconds"),
    ("use_known", "asked only when an order's home was silent for seconds"),
    ("abort_use", "only when a use was held and the order came to nothing"),
    ("abort_money", "only when money was held and the order came to nothing"),
];

/// The table of what is possible.
const TABLE: &[Row] = &[
    (Port::Mailbox, &["drop", "delay", "reorder", "partition", "full"], &["*"], INTERNAL),
    (Port::Mailbox, &["lost_reply"], COMMANDS, INTERNAL),
    (Port::Mailbox, &["duplicate"], PEERS, INTERNAL),
    (Port::Mailbox, &["slow_consumer"], &["*"], INTERNAL),
    (
        Port::Mailbox,
        &["crash_before", "crash_after"],
        &["place", "pay", "cancel", "ship", "receive", "adjust", "account"],
        &[],
    ),
    (Port::Disk, &["slow"], &["write", "sync"], &[]),
    (Port::Disk, &["eio"], &["write", "sync"], &[]),
    (Port::Disk, &["enospc"], &["write", "create", "preallocate", "free_bytes"], &[]),
    (Port::Disk, &["short_write", "torn_write"], &["write"], &[]),
    (Port::Disk, &["failed_fsync"], &["sync"], &[]),
    (
        Port::Gateway,
        &["refuse", "lost_before", "lost_after", "slow", "late_callback", "duplicate_callback"],
        &["charge", "authorize", "capture", "refund", "void"],
        &[],
    ),
    (Port::Clock, &["step_forward", "step_back", "drift"], &["now"], &[]),
];

/// The whole matrix: fault by operation, and how often each has struck.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matrix {
    /// How often: by port, fault and operation. Possible ones that never struck are there with 0.
    pub cells: BTreeMap<(String, String, String), u64>,
}

impl Matrix {
    /// What is possible, and nothing struck yet.
    pub fn new() -> Self {
        let mut cells = BTreeMap::new();
        for (port, faults, wanted, left_out) in TABLE {
            for operation in operations(*port) {
                let is_wanted = wanted.contains(&"*") || wanted.contains(&operation);
                if is_wanted && !left_out.iter().any(|(name, _)| *name == operation) {
                    for fault in *faults {
                        cells.insert((port.name().to_owned(), (*fault).to_owned(), operation.to_owned()), 0);
                    }
                }
            }
        }
        Self { cells }
    }

    /// Takes a report's strikes in. What the table does not have is not counted.
    pub fn add(&mut self, fired: &[Strikes]) {
        for one in fired {
            if let Some(cell) = self.cells.get_mut(&(one.port.clone(), one.fault.clone(), one.operation.clone())) {
                *cell += one.count;
            }
        }
    }

    /// How much of it has been struck, in percent.
    pub fn percent(&self) -> f64 {
        let struck = self.cells.values().filter(|count| **count > 0).count();
        struck as f64 * 100.0 / self.cells.len().max(1) as f64
    }

    /// For people: a table for each port, and what never struck.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for port in Port::ALL {
            let of_port = || self.cells.iter().filter(|((name, ..), _)| name == port.name());
            let faults: BTreeSet<&str> = of_port().map(|((_, fault, _), _)| fault.as_str()).collect();
            for fault in faults {
                let row = of_port().filter(|((_, name, _), _)| name == fault);
                let (mut struck, mut all, mut never) = (0, 0, Vec::new());
                for ((_, _, operation), count) in row {
                    all += 1;
                    struck += usize::from(*count > 0);
                    if *count == 0 {
                        never.push(operation.as_str());
                    }
                }
                let missing = if never.is_empty() { String::new() } else { format!("  never: {}", never.join(", ")) };
                let _ = writeln!(text, "{:<8} {fault:<20} {struck:>3} of {all:<3}{missing}", port.name());
            }
        }
        let _ = writeln!(text, "fault by operation: {:.1} % of {} pairs", self.percent(), self.cells.len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_only_what_there_is_and_reasons_for_what_it_leaves_out() {
        for (port, _, wanted, left_out) in TABLE {
            let all = operations(*port);
            for name in wanted.iter().filter(|name| **name != "*") {
                assert!(all.contains(name), "{name}");
            }
            assert!(left_out.iter().all(|(name, reason)| all.contains(name) && reason.len() > 10));
        }
        assert!(Matrix::new().cells.len() > 200);
    }

    #[test]
    fn strikes_of_several_reports_add_up() {
        let mut matrix = Matrix::new();
        let strike = |fault: &str, operation: &str| Strikes {
            port: "disk".into(),
            fault: fault.into(),
            operation: operation.into(),
            count: 2,
        };
        matrix.add(&[strike("slow", "sync"), strike("slow", "dance")]);
        matrix.add(&[strike("slow", "sync")]);
        assert_eq!(matrix.cells[&("disk".into(), "slow".into(), "sync".into())], 4);
        assert!(matrix.percent() > 0.0 && matrix.text().contains("disk     slow"), "{}", matrix.text());
    }
}
