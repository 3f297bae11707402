//! How an order's state follows from its events.

use smallvec::SmallVec;

use super::event::{LineUnits, OrderEvent, PlacedLine, PlannedPayment, ReturnedLine};
use super::kit::LinePart;
use super::place::line_net;
use super::state::{Line, Order, OrderPayment, Outcome, OwedStep};
use crate::codec::list;
use crate::payment::{Method, PaymentState};
use crate::{Amount, Currency, OrderId, PaymentId, Timestamp};

/// What the accepted units of a line cost together.
fn net_of(line: &PlacedLine, currency: Currency) -> Amount {
    let gross = line_net(line.unit_price, line.filled + line.backordered, currency).expect("a placed line was priced");
    Amount(gross.0 - line.discount.0)
}

impl Line {
    /// A line as it was accepted.
    fn place(line: &PlacedLine, currency: Currency) -> Self {
        Self {
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            filled: line.filled,
            backordered: line.backordered,
            unfilled: line.quantity - line.filled - line.backordered,
            cancelled: 0,
            shipped: 0,
            returned: 0,
            net: net_of(line, currency),
            discount: line.discount,
            kit: line.kit.as_ref().map(|parts| Box::new(parts.iter().map(LinePart::from).collect())),
            claim: line.claim.clone(),
        }
    }
}

impl Order {
    /// Starts an order from its first event.
    pub fn create(id: OrderId, event: &OrderEvent, now: Timestamp) -> Self {
        let OrderEvent::Placed {
            customer,
            purchaser_key,
            currency,
            lines,
            charges,
            payments,
            hold_expires_at,
            body_digest,
            attempt,
            waiting,
            bid,
            promoted,
            deferred,
        } = event
        else {
            panic!("an order begins with `placed`, not {}", event.name());
        };
        let lines = list::gather(lines.iter().map(|line| Line::place(line, *currency)));
        let mut order = Self {
            id,
            customer: customer.clone(),
            purchaser_key: purchaser_key.clone(),
            currency: *currency,
            lines,
            charges: list::gather(charges.iter().cloned()),
            payments: SmallVec::new(),
            hold_expires_at: *hold_expires_at,
            created_at: now,
            outcome: Outcome::Open,
            secured: false,
            placing: payments.iter().any(|payment| payment.method == Method::Card),
            cancel_requested: false,
            delivered: false,
            tracking: None,
            body_digest: *body_digest,
            owed: Vec::new(),
            next_step: 0,
            attempt: *attempt,
            kept: Amount::ZERO,
            waiting: *waiting,
            bid: bid.clone(),
            completed: false,
            promoted: promoted.clone(),
            deferred: deferred.clone(),
            shipment: None,
            hold_seconds: u32::try_from((hold_expires_at.0 - now.0) / 1_000_000).unwrap_or(0),
        };
        order.start_payments(payments);
        order.secure_if_covered();
        order
    }

    /// Starts an order whose id an earlier, refused attempt had used: what others still owe that attempt stays owed,
    /// and steps are numbered on, because actors of other partitions remember the numbers.
    pub fn create_after(previous: Option<&Self>, id: OrderId, event: &OrderEvent, now: Timestamp) -> Self {
        let mut order = Self::create(id, event, now);
        if let Some(previous) = previous {
            order.owed.clone_from(&previous.owed);
            order.next_step = previous.next_step;
        }
        order
    }

