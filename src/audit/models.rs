//! The query models, folded a second time and compared entry by entry through sums over each list.
//!
//! A list may be as long as the journal, so not the entries are kept but their number and the sum of their hashes:
//! two lists with the same sums have the same entries, in all likelihood that a disk or a bug can muster.

use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;

use rustc_hash::{FxHashMap, FxHasher};
use stockade_domain::OrderId;
use stockade_domain::order::{OrderStatus, PlacedHead};
use stockade_storage::packed::{Direction, KeyRange, PackedError, PackedStore, Space};
use stockade_storage::projection::{Model, decode_entries, payment_key};

use super::report::{Faults, Rule};

/// The number of a list's entries, and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    entries: u64,
    hashes: u64,
}

/// Sums over every list, by model and key.
#[derive(Default)]
pub(super) struct ModelSums(FxHashMap<(u8, Vec<u8>), Sum>);

impl ModelSums {
    /// A record moved a SKU's stock.
    pub(super) fn movement(&mut self, sku: &str, seq: u64) {
        self.add(Model::Movements, sku.as_bytes(), seq, [0; 16]);
    }

    /// A record moved a customer's wallet.
    pub(super) fn statement(&mut self, customer: &str, seq: u64) {
        self.add(Model::Statements, customer.as_bytes(), seq, [0; 16]);
    }

    /// A record left an order in this status.
    pub(super) fn order(&mut self, order: OrderId, status: OrderStatus, seq: u64) {
        self.add(Model::OrdersByStatus, &[status as u8], seq, order.to_bytes());
    }

    /// A record placed an order.
    pub(super) fn placed(&mut self, order: OrderId, placed: &PlacedHead<'_>, seq: u64) {
        self.add(Model::Orders, &[], seq, order.to_bytes());
        if let Some(customer) = placed.customer {
            self.add(Model::OrdersByCustomer, customer.as_bytes(), seq, order.to_bytes());
        }
        for payment in placed.payments_without_actor(order) {
            self.add(Model::OrdersByPayment, &payment_key(payment), seq, order.to_bytes());
        }
    }

    fn add(&mut self, model: Model, key: &[u8], seq: u64, order: [u8; 16]) {
        let mut hasher = FxHasher::default();
        (seq, order).hash(&mut hasher);
        let sum = self.0.entry((model as u8, key.to_vec())).or_default();
        sum.entries += 1;
        sum.hashes = sum.hashes.wrapping_add(hasher.finish());
    }

    /// How many entries there are.
    pub(super) fn entries(&self) -> u64 {
        self.0.values().map(|sum| sum.entries).sum()
    }

    /// Compares every list with the one in the store.
    pub(super) fn compare(&self, store: &PackedStore, through: u64, faults: &mut Faults) -> Result<(), PackedError> {
        let mut stored = Self::default();
        for model in Model::FOLDED {
            let mut visit = |row: &[u8], value: &[u8]| {
                // A row's key ends with a zero and the first sequence of its batch.
                let key = row.get(..row.len().saturating_sub(9)).unwrap_or_default();
                match decode_entries(model, value) {
                    Ok(entries) => entries.iter().for_each(|entry| stored.add(model, key, entry.seq, entry.order)),
                    Err(_) => faults.add(through, name(model, key), Rule::ModelDiffers, "a row cannot be read"),
                }
                ControlFlow::Continue(())
            };
            store.scan(Space(model as u8), &KeyRange::all(), Direction::Ascending, &mut visit)?;
        }
        let mut lists: Vec<_> = self.0.keys().chain(stored.0.keys()).collect();
        lists.sort();
        lists.dedup();
        for list in lists {
            let sum = |sums: &Self| sums.0.get(list).copied().unwrap_or_default();
            let (wanted, found) = (sum(self), sum(&stored));
            if wanted != found {
                let model = Model::FOLDED.into_iter().find(|model| *model as u8 == list.0);
                let name = model.map_or_else(|| format!("model {}", list.0), |model| name(model, &list.1));
                let detail = format!("it has {} entries where the records make {}", found.entries, wanted.entries);
                faults.add(through, name, Rule::ModelDiffers, detail);
            }
        }
        Ok(())
    }
}

fn name(model: Model, key: &[u8]) -> String {
    match (model, key) {
        (Model::OrdersByStatus, [status]) => {
            let status = OrderStatus::ALL.get(usize::from(*status)).map_or("unknown", |status| status.name());
            format!("{model:?}/{status}")
        }
        _ => format!("{model:?}/{}", String::from_utf8_lossy(key)),
    }
}
