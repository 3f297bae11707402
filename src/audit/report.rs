//! What an audit found: the rules it holds the journal to, the records that broke one, and the totals.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use stockade_domain::Timestamp;

/// At most so many faults are listed; all of them are counted.
const FAULTS_LISTED_MAX: usize = 1000;

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $name:literal,)*) => {
        /// The rules that a journal must keep. A report names the rule that a record broke.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[$doc])* $rule,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// The public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }
        }
    };
}

rules! {
    /// The journal's files are as they were written, and their hashes form one chain.
    JournalDamaged = "journal_damaged",
    /// Every record can be read.
    RecordMalformed = "record_malformed",
    /// Records are numbered from one, without a gap.
    SequenceBroken = "sequence_broken",
    /// Engine time never runs backwards for an actor.
    TimeBackwards = "time_backwards",
    /// An order has one use of a promotion or coupon, which is settled, or goes back, once.
    UseOnce = "use_once",
    /// Uses, a customer's uses and budgets stay within what is allowed, within its time.
    UsesExceeded = "uses_exceeded",
    /// A use is an order's: held until it is paid, settled from then on, gone when it ended.
    UseWithoutOrder = "use_without_order",
    /// An order has discounts only of promotions that were in force in the version of the rules that priced it.
    DiscountRetired = "discount_retired",
    /// Discounts are of lines and charges that are there, and take off no more than these cost.
    OrderDiscounts = "order_discounts",
    /// An idempotency key binds one accepted answer within its 24 hours.
    KeyUsedTwice = "key_used_twice",
    /// What is on hand is what came in less what went out, and each unit of it is in one state.
    StockIdentity = "stock_identity",
    /// No counter is ever below zero.
    StockNegative = "stock_negative",
    /// No unit is promised that is not free.
    Oversold = "oversold",
    /// A quantity is a whole number within bounds, and not zero where something moves.
    QuantityInvalid = "quantity_invalid",
    /// Units lie in a bin that exists.
    BinUnknown = "bin_unknown",
    /// Only a SKU that is defined and active takes new demand.
    SkuNotSellable = "sku_not_sellable",
    /// An order commits a SKU once.
    CommitmentTwice = "commitment_twice",
    /// Each committed unit ends exactly once: settled then shipped, released, or displaced.
    CommitmentUnknown = "commitment_unknown",
    /// Who waits first is served first; newcomers never overtake.
    BackorderTurn = "backorder_turn",
    /// No more waits than the SKU allows.
    BackorderBound = "backorder_bound",
    /// What is promised against incoming stock never exceeds it.
    PromisedTwice = "promised_twice",
    /// What happens in a book is numbered without a gap: its events, its fills, its places in line.
    MarketSequence = "market_sequence",
    /// Each unit of an offer or bid is open, held, sold or withdrawn.
    MarketUnits = "market_units",
    /// A fill is at its maker's price and within its taker's limit.
    MarketPrice = "market_price",
    /// Price, then time: nobody who stood before the maker was passed over.
    MarketPriority = "market_priority",
    /// A book at rest is not crossed.
    MarketCrossed = "market_crossed",
    /// What orders claim is what the book holds for them, and each claimed unit ends exactly once.
    ClaimUnits = "claim_units",
    /// A wallet sets aside for a bid what its open units may still cost.
    BidMoney = "bid_money",
    /// A lottery is drawn once, after it closed, by the seed that was committed to before; nobody is let in earlier.
    LotteryDraw = "lottery_draw",
    /// No customer has more than the SKU's limit.
    CustomerLimit = "customer_limit",
    /// The safety level of a location is never sold.
    SafetyLevel = "safety_level",
    /// Units past their lot's date are never sold.
    ExpiredSold = "expired_sold",
    /// That stock runs low, or that more is sold than there is and is coming, is told when it begins, once, and only then.
    AlarmTold = "alarm_told",
    /// An order id is placed once; only a refused attempt may be placed again.
    OrderTwice = "order_twice",
    /// An order begins with its placing.
    OrderUnknown = "order_unknown",
    /// An order takes only the steps that its state allows.
    OrderTransition = "order_transition",
    /// Every unit of a line is in exactly one state.
    LineUnits = "line_units",
    /// An offer's serial numbers are one for each unit, and each is shipped once at most.
    SerialNumbers = "serial_numbers",
    /// The payments of an order add up to no more than what is due.
    OrderPayments = "order_payments",
    /// Nothing is recognised as sold that nobody paid.
    OrderMoney = "order_money",
    /// Sellers are owed what buyers paid for goods that were shipped and kept, less the commission.
    SellerEarnings = "seller_earnings",
    /// No more is taken than was set aside, and what may be taken beyond that.
    CaptureExceeds = "capture_exceeds",
    /// No more goes back than was paid.
    RefundExceeds = "refund_exceeds",
    /// A payment begins once.
    PaymentTwice = "payment_twice",
    /// A payment begins with its creation.
    PaymentUnknown = "payment_unknown",
    /// A payment takes only the transitions of its table.
    PaymentTransition = "payment_transition",
    /// A wallet is never below zero.
    WalletNegative = "wallet_negative",
    /// Wallet money is held, spent and given back once for each payment and operation.
    WalletOnce = "wallet_once",
    /// A wallet has one currency and whole minor units.
    WalletMoney = "wallet_money",
    /// An entry moves money between two accounts.
    EntryInvalid = "entry_invalid",
    /// The books sum to zero, and owe as deposits what was paid, not given back and not earned yet.
    BooksUnbalanced = "books_unbalanced",
    /// What the books owe to wallets is what the wallets hold.
    BooksWallets = "books_wallets",
    /// What a SKU has for an order is what the order's lines say.
    OrderStock = "order_stock",
    /// A hold without an order is young, or it is a leak.
    TentativeHold = "tentative_hold",
    /// What a payment says is what its order says.
    OrderPayment = "order_payment",
    /// What a wallet did for a payment is what the payment says.
    PaymentWallet = "payment_wallet",
    /// A snapshot is what its records make.
    SnapshotDiffers = "snapshot_differs",
    /// A query model lists exactly the records it is about.
    ModelDiffers = "model_differs",
    /// Derived records can be read and are vouched for by the journal.
    DerivedDamaged = "derived_damaged",
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A record that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Sequence of the record; for what only the whole shows, the last one of the actor or the journal.
    pub seq: u64,
    /// Whose record, such as `sku/MUG`; the journal or the books otherwise.
    pub actor: String,
    /// Which rule.
    pub rule: Rule,
    /// What was found, and what should have been.
    pub detail: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "record {}: {} breaks {}: {}", self.seq, self.actor, self.rule.name(), self.detail)
    }
}

