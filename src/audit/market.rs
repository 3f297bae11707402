//! The auditor's own fold of a SKU's market: offers, bids, the book as its events make it, and what orders claim of it.
//!
//! The book is followed order by order in a plain list, and every fill is held against the best that stood there. Orders
//! with wishes beyond price and quantity (a minimum, a chosen seller, a displayed part) may be passed over for reasons
//! that the events do not tell, so they are left out of the comparison of who came first, on either side.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use stockade_domain::book::{BookEvent, Maker, Owner, Side, Source, Terms};
use stockade_domain::stock::MarketEvent;
use stockade_domain::stock::market::{BidPayment, ClaimFill, NewClaim};
use stockade_domain::{BookOrderId, CustomerId, OrderId, Timestamp};

use super::report::{Rule, Scene};
use super::serials::Serials;
use super::signed;

/// An offer or a bid, and where its units are.
pub(super) struct Party {
    pub(super) side: Side,
    pub(super) owner: CustomerId,
    pub(super) price: i64,
    pub(super) quantity: i64,
    pub(super) open: i64,
    held: i64,
    sold: i64,
    withdrawn: i64,
    /// A wallet sets its money aside.
    pub(super) is_backed: bool,
}

/// An order in the book's line.
struct Standing {
    side: Side,
    owner: Owner,
    price: i64,
    ordinal: u64,
    open: i64,
    /// It may trade with anybody, any number of units.
    is_plain: bool,
}

impl Standing {
    /// What comes first in its line has the lowest of it.
    const fn priority(&self) -> (i64, u64) {
        match self.side {
            Side::Supply => (self.price, self.ordinal),
            Side::Demand => (-self.price, self.ordinal),
        }
    }

    /// Whether a taker of this limit would trade at its price.
    const fn meets(&self, limit: i64) -> bool {
        match self.side {
            Side::Supply => self.price <= limit,
            Side::Demand => self.price >= limit,
        }
    }
}

/// A fill with held units.
struct Fill {
    supply: Option<BookOrderId>,
    demand: BookOrderId,
    price: i64,
    held: i64,
}

/// What an order has of offers.
pub(super) struct Claim {
    fills: SmallVec<[(u64, i64); 1]>,
    pub(super) held: i64,
    pub(super) allocated: i64,
    pub(super) unit_price: i64,
    seller: CustomerId,
}

/// The claims of one order.
pub(super) struct Claims {
    pub(super) by_number: FxHashMap<u32, Claim>,
    pub(super) tentative: bool,
    pub(super) since: Timestamp,
    pub(super) first_seq: u64,
    buyer: Option<CustomerId>,
    pub(super) bid: Option<BookOrderId>,
}

/// A market as its records make it.
#[derive(Default)]
pub(super) struct Market {
    pub(super) parties: FxHashMap<BookOrderId, Party>,
    standing: FxHashMap<BookOrderId, Standing>,
    fills: FxHashMap<u64, Fill>,
    pub(super) claims: FxHashMap<OrderId, Claims>,
    sequence: u64,
    last_fill: u64,
    last_ordinal: u64,
    /// Units are sold in multiples of it.
    lot: i64,
    serials: Serials,
    /// Something has happened in the book since it was last looked over.
    is_touched: bool,
}

/// The shop's own stock as the book may see it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct House {
    /// What it asks.
    pub(super) price: Option<i64>,
    /// What it may sell through the book; nothing while somebody waits for it.
    pub(super) available: i64,
}

impl House {
    /// Whether it can sell a lot.
    fn has(&self, lot: i64) -> bool {
        self.available >= lot.max(1)
    }
}

/// What an event gives back to or takes from a customer's limit.
pub(super) type Counted = Option<(CustomerId, i64)>;

