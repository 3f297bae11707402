//! A partition's state as one number.
//!
//! Its *fingerprint* is for whoever searches through states: two partitions with the same fingerprint will do the same from
//! now on. Sequences are not in it: they tell only how long an answer waits for the disk, and two histories that differ in
//! nothing but the order of what does not touch would count as two states.
//!
//! Its *state hash* is for whoever compares what there is before and after something: stock, wallets, uses, the books and
//! the orders that stand.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use minicbor::Encode;

use super::Host;
use super::agenda::Agenda;
use super::tries::Tries;
use crate::command::Command;
use crate::mailbox::Incoming;
use crate::table::{Hosted, Table};

impl Host {
    /// Takes in everything that the partition's future depends on. Meant for between two turns, with nothing in the mailbox.
    pub fn fingerprint(&self, hasher: &mut impl Hasher) {
        (self.index, self.now.0, self.news, self.last_try).hash(hasher);
        states(self.skus.iter(), hasher);
        let resting = self.resting.iter().collect::<Vec<_>>();
        let resting = resting.iter().map(|(id, hosted)| (id, hosted));
        states(self.orders.iter().chain(resting), hasher);
        states(self.payments.iter(), hasher);
        states(self.accounts.iter(), hasher);
        states(self.uses.iter(), hasher);
        self.agenda.fingerprint(hasher);
        sorted(self.awaited.iter().map(|(order, waiting)| (order, waiting.len())), hasher);
        sorted(self.placing.iter().map(|(order, placing)| (order, placing.so_far())), hasher);
        let paying = self.paying.iter();
        sorted(paying.map(|(payment, paying)| (payment, paying.order, paying.attempt, paying.is_awaited())), hasher);
        sorted(self.bidding.keys(), hasher);
        sorted(self.tentative.iter().map(|(sku, units)| (sku, format!("{units:?}"))), hasher);
        sorted(&self.doubted_uses, hasher);
        sorted(&self.told, hasher);
        tries(&self.tries, hasher);
        tries(&self.use_tries, hasher);
        tries(&self.use_steps, hasher);
        tries(&self.money_tries, hasher);
        tries(&self.heard, hasher);
        // Those who wait are tried in their order.
        for (until, incoming) in &self.parked {
            (until.0, told(incoming)).hash(hasher);
        }
    }
}

impl Host {
    /// What there is, of what is in memory. An order that was refused left nothing: neither it nor its payments count. The
    /// partitions' numbers add up to the engine's.
    pub(super) fn state_hash(&self) -> u64 {
        let orders = self.orders.iter().filter(|(_, hosted)| !Self::is_refused(&hosted.state));
        let orders = orders.fold(0, |sum: u64, (id, hosted)| sum.wrapping_add(row(id, &hosted.state)));
        let orders = self.resting.iter().fold(orders, |sum, (id, hosted)| sum.wrapping_add(row(id, &hosted.state)));
        let skus = self.skus.iter().fold(0, |sum: u64, (sku, hosted)| {
            // How many have asked so far, and what was heard of others, is no stock.
            let mut stock = hosted.state.clone();
            stock.next_ordinal = 0;
            stock.handled.clear();
            sum.wrapping_add(row(sku, &stock))
        });
        [skus, rows(&self.accounts), rows(&self.uses), orders, row("ledger", &self.ledger)]
            .into_iter()
            .fold(0, u64::wrapping_add)
    }
}

fn rows<K: Debug + Hash + Eq + Clone, T: Encode<()>>(table: &Table<K, T>) -> u64 {
    table.iter().fold(0, |sum, (key, hosted)| sum.wrapping_add(row(key, &hosted.state)))
}

/// Hashes are added, so that the order of the rows does not matter.
fn row(key: impl Debug, state: &impl Encode<()>) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{key:?}").as_bytes());
    hasher.update(&minicbor::to_vec(state).expect("writing to memory cannot fail"));
    u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().expect("eight bytes"))
}

impl Agenda {
    fn fingerprint(&self, hasher: &mut impl Hasher) {
        let mut due: Vec<_> = self.entries().collect();
        due.sort();
        due.hash(hasher);
        sorted(self.asking(), hasher);
    }
}

fn states<'a, K: Ord + Hash + 'a, T: Encode<()> + 'a>(
    rows: impl Iterator<Item = (&'a K, &'a Hosted<T>)>,
    hasher: &mut impl Hasher,
) {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(key, _)| *key);
    for (key, hosted) in rows {
        let state = minicbor::to_vec(&hosted.state).expect("writing to memory cannot fail");
        (key, state, hosted.scheduled.map(|due| due.0)).hash(hasher);
    }
}

fn tries<K: Ord + Hash + Eq>(tries: &Tries<K>, hasher: &mut impl Hasher) {
    sorted(tries.entries(), hasher);
}

/// Maps have no order of their own.
fn sorted<T: Ord + Hash>(items: impl IntoIterator<Item = T>, hasher: &mut impl Hasher) {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items.hash(hasher);
}

fn told(incoming: &Incoming) -> String {
    fn shown(what: &impl Debug) -> String {
        format!("{what:?}")
    }
    match incoming {
        Incoming::Peer(message) => shown(message),
        Incoming::Gateway { payment, operation, outcome } => shown(&(payment, operation, outcome)),
        Incoming::Command(envelope) => match &envelope.command {
            Command::Place { order, wait, .. } => shown(&(order, wait)),
            Command::Pay { order, payments, wait, .. } => shown(&(order, payments, wait)),
            Command::Order { order, command, .. } => shown(&(order, command)),
            Command::Edit { order, edit, .. } => shown(&(order, edit)),
            other => shown(&(std::mem::discriminant(other), other.writes())),
        },
    }
}
