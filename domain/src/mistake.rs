//! Deliberate mistakes, behind a switch that only tests can turn: each must be caught by one of the machines that judge the
//! engine. Without the feature `mistakes` none can be made: [`made`] is `false`, and what asks it is optimised away.
//!
//! `cargo xtask ci mistakes` makes one after the other; `docs/mistakes.md` tells who caught what.

macro_rules! mistakes {
    ($($(#[doc = $about:literal])+ $variant:ident = $name:literal;)+) => {
        /// A mistake that can be made.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mistake {
            $($(#[doc = $about])+ $variant,)+
        }

        impl Mistake {
            /// Every mistake, by name, with what goes wrong.
            pub const ALL: &[(Self, &'static str, &'static str)] =
                &[$((Self::$variant, $name, concat!($($about,)+)),)+];
        }
    };
}

mistakes! {
    /// Answers leave before their records are on disk.
    AcknowledgeEarly = "acknowledge_early";
    /// The journal says that it is on disk without having asked the disk.
    SyncSkipped = "sync_skipped";
    /// A shelf sells one unit more than it has.
    SellOneMore = "sell_one_more";
    /// Stock that comes back is not given to those who wait.
    RestockLost = "restock_lost";
    /// Who came last is served first.
    QueueReversed = "queue_reversed";
    /// An order that ends keeps its units on the shelf.
    ReleaseForgotten = "release_forgotten";
    /// An order expires while its payment is under way.
    ExpireWhilePaying = "expire_while_paying";
    /// Unpaid goods are shipped.
    ShipUnpaid = "ship_unpaid";
    /// Units that a shortfall had taken before they were shipped are not told of.
    ShortShipmentHidden = "short_shipment_hidden";
    /// What was paid for an order that ended is kept.
    RefundForgotten = "refund_forgotten";
    /// A call to the gateway has another key each time it is repeated.
    GatewayKeyChanges = "gateway_key_changes";
    /// An order that gives up lets its payment fail without undoing the charge.
    VoidSkipped = "void_skipped";
    /// A wallet spends money that is set aside for another payment.
    WalletSpendsHeld = "wallet_spends_held";
    /// A coupon or promotion is used once more than it may.
    UseOnceMore = "use_once_more";
    /// A seller is not charged the commission.
    CommissionForgotten = "commission_forgotten";
    /// Discounts are booked as if they had been paid.
    DiscountBookedAsRevenue = "discount_booked_as_revenue";
    /// An order that is to be charged when it is filled never is.
    FillNotCharged = "fill_not_charged";
    /// The answer to an earlier try is believed.
    OldTryBelieved = "old_try_believed";
    /// The end of an earlier try takes what a later one holds.
    LaterTryAborted = "later_try_aborted";
    /// A step is reported as done and was not.
    StepNotDone = "step_not_done";
    /// A step whose answer was lost is done again.
    StepDoneTwice = "step_done_twice";
    /// A step that was not answered is not asked for again.
    StepNotRepeated = "step_not_repeated";
    /// News that is older than what was heard is believed.
    OldNewsBelieved = "old_news_believed";
}

/// Whether this mistake is being made.
#[cfg(feature = "mistakes")]
#[inline]
pub fn made(mistake: Mistake) -> bool {
    switch::MADE.load(std::sync::atomic::Ordering::Relaxed) == mistake as usize + 1
}

/// Whether this mistake is being made: never.
#[cfg(not(feature = "mistakes"))]
#[inline]
pub const fn made(_: Mistake) -> bool {
    false
}

/// Another number each time, for mistakes that need one; without the feature always the same.
#[cfg(feature = "mistakes")]
pub fn count() -> u64 {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// See above.
#[cfg(not(feature = "mistakes"))]
pub const fn count() -> u64 {
    0
}

#[cfg(feature = "mistakes")]
mod switch {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Mistake;

    pub(super) static MADE: AtomicUsize = AtomicUsize::new(0);

    /// From now on this mistake is made, in the whole process.
    pub fn make(mistake: Option<Mistake>) {
        MADE.store(mistake.map_or(0, |mistake| mistake as usize + 1), Ordering::SeqCst);
    }
}

#[cfg(feature = "mistakes")]
pub use switch::make;
