//! What comes into a partition and what goes out.

use std::sync::Arc;
use std::time::Duration;

use crate::host::CheckpointSink;
use stockade_domain::account::AccountCommand;
use stockade_domain::book::Side;
use stockade_domain::ledger::{Ledger, LedgerEvent};
use stockade_domain::order::{NewOrder, Order, OrderCommand, Tender};
use stockade_domain::payment::{Payment, PaymentCommand};
use stockade_domain::promotion::Promotion;
use stockade_domain::promotion::uses::{Subject, Terms, UsesCommand};
use stockade_domain::stock::market::{BookLevels, PartyView};
use stockade_domain::stock::{Announcement, Counters, Definition, StockCommand, StockLevels};
use stockade_domain::{Amount, BookOrderId, Currency, CustomerId, Location, OrderId, PaymentId, Quantity, SkuId};

/// The digest of an idempotency key with its scope.
pub type KeyDigest = [u8; 16];

/// What a caller asks of the engine.
#[derive(Clone)]
#[allow(missing_docs, reason = "the variants name the domain's commands")]
pub enum Command {
    Stock {
        sku: SkuId,
        command: Box<StockCommand>,
        key: Option<KeyDigest>,
    },
    ReadStock {
        sku: SkuId,
    },
    /// The depth of a SKU's book.
    ReadBook {
        sku: SkuId,
        levels: usize,
    },
    ReadParty {
        sku: SkuId,
        id: BookOrderId,
        side: Side,
    },
    /// Offers or bids that stand, in priority order.
    ReadParties {
        sku: SkuId,
        side: Side,
        /// Only this owner's.
        owner: Box<Option<CustomerId>>,
        /// After the one with this id.
        after: Option<BookOrderId>,
        limit: usize,
    },
    /// The offer or bid that the request with this digest has made.
    ReadPartyMade {
        sku: SkuId,
        side: Side,
        digest: u64,
    },
    /// `wait`: how long to wait for a gateway before answering that payment is under way.
    Place {
        order: Box<NewOrder>,
        key: Option<KeyDigest>,
        wait: Duration,
    },
    Pay {
        order: OrderId,
        payments: Vec<Tender>,
        key: Option<KeyDigest>,
        wait: Duration,
    },
    Order {
        order: OrderId,
        command: Box<OrderCommand>,
        key: Option<KeyDigest>,
    },
    /// Gives an unpaid order these lines; of `edit` only the lines and what prices them count.
    Edit {
        order: OrderId,
        edit: Box<NewOrder>,
        key: Option<KeyDigest>,
    },
    ReadOrder {
        order: OrderId,
    },
    ReadOrderHistory {
        order: OrderId,
    },
    Account {
        customer: CustomerId,
        command: AccountCommand,
        key: Option<KeyDigest>,
    },
    ReadAccount {
        customer: CustomerId,
    },
    /// Defines a coupon or a promotion, or retires one.
    Uses {
        subject: Subject,
        command: Box<UsesCommand>,
        key: Option<KeyDigest>,
    },
    ReadUses {
        subject: Subject,
    },
    /// Whether an owner of uses would do this now; nothing is done.
    PeekUse {
        subject: Subject,
        command: Box<UsesCommand>,
    },
    Payment {
        payment: PaymentId,
        command: Box<PaymentCommand>,
    },
    /// Tries a card payment again that failed.
    RetryPayment {
        payment: PaymentId,
    },
    ReadPayment {
        payment: PaymentId,
    },
    /// Payments whose gateway is not asked any more until somebody says so.
    ReadDeadLetters,
    Enter {
        event: Box<LedgerEvent>,
        key: Option<KeyDigest>,
    },
    ReadLedger,
    /// Makes a checkpoint of everything that changed since the last one.
    Checkpoint {
        sink: CheckpointSink,
    },
    /// The checkpoint of this cut is durable: idle actors may leave memory.
    CheckpointDone {
        cut: u64,
    },
    /// Asserts every invariant of every actor in memory; the answer counts them.
    Check,
    /// As one number: what there is.
    StateHash,
}

