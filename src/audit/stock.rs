//! The auditor's own fold of SKUs: bins, commitments, backorders, from the events alone.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use stockade_domain::stock::MarketEvent;
use stockade_domain::stock::{Definition, Disposition, Pick, SkuStatus, StockEvent};
use stockade_domain::{CustomerId, Location, Lot, OrderId, QUANTITY_MAX, Quantity, Timestamp};

use super::alarm::{Alarms, Warning};
use super::counters::{self, Count, Counts, Step};
use super::market::{House, Market};
use super::report::{Faults, Rule, Scene};

/// More units than one SKU may have.
const UNITS_MAX: i64 = QUANTITY_MAX as i64 * 1000 + 1;

/// What orders and SKUs say of each other, summed over both until it cancels out.
pub(super) type Flows = FxHashMap<(OrderId, stockade_domain::SkuId), Flow>;

/// Units that the order has recorded less those that the SKU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flow {
    pub(super) shipped: i64,
    pub(super) returned: i64,
}

/// A location and lot.
pub(super) struct Bin {
    pub(super) location: Location,
    pub(super) lot: Option<Lot>,
    expires_at: Option<Timestamp>,
    pub(super) counts: Counts,
}

/// What an order has of this SKU in one bin.
#[derive(Clone, Copy)]
struct Share {
    bin: u16,
    held: i64,
    allocated: i64,
}

/// What an order has of this SKU.
pub(super) struct Commitment {
    shares: SmallVec<[Share; 1]>,
    /// Units that wait for stock.
    pub(super) waiting: i64,
    /// Place in the sequence in which the demand was recorded.
    pub(super) ordinal: u64,
    buyer: Option<CustomerId>,
    /// Waits to be let in, whole.
    pub(super) is_entry: bool,
    /// Its order may not exist yet.
    pub(super) tentative: bool,
    /// When and where it began.
    pub(super) since: Timestamp,
    pub(super) first_seq: u64,
}

impl Commitment {
    pub(super) fn held(&self) -> i64 {
        self.shares.iter().map(|share| share.held).sum()
    }

    pub(super) fn allocated(&self) -> i64 {
        self.shares.iter().map(|share| share.allocated).sum()
    }

    fn add_held(&mut self, picks: &[Pick]) {
        for pick in picks {
            match self.shares.iter_mut().find(|share| share.bin == pick.bin) {
                Some(share) => share.held += clamp(pick),
                None => self.shares.push(Share { bin: pick.bin, held: clamp(pick), allocated: 0 }),
            }
        }
    }

    fn is_over(&self) -> bool {
        self.waiting <= 0 && self.shares.iter().all(|share| share.held <= 0 && share.allocated <= 0)
    }
}

/// A SKU as its records make it.
#[derive(Default)]
pub(super) struct Sku {
    pub(super) last_time: Timestamp,
    pub(super) last_seq: u64,
    pub(super) definition: Option<Box<Definition>>,
    pub(super) bins: Vec<Bin>,
    pub(super) commitments: FxHashMap<OrderId, Commitment>,
    /// Who waits, by ordinal.
    pub(super) queue: BTreeMap<u64, OrderId>,
    pub(super) incoming: i64,
    pub(super) in_transit: i64,
    pub(super) lost: i64,
    ordinal_next: u64,
    /// Units counted against the limit per customer.
    taken: FxHashMap<CustomerId, i64>,
    /// The last step done for each order of another partition, until the order has heard of it.
    pub(super) handled: FxHashMap<OrderId, u32>,
    /// Orders that are yet to hear how things stand.
    pub(super) untold: FxHashSet<OrderId>,
    /// The commitment to the seed of the last draw.
    pub(super) drawn: Option<[u8; 32]>,
    pub(super) oversold: u64,
    pub(super) displaced: u64,
    /// Offers, bids and what orders claim of them.
    pub(super) market: Option<Box<Market>>,
    /// What it is to be warned of, and what it was.
    pub(super) alarms: Alarms,
}

