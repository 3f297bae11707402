//! What can be seen of a market.

use super::Market;
use super::party::Party;
use crate::book::{LevelDepth, Matcher, Side};
use crate::stock::{Setting, Stock};
use crate::{Amount, BookOrderId, CustomerId, Money, Quantity};

/// The depth of a SKU's book: offers and bids by price, the house apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookLevels {
    /// Events of the book so far; the increments that follow are numbered on from here.
    pub sequence: u64,
    /// What the house sells now, and at what price; nothing while somebody waits for it.
    pub house: Option<(Amount, Quantity)>,
    /// Offers, the cheapest first.
    pub offers: Vec<LevelDepth>,
    /// Bids, the highest first.
    pub bids: Vec<LevelDepth>,
    /// In what all prices are.
    pub currency: crate::Currency,
}

/// An offer or bid with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyView {
    /// Its id.
    pub id: BookOrderId,
    /// As it stands.
    pub party: Party,
    /// In what its price is.
    pub price: Money,
}

impl Market {
    /// The offer or bid that the request with this digest has made.
    pub fn made_by(&self, side: Side, digest: u64) -> Option<BookOrderId> {
        let made = |(_, party): &(&BookOrderId, &Party)| party.side == side && party.body_digest == digest;
        self.parties.iter().filter(made).map(|(id, _)| *id).min()
    }
}

impl Stock {
    /// The depth of the book, at most so many levels of each side; none if the SKU is not defined.
    pub fn book_levels(&self, setting: &Setting<'_>, levels: usize) -> Option<BookLevels> {
        let currency = self.definition.as_ref()?.price.currency;
        let depth = |side| self.market().map_or_else(Vec::new, |market| market.book.depth(side, levels));
        Some(BookLevels {
            sequence: self.market().map_or(0, |market| market.book.sequence()),
            house: self.house(setting).map(|house| (Amount(house.price), house.available)),
            offers: depth(Side::Supply),
            bids: depth(Side::Demand),
            currency,
        })
    }

    /// The offer or bid with this id.
    pub fn party_view(&self, id: BookOrderId, side: Side) -> Option<PartyView> {
        let market = self.market()?;
        let party = market.party(id).filter(|party| party.side == side)?.clone();
        let price = Money::new(party.price, self.definition.as_ref()?.price.currency);
        Some(PartyView { id, price, party })
    }

    /// Offers or bids with open units, in priority order: of one owner or of all, at most `limit` after the one with
    /// this id. One that has ended meanwhile is where nothing follows.
    pub fn party_views(
        &self,
        side: Side,
        owner: Option<&CustomerId>,
        after: Option<BookOrderId>,
        limit: usize,
    ) -> Vec<PartyView> {
        let orders = self.market().map_or_else(Vec::new, |market| market.book.orders(side));
        let start = after.map_or(0, |after| {
            orders.iter().position(|order| order.id == after).map_or(orders.len(), |place| place + 1)
        });
        let is_theirs = |id: BookOrderId| {
            let party = self.market().and_then(|market| market.party(id));
            owner.is_none_or(|owner| party.is_some_and(|party| party.owner == *owner))
        };
        let theirs = orders[start..].iter().map(|order| order.id).filter(|id| is_theirs(*id));
        theirs.filter_map(|id| self.party_view(id, side)).take(limit).collect()
    }
}