/// The outcome of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AuditReport {
    /// Records read.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// SKUs met.
    pub skus: u64,
    /// Orders met; refused ones count.
    pub orders: u64,
    /// Payments met.
    pub payments: u64,
    /// Wallets met.
    pub accounts: u64,
    /// Units promised that were not there. Anything but zero is a fault.
    pub oversold: u64,
    /// Units that a forced shortfall took from orders; they wait again.
    pub displaced: u64,
    /// Steps between actors that the end of the journal cut short; they go on when the engine runs again.
    pub in_flight: u64,
    /// The first of those in flight.
    pub in_flight_of: Vec<String>,
    /// Snapshots compared with what the records make.
    pub snapshots: u64,
    /// Entries of query models compared with the records.
    pub model_entries: u64,
    /// Balances by currency and account: debits less credits.
    pub ledger: BTreeMap<String, BTreeMap<&'static str, String>>,
    /// How many faults there are.
    pub faults_found: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
}

impl AuditReport {
    /// Whether no rule was broken.
    pub const fn is_clean(&self) -> bool {
        self.faults_found == 0
    }

    /// The exit code of the command: 0 clean, 1 faults.
    pub const fn exit_code(&self) -> u8 {
        if self.is_clean() { 0 } else { 1 }
    }
}

/// Why an audit could not run at all.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Nothing is there.
    #[error("{dir} holds no journal: name the directory of an engine with --data")]
    NoJournal {
        /// Which directory.
        dir: String,
    },
    /// Another process has the directory.
    #[error("{dir} is in use by another process: stop it first, an audit reads a journal at rest")]
    InUse {
        /// Which directory.
        dir: String,
    },
    /// A newer version has written it.
    #[error("the journal was written by a newer version ({0}): audit it with that one")]
    Newer(String),
    /// A read failed.
    #[error("the journal could not be read: {0}")]
    Io(String),
}

/// Collects faults.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) found: u64,
    pub(super) listed: Vec<Fault>,
}

impl Faults {
    pub(super) fn add(&mut self, seq: u64, actor: impl ToString, rule: Rule, detail: impl Into<String>) {
        self.found += 1;
        if self.listed.len() < FAULTS_LISTED_MAX {
            self.listed.push(Fault { seq, actor: actor.to_string(), rule, detail: detail.into() });
        }
    }
}

/// One record as the folds see it: where it is, when, whose, and where to report.
pub(super) struct Scene<'a> {
    pub(super) seq: u64,
    pub(super) now: Timestamp,
    pub(super) actor: &'a dyn std::fmt::Display,
    pub(super) faults: &'a mut Faults,
}

impl Scene<'_> {
    /// Reports that this record breaks a rule.
    pub(super) fn fault(&mut self, rule: Rule, detail: impl Into<String>) {
        self.faults.add(self.seq, self.actor, rule, detail);
    }

    /// Reports a broken rule unless `holds`; says whether it holds.
    pub(super) fn expect(&mut self, holds: bool, rule: Rule, detail: impl FnOnce() -> String) -> bool {
        if !holds {
            self.fault(rule, detail());
        }
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rules_share_a_name() {
        let names: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
    }

    #[test]
    fn a_flood_of_faults_is_counted_whole_and_listed_in_part() {
        let mut faults = Faults::default();
        (0..5000).for_each(|seq| faults.add(seq, "journal", Rule::SequenceBroken, "x"));
        assert_eq!((faults.found, faults.listed.len()), (5000, FAULTS_LISTED_MAX));
        let report = AuditReport { faults_found: faults.found, ..AuditReport::default() };
        assert_eq!((report.is_clean(), report.exit_code()), (false, 1));
    }
}
