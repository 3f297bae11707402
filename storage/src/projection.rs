//! The query models, folded from durable records: which orders there are by time, customer and status, and which
//! records moved a SKU's stock or a customer's wallet.
//!
//! A model holds no facts of its own, only *where* they are: lists of sequences and order ids, one row per batch of
//! records and key. So a hot SKU costs a few bytes per movement, and losing a model loses nothing.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use stockade_domain::entity::EntityKind;
use stockade_domain::order::{OrderStatus, PlacedHead, note};
use stockade_domain::{OrderId, PaymentId};

use crate::packed::varint;
use crate::record::{RecordHead, parse_record};

/// A record or a derived row that cannot be read; what is verified is always readable, so this is a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record or a derived row is malformed: report it, and remove the derived store to have it rebuilt")]
pub struct Malformed;

/// Which models there are and what is in their rows: raised with every change. A derived store of another version is made
/// anew from the journal.
pub const MODELS_VERSION: u32 = 2;

/// The namespaces of derived rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Model {
    /// Snapshots of actors, by kind and key; of an order at rest its record.
    Snapshots = 1,
    /// When actors with a snapshot are due, by kind and key.
    Due = 2,
    /// Sequences of a SKU's records, by SKU.
    Movements = 3,
    /// Orders in the sequence in which they were placed.
    Orders = 4,
    /// The same, by customer.
    OrdersByCustomer = 5,
    /// Orders in the sequence in which they came to a status, by status.
    OrdersByStatus = 6,
    /// Sequences of a wallet's records, by customer.
    Statements = 7,
    /// Orders as they were placed, by [`payment_key`] of their payments that have no actor.
    OrdersByPayment = 8,
}

impl Model {
    /// The models that are folded from records.
    pub const FOLDED: [Self; 6] = [
        Self::Movements,
        Self::Orders,
        Self::OrdersByCustomer,
        Self::OrdersByStatus,
        Self::Statements,
        Self::OrdersByPayment,
    ];

    /// Its place in [`FOLDED`](Self::FOLDED).
    fn folded_index(self) -> usize {
        Self::FOLDED.iter().position(|folded| *folded == self).expect("only a folded model has lists of entries")
    }
}

/// Where a fact is: its record, and the order if it is about one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Sequence of the record.
    pub seq: u64,
    /// The order; zeros where there is none.
    pub order: [u8; 16],
}

/// The key of a list; most are short enough to lie in the table itself.
type Key = SmallVec<[u8; 20]>;

/// In place of an entry: there is none.
const NONE: u32 = u32::MAX;

/// A list of entries.
#[derive(Debug, Clone, Copy)]
struct List {
    /// Its number among the lists of all models.
    number: u32,
    /// The place of its newest entry.
    newest: u32,
}

/// An entry in its list.
#[derive(Debug, Clone, Copy)]
struct Listed {
    entry: Entry,
    /// The number of its list.
    list: u32,
    /// The place of the entry before it in the same list.
    before: u32,
}

/// The fold of a batch of records that is not written yet.
///
/// The entries of all lists lie in one piece of memory, in the order in which they came; each names its list, and the one
/// before it there. So an entry costs a look at its key and nothing else, and the next batch's lie where these did.
#[derive(Debug, Default)]
pub struct Batch {
    first: u64,
    last: u64,
    records: u64,
    /// By model and key.
    lists: [FxHashMap<Key, List>; Model::FOLDED.len()],
    entries: Vec<Listed>,
}

/// A batch's entries, list by list.
///
/// Following each list from entry to entry waits for memory at every step; this goes through all of them once, in the order
/// in which they lie.
pub struct Grouped<'b> {
    batch: &'b Batch,
    entries: Vec<Entry>,
    /// By a list's number: where its entries end.
    ends: Vec<u32>,
}

impl Batch {
    /// Takes in the next record.
    pub fn take(&mut self, seq: u64, record: &[u8]) -> Result<(), Malformed> {
        let (head, events) = parse_record(record).map_err(|_| Malformed)?;
        if self.records == 0 {
            self.first = seq;
        }
        self.last = seq;
        self.records += 1;
        match EntityKind::from_byte(head.kind) {
            Some(EntityKind::Sku) => self.add(Model::Movements, head.key, Entry { seq, order: [0; 16] }),
            Some(EntityKind::Order) => self.take_order(seq, &head, events)?,
            Some(EntityKind::Account) => self.add(Model::Statements, head.key, Entry { seq, order: [0; 16] }),
            _ => {}
        }
        Ok(())
    }

    fn take_order(&mut self, seq: u64, head: &RecordHead<'_>, events: &[u8]) -> Result<(), Malformed> {
        let order = head.key.try_into().map_err(|_| Malformed)?;
        let entry = Entry { seq, order };
        if let Some(status) = note::status(head.note) {
            self.add(Model::OrdersByStatus, &[status as u8], entry);
        }
        if head.note & note::PLACED != 0 && head.note & note::REFUSED == 0 {
            self.add(Model::Orders, &[], entry);
            // Nearly always the first event; the end of an attempt that was refused may stand before it.
            if let Some(placed) = PlacedHead::peek(events) {
                self.take_placed(&placed, entry);
                return Ok(());
            }
            let mut decoder = minicbor::Decoder::new(events);
            while decoder.position() < events.len() {
                if let Some(placed) = PlacedHead::of(&decoder.decode().map_err(|_| Malformed)?) {
                    self.take_placed(&placed, entry);
                    break;
                }
            }
        }
        Ok(())
    }

