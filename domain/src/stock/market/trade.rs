//! What a command does to the market, carried out on the live book.
//!
//! Everything that can refuse is asked before: an order's lines by [`Stock::plan_market`], an offer or bid by the book
//! itself, which changes nothing when it refuses. So a trade that has begun ends.

use super::event::MarketEvent;
use super::party::BidPayment;
use super::preview::{MarketDemand, MarketFill};
use super::{Market, PARTY_RETENTION_SECONDS};
use crate::book::{BookCommand, BookRefusal};
use crate::refusal::Shortage;
use crate::stock::definition::SkuStatus;
use crate::stock::{Setting, Stock, StockCommand, StockEvent};
use crate::{Amount, BookOrderId, CustomerId, OrderId, Quantity, Refusal, SkuId, Timestamp};

/// How many forgotten ids one command clears away.
const FORGET_MAX: usize = 16;

/// What a trade may know beside the SKU's own state.
#[derive(Debug, Clone, Copy)]
pub struct Trading<'a> {
    /// When, and how far locations are from regions.
    pub setting: Setting<'a>,
    /// Partition in which orders are made that come from bids: that of the SKU.
    pub route: u16,
    /// The payment of an order's lines was secured in the same turn.
    pub settled: bool,
}

/// What an order's lines take, once its plan was accepted by all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// The lines.
    pub lines: Vec<MarketDemand>,
    /// Who buys.
    pub customer: Option<CustomerId>,
    /// All units that the plan has for them.
    pub units: Quantity,
    /// Of these, units of the house; they are held already.
    pub house: Quantity,
}

/// A line of an order that comes from a bid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoughtLine {
    /// Units.
    pub quantity: Quantity,
    /// Price of one.
    pub unit_price: Amount,
    /// Whose units; nobody's: the house's.
    pub seller: Option<CustomerId>,
    /// Of offers: the number among the order's claims of the SKU.
    pub claim: Option<u32>,
}

/// Units that a bid has got: an order with a payment deadline of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// The order to be made.
    pub order: OrderId,
    /// Of which SKU.
    pub sku: SkuId,
    /// The bid.
    pub bid: BookOrderId,
    /// Who buys.
    pub customer: CustomerId,
    /// How it is paid.
    pub payment: BidPayment,
    /// What, the cheapest first.
    pub lines: Vec<BoughtLine>,
    /// In what.
    pub currency: crate::Currency,
    /// How long it keeps its units unpaid.
    pub hold_ttl_seconds: u32,
    /// What the house keeps of sellers' sales, in hundredths of a percent.
    pub commission_bps: u32,
}

/// What has happened; the state has it already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trade {
    /// To be recorded, in this order.
    pub events: Vec<StockEvent>,
    /// Orders to be made.
    pub bought: Vec<Bought>,
    /// What the lines of an order got.
    pub fills: Vec<MarketFill>,
    /// Bids whose open units or price may have changed: what is set aside for them may be too much.
    pub bids: Vec<BookOrderId>,
}

impl Stock {
    /// Carries out what a command means for the market, after its events for the house were applied. Only a command of a
    /// seller or bidder can be refused, and then nothing has changed.
    pub fn trade(&mut self, command: &StockCommand, trading: &Trading<'_>) -> Result<Trade, Refusal> {
        let mut trade = Trade::default();
        if self.market().is_none() && !matches!(command, StockCommand::Market(_)) {
            return Ok(trade);
        }
        use StockCommand as C;
        match command {
            C::Market(command) => {
                let is_new = self.market().is_none();
                if let Err(refusal) = self.trade_for_party(command, trading, &mut trade) {
                    if is_new {
                        // It was opened for this one.
                        self.close_market();
                    }
                    return Err(refusal);
                }
            }
            C::Hold { order, buyer, tentative, taking: Some(taking), .. } => {
                self.take_lines(*order, taking, buyer.as_ref(), *tentative, trading, &mut trade);
            }
            C::Confirm { order } => self.confirm_claims(*order, &mut trade),
            C::Settle { order } => self.settle_claims(*order, &mut trade),
            C::ReleaseAll { order, reason } => self.release_all_claims(*order, *reason, trading, &mut trade),
            C::ReleaseClaim { order, claim, quantity, reason } => {
                self.release_claim(*order, *claim, *quantity, *reason, trading, &mut trade);
            }
            C::ShipClaim { order, claim, quantity } => self.ship_claim(*order, *claim, *quantity, trading, &mut trade),
            C::ReturnClaim { order, claim, quantity, buyer } => {
                let (order, claim, quantity, buyer) = (*order, *claim, *quantity, buyer.clone());
                self.record(MarketEvent::ClaimReturned { order, claim, quantity, buyer }, &mut trade);
            }
            C::ExpireLots => self.execute_freely(&BookCommand::Expire, trading, &mut trade),
            C::Define(_) => self.trade_after_definition(trading, &mut trade),
            _ => {}
        }
        // The house may have more than before, or ask less.
        if self.market().is_some_and(Market::has_bids) && self.house(&trading.setting).is_some() {
            self.execute_freely(&BookCommand::HouseChanged, trading, &mut trade);
        }
        self.forget_old(trading.setting.now, &mut trade);
        trade.bids.sort_unstable();
        trade.bids.dedup();
        Ok(trade)
    }

