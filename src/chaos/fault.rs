//! The vocabulary of faults, as experiment files and the admin listener speak it.
//!
//! ```yaml
//! - fault: { disk: { slow: { fixed_ms: 200, jitter_ms: 50 } } }
//!   select: { operation: sync }
//! - fault: { mailbox: { partition: { from: partition/0, to: partition/1 } } }
//! - fault: { gateway: lost_after }
//!   select: { operation: charge, percent: 15, seed: 7 }
//! - fault: { mailbox: crash_after }
//!   select: { kind: sku, key: "A*", count: 3, mode: one }
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stockade_actors::faults::{COMMANDS, FaultRule, PEER_MESSAGES, is_like};
pub use stockade_actors::faults::{
    ClockFault, Delay, DiskFault, Fault, GatewayFault, HttpFault, MailboxFault, Mode, Port, Selector,
};
use stockade_domain::entity::EntityKind;

/// The longest that anything is held back.
pub const DELAY_MAX: Duration = Duration::from_secs(600);
/// The farthest that a clock jumps, in milliseconds: a day.
const STEP_MS_MAX: u64 = 86_400_000;
/// The most that a clock may gain or lose: half its speed.
const DRIFT_PPM_MAX: i64 = 500_000;
/// The longest pattern.
const PATTERN_BYTES_MAX: usize = 200;

/// A fault and where it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// What goes wrong.
    pub fault: Fault,
    /// Where, and how often; everywhere and always, if it is not said.
    #[serde(default)]
    pub select: Selector,
}

/// What is wrong with a fault's description.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FaultError {
    /// No such share.
    #[error("`{field}` is {value}: it is a percentage from 0 to 100")]
    PercentInvalid {
        /// Which.
        field: &'static str,
        /// What it says.
        value: f64,
    },
    /// It never strikes.
    #[error("`{field}` is 0: it would never strike")]
    NeverStrikes {
        /// Which.
        field: &'static str,
    },
    /// No such kind.
    #[error("there are no actors of kind `{kind}`: say one of {}", kinds())]
    KindUnknown {
        /// What it says.
        kind: String,
    },
    /// A kind, where there are no actors.
    #[error("`kind` selects actors, and port `{port}` has none: select by `key`")]
    KindNotHere {
        /// Which.
        port: &'static str,
    },
    /// Nothing is called so.
    #[error("no operation of port `{port}` is like `{operation}`: say one of {}", operations_of(port))]
    OperationUnknown {
        /// Of which.
        port: &'static str,
        /// What it says.
        operation: String,
    },
    /// It cannot happen there.
    #[error("`{fault}` cannot happen to `{operation}`: name an operation to which it can, or none")]
    NotThere {
        /// What.
        fault: &'static str,
        /// To what.
        operation: String,
    },
    /// It takes too long, or no time.
    #[error("the delay of `{fault}` is up to {ms} ms: say 1 to {} ms", DELAY_MAX.as_millis())]
    DelayInvalid {
        /// Which.
        fault: &'static str,
        /// How long.
        ms: u128,
    },
    /// Too far or too fast.
    #[error("`{fault}` by {value} is nothing, or too much: say 1 to {most}")]
    ClockInvalid {
        /// Which.
        fault: &'static str,
        /// How much.
        value: i128,
        /// At most.
        most: i128,
    },
    /// A clock has no occasions.
    #[error("`{field}` selects occasions, and a clock is wrong all the time: leave it out")]
    ClockSelected {
        /// Which.
        field: &'static str,
    },
    /// A pattern that matches nothing sensible.
    #[error("the pattern `{field}` is empty or longer than {PATTERN_BYTES_MAX} bytes")]
    PatternInvalid {
        /// Which.
        field: &'static str,
    },
}

fn kinds() -> String {
    EntityKind::ALL.map(|(_, name)| name).join(", ")
}

fn operations_of(port: &str) -> String {
    let port = Port::ALL.iter().find(|one| one.name() == port);
    port.map_or_else(String::new, |port| operations(*port).join(", "))
}

