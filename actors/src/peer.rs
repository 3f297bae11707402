//! What partitions say to each other.
//!
//! An order whose actors live in several partitions is held by this protocol, in ascending partition order:
//!
//! ```text
//!   home ── Hold ──▶ p0 ── Held ──▶ home ── Hold ──▶ p1 ── Held ──▶ home: the order is recorded
//!                     └ tentative                     └ refused ──▶ home ── Abort ──▶ p0
//!   home ── Step ──▶ p (settle, release, ship ...) ── StepDone ──▶ home     repeated until it is done
//! ```
//!
//! What a SKU has for an order of another partition, and what waits, is told until it is heard (`StockIs`).
//!
//! A tentative hold whose order is never heard of again asks `Inquire`, and is given back when its home does not
//! know the order.

use smallvec::SmallVec;
use stockade_domain::account::Backing;
use stockade_domain::entity::RemoteStep;
use stockade_domain::order::{Fill, OrderCommand};
use stockade_domain::promotion::Label;
use stockade_domain::promotion::uses::{Subject, Use};
use stockade_domain::stock::market::{MarketDemand, MarketFill};
use stockade_domain::stock::{HoldContext, HoldMode};
use stockade_domain::{Amount, Currency, CustomerId, Money, OrderId, PaymentId, Quantity, Refusal, SkuId};

pub use crate::host::StockOfOrder;

/// What a wallet sets aside for a bid from now on.
#[derive(Debug, Clone)]
pub struct KeptForBid {
    /// Numbers what is told of the bid: what was told earlier is old.
    pub attempt: u64,
    /// The name under which it does.
    pub payment: PaymentId,
    /// The whole amount.
    pub money: Money,
    /// For which bid.
    pub backing: Backing,
}

/// Demand for the SKUs of one partition.
#[derive(Debug, Clone)]
pub struct HoldRequest {
    /// Whose.
    pub order: OrderId,
    /// Numbers the tries of a home to place orders: an answer to an earlier one is no answer.
    pub attempt: u64,
    /// The first step that the order would number: once it was done here, the order is recorded, and this question old.
    pub first_step: u32,
    /// Who counts against limits.
    pub buyer: Option<CustomerId>,
    /// What to do with what free stock cannot fill.
    pub mode: HoldMode,
    /// Where the goods should come from.
    pub context: Option<Box<HoldContext>>,
    /// The SKUs of this partition.
    pub items: SmallVec<[(SkuId, Quantity); 2]>,
    /// What lines want of their books: the index of the item, and the lines.
    pub of_books: Vec<(usize, Vec<MarketDemand>)>,
}

/// Demand for a use of a promotion or a coupon.
#[derive(Debug, Clone)]
pub struct UseRequest {
    /// Whose.
    pub order: OrderId,
    /// In which try to place it.
    pub round: u64,
    /// Of what.
    pub subject: Subject,
    /// What it takes of the budget.
    pub amount: Amount,
    /// In what the order is priced.
    pub currency: Currency,
    /// Whom it is counted for.
    pub customer: Option<CustomerId>,
}

/// What was held: a fill for each item, and what lines got from books.
pub type HeldItems = (SmallVec<[Fill; 2]>, Vec<MarketFill>);