impl Sku {
    /// Takes an event in.
    pub(super) fn take(&mut self, event: &StockEvent, scene: &mut Scene<'_>) {
        use StockEvent as E;
        match event {
            E::Defined(definition) => self.definition = Some(definition.clone()),
            E::Announced { quantity, .. } => self.incoming += units(*quantity, scene),
            E::Received { location, lot, expires_at, quantity, announced, .. } => {
                self.add_to_bin(location, lot.as_ref(), *expires_at, &counters::RECEIVE, *quantity, scene);
                self.incoming -= units_or_none(*announced, scene);
                let served = announced <= quantity && self.incoming >= 0;
                scene.expect(served, Rule::StockNegative, || format!("{announced} of {quantity} were announced"));
            }
            E::Held { order, picks, backordered, settled, buyer, tentative, .. } => {
                let demand = Demand { order: *order, buyer: buyer.as_ref(), settled: *settled, tentative: *tentative };
                self.hold(&demand, picks, *backordered, scene);
            }
            E::HeldMore { order, picks } => self.hold_more(*order, picks, scene),
            E::Confirmed { order } => match self.commitments.get_mut(order) {
                Some(commitment) if commitment.tentative => commitment.tentative = false,
                _ => scene.fault(Rule::CommitmentUnknown, format!("order {order} has no tentative hold to confirm")),
            },
            E::Settled { order } => self.settle(*order, scene),
            E::Released { order, held, allocated, .. } => {
                self.give_back(*order, held, allocated, scene);
                self.forget_if_over(*order);
            }
            E::BackorderFilled { order, picks } => self.fill(*order, picks, scene),
            E::BackorderCancelled { order, quantity } | E::NotDrawn { order, quantity } => {
                let quantity = units(*quantity, scene);
                let buyer = self.wait_less(*order, quantity, scene);
                self.count_for(buyer.as_ref(), -quantity);
                self.forget_if_over(*order);
            }
            E::Shipped { order, picks } => self.ship(*order, picks, scene),
            E::Returned { location, lot, quantity, disposition, buyer, .. } => {
                let steps: &[Step] = match disposition {
                    Disposition::Restock => &counters::RESTOCK,
                    Disposition::QualityControl => &counters::RETURN_TO_QUALITY_CONTROL,
                    Disposition::WriteOff => &counters::RETURN_WRITTEN_OFF,
                };
                self.add_to_bin(location, lot.as_ref(), None, steps, *quantity, scene);
                self.count_for(buyer.as_ref(), -units_or_none(*quantity, scene));
            }
            E::AdjustedUp { location, lot, quantity, .. } => {
                self.add_to_bin(location, lot.as_ref(), None, &counters::ADJUST_UP, *quantity, scene);
            }
            E::AdjustedDown { picks, .. } => picks.iter().for_each(|pick| {
                self.shift(pick, &counters::ADJUST_DOWN, scene);
            }),
            E::Displaced { order, held, allocated } => self.displace(*order, held, allocated, scene),
            E::Reclassified { pick, from, to } => {
                self.shift(pick, &counters::reclassify(*from, *to), scene);
            }
            E::LotExpired { pick } => {
                self.shift(pick, &counters::EXPIRE, scene);
            }
            E::WrittenOff { pick, from, .. } => {
                self.shift(pick, &counters::write_off(*from), scene);
            }
            E::TransferredOut { pick, .. } => self.in_transit += self.shift(pick, &counters::TRANSFER_OUT, scene),
            E::TransferredIn { location, lot, expires_at, quantity } => {
                self.add_to_bin(location, lot.as_ref(), *expires_at, &counters::TRANSFER_IN, *quantity, scene);
                self.arrive(*quantity, scene);
            }
            E::TransferLost { quantity } => {
                self.arrive(*quantity, scene);
                self.lost += units_or_none(*quantity, scene);
            }
            E::AnnouncementWithdrawn { quantity, .. } => self.withdraw(units(*quantity, scene), scene),
            E::Unpromised { order, quantity } => {
                self.check_broken_promise(*order, units_or_none(*quantity, scene), scene);
            }
            E::ShippedShort { quantity, .. } => self.displaced_shipped(*quantity, scene),
            E::Drawn { seed } => self.draw(seed, scene),
            E::Market(event) => self.trade(event, scene),
            E::Untold { order } => {
                let is_new = self.untold.insert(*order);
                scene.expect(is_new, Rule::CommitmentUnknown, || format!("order {order} was yet to hear already"));
            }
            E::Heard { order } => {
                let was_told = self.untold.remove(order);
                scene.expect(was_told, Rule::CommitmentUnknown, || format!("order {order} heard what nobody told"));
            }
            E::Handled { order, step } => {
                let before = self.handled.insert(*order, *step);
                let again = before.is_some_and(|before| before >= *step);
                scene
                    .expect(!again, Rule::CommitmentUnknown, || format!("step {step} of order {order} was done twice"));
            }
            E::LowStock { available, level } => {
                self.alarms
                    .tell(Warning::LowStock(units_or_none(*available, scene), units_or_none(*level, scene)), scene);
            }
            E::OversoldRisk { backordered, incoming } => {
                let (backordered, incoming) = (units_or_none(*backordered, scene), units_or_none(*incoming, scene));
                self.alarms.tell(Warning::OversoldRisk(backordered, incoming), scene);
            }
        }
    }

