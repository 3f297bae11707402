//! Errors as clients see them: RFC 9457 `application/problem+json`, one table of codes.
//!
//! The table below gives each code its status, its title and what to do about it; the problem type, the answer, the
//! documentation ([`Code::markdown`]) and the tests are derived from it.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;
use stockade_domain::Refusal;
use stockade_domain::refusal::Shortage;

use super::trace::TraceId;

/// The media type of every error.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($variant:ident $name:literal $type:literal $status:literal $title:literal $advice:literal;)+) => {
        /// Every way in which a request can fail, as programs compare it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`, ", stringify!($status), ": ", $advice)] $variant,)+
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name, as in the member `code`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The problem type, a relative reference.
            pub const fn type_uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("/problems/", $type)),+ }
            }

            /// The HTTP status it usually has.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// The kind of problem in a few words, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What the caller can do.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),+ }
            }

            /// The code of that name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    StockExhausted "stock_exhausted" "stock-exhausted" 409 "Not enough stock" "order at most what is available, or set `allow_partial` or `allow_backorder`";
    InsufficientBalance "insufficient_balance" "insufficient-balance" 402 "Not enough in the wallet" "credit the wallet or add another payment";
    PaymentDeclined "payment_declined" "payment-declined" 402 "Payment declined" "nothing was charged; use another payment method";
    CouponInvalid "coupon_invalid" "coupon-invalid" 422 "Coupon not valid" "check the code and its conditions, or order without it";
    CouponExhausted "coupon_exhausted" "coupon-exhausted" 409 "Coupon used up" "order without the coupon";
    LimitExceeded "limit_exceeded" "limit-exceeded" 409 "Limit per customer exceeded" "order no more than the limit leaves";
    CustomerRequired "customer_required" "customer-required" 422 "Customer required" "name a `customer` or a `purchaser_key`";
    SkuUnknown "sku_unknown" "sku-unknown" 422 "SKU unknown" "define the SKU first, or correct its id";
    SkuNotSellable "sku_not_sellable" "sku-not-sellable" 409 "SKU not on sale" "leave the SKU out, or wait until it is active again";
    PriceChanged "price_changed" "price-changed" 409 "Price changed" "show the buyer the new total and order again";
    QuantityInvalid "quantity_invalid" "quantity-invalid" 422 "Quantity not valid" "send a whole number from 1 to 1,000,000,000";
    MoneyInvalid "money_invalid" "money-invalid" 422 "Amount not valid" "send a decimal string with at most four decimals and an ISO 4217 currency, such as {\"amount\":\"19.99\",\"currency\":\"GBP\"}";
    CurrencyMismatch "currency_mismatch" "currency-mismatch" 422 "Currencies differ" "use one currency in one order";
    TooManyLines "too_many_lines" "too-many-lines" 422 "Too many lines" "split the order: it has at most 2,000 lines";
    AlreadyPaid "already_paid" "already-paid" 409 "Already paid" "nothing more is to be paid";
    HoldExpired "hold_expired" "hold-expired" 409 "Hold expired" "place the order anew: its stock went back";
    OrderStateInvalid "order_state_invalid" "order-state-invalid" 409 "Not possible in this state" "read the order and choose what its status allows";
    BelowCommitments "below_commitments" "below-commitments" 409 "Stock is promised" "take no more than what is free, or use `force` to turn promises into backorders";
    IdConflict "id_conflict" "id-conflict" 409 "Id used with another body" "use a new id, or repeat the first body";
    EndpointConfigured "endpoint_configured" "endpoint-configured" 409 "Endpoint is configured" "change it in the configuration and start the server again; it can be disabled meanwhile";
    LastSecret "last_secret" "last-secret" 409 "Last secret" "add the next secret first";
    IdExpired "id_expired" "id-expired" 422 "Id too old" "make a new id";
    IdInvalid "id_invalid" "id-invalid" 422 "Id not valid" "send a UUIDv7";
    NotFound "not_found" "not-found" 404 "Not found" "check the path";
    Gone "gone" "gone" 410 "No longer kept" "take a snapshot and follow from its `as_of`";
    MethodNotAllowed "method_not_allowed" "method-not-allowed" 405 "Method not allowed" "use a method that `Allow` lists";
    BodyInvalid "body_invalid" "body-invalid" 400 "Request not valid" "correct what `detail` names";
    BodyTooLarge "body_too_large" "body-too-large" 413 "Body too large" "send less at once";
    UriTooLong "uri_too_long" "uri-too-long" 414 "Address too long" "shorten the path or the query";
    MediaTypeUnsupported "media_type_unsupported" "media-type-unsupported" 415 "Media type not supported" "send the media type that `detail` names";
    RequestTimeout "request_timeout" "request-timeout" 408 "Request came too slowly" "send the whole body at once; nothing happened";
    IdempotencyKeyReused "idempotency_key_reused" "idempotency-key-reused" 422 "Idempotency key used with another body" "use a new key, or repeat the first body";
    WouldTrade "would_trade" "would-trade" 409 "Would trade at once" "offer or bid without `post_only`, or at another price";
    BookFull "book_full" "book-full" 409 "The book is full" "nothing happened; wait until offers or bids have ended";
    PreconditionFailed "precondition_failed" "precondition-failed" 412 "Changed meanwhile" "read it again and repeat with its new `ETag`";
    Unauthorized "unauthorized" "unauthorized" 401 "Key missing or unknown" "send `Authorization: Bearer <key>`";
    Forbidden "forbidden" "forbidden" 403 "Not allowed with this key" "use a key that may do this";
    RateLimited "rate_limited" "rate-limited" 429 "Too many requests" "wait as long as `Retry-After` says";
    Overloaded "overloaded" "overloaded" 503 "Too much work is waiting" "nothing happened; retry after `Retry-After` seconds";
    Draining "draining" "draining" 503 "The server is stopping" "send new work to another server, or retry when this one is back";
    StorageFull "storage_full" "storage-full" 503 "No room on the disk" "nothing happened; free space, then retry";
    StorageUnavailable "storage_unavailable" "storage-unavailable" 503 "Outcome unknown" "retry with the same key or id";
    InternalError "internal_error" "internal-error" 500 "Internal error" "report it with its `trace_id`; retry with the same key or id";
}