/// A message between partitions.
#[derive(Debug, Clone)]
pub enum PeerMessage {
    /// Hold these tentatively, all or none.
    Hold {
        /// Who asks.
        from: usize,
        /// What.
        request: HoldRequest,
    },
    /// The answer, with a fill for each item.
    Held {
        /// Whose.
        order: OrderId,
        /// In which try.
        attempt: u64,
        /// Who answers.
        by: usize,
        /// What was held, or why not.
        result: Box<Result<HeldItems, Refusal>>,
    },
    /// Set wallet money aside.
    HoldMoney {
        /// In which try; 0 if that is not known any more.
        attempt: u64,
        /// Who asks.
        from: usize,
        /// Whose order.
        order: OrderId,
        /// For which payment.
        payment: PaymentId,
        /// Whose wallet.
        customer: CustomerId,
        /// How much.
        money: Money,
        /// The order comes of a bid: what is set aside for the bid from now on, without what the order takes.
        of_bid: Option<Box<KeptForBid>>,
    },
    /// The answer.
    MoneyHeld {
        /// In which try; 0 if that is not known any more.
        attempt: u64,
        /// Whose order.
        order: OrderId,
        /// For which payment.
        payment: PaymentId,
        /// Whether, or why not.
        result: Result<(), Refusal>,
    },
    /// Set wallet money aside for a bid; so much altogether.
    HoldBid {
        /// Numbers what is told of the bid.
        attempt: u64,
        /// Who asks.
        from: usize,
        /// Whose wallet.
        customer: CustomerId,
        /// Under which name.
        payment: PaymentId,
        /// How much.
        money: Money,
        /// Which bid.
        backing: Box<Backing>,
    },
    /// The answer.
    BidHeld {
        /// To which question.
        attempt: u64,
        /// Under which name.
        payment: PaymentId,
        /// Whether, or why not.
        result: Result<(), Refusal>,
    },
    /// So much is still needed of what was set aside for a bid.
    KeepForBid {
        /// Numbers what is told of the bid: what was told earlier is old.
        attempt: u64,
        /// Whose wallet.
        customer: CustomerId,
        /// Under which name.
        payment: PaymentId,
        /// How much.
        money: Money,
        /// Which bid.
        backing: Box<Backing>,
    },
    /// How much is still needed of what was set aside for a bid?
    InquireBid {
        /// Who asks.
        from: usize,
        /// Whose wallet.
        customer: CustomerId,
        /// Of which money it is.
        currency: Currency,
        /// Under which name.
        payment: PaymentId,
        /// Which bid.
        backing: Box<Backing>,
    },
    /// Set a use aside.
    HoldUse {
        /// Who asks.
        from: usize,
        /// What.
        request: Box<UseRequest>,
    },
    /// The answer, with a coupon's batch.
    UseHeld {
        /// Whose order.
        order: OrderId,
        /// In which try to place it.
        round: u64,
        /// Of what.
        subject: Subject,
        /// Of a coupon; none if it is not known. It is told of one that is refused too: the price comes first.
        batch: Option<Label>,
        /// Whether, or why not.
        result: Result<(), Refusal>,
    },
    /// Give back a use that was held for a pricing that came to nothing.
    AbortUse {
        /// Whose.
        order: OrderId,
        /// In which try to place it.
        round: u64,
        /// Of what.
        subject: Subject,
    },
    /// What became of this order, which has a use held here?
    InquireUse {
        /// Who asks.
        from: usize,
        /// Whose.
        order: OrderId,
        /// In which try to place it.
        round: u64,
        /// Of what.
        subject: Subject,
    },
    /// The order is there, and the use is its.
    UseKnown {
        /// Whose.
        order: OrderId,
        /// Of what.
        subject: Subject,
    },
    /// Does the order still owe this step, by which it gave its use back?
    InquireReturn {
        /// Who asks.
        from: usize,
        /// Whose.
        order: OrderId,
        /// Which step.
        step: u32,
        /// Of what.
        subject: Subject,
    },
    /// The order asks for this step no more.
    ReturnHeard {
        /// Whose.
        order: OrderId,
        /// Which step.
        step: u32,
        /// Of what.
        subject: Subject,
    },
    /// Give back what was held for an order that was not recorded.
    Abort {
        /// Whose.
        order: OrderId,
        /// In which try; what a later one holds stays.
        attempt: u64,
        /// Which SKUs.
        skus: SmallVec<[SkuId; 2]>,
    },
    /// Give back wallet money that was held for an order that was not recorded.
    AbortMoney {
        /// In which try; 0 if that is not known any more.
        attempt: u64,
        /// For which payment.
        payment: PaymentId,
        /// Whose wallet.
        customer: CustomerId,
    },
    /// What became of this order, which has units held here?
    Inquire {
        /// Who asks.
        from: usize,
        /// Whose.
        order: OrderId,
        /// In which try it was held; 0 if that is not known any more.
        attempt: u64,
        /// Which SKU.
        sku: SkuId,
    },
    /// What became of the order of this payment, which has money held here?
    InquireMoney {
        /// In which try; 0 if that is not known any more.
        attempt: u64,
        /// Who asks.
        from: usize,
        /// Which payment.
        payment: PaymentId,
        /// Whose wallet.
        customer: CustomerId,
    },
    /// Do this for an order.
    Step {
        /// Who asks.
        from: usize,
        /// Whose.
        order: OrderId,
        /// Which step of it.
        step: u32,
        /// What.
        what: Box<RemoteStep>,
        /// What the order had of a use that it gives back: the owner only counts what is used.
        taken: Option<Box<Use>>,
    },
    /// It is done.
    StepDone {
        /// Whose.
        order: OrderId,
        /// Which step.
        step: u32,
        /// Units of a shipment that a shortfall had taken meanwhile.
        short: Option<(SkuId, Quantity)>,
        /// What the SKU told before it, with a lower number, is old: it did not know of the step.
        news: Option<(SkuId, u64)>,
    },
    /// This is what a SKU keeps for the order and how many units of it wait.
    StockIs {
        /// Who tells.
        from: usize,
        /// Numbers what a partition tells: who has heard an earlier one has not heard this.
        news: u64,
        /// Whose.
        order: OrderId,
        /// Which SKU.
        sku: SkuId,
        /// How it stands.
        stock: StockOfOrder,
    },
    /// The order has taken it in.
    StockHeard {
        /// What was heard.
        news: u64,
        /// Whose.
        order: OrderId,
        /// Which SKU.
        sku: SkuId,
    },
    /// Tell an order.
    Order {
        /// Which.
        order: OrderId,
        /// What.
        command: Box<OrderCommand>,
    },
}