    fn take_placed(&mut self, placed: &PlacedHead<'_>, entry: Entry) {
        placed.customer.iter().for_each(|name| self.add(Model::OrdersByCustomer, name.as_bytes(), entry));
        let payments = placed.payments_without_actor(OrderId::from_bytes(entry.order));
        payments.for_each(|payment| self.add(Model::OrdersByPayment, &payment_key(payment), entry));
    }

    fn add(&mut self, model: Model, key: &[u8], entry: Entry) {
        let at = self.entries.len() as u32;
        let lists = &mut self.lists[model.folded_index()];
        // Nearly every record adds to a list that is there already, so keys are looked up borrowed.
        let (list, before) = match lists.get_mut(key) {
            Some(list) => (list.number, std::mem::replace(&mut list.newest, at)),
            None => {
                let number = self.list_count() as u32;
                self.lists[model.folded_index()].insert(Key::from_slice(key), List { number, newest: at });
                (number, NONE)
            }
        };
        self.entries.push(Listed { entry, list, before });
    }

    /// How many lists there are, of all models.
    fn list_count(&self) -> usize {
        self.lists.iter().map(FxHashMap::len).sum()
    }

    /// Records taken in.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The last sequence taken in.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// All of it, list by list.
    pub fn grouped(&self) -> Grouped<'_> {
        // First how many there are of each list, then where each begins, which its entries move to where it ends.
        let mut ends = vec![0; self.list_count()];
        for listed in &self.entries {
            ends[listed.list as usize] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            begin += std::mem::replace(end, begin);
        }
        let mut entries = vec![Entry { seq: 0, order: [0; 16] }; self.entries.len()];
        for listed in &self.entries {
            let end = &mut ends[listed.list as usize];
            entries[*end as usize] = listed.entry;
            *end += 1;
        }
        Grouped { batch: self, entries, ends }
    }

    /// The entries of one key, newest first.
    pub fn newest_first(&self, model: Model, key: &[u8]) -> impl Iterator<Item = Entry> + '_ {
        let mut at = self.lists[model.folded_index()].get(key).map_or(NONE, |list| list.newest);
        std::iter::from_fn(move || {
            let listed = self.entries.get(at as usize)?;
            at = listed.before;
            Some(listed.entry)
        })
    }

    /// Forgets everything, for the next batch.
    pub fn clear(&mut self) {
        self.lists.iter_mut().for_each(FxHashMap::clear);
        self.entries.clear();
        self.records = 0;
    }
}

impl Grouped<'_> {
    /// The rows of a model: key and value.
    pub fn rows(&self, model: Model) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
        self.batch.lists[model.folded_index()].iter().map(move |(key, list)| {
            let number = list.number as usize;
            let begin = if number == 0 { 0 } else { self.ends[number - 1] };
            let entries = &self.entries[begin as usize..self.ends[number] as usize];
            (row_key(key, self.batch.first), encode_entries(model, entries))
        })
    }
}

/// The key of a row: what it is about, and the first sequence of its batch.
pub fn row_key(key: &[u8], first: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 9);
    bytes.extend_from_slice(key);
    bytes.push(0);
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes
}

fn has_orders(model: Model) -> bool {
    matches!(model, Model::Orders | Model::OrdersByCustomer | Model::OrdersByStatus | Model::OrdersByPayment)
}

fn encode_entries(model: Model, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * 18);
    let mut before = 0;
    for entry in entries {
        varint::put(&mut bytes, entry.seq - before);
        before = entry.seq;
        if has_orders(model) {
            bytes.extend_from_slice(&entry.order);
        }
    }
    bytes
}

/// Reads the entries of a row, oldest first.
pub fn decode_entries(model: Model, bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    let (mut seq, mut at) = (0u64, 0);
    while at < bytes.len() {
        let step = varint::take(bytes, &mut at).ok_or(Malformed)?;
        seq = seq.checked_add(step).ok_or(Malformed)?;
        let mut order = [0; 16];
        if has_orders(model) {
            order.copy_from_slice(bytes.get(at..at + 16).ok_or(Malformed)?);
            at += 16;
        }
        entries.push(Entry { seq, order });
    }
    Ok(entries)
}

/// Under what the order of a payment is found: which four seconds its id names, and eight of its other bits. So few orders
/// have the same key, and yet those of a batch share rows.
pub fn payment_key(payment: PaymentId) -> [u8; 7] {
    let window = (payment.time().0 / 1_000) as u64 >> 12;
    let mut key = [0; 7];
    key[..6].copy_from_slice(&window.to_be_bytes()[2..]);
    key[6] = payment.to_bytes()[10];
    key
}

/// The key of an order status in its model.
pub fn status_key(status: OrderStatus) -> [u8; 1] {
    [status as u8]
}
