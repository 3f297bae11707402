//! How a market follows from its events.

use smallvec::SmallVec;

use super::claim::{Claim, ClaimFill, Claims, NewClaim};
use super::event::MarketEvent;
use super::party::Party;
use super::serials::Serials;
use super::{Market, OwnerNumber, Parties};
use crate::book::{BookEvent, FillId, Maker, Matcher, Owner, Side};
use crate::{BookOrderId, CustomerId, OrderId, Quantity};

/// Which units leave a fill.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    First,
    Last,
}

impl Market {
    /// Takes an event into the state. `live`: the book has carried out what it tells.
    pub(in crate::stock) fn apply(&mut self, event: &MarketEvent, live: bool) {
        match event {
            MarketEvent::Opened(_) => {}
            MarketEvent::Offered { id, seller, quantity, unit_price, body_digest, at, expires_at, serials } => {
                let party = Party {
                    side: Side::Supply,
                    owner: seller.clone(),
                    price: *unit_price,
                    offered: *quantity,
                    open: *quantity,
                    held: 0,
                    sold: 0,
                    payment: None,
                    body_digest: *body_digest,
                    created_at: *at,
                    expires_at: *expires_at,
                    seller: None,
                    serials: serials.as_ref().map(|names| Box::new(Serials::new(names))),
                    allocated: 0,
                };
                self.admit(*id, party);
            }
            MarketEvent::Bid { id, customer, quantity, limit_price, payment, body_digest, at, expires_at, seller } => {
                let party = Party {
                    side: Side::Demand,
                    owner: customer.clone(),
                    price: *limit_price,
                    offered: *quantity,
                    open: *quantity,
                    held: 0,
                    sold: 0,
                    payment: Some(payment.clone()),
                    body_digest: *body_digest,
                    created_at: *at,
                    expires_at: *expires_at,
                    seller: seller.clone(),
                    serials: None,
                    allocated: 0,
                };
                self.admit(*id, party);
            }
            MarketEvent::Traded { events, .. } => {
                for event in events {
                    if !live {
                        self.book.apply(event);
                    }
                    self.follow(event);
                }
            }
            MarketEvent::Claimed { order, claims, settled, buyer, tentative, .. } => {
                self.claim(*order, claims, *settled, buyer.as_ref(), *tentative);
            }
            MarketEvent::ClaimsConfirmed { order } => {
                self.claims.get_mut(order).expect("confirmed claims exist").tentative = false;
            }
            MarketEvent::ClaimsSettled { order } => {
                let claims = self.claims.get_mut(order).expect("settled claims exist");
                claims.tentative = false;
                let mut paid: SmallVec<[ClaimFill; 4]> = SmallVec::new();
                for claim in claims.list.iter_mut().filter(|claim| claim.held > 0) {
                    claim.allocated += std::mem::take(&mut claim.held);
                    paid.extend_from_slice(&claim.fills);
                }
                self.change_allocated(&paid, |allocated, units| allocated + units);
            }
            MarketEvent::ClaimReleased { order, claim, fills, .. }
            | MarketEvent::ClaimShipped { order, claim, fills, .. } => {
                let claims = self.claims.get_mut(order).expect("units leave a claim that exists");
                let claim = claims.list.iter_mut().find(|c| c.number == *claim).expect("units leave their claim");
                let paid = claim.allocated > 0;
                claim.lower(fills);
                claims.list.retain(|claim| claim.held + claim.allocated > 0);
                if claims.list.is_empty() {
                    self.claims.remove(order);
                }
                if paid {
                    self.change_allocated(fills, |allocated, units| allocated - units);
                }
            }
            MarketEvent::ClaimReturned { .. } => {}
            MarketEvent::Forgotten { ids } => {
                for id in ids {
                    let first = self.over.pop_front();
                    debug_assert_eq!(first, Some(*id), "the first to end is the first to be forgotten");
                    self.forget(*id);
                }
            }
        }
    }

    fn admit(&mut self, id: BookOrderId, party: Party) {
        self.count_owner(&party.owner.clone());
        if let Some(seller) = party.seller.clone() {
            self.count_owner(&seller);
        }
        let before = self.parties.insert(id, party);
        assert!(before.is_none(), "an offer or bid comes in once");
    }

    fn count_owner(&mut self, name: &CustomerId) {
        let next = Owner(self.last_owner + 1);
        let number = self.owners.entry(name.clone()).or_insert(OwnerNumber { owner: next, parties: 0 });
        number.parties += 1;
        if number.owner == next {
            self.last_owner += 1;
        }
    }

    fn uncount_owner(&mut self, name: &CustomerId) {
        let Some(number) = self.owners.get_mut(name) else { return };
        number.parties -= 1;
        if number.parties == 0 {
            self.owners.remove(name);
        }
    }

    fn forget(&mut self, id: BookOrderId) {
        let Some(party) = self.parties.remove(&id) else { return };
        self.uncount_owner(&party.owner);
        if let Some(seller) = &party.seller {
            self.uncount_owner(seller);
        }
    }

