//! The end of a turn: it is appended, its records get their sequences, and what it wants to do to the world may leave.

use std::sync::Arc;

use stockade_domain::entity::EntityKey;

use super::Host;
use crate::mailbox::Incoming;
use crate::table::Hosted;

impl Host {
    /// Appends the turn and releases its effects.
    pub(super) fn commit(&mut self) {
        self.tell_alarms();
        if self.turn.is_empty() && self.effects.is_empty() {
            return self.drop_turn();
        }
        let (bytes, records) = self.turn.encode(self.now);
        // Nobody changes the rules between this turn's record of it and the change: in the order of the journal.
        let rules = self.effects.changes_rules().then(|| Arc::clone(&self.shared.rules));
        let change = rules.as_ref().map(|rules| rules.begin_change());
        let appended =
            if records == 0 { self.shared.buffer.observe() } else { self.shared.buffer.append(bytes, records) };
        let Ok(appended) = appended else {
            // The generation has ended: memory rests on what was never written, so nothing of it may be shown.
            self.effects.abandon();
            return self.drop_turn();
        };
        self.number_records(appended.first());
        self.let_rest();
        for (sku, kit) in self.effects.kits(&appended) {
            self.shared.kits.set(&sku, kit);
        }
        if let Some(change) = change {
            let sequences = &self.sequences;
            let changes = self.effects.rule_changes(&appended);
            change.finish(changes.map(|(record, change)| (sequences[record as usize], change)));
        }
        for (partition, message) in self.effects.peers(&appended) {
            self.peers[partition].send(Incoming::Peer(Box::new(message)));
        }
        let mut sequences = std::mem::take(&mut self.sequences);
        self.effects.release(&appended, &sequences, &self.shared.departures, &self.outlet);
        sequences.clear();
        self.sequences = sequences;
        self.turn.clear();
    }

    /// Nothing of the turn is written: nobody has a record in it any more.
    fn drop_turn(&mut self) {
        for key in self.turn.owners() {
            match key {
                EntityKey::Sku(sku) => number(self.skus.get_mut(sku), None, false),
                EntityKey::Order(order) => number(self.orders.get_mut(order), None, true),
                EntityKey::Payment(payment) => number(self.payments.get_mut(payment), None, false),
                EntityKey::Account(customer) => number(self.accounts.get_mut(customer), None, false),
                EntityKey::Uses(subject) => number(self.uses.get_mut(subject), None, false),
                EntityKey::Ledger => self.ledger_record = None,
            }
        }
        self.placed.clear();
        self.turn.clear();
    }

    /// Gives every actor with a record in the turn its sequence.
    fn number_records(&mut self, first: u64) {
        let mut sequences = std::mem::take(&mut self.sequences);
        for (key, seq) in self.turn.number(first, &mut sequences) {
            match key {
                EntityKey::Sku(sku) => number(self.skus.get_mut(sku), seq, false),
                EntityKey::Order(order) => number(self.orders.get_mut(order), seq, true),
                EntityKey::Payment(payment) => number(self.payments.get_mut(payment), seq, false),
                EntityKey::Account(customer) => number(self.accounts.get_mut(customer), seq, false),
                EntityKey::Uses(subject) => number(self.uses.get_mut(subject), seq, false),
                EntityKey::Ledger => {
                    self.ledger_record = None;
                    self.ledger_last_seq = seq.unwrap_or(self.ledger_last_seq);
                }
            }
        }
        self.sequences = sequences;
    }
}

fn number<T>(hosted: Option<&mut Hosted<T>>, seq: Option<u64>, keep_history: bool) {
    if let Some(hosted) = hosted {
        match seq {
            Some(seq) => hosted.number(seq, keep_history),
            None => hosted.forget_record(),
        }
    }
}
