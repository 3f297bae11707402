//! Messages that wait a moment before they are decided: something under way may change what becomes of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stockade_domain::OrderId;

use super::Host;
use super::agenda::ASK_AGAIN_MICROS;
use super::placing::Placing;
use crate::command::Command;
use crate::peer::PeerMessage;

/// How long a request that meets only a tentative hold waits for its end.
pub(super) const TENTATIVE_WAIT_MICROS: i64 = 200_000;
/// How long a repeated request waits for the first one to be decided, or for an earlier attempt to be cleared away.
const PLACING_WAIT_MICROS: i64 = 30 * ASK_AGAIN_MICROS;

impl Host {
    /// How long a command may wait before it is decided, in microseconds, if something is under way that may change
    /// what becomes of it: the same order being placed already, an earlier attempt with its id that has not given
    /// everything back, or a hold of somebody else that may yet come to nothing.
    pub(super) fn must_wait(&mut self, command: &Command) -> Option<i64> {
        // It loads actors. What cannot be loaded need not wait: its command says so, and costs nobody else anything.
        catch_unwind(AssertUnwindSafe(|| self.what_it_waits_for(command))).unwrap_or(None)
    }

    fn what_it_waits_for(&mut self, command: &Command) -> Option<i64> {
        if let Command::Edit { order, .. } = command {
            // What others owe an order is soon done; until then they and the order may not agree on what it has.
            return self.is_owed_steps(*order).then_some(PLACING_WAIT_MICROS);
        }
        let Command::Place { order, .. } = command else { return None };
        if order.body_digest != 0 {
            let is_the_same = |placing: &Placing| placing.order.body_digest == order.body_digest;
            if self.placing.get(&order.id).is_some_and(is_the_same) || self.owes_attempt(order.id) {
                return Some(PLACING_WAIT_MICROS);
            }
        }
        self.is_order_short(command).then_some(TENTATIVE_WAIT_MICROS)
    }

    /// Whether a refused attempt with this id is still owed steps.
    pub(super) fn owes_attempt(&self, id: OrderId) -> bool {
        let hosted = self.orders.get(&id);
        hosted.is_some_and(|hosted| Self::is_refused(&hosted.state) && !hosted.state.owed.is_empty())
    }

    pub(super) fn park(&mut self, incoming: crate::mailbox::Incoming, wait_micros: i64) {
        self.parked.push((self.now.plus_micros(wait_micros), incoming));
    }

    /// Tries parked messages again; those whose time is up are decided as things stand.
    pub(super) fn retry_parked(&mut self) {
        if self.parked.is_empty() {
            return;
        }
        let now = self.now;
        for (until, incoming) in std::mem::take(&mut self.parked) {
            let still_short = match &incoming {
                crate::mailbox::Incoming::Command(envelope) => self.must_wait(&envelope.command).is_some(),
                crate::mailbox::Incoming::Peer(message) => match &**message {
                    PeerMessage::Hold { request, .. } => self.is_request_short(request),
                    _ => false,
                },
                crate::mailbox::Incoming::Gateway { .. } => false,
            };
            if still_short && now < until {
                self.parked.push((until, incoming));
            } else {
                self.handle_now(incoming);
            }
        }
    }
}