    fn trade(&mut self, event: &MarketEvent, scene: &mut Scene<'_>) {
        let house = self.house(scene.now);
        let takes = matches!(event, MarketEvent::Offered { .. } | MarketEvent::Bid { .. });
        let sells = self.definition.as_ref().is_some_and(|definition| definition.status == SkuStatus::Active);
        scene.expect(sells || !takes, Rule::SkuNotSellable, || "a book took supply or demand that is closed".into());
        let counted = self.market.get_or_insert_default().take(event, house, scene);
        if let Some((buyer, units)) = counted {
            self.count_for(Some(&buyer), units);
            self.check_limit(Some(&buyer), scene);
        }
    }

    /// What the house sells through the book: nothing while somebody waits for it, or where a rule of admission gives it.
    fn house(&self, now: Timestamp) -> House {
        let Some(definition) = &self.definition else { return House::default() };
        let price = Some(definition.price.amount.0);
        let sells = definition.status == SkuStatus::Active
            && definition.kit.is_none()
            && definition.admission.is_none()
            && self.queue.is_empty();
        if self.market.is_none() || !sells {
            return House { price, available: 0 };
        }
        let safety = i64::try_from(definition.safety_level).unwrap_or(i64::MAX);
        let mut by_location: BTreeMap<&Location, i64> = BTreeMap::new();
        for bin in self.bins.iter().filter(|bin| bin.expires_at.is_none_or(|at| at > now)) {
            *by_location.entry(&bin.location).or_default() += bin.counts.get(Count::Free);
        }
        House { price, available: by_location.values().map(|free| (free - safety).max(0)).sum() }
    }

    /// The end of a record: the book is at rest, and what began with the record was told by it.
    pub(super) fn rest(&mut self, must_tell: bool, scene: &mut Scene<'_>) {
        self.check_alarms(must_tell, scene);
        let house = self.house(scene.now);
        if let Some(market) = &mut self.market {
            market.look_over(&house, scene);
        }
    }

    fn arrive(&mut self, quantity: Quantity, scene: &mut Scene<'_>) {
        self.in_transit -= units_or_none(quantity, scene);
        let left = self.in_transit;
        scene.expect(left >= 0, Rule::StockNegative, || format!("{left} in transit"));
    }

    fn hold(&mut self, demand: &Demand<'_>, picks: &[Pick], backordered: Quantity, scene: &mut Scene<'_>) {
        let waiting = units_or_none(backordered, scene);
        let filled: i64 = picks.iter().map(|pick| units(pick.quantity, scene)).sum();
        scene.expect(filled + waiting > 0, Rule::QuantityInvalid, || "a demand of nothing was recorded".into());
        let sells = self.definition.as_ref().is_some_and(|definition| definition.status == SkuStatus::Active);
        scene.expect(sells, Rule::SkuNotSellable, || "demand was recorded for a SKU that does not sell".into());
        scene.expect(filled == 0 || self.queue.is_empty(), Rule::BackorderTurn, || {
            format!("order {} got {filled} units before {} who waited already", demand.order, self.queue.len())
        });
        let steps = if demand.settled { &counters::HOLD_SETTLED } else { &counters::HOLD };
        self.promise(picks, steps, scene);
        let ordinal = self.ordinal_next;
        self.ordinal_next += 1;
        let share = |pick: &Pick| {
            let (held, allocated) = if demand.settled { (0, clamp(pick)) } else { (clamp(pick), 0) };
            Share { bin: pick.bin, held, allocated }
        };
        let commitment = Commitment {
            shares: picks.iter().map(share).collect(),
            waiting,
            ordinal,
            is_entry: filled == 0 && self.lets_wait(),
            buyer: demand.buyer.cloned(),
            tentative: demand.tentative,
            since: scene.now,
            first_seq: scene.seq,
        };
        let before = self.commitments.insert(demand.order, commitment);
        if let Some(before) = before {
            self.queue.remove(&before.ordinal);
            scene.fault(Rule::CommitmentTwice, format!("order {} has units of this SKU already", demand.order));
        }
        if waiting > 0 {
            self.queue.insert(ordinal, demand.order);
            self.check_line(scene);
        }
        self.count_for(demand.buyer, filled + waiting);
        self.check_limit(demand.buyer, scene);
    }

