//! Faults on purpose in a running server, on the admin listener: armed only where the configuration allows it, loud in the log,
//! and ended by one request.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::admin::AdminRequest;
use super::body;
use super::handler::Shared;
use super::problem::{Code, Problem};
use super::routes::{Reply, by_method, reply};
use crate::chaos::FaultSpec;
use crate::chaos::run::Strikes;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArmBody {
    faults: Vec<FaultSpec>,
}

/// `GET` shows what is armed and what has struck, `POST` arms in place of what was armed, `DELETE` ends all of it.
pub(super) fn answer(shared: &Shared, request: &AdminRequest<'_>) -> Reply {
    by_method(request.method, "GET, POST, DELETE", &[&Method::GET, &Method::POST, &Method::DELETE])?;
    let switchboard = shared.engine.switchboard();
    if request.method == Method::DELETE {
        switchboard.disarm();
    }
    if request.method == Method::POST {
        if !shared.chaos {
            let detail = "set `chaos = true` in the configuration of a server that may be hurt, and start it again";
            return Err(Problem::new(Code::Forbidden).detail(detail));
        }
        body::expect_media_type(request.headers, "application/json")?;
        let wanted: ArmBody = body::parse(request.body)?;
        switchboard.arm(wanted.faults).map_err(|error| Problem::invalid("faults", error.to_string()))?;
    }
    let fired: Vec<Strikes> = switchboard.fired().iter().map(Strikes::from).collect();
    let shown = json!({
        "allowed": shared.chaos,
        "armed": switchboard.armed(),
        "held_back": switchboard.held_back(),
        "fired": fired,
    });
    reply(StatusCode::OK, &shown)
}
