//! The partition's side of the protocol between partitions (see [`crate::peer`]).

use smallvec::SmallVec;
use stockade_domain::account::AccountCommand;
use stockade_domain::entity::{EntityKey, RemoteStep, StepCommand};
use stockade_domain::mistake::{Mistake, made};
use stockade_domain::order::{self, Fill, OrderEvent};
use stockade_domain::promotion::uses::{Subject, Use};
use stockade_domain::stock::market::{Claims, MarketDemand, MarketFill, Seller};
use stockade_domain::stock::{StockCommand, StockEvent};
use stockade_domain::{Amount, CustomerId, OrderId, PaymentId, Quantity, Refusal, SkuId};

use super::place::{ABORTED, Claim, Hold};
use super::placing::UseAnswer;
use super::waiting::TENTATIVE_WAIT_MICROS;
use super::{Host, partition_of};
use crate::faults::MailboxFault;
use crate::mailbox::Incoming;
use crate::peer::{HeldItems, HoldRequest, PeerMessage};

impl Host {
    pub(super) fn handle_peer(&mut self, message: PeerMessage) {
        if let PeerMessage::Hold { request, .. } = &message
            && self.is_request_short(request)
        {
            return self.park(Incoming::Peer(Box::new(message)), TENTATIVE_WAIT_MICROS);
        }
        self.handle_peer_now(message);
    }

    pub(super) fn handle_peer_now(&mut self, message: PeerMessage) {
        let done = self.run_protected(|host| {
            host.take_peer_message(message);
            host.run_messages()
        });
        if let Some(Err(refusal)) = done {
            tracing::warn!(partition = self.index, %refusal, "what another partition asked could not be done, and is taken back");
        }
    }

