//! Kits: what partitions know of them, and what there is of them.

use stockade_domain::order::Kit;
use stockade_domain::stock::{Definition, KitPart};
use stockade_domain::{Quantity, Refusal, SkuId};

use super::Host;
use crate::kits::kit_of;

impl Host {
    /// The kit that orders placed here are expanded by.
    pub(super) fn known_kit(&self, sku: &SkuId) -> Option<Kit> {
        self.shared.kits.get(sku)
    }

    /// After a refusal: if the SKU turns out to be a kit that was not known, it is from the next turn on, and the order
    /// can be tried again.
    pub(super) fn learn_kit(&mut self, refusal: &Refusal) -> bool {
        let Refusal::SkuNotSellable { sku, .. } = refusal else { return false };
        if self.known_kit(sku).is_some() || self.home_of_name(sku.as_str()) != self.index {
            return false;
        }
        let Some(kit) = self.load_sku(sku).and_then(|h| h.state.definition.as_deref().and_then(kit_of)) else {
            return false;
        };
        self.effects.make_known(sku.clone(), Some(kit));
        true
    }

    /// Refuses a kit whose components are kits themselves or, as far as they live here, do not exist.
    pub(super) fn check_components(&mut self, definition: &Definition) -> Result<(), Refusal> {
        let Some(parts) = definition.kit.as_deref() else { return Ok(()) };
        for part in parts {
            let wrong = |why: &str| Refusal::BodyInvalid { field: "kit", why: format!("{} {why}", part.sku) };
            if self.known_kit(&part.sku).is_some() {
                return Err(wrong("is a kit itself"));
            }
            if self.home_of_name(part.sku.as_str()) != self.index {
                continue;
            }
            match self.load_sku(&part.sku).and_then(|hosted| hosted.state.definition.as_deref()) {
                None => return Err(wrong("is not known: define it first")),
                Some(definition) if definition.kit.is_some() => return Err(wrong("is a kit itself")),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// How many kits can be put together from components that live here.
    pub(super) fn kits_available(&mut self, parts: &[KitPart]) -> Quantity {
        let now = self.now;
        let of_part = |part: &KitPart| {
            let sells = |stock: &stockade_domain::stock::Stock| {
                stock.definition.as_ref().is_some_and(|definition| definition.status == Default::default())
            };
            let there = self.load_sku(&part.sku).filter(|hosted| sells(&hosted.state));
            there.map_or(0, |hosted| hosted.state.available(now)) / part.quantity
        };
        parts.iter().map(of_part).min().unwrap_or(0)
    }
}
