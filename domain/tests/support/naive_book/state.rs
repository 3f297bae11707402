//! Orders, fills, and what each event does to them.

use stockade_domain::book::{
    BookConfig, BookEvent, FillId, FillMode, Key, Maker, Owner, Price, SelfTrade, Side, Source, Terms,
};
use stockade_domain::{Quantity, Timestamp};

/// An order that stands or has held units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order<K> {
    pub id: K,
    pub owner: Owner,
    pub side: Side,
    pub price: Price,
    pub ordinal: u64,
    pub terms: Terms,
    /// Units that can be had now.
    pub open: Quantity,
    /// Units behind what an iceberg shows.
    pub reserve: Quantity,
    pub held: Quantity,
    pub sold: Quantity,
    pub withdrawn: Quantity,
    /// Held units that are withdrawn when they come back.
    pub doomed: Quantity,
    /// It has traded: its minimum binds no more.
    pub has_traded: bool,
    /// It was cancelled or has expired; held units may be left of it.
    pub has_ended: bool,
}

impl<K> Order<K> {
    /// Something of it is open, or may come back to it.
    pub fn stands(&self) -> bool {
        self.standing() > 0
    }

    pub fn standing(&self) -> Quantity {
        self.unfilled() + self.held - self.doomed
    }

    /// Open units, shown or not.
    pub fn unfilled(&self) -> Quantity {
        self.open + self.reserve
    }

    /// The least it trades at once now.
    pub fn least(&self) -> Quantity {
        if self.has_traded { 1 } else { self.terms.minimum.min(self.unfilled()).max(1) }
    }

    pub fn has_unmet_minimum(&self) -> bool {
        !self.has_traded && self.terms.minimum > 1
    }

    /// An iceberg shows its slice of what is unfilled.
    fn show(&mut self, unfilled: Quantity) {
        self.open = self.terms.displayed.map_or(unfilled, |displayed| displayed.min(unfilled));
        self.reserve = unfilled - self.open;
    }
}

/// Held units of two parties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill<K> {
    pub id: FillId,
    pub supply: Maker<K>,
    pub demand: K,
    pub price: Price,
    pub held: Quantity,
    /// The party that was immediate and so has no place to return to.
    pub immediate: Option<Side>,
}

/// The slow book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NaiveBook<K> {
    pub(super) config: BookConfig,
    pub(super) orders: Vec<Order<K>>,
    pub(super) fills: Vec<Fill<K>>,
    pub(super) sequence: u64,
    pub(super) fills_made: u64,
    pub(super) ordinals_given: u64,
    pub(super) in_auction: bool,
}

impl<K: Key> NaiveBook<K> {
    /// An empty book.
    pub fn new(config: BookConfig) -> Self {
        Self {
            config,
            orders: Vec::new(),
            fills: Vec::new(),
            sequence: 0,
            fills_made: 0,
            ordinals_given: 0,
            in_auction: false,
        }
    }

    pub(super) fn find(&self, id: K) -> Option<&Order<K>> {
        self.orders.iter().find(|order| order.id == id)
    }

    fn find_mut(&mut self, id: K) -> Option<&mut Order<K>> {
        self.orders.iter_mut().find(|order| order.id == id)
    }

    /// The order of a party of a fill, unless that party was immediate or the house.
    fn party_mut(&mut self, fill: &Fill<K>, side: Side) -> Option<&mut Order<K>> {
        if fill.immediate == Some(side) {
            return None;
        }
        match (side, fill.supply) {
            (Side::Demand, _) => self.find_mut(fill.demand),
            (Side::Supply, Maker::Order(id)) => self.find_mut(id),
            (Side::Supply, Maker::House) => None,
        }
    }

    /// Orders of a side with open units, best price first, then by ordinal.
    pub(super) fn queue(&self, side: Side) -> Vec<Order<K>> {
        let mut queue: Vec<_> =
            self.orders.iter().filter(|order| order.side == side && order.open > 0).cloned().collect();
        queue.sort_by_key(|order| (rank(side, order.price), order.ordinal));
        queue
    }

    /// Makes a fact true and tells it.
    pub(super) fn tell(&mut self, event: BookEvent<K>, events: &mut Vec<BookEvent<K>>) {
        self.make_true(&event);
        events.push(event);
    }

