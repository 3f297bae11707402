//! Promotions as data: rules that are checked and compiled once, and price a cart in microseconds.
//!
//! ```text
//!   YAML, JSON, journal ──▶ Promotion ──▶ RuleSet::compile ──▶ RuleSet (immutable, versioned, indexed by name)
//!   Cart, CartContext ───────────────────────────────────────▶ price ──▶ Pricing: prices, uses to hold, verdicts
//!                                                               explain ──▶ a code and a sentence for every rule
//!   Uses (of a promotion, of a coupon) ◀── Hold, Settle, Release ── the order that was priced
//! ```
//!
//! | module | concept |
//! |---|---|
//! | [`rule`] | a promotion, its lane, its limits |
//! | [`condition`], [`action`] | what must be true, and what it then does |
//! | [`cart`] | what is priced |
//! | [`compile`] | the rule set and its index |
//! | [`price()`] | which rules apply: lanes, exclusion sets, what stops |
//! | [`pricing`], [`explain`] | the answer, and its sentences |
//! | [`uses`] | uses and budgets, held and settled by one writer |
//! | [`coupon`] | codes in bulk, that can be checked without being listed |
//!
//! What it is not: pricing holds nothing and remembers nothing. Whoever may use what is decided by the owner of the
//! uses; a refused use comes back as [`cart::CartContext::unavailable`], and the cart is priced again without it.

pub mod action;
pub mod cart;
pub mod check;
pub mod civil;
pub mod compile;
pub mod condition;
pub mod coupon;
mod deal;
pub mod explain;
mod facts;
mod intern;
pub mod names;
mod phrase;
mod price;
pub mod pricing;
pub mod rule;
mod serial;
mod test;
pub mod uses;

pub use action::Action;
pub use cart::{Cart, CartContext, CartLine, PresentedCoupon, Unavailable};
pub use check::PromotionError;
pub use compile::RuleSet;
pub use condition::{Condition, Scope};
pub use names::{CouponCode, Label, LabelError, PromotionId};
pub use price::price;
pub use pricing::{Explanation, Pricing, Reason, Verdict};
pub use rule::{Lane, Promotion};
