//! An order: the saga that holds stock, secures payment, and ends every hold exactly once.
//!
//! ```text
//!   NewOrder ─▶ demand() ─▶ SKUs decide holds ─▶ place() prices the whole ─▶ payments secured?
//!                                                                             │ at once: paid, holds settled
//!                                                                             │ card:    created, intent pins holds
//!                                                                             └ no:      awaiting payment, deadline
//! ```
//!
//! The order is the only one that ends a committed hold: by its payment's outcome, its cancel or its deadline. What
//! it wants of others are [`OrderAsk`]s; they cannot be refused, because only acquiring can be refused and that has
//! happened before the order was recorded.

mod apply;
mod bought;
mod charge;
mod command;
mod decide;
mod earn;
mod edit;
mod event;
mod kit;
mod late;
pub mod note;
mod pay;
mod place;
mod placed_head;
mod promoted;
#[cfg(test)]
mod properties;
mod refund;
mod request;
mod retry;
mod returns;
#[cfg(test)]
mod rules;
mod state;
mod status;
pub mod table;
mod told;

pub use bought::{place_bought, tender_of_bid};
pub use charge::{ChargeTime, Deferred, Shipment};
pub use command::{OrderAsk, OrderCommand, RefundChoice};
pub use decide::decide;
pub use edit::{Edit, drop_coupon, edit, uses_to_hold};
pub use event::{LineClaim, LineUnits, OrderEvent, PlacedLine, PlannedPayment, ReturnedLine};
pub use kit::{Kit, LinePart};
pub use late::LatePayment;
pub use pay::{PaymentPlan, plan_payments};
pub(crate) use place::TOTAL_MAX;
pub use place::{Demand, Fill, Placement, demand, demand_with, place, place_with};
pub use placed_head::PlacedHead;
pub use promoted::{AppliedDiscount, AppliedUse, COUPONS_MAX, Pricer, Promoted, PromotionWish, price_for_buyer};
pub use request::{Charge, ChargeKind, LINES_MAX, LineSupply, NewLine, NewOrder, Tender};
pub use retry::retry;
pub use state::{Line, Order, OrderPayment, Outcome};
pub use status::{FulfillmentStatus, OrderStatus, ReturnStatus};
pub use told::news_of_stock;