/// What a port does, by the names that selectors and reports use.
pub fn operations(port: Port) -> Vec<&'static str> {
    match port {
        Port::Mailbox => [COMMANDS, PEER_MESSAGES].concat(),
        Port::Disk => DISK_OPERATIONS.to_vec(),
        Port::Gateway => GATEWAY_OPERATIONS.to_vec(),
        Port::Clock => CLOCK_OPERATIONS.to_vec(),
        Port::Http => [crate::http::RESOURCES, &["other"]].concat(),
    }
}

/// What the journal does with its files.
pub const DISK_OPERATIONS: &[&str] = &[
    "create",
    "open",
    "read",
    "write",
    "sync",
    "preallocate",
    "truncate",
    "rename",
    "remove",
    "sync_directory",
    "free_bytes",
];
/// What gateways are asked.
pub const GATEWAY_OPERATIONS: &[&str] = &["charge", "authorize", "capture", "renew", "void", "refund"];
/// What clocks are asked.
pub const CLOCK_OPERATIONS: &[&str] = &["now"];

/// One of each fault, with the least that it can be.
pub fn every_fault() -> Vec<Fault> {
    use {ClockFault as C, DiskFault as D, GatewayFault as G, HttpFault as H, MailboxFault as M};
    let late = Delay::fixed(1);
    let cut = M::Partition { from: "*".into(), to: "*".into() };
    let mailbox = [
        M::Drop,
        M::Delay(late),
        M::Duplicate,
        M::Reorder,
        cut,
        M::SlowConsumer(late),
        M::Full,
        M::CrashBefore,
        M::CrashAfter,
        M::LostReply,
    ];
    let disk = [
        D::Eio,
        D::Enospc,
        D::ShortWrite,
        D::TornWrite,
        D::FailedFsync,
        D::LostUnsynced,
        D::BitFlip,
        D::MisdirectedWrite,
        D::Slow(late),
    ];
    let gateway = [
        G::Refuse,
        G::LostBefore,
        G::LostAfter,
        G::DuplicateCallback,
        G::LateCallback(late),
        G::OutOfOrderCallback,
        G::Slow(late),
    ];
    let clock = [C::StepForward { ms: 1 }, C::StepBack { ms: 1 }, C::Drift { ppm: 1 }];
    let http = [H::Slow(late), H::LostReply, H::Refuse];
    let all = mailbox.map(Fault::Mailbox).into_iter().chain(disk.map(Fault::Disk));
    all.chain(gateway.map(Fault::Gateway)).chain(clock.map(Fault::Clock)).chain(http.map(Fault::Http)).collect()
}

impl FaultSpec {
    /// Strikes everywhere and always.
    pub fn always(fault: Fault) -> Self {
        Self { fault, select: Selector::default() }
    }

    /// Whether it is possible.
    ///
    /// # Errors
    ///
    /// [`FaultError`] when it is not.
    pub fn check(&self) -> Result<(), FaultError> {
        self.check_share()?;
        self.check_names()?;
        self.check_delay()?;
        self.check_clock()
    }

    /// Whether it breaks the engine's promises by its nature: only an engine on which nobody relies may have it.
    pub const fn needs_private_engine(&self) -> bool {
        matches!(self.fault, Fault::Disk(DiskFault::LostUnsynced | DiskFault::BitFlip | DiskFault::MisdirectedWrite))
    }

    pub(super) fn into_rule(self) -> FaultRule {
        FaultRule { fault: self.fault, select: self.select }
    }

    fn check_share(&self) -> Result<(), FaultError> {
        let percent = |field, value: f64| match value {
            0.0 => Err(FaultError::NeverStrikes { field }),
            _ if (0.0..=100.0).contains(&value) => Ok(()),
            _ => Err(FaultError::PercentInvalid { field, value }),
        };
        percent("percent", self.select.percent)?;
        if self.select.count == Some(0) {
            return Err(FaultError::NeverStrikes { field: "count" });
        }
        match self.select.mode {
            Mode::All | Mode::One => Ok(()),
            Mode::Fixed(0) => Err(FaultError::NeverStrikes { field: "mode" }),
            Mode::Fixed(_) => Ok(()),
            Mode::FixedPercent(share) | Mode::RandomMaxPercent(share) => percent("mode", share),
        }
    }

