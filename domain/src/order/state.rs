//! What an order remembers.

use compact_str::CompactString;
use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use super::charge::{Deferred, Shipment};
use super::event::{LineClaim, PlannedPayment};
use super::kit::LinePart;
use super::promoted::Promoted;
use super::request::Charge;
use crate::entity::RemoteStep;
use crate::mistake::{Mistake, made};
use crate::money::share_of_units;
use crate::payment::{Method, NextAction, PaymentState, Stage};
use crate::{Amount, BookOrderId, Currency, CustomerId, OrderId, PaymentId, Quantity, SkuId, Timestamp, codec};

/// A line and what became of its units.
///
/// `quantity = filled + backordered + unfilled + cancelled`, and `shipped <= filled`, `returned <= shipped`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Line {
    /// What.
    #[n(0)]
    pub sku: SkuId,
    /// Units asked for.
    #[n(1)]
    pub quantity: Quantity,
    /// Price of one.
    #[n(2)]
    pub unit_price: Amount,
    /// Units that are held, allocated or shipped.
    #[n(3)]
    pub filled: Quantity,
    /// Units that wait for stock.
    #[n(4)]
    pub backordered: Quantity,
    /// Units that were not to be had.
    #[n(5)]
    pub unfilled: Quantity,
    /// Units cancelled.
    #[n(6)]
    pub cancelled: Quantity,
    /// Units shipped.
    #[n(7)]
    pub shipped: Quantity,
    /// Units that came back.
    #[n(8)]
    pub returned: Quantity,
    /// What the accepted units cost together, in whole minor units.
    #[n(9)]
    pub net: Amount,
    /// The components of a kit.
    #[n(10)]
    pub kit: Option<Box<Vec<LinePart>>>,
    /// Units of a seller's offers instead of the house's.
    #[n(11)]
    pub claim: Option<Box<LineClaim>>,
    /// What promotions took off; `net` is without it.
    #[cbor(n(12), skip_if = "codec::is_zero")]
    pub discount: Amount,
}

impl Line {
    /// Units that were accepted and that `net` is for.
    pub const fn units(&self) -> Quantity {
        self.quantity - self.unfilled
    }

    /// Units given up so far, by cancel or return; their shares of `net` were never due or went back.
    pub const fn given_up(&self) -> Quantity {
        self.cancelled + self.returned
    }

    /// Units allocated (once the order is paid) and not shipped.
    pub const fn unshipped(&self) -> Quantity {
        self.filled - self.shipped
    }

    /// What so many units that are worth `worth` are in the books: at their price to the last fraction, or, where
    /// promotions took something off, at what they are worth.
    pub fn booked(&self, units: Quantity, worth: Amount) -> i128 {
        match self.discount.0 {
            _ if made(Mistake::DiscountBookedAsRevenue) => i128::from(self.unit_price.0) * i128::from(units),
            0 => i128::from(self.unit_price.0) * i128::from(units),
            _ => i128::from(worth.0),
        }
    }

    /// What the next `quantity` units to be given up are worth.
    pub fn share(&self, quantity: Quantity, currency: Currency) -> Amount {
        if quantity == 0 {
            return Amount::ZERO;
        }
        share_of_units(self.net, self.units(), self.given_up(), quantity, currency)
    }

    /// What the units not given up cost.
    pub fn due(&self, currency: Currency) -> Amount {
        self.share(self.units() - self.given_up(), currency)
    }

    /// Asserts that every unit is in exactly one state.
    pub fn check(&self) {
        let sum = self.filled + self.backordered + self.unfilled + self.cancelled;
        assert!(
            self.quantity == sum && self.shipped <= self.filled && self.returned <= self.shipped,
            "a line's units add up: {self:?}"
        );
        self.check_parts();
    }
}

/// A payment as its order sees it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OrderPayment {
    /// Its id.
    #[n(0)]
    pub id: PaymentId,
    /// How.
    #[n(1)]
    pub method: Method,
    /// How much.
    #[n(2)]
    pub amount: Amount,
    /// Where it stands.
    #[n(3)]
    pub state: PaymentState,
    /// What went back or is on its way.
    #[n(4)]
    pub refunded: Amount,
    /// Of which is on its way.
    #[n(5)]
    pub refunding: Amount,
    /// Why it failed.
    #[cbor(n(6), with = "codec::optional_text")]
    pub failure: Option<CompactString>,
    /// What the caller calls it, where the order keeps that.
    #[cbor(n(7), with = "codec::optional_text")]
    pub reference: Option<CompactString>,
    /// Where it stands in full, where that does not follow from the rest.
    #[n(8)]
    told: Option<Stage>,
    /// What somebody has to do before its gateway goes on.
    #[n(9)]
    pub next_action: Option<Box<NextAction>>,
}