    /// Keeps the parties' accounts beside the book's.
    fn follow(&mut self, event: &BookEvent<BookOrderId>) {
        match *event {
            BookEvent::Filled { fill, maker, taker, side, quantity, .. } => {
                let (supply, demand) = match (side, maker) {
                    (Side::Demand, maker) => (maker, taker),
                    (Side::Supply, Maker::Order(maker)) => (Maker::Order(taker), maker),
                    (Side::Supply, Maker::House) => unreachable!("the house does not buy"),
                };
                let serials = self.serials_at(supply).map_or_else(Vec::new, |serials| serials.take(quantity));
                self.fills.insert(fill.0, Parties { supply, demand, held: quantity, serials });
                self.each_party(supply, demand, |party, _| {
                    party.open -= quantity;
                    party.held += quantity;
                });
            }
            BookEvent::Ended { id, quantity, .. } => self.lower_open(id, quantity),
            BookEvent::Reduced { id, quantity, .. } => {
                let open = self.parties.get(&id).map_or(0, |party| party.open);
                self.lower_open(id, quantity.min(open));
            }
            BookEvent::Amended { id, price, quantity, .. } => {
                if let Some(party) = self.parties.get_mut(&id) {
                    party.offered += quantity.saturating_sub(party.open);
                    if let Some(serials) = &mut party.serials {
                        serials.withdraw(party.open.saturating_sub(quantity));
                    }
                    party.open = quantity;
                    party.price.0 = price;
                }
            }
            BookEvent::Settled { fill, quantity } => {
                let (Parties { supply, demand, .. }, _) = self.lower_fill(fill, quantity, Leaving::First);
                self.each_party(supply, demand, |party, _| {
                    party.held -= quantity;
                    party.sold += quantity;
                });
            }
            BookEvent::Released { fill, quantity, returns, reopened } => {
                let (Parties { supply, demand, .. }, numbers) = self.lower_fill(fill, quantity, Leaving::Last);
                if let Some(serials) = self.serials_at(supply).filter(|_| returns == Side::Supply) {
                    serials.put_back(&numbers[..numbers.len().min(reopened as usize)]);
                }
                self.each_party(supply, demand, |party, side| {
                    party.held -= quantity;
                    party.open += if side == returns { reopened } else { 0 };
                });
            }
            BookEvent::Placed { .. }
            | BookEvent::Refreshed { .. }
            | BookEvent::BandSet { .. }
            | BookEvent::AuctionOpened
            | BookEvent::Uncrossed { .. } => {}
        }
    }

    fn lower_open(&mut self, id: BookOrderId, quantity: Quantity) {
        if let Some(party) = self.parties.get_mut(&id) {
            party.open -= quantity;
            if let Some(serials) = &mut party.serials {
                serials.withdraw(quantity);
            }
            if party.is_over() {
                party.serials = None;
                self.over.push_back(id);
            }
        }
    }

    /// The serial numbers of whoever's units they are.
    fn serials_at(&mut self, supply: Maker<BookOrderId>) -> Option<&mut Serials> {
        let Maker::Order(id) = supply else { return None };
        self.parties.get_mut(&id)?.serials.as_deref_mut()
    }

    fn each_party(
        &mut self,
        supply: Maker<BookOrderId>,
        demand: BookOrderId,
        mut change: impl FnMut(&mut Party, Side),
    ) {
        let supply = match supply {
            Maker::Order(id) => Some((id, Side::Supply)),
            Maker::House => None,
        };
        for (id, side) in supply.into_iter().chain([(demand, Side::Demand)]) {
            // What an order of the shop takes has no party on its side.
            if let Some(party) = self.parties.get_mut(&id).filter(|party| party.side == side) {
                change(party, side);
                if party.is_over() {
                    party.serials = None;
                    self.over.push_back(id);
                }
            }
        }
    }

    /// Units leave a fill, and their serial numbers with them.
    fn lower_fill(&mut self, fill: FillId, quantity: Quantity, leaving: Leaving) -> (Parties, Vec<u32>) {
        let parties = self.fills.get_mut(&fill.0).expect("a fill is held until it ends");
        parties.held -= quantity;
        let units = parties.serials.len().min(quantity as usize);
        let numbers = match leaving {
            Leaving::First => parties.serials.drain(..units).collect(),
            Leaving::Last => parties.serials.split_off(parties.serials.len() - units),
        };
        let parties = parties.clone();
        if parties.held == 0 {
            self.fills.remove(&fill.0);
        }
        (parties, numbers)
    }

    /// Units of fills are paid, or leave what is paid: both parties of each know it.
    fn change_allocated(&mut self, fills: &[ClaimFill], change: impl Fn(Quantity, Quantity) -> Quantity) {
        for ClaimFill { fill, quantity } in fills {
            let ids = self.fills.get(&fill.0).expect("a claimed fill is held").ids();
            for id in ids {
                if let Some(party) = self.parties.get_mut(&id) {
                    party.allocated = change(party.allocated, *quantity);
                }
            }
        }
    }

    fn claim(
        &mut self,
        order: OrderId,
        claims: &[NewClaim],
        settled: bool,
        buyer: Option<&CustomerId>,
        tentative: bool,
    ) {
        let list = claims.iter().map(|new| {
            let units = new.units();
            let (held, allocated) = if settled { (0, units) } else { (units, 0) };
            Claim {
                number: new.number,
                seller: new.seller.clone(),
                unit_price: new.unit_price,
                fills: new.fills.clone(),
                held,
                allocated,
                line: new.line,
            }
        });
        let claims = Claims { buyer: buyer.cloned(), tentative, list: list.collect() };
        if settled {
            for claim in &claims.list {
                self.change_allocated(&claim.fills, |allocated, units| allocated + units);
            }
        }
        let before = self.claims.insert(order, claims);
        assert!(before.is_none(), "an order claims of a SKU once");
    }
}
