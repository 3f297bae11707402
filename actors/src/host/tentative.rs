//! Units that are held for orders of other partitions whose own record may not exist yet: who waits for them, and who is
//! asked what became of them.

use smallvec::SmallVec;
use stockade_domain::entity::EntityKey;
use stockade_domain::order;
use stockade_domain::stock::market::{MarketDemand, MarketWish};
use stockade_domain::stock::{HoldMode, Stock, StockCommand, StockEvent};
use stockade_domain::{CustomerId, OrderId, Quantity, Refusal, SkuId};

use super::Host;
use super::place::Hold;
use crate::command::Command;
use crate::peer::{HoldRequest, PeerMessage};

/// What is tentative of a SKU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TentativeUnits {
    /// Units of the house.
    house: Quantity,
    /// Units of offers.
    offers: Quantity,
    /// Holds that are tentative; some have no units yet, because all of theirs wait for stock.
    holds: u32,
}

impl TentativeUnits {
    const fn is_nothing(self) -> bool {
        self.holds == 0
    }

    const fn plus(self, other: Self) -> Self {
        let (house, offers) = (self.house + other.house, self.offers + other.offers);
        Self { house, offers, holds: self.holds + other.holds }
    }

    const fn minus(self, other: Self) -> Self {
        let (house, offers) = (self.house.saturating_sub(other.house), self.offers.saturating_sub(other.offers));
        Self { house, offers, holds: self.holds.saturating_sub(other.holds) }
    }
}

/// What is tentative of a SKU, by order.
fn tentative_of(stock: &Stock) -> impl Iterator<Item = (OrderId, TentativeUnits)> {
    let of_house = stock.commitments.iter().filter(|(_, commitment)| commitment.tentative);
    let of_house = of_house.map(|(order, commitment)| {
        let (held, allocated) = commitment.units();
        (*order, TentativeUnits { house: held + allocated, offers: 0, holds: 1 })
    });
    let claims = stock.market().into_iter().flat_map(|market| market.claims());
    let of_offers = claims.filter(|(_, claims)| claims.tentative).map(|(order, claims)| {
        let (held, allocated) = claims.units();
        (*order, TentativeUnits { house: 0, offers: held + allocated, holds: 1 })
    });
    of_house.chain(of_offers)
}

/// Whether anything of a SKU is tentative.
pub(super) fn has_tentative(stock: &Stock) -> bool {
    tentative_of(stock).next().is_some()
}

impl Host {
    /// Whether only tentative holds stand between an order and something it wants.
    pub(super) fn is_order_short(&mut self, command: &Command) -> bool {
        let Command::Place { order, .. } = command else { return false };
        if self.tentative.is_empty() {
            return false;
        }
        let Ok(demand) = order::demand(order) else { return false };
        let customer = order.customer.as_ref();
        let short = |(at, (sku, quantity)): (usize, &(SkuId, Quantity))| {
            self.is_tentatively_short(sku, *quantity, &demand.of_book(at), order.id, customer)
        };
        demand.units.iter().enumerate().any(short)
    }

    /// The same for what another partition asks for.
    pub(super) fn is_request_short(&mut self, request: &HoldRequest) -> bool {
        if self.tentative.is_empty() {
            return false;
        }
        let short = |(at, (sku, quantity)): (usize, &(SkuId, Quantity))| {
            let of_book = request.of_books.iter().find(|(item, _)| *item == at).map_or(&[][..], |(_, lines)| lines);
            self.is_tentatively_short(sku, *quantity, of_book, request.order, request.buyer.as_ref())
        };
        request.items.iter().enumerate().any(short)
    }

    fn is_tentatively_short(
        &mut self,
        sku: &SkuId,
        quantity: Quantity,
        of_book: &[MarketDemand],
        order: OrderId,
        customer: Option<&CustomerId>,
    ) -> bool {
        let Some(tentative) = self.tentative.get(sku).copied() else { return false };
        let (now, setting) = (self.now, self.setting());
        let Some(stock) = self.load_sku(sku).map(|hosted| &hosted.state) else { return false };
        let available = stock.available(now);
        if available < quantity && quantity <= available + tentative.house {
            return true;
        }
        if of_book.is_empty() {
            return false;
        }
        let (lines, mode) = (of_book, HoldMode { partial: false, backorder: false });
        let wish = MarketWish { order, customer, plain: quantity, lines, mode, context: None };
        match stock.plan_market(&setting, &wish) {
            Err(Refusal::StockExhausted { items, .. }) => {
                let back = tentative.house + tentative.offers;
                items.iter().any(|short| short.requested <= short.available + back)
            }
            _ => false,
        }
    }