    /// Takes back the opening of a market in which nothing has happened.
    fn close_market(&mut self) {
        self.change_rare(|rare| rare.market = None);
    }

    pub(super) fn live(&mut self) -> &mut Market {
        self.rare.as_mut().and_then(|rare| rare.market.as_mut()).expect("the SKU has a market")
    }

    pub(super) fn record(&mut self, event: MarketEvent, trade: &mut Trade) {
        let event = StockEvent::Market(Box::new(event));
        self.apply_live(&event);
        trade.events.push(event);
    }

    /// A definition may close the book, or give it another band.
    fn trade_after_definition(&mut self, trading: &Trading<'_>, trade: &mut Trade) {
        let Some(definition) = &self.definition else { return };
        let band = definition.market.as_deref().and_then(|rules| rules.book_band());
        let closes = definition.status == SkuStatus::Discontinued;
        if self.live().book.config().band != band {
            self.execute_freely(&BookCommand::SetBand { band }, trading, trade);
        }
        if closes {
            self.execute_freely(&BookCommand::CancelAll { owner: None, side: None }, trading, trade);
        }
    }

    /// Ids that are too old to be used again need not be remembered.
    fn forget_old(&mut self, now: Timestamp, trade: &mut Trade) {
        let Some(market) = self.market() else { return };
        let old = |id: &&BookOrderId| {
            let over = market.party(**id).is_none_or(|party| party.is_over());
            over && id.time().plus_seconds(PARTY_RETENTION_SECONDS) < now
        };
        let ids: Vec<BookOrderId> = market.over.iter().take_while(old).take(FORGET_MAX).copied().collect();
        if !ids.is_empty() {
            self.record(MarketEvent::Forgotten { ids }, trade);
        }
    }
}

/// A book's refusal as callers of the engine know it.
pub(super) fn refuse(refusal: &BookRefusal, stock: &Stock, requested: Quantity) -> Refusal {
    let why = refusal.to_string();
    match refusal {
        BookRefusal::QuantityInvalid { .. } | BookRefusal::QuantityTooLarge { .. } => Refusal::QuantityInvalid,
        BookRefusal::LotInvalid { .. } => Refusal::BodyInvalid { field: "quantity", why },
        BookRefusal::PriceInvalid { .. } | BookRefusal::TickInvalid { .. } | BookRefusal::PriceOutOfBand { .. } => {
            Refusal::MoneyInvalid { why }
        }
        BookRefusal::TermsInvalid { .. } => Refusal::BodyInvalid { field: "time_in_force", why },
        BookRefusal::AlreadyExpired => Refusal::BodyInvalid { field: "expires_at", why },
        BookRefusal::OrderUnknown | BookRefusal::FillUnknown => Refusal::NotFound { what: "what stands of it".into() },
        BookRefusal::IdTaken => Refusal::IdConflict { id: "the order of a book".into() },
        BookRefusal::Unfillable { available } => {
            let items = vec![Shortage { sku: stock.sku.clone(), requested, available: *available }];
            Refusal::StockExhausted { items, as_of: 0 }
        }
        BookRefusal::WouldTrade | BookRefusal::BookFull { .. } => Refusal::BookRefused { code: refusal.code(), why },
        // A SKU's book holds no auctions.
        BookRefusal::AuctionOpen | BookRefusal::NoAuction => Refusal::ActorFailed,
    }
}
