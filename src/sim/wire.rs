//! What lies between partitions: messages wait here, and are lost, doubled, delayed, reordered and cut off.

use std::collections::VecDeque;
use std::sync::Arc;

use stockade_actors::mailbox::{Incoming, Mailbox};
use stockade_domain::Timestamp;
use stockade_sync::Inbox;

use super::faults::{FaultKind, FaultPlan};

/// One way from one partition to another.
struct Way {
    inbox: Arc<Inbox<Incoming>>,
    waiting: VecDeque<Incoming>,
    to: Mailbox,
    cut_until: Timestamp,
}

/// All ways.
pub(super) struct Wire {
    ways: Vec<Way>,
}

impl Wire {
    /// Ways between these partitions, and for each partition the mailboxes by which it sends.
    pub(super) fn between(mailboxes: &[Mailbox]) -> (Self, Vec<Vec<Mailbox>>) {
        let mut ways = Vec::new();
        let mut ends = Vec::new();
        for _ in mailboxes {
            let mut of_one = Vec::new();
            for to in mailboxes {
                let inbox: Arc<Inbox<Incoming>> = Arc::default();
                of_one.push(Mailbox::new(Arc::clone(&inbox), Arc::new(|| {})));
                let (waiting, cut_until) = (VecDeque::new(), Timestamp(0));
                ways.push(Way { inbox, waiting, to: to.clone(), cut_until });
            }
            ends.push(of_one);
        }
        (Self { ways }, ends)
    }

    /// Moves what is to move; says whether anything did.
    pub(super) fn step(&mut self, plan: &mut FaultPlan, now: Timestamp) -> bool {
        let mut moved = false;
        for way in &mut self.ways {
            way.inbox.drain(&mut way.waiting, usize::MAX);
            if way.waiting.is_empty() {
                continue;
            }
            if plan.strikes(FaultKind::OneWayCut) {
                way.cut_until = now.plus_seconds(1 + plan.below(20) as u32);
            }
            if now < way.cut_until {
                // What is sent into a cut is gone, as far as its sender knows.
                way.waiting.clear();
                continue;
            }
            if plan.strikes(FaultKind::PeerDelayed) {
                continue;
            }
            if way.waiting.len() > 1 && plan.strikes(FaultKind::PeerReordered) {
                let at = plan.below(way.waiting.len() as u64) as usize;
                way.waiting.swap(0, at);
            }
            for _ in 0..way.waiting.len() {
                let Some(message) = way.waiting.pop_front() else { break };
                moved = true;
                let copy = copy_of(&message).filter(|_| plan.strikes(FaultKind::PeerTwice));
                if plan.strikes(FaultKind::PeerLost) {
                    continue;
                }
                way.to.send(message);
                if let Some(copy) = copy {
                    way.waiting.push_back(copy);
                }
            }
        }
        moved
    }
}

/// Commands cannot be doubled: somebody waits for their answer.
fn copy_of(message: &Incoming) -> Option<Incoming> {
    match message {
        Incoming::Peer(message) => Some(Incoming::Peer(message.clone())),
        Incoming::Command(_) | Incoming::Gateway { .. } => None,
    }
}
