//! The auditor's own fold of orders: which event may follow which, where every unit and every cent is.

mod allowed;
mod pay;

use smallvec::SmallVec;
use stockade_domain::entity::RemoteStep;
use stockade_domain::order::{Charge, LineUnits, OrderEvent, OrderStatus, Outcome, ReturnedLine};
use stockade_domain::payment::{Method, PaymentState};
use stockade_domain::promotion::uses::Subject;
use stockade_domain::{BookOrderId, Currency, CustomerId, OrderId, Timestamp};

use super::discounts::{charges_less_discounts, check_lines, uses_of};
use super::ledger::Books;
use super::line::{Line, count};
use super::report::{Rule, Scene};

pub(super) use pay::Pay;

/// When the payments of an order start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ChargeTime {
    /// When somebody pays.
    Now,
    /// When no unit waits any more.
    WhenFilled,
    /// No unit waits: they are due.
    Due,
}

/// An order as its records make it.
pub(super) struct Order {
    id: OrderId,
    pub(super) last_time: Timestamp,
    pub(super) last_seq: u64,
    pub(super) customer: Option<CustomerId>,
    pub(super) currency: Currency,
    pub(super) lines: SmallVec<[Line; 1]>,
    pub(super) charges: i128,
    /// The charges without what promotions take off.
    pub(super) listed_charges: SmallVec<[Charge; 1]>,
    pub(super) payments: SmallVec<[Pay; 1]>,
    expires_at: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) secured: bool,
    /// The outcome of the first payments is still awaited.
    placing: bool,
    cancel_requested: bool,
    delivered: bool,
    completed: bool,
    attempt: u32,
    pub(super) owed: Vec<(u32, RemoteStep)>,
    pub(super) step_next: u32,
    /// Sales recognised and not given up, in ten-thousandths.
    pub(super) recognised: i128,
    /// What the house keeps of units that were given up; below zero: what it gave away.
    pub(super) kept: i128,
    /// The last record in which a payment or the whole order failed: a key bound before it is free.
    pub(super) failed_seq: u64,
    /// It holds nothing and waits to be let in.
    waiting: bool,
    /// The bid whose fill it is.
    pub(super) bid: Option<BookOrderId>,
    /// When its payments start.
    charge: ChargeTime,
    /// Goods wait for their money to be sent.
    sends: bool,
    /// What it uses, and how much of each budget.
    pub(super) uses: Vec<(Subject, i64)>,
}

impl Order {
    /// Begins an order; `None` when the event is not its placing.
    pub(super) fn place(id: OrderId, event: &OrderEvent, books: &mut Books, scene: &mut Scene<'_>) -> Option<Self> {
        let OrderEvent::Placed {
            customer,
            currency,
            lines,
            charges,
            payments,
            hold_expires_at,
            attempt,
            waiting,
            bid,
            promoted,
            deferred,
            ..
        } = event
        else {
            return None;
        };
        let mut order = Self {
            id,
            last_time: scene.now,
            last_seq: scene.seq,
            customer: customer.clone(),
            currency: *currency,
            lines: lines.iter().map(|placed| Line::place(placed, *currency, scene)).collect(),
            charges: charges_less_discounts(charges, promoted.as_deref(), scene),
            listed_charges: charges.iter().cloned().collect(),
            payments: SmallVec::new(),
            expires_at: *hold_expires_at,
            outcome: Outcome::Open,
            secured: false,
            placing: payments.iter().any(|payment| payment.method == Method::Card),
            cancel_requested: false,
            delivered: false,
            completed: false,
            attempt: *attempt,
            owed: Vec::new(),
            step_next: 0,
            recognised: 0,
            kept: 0,
            waiting: *waiting,
            bid: bid.as_deref().copied(),
            failed_seq: 0,
            charge: if deferred.is_some() { ChargeTime::WhenFilled } else { ChargeTime::Now },
            sends: false,
            uses: uses_of(promoted.as_deref()),
        };
        check_lines(&order.lines, promoted.as_deref(), scene);
        let accepted: i64 = order.lines.iter().map(Line::accepted).sum();
        scene.expect(accepted > 0, Rule::LineUnits, || "an order was placed of which nothing was accepted".into());
        let fair = charges.iter().all(|charge| charge.money.currency == *currency && charge.money.amount.0 >= 0);
        scene.expect(fair, Rule::OrderPayments, || "a charge is negative or in another currency".into());
        scene.expect(order.expires_at > scene.now, Rule::OrderTransition, || "its hold ended before it began".into());
        order.start_payments(payments, scene);
        order.secure_if_covered(books);
        order.check(scene);
        Some(order)
    }

