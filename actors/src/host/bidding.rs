//! Bids: the money that wallets set aside for them, and the payment of the orders that come of their fills.

use std::time::Duration;

use smallvec::SmallVec;
use stockade_domain::account::{self, AccountCommand, Backing};
use stockade_domain::book::Side;
use stockade_domain::entity::EntityKey;
use stockade_domain::order::{self, Order, Tender};
use stockade_domain::stock::market::{BidPayment, Bought, MarketCommand, NewBid, Party, PartyView};
use stockade_domain::{
    Amount, BookOrderId, Currency, CustomerId, Money, OrderId, PaymentId, Refusal, SkuId, Timestamp,
};

use super::agenda::ASK_AGAIN_MICROS;
use super::place::wallet_payments;
use super::{Handled, Host, Message};
use crate::command::KeyDigest;
use crate::peer::{KeptForBid, PeerMessage};
use crate::release::{Basis, Reply};

/// How long the wallet of a bid, in another partition, is asked.
const BIDDING_MICROS: i64 = 30 * ASK_AGAIN_MICROS;

/// A bid, new or amended, whose wallet is being asked in another partition.
pub(super) struct Bidding {
    /// Which of the home's tries this is.
    attempt: u64,
    sku: SkuId,
    id: BookOrderId,
    customer: CustomerId,
    /// What is carried out once the wallet has set the money aside.
    command: Box<MarketCommand>,
    key: Option<KeyDigest>,
    reply: Option<Reply>,
    /// What the bid needs then, altogether.
    money: Money,
    until: Timestamp,
}

impl Host {
    /// Makes the order of a bid's fill, and has it paid by what the bid brought.
    pub(super) fn make_bought(&mut self, bought: &Bought) {
        let (placed, tender) = order::place_bought(bought, self.now);
        assert!(self.load_order(bought.order).is_none(), "the order of a fill is a new one");
        self.create_order(bought.order, &placed, &[]);
        self.messages.push_back(Message::Charge(bought.order, vec![tender]));
    }

    /// Starts the payments that an order came with: one of a bid's fill, or one whose last units have come. One that cannot
    /// be paid so waits for another payment until its deadline: whoever filled it is not refused for it.
    pub(super) fn charge(&mut self, id: OrderId, tenders: &[Tender]) {
        if let Err(refusal) = self.start_charge(id, tenders) {
            tracing::info!(order = %id, %refusal, "the payments it came with come to nothing: it waits for others");
        }
    }

    fn start_charge(&mut self, id: OrderId, tenders: &[Tender]) -> Result<(), Refusal> {
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
        let customer = order.customer.clone();
        let plan = order::plan_payments(due, tenders, customer.as_ref())?;
        let first = order.payments.len();
        let ids = (first..).map(|number| Order::payment_id(id, order.attempt, number, order.hold_expires_at));
        let wallet = wallet_payments(&plan, ids, due.currency);
        if let Some(customer) = &customer
            && !wallet.is_empty()
            && self.home_of_name(customer.as_str()) != self.index
        {
            return self.pay_across(id, tenders, None, Duration::ZERO, &mut None).map(|_| ());
        }
        for (customer, event) in self.decide_wallet(customer.as_ref(), &wallet, !plan.needs_gateway())? {
            self.change_account(&customer, &[event]);
        }
        self.record_payment_start(id, &plan, None);
        Ok(())
    }

    fn backing(sku: &SkuId, bid: BookOrderId) -> Backing {
        Backing { sku: sku.clone(), bid }
    }

    /// Has the wallet of a new bid set its money aside. Answers only if that takes longer than this turn.
    pub(super) fn ask_bidder(
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
        let command = MarketCommand::Bid(bid.clone());
        let asked = self.ask_wallet_from_afar(sku, (bid.id, bid.customer.clone()), money, &command, key, reply);
        asked.map(Some)
    }

    /// Asks the wallet of a bid, which lives in another partition, to set so much aside for it altogether; the command is
    /// carried out when it has.
    pub(super) fn ask_wallet_from_afar(
        &mut self,
        sku: &SkuId,
        (id, customer): (BookOrderId, CustomerId),
        money: Money,
        command: &MarketCommand,
        key: Option<KeyDigest>,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        let payment = PaymentId::of_bid(sku, id);
        if self.bidding.contains_key(&payment) {
            return Err(Refusal::IdConflict { id: id.to_string() });
        }
        let until = self.now.plus_micros(BIDDING_MICROS);
        let (sku, command, reply) = (sku.clone(), Box::new(command.clone()), reply.take());
        let attempt = self.next_try();
        let bidding = Bidding { attempt, sku: sku.clone(), id, customer, command, key, reply, money, until };
        self.bidding.insert(payment, bidding);
        self.ask_wallet_of_bid(payment);
        self.agenda.ask_again(self.now, EntityKey::Sku(sku));
        Ok(Handled::Kept)
    }

