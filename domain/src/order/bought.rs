//! The order that a fill of a bid makes: what was bought, and how it is to be paid.

use compact_str::CompactString;

use super::event::{LineClaim, OrderEvent, PlacedLine};
use super::request::Tender;
use crate::codec::list;
use crate::payment::Method;
use crate::stock::market::{BidPayment, Bought};
use crate::{Amount, Timestamp};

/// The event that makes the order, and the tender that is to pay it. It is made unpaid: if the payment comes to nothing
/// it waits for another until its deadline.
pub fn place_bought(bought: &Bought, now: Timestamp) -> (OrderEvent, Tender) {
    let line = |line: &crate::stock::market::BoughtLine| PlacedLine {
        sku: bought.sku.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price,
        filled: line.quantity,
        backordered: 0,
        kit: None,
        claim: line
            .claim
            .zip(line.seller.clone())
            .map(|(number, seller)| Box::new(LineClaim { number, seller, commission_bps: bought.commission_bps })),
        discount: Amount::ZERO,
    };
    let placed = OrderEvent::Placed {
        customer: Some(bought.customer.clone()),
        purchaser_key: None,
        currency: bought.currency,
        lines: list::gather(bought.lines.iter().map(line)),
        charges: list::gather(std::iter::empty()),
        payments: list::gather(std::iter::empty()),
        hold_expires_at: now.plus_seconds(bought.hold_ttl_seconds),
        body_digest: 0,
        attempt: 0,
        waiting: false,
        bid: Some(Box::new(bought.bid)),
        promoted: None,
        deferred: None,
    };
    (placed, tender_of_bid(&bought.payment))
}

/// How a bid pays.
pub fn tender_of_bid(payment: &BidPayment) -> Tender {
    match payment {
        BidPayment::Wallet => Tender::by(Method::Wallet),
        BidPayment::Card { token } => {
            Tender { credential: Some(CompactString::clone(token)), ..Tender::by(Method::Card) }
        }
    }
}
