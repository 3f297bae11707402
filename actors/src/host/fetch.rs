//! Fetching what a turn is about to need.
//!
//! Each order touches a SKU, a wallet and owners of uses that nobody has touched for a while, and deciding it waits for one
//! piece of memory after the other. Looked at beforehand, for all orders of a turn and a kind at a time, they are fetched
//! side by side.

use std::hint::black_box;

use smallvec::SmallVec;
use stockade_domain::promotion::uses::Subject;
use stockade_domain::{CustomerId, OrderId};

use super::{Host, TURN_MESSAGES_MAX};
use crate::command::Command;
use crate::mailbox::Incoming;

/// Fewer orders than this are not worth a look.
const ORDERS_MIN: usize = 8;
/// More lines than this would only push each other out of the cache.
const LINES_MAX: usize = 1_024;
/// So many promotions of the last order are looked at for each of the next.
const PROMOTIONS_MAX: usize = 2;

impl Host {
    /// Looks at what the orders of the turn that begins will look at. Decides and changes nothing.
    pub(super) fn fetch_ahead(&self) {
        let placed = self.batch.iter().take(TURN_MESSAGES_MAX).filter_map(|incoming| match incoming {
            Incoming::Command(envelope) => match &envelope.command {
                Command::Place { order, .. } => Some(order),
                _ => None,
            },
            _ => None,
        });
        let orders: SmallVec<[_; TURN_MESSAGES_MAX]> = placed.collect();
        if orders.len() < ORDERS_MIN {
            return;
        }
        let skus = orders.iter().flat_map(|order| order.lines.iter().map(|line| (order.id, &line.sku))).take(LINES_MAX);
        let stocks: SmallVec<[(OrderId, _); TURN_MESSAGES_MAX]> =
            skus.filter_map(|(id, sku)| Some((id, self.skus.get(sku)?))).collect();
        let customers = orders.iter().filter_map(|order| order.customer.as_ref());
        let wallets: SmallVec<[_; TURN_MESSAGES_MAX]> =
            customers.filter_map(|customer| self.accounts.get(customer)).collect();
        // What is seen means nothing: it only must be looked at.
        let mut seen = 0;
        for (id, hosted) in &stocks {
            seen ^= usize::from(hosted.state.commitments.contains_key(id));
        }
        for hosted in &wallets {
            seen ^= hosted.state.balance.0 as usize;
        }
        for order in &orders {
            let Some(wish) = &order.promotions else { continue };
            for code in &wish.coupons {
                seen ^= self.uses_so_far(&Subject::Coupon(code.clone()), order.customer.as_ref());
            }
        }
        // Promotions are not named by orders, but those of the last one are likely to be those of the next.
        let promotions = self.promoted_last.iter().filter(|(subject, _)| matches!(subject, Subject::Promotion(_)));
        for (subject, _) in promotions.take(PROMOTIONS_MAX) {
            for order in &orders {
                seen ^= self.uses_so_far(subject, order.customer.as_ref());
            }
        }
        black_box(seen);
    }

    fn uses_so_far(&self, subject: &Subject, customer: Option<&CustomerId>) -> usize {
        let hosted = self.uses.get(subject);
        hosted.zip(customer).map_or(0, |(hosted, customer)| hosted.state.of_customer(customer) as usize)
    }
}