    /// An order that was changed has got more: nobody may have waited for it.
    fn hold_more(&mut self, order: OrderId, picks: &[Pick], scene: &mut Scene<'_>) {
        let filled: i64 = picks.iter().map(|pick| units(pick.quantity, scene)).sum();
        scene.expect(filled > 0, Rule::QuantityInvalid, || "nothing more was held".into());
        let sells = self.definition.as_ref().is_some_and(|definition| definition.status == SkuStatus::Active);
        scene.expect(sells, Rule::SkuNotSellable, || "more was recorded of a SKU that does not sell".into());
        scene.expect(self.queue.is_empty(), Rule::BackorderTurn, || {
            format!("order {order} got {filled} units more before {} who waited already", self.queue.len())
        });
        self.promise(picks, &counters::HOLD, scene);
        let Some(commitment) = self.commitments.get_mut(&order) else {
            return scene
                .fault(Rule::CommitmentUnknown, format!("order {order} had nothing that more could be added to"));
        };
        commitment.add_held(picks);
        let buyer = commitment.buyer.clone();
        self.count_for(buyer.as_ref(), filled);
        if buyer.is_some() {
            self.check_limit(buyer.as_ref(), scene);
        }
    }

    fn check_limit(&self, buyer: Option<&CustomerId>, scene: &mut Scene<'_>) {
        let limit = self.definition.as_ref().and_then(|definition| definition.limit_per_customer);
        let taken = buyer.and_then(|buyer| self.taken.get(buyer)).copied().unwrap_or(0);
        if let Some(limit) = limit {
            let within = buyer.is_some() && taken <= i64::try_from(limit).unwrap_or(i64::MAX);
            scene.expect(within, Rule::CustomerLimit, || format!("{buyer:?} has {taken} units, the limit is {limit}"));
        }
    }

    /// Takes free units for an order: they must be there, sellable, and not the safety stock.
    fn promise(&mut self, picks: &[Pick], steps: &[Step], scene: &mut Scene<'_>) {
        for pick in picks {
            let Some(bin) = self.bins.get(pick.bin as usize) else {
                scene.fault(Rule::BinUnknown, format!("bin {} does not exist", pick.bin));
                continue;
            };
            let short = clamp(pick) - bin.counts.get(Count::Free);
            if short > 0 {
                self.oversold += short.unsigned_abs();
                scene
                    .fault(Rule::Oversold, format!("{} units were promised, {short} of them not there", pick.quantity));
            }
            let is_past = bin.expires_at.is_some_and(|at| at <= scene.now);
            scene.expect(!is_past, Rule::ExpiredSold, || format!("bin {} was past its date", pick.bin));
            self.shift(pick, steps, scene);
        }
        let safety = self.definition.as_ref().map_or(0, |definition| definition.safety_level);
        if safety == 0 {
            return;
        }
        for pick in picks {
            let Some(location) = self.bins.get(pick.bin as usize).map(|bin| &bin.location) else { continue };
            let there = self.bins.iter().filter(|bin| bin.location == *location);
            let fresh = there.filter(|bin| bin.expires_at.is_none_or(|at| at > scene.now));
            let free: i64 = fresh.map(|bin| bin.counts.get(Count::Free)).sum();
            let kept = free >= i64::try_from(safety).unwrap_or(i64::MAX);
            scene.expect(kept, Rule::SafetyLevel, || format!("{free} units are left at {location}, {safety} must be"));
        }
    }

    fn settle(&mut self, order: OrderId, scene: &mut Scene<'_>) {
        let Some(commitment) = self.commitments.get_mut(&order).filter(|commitment| commitment.held() > 0) else {
            return scene.fault(Rule::CommitmentUnknown, format!("order {order} holds nothing that could be settled"));
        };
        commitment.tentative = false;
        let mut moved: SmallVec<[Pick; 1]> = SmallVec::new();
        for share in commitment.shares.iter_mut().filter(|share| share.held > 0) {
            moved.push(Pick { bin: share.bin, quantity: share.held.unsigned_abs() });
            share.allocated += std::mem::take(&mut share.held);
        }
        moved.iter().for_each(|pick| {
            self.shift(pick, &counters::SETTLE, scene);
        });
    }

