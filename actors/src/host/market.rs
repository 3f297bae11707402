//! Offers and bids: what their commands do to a SKU, the orders that come of a bid's fills, and the money that wallets set
//! aside for bids.

use std::time::Duration;

use smallvec::SmallVec;
use stockade_domain::account::{self, AccountCommand, Backing};
use stockade_domain::book::Side;
use stockade_domain::entity::EntityKey;
use stockade_domain::order::{self, Order, Tender};
use stockade_domain::stock::StockCommand;
use stockade_domain::stock::market::{BidPayment, Bought, MarketCommand, NewBid, Party, PartyView, Trade, Trading};
use stockade_domain::{
    Amount, BookOrderId, Currency, CustomerId, Money, OrderId, PaymentId, Refusal, SkuId, Timestamp,
};

use super::agenda::ASK_AGAIN_MICROS;
use super::place::wallet_payments;
use super::{Handled, Host, Message};
use crate::command::{Answer, BookView, KeyDigest, PartyAnswer};
use crate::faults::Fault;
use crate::peer::{KeptForBid, PeerMessage};
use crate::release::{Basis, Reply};

/// How long the wallet of a bid, in another partition, is asked.
const BIDDING_MICROS: i64 = 30 * ASK_AGAIN_MICROS;

/// A bid whose wallet is being asked in another partition.
pub(super) struct Bidding {
    /// Which of the home's tries this is.
    attempt: u64,
    sku: SkuId,
    bid: Box<NewBid>,
    key: Option<KeyDigest>,
    reply: Option<Reply>,
    money: Money,
    until: Timestamp,
}

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
                self.check_amended_bid(sku, *id, *price, *quantity)?;
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

    fn carry_out(&mut self, sku: &SkuId, command: &MarketCommand, key: Option<KeyDigest>) -> Result<Handled, Refusal> {
        let trade = self.trade(sku, &StockCommand::Market(Box::new(command.clone())))?;
        let record = self.skus.get(sku).and_then(|hosted| hosted.record());
        self.shared.ports.faults.crash_point(Fault::CrashAfter, || EntityKey::Sku(sku.clone()));
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

    // ---- what a bid has bought ----

    /// Makes the order of a bid's fill, and has it paid by what the bid brought.
    fn make_bought(&mut self, bought: &Bought) {
        let (placed, tender) = order::place_bought(bought, self.now);
        assert!(self.load_order(bought.order).is_none(), "the order of a fill is a new one");
        self.create_order(bought.order, &placed, &[]);
        self.messages.push_back(Message::PayBought(bought.order, Box::new(tender)));
    }

    /// Starts the payment of an order that comes from a bid. One that cannot be paid now waits for another payment until
    /// its deadline.
    pub(super) fn pay_bought(&mut self, id: OrderId, tender: Tender) -> Result<(), Refusal> {
        let now = self.now;
        let Some(hosted) = self.load_order(id) else { return Ok(()) };
        let order = &hosted.state;
        if order.secured {
            // It costs nothing.
            let asks: SmallVec<[_; 2]> = order.settle_asks().collect();
            self.messages.extend(asks.into_iter().map(|(sku, command)| Message::Stock(sku, command, id)));
            return Ok(());
        }
        let due = order.check_payable(now)?;
        let customer = order.customer.clone().expect("a bid has a customer");
        let plan = order::plan_payments(due, std::slice::from_ref(&tender), Some(&customer))?;
        let ids = (0..).map(|number| Order::payment_id(id, order.attempt, number, order.hold_expires_at));
        let wallet = wallet_payments(&plan, ids, due.currency);
        if !wallet.is_empty() && self.home_of_name(customer.as_str()) != self.index {
            return self.pay_across(id, &[tender], None, Duration::ZERO, &mut None).map(|_| ());
        }
        match self.decide_wallet(Some(&customer), &wallet, !plan.needs_gateway()) {
            Ok(spends) => {
                for (customer, event) in spends {
                    self.change_account(&customer, &[event]);
                }
                self.record_payment_start(id, &plan, None);
            }
            Err(refusal) => tracing::info!(order = %id, %refusal, "what a bid has bought waits for another payment"),
        }
        Ok(())
    }

    // ---- money set aside for bids ----

    fn backing(sku: &SkuId, bid: BookOrderId) -> Backing {
        Backing { sku: sku.clone(), bid }
    }

    /// Has the wallet of a new bid set its money aside. Answers only if that takes longer than this turn.
    fn ask_bidder(
        &mut self,
        sku: &SkuId,
        bid: &NewBid,
        key: Option<KeyDigest>,
        reply: &mut Option<Reply>,
    ) -> Result<Option<Handled>, Refusal> {
        let known = self.load_sku(sku).and_then(|hosted| hosted.state.market()?.party(bid.id).map(|_| ()));
        if bid.payment != BidPayment::Wallet || known.is_some() {
            return Ok(None);
        }
        stockade_domain::check_quantity(bid.quantity)?;
        let money = reserve(bid.limit_price, bid.quantity)?;
        let (payment, backing) = (PaymentId::of_bid(sku, bid.id), Self::backing(sku, bid.id));
        if self.home_of_name(bid.customer.as_str()) == self.index {
            // Its answer counts for the whole turn: nobody else is asked between this and the bid.
            let mut events = Vec::new();
            let set_aside = AccountCommand::SetAside { payment, money, backing: Box::new(backing) };
            account::decide(&self.peek_account(&bid.customer).0, &set_aside, &mut events)?;
            return Ok(None);
        }
        if self.bidding.contains_key(&payment) {
            return Err(Refusal::IdConflict { id: bid.id.to_string() });
        }
        let until = self.now.plus_micros(BIDDING_MICROS);
        let (sku, bid, reply) = (sku.clone(), Box::new(bid.clone()), reply.take());
        let attempt = self.next_try();
        self.bidding.insert(payment, Bidding { attempt, sku: sku.clone(), bid, key, reply, money, until });
        self.ask_wallet_of_bid(payment);
        self.agenda.ask_again(self.now, EntityKey::Sku(sku));
        Ok(Some(Handled::Kept))
    }

    fn ask_wallet_of_bid(&mut self, payment: PaymentId) {
        let Some(bidding) = self.bidding.get(&payment) else { return };
        let (attempt, customer, money) = (bidding.attempt, bidding.bid.customer.clone(), bidding.money);
        let backing = Box::new(Self::backing(&bidding.sku, bidding.bid.id));
        let (home, from) = (self.home_of_name(customer.as_str()), self.index);
        self.tell_peer(home, PeerMessage::HoldBid { attempt, from, customer, payment, money, backing });
    }

    /// Repeats unanswered questions to the wallets of a SKU's bids.
    pub(super) fn retry_bidding(&mut self, sku: &SkuId) {
        let now = self.now;
        let of_sku = self.bidding.iter().filter(|(_, bidding)| bidding.sku == *sku);
        let mut open: Vec<_> = of_sku.map(|(payment, b)| (*payment, b.attempt, b.until <= now)).collect();
        open.sort();
        for (payment, attempt, over) in open {
            if over {
                self.bid_held(payment, attempt, Err(Refusal::Overloaded));
            } else {
                self.ask_wallet_of_bid(payment);
                self.agenda.ask_again(now, EntityKey::Sku(sku.clone()));
            }
        }
    }

    /// The wallet of a bid has answered.
    pub(super) fn bid_held(&mut self, payment: PaymentId, attempt: u64, result: Result<(), Refusal>) {
        if self.bidding.get(&payment).is_none_or(|bidding| bidding.attempt != attempt) {
            return;
        }
        let bidding = self.bidding.remove(&payment).expect("it was just seen");
        let Bidding { sku, bid, key, reply, .. } = bidding;
        let (id, customer) = (bid.id, bid.customer.clone());
        let currency = bid.limit_price.currency;
        let outcome = result.and_then(|()| self.carry_out(&sku, &MarketCommand::Bid(*bid), key));
        match outcome {
            Ok(Handled::Answered(answer, basis)) => self.answer(reply, Ok(answer), basis),
            Ok(Handled::Kept) => {}
            Err(refusal) => {
                let money = Money::new(Amount::ZERO, currency);
                self.tell_wallet_of_bid(&customer, payment, money, Self::backing(&sku, id));
                self.answer(reply, Err(refusal), Basis::Turn);
            }
        }
    }

    /// An amended bid may need more of its wallet; that must be there before the book is asked.
    fn check_amended_bid(
        &mut self,
        sku: &SkuId,
        id: BookOrderId,
        price: Option<Money>,
        quantity: Option<stockade_domain::Quantity>,
    ) -> Result<(), Refusal> {
        let (payment, backing) = (PaymentId::of_bid(sku, id), Self::backing(sku, id));
        let Some(view) = self.load_sku(sku).and_then(|hosted| hosted.state.party_view(id, Side::Demand)) else {
            return Err(Refusal::NotFound { what: format!("bid {id}") });
        };
        if view.party.payment != Some(BidPayment::Wallet) {
            return Ok(());
        }
        quantity.map_or(Ok(()), stockade_domain::check_quantity)?;
        let money = reserve(price.unwrap_or(view.price), quantity.unwrap_or(view.party.open))?;
        if money.amount <= reserve(view.price, view.party.open)?.amount {
            return Ok(());
        }
        if self.home_of_name(view.party.owner.as_str()) != self.index {
            let why = "a bid that is paid from a wallet cannot ask for more: withdraw it and bid anew".into();
            return Err(Refusal::BodyInvalid { field: "quantity", why });
        }
        let set_aside = AccountCommand::SetAside { payment, money, backing: Box::new(backing) };
        account::decide(&self.peek_account(&view.party.owner).0, &set_aside, &mut Vec::new())
    }

    /// Makes what is set aside for a bid what it may still cost.
    fn keep_for_bid(&mut self, sku: &SkuId, bid: BookOrderId) {
        let Some(view) = self.skus.get(sku).and_then(|hosted| hosted.state.party_view(bid, Side::Demand)) else {
            return;
        };
        if view.party.payment != Some(BidPayment::Wallet) {
            return;
        }
        let money = needed(&view);
        self.tell_wallet_of_bid(&view.party.owner.clone(), PaymentId::of_bid(sku, bid), money, Self::backing(sku, bid));
    }

    /// What the wallet of an order that a bid has made sets aside for the bid from now on.
    pub(super) fn kept_for_bid_of(&mut self, order: OrderId) -> Option<Box<KeptForBid>> {
        let (sku, bid, _) = self.bid_of(order)?;
        let view = self.load_sku(&sku)?.state.party_view(bid, Side::Demand)?;
        let (payment, backing) = (PaymentId::of_bid(&sku, bid), Self::backing(&sku, bid));
        Some(Box::new(KeptForBid { attempt: self.next_try(), payment, money: needed(&view), backing }))
    }

    /// The bid that has made an order, and how it pays, while that is known.
    fn bid_of(&mut self, order: OrderId) -> Option<(SkuId, BookOrderId, BidPayment)> {
        let order = &self.load_order(order)?.state;
        let (bid, sku) = (**order.bid.as_ref()?, order.lines.first()?.sku.clone());
        let payment = self.load_sku(&sku)?.state.market()?.party(bid)?.payment.clone()?;
        Some((sku, bid, payment))
    }

    /// An order that a bid has made and that was never paid, because a crash came between, is paid as the bid says.
    pub(super) fn pay_for_bid_again(&mut self, id: OrderId) {
        let now = self.now;
        let Some(hosted) = self.orders.get(&id) else { return };
        let order = &hosted.state;
        let waits = order.bid.is_some() && order.payments.is_empty() && order.check_payable(now).is_ok();
        if waits
            && !self.paying.values().any(|paying| paying.order == id)
            && let Some((_, _, payment)) = self.bid_of(id)
        {
            self.messages.push_back(Message::PayBought(id, Box::new(order::tender_of_bid(&payment))));
        }
    }

    fn tell_wallet_of_bid(&mut self, customer: &CustomerId, payment: PaymentId, money: Money, backing: Backing) {
        let home = self.home_of_name(customer.as_str());
        if home == self.index {
            self.set_aside(customer, payment, money, backing);
        } else {
            let (attempt, customer, backing) = (self.next_try(), customer.clone(), Box::new(backing));
            self.tell_peer(home, PeerMessage::KeepForBid { attempt, customer, payment, money, backing });
        }
    }

    /// Another partition tells how much of a wallet a bid needs; what it told later has come already, perhaps.
    pub(super) fn keep_as_told(
        &mut self,
        attempt: u64,
        customer: &CustomerId,
        payment: PaymentId,
        money: Money,
        backing: Backing,
    ) {
        if attempt >= self.money_tries.latest(&payment) {
            self.money_tries.note(payment, attempt, false, self.now);
            self.set_aside(customer, payment, money, backing);
        }
    }

    /// Changes what a wallet of this partition sets aside for a bid.
    pub(super) fn set_aside(&mut self, customer: &CustomerId, payment: PaymentId, money: Money, backing: Backing) {
        let set_aside = AccountCommand::SetAside { payment, money, backing: Box::new(backing) };
        if let Err(refusal) = self.change_wallet(customer, &set_aside) {
            tracing::warn!(%customer, %refusal, "money for a bid could not be set aside");
        }
    }

    /// A wallet, mostly of another partition, asks what a bid still needs.
    pub(super) fn answer_bid_inquiry(
        &mut self,
        customer: CustomerId,
        currency: Currency,
        payment: PaymentId,
        backing: Backing,
        from: usize,
    ) {
        if self.bidding.contains_key(&payment) {
            return;
        }
        // A SKU or a bid that nobody knows needs nothing.
        let view = self.load_sku(&backing.sku).and_then(|h| h.state.party_view(backing.bid, Side::Demand));
        let money = view.as_ref().map_or(Money::new(Amount::ZERO, currency), needed);
        if from == self.index {
            // A message to oneself could be overtaken by what happens here.
            return self.set_aside(&customer, payment, money, backing);
        }
        let (attempt, backing) = (self.next_try(), Box::new(backing));
        self.tell_peer(from, PeerMessage::KeepForBid { attempt, customer, payment, money, backing });
    }

    // ---- questions ----

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

/// What a bid's open units may cost, at most.
fn reserve(price: Money, open: stockade_domain::Quantity) -> Result<Money, Refusal> {
    let too_large = || Refusal::MoneyInvalid { why: "the bid is larger than can be counted".into() };
    let amount = Party::reserve(price.amount, open, price.currency).ok_or_else(too_large)?;
    Ok(Money::new(amount, price.currency))
}

fn needed(view: &PartyView) -> Money {
    reserve(view.price, view.party.open).expect("it was counted when it was made")
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
