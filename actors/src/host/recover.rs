//! How actors come back: from their snapshots and the records after them.

use stockade_domain::account::Account;
use stockade_domain::entity::{EntityKey, EntityKind, Event};
use stockade_domain::ledger::{self, Ledger};
use stockade_domain::order::note::PLACED;
use stockade_domain::order::{Order, OrderEvent};
use stockade_domain::payment::Payment;
use stockade_domain::promotion::uses::{Subject, UsesState};
use stockade_domain::stock::Stock;
use stockade_domain::{CustomerId, OrderId, SkuId, Timestamp};
use stockade_storage::record::{RecordHead, parse_record};

use super::access::is_sold_out;
use super::uses::rules_of;
use super::{Host, partition_of_name};
use crate::copy_on_write::CopyOnWrite;
use crate::kits::kit_of;
use crate::shelf::ShelfError;
use crate::table::Hosted;

/// What a checkpoint has of one partition.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The books.
    pub ledger: Ledger,
    /// Records up to here are in the snapshots.
    pub cut: u64,
    /// SKUs and wallets that have a snapshot.
    pub cold_skus: Vec<SkuId>,
    /// Wallets that have a snapshot.
    pub cold_accounts: Vec<CustomerId>,
    /// Promotions and coupons that have a snapshot.
    pub uses: Vec<Subject>,
    /// When actors with a snapshot are due.
    pub due: Vec<(Timestamp, EntityKey)>,
}

/// The partition of a record's actor.
pub fn partition_of(key: &EntityKey, partitions: usize) -> usize {
    match key {
        EntityKey::Sku(sku) => partition_of_name(sku.as_str(), partitions),
        EntityKey::Account(customer) => partition_of_name(customer.as_str(), partitions),
        EntityKey::Order(order) => (order.route() % partitions as u64) as usize,
        EntityKey::Payment(payment) => (payment.route() % partitions as u64) as usize,
        EntityKey::Uses(subject) => partition_of_name(subject.name(), partitions),
        EntityKey::Ledger => 0,
    }
}

impl Host {
    /// Starts from a checkpoint.
    pub fn begin_recovery(&mut self, recovery: Recovery) {
        self.ledger = recovery.ledger;
        self.ledger_last_seq = recovery.cut;
        self.cold_skus.extend(recovery.cold_skus);
        self.cold_accounts.extend(recovery.cold_accounts);
        for subject in recovery.uses {
            let is_promotion = matches!(subject, Subject::Promotion(_));
            self.cold_uses.insert(subject.clone());
            if is_promotion {
                self.load_uses(&subject);
            }
        }
        for (due, key) in recovery.due {
            if let EntityKey::Uses(subject) = &key {
                self.load_uses(subject);
            }
            self.agenda.add(due, key);
        }
    }

    /// Takes in a record of this partition that is later than the checkpoint's cut.
    pub fn recover_record(&mut self, seq: u64, key: &EntityKey, head: &RecordHead<'_>, events: &[u8]) {
        let time = Timestamp(head.time);
        self.now = self.now.max(time);
        // What begins with this record has no snapshot to look for.
        if head.note & PLACED == 0 || matches!(key, EntityKey::Sku(_) | EntityKey::Account(_) | EntityKey::Uses(_)) {
            self.load_for_replay(key);
        }
        if self.last_seq_of(key).is_some_and(|last| last >= seq) {
            return;
        }
        self.replay_record(seq, key, time, events, true);
        let rests = matches!(key, EntityKey::Order(order) if self.let_rest_again(*order, time, events));
        if !rests {
            self.force_dirty(key);
        }
    }

