//! Which faults have struck which operations, over many reports, and how much of what is possible that is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::fault::{Fault, Port, every_fault, operations};
use super::run::Strikes;

/// What an experiment on a private engine cannot strike, or what would be no fault there: the port, faults and operations
/// (`*`: all), and the reason. Everything else counts.
type LeftOut = (Port, &'static [&'static str], &'static [&'static str], &'static str);

/// What partitions tell each other.
const PEERS: &[&str] = stockade_actors::faults::PEER_MESSAGES;
const ALL: &[&str] = &["*"];

const LEFT_OUT: &[LeftOut] = &[
    (Port::Mailbox, ALL, &["engine"], "checkpoints and what the engine tells itself: no caller's, and never refused"),
    (Port::Mailbox, ALL, &["stock", "order"], "commands between actors: nobody sends them from outside"),
    (Port::Mailbox, ALL, &["timer"], "a partition's own clock, not a message"),
    (Port::Mailbox, ALL, &["gateway_answer"], "repeated by the gateway's port, which has faults of its own"),
    (Port::Mailbox, ALL, &["tell_order"], "only after an order was made in the partition of another one's SKU"),
    (
        Port::Mailbox,
        ALL,
        &["hold_bid", "bid_held", "keep_for_bid", "inquire_bid"],
        "bids of wallets elsewhere: struck by the simulation",
    ),
    (
        Port::Mailbox,
        ALL,
        &["inquire", "inquire_money", "inquire_use", "use_known"],
        "asked only when an order's home was silent for seconds: struck by the simulation",
    ),
    (
        Port::Mailbox,
        ALL,
        &["abort", "abort_use", "abort_money"],
        "only when something was held elsewhere and the order came to nothing: struck by the simulation",
    ),
    (
        Port::Mailbox,
        &["crash_before", "crash_after"],
        &[
            "read_stock",
            "read_book",
            "read_order",
            "read_account",
            "read_uses",
            "read_payment",
            "read_ledger",
            "held",
            "use_held",
            "stock_heard",
            "enter",
        ],
        "an actor panics where it decides, and these decide nothing",
    ),
    (
        Port::Mailbox,
        &["crash_after"],
        &["hold_use", "define_uses"],
        "the owner of a use records last: what comes after it is after its answer",
    ),
    (Port::Mailbox, &["lost_reply"], PEERS, "nobody waits for a reply: they answer by messages of their own"),
    (
        Port::Mailbox,
        &["duplicate"],
        &[
            "announce",
            "receive",
            "adjust",
            "reclassify",
            "write_off",
            "transfer",
            "offer",
            "bid",
            "amend",
            "withdraw",
            "extend",
            "ship",
            "deliver",
            "return",
            "refund",
            "edit",
            "account",
            "define_uses",
            "payment",
            "enter",
        ],
        "done twice it would do more: whoever sends it sends it once",
    ),
    (
        Port::Disk,
        &["lost_unsynced", "bit_flip", "misdirected_write"],
        ALL,
        "nothing shows until the journal is read again: struck by tests of the journal and of its opening",
    ),
    (
        Port::Disk,
        ALL,
        &["open", "read", "truncate", "rename"],
        "only while a journal is opened, archived or followed: struck by the tests of the disk's port",
    ),
    (Port::Gateway, ALL, &["renew"], "authorisations lapse after days: struck by the tests of the gateway's port"),
    (Port::Http, ALL, ALL, "a private engine has no listener: struck by the tests of the listener's port"),
];

/// Whether a pair is possible at all, and none of those left out.
fn counts(fault: &Fault, operation: &str) -> bool {
    let names = |list: &[&str], name: &str| list == ALL || list.contains(&name);
    let is_possible = match fault {
        Fault::Disk(fault) => fault.can_strike(operation),
        _ => true,
    };
    let is_left_out = |row: &LeftOut| row.0 == fault.port() && names(row.1, fault.name()) && names(row.2, operation);
    is_possible && !LEFT_OUT.iter().any(is_left_out)
}

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
        for fault in every_fault() {
            for operation in operations(fault.port()).into_iter().filter(|operation| counts(&fault, operation)) {
                cells.insert((fault.port().name().to_owned(), fault.name().to_owned(), operation.to_owned()), 0);
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
    fn what_is_left_out_is_there_and_has_its_reason() {
        let faults = every_fault();
        for (port, names, left_out, reason) in LEFT_OUT {
            let all = operations(*port);
            assert!(left_out.iter().all(|name| *name == "*" || all.contains(name)), "{left_out:?}");
            let of_port = || faults.iter().filter(|fault| fault.port() == *port);
            assert!(names.iter().all(|name| *name == "*" || of_port().any(|fault| fault.name() == *name)), "{names:?}");
            assert!(reason.len() > 20);
        }
        assert!(Matrix::new().cells.len() > 300, "{}", Matrix::new().cells.len());
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
