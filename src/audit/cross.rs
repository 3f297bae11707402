//! What the actors say of each other, compared when all records are in.
//!
//! Actors of one partition change together, in one turn; between partitions a step follows later. So a difference is
//! a fault unless the order's own record still owes the step that explains it, or the end of the journal cut the
//! step off: those are counted as in flight.

use stockade_domain::entity::{EntityKey, RemoteStep};
use stockade_domain::order::Outcome;
use stockade_domain::payment::{Method, PaymentState, Stage};
use stockade_domain::{OrderId, PaymentId, SkuId, Timestamp};

use super::Auditor;
use super::account::ForPayment;
use super::ledger::Sums;
use super::order::{Order, Pay};
use super::payment::Payment;
use super::report::Rule;
use super::stock::{Commitment, Flow, Sku};

/// A hold whose order is not recorded yet is asked about after a few seconds; this old, it is a leak.
const YOUNG_MICROS: i64 = 120 * 1_000_000;
/// The same in records, for an engine that was stopped and started again.
const YOUNG_RECORDS: u64 = 4096;

/// So many of those in flight are named.
const IN_FLIGHT_NAMED: usize = 20;

/// How a comparison ended.
pub(super) enum Verdict {
    Agrees,
    InFlight,
    Differs(Rule, String),
}

use Verdict::{Agrees, Differs, InFlight};

impl Auditor {
    pub(super) fn cross_check(&mut self) {
        let mut verdicts: Vec<(u64, String, Verdict)> = Vec::new();
        self.compare_stock(&mut verdicts);
        self.compare_claims(&mut verdicts);
        self.compare_bids(&mut verdicts);
        self.compare_flows(&mut verdicts);
        self.compare_uses(&mut verdicts);
        self.compare_payments(&mut verdicts);
        let wallets = self.compare_wallets(&mut verdicts);
        // Hash order must not show in a report.
        verdicts.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (seq, actor, verdict) in verdicts {
            match verdict {
                Agrees => {}
                InFlight => {
                    self.report.in_flight += 1;
                    if self.report.in_flight_of.len() < IN_FLIGHT_NAMED {
                        self.report.in_flight_of.push(actor);
                    }
                }
                Differs(rule, detail) => self.faults.add(seq, actor, rule, detail),
            }
        }
        let mut skus: Vec<_> = self.skus.iter().collect();
        skus.sort_by_key(|(name, _)| *name);
        for (name, sku) in skus {
            sku.check(&format_args!("sku/{name}"), &mut self.faults);
        }
        self.books.check(&wallets, &self.deposits(), self.last_seq, &mut self.faults);
    }

    /// What was paid, not given back, and not booked as sold.
    fn deposits(&self) -> Sums {
        let mut sums = Sums::new();
        for payment in self.payments.values() {
            *sums.entry(payment.money.currency).or_default() += payment.secured() - payment.refunded();
        }
        for order in self.orders.values() {
            *sums.entry(order.currency).or_default() -= order.recognised;
        }
        sums
    }

    pub(super) fn is_young(&self, since: Timestamp, seq: u64) -> bool {
        self.last_time.0.saturating_sub(since.0) <= YOUNG_MICROS || self.last_seq.saturating_sub(seq) <= YOUNG_RECORDS
    }

    fn compare_stock(&self, verdicts: &mut Vec<(u64, String, Verdict)>) {
        for (name, sku) in &self.skus {
            for (id, commitment) in &sku.commitments {
                let verdict = self.compare_commitment(name, sku, *id, commitment);
                verdicts.push((sku.last_seq, format!("sku/{name}"), verdict));
            }
        }
        for (id, order) in &self.orders {
            if order.forgot_to_charge() {
                let detail = "its units are all there, and its payments did not start".to_owned();
                verdicts.push((order.last_seq, format!("order/{id}"), Differs(Rule::OrderTransition, detail)));
            }
            if let Some(line) = order.line_untold() {
                let detail = format!("the seller of line {line} was not told what he earned");
                verdicts.push((order.last_seq, format!("order/{id}"), Differs(Rule::SellerEarnings, detail)));
            }
            let of_house = order.lines.iter().filter(|line| line.claim.is_none());
            for line in of_house.filter(|line| line.filled - line.shipped + line.backordered > 0) {
                for (name, _) in line.in_stock(1) {
                    let sku = self.skus.get(name);
                    if sku.is_some_and(|sku| sku.commitments.contains_key(id) || has_steps(order, name, sku, *id)) {
                        continue;
                    }
                    let detail = format!("its line of {name} has units that the SKU does not keep for it");
                    verdicts.push((order.last_seq, format!("order/{id}"), Differs(Rule::OrderStock, detail)));
                }
            }
        }
    }

