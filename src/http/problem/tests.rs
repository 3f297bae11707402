use std::collections::HashSet;

use super::*;

/// The published contract's paragraph on codes, as published.
const CONTRACT: &str = "`stock_exhausted` 409, `insufficient_balance` 402, `payment_declined` 402, `coupon_invalid` \
    422, `coupon_exhausted` 409, `limit_exceeded` 409, `customer_required` 422, `sku_unknown` 422 in a body and 404 in \
    a path, `sku_not_sellable` 409, `price_changed` 409, `quantity_invalid` 422 (any number outside 1 to \
    1,000,000,000, fractions too), `money_invalid` 422, `currency_mismatch` 422, `too_many_lines` 422 (over 2,000), \
    `already_paid` 409, `hold_expired` 409, `order_state_invalid` 409, `below_commitments` 409, `id_conflict` 409, \
    `id_expired` 422, `id_invalid` 422 (malformed in a path: as if not found), `not_found` 404, `method_not_allowed` \
    405, `body_invalid` 400, `body_too_large` 413, `media_type_unsupported` 415, `idempotency_key_reused` 422, \
    `precondition_failed` 412, `unauthorized` 401, `forbidden` 403, `rate_limited` 429, `overloaded` 503 with a time to \
    retry, `storage_full` 503 (nothing happened), `storage_unavailable` 503 (outcome unknown: retry with the same key).";

/// Codes beside the contract's, for what it leaves to the field.
const BESIDE: &[Code] = &[
    Code::EndpointConfigured,
    Code::LastSecret,
    Code::Gone,
    Code::UriTooLong,
    Code::RequestTimeout,
    Code::WouldTrade,
    Code::BookFull,
    Code::Draining,
    Code::InternalError,
];

#[test]
fn the_table_has_every_code_of_the_contract_with_its_status() {
    let mut words = CONTRACT.split_whitespace();
    let mut found = HashSet::new();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else { continue };
        let status: u16 = words.next().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        let code = Code::named(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(code.status(), status, "{name}");
        found.insert(code);
    }
    let rest: Vec<_> = Code::ALL.iter().filter(|code| !found.contains(code)).copied().collect();
    assert_eq!(rest, BESIDE);
}

#[test]
fn every_row_of_the_table_is_consistent_and_documented() {
    let page = Code::markdown();
    let mut names = HashSet::new();
    for code in Code::ALL {
        assert!(names.insert(code.name()), "{code:?} twice");
        assert_eq!(Code::named(code.name()), Some(*code));
        assert_eq!(code.type_uri(), format!("/problems/{}", code.name().replace('_', "-")));
        assert!(StatusCode::from_u16(code.status()).is_ok_and(|s| s.is_client_error() || s.is_server_error()));
        assert!(page.contains(&format!("| `{}` | {} |", code.name(), code.status())));
    }
    assert_eq!(page.lines().count(), Code::ALL.len() + 2);
    assert_eq!(Code::named("unheard_of"), None);
}

#[test]
fn a_problem_reads_as_rfc_9457_wants_it() {
    let trace = TraceId::next();
    let problem = Problem::new(Code::StockExhausted).detail("none left").with("as_of", "7");
    let response = problem.into_http(trace);
    assert_eq!(response.status(), 409);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let json: Value = serde_json::from_slice(response.body()).unwrap();
    let wanted = serde_json::json!({
        "type": "/problems/stock-exhausted", "title": "Not enough stock", "status": 409, "detail": "none left",
        "code": "stock_exhausted", "trace_id": trace.to_string(), "as_of": "7",
    });
    assert_eq!(json, wanted);
}

#[test]
fn headers_that_a_code_needs_are_there() {
    let headers = |problem: Problem| problem.into_http(TraceId::next()).headers().clone();
    assert_eq!(headers(Problem::new(Code::Overloaded))[RETRY_AFTER], "1");
    assert_eq!(headers(Problem::new(Code::RateLimited).retry_after(9))[RETRY_AFTER], "9");
    assert_eq!(headers(Problem::new(Code::MethodNotAllowed).allow("GET, PUT"))[ALLOW], "GET, PUT");
    assert_eq!(headers(Problem::new(Code::Unauthorized))["www-authenticate"], "Bearer");
    assert!(!headers(Problem::new(Code::NotFound)).contains_key(RETRY_AFTER));
}

