//! `GET /events`: durable facts as server-sent events.
//!
//! `after=SEQ` or `Last-Event-ID` says where to go on, nothing says from now on; `types=sku,order.placed` picks kinds and
//! types, `subject=sku/A1` one actor. A record's last fact carries its sequence as the event's id, so whoever reconnects
//! gets a record anew of which it has not seen the end: facts come at least once, each with an id of its own.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::{Instant, Sleep, sleep};
use warp::Reply as _;

use super::drain::{Drain, DrainSignal};
use super::problem::{Code, Problem};
use super::routes::{by_method, parameter};
use crate::engine::{Engine, Fact, Feed, FeedError};

/// Where the facts are.
pub(super) const PATH: &str = "/api/v1/events";
/// A client that hears nothing for so long is told that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Facts are handed to the connection in pieces of about so many bytes.
const PIECE_BYTES: usize = 32 * 1024;
/// Facts looked at before other connections get their turn.
const LOOKED_AT_MAX: usize = 4_096;
/// More words than there are types.
const TYPES_MAX: usize = 256;

/// Answers with facts for as long as the client listens.
pub(super) fn answer(
    engine: &Engine,
    method: &Method,
    query: &str,
    headers: &HeaderMap,
    drain: &Drain,
) -> Result<warp::reply::Response, Problem> {
    by_method(method, "GET", &[&Method::GET])?;
    let last_seen = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?").to_owned());
    let after = match last_seen.filter(|id| !id.is_empty()).or_else(|| parameter(query, "after")) {
        None => engine.durable(),
        Some(text) => {
            text.parse().map_err(|_| Problem::invalid("after", "a sequence, as an answer's `as_of` names it"))?
        }
    };
    if after > engine.durable() {
        return Err(Problem::invalid("after", "nothing has this sequence yet"));
    }
    let types: Vec<String> =
        parameter(query, "types").map_or_else(Vec::new, |types| types.split(',').map(str::to_owned).collect());
    if types.len() > TYPES_MAX {
        return Err(Problem::invalid("types", format!("at most {TYPES_MAX} of them")));
    }
    let wish = Wish { types, subject: parameter(query, "subject") };
    let mut feed = engine.follow(after);
    // What cannot be begun is refused with a status, not after a 200.
    let first = match feed.poll(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(Err(FeedError::Gone { .. })) => {
            return Err(Problem::new(Code::Gone).with("after", after.to_string()));
        }
        Poll::Ready(Err(FeedError::Failed(refusal))) => return Err(Problem::from(&refusal)),
        Poll::Ready(Ok(fact)) => Some(fact),
        Poll::Pending => None,
    };
    let stopping = Box::pin(stopped(drain.signal()));
    let facts =
        Facts { feed, first, wish, told: after, stopping, heartbeat: Box::pin(sleep(HEARTBEAT)), out: Vec::new() };
    let mut response = warp::reply::stream(facts).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn stopped(signal: DrainSignal) {
    signal.begun().await;
}

/// Which facts a client wants.
struct Wish {
    /// Kinds and types; all if there are none.
    types: Vec<String>,
    subject: Option<String>,
}

impl Wish {
    fn wants(&self, fact: &Fact) -> bool {
        let is_type = |wanted: &String| wanted == fact.kind() || *wanted == fact.topic();
        (self.types.is_empty() || self.types.iter().any(is_type))
            && self.subject.as_ref().is_none_or(|subject| *subject == fact.subject)
    }
}

struct Facts {
    feed: Feed,
    first: Option<Fact>,
    wish: Wish,
    /// The id that the client has.
    told: u64,
    stopping: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    heartbeat: Pin<Box<Sleep>>,
    out: Vec<u8>,
}

impl Facts {
    fn write(&mut self, fact: &Fact) {
        self.out.extend_from_slice(format!("event: {}\ndata: ", fact.topic()).as_bytes());
        serde_json::to_writer(&mut self.out, fact).expect("memory takes every write");
        self.out.push(b'\n');
        if let Some(seq) = fact.resume_after() {
            self.told = seq;
            self.out.extend_from_slice(format!("id: {seq}\n").as_bytes());
        }
        self.out.push(b'\n');
    }

    /// Moves what is here to the output; false when the feed has ended.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..LOOKED_AT_MAX {
            let next = self.first.take().map_or_else(|| self.feed.poll(cx), |fact| Poll::Ready(Ok(fact)));
            match next {
                Poll::Pending => return true,
                Poll::Ready(Err(_)) => return false,
                Poll::Ready(Ok(fact)) if self.wish.wants(&fact) => self.write(&fact),
                Poll::Ready(Ok(_)) => {}
            }
            if self.out.len() >= PIECE_BYTES {
                return true;
            }
        }
        // There may be more; others come first.
        cx.waker().wake_by_ref();
        true
    }
}

impl Stream for Facts {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let facts = self.get_mut();
        if facts.stopping.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        let goes_on = facts.fill(cx);
        if facts.out.is_empty() && goes_on {
            if facts.heartbeat.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // Who picks rare facts goes on from here after a reconnection, not from the last that was picked.
            facts.told = facts.told.max(facts.feed.read_to());
            facts.out.extend_from_slice(format!(": \nid: {}\n\n", facts.told).as_bytes());
        }
        if facts.out.is_empty() {
            return Poll::Ready(None);
        }
        facts.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
        Poll::Ready(Some(Ok(Bytes::from(std::mem::take(&mut facts.out)))))
    }
}