impl OrderPayment {
    /// A payment that starts.
    pub(super) fn start(id: PaymentId, planned: &PlannedPayment) -> Self {
        Self {
            id,
            method: planned.method,
            amount: planned.amount,
            state: PaymentState::Pending,
            refunded: Amount::ZERO,
            refunding: Amount::ZERO,
            failure: None,
            reference: planned.reference.clone(),
            told: None,
            next_action: None,
        }
    }

    /// Where it stands in full: what the payment has told, or what follows from the rest.
    pub const fn stage(&self) -> Stage {
        match (self.told, self.state) {
            (Some(told), _) => told,
            (None, PaymentState::Pending) if matches!(self.method, Method::Card) => Stage::Authorizing,
            // The wallet has set the money aside.
            (None, PaymentState::Pending) => Stage::Authorized,
            (None, PaymentState::Paid) if self.refunded.0 > 0 => Stage::PartiallyRefunded,
            (None, PaymentState::Paid) => Stage::Captured,
            (None, PaymentState::Failed) if matches!(self.method, Method::Card) => Stage::Declined,
            (None, PaymentState::Failed) => Stage::Cancelled,
            (None, PaymentState::Refunding) => Stage::RefundRequested,
            (None, PaymentState::Refunded) => Stage::Refunded,
        }
    }

    /// It stands elsewhere for the order; what the payment has told was before that.
    pub(super) fn enter(&mut self, state: PaymentState) {
        (self.state, self.told, self.next_action) = (state, None, None);
    }

    /// The payment tells where it stands.
    pub(super) fn stands(&mut self, stage: Stage, next_action: Option<&NextAction>) {
        self.told = None;
        self.told = (self.stage() != stage).then_some(stage);
        self.next_action = next_action.cloned().map(Box::new);
    }

    /// Whether the buyer must act before it goes on.
    pub fn asks_the_buyer(&self) -> bool {
        self.is_pending() && self.stage().asks_the_buyer()
    }

    /// What can still go back.
    pub const fn refundable(&self) -> Amount {
        match self.state {
            PaymentState::Paid | PaymentState::Refunding => Amount(self.amount.0 - self.refunded.0),
            _ => Amount::ZERO,
        }
    }

    /// Whether its outcome is still open.
    pub fn is_pending(&self) -> bool {
        self.state == PaymentState::Pending
    }
}

/// How an order ended, if it ended before its goods were shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// It did not.
    #[n(0)]
    Open,
    /// Somebody cancelled all of it.
    #[n(1)]
    Cancelled,
    /// Nobody paid in time.
    #[n(2)]
    Expired,
    /// Its payment failed while it was being placed: it counts as never made.
    #[n(3)]
    Refused,
}

/// A step that an actor of another partition owes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwedStep {
    /// Its number, rising per order.
    #[n(0)]
    pub step: u32,
    /// Who owes what.
    #[n(1)]
    pub to: Box<RemoteStep>,
}

/// The state of one order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Order {
    /// Its id.
    #[n(0)]
    pub id: OrderId,
    /// Who buys.
    #[n(1)]
    pub customer: Option<CustomerId>,
    /// Who counts a guest's purchases.
    #[n(2)]
    pub purchaser_key: Option<CustomerId>,
    /// In what all its money is.
    #[n(3)]
    pub currency: Currency,
    /// What.
    #[cbor(n(4), with = "codec::list")]
    pub lines: SmallVec<[Line; 1]>,
    /// What comes on top.
    #[cbor(n(5), with = "codec::list")]
    pub charges: SmallVec<[Charge; 1]>,
    /// Every payment, by number from 0.
    #[cbor(n(6), with = "codec::list")]
    pub payments: SmallVec<[OrderPayment; 1]>,
    /// When unpaid stock goes back.
    #[n(7)]
    pub hold_expires_at: Timestamp,
    /// When it was accepted.
    #[n(8)]
    pub created_at: Timestamp,
    /// How it ended.
    #[n(9)]
    pub outcome: Outcome,
    /// The whole total is paid, so its holds are settled.
    #[n(10)]
    pub secured: bool,
    /// Whoever placed it still awaits the first payment's outcome: if that fails, it is refused and was never made.
    #[n(11)]
    pub placing: bool,
    /// Cancel as soon as the open charge is undone.
    #[n(12)]
    pub cancel_requested: bool,
    /// The goods arrived.
    #[n(13)]
    pub delivered: bool,
    /// The carrier's name for the last parcel.
    #[cbor(n(14), with = "codec::optional_text")]
    pub tracking: Option<CompactString>,
    /// A digest of the request that made it.
    #[n(15)]
    pub body_digest: u64,
    /// Steps that actors of other partitions owe.
    #[n(16)]
    pub owed: Vec<OwedStep>,
    /// The number of the next such step.
    #[n(17)]
    pub next_step: u32,
    /// How often an order with this id was refused before.
    #[n(18)]
    pub attempt: u32,
    /// What the house keeps of units that were given up (returned without a refund); below zero: what it gave away.
    /// Once the order is paid, `paid - refunded - total - kept` is what a failed refund still owes the buyer.
    #[n(19)]
    pub kept: Amount,
    /// It holds nothing and waits to be let in.
    #[cbor(n(20), skip_if = "codec::is_false")]
    pub waiting: bool,
    /// The bid whose fill it is.
    #[n(21)]
    pub bid: Option<Box<BookOrderId>>,
    /// It is closed: nothing comes back any more.
    #[cbor(n(22), skip_if = "codec::is_false")]
    pub completed: bool,
    /// What promotions did.
    #[n(23)]
    pub promoted: Option<Box<Promoted>>,
    /// Payments that start when the last of its units is there.
    #[n(24)]
    pub deferred: Option<Box<Deferred>>,
    /// Goods that are sent as soon as their money is there.
    #[n(25)]
    pub shipment: Option<Box<Shipment>>,
    /// How long its units were to stay held when it was placed, in seconds; orders of earlier snapshots do not know.
    #[cbor(n(26), skip_if = "codec::is_none_yet")]
    pub hold_seconds: u32,
}