    /// Takes an event in.
    pub(super) fn take(&mut self, event: &OrderEvent, books: &mut Books, scene: &mut Scene<'_>) {
        use OrderEvent as E;
        if let Some(why) = self.refuses(event, scene.now) {
            scene.fault(Rule::OrderTransition, format!("{} came although {why}", event.name()));
        }
        if let (Some(line), false) = (self.line_untold(), matches!(event, E::PayoutDue { .. })) {
            scene.fault(Rule::SellerEarnings, format!("the seller of line {line} was not told what he earned"));
        }
        match event {
            // Another attempt is begun by `place`.
            E::Placed { .. } => {}
            E::PaymentsStarted { payments } => self.start_payments(payments, scene),
            E::PaymentSecured { number } | E::PaidAtOnce { number } => {
                self.pay_step(*number, &[PaymentState::Pending], PaymentState::Paid, scene);
                self.placing &=
                    self.payments.iter().any(|pay| pay.method == Method::Card && pay.state == PaymentState::Pending);
                self.secure_if_covered(books);
            }
            E::PaymentFailed { number, .. } => {
                self.sends = false;
                self.failed_seq = scene.seq;
                self.pay_step(*number, &[PaymentState::Pending], PaymentState::Failed, scene);
            }
            E::Accepted => self.placing = false,
            E::PaymentStands { number, stage, .. } => match self.payments.get_mut(*number as usize) {
                Some(pay) => pay.told = Some(*stage),
                None => scene.fault(Rule::OrderTransition, format!("there is no payment number {number}")),
            },
            E::Extended { hold_expires_at } => self.expires_at = *hold_expires_at,
            E::Edited { lines, promoted } => {
                self.edit(lines, promoted.as_deref(), scene);
                self.secure_if_covered(books);
            }
            E::ChargeDue { hold_expires_at } => {
                self.expires_at = *hold_expires_at;
                self.charge = ChargeTime::Due;
            }
            E::ShipRequested { .. } => self.sends = true,
            E::ShipmentDropped { .. } => self.sends = false,
            E::CancelRequested => self.cancel_requested = true,
            E::Cancelled { whole: true, .. } => self.end(Outcome::Cancelled, books),
            E::Cancelled { lines, whole: false } => self.cancel(lines, books, scene),
            E::Expired => self.end(Outcome::Expired, books),
            E::Refused { .. } => {
                self.failed_seq = scene.seq;
                self.end(Outcome::Refused, books);
            }
            E::BackorderFilled { lines } => self.each(lines, scene, |line, units| {
                line.backordered -= units;
                line.filled += units;
            }),
            E::Offered { lines, hold_expires_at } => {
                self.waiting = false;
                self.expires_at = *hold_expires_at;
                self.each(lines, scene, |line, units| {
                    line.backordered -= units;
                    line.filled += units;
                });
            }
            E::ShippedShort { .. } => {}
            E::PartMissing { line, part, missing } => {
                let missing = count(*missing, scene);
                self.miss_part(*line, *part, missing, scene);
            }
            E::Displaced { lines } => self.each(lines, scene, |line, units| {
                line.filled -= units;
                line.backordered += units;
            }),
            E::Shipped { lines, .. } => {
                self.sends = false;
                self.each(lines, scene, |line, units| line.shipped += units);
            }
            E::PayoutDue { line, seller, amount, commission, promoted } => {
                self.pay_seller(*line, seller, [amount.0, commission.0, promoted.0], books, scene);
            }
            E::Delivered => self.delivered = true,
            E::Completed => self.completed = true,
            E::Returned { lines, refund } => self.take_back(lines, refund.0, books, scene),
            E::RefundGranted { amount, .. } => {
                self.expect_refundable(amount.0, scene);
                self.keep(-i128::from(amount.0), self.owed_back(), books);
            }
            E::RefundStarted { number, amount } => {
                self.pay_step(*number, &[PaymentState::Paid], PaymentState::Refunding, scene);
                self.refund_step(*number, amount.0, amount.0, scene);
            }
            E::Refunded { number, amount, done } => {
                self.refund_step(*number, if *done { 0 } else { -amount.0 }, -amount.0, scene);
                self.payments.get_mut(*number as usize).into_iter().for_each(|pay| pay.refund_failed |= !done);
                let all = self.payments.get(*number as usize).is_some_and(|pay| pay.refunded == pay.amount);
                let to = if all { PaymentState::Refunded } else { PaymentState::Paid };
                self.pay_step(*number, &[PaymentState::Refunding], to, scene);
            }
            E::RefundReversed { number, amount } => {
                self.pay_step(*number, &[PaymentState::Paid, PaymentState::Refunded], PaymentState::Paid, scene);
                if let Some(pay) = self.payments.get_mut(*number as usize) {
                    let went_back = amount.0 > 0 && pay.refunded - pay.refunding >= amount.0;
                    scene.expect(went_back, Rule::RefundExceeds, || format!("{} had not gone back", amount.0));
                    pay.refunded -= amount.0;
                    pay.refund_failed = true;
                }
            }
            E::StepOwed { step, to } => {
                self.step_next = step.saturating_add(1);
                self.owed.push((*step, to.as_ref().clone()));
            }
            E::StepDone { step } => self.owed.retain(|(owed, _)| owed != step),
        }
        self.check(scene);
    }