    fn take_peer_message(&mut self, message: PeerMessage) {
        match message {
            PeerMessage::Hold { from, request } => {
                let is_new = request.attempt > self.tries.latest(&request.order);
                if self.is_stale(&request) {
                    return;
                }
                if is_new {
                    self.give_back_earlier_try(request.order, request.items.iter().map(|(sku, _)| sku));
                }
                let result = self.hold_for_peer(&request);
                let (order, attempt, result) = (request.order, request.attempt, Box::new(result));
                self.tell_peer(from, PeerMessage::Held { order, attempt, by: self.index, result });
            }
            PeerMessage::Held { order, attempt, by, result } => self.held_by_peer(order, attempt, by, *result),
            PeerMessage::HoldMoney { attempt, from, order, payment, customer, money, of_bid } => {
                let is_held = self.peek_account(&customer).0.holds.contains_key(&payment);
                if self.money_tries.is_old(&payment, attempt, || is_held) {
                    return;
                }
                if let Some(kept) = of_bid {
                    // What the bid still needs is told with what its order takes: were it told apart, the one could be
                    // lost and the other refused.
                    self.keep_as_told(kept.attempt, &customer, kept.payment, kept.money, kept.backing);
                }
                let result = self.change_wallet(&customer, &AccountCommand::Hold { payment, money, spend: false });
                self.agenda.ask_again(self.now, EntityKey::Account(customer));
                self.money_tries.note(payment, attempt, result.is_ok(), self.now);
                self.tell_peer(from, PeerMessage::MoneyHeld { attempt, order, payment, result: result.map(|_| ()) });
            }
            PeerMessage::MoneyHeld { attempt, order, payment, result } => {
                match self.paying.get(&payment).map(|paying| paying.attempt == attempt) {
                    Some(true) => {
                        let paying = self.paying.remove(&payment).expect("it was just seen");
                        self.pay_with_held_money(paying, payment, result);
                    }
                    Some(false) => {}
                    None => self.money_held(order, attempt, payment, result),
                }
            }
            PeerMessage::HoldBid { attempt, from, customer, payment, money, backing } => {
                if attempt < self.money_tries.latest(&payment) {
                    return;
                }
                let set_aside = AccountCommand::SetAside { payment, money, backing };
                let result = self.change_wallet(&customer, &set_aside).map(|_| ());
                self.money_tries.note(payment, attempt, false, self.now);
                self.agenda.ask_again(self.now, EntityKey::Account(customer));
                self.tell_peer(from, PeerMessage::BidHeld { attempt, payment, result });
            }
            PeerMessage::BidHeld { attempt, payment, result } => self.bid_held(payment, attempt, result),
            PeerMessage::KeepForBid { attempt, customer, payment, money, backing } => {
                self.keep_as_told(attempt, &customer, payment, money, *backing);
            }
            PeerMessage::InquireBid { from, customer, currency, payment, backing } => {
                self.answer_bid_inquiry(customer, currency, payment, *backing, from);
            }
            PeerMessage::HoldUse { from, request } => self.hold_use_for_peer(from, *request),
            PeerMessage::UseHeld { order, round, subject, batch, result } => {
                self.use_held(order, round, UseAnswer { subject, batch, refused: result.err() });
            }
            PeerMessage::AbortUse { order, round, subject } => self.abort_use(order, round, &subject),
            PeerMessage::InquireUse { from, order, round, subject } => {
                self.answer_use_inquiry(from, order, round, subject);
            }
            PeerMessage::UseKnown { order, subject } => self.use_is_known(order, &subject),
            PeerMessage::Abort { order, attempt, skus } => {
                if attempt < self.tries.latest(&order) && !made(Mistake::LaterTryAborted) {
                    return;
                }
                for sku in skus.into_iter().filter(|sku| self.is_tentative(sku, order)).collect::<Vec<_>>() {
                    self.end_tentative(&sku, StockCommand::ReleaseAll { order, reason: ABORTED }, order);
                }
            }
            PeerMessage::AbortMoney { attempt, payment, customer } => {
                if !self.money_tries.take_back(payment, attempt, self.now) {
                    return;
                }
                // Nothing held any more is nothing to give back.
                let _ = self.change_wallet(&customer, &AccountCommand::Release { payment });
            }
            PeerMessage::Inquire { from, order, attempt, sku } => self.answer_inquiry(from, order, attempt, sku),
            PeerMessage::InquireMoney { attempt, from, payment, customer } => {
                let is_open = self.paying.contains_key(&payment) || self.is_placing_with(payment);
                if !is_open && self.load_payment(payment).is_none() {
                    self.tell_peer(from, PeerMessage::AbortMoney { attempt, payment, customer });
                }
            }
            PeerMessage::InquireReturn { from, order, step, subject } => {
                self.answer_return_inquiry(from, order, step, subject);
            }
            PeerMessage::ReturnHeard { order, step, subject } => self.return_is_heard(order, step, &subject),
            PeerMessage::Step { from, order, step, what, taken } => self.do_step(from, order, (step, &what), taken),
            PeerMessage::StockIs { from, news, order, sku, stock } => self.hear_of_stock(from, news, order, sku, stock),
            PeerMessage::StockHeard { news, order, sku } => self.stock_was_heard(news, order, &sku),
            PeerMessage::StepDone { order, step, short, news } => {
                // Only the first answer of a step brings its actor's next one: were all others asked for again each time,
                // messages that are slow would multiply.
                let Some(what) = self.owed_step(order, step) else { return };
                let by = actor_of(&what, order);
                if let Some((sku, news)) = news {
                    self.note_heard(order, sku, news);
                }
                let done = order::OrderCommand::StepDone { step, short };
                if self.tell_order(order, &done).is_ok() {
                    self.tell_heard(order, step, &what);
                    self.ask_owed(order, |actor| *actor == by);
                }
            }
            PeerMessage::Order { order, command } => {
                if let Err(refusal) = self.tell_order(order, &command) {
                    tracing::warn!(%order, %refusal, "an order refused what another partition told it");
                }
            }
        }
    }

