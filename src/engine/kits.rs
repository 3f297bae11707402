//! Kits whose components may live in any partition.

use stockade_domain::stock::{Definition, SkuStatus};
use stockade_domain::{Quantity, Refusal};

use super::Engine;
use super::snapshot::StockSnapshot;

impl Engine {
    /// Refuses a kit whose components do not exist or are kits themselves. Its SKU checks those that live beside it;
    /// this looks everywhere.
    pub async fn check_components(&self, definition: &Definition) -> Result<(), Refusal> {
        for part in definition.kit.as_deref().into_iter().flatten() {
            let wrong = |why: &str| Refusal::BodyInvalid { field: "kit", why: format!("{} {why}", part.sku) };
            match self.read_sku(part.sku.as_str()).await {
                Ok(found) if found.0.definition.kit.is_some() => return Err(wrong("is a kit itself")),
                Ok(_) => {}
                Err(Refusal::SkuUnknown { .. }) => return Err(wrong("is not known: define it first")),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// How a SKU's stock stands; of a kit, as many are available as its components make, wherever they live.
    pub async fn read_whole_stock(&self, sku: &str) -> Result<StockSnapshot, Refusal> {
        let mut stock = self.read_stock(sku).await?;
        if self.partitions() > 1
            && let Some(parts) = stock.0.definition.kit.as_deref()
        {
            let mut available = Quantity::MAX;
            for part in parts {
                let there = self.read_stock(part.sku.as_str()).await?.0;
                let sells = there.definition.status == SkuStatus::Active;
                available = available.min(if sells { there.levels.available / part.quantity } else { 0 });
            }
            stock.0.levels.available = available;
        }
        Ok(stock)
    }
}
