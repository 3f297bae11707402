//! Where a payment stands, in full: the main states, their sub-states, and the five public names they project to.

use minicbor::{Decode, Encode};

use super::table::PaymentState;

/// Makes [`Stage`], its list and its names from one table: `Variant = number: main, sub, public`.
macro_rules! stages {
    ($($(#[$doc:meta])* $stage:ident = $number:literal: $main:ident, $sub:expr, $public:ident;)*) => {
        /// A main state with its sub-state. The number is the one in snapshots.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
        #[cbor(index_only)]
        pub enum Stage {
            $($(#[$doc])* #[n($number)] $stage,)*
        }

        impl Stage {
            /// Every stage, by number.
            pub const ALL: &[Self] = &[$(Self::$stage),*];

            /// The main state.
            pub const fn main(self) -> MainState {
                match self { $(Self::$stage => MainState::$main,)* }
            }

            /// The sub-state, where it has one.
            pub const fn sub(self) -> Option<&'static str> {
                match self { $(Self::$stage => $sub,)* }
            }

            /// The public name it projects to.
            pub const fn public(self) -> PaymentState {
                match self { $(Self::$stage => PaymentState::$public,)* }
            }
        }
    };
}

/// Makes [`MainState`] with its names.
macro_rules! mains {
    ($($(#[$doc:meta])* $main:ident = $name:literal;)*) => {
        /// The main states.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum MainState {
            $($(#[$doc])* $main,)*
        }

        impl MainState {
            /// Every main state.
            pub const ALL: &[Self] = &[$(Self::$main),*];

            /// The public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$main => $name,)* }
            }
        }
    };
}

mains! {
    /// It exists and nothing was asked of its gateway.
    Created = "created";
    /// The buyer, or somebody who reviews it, must act.
    RequiresAction = "requires_action";
    /// The gateway has been asked, or is going to be.
    Processing = "processing";
    /// Money is set aside and not taken.
    Authorized = "authorized";
    /// A part of what was set aside is taken.
    PartiallyCaptured = "partially_captured";
    /// The money is taken.
    Captured = "captured";
    /// The gateway has paid it out.
    Settled = "settled";
    /// A part has gone back, or some is on its way back.
    PartiallyRefunded = "partially_refunded";
    /// All of it has gone back.
    Refunded = "refunded";
    /// It was given up and undone.
    Cancelled = "cancelled";
    /// No money moved.
    Failed = "failed";
    /// What was set aside has lapsed.
    Expired = "expired";
    /// The buyer's bank questions it.
    Disputed = "disputed";
}

stages! {
    /// It exists.
    Created = 0: Created, None, Pending;
    /// The way to pay must be named.
    MethodAwaited = 1: Created, Some("method_awaited"), Pending;
    /// What the gateway wants to know of the buyer's device must be sent.
    DeviceDataAwaited = 2: Created, Some("device_data_awaited"), Pending;
    /// The buyer must prove who they are.
    AuthenticationPending = 3: RequiresAction, Some("authentication_pending"), Pending;
    /// They did.
    AuthenticationDone = 4: RequiresAction, Some("authentication_done"), Pending;
    /// Somebody looks at it.
    ManualReview = 5: RequiresAction, Some("manual_review"), Pending;
    /// The gateway has been asked.
    Authorizing = 6: Processing, Some("authorizing"), Pending;
    /// The gateway is not asked now, because it fails too often.
    Queued = 7: Processing, Some("queued"), Pending;
    /// No answer came: it is asked again.
    RetryScheduled = 8: Processing, Some("retry_scheduled"), Pending;
    /// What the gateway did is not known, and is being undone.
    Unresolved = 9: Processing, Some("unresolved"), Pending;
    /// The whole is set aside.
    Authorized = 10: Authorized, None, Pending;
    /// Less than was asked for is set aside.
    AuthorizedInPart = 11: Authorized, Some("in_part"), Pending;
    /// It was set aside anew.
    AuthorizedAdjusted = 12: Authorized, Some("adjusted"), Pending;
    /// It is being taken.
    CaptureStarted = 13: Authorized, Some("capture_started"), Pending;
    /// It is being let go.
    VoidStarted = 14: Authorized, Some("void_started"), Pending;
    /// A part is taken.
    PartiallyCaptured = 15: PartiallyCaptured, None, Paid;
    /// All is taken.
    Captured = 16: Captured, None, Paid;
    /// The gateway is about to pay it out.
    SentForSettlement = 17: Captured, Some("sent_for_settlement"), Paid;
    /// The gateway took more than it was asked for.
    Overcharged = 18: Captured, Some("overcharged"), Paid;
    /// Paid out.
    Settled = 19: Settled, None, Paid;
    /// A part has gone back.
    PartiallyRefunded = 20: PartiallyRefunded, None, Paid;
    /// Some is on its way back.
    RefundRequested = 21: PartiallyRefunded, Some("requested"), Refunding;
    /// It did not go back.
    RefundFailed = 22: PartiallyRefunded, Some("failed"), Paid;
    /// What had gone back came again.
    RefundReversed = 23: PartiallyRefunded, Some("reversed"), Paid;
    /// All has gone back.
    Refunded = 24: Refunded, None, Refunded;
    /// It came too late, and all has gone back by itself.
    RefundedAutomatically = 25: Refunded, Some("automatically"), Refunded;
    /// Undone; nothing had moved.
    Cancelled = 26: Cancelled, None, Failed;
    /// Undone; money had moved and is back.
    CancelledAfterCapture = 27: Cancelled, Some("after_capture"), Failed;
    /// The gateway said no.
    Declined = 28: Failed, Some("declined"), Failed;
    /// The buyer did not prove who they are.
    AuthenticationFailed = 29: Failed, Some("authentication_failed"), Failed;
    /// The gateway did not answer in time; it has confirmed that nothing moved.
    GatewayUnavailable = 30: Failed, Some("gateway_unavailable"), Failed;
    /// The gateway took another amount than it was asked for, and that was undone.
    Integrity = 31: Failed, Some("integrity"), Failed;
    /// What was set aside has lapsed.
    Expired = 32: Expired, None, Failed;
    /// The bank questions it.
    DisputeOpened = 33: Disputed, Some("opened"), Paid;
    /// The bank let it stand.
    DisputeWon = 34: Disputed, Some("won"), Paid;
    /// The bank took it back.
    DisputeLost = 35: Disputed, Some("lost"), Refunded;
}

impl Stage {
    /// The stage of a payment whose snapshot knew only the public state.
    pub const fn of_public(state: PaymentState) -> Self {
        match state {
            PaymentState::Pending => Self::Authorizing,
            PaymentState::Paid => Self::Captured,
            PaymentState::Failed => Self::Declined,
            PaymentState::Refunding => Self::RefundRequested,
            PaymentState::Refunded => Self::Refunded,
        }
    }

    /// As people read it: `processing: queued`.
    pub fn name(self) -> String {
        match self.sub() {
            Some(sub) => format!("{}: {sub}", self.main().name()),
            None => self.main().name().to_owned(),
        }
    }

    /// Whether it is the buyer's turn. A review is somebody else's.
    pub const fn asks_the_buyer(self) -> bool {
        matches!(self, Self::MethodAwaited | Self::DeviceDataAwaited | Self::AuthenticationPending)
    }

    /// The sub-state, or where there is none the main state: one name that tells every stage of a main state apart.
    pub const fn sub_name(self) -> &'static str {
        match self.sub() {
            Some(sub) => sub,
            None => self.main().name(),
        }
    }
}