    fn waits(&self) -> bool {
        self.lines.iter().any(|line| line.backordered > 0)
    }

    /// Whether its units are all there, and its payments, which waited for that, did not come due.
    pub(super) fn forgot_to_charge(&self) -> bool {
        self.outcome == Outcome::Open && !self.secured && self.charge == ChargeTime::WhenFilled && !self.waits()
    }

    fn take_back(&mut self, lines: &[ReturnedLine], refund: i64, books: &mut Books, scene: &mut Scene<'_>) {
        self.expect_refundable(refund, scene);
        let owed = self.owed_back();
        let currency = self.currency;
        let (mut exact, mut worth, mut of_house) = (0, 0, 0);
        for returned in lines {
            let units = count(returned.quantity, scene);
            let Some(line) = self.lines.get_mut(returned.line as usize) else {
                scene.fault(Rule::LineUnits, format!("there is no line {}", returned.line));
                continue;
            };
            let share = line.worth(units, currency);
            worth += share;
            if line.seller.is_none() {
                exact += line.booked(units, share);
                of_house += share;
            }
            line.returned += units;
        }
        if self.secured {
            books.give_up(currency, exact, of_house);
            // What sellers' goods were worth is told by `payout_due`.
            self.recognised -= of_house;
            self.keep(worth - i128::from(refund), owed, books);
        }
    }

    fn cancel(&mut self, lines: &[LineUnits], books: &mut Books, scene: &mut Scene<'_>) {
        let (currency, secured) = (self.currency, self.secured);
        let (mut exact, mut worth) = (0, 0);
        self.each(lines, scene, |line, units| {
            if line.seller.is_none() {
                let share = line.worth(units, currency);
                exact += line.booked(units, share);
                worth += share;
            }
            let waiting = line.backordered.min(units);
            line.give_up_parts(units);
            line.backordered -= waiting;
            line.filled -= units - waiting;
            line.cancelled += units;
        });
        if secured {
            books.give_up(currency, exact, worth);
            self.recognised -= worth;
            self.set_off(books);
        }
        self.secure_if_covered(books);
    }

    fn end(&mut self, outcome: Outcome, books: &mut Books) {
        let (mut exact, mut worth) = (0, 0);
        for line in &mut self.lines {
            let units = line.filled + line.backordered;
            if line.seller.is_none() {
                let share = line.worth(units, self.currency);
                exact += line.booked(units, share);
                worth += share;
            }
            line.give_up_parts(units);
            line.cancelled += units;
            (line.filled, line.backordered) = (0, 0);
        }
        if self.secured {
            books.give_up(self.currency, exact, worth);
            books.give_up_charges(self.currency, self.charges);
            self.recognised -= worth + self.charges;
        }
        self.outcome = outcome;
        if self.secured {
            self.set_off(books);
        }
        (self.placing, self.waiting) = (false, false);
    }

    fn each(&mut self, lines: &[LineUnits], scene: &mut Scene<'_>, mut change: impl FnMut(&mut Line, i64)) {
        for LineUnits { line, quantity } in lines {
            let units = count(*quantity, scene);
            match self.lines.get_mut(*line as usize) {
                Some(line) => change(line, units),
                None => scene.fault(Rule::LineUnits, format!("there is no line {line}")),
            }
        }
    }

    fn secure_if_covered(&mut self, books: &mut Books) {
        if self.secured || self.outcome != Outcome::Open || self.paid() < self.total() {
            return;
        }
        self.secured = true;
        let left = |line: &Line| line.booked(line.accepted() - line.given_up(), line.due(self.currency));
        let of_house = || self.lines.iter().filter(|line| line.seller.is_none());
        let exact: i128 = of_house().map(left).sum();
        let due: i128 = of_house().map(|line| line.due(self.currency)).sum();
        books.recognise(self.currency, exact, due, self.charges);
        self.recognised = due + self.charges;
    }