    fn compare_commitment(&self, name: &SkuId, sku: &Sku, id: OrderId, commitment: &Commitment) -> Verdict {
        let order = self.orders.get(&id);
        let over = order.is_none_or(|order| order.outcome != Outcome::Open);
        if let Some(order) = order
            && has_steps(order, name, sku, id)
        {
            return InFlight;
        }
        if commitment.tentative {
            let young = self.is_young(commitment.since, commitment.first_seq);
            return if over && young {
                InFlight
            } else {
                Differs(
                    Rule::TentativeHold,
                    format!("its hold for order {id} never became firm and was never given back"),
                )
            };
        }
        let Some(order) = order else {
            return Differs(Rule::OrderStock, format!("it keeps units for order {id}, which does not exist"));
        };
        let (lines, waits) = order.of_sku(name);
        let (held, allocated) = (commitment.held(), commitment.allocated());
        let sums_agree = held + allocated == lines && commitment.waiting == waits;
        let states_agree = if order.secured { held == 0 } else { allocated == 0 };
        if sums_agree && states_agree {
            return Agrees;
        }
        // The order is yet to hear of fills and shortfalls; what it has altogether it knows.
        if sku.untold.contains(&id) && held + allocated + commitment.waiting == lines + waits {
            return InFlight;
        }
        let paid = if order.secured { "paid" } else { "unpaid" };
        let detail = format!(
            "it keeps {held} held, {allocated} allocated, {} waiting for {paid} order {id}, whose lines say {lines} and {waits}",
            commitment.waiting
        );
        Differs(Rule::OrderStock, detail)
    }

    fn compare_flows(&self, verdicts: &mut Vec<(u64, String, Verdict)>) {
        for ((id, name), flow) in &self.flows {
            let explained = self.orders.get(id).map_or_else(Flow::default, |order| {
                let mut sum = Flow::default();
                for step in pending(order, name, self.skus.get(name), *id) {
                    match step {
                        RemoteStep::Ship { quantity, .. } => sum.shipped += super::signed(*quantity),
                        RemoteStep::ShipClaim { quantity, .. } => sum.shipped += super::signed(*quantity),
                        RemoteStep::ReturnClaim { quantity, .. } => sum.returned += super::signed(*quantity),
                        RemoteStep::Return { quantity, .. } => sum.returned += super::signed(*quantity),
                        _ => {}
                    }
                }
                sum
            });
            let verdict = if *flow == explained {
                InFlight
            } else {
                let detail = format!(
                    "order and SKU {name} differ by {} units shipped and {} returned",
                    flow.shipped - explained.shipped,
                    flow.returned - explained.returned
                );
                Differs(Rule::OrderStock, detail)
            };
            let seq = self.orders.get(id).map_or(self.last_seq, |order| order.last_seq);
            verdicts.push((seq, format!("order/{id}"), verdict));
        }
    }

