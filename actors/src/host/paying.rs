//! Paying an order from a wallet of another partition: the wallet is asked to hold the money, and the payment begins when
//! it has answered.

use std::time::Duration;

use smallvec::SmallVec;
use stockade_domain::entity::{EntityKey, RemoteStep};
use stockade_domain::order::{self, Tender};
use stockade_domain::{CustomerId, Money, OrderId, PaymentId, Refusal};

use super::place::wallet_payments;
use super::{Handled, Host};
use crate::command::KeyDigest;
use crate::peer::PeerMessage;
use crate::release::{Basis, Reply};

/// An order that is being paid from a wallet of another partition.
pub(super) struct Paying {
    pub(super) order: OrderId,
    /// Which of the home's tries this is.
    pub(super) attempt: u64,
    payments: SmallVec<[Tender; 1]>,
    key: Option<KeyDigest>,
    wait: Duration,
    reply: Option<Reply>,
    customer: CustomerId,
    money: Money,
}

impl Paying {
    /// Whether somebody waits for the outcome.
    pub(super) fn is_awaited(&self) -> bool {
        self.reply.is_some()
    }
}

impl Host {
    /// Asks the wallet; whoever pays is answered when it has answered.
    pub(super) fn pay_across(
        &mut self,
        id: OrderId,
        payments: &[Tender],
        key: Option<KeyDigest>,
        wait: Duration,
        reply: &mut Option<Reply>,
    ) -> Result<Handled, Refusal> {
        let order = &self.load_order(id).expect("it was just loaded").state;
        let due = order.check_payable(order.created_at)?;
        let customer = order.customer.clone().expect("a wallet has an owner");
        let plan = order::plan_payments(due, payments, Some(&customer))?;
        let (first, expires, attempt) = (order.payments.len(), order.hold_expires_at, order.attempt);
        let ids = (first..).map(|number| order::Order::payment_id(id, attempt, number, expires));
        let wallet = wallet_payments(&plan, ids, due.currency);
        let [(payment, money)] = wallet.as_slice() else {
            return Err(Refusal::BodyInvalid { field: "payments", why: "name the wallet once".into() });
        };
        let (payment, money) = (*payment, *money);
        if self.paying.contains_key(&payment) {
            let wanted = "wait for the outcome of the payment that is under way";
            return Err(Refusal::OrderStateInvalid { status: "awaiting_payment", wanted });
        }
        let (payments, reply) = (payments.iter().cloned().collect(), reply.take());
        let home = self.home_of_name(customer.as_str());
        let attempt = self.next_try();
        let paying = Paying { order: id, attempt, payments, key, wait, reply, customer: customer.clone(), money };
        self.paying.insert(payment, paying);
        let of_bid = self.kept_for_bid_of(id);
        let from = self.index;
        self.tell_peer(home, PeerMessage::HoldMoney { attempt, from, order: id, payment, customer, money, of_bid });
        self.agenda.ask_again(self.now, EntityKey::Order(id));
        Ok(Handled::Kept)
    }

    /// Repeats unanswered questions to wallets of other partitions.
    pub(super) fn retry_paying(&mut self, id: OrderId) {
        let open = self.paying.iter().filter(|(_, paying)| paying.order == id);
        let open: Vec<_> = open.map(|(id, of)| (*id, of.attempt, of.customer.clone(), of.money)).collect();
        for (payment, attempt, customer, money) in open {
            let (home, of_bid) = (self.home_of_name(customer.as_str()), self.kept_for_bid_of(id));
            self.tell_peer(
                home,
                PeerMessage::HoldMoney { attempt, from: self.index, order: id, payment, customer, money, of_bid },
            );
            self.agenda.ask_again(self.now, EntityKey::Order(id));
        }
    }

    pub(super) fn pay_with_held_money(&mut self, paying: Paying, payment: PaymentId, result: Result<(), Refusal>) {
        let Paying { order: id, attempt, payments, key, wait, mut reply, customer, money } = paying;
        let now = self.now;
        let outcome = result.and_then(|()| {
            // The order may have changed while the wallet was asked.
            let order = &self.load_order(id).ok_or(Refusal::HoldExpired)?.state;
            let due = order.check_payable(now)?;
            let plan = order::plan_payments(due, &payments, Some(&customer))?;
            let ids = (order.payments.len()..)
                .map(|number| order::Order::payment_id(id, order.attempt, number, order.hold_expires_at));
            // The very payment that the wallet was asked for, with another deadline or number it is another one.
            if wallet_payments(&plan, ids, due.currency).as_slice() != [(payment, money)] {
                return Err(Refusal::OrderStateInvalid {
                    status: order.status().name(),
                    wanted: "it changed: pay again",
                });
            }
            Ok(plan)
        });
        match outcome {
            Ok(plan) => {
                self.record_payment_start(id, &plan, key);
                if !plan.needs_gateway() {
                    self.owe_step(id, RemoteStep::AccountSettle { customer, payment });
                }
                if let Ok(Handled::Answered(answer, basis)) = self.answer_when_known(id, wait, false, &mut reply) {
                    self.answer(reply, Ok(answer), basis);
                }
            }
            Err(refusal) => {
                let home = self.home_of_name(customer.as_str());
                self.tell_peer(home, PeerMessage::AbortMoney { attempt, payment, customer });
                self.answer(reply, Err(refusal), Basis::Turn);
            }
        }
    }
}
