//! Chaos: what can be made to fail in a running engine, on purpose.
//!
//! ```
//! use stockade::chaos::{Fault, FaultSpec, MailboxFault, Selector};
//! use stockade::{Engine, Money, Sku};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let engine = Engine::in_memory()?;
//! let select = Selector { operation: Some("define_sku".into()), count: Some(1), ..Selector::default() };
//! engine.switchboard().arm(vec![FaultSpec { fault: Fault::Mailbox(MailboxFault::Full), select }])?;
//! let refused = engine.put_sku(Sku::new("SKU001", Money::parse("9.99 EUR")?)).await;
//! assert_eq!(refused.unwrap_err().code(), "overloaded");
//! assert_eq!(engine.switchboard().fired()[0].count, 1);
//! engine.switchboard().disarm();
//! engine.put_sku(Sku::new("SKU001", Money::parse("9.99 EUR")?)).await?;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! | module | concept |
//! |---|---|
//! | [`fault`] | the vocabulary: ports, faults, selectors, operations |
//! | `disk`, `gateway`, `clock` | the ports in front of these; that of mailboxes is `stockade_actors::faults::door` |
//! | [`experiment`] | experiments, schedules and workflows as files |
//! | [`condition`] | what is measured, and conditions on it |
//! | [`private`], `buyer` | an engine of the experiment's own, with load |
//! | [`served`] | a running server, by its admin listener |
//! | [`report`], [`matrix`] | what it came to; which faults have struck which operations |
//! | [`run`] | the phases, the watch, the verdict |
//! | [`sample`] | what is measured, and of which target |
//! | [`schedule`] | when an experiment starts again |
//! | [`switchboard`] | arms faults in an engine, and takes them back |

mod buyer;
mod clock;
pub mod condition;
mod disk;
pub mod experiment;
pub mod fault;
mod gateway;
pub mod matrix;
pub mod private;
pub mod report;
pub mod run;
pub mod sample;
pub mod schedule;
pub mod served;
mod shadow;
pub mod switchboard;

pub(crate) use clock::FaultyClock;
pub(crate) use disk::FaultyDisk;
pub(crate) use gateway::{Callbacks, FaultyGateway};

pub use fault::{
    ClockFault, Delay, DiskFault, Fault, FaultError, FaultSpec, GatewayFault, HttpFault, MailboxFault, Mode, Port,
    Selector, operations,
};
pub use switchboard::{ArmError, Fired, Switchboard};
