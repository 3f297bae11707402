//! Bodies of requests, for the fuzzing targets.

use serde::Deserialize;
use serde_json::Value;

use super::body::parse;
use super::order_body::{OrderBody, body_digest};
use super::problem::Problem;
use super::requests::{AdjustmentBody, PayBody, ReceiptBody, ReclassificationBody, SkuBody};
use super::stock_body::{
    AdmissionBody, AnnouncementBody, ArrivalBody, ContextBody, DrawBody, LossBody, SourcingBody, TransferBody,
    WithdrawalBody, WriteOffBody,
};

/// The body of an order: what it is, and that its digest is that of its meaning.
pub(crate) fn order_body(input: &[u8]) -> Result<bool, String> {
    let digest = body_digest(input);
    if let Ok(value) = serde_json::from_slice::<Value>(input) {
        let again = value.to_string();
        // A float may be another one when it is written and read; no field of an order is one.
        let is_same = serde_json::from_str::<Value>(&again).is_ok_and(|again| again == value);
        if is_same && body_digest(again.as_bytes()) != digest {
            return Err("the same JSON with other spaces is another body".into());
        }
    }
    let Ok(body) = parse::<OrderBody<'_>>(input) else { return Ok(false) };
    Ok(body.order(input).is_ok())
}

/// Whether a body is read, and what it asks for is made of it.
fn reads<'a, T: Deserialize<'a>, R>(input: &'a [u8], make: impl FnOnce(T) -> Result<R, Problem>) -> bool {
    parse::<T>(input).and_then(make).is_ok()
}

/// Every body about stock.
pub(crate) fn stock_body(input: &[u8]) -> Result<bool, String> {
    let accepted = [
        reads(input, TransferBody::command),
        reads(input, AnnouncementBody::command),
        reads(input, WithdrawalBody::command),
        reads(input, ArrivalBody::command),
        reads(input, LossBody::command),
        reads(input, WriteOffBody::command),
        reads(input, DrawBody::command),
        reads(input, AdmissionBody::admission),
        reads(input, |body: SourcingBody| body.plan()),
        reads(input, |body: ContextBody<'_>| body.context()),
        reads(input, |_: SkuBody| Ok(())),
        reads(input, |_: ReceiptBody| Ok(())),
        reads(input, |_: AdjustmentBody| Ok(())),
        reads(input, |_: ReclassificationBody| Ok(())),
        reads(input, |_: PayBody<'_>| Ok(())),
    ];
    Ok(accepted.contains(&true))
}
