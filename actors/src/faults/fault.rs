//! What can be made to go wrong, port by port. The names are those of experiment files.

use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! ports {
    ($($(#[$doc:meta])* $variant:ident $name:literal;)*) => {
        /// A place where an engine reaches what may fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Port { $($(#[$doc])* $variant,)* }

        impl Port {
            /// Every port.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its bit in the switch.
            pub(super) const fn bit(self) -> u8 {
                1 << self as u8
            }
        }
    };
}

ports! {
    /// Messages to actors, and the actors' handling of them.
    Mailbox "mailbox";
    /// The journal's files.
    Disk "disk";
    /// The card gateway.
    Gateway "gateway";
    /// Where time comes from.
    Clock "clock";
    /// The public listener.
    Http "http";
}

/// How long something takes more than usual.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// At least so many milliseconds, give or take the jitter.
    #[serde(default)]
    pub fixed_ms: u64,
    /// Up to so many milliseconds more or less.
    #[serde(default)]
    pub jitter_ms: u64,
    /// How much a delay is like the one before it, in percent.
    #[serde(default)]
    pub correlation: f64,
}

impl Delay {
    /// So many milliseconds, each time.
    pub const fn fixed(fixed_ms: u64) -> Self {
        Self { fixed_ms, jitter_ms: 0, correlation: 0.0 }
    }

    /// The longest that it can be.
    pub const fn longest(&self) -> Duration {
        Duration::from_millis(self.fixed_ms.saturating_add(self.jitter_ms))
    }

    /// The delay for a number drawn evenly from 0 to 1.
    pub(super) fn at(&self, drawn: f64) -> Duration {
        let millis = self.fixed_ms as f64 + (2.0 * drawn - 1.0) * self.jitter_ms as f64;
        Duration::from_secs_f64(millis.max(0.0) / 1_000.0)
    }
}

/// What goes wrong, and at which port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// With a message or its handling.
    Mailbox(MailboxFault),
    /// With a file of the journal.
    Disk(DiskFault),
    /// With a call to the gateway.
    Gateway(GatewayFault),
    /// With time.
    Clock(ClockFault),
    /// With a request.
    Http(HttpFault),
}

/// What goes wrong with a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MailboxFault {
    /// It is lost. Its caller, if it has one, is told that the outcome is unknown.
    Drop,
    /// It arrives later.
    Delay(Delay),
    /// It arrives twice. Only what may be repeated is: messages between partitions, answers of gateways, reads, and
    /// commands that name what they make.
    Duplicate,
    /// It is overtaken by the next message to the same partition.
    Reorder,
    /// What is sent one way between two actors is lost. Each end is a pattern: `client`, `gateway`, `partition/0`, or an
    /// actor's name as in `sku/*`.
    Partition {
        /// Who is not heard.
        from: String,
        /// Who does not hear.
        to: String,
    },
    /// Its partition needs so long for it, and for nothing else meanwhile.
    SlowConsumer(Delay),
    /// There is no room for it: a caller is refused `overloaded`, another partition asks again.
    Full,
    /// The actor panics before it handles it.
    CrashBefore,
    /// The actor panics after it has handled it.
    CrashAfter,
    /// It is handled, and its caller never hears of it.
    LostReply,
}

/// What goes wrong with a disk operation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DiskFault {
    /// It fails with an input/output error; nothing is done.
    Eio,
    /// There is no space; nothing is done.
    Enospc,
    /// A write stops half-way, and says so.
    ShortWrite,
    /// Of a write only some sectors arrive, and it fails.
    TornWrite,
    /// A sync fails, and what was written since the last one is lost with the power.
    FailedFsync,
    /// A sync says that it is done and is not; needs a disk of which power can be cut.
    LostUnsynced,
    /// One bit of what is written, or of what is read, is another.
    BitFlip,
    /// A write lands a sector away.
    MisdirectedWrite,
    /// It takes so much longer.
    Slow(Delay),
}

/// What goes wrong with a call to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GatewayFault {
    /// It is refused: nobody takes the call, and nothing is done.
    Refuse,
    /// It is lost on its way there.
    LostBefore,
    /// It is done, and the answer is lost.
    LostAfter,
    /// The gateway tells it once more by itself.
    DuplicateCallback,
    /// The answer is lost, and the gateway tells it by itself later.
    LateCallback(Delay),
    /// The answer is told after that of a later call.
    OutOfOrderCallback,
    /// It takes so much longer.
    Slow(Delay),
}

