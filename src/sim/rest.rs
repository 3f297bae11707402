//! What must be true of the shelves when everything has come to rest.

use std::collections::BTreeMap;

use stockade_actors::command::{Answer, Command};
use stockade_actors::host::partition_of;
use stockade_domain::entity::EntityKey;
use stockade_domain::ledger::{Ledger, LedgerAccount};
use stockade_domain::stock::StockLevels;
use stockade_domain::{Amount, SkuId};

use super::machine::Machine;

/// Nobody waits for units that are for sale: whoever is first in line has them. The simulated shop has no rule of
/// admission, and its orders take what there is, so there is no reason to leave a unit on the shelf.
pub(super) fn nobody_waits_in_vain(machine: &mut Machine, skus: &[&str]) -> Result<(), String> {
    for name in skus {
        let sku = SkuId::new(name).expect("the shop's names are names");
        let home = partition_of(&EntityKey::Sku(sku.clone()), machine.partitions());
        if let Some(Ok(Answer::Stock(view))) = machine.ask(home, Command::ReadStock { sku })
            && waits_in_vain(&view.levels)
        {
            let StockLevels { available, backordered, .. } = view.levels;
            return Err(format!("{backordered} units of sku/{name} are waited for, and {available} are for sale"));
        }
    }
    Ok(())
}

/// The engine's double entry is the auditor's, to the last fraction.
pub(super) fn the_books_agree(
    machine: &mut Machine,
    wanted: &BTreeMap<String, BTreeMap<&'static str, String>>,
) -> Result<(), String> {
    let mut books = Ledger::default();
    for partition in 0..machine.partitions() {
        if let Some(Ok(Answer::Ledger(share))) = machine.ask(partition, Command::ReadLedger) {
            books.add(&share);
        }
    }
    let balance = |sum: i128| i64::try_from(sum).map_or_else(|_| sum.to_string(), |sum| Amount(sum).to_string());
    for (currency, row) in books.rows() {
        let Some(wanted) = wanted.get(&currency.to_string()) else { continue };
        for ((_, name), sum) in LedgerAccount::ALL.iter().zip(row) {
            let known = balance(*sum);
            if wanted.get(name).is_some_and(|wanted| *wanted != known) {
                return Err(format!("the books have {known} {currency} as {name}, the auditor {}", wanted[name]));
            }
        }
    }
    Ok(())
}

const fn waits_in_vain(levels: &StockLevels) -> bool {
    levels.available > 0 && levels.backordered > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_while_units_are_for_sale_waits_in_vain() {
        let levels = |available, backordered| StockLevels { available, backordered, ..StockLevels::default() };
        assert!(waits_in_vain(&levels(1, 1)));
        assert!(!waits_in_vain(&levels(0, 1)) && !waits_in_vain(&levels(1, 0)));
    }
}
