//! The auditor's own rules for what somebody is to be warned of: each warning stands in the record with which its
//! reason began, and nowhere else.

use std::collections::BTreeMap;

use stockade_domain::Location;

use super::counters::Count;
use super::report::{Rule, Scene};
use super::stock::Sku;

/// What a SKU is warned of, with the figures of that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Warning {
    /// Units available, over all locations, and the level they were to stay above.
    LowStock(i64, i64),
    /// Units that customers wait for, and units that are announced.
    OversoldRisk(i64, i64),
}

/// The warnings of one SKU: of low stock, and of an oversold risk.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// What held when the record before ended.
    before: [bool; 2],
    /// What the record at hand tells.
    told: [Option<Warning>; 2],
}

impl Alarms {
    /// A record tells of it.
    pub(super) fn tell(&mut self, warning: Warning, scene: &mut Scene<'_>) {
        let slot = match warning {
            Warning::LowStock(..) => &mut self.told[0],
            Warning::OversoldRisk(..) => &mut self.told[1],
        };
        let is_first = slot.replace(warning).is_none();
        scene.expect(is_first, Rule::AlarmTold, || format!("one record told it twice: {warning:?}"));
    }
}

impl Sku {
    /// A record has ended: what holds now and did not before was told by it, and nothing else. Only records of versions
    /// that tell must tell.
    pub(super) fn check_alarms(&mut self, must_tell: bool, scene: &mut Scene<'_>) {
        let now = [self.low_stock(), self.oversold_risk()];
        for (at, due) in now.into_iter().enumerate() {
            let begins = due.filter(|_| !self.alarms.before[at]);
            let told = self.alarms.told[at].take();
            let fits = told == begins || told.is_none() && !must_tell;
            scene.expect(fits, Rule::AlarmTold, || format!("{told:?} was told, {begins:?} was to be"));
            self.alarms.before[at] = due.is_some();
        }
    }

    fn low_stock(&self) -> Option<Warning> {
        let definition = self.definition.as_ref()?;
        let level = i64::try_from(definition.low_stock_level?).unwrap_or(i64::MAX);
        let safety = i64::try_from(definition.safety_level).unwrap_or(i64::MAX);
        let mut free: BTreeMap<&Location, i64> = BTreeMap::new();
        for bin in &self.bins {
            *free.entry(&bin.location).or_default() += bin.counts.get(Count::Free);
        }
        let available = free.values().map(|free| (free - safety).max(0)).sum();
        (available <= level).then_some(Warning::LowStock(available, level))
    }

    fn oversold_risk(&self) -> Option<Warning> {
        // Who waits to be let in was sold nothing.
        if self.queue.is_empty() || self.lets_wait() {
            return None;
        }
        let waiting = self.waiting();
        (waiting > self.incoming).then_some(Warning::OversoldRisk(waiting, self.incoming))
    }
}
