//! Commands to SKUs, from callers and from orders.

use stockade_domain::entity::EntityKey;
use stockade_domain::stock::{Market, Setting, Stock, StockCommand, StockEvent, decide, decide_in};
use stockade_domain::{OrderId, Refusal, SkuId};

use super::{Handled, Host};
use crate::command::{Answer, KeyDigest, StockView};
use crate::faults::MailboxFault;
use crate::release::{Basis, Reply};
use crate::table::Hosted;

impl Host {
    /// Lets a SKU decide, without changing it.
    pub(super) fn decide_stock(&mut self, sku: &SkuId, command: &StockCommand) -> Result<Vec<StockEvent>, Refusal> {
        self.crash_point(&MailboxFault::CrashBefore, || EntityKey::Sku(sku.clone()));
        let setting = self.setting();
        let mut events = Vec::new();
        match self.load_sku(sku) {
            Some(hosted) => decide_in(&hosted.state, command, &setting, &mut events)?,
            None => return Err(Refusal::SkuUnknown { sku: sku.to_string() }),
        }
        Ok(events)
    }

    /// What SKUs decide by, beside their own state.
    pub(super) fn setting(&self) -> Setting<'static> {
        Setting { now: self.now, distances: self.shared.distances }
    }

    pub(super) fn run_stock_command(
        &mut self,
        sku: &SkuId,
        command: &StockCommand,
        key: Option<KeyDigest>,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        if let StockCommand::Define(definition) = command {
            self.check_components(definition)?;
        }
        let created = matches!(command, StockCommand::Define(_)) && self.load_sku(sku).is_none();
        if created {
            // A SKU begins empty; if its definition is refused it goes again.
            let mut events = Vec::new();
            decide(&Stock::new(sku.clone()), command, self.now, &mut events)?;
            self.skus.insert(sku.clone(), Hosted::new(Stock::new(sku.clone())));
        }
        if let StockCommand::Market(asked) = command {
            return self.run_market_command(sku, asked, key, reply);
        }
        let events = self.decide_stock(sku, command)?;
        let record = self.change_stock(sku, &events);
        self.trade(sku, command)?;
        self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Sku(sku.clone()));
        if let (Some(record), Some(key)) = (record, key) {
            self.turn.add_digest(record, key);
        }
        self.run_messages()?;
        let (view, basis) = self.stock_view(sku, created)?;
        Ok(Handled::Answered(Answer::Stock(Box::new(view)), basis))
    }

    /// What an order asks of a SKU; it cannot be refused.
    pub(super) fn ask_stock(&mut self, sku: SkuId, command: StockCommand, order: OrderId) -> Result<(), Refusal> {
        if self.home_of_name(sku.as_str()) != self.index || self.is_owed_by_sku(order, &sku) {
            return self.owe_stock_step(sku, &command, order);
        }
        let events = self.decide_stock(&sku, &command)?;
        self.note_tentative_end(&sku, &command, order);
        self.change_stock(&sku, &events);
        self.trade(&sku, &command)?;
        self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Sku(sku.clone()));
        Ok(())
    }

    pub(super) fn stock_view(&mut self, sku: &SkuId, created: bool) -> Result<(StockView, Basis), Refusal> {
        let now = self.now;
        let hosted = self.load_sku(sku).ok_or_else(|| Refusal::SkuUnknown { sku: sku.to_string() })?;
        let stock = &hosted.state;
        let definition = *stock.definition.clone().ok_or_else(|| Refusal::SkuUnknown { sku: sku.to_string() })?;
        let mut locations: Vec<(_, stockade_domain::stock::Counters)> = Vec::new();
        for bin in &stock.bins {
            match locations.iter_mut().find(|(location, _)| *location == bin.location) {
                Some((_, counters)) => counters.add(&bin.counters),
                None => locations.push((bin.location.clone(), bin.counters)),
            }
        }
        let basis = hosted.basis();
        let mut levels = stock.levels(now);
        let (promised, announcements) = (stock.incoming - stock.unpromised(), stock.announcements().to_vec());
        let in_transit = (stock.in_transit, stock.lost);
        let offered = stock.market().map_or(0, Market::offered);
        if let Some(parts) = &definition.kit {
            levels.available = self.kits_available(parts);
        }
        let sku = sku.clone();
        let view = StockView {
            sku,
            definition,
            levels,
            promised,
            announcements,
            offered,
            in_transit,
            locations,
            as_of: 0,
            created,
        };
        Ok((view, basis))
    }
}
