//! The port of the mailboxes: what a fault does to a message on its way into a partition.

use std::sync::Arc;
use std::time::Duration;

use stockade_domain::Refusal;

use super::operation::concerns;
use super::{Fault, Faults, Hit, MailboxFault, Occasion, Port};
use crate::mailbox::{Incoming, Mailbox};
use crate::release::refuse_unhandled;

/// How long a message waits to be overtaken when nothing else comes.
const OVERTAKEN_WITHIN: Duration = Duration::from_millis(100);

/// Who sends through a handle of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Callers.
    Client,
    /// Another partition.
    Partition(usize),
    /// The card gateway.
    Gateway,
}

impl Sender {
    fn name(self) -> String {
        match self {
            Self::Client => "client".into(),
            Self::Partition(index) => format!("partition/{index}"),
            Self::Gateway => "gateway".into(),
        }
    }
}

/// What a handle of a mailbox goes through.
#[derive(Clone)]
pub struct Through {
    /// The switch.
    pub faults: Arc<Faults>,
    /// Who sends.
    pub from: Sender,
    /// Which partition it is sent to.
    pub to: usize,
}

/// What strikes a message before it is in the mailbox; the rest strikes where it is handled.
const fn strikes_on_the_way(fault: &Fault, is_repeatable: bool) -> bool {
    match fault {
        Fault::Mailbox(MailboxFault::Duplicate) => is_repeatable,
        Fault::Mailbox(fault) => matches!(
            fault,
            MailboxFault::Drop
                | MailboxFault::Delay(_)
                | MailboxFault::Reorder
                | MailboxFault::Partition { .. }
                | MailboxFault::Full
        ),
        _ => false,
    }
}

impl Through {
    #[inline]
    pub(crate) fn is_armed(&self) -> bool {
        self.faults.is_armed(Port::Mailbox)
    }

    fn occasion(&self, incoming: &Incoming) -> Occasion {
        let mut occasion = concerns(incoming);
        occasion.from.push(self.from.name());
        occasion.to.push(Sender::Partition(self.to).name());
        occasion
    }

    #[cold]
    pub(crate) fn send(&self, mailbox: &Mailbox, incoming: Incoming) {
        let is_repeatable = incoming.is_repeatable();
        let is_wanted = |fault: &Fault| strikes_on_the_way(fault, is_repeatable);
        let Some(hit) = self.faults.strike(Port::Mailbox, is_wanted, || self.occasion(&incoming)) else {
            mailbox.put(incoming);
            return self.faults.limbo().overtake(self.to);
        };
        self.strike(mailbox, incoming, &hit);
    }

    fn strike(&self, mailbox: &Mailbox, incoming: Incoming, hit: &Hit) {
        let Fault::Mailbox(fault) = &hit.fault else { return mailbox.put(incoming) };
        let later = |incoming| {
            let mailbox = mailbox.clone();
            Box::new(move || mailbox.put(incoming))
        };
        match fault {
            // Whoever waits for the answer learns that there will be none, and that the outcome is unknown.
            MailboxFault::Drop | MailboxFault::Partition { .. } => drop(incoming),
            MailboxFault::Full => refuse_unhandled(incoming, &Refusal::Overloaded),
            MailboxFault::Delay(_) => self.faults.limbo().hold(hit.round, hit.delay, later(incoming)),
            MailboxFault::Reorder => {
                let limbo = self.faults.limbo();
                limbo.hold_until_overtaken(hit.round, self.to, OVERTAKEN_WITHIN, later(incoming));
            }
            MailboxFault::Duplicate => {
                let copy = incoming.copy();
                mailbox.put(incoming);
                copy.into_iter().for_each(|copy| mailbox.put(copy));
            }
            MailboxFault::SlowConsumer(_)
            | MailboxFault::CrashBefore
            | MailboxFault::CrashAfter
            | MailboxFault::LostReply => mailbox.put(incoming),
        }
    }
}
