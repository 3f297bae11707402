//! The overall status and the three axes beside it, all derived, none stored.

use super::state::{Order, Outcome};
use crate::Quantity;
use crate::payment::PaymentState;

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every status.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The public name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The status of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.name() == name)
            }
        }
    )*};
}

statuses! {
    /// The overall status of an order.
    OrderStatus {
        /// Accepted; nothing is asked of the buyer: its payment is under way.
        Created = "created",
        /// The buyer must act: pay, or do what a payment under way waits for.
        AwaitingPayment = "awaiting_payment",
        /// Paid, and all that is not shipped waits for stock.
        Backordered = "backordered",
        /// Paid, to be shipped.
        Paid = "paid",
        /// Some of it left.
        PartiallyShipped = "partially_shipped",
        /// All of it left.
        Shipped = "shipped",
        /// It arrived.
        Delivered = "delivered",
        /// Somebody cancelled it.
        Cancelled = "cancelled",
        /// Nobody paid in time.
        Expired = "expired",
        /// Some of it came back.
        PartiallyReturned = "partially_returned",
        /// All of it came back.
        Returned = "returned",
        /// It holds nothing and waits to be let in.
        Waiting = "waiting",
        /// All of it left, and nothing comes back any more.
        Completed = "completed",
    }
    /// How far the goods are.
    FulfillmentStatus {
        /// Nothing left.
        Unfulfilled = "unfulfilled",
        /// Some left.
        Partial = "partial",
        /// All left.
        Fulfilled = "fulfilled",
    }
    /// What came back.
    ReturnStatus {
        /// Nothing.
        None = "none",
        /// Some.
        Partial = "partial",
        /// All that was shipped.
        Returned = "returned",
    }
}

impl Order {
    fn units(&self, of: impl Fn(&super::Line) -> Quantity) -> Quantity {
        self.lines.iter().map(of).sum()
    }

    /// The overall status.
    pub fn status(&self) -> OrderStatus {
        match self.outcome {
            Outcome::Cancelled | Outcome::Refused => return OrderStatus::Cancelled,
            Outcome::Expired => return OrderStatus::Expired,
            Outcome::Open if self.completed => return OrderStatus::Completed,
            Outcome::Open if self.waiting => return OrderStatus::Waiting,
            Outcome::Open => {}
        }
        match self.return_status() {
            ReturnStatus::Returned if self.fulfillment_status() == FulfillmentStatus::Fulfilled => {
                return OrderStatus::Returned;
            }
            ReturnStatus::Returned | ReturnStatus::Partial => return OrderStatus::PartiallyReturned,
            ReturnStatus::None => {}
        }
        match self.fulfillment_status() {
            FulfillmentStatus::Fulfilled if self.delivered => OrderStatus::Delivered,
            FulfillmentStatus::Fulfilled => OrderStatus::Shipped,
            FulfillmentStatus::Partial => OrderStatus::PartiallyShipped,
            FulfillmentStatus::Unfulfilled if self.secured && self.units(|line| line.filled) == 0 => {
                OrderStatus::Backordered
            }
            FulfillmentStatus::Unfulfilled if self.secured => OrderStatus::Paid,
            FulfillmentStatus::Unfulfilled if self.asks_the_buyer() => OrderStatus::AwaitingPayment,
            FulfillmentStatus::Unfulfilled if self.is_pinned() || self.waits_for_fill() => OrderStatus::Created,
            FulfillmentStatus::Unfulfilled => OrderStatus::AwaitingPayment,
        }
    }

    /// How far the payment is.
    pub fn payment_status(&self) -> PaymentState {
        let any = |state| self.payments.iter().any(|payment| payment.state == state);
        if any(PaymentState::Refunding) {
            PaymentState::Refunding
        } else if self.paid().0 > 0 && self.refunded() == self.paid() {
            PaymentState::Refunded
        } else if self.secured {
            PaymentState::Paid
        } else if any(PaymentState::Failed) && !any(PaymentState::Pending) && !any(PaymentState::Paid) {
            PaymentState::Failed
        } else if self.outcome == Outcome::Open {
            PaymentState::Pending
        } else {
            PaymentState::Failed
        }
    }

    /// How far the goods are.
    pub fn fulfillment_status(&self) -> FulfillmentStatus {
        let shipped = self.units(|line| line.shipped);
        if shipped == 0 {
            FulfillmentStatus::Unfulfilled
        } else if self.units(|line| line.filled + line.backordered) == shipped {
            FulfillmentStatus::Fulfilled
        } else {
            FulfillmentStatus::Partial
        }
    }

    /// What came back.
    pub fn return_status(&self) -> ReturnStatus {
        let (shipped, returned) = (self.units(|line| line.shipped), self.units(|line| line.returned));
        if returned == 0 {
            ReturnStatus::None
        } else if returned == shipped {
            ReturnStatus::Returned
        } else {
            ReturnStatus::Partial
        }
    }
}