    /// Moves units of an order back to the free stock.
    fn give_back(&mut self, order: OrderId, held: &[Pick], allocated: &[Pick], scene: &mut Scene<'_>) {
        let sum: i64 = held.iter().chain(allocated).map(clamp).sum();
        scene.expect(sum > 0, Rule::QuantityInvalid, || "nothing was given back".into());
        for (picks, steps, of_held) in [(held, &counters::RELEASE, true), (allocated, &counters::UNALLOCATE, false)] {
            for pick in picks {
                self.take_share(order, pick, of_held, scene);
                self.shift(pick, steps, scene);
            }
        }
        let buyer = self.commitments.get(&order).and_then(|commitment| commitment.buyer.clone());
        self.count_for(buyer.as_ref(), -sum);
    }

    /// Takes units out of what an order has in a bin.
    fn take_share(&mut self, order: OrderId, pick: &Pick, of_held: bool, scene: &mut Scene<'_>) {
        let shares = self.commitments.get_mut(&order).map(|commitment| &mut commitment.shares);
        let share = shares.and_then(|shares| shares.iter_mut().find(|share| share.bin == pick.bin));
        let wanted = clamp(pick);
        let what = if of_held { "held" } else { "allocated" };
        let Some(share) = share else {
            return scene
                .fault(Rule::CommitmentUnknown, format!("order {order} has nothing {what} in bin {}", pick.bin));
        };
        let has = if of_held { &mut share.held } else { &mut share.allocated };
        let there = *has;
        *has = (*has - wanted).max(0);
        scene.expect(there >= wanted, Rule::CommitmentUnknown, || {
            format!("order {order} has {there} units {what} in bin {}, {wanted} ended", pick.bin)
        });
    }

    fn displace(&mut self, order: OrderId, held: &[Pick], allocated: &[Pick], scene: &mut Scene<'_>) {
        let quantity: i64 = held.iter().chain(allocated).map(clamp).sum();
        self.displaced += quantity.unsigned_abs();
        self.give_back(order, held, allocated, scene);
        let Some(commitment) = self.commitments.get_mut(&order) else { return };
        commitment.waiting += quantity;
        let buyer = commitment.buyer.clone();
        self.queue.insert(commitment.ordinal, order);
        self.count_for(buyer.as_ref(), quantity);
    }

    fn fill(&mut self, order: OrderId, picks: &[Pick], scene: &mut Scene<'_>) {
        let quantity: i64 = picks.iter().map(|pick| units(pick.quantity, scene)).sum();
        self.check_turn(order, quantity, scene);
        self.promise(picks, &counters::HOLD, scene);
        self.wait_less(order, quantity, scene);
        let Some(commitment) = self.commitments.get_mut(&order) else { return };
        commitment.add_held(picks);
    }

    /// Takes units off what an order waits for, and says who counts them against the limit.
    fn wait_less(&mut self, order: OrderId, quantity: i64, scene: &mut Scene<'_>) -> Option<CustomerId> {
        let commitment = self.commitments.get_mut(&order);
        let waits = commitment.as_ref().map_or(0, |commitment| commitment.waiting);
        scene.expect(waits >= quantity, Rule::CommitmentUnknown, || {
            format!("order {order} waits for {waits} units, {quantity} ended")
        });
        let commitment = commitment?;
        commitment.waiting = (waits - quantity).max(0);
        if commitment.waiting == 0 {
            commitment.is_entry = false;
            self.queue.remove(&commitment.ordinal);
        }
        commitment.buyer.clone()
    }

    fn ship(&mut self, order: OrderId, picks: &[Pick], scene: &mut Scene<'_>) {
        let sum: i64 = picks.iter().map(clamp).sum();
        scene.expect(sum > 0, Rule::QuantityInvalid, || "nothing was shipped".into());
        for pick in picks {
            self.take_share(order, pick, false, scene);
            self.shift(pick, &counters::SHIP, scene);
        }
        self.forget_if_over(order);
    }

    /// Units that were shipped after a shortfall had taken them: they are gone from the house already.
    fn displaced_shipped(&mut self, quantity: Quantity, scene: &mut Scene<'_>) {
        self.displaced += units(quantity, scene).unsigned_abs();
    }

    fn forget_if_over(&mut self, order: OrderId) {
        if self.commitments.get(&order).is_some_and(Commitment::is_over) {
            self.commitments.remove(&order);
        }
    }

