//! Owners of uses: promotions and coupons. They are defined, and orders hold, settle and release their uses.
//!
//! What an order of another partition holds here is asked about until its home knows the order; what a home never heard
//! of is given back.

use smallvec::SmallVec;
use stockade_domain::entity::{EntityKey, RemoteStep};
use stockade_domain::order::{NewOrder, Order, Outcome, Placement};
use stockade_domain::promotion::uses::{self, Subject, Use, UsesCommand, UsesEvent, UsesState};
use stockade_domain::promotion::{CouponCode, PresentedCoupon};
use stockade_domain::{Currency, OrderId, Refusal};

use super::{Handled, Host};
use crate::command::{Answer, KeyDigest, UsesView};
use crate::copy_on_write::CopyOnWrite;
use crate::faults::MailboxFault;
use crate::peer::{PeerMessage, UseRequest};
use crate::release::Basis;
use crate::rules::RuleChange;
use crate::table::Hosted;

/// What owners of uses have decided to give.
pub(super) type HeldUses = SmallVec<[(Subject, UsesEvent); 2]>;

impl Host {
    /// The owner of these uses, if it was ever defined.
    pub(super) fn load_uses(&mut self, subject: &Subject) -> Option<&mut Hosted<UsesState>> {
        if !self.uses.contains(subject) {
            if !self.cold_uses.contains(subject) {
                return None;
            }
            let key = EntityKey::Uses(subject.clone());
            let hosted = self.snapshot_of::<UsesState>(&key)?;
            self.cold_uses.remove(subject);
            self.uses.insert(subject.clone(), hosted);
        }
        self.uses.get_mut(subject)
    }

    pub(super) fn home_of_uses(&self, subject: &Subject) -> usize {
        self.home_of_name(subject.name())
    }

    /// Changes the owner of uses; a promotion is made known to all.
    pub(super) fn change_uses(&mut self, subject: &Subject, events: &[UsesEvent]) -> Option<u32> {
        if events.is_empty() {
            return None;
        }
        let key = EntityKey::Uses(subject.clone());
        let kind = key.kind();
        key.with_bytes(|name| self.snapshot_before_change(|host| host.uses.get_mut(subject), kind, name));
        let hosted = self.uses.get_mut(subject).expect("an owner of uses that changes is loaded");
        let record = hosted.record().unwrap_or_else(|| {
            let record = self.turn.add_record(key.clone());
            hosted.set_record(record);
            record
        });
        self.checkpoint.mark_dirty(&mut hosted.dirty_since, || key);
        self.turn.touch(record);
        for event in events {
            hosted.state.apply(event);
            self.turn.push_event(record, event);
            match event {
                UsesEvent::Promoted { promotion } => {
                    self.effects.change_rules(record, RuleChange::InForce(promotion.clone()));
                }
                UsesEvent::Retired => {
                    if let Subject::Promotion(id) = subject {
                        self.effects.change_rules(record, RuleChange::Retired(id.clone()));
                    }
                }
                _ => {}
            }
        }
        Some(record)
    }

    /// Lets the owner of uses decide, without changing it.
    fn decide_uses(&mut self, subject: &Subject, command: &UsesCommand) -> Result<Vec<UsesEvent>, Refusal> {
        self.crash_point(&MailboxFault::CrashBefore, || EntityKey::Uses(subject.clone()));
        let (now, mut events) = (self.now, Vec::new());
        match self.load_uses(subject) {
            Some(hosted) => uses::decide(&hosted.state, command, now, &mut events)?,
            None => uses::decide(&UsesState::new(subject.clone()), command, now, &mut events)?,
        }
        Ok(events)
    }

    /// A caller defines a coupon or a promotion, or retires one.
    pub(super) fn run_uses_command(
        &mut self,
        subject: &Subject,
        command: &UsesCommand,
        key: Option<KeyDigest>,
    ) -> Result<Handled, Refusal> {
        if let UsesCommand::Promote { promotion } = command {
            self.shared.rules.check(promotion)?;
        }
        let events = self.decide_uses(subject, command)?;
        let created = self.load_uses(subject).is_none();
        if created {
            self.uses.insert(subject.clone(), Hosted::new(UsesState::new(subject.clone())));
        }
        let record = self.change_uses(subject, &events);
        if let (Some(record), Some(key)) = (record, key) {
            self.turn.add_digest(record, key);
        }
        self.answer_uses(subject, created)
    }

