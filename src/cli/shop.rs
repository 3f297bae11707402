//! The goods that load is put on, and the check that none of them was sold twice.

use serde::{Deserialize, Serialize};

use super::client::{Connection, Target};
use super::output::Failure;

/// One SKU of the shop.
#[derive(Debug, Clone)]
pub(super) struct Ware {
    pub(super) sku: String,
    pub(super) name: String,
    /// In pounds, as a decimal.
    pub(super) price: &'static str,
    /// Units that arrive before the doors open.
    pub(super) stock: u64,
}

/// What the shelves say, against what buyers were told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Shelves {
    /// Units that could be bought when the doors opened.
    pub(super) initial: u64,
    /// Units in accepted orders.
    pub(super) accepted: u64,
    /// Units that can be bought now.
    pub(super) available: i64,
    /// Units in orders whose answer was lost: they may be accepted or not.
    pub(super) unknown: u64,
    /// Accepted units that were not there.
    pub(super) oversold: u64,
    /// Units that are neither accepted nor available, or both.
    pub(super) unaccounted: u64,
}

impl Shelves {
    pub(super) const fn is_well(&self) -> bool {
        self.oversold == 0 && self.unaccounted == 0 && self.available >= 0
    }

    /// Takes one SKU in.
    fn add(&mut self, initial: u64, accepted: u64, unknown: u64, available: i64) {
        let taken = i128::from(initial) - i128::from(available);
        let (least, most) = (i128::from(accepted), i128::from(accepted) + i128::from(unknown));
        let gap = if taken < least { least - taken } else { (taken - most).max(0) };
        self.initial += initial;
        self.accepted += accepted;
        self.available += available;
        self.unknown += unknown;
        self.oversold += accepted.saturating_sub(initial);
        self.unaccounted += gap as u64;
    }
}

fn unreachable(error: &std::io::Error) -> Failure {
    let message = format!("the server cannot be reached ({error}): start one with `stockade serve`");
    Failure::cannot("target_unreachable", message)
}

/// Sends one request of the set-up; anything but success is a reason not to run.
async fn must(connection: &mut Connection, method: &str, path: &str, body: &str) -> Result<Vec<u8>, Failure> {
    let answer = connection.call(method, path, body).await.map_err(|error| unreachable(&error))?;
    if answer.is_success() {
        return Ok(answer.body.to_vec());
    }
    let message = format!("{method} {path} was refused: {} {}", answer.status, answer.problem());
    Err(Failure::cannot("target_refused", message))
}

/// Defines the wares, fills the shelves, and says how many units of each can be bought.
pub(super) async fn open(target: &Target, wares: &[Ware]) -> Result<Vec<u64>, Failure> {
    let mut connection = Connection::new(target);
    let mut initial = Vec::with_capacity(wares.len());
    for ware in wares {
        let price = serde_json::json!({ "amount": ware.price, "currency": "GBP" });
        let definition = serde_json::json!({ "name": ware.name, "price": price }).to_string();
        must(&mut connection, "PUT", &format!("/api/v1/skus/{}", ware.sku), &definition).await?;
        let receipt = serde_json::json!({ "quantity": ware.stock }).to_string();
        must(&mut connection, "POST", &format!("/api/v1/skus/{}/receipts", ware.sku), &receipt).await?;
        initial.push(available(&mut connection, &ware.sku).await?.max(0).unsigned_abs());
    }
    Ok(initial)
}

async fn available(connection: &mut Connection, sku: &str) -> Result<i64, Failure> {
    #[derive(Deserialize)]
    struct Stock {
        available: i64,
    }
    let body = must(connection, "GET", &format!("/api/v1/skus/{sku}/stock"), "").await?;
    let stock: Stock = serde_json::from_slice(&body)
        .map_err(|error| Failure::cannot("target_refused", format!("the stock of {sku} cannot be read: {error}")))?;
    Ok(stock.available)
}

/// Compares the shelves with what was accepted, SKU by SKU.
pub(super) async fn check(
    target: &Target,
    wares: &[Ware],
    initial: &[u64],
    accepted: &[u64],
    unknown: &[u64],
) -> Result<Shelves, Failure> {
    let mut connection = Connection::new(target);
    let mut shelves = Shelves::default();
    for (index, ware) in wares.iter().enumerate() {
        let now = available(&mut connection, &ware.sku).await?;
        shelves.add(initial[index], accepted[index], unknown[index], now);
    }
    Ok(shelves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_sold_twice_or_lost_is_found_and_a_lost_answer_is_no_fault() {
        for (initial, accepted, unknown, available, oversold, unaccounted) in [
            (10, 10, 0, 0, 0, 0),
            (10, 4, 0, 6, 0, 0),
            (10, 11, 0, 0, 1, 1),
            (10, 4, 0, 5, 0, 1),
            (10, 4, 0, 7, 0, 1),
            (10, 4, 2, 4, 0, 0),
            (10, 4, 2, 3, 0, 1),
        ] {
            let mut shelves = Shelves::default();
            shelves.add(initial, accepted, unknown, available);
            assert_eq!((shelves.oversold, shelves.unaccounted), (oversold, unaccounted), "{shelves:?}");
            assert_eq!(shelves.is_well(), oversold + unaccounted == 0);
        }
        let mut negative = Shelves::default();
        negative.add(10, 10, 2, -1);
        assert!(!negative.is_well());
    }
}
