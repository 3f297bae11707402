//! The door of a partition: an inbox, and one wake-up per batch.

use std::sync::Arc;

use stockade_domain::payment::gateway::{GatewayOutcome, Operation};
use stockade_domain::{PaymentId, Refusal};
use stockade_sync::Inbox;

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
}

impl Mailbox {
    /// A door that wakes its partition like this.
    pub fn new(inbox: Arc<Inbox<Incoming>>, wake: Wake) -> Self {
        Self { inbox, wake }
    }

    /// Puts a message in. If the partition is gone, a command is answered `storage_unavailable` at once.
    pub fn send(&self, incoming: Incoming) {
        match self.inbox.push(incoming) {
            Ok(true) => (self.wake)(),
            Ok(false) => {}
            Err(incoming) => refuse_unhandled(incoming, &Refusal::StorageUnavailable),
        }
    }

    /// Puts many in with one wake-up.
    pub fn send_many(&self, messages: &mut Vec<Incoming>) {
        match self.inbox.push_many(messages) {
            Ok(true) => (self.wake)(),
            Ok(false) => {}
            Err(_) => messages.drain(..).for_each(|incoming| refuse_unhandled(incoming, &Refusal::StorageUnavailable)),
        }
    }
}