    fn compare_payments(&self, verdicts: &mut Vec<(u64, String, Verdict)>) {
        for (id, order) in &self.orders {
            for pay in &order.payments {
                if order.outcome != Outcome::Open && pay.is_kept() {
                    let detail = format!("it is over, and its payment {} did not go back", pay.id);
                    verdicts.push((order.last_seq, format!("order/{id}"), Differs(Rule::OrderMoney, detail)));
                }
                if let Some(detail) = payment_differs(*id, order, pay, self.payments.get(&pay.id)) {
                    verdicts.push((order.last_seq, format!("order/{id}"), Differs(Rule::OrderPayment, detail)));
                }
            }
        }
        for (id, payment) in self.payments.iter().filter(|(_, payment)| !payment.superseded) {
            if payment.keeps_what_nobody_waits_for() {
                let detail = "it was paid when nobody waited for it, and does not go back".to_owned();
                verdicts.push((payment.last_seq, format!("payment/{id}"), Differs(Rule::OrderMoney, detail)));
            }
            let failed = payment.retry_of.map(|failed| self.payments.get(&failed));
            if failed.is_some_and(|failed| !failed.is_some_and(|failed| payment.can_retry(failed))) {
                let detail = "it is another try of a payment that did not fail, or was another".to_owned();
                verdicts.push((payment.last_seq, format!("payment/{id}"), Differs(Rule::OrderPayment, detail)));
            }
            let order = self.orders.get(&payment.order);
            if !order.is_some_and(|order| order.payments.iter().any(|pay| pay.id == *id)) {
                let detail = format!("order {} does not know it", payment.order);
                verdicts.push((payment.last_seq, format!("payment/{id}"), Differs(Rule::OrderPayment, detail)));
            }
        }
    }

    /// Compares wallets with the payments they paid; returns what the books must owe to wallets by currency.
    fn compare_wallets(&self, verdicts: &mut Vec<(u64, String, Verdict)>) -> Sums {
        let mut owed = Sums::new();
        for (customer, wallet) in &self.wallets {
            if let Some(currency) = wallet.currency {
                *owed.entry(currency).or_default() += i128::from(wallet.balance);
            } else if wallet.balance != 0 || wallet.held != 0 {
                let detail = "money moved in a wallet that never got any".to_owned();
                verdicts.push((wallet.last_seq, format!("account/{customer}"), Differs(Rule::WalletMoney, detail)));
            }
        }
        for (id, payment) in self.payments.iter().filter(|(_, payment)| payment.method == Method::Wallet) {
            let done = self.for_payments.get(id);
            let spent = done.map_or(0, |done| i128::from(done.spent));
            let returned = done.map_or(0, |done| i128::from(done.refunded));
            let order = self.orders.get(&payment.order).map(Box::as_ref);
            let verdict = compare_wallet(*id, payment, done, order);
            if matches!(verdict, InFlight) {
                // The books know of the payment's end, the wallet not yet.
                let late = (payment.refunded() - returned) - (payment.secured() - spent);
                *owed.entry(payment.money.currency).or_default() += late;
            }
            verdicts.push((payment.last_seq, format!("payment/{id}"), verdict));
        }
        for (id, done) in self.for_payments.iter().filter(|(id, _)| !self.payments.contains_key(id)) {
            let young = done.spent == 0 && self.is_young(done.since, done.last_seq);
            let detail = || format!("it set money aside for payment {id}, which does not exist");
            let verdict = if young { InFlight } else { Differs(Rule::PaymentWallet, detail()) };
            verdicts.push((done.last_seq, format!("account/{}", done.owner), verdict));
        }
        owed
    }
}

/// Steps that a SKU still owes an order.
fn pending<'a>(
    order: &'a Order,
    name: &'a SkuId,
    sku: Option<&Sku>,
    id: OrderId,
) -> impl Iterator<Item = &'a RemoteStep> {
    let handled = sku.and_then(|sku| sku.handled.get(&id)).copied();
    let open = move |(step, _): &&(u32, RemoteStep)| handled.is_none_or(|handled| handled < *step);
    order.owed.iter().filter(open).map(|(_, to)| to).filter(move |to| is_for(to, name))
}

pub(super) fn has_steps(order: &Order, name: &SkuId, sku: &Sku, id: OrderId) -> bool {
    pending(order, name, Some(sku), id).next().is_some()
}

