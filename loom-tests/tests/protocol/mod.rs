//! The protocol between partitions, as a bounded model.
//!
//! | file | concept |
//! |---|---|
//! | `scenario` | the shop, the clients, how often what may go wrong |
//! | `world` | the real partitions, with every message, the log, the gateway and the clock in the model's hands |
//! | `gateway` | the card gateway |
//! | `rules` | what must be true in every state and at rest, and what has to happen |
//! | `model` | states, actions and properties, as stateright wants them |
//! | `twins` | mistakes that must be caught |

mod gateway;
pub mod model;
pub mod rules;
pub mod scenario;
pub mod twins;
mod world;
