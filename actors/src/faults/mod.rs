//! The fault switch of an engine's ports. Off, a port costs one relaxed load.
//!
//! | module | concept |
//! |---|---|
//! | [`fault`] | what can be made to go wrong, by port |
//! | [`selector`] | where, and how often |
//! | `rule` | a fault with its selector, while it is armed |
//! | [`limbo`] | what is held back, until it is due or the switch is turned off |
//! | [`door`] | the port of the mailboxes |
//! | `operation` | what messages are called and whom they concern |
//!
//! What it is not: it knows no disk, gateway, clock or listener. Their ports ask it what goes wrong, and do it.

pub mod door;
pub mod fault;
pub mod limbo;
mod operation;
mod rule;
pub mod selector;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use crate::command::Command;

pub use door::{Sender, Through};
pub use fault::{ClockFault, Delay, DiskFault, Fault, GatewayFault, HttpFault, MailboxFault, Port};
pub use limbo::Limbo;
use operation::asked;
pub(crate) use operation::concerns;
pub use operation::{COMMANDS, PEER_MESSAGES};
pub use rule::{FaultRule, Hit};
pub use selector::{Mode, Occasion, Selector, is_like};

use rule::Armed;

/// How often a fault has struck an operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fired {
    /// At which port.
    pub port: Port,
    /// The fault's name.
    pub fault: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// How often.
    pub count: u64,
}

/// The switch, shared by all ports of an engine.
#[derive(Debug, Default)]
pub struct Faults {
    /// A bit for each port with a rule.
    armed: AtomicU8,
    /// One plan for all ports, so that it is swapped as a whole.
    plan: RwLock<Vec<Mutex<Armed>>>,
    /// Which plan it is: ports that remember something forget it when this changes.
    swaps: AtomicU64,
    fired: Mutex<BTreeMap<(Port, &'static str, &'static str), u64>>,
    total: AtomicU64,
    limbo: Arc<Limbo>,
    bugs: AtomicU64,
}

impl Faults {
    /// Replaces all rules of all ports at once; none turns the switch off. What the rules of before held back goes on.
    pub fn arm(&self, rules: Vec<FaultRule>) {
        let ports = rules.iter().fold(0, |ports, rule| ports | rule.fault.port().bit());
        let plan = rules.into_iter().map(|rule| Mutex::new(Armed::new(rule))).collect();
        {
            let mut slot = self.plan.write();
            *slot = plan;
            self.swaps.fetch_add(1, Ordering::Release);
            self.armed.store(ports, Ordering::Release);
        }
        self.limbo.let_go();
    }

    /// Turns the switch off, delivers all that is held back, and lets everybody go on who was made slow.
    pub fn disarm(&self) {
        self.arm(Vec::new());
    }

    /// Whether any port has a rule.
    pub fn is_any_armed(&self) -> bool {
        self.armed.load(Ordering::Acquire) != 0
    }

    /// Whether this port has a rule.
    #[inline]
    pub fn is_armed(&self, port: Port) -> bool {
        self.armed.load(Ordering::Relaxed) & port.bit() != 0
    }

    /// The rules that are armed.
    pub fn rules(&self) -> Vec<FaultRule> {
        self.plan.read().iter().map(|armed| armed.lock().rule.clone()).collect()
    }

    /// How often the rules were replaced.
    pub fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Acquire)
    }

    /// An actor has panicked, and no fault made it.
    pub(crate) fn note_bug(&self) {
        self.bugs.fetch_add(1, Ordering::Relaxed);
    }

    /// How often an actor has panicked without a fault that made it: each is a mistake in this program.
    pub fn bugs(&self) -> u64 {
        self.bugs.load(Ordering::Relaxed)
    }

    /// How often any fault has struck.
    pub fn fired(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// How often each fault has struck each operation, since the engine was opened.
    pub fn fired_by_operation(&self) -> Vec<Fired> {
        let fired = self.fired.lock();
        let one = |(&(port, fault, operation), &count): (&(Port, &'static str, &'static str), &u64)| Fired {
            port,
            fault,
            operation,
            count,
        };
        fired.iter().map(one).collect()
    }

    /// What is held back and who waits.
    pub fn limbo(&self) -> &Arc<Limbo> {
        &self.limbo
    }

    /// Which of the port's faults strikes on this occasion, if it is one that is asked for here. Where every nanosecond
    /// counts ask [`is_armed`](Self::is_armed) first: an answer of nothing is still an answer to be passed on.
    #[inline]
    pub fn strike(
        &self,
        port: Port,
        is_wanted: impl Fn(&Fault) -> bool,
        occasion: impl FnOnce() -> Occasion,
    ) -> Option<Hit> {
        if !self.is_armed(port) {
            return None;
        }
        self.look_up(&|fault| fault.port() == port && is_wanted(fault), &occasion())
    }

    #[cold]
    fn look_up(&self, is_wanted: &dyn Fn(&Fault) -> bool, occasion: &Occasion) -> Option<Hit> {
        let plan = self.plan.read();
        let hit = plan.iter().find_map(|armed| {
            let mut armed = armed.lock();
            if is_wanted(&armed.rule.fault) { armed.strike(occasion) } else { None }
        })?;
        self.note(&hit.fault, occasion.operation);
        // Read while the plan cannot change: when it has changed, everything is let go, and the round is another.
        Some(Hit { round: self.limbo.round(), ..hit })
    }

    fn note(&self, fault: &Fault, operation: &'static str) {
        self.total.fetch_add(1, Ordering::Relaxed);
        *self.fired.lock().entry((fault.port(), fault.name(), operation)).or_default() += 1;
    }

    /// The rules of a port that stand by themselves rather than strike on occasions: how a clock goes wrong.
    pub fn standing(&self, port: Port) -> Vec<FaultRule> {
        self.rules().into_iter().filter(|rule| rule.fault.port() == port).collect()
    }

    /// A standing fault is felt.
    pub fn felt(&self, fault: &Fault, operation: &'static str) {
        self.note(fault, operation);
    }

    /// Whether the answer to this command is lost on its way to the caller.
    #[inline]
    pub fn loses_reply(&self, command: &Command) -> bool {
        let is_wanted = |fault: &Fault| matches!(fault, Fault::Mailbox(MailboxFault::LostReply));
        self.is_armed(Port::Mailbox) && self.strike(Port::Mailbox, is_wanted, || asked(command)).is_some()
    }

    /// Waits as long as a fault says, or until the switch is turned off, without a thread of its own.
    pub async fn held(&self, hit: &Hit) {
        let (go, gone) = oneshot::channel();
        // Whoever waited may have given up.
        self.limbo.hold(hit.round, hit.delay, Box::new(move || _ = go.send(())));
        // A limbo that is gone lets everybody go on.
        let _ = gone.await;
    }

    /// Makes this thread wait as long as a fault says, or until the switch is turned off.
    pub fn pause(&self, hit: &Hit) {
        self.limbo.wait(hit.round, hit.delay);
    }
}
