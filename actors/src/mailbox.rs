//! The door of a partition: an inbox, and one wake-up per batch.

use std::sync::Arc;

use stockade_domain::payment::gateway::{GatewayOutcome, Operation};
use stockade_domain::{PaymentId, Refusal};
use stockade_sync::Inbox;

use crate::faults::{Faults, Sender, Through};
use crate::peer::PeerMessage;
use crate::release::{Envelope, refuse_unhandled};

/// What comes in through the door.
pub enum Incoming {
    /// From a caller.
    Command(Envelope),
    /// From another partition.
    Peer(Box<PeerMessage>),
    /// From the gateway.
    Gateway {
        /// Whose call it was.
        payment: PaymentId,
        /// What was asked.
        operation: Operation,
        /// What is known now.
        outcome: GatewayOutcome,
    },
}

/// Wakes the partition that owns an inbox.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A handle on the door; clones share it.
#[derive(Clone)]
pub struct Mailbox {
    inbox: Arc<Inbox<Incoming>>,
    wake: Wake,
    through: Option<Through>,
}

impl Mailbox {
    /// A door that wakes its partition like this.
    pub fn new(inbox: Arc<Inbox<Incoming>>, wake: Wake) -> Self {
        Self { inbox, wake, through: None }
    }

    /// A handle for this sender on the door of this partition, through the fault switch.
    #[must_use]
    pub fn through(&self, faults: &Arc<Faults>, from: Sender, to: usize) -> Self {
        Self { through: Some(Through { faults: Arc::clone(faults), from, to }), ..self.clone() }
    }

    /// Puts a message in. If the partition is gone, a command is answered `storage_unavailable` at once.
    pub fn send(&self, incoming: Incoming) {
        match &self.through {
            Some(through) if through.is_armed() => through.send(self, incoming),
            _ => self.put(incoming),
        }
    }

    /// Puts a message in, whatever is armed.
    pub(crate) fn put(&self, incoming: Incoming) {
        match self.inbox.push(incoming) {
            Ok(true) => (self.wake)(),
            Ok(false) => {}
            Err(incoming) => refuse_unhandled(incoming, &Refusal::StorageUnavailable),
        }
    }

    /// Puts many in with one wake-up.
    pub fn send_many(&self, messages: &mut Vec<Incoming>) {
        if let Some(through) = self.through.as_ref().filter(|through| through.is_armed()) {
            messages.drain(..).for_each(|incoming| through.send(self, incoming));
            return;
        }
        match self.inbox.push_many(messages) {
            Ok(true) => (self.wake)(),
            Ok(false) => {}
            Err(_) => messages.drain(..).for_each(|incoming| refuse_unhandled(incoming, &Refusal::StorageUnavailable)),
        }
    }
}