impl Command {
    /// Whether it may make records, and so needs room on the disk.
    pub const fn writes(&self) -> bool {
        matches!(
            self,
            Self::Stock { .. }
                | Self::Place { .. }
                | Self::Pay { .. }
                | Self::Order { .. }
                | Self::Edit { .. }
                | Self::Account { .. }
                | Self::Uses { .. }
                | Self::Payment { .. }
                | Self::RetryPayment { .. }
                | Self::Enter { .. }
        )
    }
}

/// What a caller gets.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants name what they hold")]
pub enum Answer {
    Stock(Box<StockView>),
    Order(OrderView),
    Book(Box<BookView>),
    Party(Box<PartyAnswer>),
    Parties(Box<Vec<PartyAnswer>>),
    Account(AccountView),
    Payment(Box<Payment>),
    Payments(Box<Vec<Payment>>),
    Ledger(Box<Ledger>),
    Count(u64),
    Sequences(Vec<u64>),
    Uses(Box<UsesView>),
}

/// A SKU as shown outside.
#[derive(Debug, Clone, PartialEq)]
pub struct StockView {
    /// Its name.
    pub sku: SkuId,
    /// What it is.
    pub definition: Definition,
    /// Its totals.
    pub levels: StockLevels,
    /// Of what is incoming, units that somebody waits for.
    pub promised: Quantity,
    /// Announcements with a date or a name.
    pub announcements: Vec<Announcement>,
    /// Units of sellers' offers that can be bought.
    pub offered: Quantity,
    /// On the way between two locations, and lost on it.
    pub in_transit: (Quantity, Quantity),
    /// What lies in each location.
    pub locations: Vec<(Location, Counters)>,
    /// Sequence of its last record.
    pub as_of: u64,
    /// Whether the command has just defined it for the first time.
    pub created: bool,
}

/// The depth of a SKU's book as shown outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookView {
    /// Its SKU.
    pub sku: SkuId,
    /// Offers and bids by price.
    pub levels: BookLevels,
    /// Sequence of the SKU's last record.
    pub as_of: u64,
}

/// An offer or a bid as shown outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyAnswer {
    /// Its SKU.
    pub sku: SkuId,
    /// As it stands.
    pub view: PartyView,
    /// Orders that the command has made of its fills.
    pub orders: Vec<OrderId>,
    /// Whether the command has just made it.
    pub created: bool,
    /// Sequence of the SKU's last record.
    pub as_of: u64,
}

/// An order as shown outside.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderView {
    /// Its state, shared with its actor until that changes.
    pub order: Arc<Order>,
    /// Sequence of its last record.
    pub as_of: u64,
    /// Whether it was there already: the id or key was used before with the same request.
    pub replayed: bool,
}

/// A wallet as shown outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// Whose.
    pub customer: CustomerId,
    /// In what; none before the first credit.
    pub currency: Option<Currency>,
    /// All that is there.
    pub balance: Amount,
    /// Of which set aside.
    pub held: Amount,
    /// Sequence of its last record.
    pub as_of: u64,
}

/// A promotion's or a coupon's uses as shown outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsesView {
    /// Whose.
    pub subject: Subject,
    /// What is allowed.
    pub terms: Option<Terms>,
    /// What a promotion is.
    pub promotion: Option<Box<Promotion>>,
    /// Whether the promotion prices nothing any more.
    pub retired: bool,
    /// Uses of orders that are not paid yet.
    pub held: u64,
    /// Uses of orders that are paid.
    pub settled: u64,
    /// What both take of the budget.
    pub amount: Amount,
    /// Sequence of the last record.
    pub as_of: u64,
    /// Whether the command has just defined it for the first time.
    pub created: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Incoming;

    /// They are moved from thread to thread and from list to list several times each.
    #[test]
    fn what_passes_through_a_mailbox_is_small() {
        assert!(size_of::<Incoming>() <= 128, "{}", size_of::<Incoming>());
        assert!(size_of::<Result<Answer, stockade_domain::Refusal>>() <= 64);
    }
}
