//! Which request is for what: one table of paths, each with its methods, and a function per route.
//!
//! warp treats a rejection as "try the next filter", so nothing here rejects: a domain error is a reply like any
//! other.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use stockade_actors::command::{Answer, Command};
use stockade_domain::order::{OrderCommand, OrderStatus};
use stockade_domain::stock::StockCommand;
use stockade_domain::{OrderId, SkuId};

use super::problem::{Code, Problem};
use super::requests::{
    AdjustmentBody, CancelBody, CreditBody, DeliverBody, ExtendBody, OrderBody, PayBody, ReceiptBody,
    ReclassificationBody, RefundRequestBody, ReturnBody, ShipBody, SkuBody, TransferBody, customer, order_in_path,
    refused, sku_in_path, time,
};
use super::trace::TraceId;
use super::{body, headers, paging};
use crate::engine::{
    Engine, GATEWAY_WAIT, OrderFilter, OrderSnapshot, Page, RequestKey, SkuSnapshot, StockSnapshot, Target,
    WalletSnapshot,
};

/// The most orders of one batch.
const BATCH_LINES_MAX: usize = 10_000;

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
}

pub(super) type Reply = Result<Response<Bytes>, Problem>;

fn reply(status: StatusCode, value: &impl Serialize) -> Reply {
    let body =
        serde_json::to_vec(value).map_err(|error| Problem::new(Code::InternalError).detail(error.to_string()))?;
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn replayed(mut response: Response<Bytes>, replayed: bool) -> Response<Bytes> {
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// Answers a request of the public API.
pub(super) async fn answer(request: Request<'_>) -> Reply {
    match request.path {
        "/healthz" => return probe(&request, json!({"status": "ok"})),
        "/readyz" if request.engine.has_failed() => return Err(Problem::new(Code::StorageUnavailable)),
        "/readyz" => return probe(&request, json!({"status": "ready"})),
        _ => {}
    }
    let Some(rest) = request.path.strip_prefix("/api/v1/") else { return Err(Problem::new(Code::NotFound)) };
    let mut segments = rest.trim_end_matches('/').split('/');
    let parts = [segments.next(), segments.next(), segments.next(), segments.next()];
    match parts {
        [Some("skus"), None, ..] => by_method(&request, "GET", &[&Method::GET])?.list_skus().await,
        [Some("skus"), Some(sku), None, _] => {
            by_method(&request, "GET, PUT", &[&Method::GET, &Method::PUT])?;
            request.sku(&sku_in_path(sku)?).await
        }
        [Some("skus"), Some(sku), Some(what), None] => request.of_sku(&sku_in_path(sku)?, what).await,
        [Some("stock"), None, ..] => by_method(&request, "GET", &[&Method::GET])?.several_stocks().await,
        [Some("orders"), None, ..] => {
            by_method(&request, "GET, POST", &[&Method::GET, &Method::POST])?;
            if request.method == Method::POST { request.place().await } else { request.list_orders().await }
        }
        [Some("orders"), Some("batch"), None, _] => by_method(&request, "POST", &[&Method::POST])?.batch().await,
        [Some("orders"), Some(id), None, _] => {
            let order = order_in_path(id)?;
            by_method(&request, "GET", &[&Method::GET])?;
            reply(StatusCode::OK, &request.engine.read_order(order).await?)
        }
        [Some("orders"), Some(id), Some(what), None] => request.of_order(order_in_path(id)?, what).await,
        [Some("wallets"), Some(name), None, _] => {
            by_method(&request, "GET", &[&Method::GET])?;
            let name = decode(name).ok_or_else(|| Problem::new(Code::NotFound))?;
            reply(StatusCode::OK, &request.engine.wallet(customer(&name)?.as_str()).await?)
        }
        [Some("wallets"), Some(name), Some("credits"), None] => {
            by_method(&request, "POST", &[&Method::POST])?.credit(name).await
        }
        _ => Err(Problem::new(Code::NotFound)),
    }
}

fn probe(request: &Request<'_>, body: Value) -> Reply {
    by_method(request, "GET", &[&Method::GET])?;
    reply(StatusCode::OK, &body)
}

/// Refuses a method that the path does not have. HEAD is GET without a body, which hyper leaves out by itself.
fn by_method<'r, 'a>(
    request: &'r Request<'a>,
    allow: &'static str,
    methods: &[&Method],
) -> Result<&'r Request<'a>, Problem> {
    let asked = if request.method == Method::HEAD { &Method::GET } else { &request.method };
    if methods.contains(&asked) { Ok(request) } else { Err(Problem::new(Code::MethodNotAllowed).allow(allow)) }
}

impl Request<'_> {
    fn parameter(&self, name: &str) -> Option<String> {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key)? == name).then(|| decode(value)).flatten()
        };
        self.query.split('&').find_map(pair)
    }

    fn key(&self) -> Result<Option<RequestKey>, Problem> {
        let key = headers::idempotency_key(self.headers)?;
        Ok(key.map(|key| RequestKey::new(self.caller, self.method.as_str(), self.path, &key, &self.body)))
    }

    fn json<'b, T: serde::Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        body::expect_media_type(self.headers, "application/json")?;
        body::parse(&self.body)
    }

    /// As `json`; no body at all is an empty object.
    fn json_or_empty<'b, T: serde::Deserialize<'b>>(&'b self) -> Result<T, Problem> {
        body::expect_media_type(self.headers, "application/json")?;
        body::parse_or_empty(&self.body)
    }

    fn page(&self, list: &str) -> Result<Page, Problem> {
        let limit = paging::limit(self.parameter("limit").as_deref())?;
        let before = self.parameter("cursor").map(|cursor| {
            let place = paging::place(list, &cursor)?;
            let bytes =
                place.as_slice().try_into().map_err(|_| Problem::invalid("cursor", "send it as it was given"))?;
            Ok::<_, Problem>(u64::from_be_bytes(bytes))
        });
        Ok(Page { limit, before: before.transpose()? })
    }

    async fn sku(&self, sku: &SkuId) -> Reply {
        if self.method != Method::PUT {
            let found = self.engine.read_sku(sku.as_str()).await.map_err(|refusal| refused(&refusal).in_path())?;
            return reply(StatusCode::OK, &found);
        }
        let command = self.json::<SkuBody>()?.command()?;
        let Answer::Stock(view) = self.write_stock(sku, command).await?.0 else {
            return Err(Problem::new(Code::InternalError));
        };
        let status = if view.created { StatusCode::CREATED } else { StatusCode::OK };
        reply(status, &SkuSnapshot(*view))
    }

    async fn write_stock(&self, sku: &SkuId, command: StockCommand) -> Result<(Answer, bool), Problem> {
        let target = Target::Name(sku.as_str());
        let written = self
            .engine
            .keyed(self.key()?, target, |key| Ok(Command::Stock { sku: sku.clone(), command: Box::new(command), key }));
        written.await.map_err(|refusal| refused(&refusal).in_path())
    }

    async fn of_sku(&self, sku: &SkuId, what: &str) -> Reply {
        let command = match what {
            "stock" => {
                by_method(self, "GET", &[&Method::GET])?;
                let stock =
                    self.engine.read_stock(sku.as_str()).await.map_err(|refusal| refused(&refusal).in_path())?;
                return reply(StatusCode::OK, &stock);
            }
            "movements" => {
                by_method(self, "GET", &[&Method::GET])?;
                return self.movements(sku).await;
            }
            "receipts" | "adjustments" | "reclassifications" | "transfers" => {
                by_method(self, "POST", &[&Method::POST])?;
                match what {
                    "receipts" => self.json::<ReceiptBody>()?.command()?,
                    "adjustments" => self.json::<AdjustmentBody>()?.command()?,
                    "reclassifications" => self.json::<ReclassificationBody>()?.command()?,
                    _ => self.json::<TransferBody>()?.command()?,
                }
            }
            _ => return Err(Problem::new(Code::NotFound)),
        };
        let (answer, repeated) = self.write_stock(sku, command).await?;
        let Answer::Stock(view) = answer else { return Err(Problem::new(Code::InternalError)) };
        Ok(replayed(reply(StatusCode::CREATED, &StockSnapshot(*view))?, repeated))
    }

    async fn movements(&self, sku: &SkuId) -> Reply {
        let list = format!("movements/{sku}");
        let listed = self.engine.movements(sku.as_str(), self.page(&list)?).await;
        let listed = listed.map_err(|refusal| refused(&refusal).in_path())?;
        let next = listed.next.map(|seq| paging::cursor(&list, &seq.to_be_bytes()));
        reply(StatusCode::OK, &json!({"items": listed.items, "next_cursor": next}))
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
            items.push(self.engine.read_stock(name).await?);
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
        created(&order)
    }

    async fn batch(&self) -> Reply {
        body::expect_media_type(self.headers, "application/x-ndjson")?;
        let lines: Vec<&[u8]> =
            self.body.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace)).collect();
        if lines.len() > BATCH_LINES_MAX {
            return Err(Problem::invalid("lines", format!("at most {BATCH_LINES_MAX} orders in one batch")));
        }
        let read = |line: &[u8]| {
            let order = body::parse::<OrderBody>(line)?.order(line)?;
            if order.has_own_id {
                Ok(order)
            } else {
                Err(Problem::invalid("id", "each order of a batch has its own id"))
            }
        };
        let (mut problems, mut orders) = (Vec::new(), Vec::new());
        for line in lines {
            let order = read(line);
            problems.push(order.as_ref().err().cloned());
            orders.extend(order);
        }
        let mut pending = self.engine.place_many(orders).into_iter();
        let mut answers = Vec::new();
        for (index, problem) in problems.into_iter().enumerate() {
            let placed = match problem {
                Some(problem) => Err(problem),
                None => pending.next().expect("one for each order").await.map_err(Problem::from),
            };
            let (status, body) = match placed {
                Ok(order) => (201, serde_json::to_value(&order).unwrap_or(Value::Null)),
                Err(problem) => (problem.status(), problem.to_json(TraceId::of(self.headers))),
            };
            answers.extend(json!({"index": index, "status": status, "body": body}).to_string().into_bytes());
            answers.push(b'\n');
        }
        let mut response = Response::new(Bytes::from(answers));
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        Ok(response)
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
            by_method(self, "GET", &[&Method::GET])?;
            let events = self.engine.order_events(order).await?;
            return reply(StatusCode::OK, &json!({"items": events, "next_cursor": null}));
        }
        let known = ["pay", "extend", "cancel", "ship", "deliver", "returns", "refunds"];
        if !known.contains(&what) {
            return Err(Problem::new(Code::NotFound));
        }
        by_method(self, "POST", &[&Method::POST])?;
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
        Ok(replayed(reply(status, &OrderSnapshot::from(view))?, repeated))
    }

    fn order_command(&self, what: &str) -> Result<OrderCommand, Problem> {
        match what {
            "extend" => self.json::<ExtendBody>()?.command(),
            "cancel" => self.json_or_empty::<CancelBody>()?.command(),
            "ship" => self.json_or_empty::<ShipBody>()?.command(),
            "deliver" => self.json_or_empty::<DeliverBody>()?.command(),
            "returns" => self.json::<ReturnBody>()?.command(),
            _ => self.json::<RefundRequestBody>()?.command(),
        }
    }

    async fn credit(&self, name: &str) -> Reply {
        let name = decode(name).ok_or_else(|| Problem::new(Code::NotFound))?;
        let customer = customer(&name)?;
        let command = self.json::<CreditBody>()?.command();
        let target = Target::Name(&name);
        let credit = |key| Ok(Command::Account { customer, command, key });
        let (answer, repeated) = self.engine.keyed(self.key()?, target, credit).await?;
        let Answer::Account(view) = answer else { return Err(Problem::new(Code::InternalError)) };
        Ok(replayed(reply(StatusCode::CREATED, &WalletSnapshot(view))?, repeated))
    }
}

fn created(order: &OrderSnapshot) -> Reply {
    let mut response = reply(StatusCode::CREATED, order)?;
    let location = HeaderValue::try_from(format!("/api/v1/orders/{}", order.id));
    if let Ok(location) = location {
        response.headers_mut().insert(http::header::LOCATION, location);
    }
    Ok(replayed(response, order.replayed))
}

/// Undoes percent-encoding; none if it is malformed.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
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
