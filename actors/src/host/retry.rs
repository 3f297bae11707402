//! A card payment that failed is tried again: as a new payment of its order, with the same token and amount.

use stockade_domain::entity::EntityKey;
use stockade_domain::order;
use stockade_domain::payment::{PaymentEvent, first_call};
use stockade_domain::{Money, PaymentId, Refusal};

use super::{Handled, Host};
use crate::faults::MailboxFault;

impl Host {
    /// The answer is the new payment. Nobody is notified: to the public its order's payment is pending again.
    pub(super) fn retry_payment(&mut self, id: PaymentId) -> Result<Handled, Refusal> {
        self.crash_point(&MailboxFault::CrashBefore, || EntityKey::Payment(id));
        let not_found = || Refusal::NotFound { what: format!("payment {id}") };
        let failed = self.load_payment(id).ok_or_else(not_found)?.state.clone();
        failed.check_retry()?;
        let now = self.now;
        let hosted = self.load_order(failed.order).filter(|hosted| !Self::is_refused(&hosted.state));
        let order = &hosted.filter(|hosted| hosted.state.payment_number(id).is_some()).ok_or_else(not_found)?.state;
        let events = order::retry(order, id, now)?;
        let (number, currency) = (order.payments.len(), order.currency);
        self.change_order(failed.order, &events);
        let again = &self.orders.get(&failed.order).expect("the order is loaded").state.payments[number];
        let (again, money) = (again.id, Money::new(again.amount, currency));
        let created = PaymentEvent::Created {
            order: failed.order,
            method: failed.method,
            money,
            payer: failed.payer.clone(),
            credential: failed.credential.clone(),
            capture_later: failed.captures_later(),
            overcapture: self.permitted_overcapture(failed.method, money),
            retry_of: Some(id),
        };
        self.create_payment(again, &created, &[]);
        self.crash_point(&MailboxFault::CrashAfter, || EntityKey::Payment(again));
        let call = first_call(&self.payments.get(&again).expect("it was just made").state);
        call.into_iter().for_each(|call| self.effects.call_gateway(call));
        self.read_payment(again)
    }
}