impl Code {
    /// The table as a Markdown page.
    pub fn markdown() -> String {
        let mut page = String::from("| code | status | title | what to do |\n|---|---|---|---|\n");
        for code in Self::ALL {
            let (name, status, title, advice) = (code.name(), code.status(), code.title(), code.advice());
            writeln!(page, "| `{name}` | {status} | {title} | {advice} |").expect("a String takes every write");
        }
        page
    }

    /// Seconds after which a retry makes sense, where that is known beforehand.
    const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Overloaded | Self::RateLimited => Some(1),
            Self::Draining => Some(5),
            Self::StorageFull => Some(30),
            Self::StorageUnavailable => Some(5),
            _ => None,
        }
    }
}

/// One failed request.
///
/// ```
/// use stockade::http::problem::{Code, Problem};
/// let problem = Problem::new(Code::SkuUnknown).detail("SKU A1 is not known").with("sku", "A1");
/// assert_eq!(problem.status(), 422);
/// assert_eq!(problem.in_path().status(), 404);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    code: Code,
    status: u16,
    detail: Option<Cow<'static, str>>,
    members: Vec<(&'static str, Value)>,
    retry_after: Option<u32>,
    allow: Option<&'static str>,
}

impl Problem {
    /// A problem whose detail is the code's advice.
    pub fn new(code: Code) -> Self {
        let (status, retry_after) = (code.status(), code.retry_after());
        Self { code, status, detail: None, members: Vec::new(), retry_after, allow: None }
    }

    /// `body_invalid` about one field, parameter or header.
    pub fn invalid(field: &'static str, why: impl std::fmt::Display) -> Self {
        Self::new(Code::BodyInvalid).detail(format!("`{field}`: {why}")).with("field", field)
    }