    /// What an earlier try still holds is not this one's: it may have asked for something else.
    pub(super) fn give_back_earlier_try<'a>(&mut self, order: OrderId, skus: impl Iterator<Item = &'a SkuId>) {
        if self.tentative.is_empty() {
            return;
        }
        for sku in skus {
            if self.is_tentative(sku, order) {
                self.end_tentative(sku, StockCommand::ReleaseAll { order, reason: ABORTED }, order);
            }
        }
    }

    /// Whether a question is older than what is known here already: a later try has asked, or the order was recorded and
    /// its steps were done.
    fn is_stale(&mut self, request: &HoldRequest) -> bool {
        if self.tries.is_old(&request.order, request.attempt, || true) {
            return true;
        }
        // What is held here tells by itself whether it was answered.
        self.tries.note(request.order, request.attempt, false, self.now);
        let order = request.order;
        request.items.iter().any(|(sku, _)| {
            let handled = self.load_sku(sku).and_then(|hosted| hosted.state.handled.get(&order).copied());
            handled.is_some_and(|handled| handled >= request.first_step)
        })
    }

    /// Whether what a SKU holds for an order may still be taken back without the order's word.
    fn is_tentative(&mut self, sku: &SkuId, order: OrderId) -> bool {
        let Some(stock) = self.load_sku(sku).map(|hosted| &hosted.state) else { return false };
        let of_house = stock.commitments.get(&order).is_some_and(|commitment| commitment.tentative);
        let claims = stock.market().and_then(|market| market.claims_of(order));
        of_house || claims.is_some_and(|claims| claims.tentative)
    }

    fn hold_for_peer(&mut self, request: &HoldRequest) -> Result<HeldItems, Refusal> {
        let (mut fills, mut market) = (SmallVec::new(), Vec::new());
        let mut holds: Vec<(SkuId, Hold)> = Vec::new();
        let claim = Claim {
            order: request.order,
            buyer: request.buyer.as_ref(),
            mode: request.mode,
            context: request.context.as_deref(),
            customer: request.buyer.as_ref(),
            tentative: true,
        };
        for (at, (sku, quantity)) in request.items.iter().enumerate() {
            let of_book = request.of_books.iter().find(|(item, _)| *item == at).map_or(&[][..], |(_, lines)| lines);
            if let Some(existing) = self.existing_fill(sku, request.order, *quantity, of_book) {
                let (fill, of_lines) = existing?;
                let wanted = quantity + of_book.iter().map(|line| line.quantity).sum::<Quantity>();
                let got = fill.filled + fill.backordered + of_lines.iter().map(|fill| fill.quantity).sum::<Quantity>();
                // Units that came through the book and were lost to a shortfall meanwhile wait for the order, and none of
                // its plain lines can say so: it is to be tried anew.
                let is_displaced = fill.filled + fill.backordered > *quantity;
                if is_displaced || !request.mode.partial && got != wanted {
                    // What an earlier attempt has not given back yet is not this one's.
                    return Err(Refusal::Overloaded);
                }
                fills.push(fill);
                market.extend(of_lines);
                continue;
            }
            match self.decide_hold(&claim, sku, *quantity, of_book) {
                Ok(hold) => {
                    fills.push(hold.fill.clone());
                    market.extend(hold.market.iter().cloned());
                    holds.push((sku.clone(), hold));
                }
                Err(Refusal::StockExhausted { .. }) if request.mode.partial => fills.push(self.empty_fill(sku)?),
                Err(refusal) => {
                    self.learn_kit(&refusal);
                    return Err(refusal);
                }
            }
        }
        for (sku, hold) in holds {
            self.note_tentative(&sku, &hold);
            self.change_stock(&sku, &hold.events);
            if !hold.market.is_empty() {
                self.take_from_book(&sku, &hold, false)?;
            }
            self.schedule_sku(&sku);
            self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Sku(sku));
        }
        Ok((fills, market))
    }

    /// What the order has here already, if the question is a repeated one.
    fn existing_fill(
        &mut self,
        sku: &SkuId,
        order: OrderId,
        plain: Quantity,
        of_book: &[MarketDemand],
    ) -> Option<Result<(Fill, Vec<MarketFill>), Refusal>> {
        let stock = &self.load_sku(sku)?.state;
        let commitment = stock.commitments.get(&order);
        let claims = stock.market().and_then(|market| market.claims_of(order));
        if commitment.is_none() && claims.is_none() {
            return None;
        }
        let (held, allocated) = commitment.map_or((0, 0), |commitment| commitment.units());
        let backorder = stock.backorders.iter().find(|b| b.order == order);
        let (backordered, waiting) = backorder.map_or((0, false), |b| (b.quantity, b.is_entry));
        // Plain lines come first; what is more has come through the book.
        let filled = (held + allocated).min(plain);
        let price = stock.definition.as_ref().map(|definition| definition.price.amount).unwrap_or_default();
        let market = claimed_again(of_book, claims, held + allocated - filled, price);
        Some(self.empty_fill(sku).map(|fill| (Fill { filled, backordered, waiting, ..fill }, market)))
    }

    /// Ends an order's commitment at a SKU of this partition, and says how many units of it were missing.
    fn end_tentative(&mut self, sku: &SkuId, command: StockCommand, order: OrderId) -> Quantity {
        match self.decide_stock(sku, &command) {
            Ok(events) => {
                self.note_tentative_end(sku, &command, order);
                self.change_stock(sku, &events);
                if let Err(refusal) = self.trade(sku, &command) {
                    tracing::warn!(%sku, %order, %refusal, "a claim could not be ended");
                }
                let short = events.iter().map(|event| match event {
                    StockEvent::ShippedShort { quantity, .. } => *quantity,
                    _ => 0,
                });
                short.sum()
            }
            Err(refusal) => {
                tracing::warn!(%sku, %order, %refusal, "a commitment could not be ended");
                0
            }
        }
    }

    /// Asks the homes of a wallet's holds for other partitions what became of their payments.
    pub(super) fn inquire_money(&mut self, customer: &CustomerId) {
        let account = self.peek_account(customer).0.into_owned();
        let Some(currency) = account.currency else { return };
        let mut payments: Vec<PaymentId> = account.holds.keys().copied().collect();
        payments.retain(|payment| !account.bids.contains_key(payment));
        let mut bids: Vec<_> = account.bids.into_iter().collect();
        bids.sort_by_key(|(payment, _)| *payment);
        let (bids_here, bids): (Vec<_>, Vec<_>) =
            bids.into_iter().partition(|(_, backing)| self.home_of_name(backing.sku.as_str()) == self.index);
        for (payment, backing) in bids_here {
            self.answer_bid_inquiry(customer.clone(), currency, payment, backing, self.index);
        }
        for (payment, backing) in &bids {
            let (home, from) = (self.home_of_name(backing.sku.as_str()), self.index);
            let (customer, backing) = (customer.clone(), Box::new(backing.clone()));
            self.tell_peer(home, PeerMessage::InquireBid { from, customer, currency, payment: *payment, backing });
        }
        payments.sort();
        // A payment of this partition may have been another's before the last restart.
        let (here, payments): (Vec<_>, Vec<_>) =
            payments.into_iter().partition(|payment| self.home_of_route(payment.route()) == self.index);
        for payment in here {
            let is_open = self.paying.contains_key(&payment) || self.is_placing_with(payment);
            if !is_open && self.load_payment(payment).is_none() {
                // Nothing held any more is nothing to give back.
                let _ = self.change_wallet(customer, &AccountCommand::Release { payment });
            }
        }
        for payment in &payments {
            let (home, from) = (self.home_of_route(payment.route()), self.index);
            let attempt = self.money_tries.latest(payment);
            let (payment, customer) = (*payment, customer.clone());
            self.tell_peer(home, PeerMessage::InquireMoney { attempt, from, payment, customer });
        }
        if !(payments.is_empty() && bids.is_empty()) {
            self.agenda.ask_again(self.now, EntityKey::Account(customer.clone()));
        }
    }

    // ---- steps that other partitions owe an order ----

    /// Whether a SKU still owes the order an earlier step: then a later one must wait its turn, even if the SKU lives
    /// here.
    pub(super) fn is_owed_by_sku(&self, order: OrderId, sku: &SkuId) -> bool {
        let owed = self.orders.get(&order).map_or(&[][..], |hosted| &hosted.state.owed);
        owed.iter().any(|owed| matches!(owed.to.command(order), StepCommand::Stock(owing, _) if owing == *sku))
    }

    /// Whether a wallet still owes the payment's order an earlier step.
    pub(super) fn is_owed_by_wallet(&self, payment: PaymentId, customer: &CustomerId) -> bool {
        let Some(order) = self.payments.get(&payment).map(|hosted| hosted.state.order) else { return false };
        let owed = self.orders.get(&order).map_or(&[][..], |hosted| &hosted.state.owed);
        owed.iter().any(|owed| matches!(owed.to.command(order), StepCommand::Account(owing, _) if owing == *customer))
    }

    /// Whether the owner of a use still owes the order an earlier step.
    pub(super) fn is_owed_by_uses(&self, order: OrderId, subject: &Subject) -> bool {
        let owed = self.orders.get(&order).map_or(&[][..], |hosted| &hosted.state.owed);
        owed.iter().any(|owed| matches!(owed.to.command(order), StepCommand::Uses(owing, _) if owing == *subject))
    }

    pub(super) fn owe_stock_step(&mut self, sku: SkuId, command: &StockCommand, order: OrderId) -> Result<(), Refusal> {
        let step = RemoteStep::of_stock(sku, command).expect("an order asks only to end or confirm commitments");
        self.owe_step(order, step);
        Ok(())
    }

    pub(super) fn owe_account_step(
        &mut self,
        customer: CustomerId,
        command: &AccountCommand,
        payment: PaymentId,
    ) -> Result<(), Refusal> {
        let order = self.payments.get(&payment).expect("the payment asks").state.order;
        let step = RemoteStep::of_account(customer, command).expect("a payment asks only to end holds or to refund");
        self.owe_step(order, step);
        Ok(())
    }

    pub(super) fn owe_step(&mut self, order: OrderId, to: RemoteStep) {
        let Some(hosted) = self.load_order(order) else { return };
        let step = hosted.state.next_step;
        let by = actor_of(&to, order);
        self.change_order(order, &[OrderEvent::StepOwed { step, to: Box::new(to) }]);
        let is_first = self.first_owed_by(order, &by) == Some(step);
        if is_first {
            self.ask_owed(order, |actor| *actor == by);
        }
    }

    /// A step, if it is still owed.
    fn owed_step(&mut self, order: OrderId, step: u32) -> Option<RemoteStep> {
        let owed = &self.load_order(order)?.state.owed;
        owed.iter().find(|owed| owed.step == step).map(|owed| (*owed.to).clone())
    }

    fn first_owed_by(&self, order: OrderId, by: &EntityKey) -> Option<u32> {
        let owed = &self.orders.get(&order)?.state.owed;
        owed.iter().find(|owed| actor_of(&owed.to, order) == *by).map(|owed| owed.step)
    }

    /// Asks for the first step that each actor owes; the next only when that is done, so steps stay in order.
    pub(super) fn ask_owed_steps(&mut self, order: OrderId) {
        self.ask_owed(order, |_| true);
    }

    /// The same of these actors.
    fn ask_owed(&mut self, order: OrderId, of: impl Fn(&EntityKey) -> bool) {
        let Some(hosted) = self.orders.get(&order) else { return };
        let mut asked: Vec<EntityKey> = Vec::new();
        let mut messages = Vec::new();
        for owed in &hosted.state.owed {
            let actor = actor_of(&owed.to, order);
            if of(&actor) && !asked.contains(&actor) {
                let partition = partition_of(&actor, self.shared.partitions);
                asked.push(actor);
                let (from, step, what) = (self.index, owed.step, owed.to.clone());
                let taken = match &*what {
                    RemoteStep::UsesGiveBack { subject } => hosted.state.use_of(subject).map(Box::new),
                    _ => None,
                };
                messages.push((partition, PeerMessage::Step { from, order, step, what, taken }));
            }
        }
        for (partition, message) in messages {
            self.tell_peer(partition, message);
        }
    }

    fn do_step(&mut self, from: usize, order: OrderId, (step, what): (u32, &RemoteStep), taken: Option<Box<Use>>) {
        match what.command(order) {
            StepCommand::Stock(sku, command) => {
                let away = self.home_of_route(order.route()) != self.index;
                let done = self.load_sku(&sku).is_some_and(|h| h.state.handled.get(&order).is_some_and(|h| *h >= step));
                let mut short = None;
                if (!done || made(Mistake::StepDoneTwice)) && !made(Mistake::StepNotDone) {
                    let missing = self.end_tentative(&sku, command, order);
                    self.change_stock(&sku, &[StockEvent::Handled { order, step }]);
                    short = (missing > 0 && away).then(|| (sku.clone(), missing));
                }
                let news = (self.news > 0).then(|| (sku.clone(), self.news + 1));
                self.tell_peer(from, PeerMessage::StepDone { order, step, short, news });
                // What the order could not take in while it waited for this step, it can now.
                self.told.remove(&(sku.clone(), order));
                self.repeat_news_to(&sku, order);
            }
            StepCommand::Uses(subject, command) => {
                self.do_uses_step(order, step, (subject, command), taken.map(|taken| *taken));
                self.tell_peer(from, PeerMessage::StepDone { order, step, short: None, news: None });
            }
            StepCommand::Account(customer, command) => {
                if let Err(refusal) = self.change_wallet(&customer, &command) {
                    tracing::warn!(%customer, %order, %refusal, "a wallet could not do its step");
                }
                self.tell_peer(from, PeerMessage::StepDone { order, step, short: None, news: None });
            }
        }
    }

    /// Handles a message without asking whether it should wait.
    pub(super) fn handle_now(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Command(envelope) => self.handle_envelope_now(envelope),
            Incoming::Peer(message) => self.handle_peer_now(*message),
            gateway @ Incoming::Gateway { .. } => self.handle(gateway),
        }
    }
}

