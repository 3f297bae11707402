//! Broken twins: the same hosts in a shell with one mistake. A model that does not catch them proves nothing.

use stockade_actors::peer::PeerMessage;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// Answers leave when they are appended, not when they are durable.
    AcknowledgesEarly,
    /// Each partition has a log of its own: a power loss takes the tail of one, and leaves that of another.
    LogsApart,
    /// The gateway is asked under a new key each time.
    ForgetsGatewayKeys,
    /// A home that is asked about a hold says that it does not know the order, without looking.
    DisownsHolds,
    /// `Abort` names no try: one that was slow takes what a later try holds.
    AbortsAnyTry,
    /// Answers name no try: the answer to an earlier one counts for a later one.
    BelievesOldAnswers,
    /// A step counts as done when it is sent.
    TrustsTheWire,
    /// What was not answered is not asked again.
    NeverRepeats,
}

impl Twin {
    /// What this twin makes of a message that is about to be delivered; none: something else is delivered in its place.
    pub fn spoil(self, mut message: PeerMessage, latest_try: u64) -> Result<PeerMessage, Box<Instead>> {
        match (self, &mut message) {
            (Self::AbortsAnyTry, PeerMessage::Abort { attempt, .. }) => *attempt = u64::MAX,
            (Self::BelievesOldAnswers, PeerMessage::Held { attempt, .. }) => *attempt = latest_try,
            (Self::DisownsHolds, PeerMessage::Inquire { from, order, attempt, sku }) => {
                let skus = [sku.clone()].into_iter().collect();
                let message = PeerMessage::Abort { order: *order, attempt: *attempt, skus };
                return Err(Box::new(Instead { to: *from, message }));
            }
            _ => {}
        }
        Ok(message)
    }

    /// What this twin makes of a message that was lost.
    pub fn after_loss(self, message: &PeerMessage) -> Option<Instead> {
        match (self, message) {
            (Self::TrustsTheWire, PeerMessage::Step { from, order, step, .. }) => {
                let message = PeerMessage::StepDone { order: *order, step: *step, short: None, news: None };
                Some(Instead { to: *from, message })
            }
            _ => None,
        }
    }
}

/// A message that a twin sends in the place of another.
pub struct Instead {
    /// To whom.
    pub to: usize,
    /// What.
    pub message: PeerMessage,
}
