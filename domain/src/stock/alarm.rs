//! What somebody should be told of a SKU before it is too late: its stock runs low, or more of it is sold than there is
//! and is coming.
//!
//! | told | holds while |
//! |---|---|
//! | `low_stock` | no more is available, over all locations, than the level that its definition names |
//! | `oversold_risk` | customers wait for more units than are announced; where they wait to be let in nothing was sold to them |
//!
//! Either follows from the state alone, so nothing is stored, and that it was told changes nothing. It is told when it
//! begins to hold, by the record with which it does, and again only after it had ended. What counts is how the SKU stands
//! between its records: units that come in and go to those who wait, in one record, end no shortage.
//!
//! Units of a lot whose date has come are available here until their expiry is recorded, a moment later: that a time has
//! come is not an event.

use super::admission::Admission;
use super::definition::Definition;
use super::event::StockEvent;
use super::state::Stock;
use crate::{Quantity, Timestamp};

/// In the note byte of a SKU's record: what began to hold with it is told in it. Records without it are of versions that
/// told nothing.
pub const TELLS_ALARMS: u8 = 0x01;

/// Before every date.
const BEFORE_ANY_DATE: Timestamp = Timestamp(i64::MIN);

/// What holds of a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alarms {
    low_stock: bool,
    oversold_risk: bool,
}

impl Stock {
    /// What holds now. Costs next to nothing where no level is named and nobody waits.
    #[inline]
    pub fn alarms(&self) -> Alarms {
        let Some(definition) = self.definition.as_deref() else { return Alarms::default() };
        Alarms {
            low_stock: definition.low_stock_level.is_some_and(|level| self.available(BEFORE_ANY_DATE) <= level),
            oversold_risk: !self.backorders.is_empty() && self.is_sold_beyond_incoming(definition),
        }
    }

    /// The facts that tell what holds now and did not before.
    pub fn alarms_since(&self, before: Alarms) -> impl Iterator<Item = StockEvent> + use<> {
        let now = self.alarms();
        let level = self.definition.as_ref().and_then(|definition| definition.low_stock_level);
        let low = level.filter(|_| now.low_stock && !before.low_stock);
        let low = low.map(|level| StockEvent::LowStock { available: self.available(BEFORE_ANY_DATE), level });
        let risk = (now.oversold_risk && !before.oversold_risk)
            .then(|| StockEvent::OversoldRisk { backordered: self.backordered(), incoming: self.incoming });
        low.into_iter().chain(risk)
    }

    fn is_sold_beyond_incoming(&self, definition: &Definition) -> bool {
        if definition.admission.as_deref().is_some_and(Admission::offers) {
            return false;
        }
        let mut waiting: Quantity = 0;
        self.backorders.iter().any(|backorder| {
            waiting += backorder.quantity;
            waiting > self.incoming
        })
    }
}