    pub(super) fn read_uses(&mut self, subject: &Subject) -> Result<Handled, Refusal> {
        self.answer_uses(subject, false)
    }

    /// Says whether the owner would do this now, as whoever asks it in earnest would be told.
    pub(super) fn peek_use(&mut self, subject: &Subject, command: &UsesCommand) -> Result<Handled, Refusal> {
        let events = self.decide_uses(subject, command)?;
        let basis = self.load_uses(subject).map_or(Basis::Seq(0), |hosted| hosted.basis());
        Ok(Handled::Answered(Answer::Count(events.len() as u64), basis))
    }

    fn answer_uses(&mut self, subject: &Subject, created: bool) -> Result<Handled, Refusal> {
        let what = EntityKey::Uses(subject.clone()).to_string();
        let hosted = self.load_uses(subject).ok_or(Refusal::NotFound { what })?;
        let state = &hosted.state;
        let settled = state.used();
        let view = UsesView {
            subject: subject.clone(),
            terms: state.terms.clone(),
            promotion: state.promotion.clone(),
            retired: state.is_retired(),
            held: state.held.len() as u64,
            settled,
            amount: state.taken.amount,
            as_of: 0,
            created,
        };
        Ok(Handled::Answered(Answer::Uses(Box::new(view)), hosted.basis()))
    }

    // ---- for orders of this partition ----

    /// The coupons of an order with their batches; all their owners live here.
    pub(super) fn present_coupons(&mut self, order: &NewOrder) -> Result<SmallVec<[PresentedCoupon; 1]>, Refusal> {
        let mut presented = SmallVec::new();
        for code in order.promotions.iter().flat_map(|wish| wish.coupons.iter().cloned()) {
            let unknown = || unknown_coupon(&code);
            let hosted = self.load_uses(&Subject::Coupon(code.clone())).ok_or_else(unknown)?;
            let batch = hosted.state.terms.as_ref().and_then(|terms| terms.batch.clone()).ok_or_else(unknown)?;
            presented.push(PresentedCoupon { code, batch });
        }
        Ok(presented)
    }

    /// Lets the owners of an order's uses decide, without changing them; all of them live here.
    pub(super) fn decide_order_uses(
        &mut self,
        order: &NewOrder,
        placement: &Placement,
        held: &mut HeldUses,
    ) -> Result<(), (Subject, Refusal)> {
        held.clear();
        let Some(promoted) = placement.promoted() else { return Ok(()) };
        let settled = placement.plan.secures_at_once();
        for (subject, command) in promoted.holds(order, placement.total.currency) {
            let events = self.decide_uses(subject, &command).map_err(|refusal| (subject.clone(), refusal))?;
            for event in events {
                let event = if settled { event.used_at_once() } else { event };
                held.push((subject.clone(), event));
            }
        }
        Ok(())
    }

    /// What an order asks of the owner of a use; it cannot be refused.
    pub(super) fn ask_uses(&mut self, subject: Subject, command: &UsesCommand, order: OrderId) -> Result<(), Refusal> {
        if self.home_of_uses(&subject) != self.index || self.is_owed_by_uses(order, &subject) {
            let step = RemoteStep::of_uses(subject, command).expect("an order asks only to end its uses");
            self.owe_step(order, step);
            return Ok(());
        }
        let events = self.decide_uses(&subject, command)?;
        self.change_uses(&subject, &events);
        Ok(())
    }

    // ---- for orders of other partitions ----

