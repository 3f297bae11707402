//! What the generic gateway says: the JSON of its answers and of its webhooks. `docs/gateway-protocol.md` describes it.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use stockade_domain::payment::PaymentCommand;
use stockade_domain::payment::gateway::{ActionKind, GatewayCall, GatewayOutcome, Notice, Operation};
use stockade_domain::{Money, PaymentId, Timestamp};

/// A request to a gateway.
#[derive(Debug, Serialize)]
pub(super) struct RequestBody<'a> {
    payment: String,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    amount: String,
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl<'a> RequestBody<'a> {
    pub(super) fn of(call: &'a GatewayCall) -> Self {
        let token = match &call.operation {
            Operation::Charge { token } | Operation::Authorize { token } => Some(token.as_str()),
            _ => None,
        };
        Self {
            payment: call.payment.to_string(),
            operation: call.operation.name(),
            number: call.operation.number(),
            amount: amount_text(call.money),
            currency: call.money.currency.to_string(),
            token,
        }
    }
}

fn amount_text(money: Money) -> String {
    let text = money.to_string();
    text.split(' ').next().unwrap_or(&text).to_owned()
}

/// What a gateway did.
#[derive(Debug, Deserialize)]
pub(crate) struct OutcomeBody {
    outcome: OutcomeName,
    reference: Option<String>,
    reason: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    /// Unix seconds.
    expires_at: Option<i64>,
    action: Option<ActionBody>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeName {
    Approved,
    Moved,
    AlreadyMoved,
    Authorized,
    ActionRequired,
    Declined,
    AuthenticationFailed,
    Pending,
}

#[derive(Debug, Deserialize)]
struct ActionBody {
    kind: String,
    next: String,
}

/// What is wrong with what a gateway says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("{0}")]
    Json(String),
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{field}`: {why}")]
    Invalid { field: &'static str, why: String },
}

/// The longest text of a gateway that is kept.
const TEXT_BYTES_MAX: usize = 512;

fn text(field: &'static str, text: Option<String>) -> Result<String, ProtocolError> {
    let text = text.ok_or(ProtocolError::Missing(field))?;
    match text.len() {
        0 => Err(ProtocolError::Missing(field)),
        1..=TEXT_BYTES_MAX => Ok(text),
        _ => Err(ProtocolError::Invalid { field, why: format!("longer than {TEXT_BYTES_MAX} bytes") }),
    }
}

/// An amount never comes without its currency; whether that is the payment's is for the payment to judge.
fn money(amount: Option<&str>, currency: Option<&str>) -> Result<Option<Money>, ProtocolError> {
    let Some(amount) = amount else { return Ok(None) };
    let currency = currency.ok_or(ProtocolError::Missing("currency"))?;
    let wrong = |why: String| ProtocolError::Invalid { field: "amount", why };
    let money = Money::parse(&format!("{amount} {currency}")).map_err(|error| wrong(error.to_string()))?;
    if money.amount.0 < 0 {
        return Err(wrong("below zero".into()));
    }
    Ok(Some(money))
}

impl OutcomeBody {
    pub(super) fn parse(bytes: &[u8]) -> Result<GatewayOutcome, ProtocolError> {
        let body: Self = serde_json::from_slice(bytes).map_err(|error| ProtocolError::Json(error.to_string()))?;
        body.outcome()
    }

    fn outcome(self) -> Result<GatewayOutcome, ProtocolError> {
        let money = money(self.amount.as_deref(), self.currency.as_deref())?;
        let reason = self.reason.unwrap_or_else(|| "no reason given".into());
        let reason = text("reason", Some(reason));
        Ok(match self.outcome {
            OutcomeName::Approved => GatewayOutcome::Approved { reference: text("reference", self.reference)? },
            OutcomeName::AlreadyMoved => GatewayOutcome::AlreadyMoved { reference: text("reference", self.reference)? },
            OutcomeName::Moved => GatewayOutcome::Moved {
                reference: text("reference", self.reference)?,
                money: money.ok_or(ProtocolError::Missing("amount"))?,
            },
            OutcomeName::Authorized => GatewayOutcome::Authorized {
                reference: text("reference", self.reference)?,
                money,
                expires_at: self.expires_at.map(|seconds| Timestamp(seconds.saturating_mul(1_000_000))),
            },
            OutcomeName::ActionRequired => {
                let ActionBody { kind, next } = self.action.ok_or(ProtocolError::Missing("action"))?;
                let why = || format!("not one of {:?}", ActionKind::ALL.map(|(_, name)| name));
                let kind = ActionKind::from_name(&kind)
                    .ok_or_else(|| ProtocolError::Invalid { field: "action.kind", why: why() })?;
                GatewayOutcome::ActionRequired { kind, next: text("action.next", Some(next))? }
            }
            OutcomeName::Declined => GatewayOutcome::Declined { reason: reason? },
            OutcomeName::AuthenticationFailed => GatewayOutcome::AuthenticationFailed { reason: reason? },
            OutcomeName::Pending => GatewayOutcome::Unknown { reason: "the gateway has not decided yet".into() },
        })
    }
}

/// Reads an outcome that an operator tells.
pub(crate) fn parse_outcome(bytes: &[u8]) -> Result<GatewayOutcome, ProtocolError> {
    OutcomeBody::parse(bytes)
}

/// What a gateway's webhook carries: what it did under an operation, or what it tells without being asked.
#[derive(Debug, Deserialize)]
struct WebhookBody {
    payment: String,
    operation: Option<String>,
    notice: Option<String>,
    number: Option<u32>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Reads a webhook's body.
pub(crate) fn parse_webhook(bytes: &[u8]) -> Result<(PaymentId, PaymentCommand), ProtocolError> {
    let json = |error: serde_json::Error| ProtocolError::Json(error.to_string());
    let body: WebhookBody = serde_json::from_slice(bytes).map_err(json)?;
    let payment = PaymentId::parse(&body.payment)
        .map_err(|error| ProtocolError::Invalid { field: "payment", why: error.to_string() })?;
    let rest = serde_json::Value::Object(body.rest);
    match (body.operation, body.notice) {
        (Some(operation), None) => {
            let why = || "unknown, or with a number where it has none".to_owned();
            let operation = Operation::from_parts(&operation, body.number)
                .ok_or_else(|| ProtocolError::Invalid { field: "operation", why: why() })?;
            let outcome = serde_json::from_value::<OutcomeBody>(rest).map_err(json)?.outcome()?;
            Ok((payment, PaymentCommand::Answer { operation, outcome }))
        }
        (None, Some(notice)) => Ok((payment, PaymentCommand::Notice(parse_notice(&notice, body.number, rest)?))),
        _ => Err(ProtocolError::Missing("operation` or `notice")),
    }
}

fn parse_notice(name: &str, number: Option<u32>, rest: serde_json::Value) -> Result<Notice, ProtocolError> {
    #[derive(Deserialize)]
    struct Dispute {
        amount: Option<String>,
        currency: Option<String>,
        reference: Option<String>,
    }
    Ok(match name {
        "action_done" => Notice::ActionDone,
        "settlement_sent" => Notice::SettlementSent,
        "settled" => Notice::Settled,
        "refund_reversed" => Notice::RefundReversed { number: number.ok_or(ProtocolError::Missing("number"))? },
        "dispute_opened" => {
            let dispute: Dispute =
                serde_json::from_value(rest).map_err(|error| ProtocolError::Json(error.to_string()))?;
            let money = money(dispute.amount.as_deref(), dispute.currency.as_deref())?;
            Notice::DisputeOpened {
                money: money.ok_or(ProtocolError::Missing("amount"))?,
                reference: CompactString::from(text("reference", dispute.reference)?),
            }
        }
        "dispute_won" => Notice::DisputeWon,
        "dispute_lost" => Notice::DisputeLost,
        _ => return Err(ProtocolError::Invalid { field: "notice", why: "unknown".into() }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_read_as_it_was_meant() {
        let approved = OutcomeBody::parse(br#"{"outcome":"approved","reference":"r"}"#);
        assert_eq!(approved, Ok(GatewayOutcome::Approved { reference: "r".into() }));
        let moved =
            OutcomeBody::parse(br#"{"outcome":"moved","reference":"r","amount":"1.50","currency":"EUR","new":1}"#);
        assert_eq!(
            moved,
            Ok(GatewayOutcome::Moved { reference: "r".into(), money: Money::parse("1.50 EUR").unwrap() })
        );
        let authorized = OutcomeBody::parse(br#"{"outcome":"authorized","reference":"r","expires_at":5}"#);
        let expires_at = Some(Timestamp(5_000_000));
        assert_eq!(authorized, Ok(GatewayOutcome::Authorized { reference: "r".into(), money: None, expires_at }));
        let declined = OutcomeBody::parse(br#"{"outcome":"declined"}"#);
        assert_eq!(declined, Ok(GatewayOutcome::Declined { reason: "no reason given".into() }));
        let action = br#"{"outcome":"action_required","action":{"kind":"authentication","next":"https://x"}}"#;
        assert!(matches!(OutcomeBody::parse(action), Ok(GatewayOutcome::ActionRequired { .. })));
        assert!(matches!(OutcomeBody::parse(br#"{"outcome":"pending"}"#), Ok(GatewayOutcome::Unknown { .. })));
    }

    #[test]
    fn what_is_not_an_outcome_is_an_error_and_never_a_guess() {
        let wrong: [&[u8]; 10] = [
            b"",
            b"null",
            b"{}",
            br#"{"outcome":"maybe"}"#,
            br#"{"outcome":"approved"}"#,
            br#"{"outcome":"approved","reference":""}"#,
            br#"{"outcome":"moved","reference":"r"}"#,
            br#"{"outcome":"moved","reference":"r","amount":"1.00"}"#,
            br#"{"outcome":"moved","reference":"r","amount":"-1.00","currency":"EUR"}"#,
            br#"{"outcome":"action_required","action":{"kind":"dance","next":"x"}}"#,
        ];
        for bytes in wrong {
            assert!(OutcomeBody::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_webhook_is_the_command_that_a_clients_confirm_is() {
        let payment = PaymentId::new(Timestamp(1_790_000_000_000_000), 7);
        let body = format!(
            r#"{{"payment":"{payment}","operation":"refund","number":2,"outcome":"approved","reference":"r"}}"#
        );
        let outcome = GatewayOutcome::Approved { reference: "r".into() };
        let operation = Operation::Refund { number: 2 };
        assert_eq!(parse_webhook(body.as_bytes()), Ok((payment, PaymentCommand::Answer { operation, outcome })));
        let body = format!(
            r#"{{"payment":"{payment}","notice":"dispute_opened","amount":"2.00","currency":"EUR","reference":"d"}}"#
        );
        let notice = Notice::DisputeOpened { money: Money::parse("2.00 EUR").unwrap(), reference: "d".into() };
        assert_eq!(parse_webhook(body.as_bytes()), Ok((payment, PaymentCommand::Notice(notice))));
        for wrong in [
            format!(r#"{{"payment":"{payment}"}}"#),
            format!(r#"{{"payment":"{payment}","operation":"refund","outcome":"approved","reference":"r"}}"#),
            format!(r#"{{"payment":"{payment}","operation":"void","number":1,"outcome":"approved","reference":"r"}}"#),
            format!(r#"{{"payment":"{payment}","operation":"void","notice":"settled"}}"#),
            format!(r#"{{"payment":"{payment}","notice":"refund_reversed"}}"#),
            r#"{"payment":"x","notice":"settled"}"#.to_owned(),
        ] {
            assert!(parse_webhook(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