    /// Makes a fact true.
    pub(super) fn make_true(&mut self, event: &BookEvent<K>) {
        self.sequence += 1;
        match *event {
            BookEvent::Placed { id, owner, side, price, quantity, ordinal, terms } => {
                let mut order = Order {
                    id,
                    owner,
                    side,
                    price,
                    ordinal,
                    terms,
                    open: 0,
                    reserve: 0,
                    held: 0,
                    sold: 0,
                    withdrawn: 0,
                    doomed: 0,
                    has_traded: false,
                    has_ended: false,
                };
                order.show(quantity);
                self.orders.push(order);
                self.ordinals_given = ordinal;
            }
            BookEvent::Filled { fill, maker, taker, side, price, quantity } => {
                self.make_filled(fill, maker, taker, side, price, quantity);
            }
            BookEvent::Ended { id, .. } => {
                if let Some(order) = self.find_mut(id) {
                    order.withdrawn += order.unfilled();
                    order.show(0);
                    order.has_ended = true;
                    order.doomed = order.held;
                }
            }
            BookEvent::Reduced { id, quantity, .. } => {
                if let Some(order) = self.find_mut(id) {
                    let now = quantity.min(order.unfilled());
                    let left = order.unfilled() - now;
                    // What an iceberg hides goes first, so that what it shows keeps its place.
                    order.open = order.open.min(left);
                    order.reserve = left - order.open;
                    order.withdrawn += now;
                    order.doomed += quantity - now;
                }
            }
            BookEvent::Amended { id, price, quantity, ordinal } => {
                let order = self.find_mut(id).expect("an amended order stands");
                order.price = price;
                order.ordinal = ordinal;
                order.show(quantity);
                self.ordinals_given = ordinal;
            }
            BookEvent::Refreshed { id, quantity, ordinal } => {
                let order = self.find_mut(id).expect("a refreshed order stands");
                order.reserve -= quantity;
                order.open += quantity;
                order.ordinal = ordinal;
                self.ordinals_given = ordinal;
            }
            BookEvent::Settled { fill, quantity } => self.make_settled(fill, quantity),
            BookEvent::Released { fill, quantity, returns, reopened } => {
                self.make_released(fill, quantity, returns, reopened);
            }
            BookEvent::BandSet { band } => self.config.band = band,
            BookEvent::AuctionOpened => self.in_auction = true,
            BookEvent::Uncrossed { .. } => self.in_auction = false,
        }
        self.forget_finished();
    }

    fn make_filled(&mut self, id: FillId, maker: Maker<K>, taker: K, side: Side, price: Price, quantity: Quantity) {
        self.fills_made = id.0;
        let is_sale = self.config.fills == FillMode::Immediate;
        let trade = |order: &mut Order<K>| {
            order.has_traded = true;
            if is_sale {
                order.sold += quantity;
            } else {
                order.held += quantity;
            }
        };
        if let Maker::Order(maker) = maker {
            let order = self.find_mut(maker).expect("a maker stands");
            // An auction meets all of an iceberg at once, also what it hides.
            let left = order.unfilled() - quantity;
            order.open = order.open.saturating_sub(quantity);
            order.reserve = left - order.open;
            trade(order);
        }
        let immediate = match self.find_mut(taker) {
            Some(order) => {
                // A taker gives of all it has; what it shows is decided when it rests.
                order.show(order.unfilled() - quantity);
                trade(order);
                None
            }
            None => Some(side),
        };
        if !is_sale {
            let (supply, demand) = match (side, maker) {
                (Side::Demand, _) => (maker, taker),
                (Side::Supply, Maker::Order(maker)) => (Maker::Order(taker), maker),
                (Side::Supply, Maker::House) => unreachable!("the house buys nothing"),
            };
            self.fills.push(Fill { id, supply, demand, price, held: quantity, immediate });
        }
    }

    fn make_settled(&mut self, id: FillId, quantity: Quantity) {
        let fill = self.take_held(id, quantity);
        for side in [Side::Supply, Side::Demand] {
            if let Some(order) = self.party_mut(&fill, side) {
                order.held -= quantity;
                order.sold += quantity;
                order.doomed = order.doomed.min(order.held);
            }
        }
    }

    fn make_released(&mut self, id: FillId, quantity: Quantity, returns: Side, reopened: Quantity) {
        let fill = self.take_held(id, quantity);
        if let Some(order) = self.party_mut(&fill, returns.opposite()) {
            order.held -= quantity;
            order.withdrawn += quantity;
            // Withdrawn units are what a reduction asked for, whatever withdrew them.
            order.doomed = order.doomed.saturating_sub(quantity).min(order.held);
        }
        if let Some(order) = self.party_mut(&fill, returns) {
            order.held -= quantity;
            order.withdrawn += quantity - reopened;
            order.doomed = (order.doomed + reopened).saturating_sub(quantity).min(order.held);
            // What an iceberg shows already, keeps its place; what came back hides behind it.
            order.reserve += reopened;
            if order.open == 0 || order.terms.displayed.is_none() {
                order.show(order.unfilled());
            }
        }
    }

    /// Takes units out of a fill; the fill as it was.
    fn take_held(&mut self, id: FillId, quantity: Quantity) -> Fill<K> {
        let fill = self.fills.iter_mut().find(|fill| fill.id == id).expect("the fill is held");
        let before = fill.clone();
        fill.held -= quantity;
        self.fills.retain(|fill| fill.held > 0);
        before
    }

    /// An order without open and held units is history.
    fn forget_finished(&mut self) {
        self.orders.retain(|order| order.unfilled() + order.held > 0);
    }

    /// The rule for a meeting with its own owner.
    pub(super) fn self_trade(&self, wish: Option<SelfTrade>) -> SelfTrade {
        wish.unwrap_or(self.config.self_trade)
    }
}

/// Smaller is better.
pub(super) fn rank(side: Side, price: Price) -> Price {
    match side {
        Side::Supply => price,
        Side::Demand => -price,
    }
}

/// True if a demand of this source may take from this supply.
pub(super) fn may_take(source: Source, supply: Maker<()>, supply_owner: Owner) -> bool {
    match (source, supply) {
        (Source::Anyone, _) | (Source::House, Maker::House) => true,
        (Source::Seller(seller), Maker::Order(())) => seller.same(supply_owner),
        (Source::House, Maker::Order(())) | (Source::Seller(_), Maker::House) => false,
    }
}

/// The time at which an order ends by itself, if it has come.
pub(super) fn is_due(terms: &Terms, now: Timestamp) -> bool {
    terms.expires_at.is_some_and(|at| at <= now)
}