impl Market {
    /// Takes an event in, given the house as it is before it.
    pub(super) fn take(&mut self, event: &MarketEvent, mut house: House, scene: &mut Scene<'_>) -> Counted {
        match event {
            MarketEvent::Opened(rules) => {
                self.lot = signed(rules.lot).max(1);
                None
            }
            MarketEvent::Offered { id, seller, quantity, unit_price, serials, .. } => {
                self.enter(*id, Side::Supply, seller, unit_price.0, *quantity, false, scene);
                if let Some(names) = serials {
                    self.serials.bring(*id, names, signed(*quantity), scene);
                }
                None
            }
            MarketEvent::Bid { id, customer, quantity, limit_price, payment, .. } => {
                let is_backed = *payment == BidPayment::Wallet;
                self.enter(*id, Side::Demand, customer, limit_price.0, *quantity, is_backed, scene);
                None
            }
            MarketEvent::Traded { first, events } => {
                let follows = *first == self.sequence.saturating_add(1) && !events.is_empty();
                scene.expect(follows, Rule::MarketSequence, || format!("{first} follows {}", self.sequence));
                self.sequence = first.saturating_add(events.len() as u64).saturating_sub(1);
                self.is_touched = true;
                for event in events {
                    self.take_book(event, &mut house, scene);
                }
                None
            }
            MarketEvent::Claimed { order, claims, settled, buyer, tentative, bid } => {
                let mut all = Claims {
                    by_number: FxHashMap::default(),
                    tentative: *tentative,
                    since: scene.now,
                    first_seq: scene.seq,
                    buyer: buyer.clone(),
                    bid: *bid,
                };
                let mut sum = 0;
                for claim in claims {
                    let units = total(&claim.fills);
                    sum = units.saturating_add(sum);
                    let (held, allocated) = if *settled { (0, units) } else { (units, 0) };
                    let fills = claim.fills.iter().map(|fill| (fill.fill.0, signed(fill.quantity))).collect();
                    let (seller, unit_price) = (claim.seller.clone(), claim.unit_price.0);
                    self.check_claimed(claim, *order, *bid, scene);
                    let claimed = Claim { fills, held, allocated, unit_price, seller };
                    all.by_number.insert(claim.number, claimed);
                }
                let before = self.claims.insert(*order, all);
                scene.expect(before.is_none(), Rule::CommitmentTwice, || format!("order {order} claims twice"));
                buyer.clone().map(|buyer| (buyer, sum))
            }
            MarketEvent::ClaimsConfirmed { order } => {
                let claims = self.claims.get_mut(order).filter(|claims| claims.tentative);
                let found = claims.map(|claims| claims.tentative = false).is_some();
                scene.expect(found, Rule::ClaimUnits, || format!("order {order} has no tentative claim to confirm"));
                None
            }
            MarketEvent::ClaimsSettled { order } => {
                let claims = self.claims.get_mut(order).into_iter().flat_map(|claims| {
                    claims.tentative = false;
                    claims.by_number.values_mut()
                });
                let settled: i64 = claims
                    .map(|claim| {
                        let held = std::mem::take(&mut claim.held);
                        claim.allocated += held;
                        held
                    })
                    .sum();
                scene.expect(settled > 0, Rule::ClaimUnits, || format!("order {order} has no claim to settle"));
                None
            }
            MarketEvent::ClaimReleased { order, claim, fills, .. } => {
                let units = self.leave(*order, *claim, fills, false, scene);
                let buyer = self.claims.get(order).and_then(|claims| claims.buyer.clone());
                self.forget_claims(*order);
                buyer.map(|buyer| (buyer, -units))
            }
            MarketEvent::ClaimShipped { order, claim, fills, serials } => {
                let of_offer = |left: &ClaimFill| Some((self.fills.get(&left.fill.0)?.supply?, signed(left.quantity)));
                let units: SmallVec<[_; 2]> = fills.iter().filter_map(of_offer).collect();
                self.serials.ship(&units, serials.as_deref().map_or(&[], Vec::as_slice), scene);
                self.leave(*order, *claim, fills, true, scene);
                self.forget_claims(*order);
                None
            }
            MarketEvent::ClaimReturned { buyer, quantity, .. } => {
                buyer.clone().map(|buyer| (buyer, -signed(*quantity)))
            }
            MarketEvent::Forgotten { ids } => {
                for id in ids {
                    self.serials.forget(id);
                    let over = self.parties.remove(id).is_some_and(|party| party.open == 0 && party.held == 0);
                    scene.expect(over, Rule::MarketUnits, || format!("{id} was forgotten before it was over"));
                }
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of the event")]
    fn enter(
        &mut self,
        id: BookOrderId,
        side: Side,
        owner: &CustomerId,
        price: i64,
        quantity: u64,
        is_backed: bool,
        scene: &mut Scene<'_>,
    ) {
        let (quantity, owner) = (signed(quantity), owner.clone());
        scene.expect(quantity > 0 && price > 0, Rule::QuantityInvalid, || format!("{id}: {quantity} at {price}"));
        let (open, held, sold, withdrawn) = (quantity, 0, 0, 0);
        let party = Party { side, owner, price, quantity, open, held, sold, withdrawn, is_backed };
        let before = self.parties.insert(id, party);
        scene.expect(before.is_none(), Rule::MarketUnits, || format!("{id} came in twice"));
    }

    fn take_book(&mut self, event: &BookEvent<BookOrderId>, house: &mut House, scene: &mut Scene<'_>) {
        match *event {
            BookEvent::Placed { id, owner, side, price, quantity, ordinal, ref terms } => {
                self.check_ordinal(ordinal, scene);
                let known = self
                    .parties
                    .get(&id)
                    .is_some_and(|party| party.side == side && party.price == price && party.open == signed(quantity));
                scene.expect(known, Rule::MarketUnits, || format!("{id} stands otherwise than it came in"));
                let open = signed(quantity);
                let is_plain = is_plain(terms);
                self.standing.insert(id, Standing { side, owner, price, ordinal, open, is_plain });
            }
            BookEvent::Filled { fill, maker, taker, side, price, quantity } => {
                let rises = fill.0 == self.last_fill.saturating_add(1);
                scene.expect(rises, Rule::MarketSequence, || format!("fill {} follows {}", fill.0, self.last_fill));
                self.last_fill = fill.0;
                self.check_fill(maker, taker, side, price, house, scene);
                let (supply, demand) = match (side, maker) {
                    (Side::Demand, Maker::Order(maker)) => (Some(maker), taker),
                    (Side::Demand, Maker::House) => (None, taker),
                    (Side::Supply, Maker::Order(maker)) => (Some(taker), maker),
                    (Side::Supply, Maker::House) => {
                        return scene.fault(Rule::MarketPrice, "the house was sold to");
                    }
                };
                let held = signed(quantity);
                if supply.is_none() {
                    house.available = house.available.saturating_sub(held);
                }
                self.fills.insert(fill.0, Fill { supply, demand, price, held });
                for id in supply.into_iter().chain([demand]) {
                    self.lower(id, held, scene);
                    if let Some(party) = self.parties.get_mut(&id) {
                        party.held = party.held.saturating_add(held);
                    }
                }
            }
            BookEvent::Ended { id, quantity, .. } => {
                let open = self.parties.get(&id).map_or(signed(quantity), |party| party.open);
                scene.expect(open == signed(quantity), Rule::MarketUnits, || {
                    format!("{quantity} of {id} ended, where {open} were open")
                });
                self.withdraw(id, signed(quantity), scene);
            }
            BookEvent::Reduced { id, quantity, .. } => {
                let open = self.parties.get(&id).map_or(0, |party| party.open);
                self.withdraw(id, signed(quantity).min(open), scene);
            }
            BookEvent::Amended { id, price, quantity, ordinal } => {
                self.check_ordinal(ordinal, scene);
                let open = signed(quantity);
                if let Some(party) = self.parties.get_mut(&id) {
                    party.quantity = party.quantity.saturating_add((open - party.open).max(0));
                    party.withdrawn += (party.open - open).max(0);
                    (party.open, party.price) = (open, price);
                }
                if let Some(standing) = self.standing.get_mut(&id) {
                    (standing.open, standing.price, standing.ordinal) = (open, price, ordinal);
                }
            }
            BookEvent::Refreshed { id, ordinal, .. } => {
                self.check_ordinal(ordinal, scene);
                if let Some(standing) = self.standing.get_mut(&id) {
                    standing.ordinal = ordinal;
                }
            }
            BookEvent::Settled { fill, quantity } => {
                let Some((supply, demand)) = self.end_fill(fill.0, signed(quantity), scene) else { return };
                for id in supply.into_iter().chain([demand]) {
                    if let Some(party) = self.parties.get_mut(&id) {
                        party.held -= signed(quantity);
                        party.sold += signed(quantity);
                    }
                }
            }
            BookEvent::Released { fill, quantity, returns, reopened } => {
                let Some((supply, demand)) = self.end_fill(fill.0, signed(quantity), scene) else { return };
                let fair = reopened <= quantity;
                scene.expect(fair, Rule::MarketUnits, || format!("{reopened} of {quantity} units came back"));
                for id in supply.into_iter().chain([demand]) {
                    let Some(party) = self.parties.get_mut(&id) else { continue };
                    party.held -= signed(quantity);
                    let back = if party.side == returns { signed(reopened) } else { 0 };
                    party.withdrawn += signed(quantity) - back;
                    if party.side == returns {
                        party.open += back;
                        if let Some(standing) = self.standing.get_mut(&id) {
                            standing.open += signed(reopened);
                        }
                    }
                }
            }
            BookEvent::BandSet { .. } | BookEvent::AuctionOpened | BookEvent::Uncrossed { .. } => {}
        }
    }

    fn check_ordinal(&mut self, ordinal: u64, scene: &mut Scene<'_>) {
        let before = std::mem::replace(&mut self.last_ordinal, ordinal);
        scene.expect(ordinal > before, Rule::MarketSequence, || format!("place {ordinal} was given after {before}"));
    }

    /// The price is one that both agreed to, and nobody who stood before the maker was passed over.
    fn check_fill(
        &self,
        maker: Maker<BookOrderId>,
        taker: BookOrderId,
        side: Side,
        price: i64,
        house: &House,
        scene: &mut Scene<'_>,
    ) {
        let taking = self.parties.get(&taker);
        let agreed = taking.is_none_or(|party| match side {
            Side::Demand => price <= party.price,
            Side::Supply => price >= party.price,
        });
        scene.expect(agreed, Rule::MarketPrice, || format!("{taker} took at {price}, beyond its limit"));
        let owner = self.standing.get(&taker).map_or(Owner::NOBODY, |standing| standing.owner);
        let limit = taking.map(|party| party.price);
        let makers = || self.standing.iter().filter(|(_, s)| s.side != side && s.is_plain && s.open > 0);
        match maker {
            Maker::House => {
                scene.expect(house.price == Some(price), Rule::MarketPrice, || format!("the house sold at {price}"));
                let own = taking.map(|party| &party.owner);
                let cheaper = makers().find(|(id, s)| {
                    s.price < price && limit.is_none_or(|limit| s.meets(limit)) && self.owner_of(id) != own
                });
                // What a line of an order may take, its buyer's own offers among it, the events do not tell.
                let passed = cheaper.filter(|_| taking.is_some());
                scene.expect(passed.is_none(), Rule::MarketPriority, || {
                    format!("{taker} took of the house at {price} before {:?}", passed.map(|(id, _)| *id))
                });
            }
            Maker::Order(maker) => {
                let Some(stood) = self.standing.get(&maker) else {
                    return scene.fault(Rule::MarketUnits, format!("{maker} does not stand"));
                };
                scene.expect(stood.price == price, Rule::MarketPrice, || {
                    format!("{maker} stands at {}, and traded at {price}", stood.price)
                });
                let seller = self.owner_of(&maker);
                let passed = makers().find(|(id, other)| {
                    let could = match limit {
                        Some(_) => !other.owner.same(owner),
                        // A line of an order may have named its seller.
                        None => self.owner_of(id) == seller,
                    };
                    stood.is_plain && could && other.priority() < stood.priority()
                });
                let plain_taker = self.standing.get(&taker).is_none_or(|standing| standing.is_plain);
                let passed = passed.filter(|_| plain_taker && (taking.is_none() || self.standing.contains_key(&taker)));
                scene.expect(passed.is_none(), Rule::MarketPriority, || {
                    format!("{taker} traded with {maker} before {:?}", passed.map(|(id, _)| *id))
                });
                // The house comes before offers of equal price, for whoever may buy from anybody.
                let could_buy = side == Side::Demand && plain_taker && self.standing.contains_key(&taker);
                let before_house = could_buy && house.has(self.lot) && house.price.is_some_and(|asked| asked <= price);
                scene.expect(!before_house, Rule::MarketPriority, || {
                    format!("{taker} traded with {maker} at {price} before the house")
                });
            }
        }
    }

    fn owner_of(&self, id: &BookOrderId) -> Option<&CustomerId> {
        self.parties.get(id).map(|party| &party.owner)
    }

    /// Open units of an offer or bid are taken back.
    fn withdraw(&mut self, id: BookOrderId, units: i64, scene: &mut Scene<'_>) {
        self.lower(id, units, scene);
        if let Some(party) = self.parties.get_mut(&id) {
            party.withdrawn = party.withdrawn.saturating_add(units);
        }
    }

    /// Open units of an offer or bid become something else.
    fn lower(&mut self, id: BookOrderId, units: i64, scene: &mut Scene<'_>) {
        if let Some(party) = self.parties.get_mut(&id) {
            party.open -= units;
            let open = party.open;
            scene.expect(open >= 0, Rule::MarketUnits, || format!("{id} has {open} units open"));
        }
        if let Some(standing) = self.standing.get_mut(&id) {
            standing.open -= units;
        }
    }

    /// Held units of a fill end; says whose they were.
    fn end_fill(&mut self, fill: u64, units: i64, scene: &mut Scene<'_>) -> Option<(Option<BookOrderId>, BookOrderId)> {
        let known = self.fills.get_mut(&fill).filter(|known| known.held >= units && units > 0);
        let Some(known) = known else {
            scene.fault(Rule::MarketUnits, format!("fill {fill} does not hold {units} units that could end"));
            return None;
        };
        known.held -= units;
        let parties = (known.supply, known.demand);
        if known.held == 0 {
            self.fills.remove(&fill);
        }
        Some(parties)
    }

    /// A claim consists of held fills, of its seller's offers, for its order or its bid.
    fn check_claimed(&self, claim: &NewClaim, order: OrderId, bid: Option<BookOrderId>, scene: &mut Scene<'_>) {
        let NewClaim { fills, seller, unit_price, .. } = claim;
        for claimed in fills {
            let fill = self.fills.get(&claimed.fill.0);
            let demand = bid.unwrap_or_else(|| BookOrderId::from(order));
            let fits = fill.is_some_and(|fill| {
                fill.held == signed(claimed.quantity)
                    && fill.price == unit_price.0
                    && fill.demand == demand
                    && fill.supply.is_some_and(|supply| self.owner_of(&supply) == Some(seller))
            });
            scene.expect(fits, Rule::ClaimUnits, || {
                format!("order {order} claims fill {} of {seller}, which is not its", claimed.fill.0)
            });
        }
    }

    /// Units leave a claim; the book tells of the same units.
    fn leave(&mut self, order: OrderId, claim: u32, fills: &[ClaimFill], paid: bool, scene: &mut Scene<'_>) -> i64 {
        let known = self.claims.get_mut(&order).and_then(|claims| claims.by_number.get_mut(&claim));
        let Some(known) = known else {
            scene.fault(Rule::ClaimUnits, format!("order {order} has no claim {claim}"));
            return 0;
        };
        let mut units = 0;
        for left in fills {
            let quantity = signed(left.quantity);
            units = quantity.saturating_add(units);
            let fill = known.fills.iter_mut().find(|(fill, there)| *fill == left.fill.0 && *there >= quantity);
            match fill {
                Some((_, there)) => *there -= quantity,
                None => scene.fault(Rule::ClaimUnits, format!("claim {claim} of order {order} has no such fill")),
            }
        }
        known.fills.retain(|(_, there)| *there > 0);
        let of_held = if paid { 0 } else { known.held.min(units) };
        known.held -= of_held;
        known.allocated -= units - of_held;
        let (allocated, seller) = (known.allocated, &known.seller);
        scene.expect(allocated >= 0, Rule::ClaimUnits, || {
            format!("{units} units of {seller} left claim {claim} of order {order}, and were not there, or not paid")
        });
        units
    }

    fn forget_claims(&mut self, order: OrderId) {
        let over = self.claims.get_mut(&order).is_some_and(|claims| {
            claims.by_number.retain(|_, claim| claim.held + claim.allocated > 0);
            claims.by_number.is_empty()
        });
        if over {
            self.claims.remove(&order);
        }
    }

    /// Looks the book over at the end of a record: nobody stands who could trade, every unit is accounted for.
    pub(super) fn look_over(&mut self, house: &House, scene: &mut Scene<'_>) {
        if !std::mem::take(&mut self.is_touched) {
            return;
        }
        let parties = &self.parties;
        self.standing.retain(|id, s| s.open != 0 || parties.get(id).is_some_and(|party| party.held > 0));
        let plain = |side| self.standing.values().filter(move |s| s.side == side && s.is_plain && s.open > 0);
        // The cheapest supply, and the cheapest of another owner, for who would meet his own.
        let best = plain(Side::Supply).min_by_key(|s| s.priority());
        let second = best
            .and_then(|best| plain(Side::Supply).filter(|s| !s.owner.same(best.owner)).min_by_key(|s| s.priority()));
        for demand in plain(Side::Demand) {
            let supply = [best, second].into_iter().flatten().find(|supply| !supply.owner.same(demand.owner));
            let crossed = supply.filter(|supply| supply.price <= demand.price);
            let house = house.has(self.lot) && house.price.is_some_and(|asked| asked <= demand.price);
            scene.expect(!house, Rule::MarketCrossed, || {
                format!("demand at {} stands beside units of the house", demand.price)
            });
            scene.expect(crossed.is_none(), Rule::MarketCrossed, || {
                format!("supply at {:?} and demand at {} stand side by side", crossed.map(|s| s.price), demand.price)
            });
        }
        let mut claimed: FxHashMap<u64, i64> = FxHashMap::default();
        for (fill, units) in self.claims.values().flat_map(|c| c.by_number.values()).flat_map(|claim| &claim.fills) {
            *claimed.entry(*fill).or_default() += units;
        }
        for (number, fill) in &self.fills {
            let units = claimed.remove(number).unwrap_or(0);
            scene.expect(units == fill.held, Rule::ClaimUnits, || {
                format!("fill {number} holds {} units, {units} are claimed", fill.held)
            });
        }
        scene.expect(claimed.is_empty(), Rule::ClaimUnits, || format!("{claimed:?} are claimed of fills that ended"));
        for (id, party) in &self.parties {
            let accounted = [party.open, party.held, party.sold, party.withdrawn];
            let sum = accounted.iter().fold(0_i64, |sum, units| sum.saturating_add(*units));
            let adds_up = accounted.iter().all(|units| *units >= 0) && sum == party.quantity;
            scene.expect(adds_up, Rule::MarketUnits, || {
                format!("{id} of {} units has {accounted:?} open, held, sold and withdrawn", party.quantity)
            });
        }
    }
}

fn is_plain(terms: &Terms) -> bool {
    terms.minimum <= 1 && terms.source == Source::Anyone && terms.displayed.is_none()
}

fn total(fills: &[ClaimFill]) -> i64 {
    fills.iter().fold(0, |sum, fill| signed(fill.quantity).saturating_add(sum))
}