/// Who does a step.
fn actor_of(step: &RemoteStep, order: OrderId) -> EntityKey {
    match step.command(order) {
        StepCommand::Stock(sku, _) => EntityKey::Sku(sku),
        StepCommand::Account(customer, _) => EntityKey::Account(customer),
        StepCommand::Uses(subject, _) => EntityKey::Uses(subject),
    }
}

/// What lines have of a book, told again: their claims, and `house` units that are more than its plain lines wanted.
fn claimed_again(
    of_book: &[MarketDemand],
    claims: Option<&Claims>,
    mut house: Quantity,
    list_price: Amount,
) -> Vec<MarketFill> {
    let mut fills = Vec::new();
    for line in of_book {
        let mut missing = line.quantity;
        for claim in claims.iter().flat_map(|claims| &claims.list).filter(|claim| claim.line == line.line) {
            let (quantity, unit_price) = (claim.held + claim.allocated, claim.unit_price);
            missing -= quantity;
            let (seller, claim) = (Some(claim.seller.clone()), Some(claim.number));
            fills.push(MarketFill { line: line.line, quantity, unit_price, seller, claim });
        }
        let of_house = missing.min(house);
        if of_house > 0 && line.seller == Seller::Any {
            house -= of_house;
            let (line, quantity) = (line.line, of_house);
            fills.push(MarketFill { line, quantity, unit_price: list_price, seller: None, claim: None });
        }
    }
    fills
}