    fn ask_wallet_of_bid(&mut self, payment: PaymentId) {
        let Some(bidding) = self.bidding.get(&payment) else { return };
        let (attempt, customer, money) = (bidding.attempt, bidding.customer.clone(), bidding.money);
        let backing = Box::new(Self::backing(&bidding.sku, bidding.id));
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
        let Bidding { sku, id, customer, command, key, reply, money, .. } = bidding;
        let outcome = result.and_then(|()| self.carry_out(&sku, &command, key));
        match outcome {
            Ok(Handled::Answered(answer, basis)) => self.answer(reply, Ok(answer), basis),
            Ok(Handled::Kept) => {}
            Err(refusal) => {
                // A new bid is not to be, and one that stands needs what it needed.
                let view = self.load_sku(&sku).and_then(|hosted| hosted.state.party_view(id, Side::Demand));
                let money = view.as_ref().map_or(Money::new(Amount::ZERO, money.currency), needed);
                self.tell_wallet_of_bid(&customer, payment, money, Self::backing(&sku, id));
                self.answer(reply, Err(refusal), Basis::Turn);
            }
        }
    }

    /// An amended bid may need more of its wallet; that must be there before the book is asked. Says how much of whose
    /// wallet, if that lives in another partition.
    pub(super) fn check_amended_bid(
        &mut self,
        sku: &SkuId,
        id: BookOrderId,
        price: Option<Money>,
        quantity: Option<stockade_domain::Quantity>,
    ) -> Result<Option<(CustomerId, Money)>, Refusal> {
        let (payment, backing) = (PaymentId::of_bid(sku, id), Self::backing(sku, id));
        let Some(view) = self.load_sku(sku).and_then(|hosted| hosted.state.party_view(id, Side::Demand)) else {
            return Err(Refusal::NotFound { what: format!("bid {id}") });
        };
        if view.party.payment != Some(BidPayment::Wallet) {
            return Ok(None);
        }
        quantity.map_or(Ok(()), stockade_domain::check_quantity)?;
        let money = reserve(price.unwrap_or(view.price), quantity.unwrap_or(view.party.open))?;
        if money.amount <= reserve(view.price, view.party.open)?.amount {
            return Ok(None);
        }
        let owner = view.party.owner;
        if self.home_of_name(owner.as_str()) != self.index {
            return Ok(Some((owner, money)));
        }
        let set_aside = AccountCommand::SetAside { payment, money, backing: Box::new(backing) };
        account::decide(&self.peek_account(&owner).0, &set_aside, &mut Vec::new()).map(|()| None)
    }

    /// Makes what is set aside for a bid what it may still cost.
    pub(super) fn keep_for_bid(&mut self, sku: &SkuId, bid: BookOrderId) {
        let Some(view) = self.skus.get(sku).and_then(|hosted| hosted.state.party_view(bid, Side::Demand)) else {
            return;
        };
        let payment = PaymentId::of_bid(sku, bid);
        // What a wallet that is being asked for more shall keep is told when it has answered.
        if view.party.payment != Some(BidPayment::Wallet) || self.bidding.contains_key(&payment) {
            return;
        }
        let money = needed(&view);
        self.tell_wallet_of_bid(&view.party.owner.clone(), payment, money, Self::backing(sku, bid));
    }

    /// What the wallet of an order that a bid has made sets aside for the bid from now on.
    pub(super) fn kept_for_bid_of(&mut self, order: OrderId) -> Option<Box<KeptForBid>> {
        let (sku, bid, _) = self.bid_of(order)?;
        let view = self.load_sku(&sku)?.state.party_view(bid, Side::Demand)?;
        let (payment, backing) = (PaymentId::of_bid(&sku, bid), Self::backing(&sku, bid));
        let asked = self.bidding.get(&payment).map(|bidding| bidding.money);
        let money = asked.filter(|asked| asked.amount > needed(&view).amount).unwrap_or(needed(&view));
        Some(Box::new(KeptForBid { attempt: self.next_try(), payment, money, backing }))
    }

    /// The bid that has made an order, and how it pays, while that is known.
    fn bid_of(&mut self, order: OrderId) -> Option<(SkuId, BookOrderId, BidPayment)> {
        let order = &self.load_order(order)?.state;
        let (bid, sku) = (**order.bid.as_ref()?, order.lines.first()?.sku.clone());
        let payment = self.load_sku(&sku)?.state.market()?.party(bid)?.payment.clone()?;
        Some((sku, bid, payment))
    }

    /// An order whose payments are due and that was never paid, because a crash came between, is paid as its bid says, or as
    /// it said itself.
    pub(super) fn charge_again(&mut self, id: OrderId) {
        let Some(hosted) = self.orders.get(&id) else { return };
        let order = &hosted.state;
        if order.check_payable(self.now).is_err() || self.paying.values().any(|paying| paying.order == id) {
            return;
        }
        let (due, is_unpaid_bid) = (order.charge_due(), order.bid.is_some() && order.payments.is_empty());
        let tenders = match due {
            Some(tenders) => tenders.to_vec(),
            None if is_unpaid_bid => match self.bid_of(id) {
                Some((_, _, payment)) => vec![order::tender_of_bid(&payment)],
                None => return,
            },
            None => return,
        };
        self.messages.push_back(Message::Charge(id, tenders));
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