    /// Says what is wrong this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a member. Names of the standard members are not for this.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        debug_assert!(!["type", "title", "status", "detail", "code", "trace_id"].contains(&name), "{name} is taken");
        self.members.push((name, value.into()));
        self
    }

    /// The thing was named in the path: what is unknown in a body with 422 is not found there with 404, and a
    /// malformed id is one that nothing has.
    #[must_use]
    pub fn in_path(mut self) -> Self {
        match self.code {
            Code::SkuUnknown => self.status = Code::NotFound.status(),
            Code::IdInvalid => (self.code, self.status) = (Code::NotFound, Code::NotFound.status()),
            _ => {}
        }
        self
    }

    /// Seconds to wait before a retry.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The methods that a path has, as `Allow` lists them.
    #[must_use]
    pub fn allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Its HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The object that is sent.
    pub fn to_json(&self, trace: TraceId) -> Value {
        let detail = self.detail.as_deref().unwrap_or(self.code.advice());
        let mut object = serde_json::Map::with_capacity(6 + self.members.len());
        object.insert("type".into(), self.code.type_uri().into());
        object.insert("title".into(), self.code.title().into());
        object.insert("status".into(), self.status.into());
        object.insert("detail".into(), detail.into());
        object.insert("code".into(), self.code.name().into());
        object.insert("trace_id".into(), trace.to_string().into());
        for (name, value) in &self.members {
            object.insert((*name).into(), value.clone());
        }
        Value::Object(object)
    }

    /// The answer, for whatever body type the server uses.
    pub fn into_http(self, trace: TraceId) -> Response<Bytes> {
        let body = Bytes::from(self.to_json(trace).to_string());
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // For those who count refusals.
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self.code == Code::Unauthorized {
            headers.insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// The answer as a warp reply.
    pub fn into_reply(self, trace: TraceId) -> warp::reply::Response {
        self.into_http(trace).map(Into::into)
    }

    /// The answer as bytes on the wire, for a connection that is closed unheard.
    pub fn into_wire(self, trace: TraceId) -> Vec<u8> {
        let response = self.into_http(trace);
        let mut wire = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
        for (name, value) in response.headers() {
            wire.extend_from_slice(name.as_str().as_bytes());
            wire.extend_from_slice(b": ");
            wire.extend_from_slice(value.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        let length = response.body().len();
        wire.extend_from_slice(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
        wire.extend_from_slice(response.body());
        wire
    }
}

impl From<&Refusal> for Problem {
    /// The one place where the engine's refusals become answers.
    fn from(refusal: &Refusal) -> Self {
        let code = Code::named(refusal.code()).unwrap_or(Code::InternalError);
        let problem = Self::new(code).detail(refusal.to_string());
        match refusal {
            Refusal::StockExhausted { items, as_of } => {
                let items: Vec<Value> = items.iter().map(shortage).collect();
                problem.with("items", items).with("as_of", as_of.to_string())
            }
            Refusal::InsufficientBalance { customer, available, needed } => problem
                .with("customer", customer.to_string())
                .with("available", available.to_string())
                .with("needed", needed.to_string()),
            Refusal::PaymentDeclined { reason } => problem.with("reason", reason.as_str()),
            Refusal::LimitExceeded { sku, limit, taken } => {
                problem.with("sku", sku.to_string()).with("limit", *limit).with("taken", *taken)
            }
            Refusal::CouponInvalid { code, .. } | Refusal::CouponExhausted { code } => {
                problem.with("coupon", code.as_str())
            }
            Refusal::UsesExceeded(excess) => problem
                .with("subject", excess.subject.as_str())
                .with("limit", excess.limit.as_str())
                .with("taken", excess.taken.as_str()),
            Refusal::SkuUnknown { sku } => problem.with("sku", sku.as_str()),
            Refusal::SkuNotSellable { sku, status } => problem.with("sku", sku.to_string()).with("sku_status", *status),
            Refusal::PriceChanged { expected, actual } => {
                problem.with("expected_total", money(*expected)).with("actual_total", money(*actual))
            }
            Refusal::CurrencyMismatch { wanted, found } => {
                problem.with("wanted", wanted.as_str()).with("found", found.as_str())
            }
            Refusal::TooManyLines { limit, found } => problem.with("limit", *limit).with("found", *found),
            Refusal::OrderStateInvalid { status, .. } => problem.with("order_status", *status),
            Refusal::PaymentStateInvalid { state, .. } => problem.with("payment_state", *state),
            Refusal::BelowCommitments { sku, location, free } => {
                problem.with("sku", sku.to_string()).with("location", location.to_string()).with("free", *free)
            }
            Refusal::IdConflict { id } | Refusal::IdExpired { id } | Refusal::IdInvalid { id } => {
                problem.with("id", id.as_str())
            }
            Refusal::BodyInvalid { field, .. } => problem.with("field", *field),
            Refusal::CustomerRequired { .. }
            | Refusal::BookRefused { .. }
            | Refusal::QuantityInvalid
            | Refusal::MoneyInvalid { .. }
            | Refusal::AlreadyPaid
            | Refusal::HoldExpired
            | Refusal::NotFound { .. }
            | Refusal::IdempotencyKeyReused
            | Refusal::PreconditionFailed
            | Refusal::Overloaded
            | Refusal::StorageFull
            | Refusal::StorageUnavailable
            | Refusal::ActorFailed => problem,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

fn shortage(item: &Shortage) -> Value {
    serde_json::json!({"sku": item.sku.to_string(), "requested": item.requested, "available": item.available})
}

fn money(money: stockade_domain::Money) -> Value {
    serde_json::json!({"amount": money.amount.to_string(), "currency": money.currency.as_str()})
}

#[cfg(test)]
mod tests;