    fn check_names(&self) -> Result<(), FaultError> {
        let port = self.fault.port();
        let Selector { kind, key, operation, .. } = &self.select;
        if let Some(kind) = kind {
            if !matches!(port, Port::Mailbox | Port::Gateway) {
                return Err(FaultError::KindNotHere { port: port.name() });
            }
            if !EntityKind::ALL.iter().any(|(_, name)| name == kind) {
                return Err(FaultError::KindUnknown { kind: kind.clone() });
            }
        }
        let ends = match &self.fault {
            Fault::Mailbox(MailboxFault::Partition { from, to }) => [Some(from), Some(to)],
            _ => [None, None],
        };
        let patterns = [("key", key.as_ref()), ("operation", operation.as_ref()), ("from", ends[0]), ("to", ends[1])];
        for (field, pattern) in patterns {
            if pattern.is_some_and(|pattern| pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX) {
                return Err(FaultError::PatternInvalid { field });
            }
        }
        let Some(pattern) = operation else { return Ok(()) };
        let mut named = operations(port);
        named.retain(|operation| is_like(operation, pattern));
        if named.is_empty() {
            return Err(FaultError::OperationUnknown { port: port.name(), operation: pattern.clone() });
        }
        match &self.fault {
            Fault::Disk(fault) if !named.iter().any(|operation| fault.can_strike(operation)) => {
                Err(FaultError::NotThere { fault: self.fault.name(), operation: pattern.clone() })
            }
            _ => Ok(()),
        }
    }

    fn check_delay(&self) -> Result<(), FaultError> {
        let Some(delay) = self.fault.delay() else { return Ok(()) };
        let longest = delay.longest();
        if longest.is_zero() || longest > DELAY_MAX {
            return Err(FaultError::DelayInvalid { fault: self.fault.name(), ms: longest.as_millis() });
        }
        if (0.0..=100.0).contains(&delay.correlation) {
            return Ok(());
        }
        Err(FaultError::PercentInvalid { field: "correlation", value: delay.correlation })
    }