/// What goes wrong with time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClockFault {
    /// It is so much later at once.
    StepForward {
        /// By how much.
        ms: u64,
    },
    /// It is so much earlier at once.
    StepBack {
        /// By how much.
        ms: u64,
    },
    /// It runs fast, or slow if this is negative.
    Drift {
        /// By how many microseconds in a second.
        ppm: i64,
    },
}

/// What goes wrong with a request at the public listener.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HttpFault {
    /// It waits before it is handled.
    Slow(Delay),
    /// It is handled, and the connection ends without an answer.
    LostReply,
    /// It is refused `overloaded`; nothing is done.
    Refuse,
}

impl DiskFault {
    /// Whether this can happen to that operation of a disk.
    pub fn can_strike(&self, operation: &str) -> bool {
        match self {
            Self::Eio | Self::Slow(_) => true,
            Self::Enospc => matches!(operation, "create" | "write" | "preallocate" | "free_bytes"),
            Self::ShortWrite | Self::TornWrite | Self::MisdirectedWrite => operation == "write",
            Self::FailedFsync => matches!(operation, "sync" | "sync_directory"),
            Self::LostUnsynced => operation == "sync",
            Self::BitFlip => matches!(operation, "write" | "read"),
        }
    }
}

impl Fault {
    /// Its port.
    pub const fn port(&self) -> Port {
        match self {
            Self::Mailbox(_) => Port::Mailbox,
            Self::Disk(_) => Port::Disk,
            Self::Gateway(_) => Port::Gateway,
            Self::Clock(_) => Port::Clock,
            Self::Http(_) => Port::Http,
        }
    }

    /// The public name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mailbox(MailboxFault::Drop) => "drop",
            Self::Mailbox(MailboxFault::Delay(_)) => "delay",
            Self::Mailbox(MailboxFault::Duplicate) => "duplicate",
            Self::Mailbox(MailboxFault::Reorder) => "reorder",
            Self::Mailbox(MailboxFault::Partition { .. }) => "partition",
            Self::Mailbox(MailboxFault::SlowConsumer(_)) => "slow_consumer",
            Self::Mailbox(MailboxFault::Full) => "full",
            Self::Mailbox(MailboxFault::CrashBefore) => "crash_before",
            Self::Mailbox(MailboxFault::CrashAfter) => "crash_after",
            Self::Mailbox(MailboxFault::LostReply) | Self::Http(HttpFault::LostReply) => "lost_reply",
            Self::Disk(DiskFault::Eio) => "eio",
            Self::Disk(DiskFault::Enospc) => "enospc",
            Self::Disk(DiskFault::ShortWrite) => "short_write",
            Self::Disk(DiskFault::TornWrite) => "torn_write",
            Self::Disk(DiskFault::FailedFsync) => "failed_fsync",
            Self::Disk(DiskFault::LostUnsynced) => "lost_unsynced",
            Self::Disk(DiskFault::BitFlip) => "bit_flip",
            Self::Disk(DiskFault::MisdirectedWrite) => "misdirected_write",
            Self::Disk(DiskFault::Slow(_)) | Self::Gateway(GatewayFault::Slow(_)) | Self::Http(HttpFault::Slow(_)) => {
                "slow"
            }
            Self::Gateway(GatewayFault::Refuse) | Self::Http(HttpFault::Refuse) => "refuse",
            Self::Gateway(GatewayFault::LostBefore) => "lost_before",
            Self::Gateway(GatewayFault::LostAfter) => "lost_after",
            Self::Gateway(GatewayFault::DuplicateCallback) => "duplicate_callback",
            Self::Gateway(GatewayFault::LateCallback(_)) => "late_callback",
            Self::Gateway(GatewayFault::OutOfOrderCallback) => "out_of_order_callback",
            Self::Clock(ClockFault::StepForward { .. }) => "step_forward",
            Self::Clock(ClockFault::StepBack { .. }) => "step_back",
            Self::Clock(ClockFault::Drift { .. }) => "drift",
        }
    }

    /// The delay of those that have one.
    pub const fn delay(&self) -> Option<&Delay> {
        match self {
            Self::Mailbox(MailboxFault::Delay(delay) | MailboxFault::SlowConsumer(delay))
            | Self::Disk(DiskFault::Slow(delay))
            | Self::Gateway(GatewayFault::Slow(delay) | GatewayFault::LateCallback(delay))
            | Self::Http(HttpFault::Slow(delay)) => Some(delay),
            _ => None,
        }
    }
}
