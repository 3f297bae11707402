//! Which request is for what: one table of paths, each with its methods, and a function per route.
//!
//! warp treats a rejection as "try the next filter", so nothing here rejects: a domain error is a reply like any
//! other.

use std::borrow::Cow;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use stockade_actors::command::{Answer, Command};
use stockade_domain::order::{OrderCommand, OrderStatus};
use stockade_domain::stock::StockCommand;
use stockade_domain::{OrderId, Refusal, SkuId};

use super::drain::Drain;
use super::order_body::{EditBody, OrderBody};
use super::problem::{Code, Problem};
use super::requests::{
    AdjustmentBody, CancelBody, CreditBody, DeliverBody, ExtendBody, PayBody, ReceiptBody, ReclassificationBody,
    RefundRequestBody, ReturnBody, ShipBody, SkuBody, customer, order_in_path, refused, sku_in_path, time,
};
use super::stock_body::{
    AnnouncementBody, ArrivalBody, DrawBody, LossBody, TransferBody, WithdrawalBody, WriteOffBody,
};
use super::{body, books, headers, market, openapi, paging, payments, promotions, render};
use crate::engine::{
    Engine, GATEWAY_WAIT, Listed, Movement, OrderFilter, OrderSnapshot, Page, RequestKey, SkuSnapshot, StockSnapshot,
    Target, WalletSnapshot,
};

/// A request, its body read.
pub(super) struct Request<'a> {
    pub(super) engine: &'a Engine,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
    /// Who asks: the name of the API key, or nobody.
    pub(super) caller: &'a str,
    /// Whether the server is stopping.
    pub(super) drain: &'a Drain,
    /// Held alone by a conditional write, which reads before it writes.
    pub(super) replacing: &'a tokio::sync::RwLock<()>,
    /// Who may send webhooks.
    pub(super) gateways: &'a payments::Gateways,
}

pub(super) type Reply = Result<Response<Bytes>, Problem>;

pub(super) fn reply(status: StatusCode, value: &impl Serialize) -> Reply {
    let body =
        serde_json::to_vec(value).map_err(|error| Problem::new(Code::InternalError).detail(error.to_string()))?;
    Ok(json_reply(status, body))
}

fn order_reply(status: StatusCode, order: &OrderSnapshot) -> Response<Bytes> {
    json_reply(status, render::order(order))
}