    fn check_clock(&self) -> Result<(), FaultError> {
        let Fault::Clock(fault) = self.fault else { return Ok(()) };
        let (value, most) = match fault {
            ClockFault::StepForward { ms } | ClockFault::StepBack { ms } => (i128::from(ms), i128::from(STEP_MS_MAX)),
            ClockFault::Drift { ppm } => (i128::from(ppm), i128::from(DRIFT_PPM_MAX)),
        };
        if value == 0 || value.abs() > most {
            return Err(FaultError::ClockInvalid { fault: self.fault.name(), value, most });
        }
        let Selector { key, percent, count, mode, .. } = &self.select;
        let selected = [
            ("key", key.is_some()),
            ("percent", *percent < 100.0),
            ("count", count.is_some()),
            ("mode", *mode != Mode::All),
        ];
        match selected.into_iter().find(|(_, is_said)| *is_said) {
            Some((field, _)) => Err(FaultError::ClockSelected { field }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(yaml: &str) -> FaultSpec {
        serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
    }

    #[test]
    fn faults_are_read_and_written_as_the_page_says() {
        let slow = parse("fault: { disk: { slow: { fixed_ms: 200, jitter_ms: 50 } } }\nselect: { operation: sync }");
        let delay = Delay { fixed_ms: 200, jitter_ms: 50, correlation: 0.0 };
        assert_eq!(slow.fault, Fault::Disk(DiskFault::Slow(delay)));
        assert_eq!(slow.select.operation.as_deref(), Some("sync"));
        let lost = parse("fault: { gateway: lost_after }\nselect: { operation: charge, percent: 15, seed: 7 }");
        assert_eq!((lost.fault.clone(), lost.select.percent), (Fault::Gateway(GatewayFault::LostAfter), 15.0));
        let shares = parse("fault: { mailbox: drop }\nselect: { kind: sku, mode: { fixed_percent: 20 } }");
        assert_eq!(shares.select.mode, Mode::FixedPercent(20.0));
        let cut = parse("fault: { mailbox: { partition: { from: partition/0, to: 'sku/*' } } }");
        for spec in [slow, lost, shares, cut] {
            spec.check().unwrap();
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<FaultSpec>(&json).unwrap(), spec, "{json}");
        }
    }

    #[test]
    fn one_of_each_is_all_there_are_and_each_is_possible() {
        let all = every_fault();
        // What the format refuses to name tells all the names it knows: one of each is among them, and no more.
        for (port, count) in [("mailbox", 10), ("disk", 9), ("gateway", 7), ("clock", 3), ("http", 3)] {
            let error = serde_json::from_str::<Fault>(&format!("{{\"{port}\":\"none\"}}")).unwrap_err().to_string();
            let of_port = all.iter().filter(|fault| fault.port().name() == port);
            let named = of_port.filter(|fault| error.contains(&format!("`{}`", fault.name()))).count();
            assert_eq!((named, error.matches('`').count()), (count, 2 * count + 2), "{error}");
        }
        for fault in all {
            FaultSpec::always(fault).check().unwrap();
        }
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        for yaml in [
            "fault: { mailbox: vanish }",
            "fault: { disk: { slow: { seconds: 3 } } }",
            "fault: { mailbox: drop }\nselect: { skus: a }",
            "fault: { mailbox: drop }\nonce: true",
            "select: { kind: sku }",
        ] {
            assert!(serde_saphyr::from_str::<FaultSpec>(yaml).is_err(), "{yaml}");
        }
    }

    #[test]
    fn what_is_impossible_is_refused_by_name() {
        type IsNamed = fn(&FaultError) -> bool;
        let table: [(&str, IsNamed); 14] = [
            ("fault: { mailbox: drop }\nselect: { percent: 101 }", |e| matches!(e, FaultError::PercentInvalid { .. })),
            ("fault: { mailbox: drop }\nselect: { percent: .nan }", |e| matches!(e, FaultError::PercentInvalid { .. })),
            ("fault: { mailbox: drop }\nselect: { percent: 0 }", |e| matches!(e, FaultError::NeverStrikes { .. })),
            ("fault: { mailbox: drop }\nselect: { count: 0 }", |e| matches!(e, FaultError::NeverStrikes { .. })),
            ("fault: { mailbox: drop }\nselect: { mode: { fixed: 0 } }", |e| {
                matches!(e, FaultError::NeverStrikes { .. })
            }),
            ("fault: { mailbox: drop }\nselect: { kind: cart }", |e| matches!(e, FaultError::KindUnknown { .. })),
            ("fault: { disk: eio }\nselect: { kind: sku }", |e| matches!(e, FaultError::KindNotHere { .. })),
            ("fault: { disk: eio }\nselect: { operation: place }", |e| {
                matches!(e, FaultError::OperationUnknown { .. })
            }),
            ("fault: { disk: torn_write }\nselect: { operation: sync }", |e| matches!(e, FaultError::NotThere { .. })),
            ("fault: { disk: { slow: { jitter_ms: 0 } } }", |e| matches!(e, FaultError::DelayInvalid { .. })),
            ("fault: { disk: { slow: { fixed_ms: 600001 } } }", |e| matches!(e, FaultError::DelayInvalid { .. })),
            ("fault: { clock: { step_back: { ms: 0 } } }", |e| matches!(e, FaultError::ClockInvalid { .. })),
            ("fault: { clock: { drift: { ppm: 10 } } }\nselect: { count: 1 }", |e| {
                matches!(e, FaultError::ClockSelected { .. })
            }),
            ("fault: { mailbox: drop }\nselect: { key: '' }", |e| matches!(e, FaultError::PatternInvalid { .. })),
        ];
        for (yaml, is_named) in table {
            let error = parse(yaml).check().unwrap_err();
            assert!(is_named(&error), "{yaml}: {error:?}");
            assert!(!error.to_string().is_empty());
        }
    }
}
