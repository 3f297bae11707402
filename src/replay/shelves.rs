//! The stock of every SKU: filled before the first row, and compared after the last.

use stockade_domain::{Currency, Money, QUANTITY_MAX, Refusal};

use super::history::{History, Row, Treatment};
use super::run::{ReplayError, stops};
use crate::engine::{Engine, Pending, Sku, StockSnapshot};

/// How many SKUs are set up or read at once.
const SKUS_AT_ONCE: usize = 1024;

/// What the answers say moved of a SKU.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moves {
    /// Units at the start; none: no goods of it move.
    pub(super) opening: Option<u64>,
    /// Units that orders got.
    pub(super) sold: i128,
    came: i128,
    went: i128,
}

impl Moves {
    /// Takes in a row that was done by itself.
    pub(super) fn add(&mut self, row: &Row) {
        let units = i128::from(row.units());
        match row.treatment {
            Treatment::Return | Treatment::Found => self.came += units,
            Treatment::WriteOff => self.went += units,
            _ => {}
        }
    }

    fn supply(&self) -> i128 {
        i128::from(self.opening.unwrap_or(0)) + self.came - self.went
    }
}

/// Defines every SKU that goods move in, and receives its opening stock.
pub(super) fn fill(
    engine: &Engine,
    history: &History,
    opening: &[Option<u64>],
    currency: Currency,
    takes_backorders: bool,
) -> Result<(), ReplayError> {
    let prices = history.list_prices();
    for some in numbers(history).chunks(SKUS_AT_ONCE) {
        let mut defined = Vec::new();
        let mut received = Vec::new();
        for &number in some {
            let Some(mut opening) = opening[number as usize] else { continue };
            let name = history.sku(number);
            let sku = Sku::new(name, Money::new(prices[number as usize], currency)).name(history.description(number));
            defined.push(engine.put_sku(if takes_backorders { sku.backorder_max(QUANTITY_MAX) } else { sku }));
            while opening > 0 {
                let units = opening.min(QUANTITY_MAX);
                received.push(engine.receive(name, units));
                opening -= units;
            }
        }
        defined.into_iter().try_for_each(|pending| tolerate(pending.wait()))?;
        received.into_iter().try_for_each(|pending| tolerate(pending.wait()))?;
    }
    Ok(())
}

/// Compares the engine's shelves with what its answers add up to: units oversold, and SKUs that differ.
pub(super) fn compare(engine: &Engine, history: &History, moves: &[Moves]) -> Result<(u64, u64), ReplayError> {
    let (mut oversold, mut mismatches) = (0, 0);
    for some in numbers(history).chunks(SKUS_AT_ONCE) {
        let moved = some.iter().filter(|number| moves[**number as usize].opening.is_some());
        let read = |number: &u32| (*number, engine.read_stock(history.sku(*number)));
        let stocks: Vec<(u32, Pending<StockSnapshot>)> = moved.map(read).collect();
        for (number, pending) in stocks {
            let stock = match pending.wait() {
                Ok(stock) => stock,
                Err(refusal) if stops(&refusal) => return Err(ReplayError::Stopped(refusal)),
                // A code that is no SKU's name: it was never defined, and nothing of it can have moved.
                Err(_) => continue,
            };
            let Moves { sold, .. } = moves[number as usize];
            let supply = moves[number as usize].supply();
            oversold += u64::try_from((sold - supply).max(0)).unwrap_or(u64::MAX);
            let totals = &stock.0.levels.totals;
            let is_same = i128::from(totals.on_hand()) == supply - sold && i128::from(totals.shipped) == sold;
            mismatches += u64::from(!is_same);
        }
    }
    Ok((oversold, mismatches))
}

/// SKUs are numbered from 1.
fn numbers(history: &History) -> Vec<u32> {
    (1..=history.skus() as u32).collect()
}

/// Passes over a refusal of one command: rows that need what it would have made are refused by name later.
fn tolerate<T>(result: Result<T, Refusal>) -> Result<(), ReplayError> {
    match result {
        Err(refusal) if stops(&refusal) => Err(ReplayError::Stopped(refusal)),
        _ => Ok(()),
    }
}