fn json_reply(status: StatusCode, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn replayed(mut response: Response<Bytes>, replayed: bool) -> Response<Bytes> {
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// Answers a request of the public API.
pub(super) async fn answer(request: Request<'_>) -> Reply {
    // The hot request is told apart by two comparisons; the others' state, which is large, stays out of its future.
    if request.path == "/api/v1/orders" && request.method == Method::POST {
        return request.place().await;
    }
    Box::pin(any_other(request)).await
}

async fn any_other(request: Request<'_>) -> Reply {
    match request.path {
        "/healthz" => {
            health(request.engine)?;
            return probe(&request, json!({"status": "ok"}));
        }
        "/readyz" => {
            request.only("GET", &[&Method::GET])?;
            readiness(request.engine, request.drain.has_begun())?;
            return reply(StatusCode::OK, &json!({"status": "ready"}));
        }
        "/openapi.json" => {
            request.only("GET", &[&Method::GET])?;
            return Ok(json_reply(StatusCode::OK, openapi::json().into()));
        }
        "/docs" => {
            request.only("GET", &[&Method::GET])?;
            let mut page = Response::new(Bytes::from_static(openapi::page().as_bytes()));
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            page.headers_mut().insert(http::header::CONTENT_TYPE, html);
            return Ok(page);
        }
        _ => {}
    }
    let Some(rest) = request.path.strip_prefix("/api/v1/") else { return Err(Problem::new(Code::NotFound)) };
    let mut segments = rest.trim_end_matches('/').split('/').map(decode_segment);
    let mut next = || segments.next().transpose();
    let parts = [next()?, next()?, next()?, next()?];
    if next()?.is_some() {
        return Err(Problem::new(Code::NotFound));
    }
    match parts.each_ref().map(Option::as_deref) {
        [Some("skus"), None, ..] => request.only("GET", &[&Method::GET])?.list_skus().await,
        [Some("skus"), Some(sku), None, _] => {
            request.only("GET, PUT", &[&Method::GET, &Method::PUT])?;
            request.sku(&sku_in_path(sku)?).await
        }
        [Some("skus"), Some(sku), Some(what), id] => {
            let sku = sku_in_path(sku)?;
            match market::answer(&request, &sku, what, id).await {
                Some(reply) => reply,
                None if id.is_some() => Err(Problem::new(Code::NotFound)),
                None => request.of_sku(&sku, what).await,
            }
        }
        [Some("stock"), None, ..] => request.only("GET", &[&Method::GET])?.several_stocks().await,
        [Some("orders"), None, ..] => {
            request.only("GET, POST", &[&Method::GET, &Method::POST])?;
            if request.method == Method::POST { request.place().await } else { request.list_orders().await }
        }
        // A POST to it is streamed and does not come this way.
        [Some("orders"), Some("batch"), None, _] => Err(Problem::new(Code::MethodNotAllowed).allow("POST")),
        [Some("orders"), Some(id), None, _] => {
            let order = order_in_path(id)?;
            request.only("GET, PATCH", &[&Method::GET, &Method::PATCH])?;
            if request.method == Method::PATCH {
                return request.edit(order).await;
            }
            Ok(order_reply(StatusCode::OK, &request.engine.read_order(order).await?))
        }
        [Some("orders"), Some(id), Some(what), None] => request.of_order(order_in_path(id)?, what).await,
        [Some("wallets"), Some(name), None, _] => {
            request.only("GET", &[&Method::GET])?;
            reply(StatusCode::OK, &request.engine.wallet(customer(name)?.as_str()).await?)
        }
        [Some("wallets"), Some(name), Some("statement"), None] => {
            request.only("GET", &[&Method::GET])?;
            let customer = customer(name)?;
            request.facts(&format!("statement/{customer}"), |page| request.engine.statement(&customer, page)).await
        }
        [Some("wallets"), Some(name), Some("credits"), None] => {
            request.only("POST", &[&Method::POST])?.credit(name).await
        }
        [Some("ledger"), None, ..] => books::ledger(&request).await,
        [Some("sellers"), Some(name), what, None] => books::seller(&request, name, what).await,
        [Some("payments"), Some(id), what, None] => payments::payment(&request, id, what).await,
        [Some("promotions"), id, None, _] => promotions::promotion(&request, id).await,
        [Some("coupons"), code, None, _] => promotions::coupon(&request, code).await,
        [Some("quotes"), None, ..] => promotions::quote(&request).await,
        [Some("webhooks"), Some(gateway), None, _] => payments::webhook(&request, request.gateways, gateway).await,
        _ => Err(Problem::new(Code::NotFound)),
    }
}

/// Whether new work is welcome: what a load balancer asks.
pub(super) fn readiness(engine: &Engine, is_draining: bool) -> Result<(), Problem> {
    health(engine)?;
    match () {
        () if is_draining => Err(Problem::new(Code::Draining)),
        () if !engine.has_room() => Err(Problem::new(Code::StorageFull)),
        () if engine.lags_too_far() => Err(Problem::new(Code::Overloaded)),
        () => Ok(()),
    }
}

/// Whether it can do anything at all: what asks whether to start it anew.
pub(super) fn health(engine: &Engine) -> Result<(), Problem> {
    if engine.has_failed() { Err(Problem::new(Code::StorageUnavailable)) } else { Ok(()) }
}

fn probe(request: &Request<'_>, body: Value) -> Reply {
    request.only("GET", &[&Method::GET])?;
    reply(StatusCode::OK, &body)
}

/// Refuses a method that the path does not have. HEAD is GET without a body, which hyper leaves out by itself.
pub(super) fn by_method(method: &Method, allow: &'static str, methods: &[&Method]) -> Result<(), Problem> {
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    if methods.contains(&asked) { Ok(()) } else { Err(Problem::new(Code::MethodNotAllowed).allow(allow)) }
}

/// A parameter of a query.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_query(key)? == name).then(|| decode_query(value)).flatten()
    };
    query.split('&').find_map(pair)
}