    /// Takes an event into the state.
    pub fn apply(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::Placed { .. } => panic!("an order is placed once"),
            OrderEvent::PaymentsStarted { payments } => {
                self.deferred = None;
                self.start_payments(payments);
            }
            OrderEvent::PaymentSecured { number } | OrderEvent::PaidAtOnce { number } => {
                self.payments[*number as usize].enter(PaymentState::Paid);
                // While a card's answer is awaited the whole order may still be refused.
                self.placing &= super::decide::has_open_charge(self);
                self.secure_if_covered();
            }
            OrderEvent::PaymentFailed { number, reason } => {
                let payment = &mut self.payments[*number as usize];
                payment.enter(PaymentState::Failed);
                payment.failure = Some(reason.clone());
                self.shipment = None;
            }
            OrderEvent::PaymentStands { number, stage, next_action } => {
                self.payments[*number as usize].stands(*stage, next_action.as_deref());
            }
            OrderEvent::ChargeDue { hold_expires_at } => {
                self.hold_expires_at = *hold_expires_at;
                self.deferred.as_mut().expect("only what was deferred comes due").due = true;
            }
            OrderEvent::ShipRequested { shipment } => self.shipment = Some(shipment.clone()),
            OrderEvent::ShipmentDropped { .. } => self.shipment = None,
            OrderEvent::Accepted => self.placing = false,
            OrderEvent::Extended { hold_expires_at } => self.hold_expires_at = *hold_expires_at,
            OrderEvent::CancelRequested => self.cancel_requested = true,
            OrderEvent::Cancelled { lines, whole } => self.cancel(lines, *whole),
            OrderEvent::Expired => self.end(Outcome::Expired),
            OrderEvent::Refused { .. } => self.end(Outcome::Refused),
            OrderEvent::BackorderFilled { lines } => self.each(lines, |line, units| {
                line.backordered -= units;
                line.filled += units;
            }),
            OrderEvent::Offered { lines, hold_expires_at } => {
                self.waiting = false;
                self.hold_expires_at = *hold_expires_at;
                self.each(lines, |line, units| {
                    line.backordered -= units;
                    line.filled += units;
                });
            }
            // What sellers earned follows from the lines; the books have it.
            OrderEvent::ShippedShort { .. } | OrderEvent::PayoutDue { .. } => {}
            OrderEvent::PartMissing { line, part, missing } => {
                let line = &mut self.lines[*line as usize];
                line.kit.as_mut().expect("a kit has parts")[*part as usize].missing = *missing;
                line.count_waiting_kits();
            }
            OrderEvent::Displaced { lines } => self.each(lines, |line, units| {
                line.filled -= units;
                line.backordered += units;
            }),
            OrderEvent::Shipped { lines, tracking } => {
                self.shipment = None;
                self.each(lines, |line, units| line.shipped += units);
                if tracking.is_some() {
                    self.tracking.clone_from(tracking);
                }
            }
            OrderEvent::Edited { lines, promoted } => {
                self.lines = list::gather(lines.iter().map(|line| Line::place(line, self.currency)));
                self.promoted.clone_from(promoted);
                self.secure_if_covered();
            }
            OrderEvent::Delivered => self.delivered = true,
            OrderEvent::Completed => self.completed = true,
            OrderEvent::Returned { lines, refund } => {
                let owed = self.owed_back();
                let mut worth = 0;
                for ReturnedLine { line, quantity, .. } in lines {
                    let line = &mut self.lines[*line as usize];
                    worth += line.share(*quantity, self.currency).0;
                    line.returned += quantity;
                }
                self.keep(Amount(worth - refund.0), owed);
            }
            OrderEvent::RefundGranted { amount, .. } => self.keep(Amount(-amount.0), self.owed_back()),
            OrderEvent::RefundStarted { number, amount } => {
                let payment = &mut self.payments[*number as usize];
                payment.enter(PaymentState::Refunding);
                payment.refunded.0 += amount.0;
                payment.refunding.0 += amount.0;
            }
            OrderEvent::Refunded { number, amount, done } => {
                let payment = &mut self.payments[*number as usize];
                payment.refunding.0 -= amount.0;
                if !done {
                    payment.refunded.0 -= amount.0;
                }
                let all = payment.refunded == payment.amount;
                payment.enter(if all { PaymentState::Refunded } else { PaymentState::Paid });
            }
            OrderEvent::RefundReversed { number, amount } => {
                let payment = &mut self.payments[*number as usize];
                payment.refunded.0 -= amount.0;
                payment.enter(PaymentState::Paid);
            }
            OrderEvent::StepOwed { step, to } => {
                self.next_step = step + 1;
                self.owed.push(OwedStep { step: *step, to: to.clone() });
            }
            OrderEvent::StepDone { step } => self.owed.retain(|owed| owed.step != *step),
        }
        self.check();
    }

    /// The id of the payment with this number. Another attempt with the same order id, or another deadline, gives
    /// other payments, and so other gateway keys.
    pub fn payment_id(id: OrderId, attempt: u32, number: usize, hold_expires_at: Timestamp) -> PaymentId {
        PaymentId::of_order(id, attempt << 16 | number as u32, hold_expires_at)
    }

    fn start_payments(&mut self, planned: &[PlannedPayment]) {
        for payment in planned {
            let id = Self::payment_id(self.id, self.attempt, self.payments.len(), self.hold_expires_at);
            self.payments.push(OrderPayment::start(id, payment));
        }
    }

    fn secure_if_covered(&mut self) {
        if self.outcome == Outcome::Open && self.paid().0 >= self.total().0 {
            self.secured = true;
        }
    }

    /// The house keeps this much, or gives it away; but what it owes already is no gift.
    fn keep(&mut self, amount: Amount, owed: Amount) {
        self.kept.0 += if amount.0 < 0 { (amount.0 + owed.0).min(0) } else { amount.0 };
    }

    fn cancel(&mut self, lines: &[LineUnits], whole: bool) {
        let was_secured = self.secured;
        if whole {
            self.end(Outcome::Cancelled);
        } else {
            self.each(lines, |line, units| {
                let waiting = line.backordered.min(units);
                line.give_up_parts(units);
                line.backordered -= waiting;
                line.filled -= units - waiting;
                line.cancelled += units;
            });
            self.secure_if_covered();
        }
        if was_secured {
            // What was given away before is set off against what would go back now; what was kept stays kept.
            let left = self.paid().0 - self.refunded().0 - self.total().0;
            self.kept = Amount(self.kept.0.max(0).min(left));
        }
    }

    fn end(&mut self, outcome: Outcome) {
        for line in &mut self.lines {
            line.give_up_parts(line.filled + line.backordered);
            line.cancelled += line.filled + line.backordered;
            (line.filled, line.backordered) = (0, 0);
        }
        self.outcome = outcome;
        self.placing = false;
        self.waiting = false;
        self.deferred = None;
        self.shipment = None;
    }

    fn each(&mut self, units: &[LineUnits], change: impl Fn(&mut Line, crate::Quantity)) {
        for LineUnits { line, quantity } in units {
            change(&mut self.lines[*line as usize], *quantity);
        }
    }
}