    pub(super) fn hold_use_for_peer(&mut self, from: usize, request: UseRequest) {
        let UseRequest { order, round, subject, amount, currency, customer } = request;
        let is_held = self.load_uses(&subject).is_some_and(|hosted| hosted.state.held.contains_key(&order));
        let key = (subject.clone(), order);
        if self.use_tries.is_old(&key, round, || is_held) {
            return;
        }
        let command = UsesCommand::Hold { order, amount, currency, customer, round };
        let result = self.decide_uses(&subject, &command).map(|events| {
            self.change_uses(&subject, &events);
        });
        let terms = self.load_uses(&subject).and_then(|hosted| hosted.state.terms.as_ref());
        let batch = terms.and_then(|terms| terms.batch.clone());
        if result.is_ok() {
            self.use_tries.note(key, round, true, self.now);
            self.doubt_use(&subject, order);
        }
        self.tell_peer(from, PeerMessage::UseHeld { order, round, subject, batch, result });
    }

    /// Whoever holds a use from another partition is asked about until its home knows the order.
    fn doubt_use(&mut self, subject: &Subject, order: OrderId) {
        let doubted = self.doubted_uses.entry(subject.clone()).or_default();
        if !doubted.contains(&order) {
            doubted.push(order);
        }
        self.agenda.ask_again(self.now, EntityKey::Uses(subject.clone()));
    }

    /// After a restart nobody knows which orders are known to their homes; an order of this partition may have been
    /// placed across others.
    pub(super) fn recover_uses(&mut self) {
        let mut held: Vec<(Subject, OrderId)> = Vec::new();
        for (subject, hosted) in self.uses.iter() {
            held.extend(hosted.state.held.keys().map(|order| (subject.clone(), *order)));
            held.extend(hosted.state.returned().map(|(order, _)| (subject.clone(), order)));
        }
        held.sort();
        for (subject, order) in held {
            self.doubt_use(&subject, order);
        }
    }

    pub(super) fn uses_due(&mut self, subject: &Subject) {
        let Some(doubted) = self.doubted_uses.get(subject).cloned() else { return };
        let mut open = doubted;
        open.retain(|order| {
            let Some(state) = self.load_uses(subject).map(|hosted| &hosted.state) else { return false };
            let (held, returned) = (state.held.get(order).map(|held| held.round), state.returned_by(*order));
            let (home, from, order) = (self.home_of_route(order.route()), self.index, *order);
            if let Some(round) = held {
                self.tell_peer(home, PeerMessage::InquireUse { from, order, round, subject: subject.clone() });
            }
            if let Some(step) = returned {
                self.tell_peer(home, PeerMessage::InquireReturn { from, order, step, subject: subject.clone() });
            }
            held.is_some() || returned.is_some()
        });
        if open.is_empty() {
            self.doubted_uses.remove(subject);
            return;
        }
        self.doubted_uses.insert(subject.clone(), open);
        self.agenda.ask_again(self.now, EntityKey::Uses(subject.clone()));
    }

    pub(super) fn answer_use_inquiry(&mut self, from: usize, order: OrderId, round: u64, subject: Subject) {
        if self.is_placing_in_round(order, round) {
            return;
        }
        let known = self.load_order(order).is_some_and(|hosted| {
            let promoted = hosted.state.promoted.as_ref();
            let is_its = promoted.is_some_and(|promoted| promoted.round == round && promoted.uses(&subject));
            is_its && hosted.state.outcome == Outcome::Open
        });
        // The step that ends it is repeated.
        let known = known || self.is_owed_by_uses(order, &subject);
        let answer = if known {
            PeerMessage::UseKnown { order, subject }
        } else {
            PeerMessage::AbortUse { order, round, subject }
        };
        self.tell_peer(from, answer);
    }

    pub(super) fn use_is_known(&mut self, order: OrderId, subject: &Subject) {
        let is_returned = self.load_uses(subject).is_some_and(|hosted| hosted.state.returned_by(order).is_some());
        if let Some(doubted) = self.doubted_uses.get_mut(subject).filter(|_| !is_returned) {
            doubted.retain(|known| *known != order);
        }
    }

