//! Offers and bids: what their commands do to a SKU. Whose wallet pays for bids is in `bidding`.

use stockade_domain::book::Side;
use stockade_domain::entity::EntityKey;
use stockade_domain::stock::StockCommand;
use stockade_domain::stock::market::{MarketCommand, Trade, Trading};
use stockade_domain::{BookOrderId, CustomerId, OrderId, Refusal, SkuId};

use super::{Handled, Host};
use crate::command::{Answer, BookView, KeyDigest, PartyAnswer};
use crate::faults::MailboxFault;
use crate::release::Reply;

impl Host {
    /// Carries out what a command means for a SKU's market, after its events for the house were taken in. Only a
    /// seller's or bidder's command can be refused.
    pub(super) fn trade(&mut self, sku: &SkuId, command: &StockCommand) -> Result<Trade, Refusal> {
        self.trade_settled(sku, command, false)
    }

    /// The same; `settled`: the payment of the lines that take is secured in this turn.
    pub(super) fn trade_settled(
        &mut self,
        sku: &SkuId,
        command: &StockCommand,
        settled: bool,
    ) -> Result<Trade, Refusal> {
        let Some(hosted) = self.load_sku(sku) else { return Ok(Trade::default()) };
        if hosted.state.market().is_none() && !matches!(command, StockCommand::Market(_)) {
            return Ok(Trade::default());
        }
        self.snapshot_stock(sku);
        let trading = Trading { setting: self.setting(), route: self.index as u16, settled };
        // The book changes while it decides: should it panic, the SKU is built anew.
        self.trading = Some(sku.clone());
        let hosted = self.skus.get_mut(sku).expect("it was just loaded");
        let traded = hosted.state.trade(command, &trading);
        self.trading = None;
        let mut trade = traded?;
        if !trade.events.is_empty() {
            let record = self.begin_stock_change(sku);
            trade.events.iter().for_each(|event| self.turn.push_event(record, event));
            self.end_stock_change(sku, record, false, &trade.events);
            self.schedule_sku(sku);
        }
        for bid in std::mem::take(&mut trade.bids) {
            self.keep_for_bid(sku, bid);
        }
        for bought in &trade.bought {
            self.make_bought(bought);
        }
        Ok(trade)
    }

    /// A SKU whose market was being changed when the command at hand failed counts as changed.
    pub(super) fn touch_traded(&mut self) {
        let Some(sku) = self.trading.take() else { return };
        if self.skus.contains(&sku) {
            let record = self.begin_stock_change(&sku);
            self.turn.touch(record);
        }
    }

    pub(super) fn run_market_command(
        &mut self,
        sku: &SkuId,
        command: &MarketCommand,
        key: Option<KeyDigest>,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        if self.load_sku(sku).is_none() {
            return Err(Refusal::SkuUnknown { sku: sku.to_string() });
        }
        match command {
            MarketCommand::Offer(offer) => self.check_market_id(sku, offer.id)?,
            MarketCommand::Bid(bid) => {
                self.check_market_id(sku, bid.id)?;
                if let Some(kept) = self.ask_bidder(sku, bid, key, reply)? {
                    return Ok(kept);
                }
            }
            MarketCommand::Amend { id, side: Side::Demand, price, quantity } => {
                if let Some((customer, money)) = self.check_amended_bid(sku, *id, *price, *quantity)? {
                    return self.ask_wallet_from_afar(sku, (*id, customer), money, command, key, reply);
                }
            }
            _ => {}
        }
        self.carry_out(sku, command, key)
    }

    /// An unknown id must be of these days, as that of an order must.
    fn check_market_id(&mut self, sku: &SkuId, id: BookOrderId) -> Result<(), Refusal> {
        let hosted = self.load_sku(sku);
        if hosted.is_some_and(|hosted| hosted.state.market().is_some_and(|market| market.party(id).is_some())) {
            return Ok(());
        }
        let retention = i64::from(super::ID_RETENTION_SECONDS) * 1_000_000;
        match self.now.0 - id.time().0 {
            age if age > retention => Err(Refusal::IdExpired { id: id.to_string() }),
            age if age < -retention => Err(Refusal::IdInvalid { id: id.to_string() }),
            _ => Ok(()),
        }
    }

