//! The kits that partitions know of, so that an order's home can ask for a kit's components at once.
//!
//! A kit's definition is its SKU's; this is a shared copy. It is written when the turn that defines the kit has been
//! appended, and again when a kit that slept on the shelf is met: until then an order for it is refused by the SKU,
//! which makes it known, and is tried again.

use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use stockade_domain::SkuId;
use stockade_domain::order::Kit;
use stockade_domain::stock::{Definition, SkuStatus};

/// Every kit that was met since the engine was opened.
#[derive(Debug, Default)]
pub struct Kits {
    /// Shops without kits pay one relaxed load.
    any: AtomicBool,
    by_sku: DashMap<SkuId, Kit, FxBuildHasher>,
}

impl Kits {
    /// What the SKU consists of, if it is a kit that sells.
    pub fn get(&self, sku: &SkuId) -> Option<Kit> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.by_sku.get(sku).map(|kit| kit.clone())
    }

    /// Makes a SKU's definition known: it is a kit that sells, or not.
    pub fn set(&self, sku: &SkuId, kit: Option<Kit>) {
        match kit {
            Some(kit) => {
                self.by_sku.insert(sku.clone(), kit);
                self.any.store(true, Ordering::Relaxed);
            }
            None => drop(self.by_sku.remove(sku)),
        }
    }
}

/// The kit that a definition makes; one that does not sell is refused by its SKU.
pub fn kit_of(definition: &Definition) -> Option<Kit> {
    let parts = definition.kit.as_deref().filter(|_| definition.status == SkuStatus::Active)?;
    let (price, hold_ttl_seconds) = (definition.price, definition.hold_ttl_seconds);
    Some(Kit { price, hold_ttl_seconds, parts: parts.clone() })
}