impl Order {
    /// What it costs now: accepted units that were not given up, and charges unless all was cancelled.
    pub fn total(&self) -> Amount {
        Amount(self.lines.iter().map(|line| line.due(self.currency).0).sum::<i64>() + self.charges_total().0)
    }

    /// Its charges, as far as they are due.
    pub fn charges_total(&self) -> Amount {
        match self.outcome {
            Outcome::Open => {
                let off = self.promoted.as_ref().map_or(Amount::ZERO, |promoted| promoted.off_charges());
                Amount(self.charges.iter().map(|charge| charge.money.amount.0).sum::<i64>() - off.0)
            }
            _ => Amount::ZERO,
        }
    }

    /// What is paid, refunds not counted.
    pub fn paid(&self) -> Amount {
        self.sum_payments(|payment| match payment.state {
            PaymentState::Paid | PaymentState::Refunding | PaymentState::Refunded => payment.amount,
            PaymentState::Pending | PaymentState::Failed => Amount::ZERO,
        })
    }

    /// What went back or is on its way.
    pub fn refunded(&self) -> Amount {
        self.sum_payments(|payment| payment.refunded)
    }

    /// What a refund that failed has left with the house: it is the buyer's and can be refunded again.
    pub fn owed_back(&self) -> Amount {
        if self.awaits_payment() {
            return Amount::ZERO;
        }
        Amount(self.paid().0 - self.refunded().0 - self.total().0 - self.kept.0)
    }

    /// What payments of open outcome would bring.
    pub fn pending(&self) -> Amount {
        self.sum_payments(|payment| if payment.is_pending() { payment.amount } else { Amount::ZERO })
    }

    fn sum_payments(&self, of: impl Fn(&OrderPayment) -> Amount) -> Amount {
        Amount(self.payments.iter().map(|payment| of(payment).0).sum())
    }

    /// Whether a payment of open outcome pins the holds.
    pub fn is_pinned(&self) -> bool {
        self.payments.iter().any(OrderPayment::is_pending)
    }

    /// Whether a payment goes on only when the buyer has acted.
    pub fn asks_the_buyer(&self) -> bool {
        self.payments.iter().any(OrderPayment::asks_the_buyer)
    }

    /// Whether it still waits for money.
    pub fn awaits_payment(&self) -> bool {
        self.outcome == Outcome::Open && !self.secured
    }

    /// When unpaid stock goes back; none while nothing of it is held, while it waits for the rest to be charged whole, or
    /// when it is paid.
    pub fn deadline(&self) -> Option<Timestamp> {
        (self.awaits_payment() && !self.waiting && !self.waits_for_fill()).then_some(self.hold_expires_at)
    }

    /// When the order must be woken: at its deadline while it is unpaid and not pinned.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.deadline().filter(|_| !self.is_pinned() || made(Mistake::ExpireWhilePaying))
    }

    /// The number of the payment with this id.
    pub fn payment_number(&self, id: PaymentId) -> Option<u32> {
        self.payments.iter().position(|payment| payment.id == id).map(|index| index as u32)
    }

    /// Asserts every invariant that one order can check by itself.
    pub fn check(&self) {
        self.lines.iter().for_each(Line::check);
        assert!(self.refunded().0 <= self.paid().0, "no more goes back than was paid");
        assert!(self.payments.iter().all(|payment| payment.refunding.0 >= 0), "a refund ends once");
    }
}
