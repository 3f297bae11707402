//! What must be true of the shelves when everything has come to rest.

use stockade_actors::command::{Answer, Command};
use stockade_actors::host::partition_of;
use stockade_domain::SkuId;
use stockade_domain::entity::EntityKey;
use stockade_domain::stock::StockLevels;

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
