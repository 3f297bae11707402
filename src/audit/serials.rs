//! Serial numbers of offers: an offer brings one for each unit or none, and each is shipped at most once, with a unit of the
//! offer that brought it.

use rustc_hash::{FxHashMap, FxHashSet};
use stockade_domain::BookOrderId;
use stockade_domain::stock::market::Serial;

use super::report::{Rule, Scene};

/// The serial numbers that are not shipped, by offer.
#[derive(Default)]
pub(super) struct Serials {
    by_offer: FxHashMap<BookOrderId, FxHashSet<Serial>>,
}

impl Serials {
    /// An offer brings its numbers.
    pub(super) fn bring(&mut self, offer: BookOrderId, names: &[Serial], quantity: i64, scene: &mut Scene<'_>) {
        let known: FxHashSet<Serial> = names.iter().cloned().collect();
        let fits = known.len() == names.len() && i64::try_from(names.len()) == Ok(quantity);
        scene.expect(fits, Rule::SerialNumbers, || {
            format!(
                "offer {offer} of {quantity} units brings {} numbers, {} of them different",
                names.len(),
                known.len()
            )
        });
        self.by_offer.insert(offer, known);
    }

    /// Units of offers are shipped, under these numbers.
    pub(super) fn ship(&mut self, units: &[(BookOrderId, i64)], names: &[Serial], scene: &mut Scene<'_>) {
        let numbered = || units.iter().filter(|(offer, _)| self.by_offer.contains_key(offer));
        let wanted: i64 = numbered().map(|(_, units)| units).fold(0, |sum, units| sum.saturating_add(*units));
        scene.expect(i64::try_from(names.len()) == Ok(wanted), Rule::SerialNumbers, || {
            format!("{wanted} units of offers with serial numbers are shipped under {} numbers", names.len())
        });
        for name in names {
            let was_there =
                units.iter().any(|(offer, _)| self.by_offer.get_mut(offer).is_some_and(|of| of.remove(name)));
            scene.expect(was_there, Rule::SerialNumbers, || {
                format!("number {name:?} is shipped, and none of its offers has it, or not any more")
            });
        }
    }

    /// An offer is over.
    pub(super) fn forget(&mut self, offer: &BookOrderId) {
        self.by_offer.remove(offer);
    }
}
