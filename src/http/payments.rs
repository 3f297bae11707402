//! Payments by themselves: `/payments/{id}`, `/capture`, `/void`, `/retry`; what gateways send to `/webhooks/{gateway}`; and the dead
//! letters of the admin listener.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use stockade_domain::payment::PaymentCommand;
use stockade_domain::{PaymentId, Refusal};

use super::admin::AdminRequest;
use super::body;
use super::fields::MoneyField;
use super::handler::Shared;
use super::problem::{Code, Problem};
use super::requests::{refused, time};
use super::routes::{Reply, Request, by_method, reply};
use crate::engine::{Engine, PaymentSnapshot};
use crate::gateway::{Signer, protocol, read_settlement};

/// The header that a gateway signs with.
const SIGNATURE_HEADER: &str = "stockade-signature";
/// The path below which gateways are let in by their signature instead of a key.
pub(super) const WEBHOOKS: &str = "/api/v1/webhooks/";

/// Who may send webhooks: each gateway's name with its active secrets.
pub(super) type Gateways = BTreeMap<String, Signer>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaptureBody {
    amount: Option<MoneyField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NothingBody {}

fn payment_in_path(text: &str) -> Result<PaymentId, Problem> {
    PaymentId::parse(text).map_err(|refusal| refused(&refusal).in_path())
}

fn in_path(refusal: Refusal) -> Problem {
    refused(&refusal).in_path()
}

/// What a payment was told, or why not: one that its order keeps has no actor that could be told anything.
async fn unless_kept(
    engine: &Engine,
    payment: PaymentId,
    event: &'static str,
    told: Result<PaymentSnapshot, Refusal>,
) -> Result<PaymentSnapshot, Refusal> {
    let Err(not_found @ Refusal::NotFound { .. }) = told else { return told };
    let kept = match engine.find_payment(payment).await {
        Ok(kept) => kept,
        Err(Refusal::NotFound { .. }) => return Err(not_found),
        Err(refusal) => return Err(refusal),
    };
    Err(Refusal::PaymentStateInvalid { state: kept.0.stage().main().name(), event })
}

/// `/payments/{id}` and what can be done to it.
pub(super) async fn payment(request: &Request<'_>, id: &str, what: Option<&str>) -> Reply {
    let (payment, engine) = (payment_in_path(id)?, request.engine);
    let found = match what {
        None => {
            by_method(&request.method, "GET", &[&Method::GET])?;
            engine.find_payment(payment).await
        }
        Some("capture") => {
            by_method(&request.method, "POST", &[&Method::POST])?;
            let wanted = request.json_or_empty::<CaptureBody>()?.amount;
            if let Some(wanted) = &wanted {
                let known = engine.find_payment(payment).await.map_err(in_path)?.0.money.currency;
                if wanted.0.currency != known {
                    let (wanted, found) = (known.to_string(), wanted.0.currency.to_string());
                    return Err(refused(&Refusal::CurrencyMismatch { wanted, found }));
                }
            }
            unless_kept(engine, payment, "capture", engine.capture(payment, wanted.map(|wanted| wanted.0.amount)).await)
                .await
        }
        Some("void") => {
            by_method(&request.method, "POST", &[&Method::POST])?;
            let NothingBody {} = request.json_or_empty()?;
            unless_kept(engine, payment, "void", engine.void(payment).await).await
        }
        Some("retry") => {
            by_method(&request.method, "POST", &[&Method::POST])?;
            let NothingBody {} = request.json_or_empty()?;
            let again =
                unless_kept(engine, payment, "retry", engine.retry_payment(payment).await).await.map_err(in_path)?;
            return reply(StatusCode::CREATED, &again);
        }
        Some(_) => return Err(Problem::new(Code::NotFound)),
    };
    reply(StatusCode::OK, &found.map_err(in_path)?)
}

/// `POST /webhooks/{gateway}`: answered 2xx only when what it says is durable. A notice that cannot be yet is refused,
/// so that the gateway sends it again.
pub(super) async fn webhook(request: &Request<'_>, gateways: &Gateways, gateway: &str) -> Reply {
    by_method(&request.method, "POST", &[&Method::POST])?;
    let signer = gateways.get(gateway).ok_or_else(|| Problem::new(Code::NotFound))?;
    let refused_signature = |why: String| Problem::new(Code::Unauthorized).detail(why);
    let header = request.headers.get(SIGNATURE_HEADER).and_then(|header| header.to_str().ok());
    let header = header.ok_or_else(|| refused_signature(format!("send the signature as `{SIGNATURE_HEADER}`")))?;
    let verified = signer.verify(header, &request.body, request.engine.now());
    verified.map_err(|error| refused_signature(error.to_string()))?;
    let parsed = protocol::parse_webhook(&request.body);
    let (payment, command) = parsed.map_err(|error| Problem::invalid("webhook", error.to_string()))?;
    let done = match command {
        PaymentCommand::Answer { operation, outcome } => request.engine.confirm(payment, operation, outcome).await,
        PaymentCommand::Notice(notice) => request.engine.notice(payment, notice).await,
        other => unreachable!("a webhook is an answer or a notice, not {other:?}"),
    };
    let done = done.map_err(in_path)?;
    let (id, stage) = (done.0.id.to_string(), done.0.stage());
    let (status, sub, public) = (stage.main().name(), stage.sub_name(), stage.public().name());
    reply(StatusCode::OK, &json!({"payment": id, "status": status, "sub_status": sub, "public_status": public}))
}

/// `POST /reconciliation` of the admin listener: a settlement file against what the engine knows.
pub(super) async fn reconciliation(shared: &Shared, request: &AdminRequest<'_>) -> Reply {
    by_method(request.method, "POST", &[&Method::POST])?;
    body::expect_media_type(request.headers, "text/csv")?;
    let since = request.parameter("created_after").map(|text| time("created_after", text)).transpose()?;
    let settlement = read_settlement(&request.body[..]);
    let settlement = settlement.map_err(|error| Problem::invalid("settlement", error.to_string()))?;
    let found = shared.engine.reconcile(&settlement, since).await?;
    let differences: Vec<_> = found
        .iter()
        .map(|(payment, difference)| json!({"payment": payment.to_string(), "found": difference}))
        .collect();
    reply(StatusCode::OK, &json!({"payments": settlement.len(), "differences": differences}))
}

/// `/dead-letters`, `/dead-letters/{id}/retry` and `/resolve` of the admin listener.
pub(super) async fn dead_letters(shared: &Shared, request: &AdminRequest<'_>) -> Reply {
    let rest = request.path.trim_start_matches("/dead-letters").trim_matches('/');
    let mut parts = rest.split('/').filter(|part| !part.is_empty());
    let found = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => {
            by_method(request.method, "GET", &[&Method::GET])?;
            let limit = super::paging::limit(request.parameter("limit"))?;
            let after = request.parameter("cursor").map(payment_in_path).transpose()?;
            let mut items = shared.engine.dead_letters().await?;
            items.retain(|item| after.is_none_or(|after| item.0.id > after));
            let more = items.len() > limit;
            items.truncate(limit);
            let next = items.last().filter(|_| more).map(|item| item.0.id.to_string());
            return reply(StatusCode::OK, &json!({"items": items, "next_cursor": next}));
        }
        (Some(id), Some("retry"), None) => {
            by_method(request.method, "POST", &[&Method::POST])?;
            shared.engine.resume_payment(payment_in_path(id)?).await
        }
        (Some(id), Some("resolve"), None) => {
            by_method(request.method, "POST", &[&Method::POST])?;
            body::expect_media_type(request.headers, "application/json")?;
            let outcome = protocol::parse_outcome(request.body);
            let outcome = outcome.map_err(|error| Problem::invalid("outcome", error.to_string()))?;
            let payment = payment_in_path(id)?;
            shared.engine.resolve_payment(payment, outcome).await
        }
        _ => return Err(Problem::new(Code::NotFound)),
    };
    reply(StatusCode::OK, &found.map_err(in_path)?)
}