#[test]
fn what_a_path_names_is_not_found() {
    let sku = Problem::new(Code::SkuUnknown).in_path();
    assert_eq!((sku.code(), sku.status()), (Code::SkuUnknown, 404));
    let id = Problem::new(Code::IdInvalid).in_path();
    assert_eq!((id.code(), id.status()), (Code::NotFound, 404));
    let other = Problem::new(Code::AlreadyPaid).in_path();
    assert_eq!((other.code(), other.status()), (Code::AlreadyPaid, 409));
}

/// One of each refusal, so that a new one must be added here.
fn refusals() -> Vec<Refusal> {
    let (sku, customer) = ("A1".parse::<stockade_domain::SkuId>().unwrap(), "ann".parse().unwrap());
    let eur = stockade_domain::Money::parse("1.00 EUR").unwrap();
    vec![
        Refusal::StockExhausted { items: vec![Shortage { sku: sku.clone(), requested: 3, available: 2 }], as_of: 9 },
        Refusal::InsufficientBalance { customer, available: eur.amount, needed: eur.amount },
        Refusal::PaymentDeclined { reason: "no".into() },
        Refusal::LimitExceeded { sku: sku.clone(), limit: 1, taken: 1 },
        Refusal::CouponInvalid { code: "X".into(), why: "it is not known".into() },
        Refusal::CouponExhausted { code: "X".into() },
        Refusal::UsesExceeded(Box::new(stockade_domain::refusal::Excess {
            why: stockade_domain::promotion::Unavailable::Budget,
            subject: "sale".into(),
            limit: "10.00".into(),
            taken: "9.00".into(),
        })),
        Refusal::CustomerRequired { why: "it is limited" },
        Refusal::SkuUnknown { sku: "B".into() },
        Refusal::SkuNotSellable { sku: sku.clone(), status: "paused" },
        Refusal::PriceChanged { expected: eur, actual: eur },
        Refusal::QuantityInvalid,
        Refusal::MoneyInvalid { why: "no".into() },
        Refusal::CurrencyMismatch { wanted: "EUR".into(), found: "USD".into() },
        Refusal::TooManyLines { limit: 2_000, found: 2_001 },
        Refusal::AlreadyPaid,
        Refusal::HoldExpired,
        Refusal::OrderStateInvalid { status: "paid", wanted: "no" },
        Refusal::PaymentStateInvalid { state: "failed", event: "no" },
        Refusal::BelowCommitments { sku, location: stockade_domain::Location::main(), free: 0 },
        Refusal::IdConflict { id: "x".into() },
        Refusal::IdExpired { id: "x".into() },
        Refusal::IdInvalid { id: "x".into() },
        Refusal::NotFound { what: "order".into() },
        Refusal::BodyInvalid { field: "lines", why: "empty".into() },
        Refusal::IdempotencyKeyReused,
        Refusal::PreconditionFailed,
        Refusal::Overloaded,
        Refusal::StorageFull,
        Refusal::StorageUnavailable,
        Refusal::ActorFailed,
    ]
}

#[test]
fn every_refusal_of_the_engine_has_a_row_in_the_table() {
    for refusal in refusals() {
        let problem = Problem::from(&refusal);
        assert_eq!(problem.code().name(), refusal.code(), "{refusal:?}");
        let json = problem.to_json(TraceId::next());
        assert_eq!(json["detail"], refusal.to_string());
        assert_eq!(json["status"], problem.code().status());
    }
}

#[test]
fn exhausted_stock_names_its_skus_and_when_it_was_decided() {
    let json = Problem::from(&refusals()[0]).to_json(TraceId::next());
    assert_eq!(json["items"], serde_json::json!([{"sku": "A1", "requested": 3, "available": 2}]));
    assert_eq!(json["as_of"], "9");
}

#[test]
fn a_problem_on_the_wire_is_a_whole_answer() {
    let wire = String::from_utf8(Problem::new(Code::Overloaded).into_wire(TraceId::next())).unwrap();
    let (head, body) = wire.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())) && head.ends_with("connection: close"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["code"], "overloaded");
}
