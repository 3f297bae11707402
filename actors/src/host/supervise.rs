//! A panic while a command is handled costs that command an error and nothing else.
//!
//! The command is cut out of the turn, and every actor it had touched is built anew from its snapshot, its records
//! in the journal, and what the turn holds of it from earlier commands.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stockade_domain::entity::EntityKey;
use stockade_domain::{Refusal, SkuId};

use super::Host;
use super::access::is_sold_out;
use crate::shelf::ShelfError;
use crate::table::Hosted;

/// What panics say that are faults on purpose.
pub(super) const INJECTED: &str = "fault injected";

impl Host {
    /// Runs one command. None: it panicked.
    pub(super) fn run_protected<R>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<R, Refusal>,
    ) -> Option<Result<R, Refusal>> {
        self.turn.begin_command();
        let mark = self.effects.mark();
        let result = catch_unwind(AssertUnwindSafe(|| run(self)));
        match result {
            Ok(Ok(done)) => {
                self.post();
                self.answer_settled();
                self.give_answers();
                Some(Ok(done))
            }
            Ok(Err(refusal)) => {
                // A refusal leaves no trace: whatever was begun is taken back.
                self.undo(mark);
                Some(Err(refusal))
            }
            Err(panic) => {
                if panic.downcast_ref::<&str>() != Some(&INJECTED) {
                    self.shared.ports.faults.note_bug();
                }
                tracing::error!(partition = self.index, "an actor panicked; it is rebuilt and its command refused");
                self.undo(mark);
                None
            }
        }
    }

    fn undo(&mut self, mark: crate::release::Mark) {
        self.messages.clear();
        self.postings.clear();
        self.settled.clear();
        self.take_answers_back();
        self.effects.cut(mark);
        self.touch_traded();
        if self.turn.command_wrote() {
            for (record, key) in self.turn.cut_command() {
                // An actor that cannot be built anew must not go on half-built, nor be forgotten: the generation ends
                // here, and the next one reads everything from the beginning.
                let rebuilt = catch_unwind(AssertUnwindSafe(|| self.rebuild(record, &key)));
                if !matches!(rebuilt, Ok(Ok(()))) {
                    tracing::error!(actor = %key, "cannot be built anew: this generation of the engine ends");
                    self.shared.buffer.fail();
                }
            }
            // What the rebuilt actors did earlier is in the books already.
            self.postings.clear();
        }
    }

    fn rebuild(&mut self, record: u32, key: &EntityKey) -> Result<(), ShelfError> {
        self.shared.shelf.settle()?;
        match key {
            EntityKey::Sku(sku) => self.skus.remove(sku),
            EntityKey::Order(order) => self.orders.remove(order),
            EntityKey::Payment(payment) => self.payments.remove(payment),
            EntityKey::Account(customer) => self.accounts.remove(customer),
            EntityKey::Uses(subject) => self.uses.remove(subject),
            // The books change only when a command has ended well.
            EntityKey::Ledger => return Ok(()),
        }
        self.replay_actor(key)?;
        let events = self.turn.events(record).to_vec();
        self.replay_events(key, self.now, &events);
        match key {
            EntityKey::Sku(sku) => keep_record(self.skus.get_mut(sku), record),
            EntityKey::Order(order) => keep_record(self.orders.get_mut(order), record),
            EntityKey::Payment(payment) => keep_record(self.payments.get_mut(payment), record),
            EntityKey::Account(customer) => keep_record(self.accounts.get_mut(customer), record),
            EntityKey::Uses(subject) => keep_record(self.uses.get_mut(subject), record),
            EntityKey::Ledger => {}
        }
        self.force_dirty(key);
        self.reschedule(key);
        if let EntityKey::Sku(sku) = key {
            self.count_tentative(sku);
            self.show_again(sku, record);
        }
        Ok(())
    }

    /// What the gauge of a rebuilt SKU was to show may have been taken back with the command.
    fn show_again(&mut self, sku: &SkuId, record: u32) {
        let sold_out = self.skus.get(sku).is_some_and(|hosted| is_sold_out(&hosted.state, self.now))
            && !self.tentative.contains_key(sku);
        if let Some(hosted) = self.skus.get_mut(sku) {
            hosted.shown_sold_out = sold_out;
            let gauge = self.shared.gauges.entry(sku.clone()).or_default().clone();
            self.effects.set_gauge(gauge, record, sold_out);
        }
    }
}

fn keep_record<T>(hosted: Option<&mut Hosted<T>>, record: u32) {
    if let Some(hosted) = hosted {
        hosted.set_record(record);
    }
}