    /// The journal is read, and `latest` is the latest time in it: everything that is not recorded but follows from it is
    /// made.
    pub fn finish_recovery(&mut self, latest: Timestamp) {
        self.now = self.now.max(latest);
        // Other partitions may have recorded what tries of an earlier life asked for, while the clock was ahead: this life's
        // numbers are higher than any of those.
        self.last_try = latest.plus_seconds(1).0.unsigned_abs();
        let keys: Vec<EntityKey> = self.keys_in_memory();
        for key in &keys {
            self.reschedule(key);
        }
        self.recover_tentative();
        self.recover_news();
        self.recover_uses();
        self.shared.rules.begin_change().finish(rules_of(self.uses.iter()));
        let of_bids = self.orders.iter().filter(|(_, hosted)| hosted.state.bid.is_some());
        for order in of_bids.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.agenda.add(self.now, EntityKey::Order(order));
        }
        // Open calls are asked for at once, under the same keys.
        for (id, hosted) in self.payments.iter() {
            if hosted.state.open.is_some() {
                self.agenda.add(self.now, EntityKey::Payment(*id));
            }
        }
        let open: Vec<_> =
            self.payments.iter().filter(|(_, hosted)| hosted.state.open.is_some()).map(|(id, _)| *id).collect();
        for id in open {
            if let Some(hosted) = self.payments.get_mut(&id) {
                hosted.state.ask_again_at = hosted.state.ask_again_at.min(self.now);
            }
        }
        self.show_gauges();
    }

    fn show_gauges(&mut self) {
        for (sku, hosted) in self.skus.iter_mut() {
            let sold_out = is_sold_out(&hosted.state, self.now) && !self.tentative.contains_key(sku);
            hosted.shown_sold_out = sold_out;
            if let Some(kit) = hosted.state.definition.as_deref().and_then(kit_of) {
                self.shared.kits.set(sku, Some(kit));
            }
            self.shared.gauges.entry(sku.clone()).or_default().publish(hosted.last_seq, sold_out);
        }
    }

    fn keys_in_memory(&self) -> Vec<EntityKey> {
        let skus = self.skus.iter().map(|(sku, _)| EntityKey::Sku(sku.clone()));
        let orders = self.orders.iter().map(|(id, _)| EntityKey::Order(*id));
        let payments = self.payments.iter().map(|(id, _)| EntityKey::Payment(*id));
        let mut keys: Vec<EntityKey> = skus.chain(orders).chain(payments).collect();
        keys.sort();
        keys
    }

    pub(super) fn reschedule(&mut self, key: &EntityKey) {
        match key {
            EntityKey::Sku(sku) => self.schedule_sku(sku),
            EntityKey::Order(order) => self.schedule_order(*order),
            EntityKey::Payment(payment) => self.schedule_payment(*payment),
            EntityKey::Account(_) | EntityKey::Uses(_) | EntityKey::Ledger => {}
        }
    }

    /// Loads the snapshot of an actor that more records follow, or makes room for a new one.
    fn load_for_replay(&mut self, key: &EntityKey) {
        match key {
            EntityKey::Sku(sku) => {
                if self.load_sku(sku).is_none() {
                    self.skus.insert(sku.clone(), Hosted::new(Stock::new(sku.clone())));
                }
            }
            EntityKey::Order(order) => {
                if !self.orders.contains(order)
                    && let Some(hosted) = self.find_at_rest_or_shelved(*order)
                {
                    self.orders.insert(*order, hosted);
                }
            }
            EntityKey::Payment(payment) => {
                self.load_payment(*payment);
            }
            EntityKey::Account(customer) => {
                self.load_account(customer);
            }
            EntityKey::Uses(subject) => {
                if self.load_uses(subject).is_none() {
                    self.uses.insert(subject.clone(), Hosted::new(UsesState::new(subject.clone())));
                }
            }
            EntityKey::Ledger => {}
        }
    }

    pub(super) fn snapshot_of<T: for<'b> minicbor::Decode<'b, ()>>(&self, key: &EntityKey) -> Option<Hosted<T>> {
        key.with_bytes(|bytes| self.unshelve(key.kind(), bytes))
    }

    fn last_seq_of(&self, key: &EntityKey) -> Option<u64> {
        match key {
            EntityKey::Sku(sku) => self.skus.get(sku).map(|hosted| hosted.last_seq),
            EntityKey::Order(order) => self.orders.get(order).map(|hosted| hosted.last_seq),
            EntityKey::Payment(payment) => self.payments.get(payment).map(|hosted| hosted.last_seq),
            EntityKey::Account(customer) => self.accounts.get(customer).map(|hosted| hosted.last_seq),
            EntityKey::Uses(subject) => self.uses.get(subject).map(|hosted| hosted.last_seq),
            EntityKey::Ledger => Some(self.ledger_last_seq),
        }
    }

    /// Builds one actor from its snapshot and the journal; slow, because the journal is read to its end.
    ///
    /// # Errors
    ///
    /// The past cannot be read: the actor is not as it should be, and nothing that rests on it may be shown.
    pub(super) fn replay_actor(&mut self, key: &EntityKey) -> Result<(), ShelfError> {
        let snapshot_seq = self.put_snapshot(key);
        let shelf = std::sync::Arc::clone(&self.shared.shelf);
        shelf.records_from(snapshot_seq + 1, &mut |seq, bytes| {
            let Ok((head, events)) = parse_record(bytes) else { return };
            if EntityKind::from_byte(head.kind) == Some(key.kind()) && key.with_bytes(|bytes| bytes == head.key) {
                self.replay_record(seq, key, Timestamp(head.time), events, false);
            }
        })
    }

    /// Puts an actor's snapshot into memory and says up to which record it goes.
    fn put_snapshot(&mut self, key: &EntityKey) -> u64 {
        match key {
            EntityKey::Sku(sku) => {
                let mut hosted = self.snapshot_of(key).unwrap_or_else(|| Hosted::new(Stock::new(sku.clone())));
                hosted.note_alarms();
                self.skus.insert(sku.clone(), hosted).last_seq
            }
            EntityKey::Account(customer) => {
                let hosted = self.snapshot_of(key).unwrap_or_else(|| Hosted::new(Account::new(customer.clone())));
                self.accounts.insert(customer.clone(), hosted).last_seq
            }
            EntityKey::Uses(subject) => {
                let hosted = self.snapshot_of(key).unwrap_or_else(|| Hosted::new(UsesState::new(subject.clone())));
                self.uses.insert(subject.clone(), hosted).last_seq
            }
            EntityKey::Order(order) => match self.unshelve_order(*order) {
                Some(hosted) => self.orders.insert(*order, hosted).last_seq,
                None => 0,
            },
            EntityKey::Payment(payment) => match self.snapshot_of(key) {
                Some(hosted) => self.payments.insert(*payment, hosted).last_seq,
                None => 0,
            },
            EntityKey::Ledger => 0,
        }
    }

    /// An order that the journal knows and that has no snapshot.
    pub(super) fn replay_order(&mut self, order: OrderId) -> Option<Hosted<CopyOnWrite<Order>>> {
        let key = EntityKey::Order(order);
        if let Err(error) = self.replay_actor(&key) {
            // It costs the command an error, not an invented answer.
            panic!("{error}");
        }
        let hosted = self.orders.get(&order)?;
        let copy = Hosted::from_snapshot(&hosted.snapshot()).expect("a snapshot reads back");
        self.orders.remove(&order);
        Some(copy)
    }

    /// Takes one record into an actor; with `books`, into the ledger too.
    fn replay_record(&mut self, seq: u64, key: &EntityKey, time: Timestamp, events: &[u8], books: bool) {
        let postings_before = self.postings.len();
        self.replay_events(key, time, events);
        if books {
            self.post();
        } else {
            self.postings.truncate(postings_before);
        }
        match key {
            EntityKey::Sku(sku) => {
                number(self.skus.get_mut(sku), seq, false);
                self.skus.get_mut(sku).into_iter().for_each(Hosted::note_alarms);
            }
            EntityKey::Order(order) => number(self.orders.get_mut(order), seq, true),
            EntityKey::Payment(payment) => number(self.payments.get_mut(payment), seq, false),
            EntityKey::Account(customer) => number(self.accounts.get_mut(customer), seq, false),
            EntityKey::Uses(subject) => number(self.uses.get_mut(subject), seq, false),
            EntityKey::Ledger => self.ledger_last_seq = seq,
        }
    }

    /// Applies encoded events to an actor in memory, or brings it into being; postings are collected.
    pub(super) fn replay_events(&mut self, key: &EntityKey, time: Timestamp, events: &[u8]) {
        let events = Event::decode_all(key.kind(), events)
            .unwrap_or_else(|error| panic!("a verified record of {key} is unreadable: {error}"));
        for event in events {
            match (key, event) {
                (EntityKey::Sku(sku), Event::Stock(event)) => {
                    self.skus.get_mut(sku).expect("loaded for replay").state.apply(&event);
                }
                (EntityKey::Order(order), Event::Order(event)) => self.replay_order_event(*order, &event, time),
                (EntityKey::Payment(id), Event::Payment(event)) => {
                    if event.begins() {
                        self.payments.insert(*id, Hosted::new(Payment::create(*id, &event, time)));
                        continue;
                    }
                    let hosted = self.payments.get_mut(id).expect("a payment begins with its first event");
                    self.postings.extend(ledger::of_payment(&hosted.state, &event));
                    hosted.state.apply(&event, time);
                }
                (EntityKey::Account(customer), Event::Account(event)) => {
                    self.postings.extend(ledger::of_account(&event));
                    self.accounts.get_mut(customer).expect("loaded for replay").state.apply(&event);
                }
                (EntityKey::Uses(subject), Event::Uses(event)) => {
                    self.uses.get_mut(subject).expect("loaded for replay").state.apply(&event);
                }
                (EntityKey::Ledger, Event::Ledger(event)) => self.postings.push(ledger::of_entry(&event)),
                (key, event) => panic!("a record of {key} holds `{}`", event.name()),
            }
        }
    }

    fn replay_order_event(&mut self, id: OrderId, event: &OrderEvent, time: Timestamp) {
        if let OrderEvent::Placed { attempt, .. } = event {
            // An earlier attempt with this id was refused, and may have left memory since.
            if *attempt > 0 && !self.orders.contains(&id) {
                self.load_for_replay(&EntityKey::Order(id));
            }
            let history = self.orders.get(&id).map(|hosted| hosted.history.clone()).unwrap_or_default();
            let previous = self.orders.get(&id).map(|hosted| &*hosted.state);
            let mut hosted = Hosted::new(CopyOnWrite::new(Order::create_after(previous, id, event, time)));
            hosted.history = history;
            let postings = ledger::of_order(None, event, &hosted.state);
            self.postings.push((hosted.state.currency, postings));
            self.orders.insert(id, hosted);
            return;
        }
        if !self.orders.contains(&id) {
            // The end of a refused attempt may stand before `placed` in the same record.
            self.load_for_replay(&EntityKey::Order(id));
        }
        let hosted = self.orders.get_mut(&id).expect("an order begins with `placed`");
        let before = hosted.state.secured.then(|| hosted.state.share());
        hosted.state.to_mut().apply(event);
        let postings = ledger::of_order(before.as_deref(), event, &hosted.state);
        self.postings.push((hosted.state.currency, postings));
    }
}

fn number<T>(hosted: Option<&mut Hosted<T>>, seq: u64, keep_history: bool) {
    if let Some(hosted) = hosted {
        hosted.number(seq, keep_history);
    }
}
