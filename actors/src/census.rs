//! Who is in memory, counted by each partition after its turns and read by whoever operates the engine.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a partition counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// SKUs in memory.
    Skus,
    /// Orders in memory.
    Orders,
    /// Payments in memory.
    Payments,
    /// Wallets in memory.
    Accounts,
    /// Orders whose holds are being asked of other partitions.
    Placing,
    /// Orders whose callers wait for a gateway.
    AwaitingGateway,
    /// Times on the agenda.
    Timers,
    /// Messages in the mailbox that no turn has taken yet.
    Mailbox,
}

impl Counted {
    /// Everything, with its public name.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Skus, "skus"),
        (Self::Orders, "orders"),
        (Self::Payments, "payments"),
        (Self::Accounts, "accounts"),
        (Self::Placing, "placing"),
        (Self::AwaitingGateway, "awaiting_gateway"),
        (Self::Timers, "timers"),
        (Self::Mailbox, "mailbox"),
    ];
}

/// The counts of one partition, as of its last turn; each by itself, not of one moment together.
#[derive(Debug, Default)]
pub struct Census([AtomicU64; Counted::ALL.len()]);

impl Census {
    /// Notes a count.
    pub fn note(&self, what: Counted, count: usize) {
        self.0[what as usize].store(count as u64, Ordering::Relaxed);
    }

    /// The counts by their public names.
    pub fn read(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Counted::ALL.iter().map(|(what, name)| (*name, self.0[*what as usize].load(Ordering::Relaxed)))
    }
}