impl Request<'_> {
    pub(super) fn only(&self, allow: &'static str, methods: &[&Method]) -> Result<&Self, Problem> {
        by_method(&self.method, allow, methods).map(|()| self)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        parameter(self.query, name)
    }

    pub(super) fn key(&self) -> Result<Option<RequestKey>, Problem> {
        let key = headers::idempotency_key(self.headers)?;
        Ok(key.map(|key| RequestKey::new(self.caller, self.method.as_str(), self.path, &key, &self.body)))
    }

    pub(super) fn json<'b, T: serde::Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        body::expect_media_type(self.headers, "application/json")?;
        body::parse(&self.body)
    }

    /// As `json`; no body at all is an empty object.
    pub(super) fn json_or_empty<'b, T: serde::Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        body::expect_media_type(self.headers, "application/json")?;
        body::parse_or_empty(&self.body)
    }

    fn page(&self, list: &str) -> Result<Page, Problem> {
        let limit = paging::limit(self.parameter("limit").as_deref())?;
        let before = self.parameter("cursor").map(|cursor| sequence(&paging::place(list, &cursor)?));
        Ok(Page { limit, before: before.transpose()? })
    }

    /// A page of facts. A record may have several and a page may end between two of them, so its cursor has the
    /// record's sequence and how many of it were shown.
    async fn facts<L>(&self, list: &str, read: impl FnOnce(Page) -> L) -> Reply
    where
        L: Future<Output = Result<Listed<Movement>, Refusal>>,
    {
        let limit = paging::limit(self.parameter("limit").as_deref())?;
        let place = self.parameter("cursor").map(|cursor| {
            let place = paging::place(list, &cursor)?;
            let (seq, shown) = place.split_at_checked(8).ok_or_else(|| Problem::invalid("cursor", AS_GIVEN))?;
            Ok::<_, Problem>((sequence(seq)?, sequence(shown)?))
        });
        let (seq, shown) = place.transpose()?.unwrap_or((u64::MAX, 0));
        let shown = usize::try_from(shown).ok().filter(|shown| *shown <= FACTS_OF_A_RECORD_MAX);
        let shown = shown.ok_or_else(|| Problem::invalid("cursor", AS_GIVEN))?;
        let before = if shown == 0 { Some(seq) } else { seq.checked_add(1) };
        let listed = read(Page { limit: limit.saturating_add(shown), before }).await;
        let Listed { mut items, next } = listed.map_err(|refusal| refused(&refusal).in_path())?;
        items.drain(..shown.min(items.len()));
        let is_cut = items.len() > limit;
        items.truncate(limit);
        let next = match items.last() {
            Some(last) if is_cut => {
                let of_last = items.iter().rev().take_while(|item| item.sequence == last.sequence).count();
                let before_it = if last.sequence.0 == seq { shown } else { 0 };
                Some((last.sequence.0, (of_last + before_it) as u64))
            }
            _ => next.map(|seq| (seq, 0)),
        };
        let next = next.map(|(seq, shown)| paging::cursor(list, &[seq.to_be_bytes(), shown.to_be_bytes()].concat()));
        reply(StatusCode::OK, &json!({"items": items, "next_cursor": next}))
    }

    async fn sku(&self, sku: &SkuId) -> Reply {
        if self.method != Method::PUT {
            let found = self.engine.read_sku(sku.as_str()).await.map_err(|refusal| refused(&refusal).in_path())?;
            return tagged(StatusCode::OK, &found);
        }
        let command = self.json::<SkuBody>()?.command()?;
        if let StockCommand::Define(definition) = &command {
            self.engine.check_components(definition).await?;
        }
        // Who compares before it writes does both alone, so of two with the same `If-Match` one is late; writes
        // without a condition go side by side.
        let is_conditional = self.headers.contains_key(http::header::IF_MATCH);
        let _alone = if is_conditional { Some(self.replacing.write().await) } else { None };
        let _beside = if is_conditional { None } else { Some(self.replacing.read().await) };
        let mut condition = Ok(());
        if is_conditional {
            let current = match self.engine.read_sku(sku.as_str()).await {
                Ok(found) => Some(entity_tag(&found)),
                Err(Refusal::SkuUnknown { .. }) => None,
                Err(refusal) => return Err(refused(&refusal)),
            };
            // A request whose key was accepted before is repeated, although its own write has changed the tag.
            condition = match headers::check_if_match(self.headers, current.as_deref()) {
                Err(problem) if problem.code() == Code::PreconditionFailed => Err(Refusal::PreconditionFailed),
                checked => Ok(checked?),
            };
        }
        let (answer, repeated) = self.write_stock(sku, command, condition).await?;
        let Answer::Stock(view) = answer else { return Err(Problem::new(Code::InternalError)) };
        let status = if view.created { StatusCode::CREATED } else { StatusCode::OK };
        Ok(replayed(tagged(status, &SkuSnapshot(*view))?, repeated))
    }

    async fn write_stock(
        &self,
        sku: &SkuId,
        command: StockCommand,
        condition: Result<(), Refusal>,
    ) -> Result<(Answer, bool), Problem> {
        let target = Target::Name(sku.as_str());
        let command = |key| condition.map(|()| Command::Stock { sku: sku.clone(), command: Box::new(command), key });
        let written = self.engine.keyed(self.key()?, target, command);
        written.await.map_err(|refusal| refused(&refusal).in_path())
    }

    async fn of_sku(&self, sku: &SkuId, what: &str) -> Reply {
        let command = match what {
            "stock" => {
                self.only("GET", &[&Method::GET])?;
                let stock =
                    self.engine.read_whole_stock(sku.as_str()).await.map_err(|refusal| refused(&refusal).in_path())?;
                return reply(StatusCode::OK, &stock);
            }
            "movements" => {
                self.only("GET", &[&Method::GET])?;
                let list = format!("movements/{sku}");
                return self.facts(&list, |page| self.engine.movements(sku.as_str(), page)).await;
            }
            "receipts" | "adjustments" | "reclassifications" | "transfers" | "announcements" | "withdrawals"
            | "arrivals" | "losses" | "write-offs" | "draw" => {
                self.only("POST", &[&Method::POST])?;
                match what {
                    "receipts" => self.json::<ReceiptBody>()?.command()?,
                    "adjustments" => self.json::<AdjustmentBody>()?.command()?,
                    "reclassifications" => self.json::<ReclassificationBody>()?.command()?,
                    "announcements" => self.json::<AnnouncementBody>()?.command()?,
                    "withdrawals" => self.json::<WithdrawalBody>()?.command()?,
                    "arrivals" => self.json::<ArrivalBody>()?.command()?,
                    "losses" => self.json::<LossBody>()?.command()?,
                    "write-offs" => self.json::<WriteOffBody>()?.command()?,
                    "draw" => self.json::<DrawBody>()?.command()?,
                    _ => self.json::<TransferBody>()?.command()?,
                }
            }
            _ => return Err(Problem::new(Code::NotFound)),
        };
        let (answer, repeated) = self.write_stock(sku, command, Ok(())).await?;
        let Answer::Stock(view) = answer else { return Err(Problem::new(Code::InternalError)) };
        Ok(replayed(reply(StatusCode::CREATED, &StockSnapshot(*view))?, repeated))
    }

    async fn list_skus(&self) -> Reply {
        let limit = paging::limit(self.parameter("limit").as_deref())?;
        let after = self.parameter("cursor").map(|cursor| paging::place("skus", &cursor)).transpose()?;
        let after = after.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let mut items = self.engine.list_skus(after, limit + 1).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more).map(|sku| paging::cursor("skus", sku.0.sku.as_str().as_bytes()));
        reply(StatusCode::OK, &json!({"items": items, "next_cursor": last}))
    }

    async fn several_stocks(&self) -> Reply {
        let names = self.parameter("sku").ok_or_else(|| Problem::invalid("sku", "send ?sku=a,b"))?;
        if names.split(',').count() > paging::LIMIT_MAX {
            return Err(Problem::invalid("sku", format!("at most {} SKUs in one request", paging::LIMIT_MAX)));
        }
        let mut items = Vec::new();
        for name in names.split(',') {
            items.push(self.engine.read_whole_stock(name).await?);
        }
        reply(StatusCode::OK, &json!({"items": items, "next_cursor": null}))
    }

    fn wait(&self) -> Duration {
        headers::prefer_wait(self.headers, GATEWAY_WAIT).unwrap_or(GATEWAY_WAIT)
    }

    async fn place(&self) -> Reply {
        let key = self.key()?;
        let order = self.json::<OrderBody>()?.order(&self.body)?;
        let order = self.engine.place_keyed(order, key, self.wait()).await?;
        Ok(created(&order))
    }

    async fn list_orders(&self) -> Reply {
        let status = self.parameter("status").map(|name| {
            let names = || OrderStatus::ALL.iter().map(|status| status.name()).collect::<Vec<_>>().join(", ");
            OrderStatus::from_name(&name).ok_or_else(|| Problem::invalid("status", format!("send one of {}", names())))
        });
        let filter = OrderFilter {
            customer: self.parameter("customer").map(|name| customer(&name)).transpose()?,
            status: status.transpose()?,
            created_after: self.parameter("created_after").map(|text| time("created_after", &text)).transpose()?,
        };
        let list = format!("orders/{:?}/{:?}/{:?}", filter.customer, filter.status, filter.created_after);
        let listed = self.engine.list_orders(&filter, self.page(&list)?).await?;
        let next = listed.next.map(|seq| paging::cursor(&list, &seq.to_be_bytes()));
        reply(StatusCode::OK, &json!({"items": listed.items, "next_cursor": next}))
    }

    async fn of_order(&self, order: OrderId, what: &str) -> Reply {
        if what == "events" {
            self.only("GET", &[&Method::GET])?;
            let list = format!("events/{order}");
            return self.facts(&list, |page| self.engine.order_events(order, page)).await;
        }
        let known = ["pay", "extend", "cancel", "ship", "deliver", "complete", "returns", "refunds"];
        if !known.contains(&what) {
            return Err(Problem::new(Code::NotFound));
        }
        self.only("POST", &[&Method::POST])?;
        let target = Target::Route(order.route());
        let (answer, repeated) = if what == "pay" {
            let payments = self.json::<PayBody>()?.payments()?;
            let (payments, wait) = (payments.into_iter().map(crate::Payment::into_tender).collect(), self.wait());
            self.engine.keyed(self.key()?, target, |key| Ok(Command::Pay { order, payments, key, wait })).await?
        } else {
            let command = Box::new(self.order_command(what)?);
            self.engine.keyed(self.key()?, target, |key| Ok(Command::Order { order, command, key })).await?
        };
        let Answer::Order(view) = answer else { return Err(Problem::new(Code::InternalError)) };
        let status = if matches!(what, "returns" | "refunds") { StatusCode::CREATED } else { StatusCode::OK };
        Ok(replayed(order_reply(status, &OrderSnapshot::from(view)), repeated))
    }

    /// Gives an unpaid order other lines.
    async fn edit(&self, order: OrderId) -> Reply {
        let lines = self.json::<EditBody>()?.lines()?;
        let edit = |key| Engine::edit_command(order, lines, key);
        let (answer, repeated) = self.engine.keyed(self.key()?, Target::Route(order.route()), edit).await?;
        let Answer::Order(view) = answer else { return Err(Problem::new(Code::InternalError)) };
        Ok(replayed(order_reply(StatusCode::OK, &OrderSnapshot::from(view)), repeated))
    }

    fn order_command(&self, what: &str) -> Result<OrderCommand, Problem> {
        match what {
            "extend" => self.json::<ExtendBody>()?.command(),
            "cancel" => self.json_or_empty::<CancelBody>()?.command(),
            "ship" => self.json_or_empty::<ShipBody>()?.command(),
            "deliver" => self.json_or_empty::<DeliverBody>()?.command(),
            "complete" => self.json_or_empty::<DeliverBody>()?.command().map(|_| OrderCommand::Complete),
            "returns" => self.json::<ReturnBody>()?.command(),
            _ => self.json::<RefundRequestBody>()?.command(),
        }
    }

    async fn credit(&self, name: &str) -> Reply {
        let customer = customer(name)?;
        let command = self.json::<CreditBody>()?.command();
        let target = Target::Name(name);
        let credit = |key| Ok(Command::Account { customer, command, key });
        let (answer, repeated) = self.engine.keyed(self.key()?, target, credit).await?;
        let Answer::Account(view) = answer else { return Err(Problem::new(Code::InternalError)) };
        Ok(replayed(reply(StatusCode::CREATED, &WalletSnapshot(view))?, repeated))
    }
}