    pub(super) fn carry_out(
        &mut self,
        sku: &SkuId,
        command: &MarketCommand,
        key: Option<KeyDigest>,
    ) -> Result<Handled, Refusal> {
        let trade = self.trade(sku, &StockCommand::Market(Box::new(command.clone())))?;
        let record = self.skus.get(sku).and_then(|hosted| hosted.record());
        self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Sku(sku.clone()));
        if let (Some(record), Some(key), false) = (record, key, trade.events.is_empty()) {
            self.turn.add_digest(record, key);
        }
        self.run_messages()?;
        let (id, side) = match command {
            MarketCommand::Offer(offer) => (offer.id, Side::Supply),
            MarketCommand::Bid(bid) => (bid.id, Side::Demand),
            MarketCommand::Amend { id, side, .. } | MarketCommand::Withdraw { id, side } => (*id, *side),
            MarketCommand::WithdrawAll { .. } => {
                let basis = self.skus.get(sku).expect("it is loaded").basis();
                return Ok(Handled::Answered(Answer::Count(withdrawn(&trade)), basis));
            }
        };
        let created = !trade.events.is_empty();
        let orders = trade.bought.iter().map(|bought| bought.order).collect();
        self.party_answer(sku, id, side, orders, created)
    }

    fn party_answer(
        &mut self,
        sku: &SkuId,
        id: BookOrderId,
        side: Side,
        orders: Vec<OrderId>,
        created: bool,
    ) -> Result<Handled, Refusal> {
        let hosted = self.load_sku(sku).ok_or_else(|| Refusal::SkuUnknown { sku: sku.to_string() })?;
        let what = if side == Side::Supply { "offer" } else { "bid" };
        let view = hosted.state.party_view(id, side);
        let view = view.ok_or_else(|| Refusal::NotFound { what: format!("{what} {id}") })?;
        let answer = PartyAnswer { sku: sku.clone(), view, orders, created, as_of: 0 };
        Ok(Handled::Answered(Answer::Party(Box::new(answer)), hosted.basis()))
    }

    pub(super) fn read_party(&mut self, sku: &SkuId, id: BookOrderId, side: Side) -> Result<Handled, Refusal> {
        self.party_answer(sku, id, side, Vec::new(), false)
    }

    pub(super) fn read_parties(
        &mut self,
        sku: &SkuId,
        side: Side,
        owner: Option<&CustomerId>,
        after: Option<BookOrderId>,
        limit: usize,
    ) -> Result<Handled, Refusal> {
        let hosted = self.load_sku(sku).ok_or_else(|| Refusal::SkuUnknown { sku: sku.to_string() })?;
        let answer = |view| PartyAnswer { sku: sku.clone(), view, orders: Vec::new(), created: false, as_of: 0 };
        let parties = hosted.state.party_views(side, owner, after, limit).into_iter().map(answer).collect();
        Ok(Handled::Answered(Answer::Parties(Box::new(parties)), hosted.basis()))
    }

    pub(super) fn read_party_made(&mut self, sku: &SkuId, side: Side, digest: u64) -> Result<Handled, Refusal> {
        let made = self.load_sku(sku).and_then(|hosted| hosted.state.market()?.made_by(side, digest));
        let made = made.ok_or_else(|| Refusal::NotFound { what: "what the request has made".into() })?;
        self.party_answer(sku, made, side, Vec::new(), false)
    }

    pub(super) fn read_book(&mut self, sku: &SkuId, levels: usize) -> Result<Handled, Refusal> {
        let setting = self.setting();
        let unknown = || Refusal::SkuUnknown { sku: sku.to_string() };
        let hosted = self.load_sku(sku).ok_or_else(unknown)?;
        let levels = hosted.state.book_levels(&setting, levels).ok_or_else(unknown)?;
        let view = BookView { sku: sku.clone(), levels, as_of: 0 };
        Ok(Handled::Answered(Answer::Book(Box::new(view)), hosted.basis()))
    }
}

/// How many offers and bids a trade has ended.
fn withdrawn(trade: &Trade) -> u64 {
    use stockade_domain::book::BookEvent;
    use stockade_domain::stock::{MarketEvent, StockEvent};
    let ended = |event: &StockEvent| match event {
        StockEvent::Market(event) => match &**event {
            MarketEvent::Traded { events, .. } => {
                events.iter().filter(|event| matches!(event, BookEvent::Ended { .. })).count()
            }
            _ => 0,
        },
        _ => 0,
    };
    trade.events.iter().map(ended).sum::<usize>() as u64
}