    /// Counts what a hold takes for an order of another partition.
    pub(super) fn note_tentative(&mut self, sku: &SkuId, hold: &Hold) {
        let house = hold.events.iter().map(held_units).sum();
        let offers = hold.market.iter().filter(|fill| fill.claim.is_some()).map(|fill| fill.quantity).sum();
        let of_house = hold.events.iter().any(|event| matches!(event, StockEvent::Held { .. }));
        let of_offers = hold.market.iter().any(|fill| fill.claim.is_some());
        let holds = u32::from(of_house) + u32::from(of_offers);
        let tentative = self.tentative.entry(sku.clone()).or_default();
        *tentative = tentative.plus(TentativeUnits { house, offers, holds });
    }

    /// Keeps count of tentative units when a command is about to make them firm or give them back.
    pub(super) fn note_tentative_end(&mut self, sku: &SkuId, command: &StockCommand, order: OrderId) {
        let ends = matches!(
            command,
            StockCommand::Confirm { .. }
                | StockCommand::Settle { .. }
                | StockCommand::ReleaseAll { .. }
                | StockCommand::Release { .. }
                | StockCommand::ReleaseClaim { .. }
        );
        if !ends || !self.tentative.contains_key(sku) {
            return;
        }
        let Some(hosted) = self.skus.get(sku) else { return };
        let ended = tentative_of(&hosted.state).filter(|(of, _)| *of == order);
        let ended = ended.fold(TentativeUnits::default(), |sum, (_, units)| sum.plus(units));
        if let Some(tentative) = self.tentative.get_mut(sku) {
            *tentative = tentative.minus(ended);
            if tentative.is_nothing() {
                self.tentative.remove(sku);
            }
        }
    }

    /// Asks the homes of a SKU's tentative holds what became of their orders.
    pub(super) fn inquire_tentative(&mut self, sku: &SkuId) {
        if !self.tentative.contains_key(sku) {
            return;
        }
        let Some(hosted) = self.skus.get(sku) else { return };
        let mut orders: Vec<OrderId> = tentative_of(&hosted.state).map(|(order, _)| order).collect();
        orders.sort();
        orders.dedup();
        for order in orders {
            let (home, from) = (self.home_of_route(order.route()), self.index);
            let attempt = self.tries.latest(&order);
            self.tell_peer(home, PeerMessage::Inquire { from, order, attempt, sku: sku.clone() });
        }
    }

    /// The home of an order says what became of it.
    pub(super) fn answer_inquiry(&mut self, from: usize, order: OrderId, attempt: u64, sku: SkuId) {
        if self.placing.contains_key(&order) {
            return;
        }
        if self.load_order(order).is_some() && self.is_owed_by_sku(order, &sku) {
            // The step that makes it firm, or ends it, is repeated.
            self.ask_owed_steps(order);
        } else {
            // The order does not exist, or has got without it: a question asked twice may have been answered twice. What is
            // firm meanwhile is not touched by this, nor what a later try holds.
            self.tell_peer(from, PeerMessage::Abort { order, attempt, skus: SmallVec::from_iter([sku]) });
        }
    }

    /// After a restart: whatever was tentative is counted again, and asked about at once.
    pub(super) fn recover_tentative(&mut self) {
        let skus: Vec<SkuId> = self.skus.iter().map(|(sku, _)| sku.clone()).collect();
        skus.iter().for_each(|sku| self.count_tentative(sku));
        let wallets = self.accounts.iter().filter(|(_, hosted)| !hosted.state.holds.is_empty());
        let wallets: Vec<CustomerId> = wallets.map(|(customer, _)| customer.clone()).collect();
        for customer in wallets {
            self.agenda.add(self.now, EntityKey::Account(customer));
        }
    }

    /// Counts what is tentative of a SKU that has come into memory, and has it asked about at once.
    pub(super) fn count_tentative(&mut self, sku: &SkuId) {
        let Some(hosted) = self.skus.get(sku) else { return };
        let all = tentative_of(&hosted.state).map(|(_, units)| units);
        let all = all.reduce(TentativeUnits::plus);
        match all {
            Some(units) => {
                self.tentative.insert(sku.clone(), units);
                self.agenda.add(self.now, EntityKey::Sku(sku.clone()));
            }
            None => {
                self.tentative.remove(sku);
            }
        }
    }
}

fn held_units(event: &StockEvent) -> Quantity {
    match event {
        StockEvent::Held { picks, .. } => stockade_domain::stock::units(picks),
        _ => 0,
    }
}