/// A SKU with the tag of its definition.
fn tagged(status: StatusCode, sku: &SkuSnapshot) -> Reply {
    let mut response = reply(status, sku)?;
    if let Ok(tag) = HeaderValue::try_from(entity_tag(sku)) {
        response.headers_mut().insert(http::header::ETAG, tag);
    }
    Ok(response)
}

/// Names a version of a SKU's definition. Sales do not change it: who replaces a definition competes with others who
/// replace it, not with buyers.
fn entity_tag(sku: &SkuSnapshot) -> String {
    let mut shown = serde_json::to_value(sku).unwrap_or_default();
    if let Some(members) = shown.as_object_mut() {
        members.remove("as_of");
    }
    let hash = blake3::hash(shown.to_string().as_bytes()).to_hex();
    format!("\"{}\"", &hash[..16])
}

/// More facts than one record ever has; a cursor that says otherwise was forged.
const FACTS_OF_A_RECORD_MAX: usize = 65_536;
/// What to do with a cursor.
const AS_GIVEN: &str = "send `next_cursor` of the same list as it was given, or none to start over";

fn sequence(bytes: &[u8]) -> Result<u64, Problem> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| Problem::invalid("cursor", AS_GIVEN))
}

fn created(order: &OrderSnapshot) -> Response<Bytes> {
    let mut response = order_reply(StatusCode::CREATED, order);
    let location = HeaderValue::try_from(format!("/api/v1/orders/{}", order.id));
    if let Ok(location) = location {
        response.headers_mut().insert(http::header::LOCATION, location);
    }
    replayed(response, order.replayed)
}

/// A segment of a path, its percent-encoding undone once; malformed ones name nothing.
fn decode_segment(segment: &str) -> Result<Cow<'_, str>, Problem> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    decode(segment).map(Cow::Owned).ok_or_else(|| Problem::new(Code::NotFound))
}

/// A name or value in a query, where a plus is a space; in a path it is a plus.
fn decode_query(text: &str) -> Option<String> {
    if text.contains('+') { decode(&text.replace('+', " ")) } else { decode(text) }
}

/// Undoes percent-encoding; none if it is malformed.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |byte: u8| (byte as char).to_digit(16);
                (digit(high)? << 4 | digit(low)?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