    pub(super) fn abort_use(&mut self, order: OrderId, round: u64, subject: &Subject) {
        self.use_tries.take_back((subject.clone(), order), round, self.now);
        match self.decide_uses(subject, &UsesCommand::Release { order, round }) {
            Ok(events) => drop(self.change_uses(subject, &events)),
            Err(refusal) => tracing::warn!(%order, ?subject, %refusal, "a use could not be given back"),
        }
    }

    /// Does an order's step; what is done already is done. `taken` is what the order had, where it gives it back.
    pub(super) fn do_uses_step(&mut self, order: OrderId, step: u32, of: (Subject, UsesCommand), taken: Option<Use>) {
        let (subject, mut command) = of;
        let gives_back = matches!(command, UsesCommand::GiveBack { .. });
        if gives_back {
            // Its order has heard that it is done: this one was slow.
            if self.use_steps.is_old(&(subject.clone(), order), step.into(), || false) {
                return;
            }
            command = UsesCommand::GiveBack { order, taken, step: Some(step) };
        }
        match self.decide_uses(&subject, &command) {
            Ok(events) => drop(self.change_uses(&subject, &events)),
            Err(refusal) => tracing::warn!(?subject, %refusal, "a use could not be ended"),
        }
        if gives_back {
            // Its step is remembered until the order has heard that it is done.
            self.doubt_use(&subject, order);
        }
    }

    /// An order has heard that its step is done: it tells the owner, which need not remember the step any more.
    pub(super) fn tell_heard(&mut self, order: OrderId, step: u32, what: &RemoteStep) {
        if let RemoteStep::UsesGiveBack { subject } = what {
            let (home, subject) = (self.home_of_uses(subject), subject.clone());
            self.tell_peer(home, PeerMessage::ReturnHeard { order, step, subject });
        }
    }

    pub(super) fn answer_return_inquiry(&mut self, from: usize, order: OrderId, step: u32, subject: Subject) {
        let owes = |hosted: &mut Hosted<CopyOnWrite<Order>>| hosted.state.owed.iter().any(|owed| owed.step == step);
        // What is still owed is asked for again by the order itself.
        if !self.load_order(order).is_some_and(owes) {
            self.tell_peer(from, PeerMessage::ReturnHeard { order, step, subject });
        }
    }

    pub(super) fn return_is_heard(&mut self, order: OrderId, step: u32, subject: &Subject) {
        self.use_steps.note((subject.clone(), order), step.into(), true, self.now);
        match self.decide_uses(subject, &UsesCommand::Heard { order, step }) {
            Ok(events) => drop(self.change_uses(subject, &events)),
            Err(refusal) => tracing::warn!(%order, ?subject, %refusal, "a step could not be forgotten"),
        }
    }

    /// Asks the owner of a use of another partition, or of this one, to hold it.
    pub(super) fn ask_use(&mut self, order: &NewOrder, subject: &Subject, command: UsesCommand, currency: Currency) {
        let UsesCommand::Hold { amount, customer, round, .. } = command else {
            unreachable!("only holding is asked for while an order is placed")
        };
        let request = UseRequest { order: order.id, round, subject: subject.clone(), amount, currency, customer };
        let home = self.home_of_uses(subject);
        self.tell_peer(home, PeerMessage::HoldUse { from: self.index, request: Box::new(request) });
        self.agenda.ask_again(self.now, EntityKey::Order(order.id));
    }
}

/// A coupon that nobody defined, or that is of no batch.
pub(super) fn unknown_coupon(code: &CouponCode) -> Refusal {
    Refusal::CouponInvalid { code: code.to_string(), why: "it is not known".into() }
}

/// What these owners say of the rules, each as of its last record.
pub(super) fn rules_of<'a>(
    owners: impl Iterator<Item = (&'a Subject, &'a Hosted<UsesState>)>,
) -> impl Iterator<Item = (u64, RuleChange)> {
    owners.filter_map(|(_, hosted)| {
        let promotion = hosted.state.promotion.as_ref()?;
        let change = match hosted.state.is_retired() {
            true => RuleChange::Retired(promotion.id.clone()),
            false => RuleChange::InForce(promotion.clone()),
        };
        Some((hosted.last_seq, change))
    })
}