    pub(super) fn total(&self) -> i128 {
        let charges = if self.outcome == Outcome::Open { self.charges } else { 0 };
        self.lines.iter().map(|line| line.due(self.currency)).sum::<i128>() + charges
    }

    pub(super) fn paid(&self) -> i128 {
        let counts = |pay: &&Pay| !matches!(pay.state, PaymentState::Pending | PaymentState::Failed);
        self.payments.iter().filter(counts).map(|pay| i128::from(pay.amount)).sum()
    }

    /// Units in one state each, and no sale that nobody paid.
    fn check(&self, scene: &mut Scene<'_>) {
        if let Some(at) = self.lines.iter().position(|line| !line.adds_up()) {
            let line = &self.lines[at];
            let states = [line.filled, line.backordered, line.unfilled, line.cancelled, line.shipped, line.returned];
            let detail = format!(
                "line {at} of {} units has {states:?} filled, backordered, unfilled, cancelled, shipped, returned",
                line.quantity
            );
            scene.fault(Rule::LineUnits, detail);
        }
        let gone: i128 = self.payments.iter().map(|pay| i128::from(pay.refunded - pay.refunding)).sum();
        let kept = self.paid() - gone;
        // What comes back of a seller is taken out of the books by the event after it.
        let is_told = self.line_untold().is_none();
        scene.expect(!is_told || self.recognised <= kept, Rule::OrderMoney, || {
            format!("{} ten-thousandths are booked as sold, {kept} were paid and kept", self.recognised)
        });
    }

    /// The overall status; none when it counts as never made.
    pub(super) fn status(&self) -> Option<OrderStatus> {
        let sum = |of: fn(&Line) -> i64| self.lines.iter().map(of).sum::<i64>();
        let (all, filled) = (sum(|line| line.filled + line.backordered), sum(|line| line.filled));
        let (shipped, returned) = (sum(|line| line.shipped), sum(|line| line.returned));
        let pinned = self.payments.iter().any(|pay| pay.state == PaymentState::Pending);
        Some(match self.outcome {
            Outcome::Refused => return None,
            Outcome::Cancelled => OrderStatus::Cancelled,
            Outcome::Expired => OrderStatus::Expired,
            Outcome::Open if self.completed => OrderStatus::Completed,
            Outcome::Open if returned > 0 && returned == all => OrderStatus::Returned,
            Outcome::Open if returned > 0 => OrderStatus::PartiallyReturned,
            Outcome::Open if shipped > 0 && shipped < all => OrderStatus::PartiallyShipped,
            Outcome::Open if shipped > 0 && self.delivered => OrderStatus::Delivered,
            Outcome::Open if shipped > 0 => OrderStatus::Shipped,
            Outcome::Open if self.waiting => OrderStatus::Waiting,
            Outcome::Open if self.secured && filled == 0 => OrderStatus::Backordered,
            Outcome::Open if self.secured => OrderStatus::Paid,
            Outcome::Open if self.payments.iter().any(Pay::asks_the_buyer) => OrderStatus::AwaitingPayment,
            Outcome::Open if pinned || self.charge == ChargeTime::WhenFilled => OrderStatus::Created,
            Outcome::Open => OrderStatus::AwaitingPayment,
        })
    }

    /// How it differs from a snapshot, if it does.
    pub(super) fn differs(&self, state: &stockade_domain::order::Order) -> Option<String> {
        let known = (state.outcome, state.secured, state.delivered, state.hold_expires_at, state.owed.len());
        let wanted = (self.outcome, self.secured, self.delivered, self.expires_at, self.owed.len());
        if known != wanted {
            return Some(format!("outcome, secured, delivered, deadline, steps are {known:?}, not {wanted:?}"));
        }
        let line_of = |line: &stockade_domain::order::Line| {
            let units = [line.quantity, line.filled, line.backordered, line.cancelled, line.shipped, line.returned];
            (line.sku.clone(), units.map(|units| units as i64), i128::from(line.net.0))
        };
        let line = |line: &Line| {
            let units = [line.quantity, line.filled, line.backordered, line.cancelled, line.shipped, line.returned];
            (line.sku.clone(), units, line.net)
        };
        if !state.lines.iter().map(line_of).eq(self.lines.iter().map(line)) {
            return Some("its lines differ".into());
        }
        let paid = state.payments.iter();
        let paid = paid.map(|p| (p.id, p.method, p.amount.0, p.state, p.refunded.0, p.refunding.0, p.asks_the_buyer()));
        let pays = self.payments.iter();
        let pays = pays.map(|p| (p.id, p.method, p.amount, p.state, p.refunded, p.refunding, p.asks_the_buyer()));
        (!paid.eq(pays)).then(|| "its payments differ".into())
    }
}
