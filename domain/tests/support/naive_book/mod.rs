//! The naive book: slow and obvious, the second opinion on the fast one.
//!
//! One list of orders, one list of fills; every question sorts and scans them from the beginning. State changes in
//! one place only, [`NaiveBook::apply`]; everything that decides, tries it on a copy first. Written from the rules in
//! `stockade_domain::book`, not from the fast book's code.
//!
//! | file | concept |
//! |---|---|
//! | `state` | orders, fills, and what each event does to them |
//! | `terms` | what a new order must be like |
//! | `walk` | a taker goes along the makers |
//! | `rest` | what is freed is offered to those who wait |
//! | `auction` | one price for all |
//! | `matcher` | the commands |
//! | `view` | what can be seen |

mod auction;
mod matcher;
mod rest;
mod state;
mod terms;
mod view;
mod walk;

pub use state::NaiveBook;
