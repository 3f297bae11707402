//! Stockade decides who gets which unit of stock, makes sure the decision is paid for, writes it down before it
//! answers, and never gets it wrong.
//!
//! ```
//! use stockade::{Config, Engine, Money, NewOrder, Payment, Sku};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let engine = Engine::in_memory()?; // or Engine::open(Config::at("shop-data"))?
//! engine.put_sku(Sku::new("SKU001", Money::parse("9.99 EUR")?)).await?;
//! engine.receive("SKU001", 100).await?;
//! engine.credit("ann", Money::parse("50.00 EUR")?).await?;
//! let order = engine.place(NewOrder::one("SKU001", 2).customer("ann")).await?; // durable when it returns
//! let order = engine.pay(order.id, Payment::wallet()).await?;
//! assert_eq!(order.status, "paid");
//! engine.close().await?;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! | module | concept |
//! |---|---|
//! | [`engine`] | the handle that embedders and the server use |
//! | [`gateway`] | card gateways: simulated, over HTTP, and what guards them |
//! | [`http`] | the server: routes, problems, the accept loop |
//! | [`cli`] | the commands of the binary |
//! | [`chaos`] | what can be made to fail in a running engine, on purpose |
//! | [`webhook`] | who is told of facts, when again, when no more |
//! | [`promotions`] | promotions in YAML and JSON |
//! | [`replay`] | real order history, through the engine |
//! | [`history`] | what clients saw, and whether one actor at a time could have answered so |
//! | [`sim`] | the whole engine on virtual time, with faults, from a seed |
//! | [`audit`] | everything recomputed from the journal, with code of its own |
//!
//! What it is not: a web shop, a tax or shipping calculator, a distributed database.

pub mod audit;
pub mod chaos;
pub mod cli;
pub mod engine;
#[cfg(test)]
mod fuzz;
pub mod gateway;
pub mod history;
pub mod http;
mod http_client;
pub mod promotions;
pub mod replay;
pub mod sim;
pub mod webhook;

pub use engine::{
    Bid, Config, Engine, EngineError, Fact, Feed, FeedError, NewOrder, Offer, OrderSnapshot, Payment, Sku,
};
pub use gateway::DECLINED_TOKEN;
pub use http_client::AddressInvalid;
pub use stockade_actors::ports::{Clock, Gateway, GatewayAnswer, ManualClock, Notifier, SystemClock};
pub use stockade_domain::book::{Side, TimeInForce};
pub use stockade_domain::order::{ChargeTime, LatePayment};
pub use stockade_domain::payment::gateway::{GatewayCall, GatewayOutcome, Operation};
pub use stockade_domain::stock::{Admission, Lottery, StockCommand};
pub use stockade_domain::{
    Amount, BookOrderId, Currency, CustomerId, Location, Money, OrderId, PaymentId, Refusal, SkuId, Timestamp,
};
