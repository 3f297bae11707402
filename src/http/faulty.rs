//! The fault port of the public listener: requests that are slow, refused, or done and never answered.

use std::fmt;

use stockade_actors::faults::{Faults, Occasion};

use super::metrics::resource;
use super::problem::{Code, Problem};
use crate::chaos::{Fault, HttpFault, Port};

/// Marks an answer that is not to arrive: its connection ends instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerLost;

impl fmt::Display for AnswerLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fault injected: the answer is lost")
    }
}

impl std::error::Error for AnswerLost {}

/// Waits or refuses if a fault says so; otherwise whether the answer is to be lost.
pub(super) async fn strike(faults: &Faults, path: &str) -> Result<bool, Problem> {
    if !faults.is_armed(Port::Http) {
        return Ok(false);
    }
    let occasion = || Occasion::of(resource::of(path), path);
    let Some(hit) = faults.strike(Port::Http, |_| true, occasion) else { return Ok(false) };
    match hit.fault {
        Fault::Http(HttpFault::Refuse) => Err(Problem::new(Code::Overloaded)),
        Fault::Http(HttpFault::LostReply) => Ok(true),
        _ => {
            faults.held(&hit).await;
            Ok(false)
        }
    }
}