    fn count_for(&mut self, buyer: Option<&CustomerId>, change: i64) {
        let Some(buyer) = buyer else { return };
        match self.taken.get_mut(buyer) {
            Some(taken) => *taken = (*taken + change).max(0),
            None if change > 0 => {
                self.taken.insert(buyer.clone(), change);
            }
            None => {}
        }
    }

    /// Moves units of a bin that must exist; says how many.
    fn shift(&mut self, pick: &Pick, steps: &[Step], scene: &mut Scene<'_>) -> i64 {
        let moved = units(pick.quantity, scene);
        match self.bins.get_mut(pick.bin as usize) {
            Some(bin) => shift(&mut bin.counts, steps, moved, scene),
            None => scene.fault(Rule::BinUnknown, format!("bin {} does not exist", pick.bin)),
        }
        moved
    }

    /// Moves units into a location and lot, which come into being with their first units.
    fn add_to_bin(
        &mut self,
        location: &Location,
        lot: Option<&Lot>,
        expires_at: Option<Timestamp>,
        steps: &[Step],
        quantity: Quantity,
        scene: &mut Scene<'_>,
    ) {
        scene.expect(self.definition.is_some(), Rule::SkuNotSellable, || "stock of an undefined SKU".into());
        // Units without a lot are told apart by their date.
        let at = self.bins.iter().position(|bin| {
            bin.location == *location && bin.lot.as_ref() == lot && (lot.is_some() || bin.expires_at == expires_at)
        });
        let at = at.unwrap_or_else(|| {
            let counts = Counts::default();
            self.bins.push(Bin { location: location.clone(), lot: lot.cloned(), expires_at, counts });
            self.bins.len() - 1
        });
        let moved = units(quantity, scene);
        // A lot that was met without its date takes the date when it comes.
        self.bins[at].expires_at = self.bins[at].expires_at.or(expires_at);
        shift(&mut self.bins[at].counts, steps, moved, scene);
    }

    /// Units that wait.
    pub(super) fn waiting(&self) -> i64 {
        self.queue.values().filter_map(|order| self.commitments.get(order)).map(|commitment| commitment.waiting).sum()
    }

    /// What only the whole shows: the identities, and that held and allocated units are those of the orders.
    pub(super) fn check(&self, actor: &dyn std::fmt::Display, faults: &mut Faults) {
        let mut committed = vec![(0, 0); self.bins.len()];
        for share in self.commitments.values().flat_map(|commitment| &commitment.shares) {
            if let Some((held, allocated)) = committed.get_mut(share.bin as usize) {
                *held += share.held;
                *allocated += share.allocated;
            }
        }
        for (at, (bin, committed)) in self.bins.iter().zip(committed).enumerate() {
            let counted = (bin.counts.get(Count::Held), bin.counts.get(Count::Allocated));
            if counted != committed {
                let detail = format!("bin {at} has {counted:?} held and allocated, the orders have {committed:?}");
                faults.add(self.last_seq, actor, Rule::StockIdentity, detail);
            }
        }
    }
}

struct Demand<'a> {
    order: OrderId,
    buyer: Option<&'a CustomerId>,
    settled: bool,
    tentative: bool,
}

fn shift(counts: &mut Counts, steps: &[Step], moved: i64, scene: &mut Scene<'_>) {
    let was_negative = counts.negative().is_some();
    counts.shift(steps, moved);
    // A counter that stays wrong is reported once, not with every record after.
    if let (Some((name, value)), false) = (counts.negative(), was_negative) {
        scene.fault(Rule::StockNegative, format!("{name} is {value}"));
    }
    if let Some(imbalance) = counts.imbalance() {
        scene.fault(Rule::StockIdentity, imbalance);
    }
}

/// Units within bounds and not zero; anything else is reported and counted as the nearest that is.
fn units(quantity: Quantity, scene: &mut Scene<'_>) -> i64 {
    scene.expect(quantity > 0, Rule::QuantityInvalid, || "a quantity of zero was recorded".into());
    units_or_none(quantity, scene)
}

fn units_or_none(quantity: Quantity, scene: &mut Scene<'_>) -> i64 {
    let units = i64::try_from(quantity).unwrap_or(i64::MAX).min(UNITS_MAX);
    scene.expect(units < UNITS_MAX, Rule::QuantityInvalid, || format!("{quantity} units are beyond any bound"));
    units
}

fn clamp(pick: &Pick) -> i64 {
    i64::try_from(pick.quantity).unwrap_or(i64::MAX).min(UNITS_MAX)
}