fn payment_differs(id: OrderId, order: &Order, pay: &Pay, payment: Option<&Payment>) -> Option<String> {
    let Some(payment) = payment else { return Some(format!("its payment {} does not exist", pay.id)) };
    let gone = i128::from(pay.refunded - pay.refunding);
    let same_thing = payment.order == id
        && payment.method == pay.method
        && payment.money.amount.0 == pay.amount
        && payment.money.currency == order.currency
        && payment.payer == order.customer;
    if !same_thing {
        return Some(format!(
            "its payment {} is for something else: {} of order {}",
            pay.id, payment.money, payment.order
        ));
    }
    if pay.asks_the_buyer() != payment.asks_the_buyer || pay.told.is_some_and(|told| told.public() != payment.state) {
        let waits = if payment.asks_the_buyer { "waits for the buyer" } else { "does not wait for the buyer" };
        let knows = pay.told.map_or_else(|| pay.state.name().to_owned(), Stage::name);
        return Some(format!("payment {} is {} and {waits}, the order knows {knows}", pay.id, payment.state.name()));
    }
    let tolerated = match pay.state {
        // The order waits until all of it is taken; what came when nobody waited for it, it counts as failed.
        PaymentState::Pending => payment.is_taken_in_part(),
        PaymentState::Failed => payment.automatic,
        // What a bank does is between the bank and the house: the order stays paid.
        _ => payment.is_questioned() && payment.refunded_to_order() <= gone,
    };
    if (!payment.is_seen_as(pay.state) || payment.refunded_to_order() != gone) && !tolerated {
        let (says, knows) = (payment.state.name(), pay.state.name());
        let back = payment.refunded_to_order();
        return Some(format!("payment {} is {says} with {back} back, the order says {knows} with {gone}", pay.id));
    }
    None
}

fn compare_wallet(id: PaymentId, payment: &Payment, done: Option<&ForPayment>, order: Option<&Order>) -> Verdict {
    let amount = payment.money.amount.0;
    let (held, spent) = done.map_or((0, 0), |done| (done.held, done.spent));
    let refunded = done.map_or(0, |done| i128::from(done.refunded));
    if done.is_some_and(|done| payment.payer.as_ref() != Some(&done.owner)) {
        return Differs(Rule::PaymentWallet, "another wallet paid than the payer's".into());
    }
    let owes = |wanted: &dyn Fn(&RemoteStep) -> bool| {
        // The order of a superseded payment has forgotten what was owed to the attempt before.
        payment.superseded || order.is_some_and(|order| order.owed.iter().any(|(_, step)| wanted(step)))
    };
    let money = match payment.state {
        PaymentState::Pending if (held, spent) == (amount, 0) => Agrees,
        PaymentState::Failed if (held, spent) == (0, 0) => Agrees,
        PaymentState::Failed if spent == 0 && owes(&|step| releases(step, id)) => InFlight,
        PaymentState::Pending | PaymentState::Failed => Differs(
            Rule::PaymentWallet,
            format!("{held} held and {spent} spent for a {} payment", payment.state.name()),
        ),
        _ if (held, spent) == (0, amount) => Agrees,
        _ if (held, spent) == (amount, 0) && owes(&|step| settles(step, id)) => InFlight,
        _ => Differs(Rule::PaymentWallet, format!("{held} held and {spent} spent of {amount} paid")),
    };
    if matches!(money, Differs(..)) || refunded == payment.refunded() {
        return money;
    }
    if refunded < payment.refunded() && owes(&|step| refunds(step, id)) {
        return InFlight;
    }
    Differs(Rule::PaymentWallet, format!("{refunded} came back to the wallet, {} were refunded", payment.refunded()))
}

fn settles(step: &RemoteStep, id: PaymentId) -> bool {
    matches!(step, RemoteStep::AccountSettle { payment, .. } if *payment == id)
}

fn releases(step: &RemoteStep, id: PaymentId) -> bool {
    matches!(step, RemoteStep::AccountRelease { payment, .. } if *payment == id)
}

fn refunds(step: &RemoteStep, id: PaymentId) -> bool {
    matches!(step, RemoteStep::AccountRefund { payment, .. } if *payment == id)
}

/// Whether a step is for this SKU.
fn is_for(step: &RemoteStep, name: &SkuId) -> bool {
    matches!(step.target(), EntityKey::Sku(sku) if sku == *name)
}
