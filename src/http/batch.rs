//! Orders by the line: `application/x-ndjson` in, one answer per line out, in order, while the body still comes.
//!
//! ```text
//!   body ─▶ lines ─▶ window: at most so many orders in the engine ─▶ answers in the order of the lines ─▶ client
//! ```
//!
//! It is a stream that the connection polls, in both directions: nothing is read while the window is full, and
//! nothing leaves the window while the client does not read. So a batch of any length takes bounded memory, and a
//! client that stops reading stops being read.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use warp::Reply as _;

use super::body;
use super::order_body::OrderBody;
use super::problem::{Code, Problem};
use super::render::{push_number, push_order};
use super::trace::TraceId;
use crate::engine::{Engine, NewOrder, OrderSnapshot, Pending};

/// Where batches are sent.
pub(super) const PATH: &str = "/api/v1/orders/batch";
/// The media type of a batch and of its answers.
const MEDIA_TYPE: &str = "application/x-ndjson";
/// Orders of one batch that are in the engine or answered and not yet sent.
const WINDOW: usize = 256;
/// Answers are handed to the connection in pieces of about so many bytes.
const PIECE_BYTES: usize = 32 * 1024;

/// Answers a batch as it comes.
pub(super) fn answer<S, D>(
    engine: &Engine,
    headers: &HeaderMap,
    body: S,
    line_bytes_max: usize,
) -> Result<warp::reply::Response, Problem>
where
    S: Stream<Item = Result<D, warp::Error>> + Send + Sync + 'static,
    D: Buf,
{
    body::expect_media_type(headers, MEDIA_TYPE)?;
    let batch = Batch {
        engine: engine.clone(),
        trace: TraceId::of(headers),
        body: Some(Box::pin(body)),
        lines: Lines::new(line_bytes_max),
        window: VecDeque::with_capacity(WINDOW),
        index: 0,
        out: Vec::new(),
    };
    let mut response = warp::reply::stream(batch).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Ok(response)
}

/// What became of a line.
enum Slot {
    Placed(Pending<OrderSnapshot>),
    Wrong(Box<Problem>),
}

struct Batch<S> {
    engine: Engine,
    trace: TraceId,
    /// None once it has ended.
    body: Option<Pin<Box<S>>>,
    lines: Lines,
    window: VecDeque<Slot>,
    /// The index of the next answer.
    index: u64,
    out: Vec<u8>,
}

impl<S, D> Batch<S>
where
    S: Stream<Item = Result<D, warp::Error>>,
    D: Buf,
{
    /// Fills the window from the lines that are here, with one hand-over to the engine.
    fn place(&mut self) {
        let mut orders = Vec::new();
        let mut problems = Vec::new();
        while self.window.len() + problems.len() < WINDOW {
            let Some(line) = self.lines.next(self.body.is_none()) else { break };
            match line.and_then(|line| read(&line)) {
                Ok(order) => {
                    orders.push(order);
                    problems.push(None);
                }
                Err(problem) => problems.push(Some(problem)),
            }
        }
        let mut placed = self.engine.place_many(orders).into_iter();
        self.window.extend(problems.into_iter().map(|problem| match problem {
            Some(problem) => Slot::Wrong(Box::new(problem)),
            None => Slot::Placed(placed.next().expect("an answer for each order")),
        }));
    }

    /// Reads the next piece of the body, if the window has room for what may be in it.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(body) = &mut self.body else { return false };
        if self.window.len() >= WINDOW {
            return false;
        }
        match body.as_mut().poll_next(cx) {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(mut piece))) => {
                self.lines.push(&piece.copy_to_bytes(piece.remaining()));
                true
            }
            Poll::Ready(None) => {
                self.body = None;
                true
            }
            Poll::Ready(Some(Err(error))) => {
                // What came whole is answered; that the rest did not come is the last answer.
                self.body = None;
                self.lines.cut();
                let problem = body::broken(&error as &(dyn StdError + 'static));
                self.window.push_back(Slot::Wrong(Box::new(problem)));
                true
            }
        }
    }

    /// Moves the answers at the front of the window out; says whether any went.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.out.len() < PIECE_BYTES {
            let answer = match self.window.front_mut() {
                None => break,
                Some(Slot::Wrong(_)) => match self.window.pop_front() {
                    Some(Slot::Wrong(problem)) => Err(*problem),
                    _ => unreachable!("the front was just seen"),
                },
                Some(Slot::Placed(pending)) => match Pin::new(pending).poll(cx) {
                    Poll::Pending => break,
                    Poll::Ready(answer) => {
                        self.window.pop_front();
                        answer.map_err(Problem::from)
                    }
                },
            };
            self.write(answer);
            moved = true;
        }
        moved
    }

    fn write(&mut self, answer: Result<OrderSnapshot, Problem>) {
        let out = &mut self.out;
        out.extend_from_slice(b"{\"index\":");
        push_number(out, self.index);
        out.extend_from_slice(b",\"status\":");
        match answer {
            Ok(order) => {
                out.extend_from_slice(b"201,\"body\":");
                push_order(out, &order);
            }
            Err(problem) => {
                push_number(out, u64::from(problem.status()));
                out.extend_from_slice(b",\"body\":");
                out.extend_from_slice(problem.to_json(self.trace).to_string().as_bytes());
            }
        }
        out.extend_from_slice(b"}\n");
        self.index += 1;
    }
}

impl<S, D> Stream for Batch<S>
where
    S: Stream<Item = Result<D, warp::Error>>,
    D: Buf,
{
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let batch = self.get_mut();
        loop {
            batch.place();
            let answered = batch.poll_answers(cx);
            if batch.out.len() >= PIECE_BYTES {
                break;
            }
            let read = batch.poll_body(cx);
            if !answered && !read {
                break;
            }
        }
        if !batch.out.is_empty() {
            return Poll::Ready(Some(Ok(Bytes::from(std::mem::take(&mut batch.out)))));
        }
        let ended = batch.body.is_none() && batch.window.is_empty();
        if ended { Poll::Ready(None) } else { Poll::Pending }
    }
}

fn read(line: &[u8]) -> Result<NewOrder, Problem> {
    let order = body::parse::<OrderBody>(line)?.order(line)?;
    if order.has_own_id { Ok(order) } else { Err(Problem::invalid("id", "each order of a batch has its own id")) }
}

/// Bytes cut into lines. A line over the limit is refused and skipped without being kept.
struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far no line's end was found.
    searched: usize,
    line_bytes_max: usize,
    /// The line at hand is too long; its bytes are dropped as they come.
    skipping: bool,
}

impl Lines {
    fn new(line_bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, searched: 0, line_bytes_max, skipping: false }
    }

    fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// Drops a line that will not be completed.
    fn cut(&mut self) {
        let end = self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(self.start, |at| at + 1);
        self.bytes.truncate(end.max(self.start));
        self.searched = self.searched.min(self.bytes.len());
        self.skipping = false;
    }

    /// The next line that is not blank; at the end of everything, also one without an end of line.
    fn next(&mut self, at_end: bool) -> Option<Result<Vec<u8>, Problem>> {
        loop {
            let found = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
            let (end, after) = match found {
                Some(at) => (self.searched + at, self.searched + at + 1),
                None if at_end && (self.start < self.bytes.len() || self.skipping) => {
                    (self.bytes.len(), self.bytes.len())
                }
                None => {
                    self.searched = self.bytes.len();
                    if self.searched - self.start > self.line_bytes_max {
                        self.skipping = true;
                    }
                    if self.skipping {
                        self.start = self.searched;
                    }
                    return None;
                }
            };
            let line = &self.bytes[self.start..end];
            let too_long = std::mem::take(&mut self.skipping) || line.len() > self.line_bytes_max;
            let line = if too_long { Err(too_large(self.line_bytes_max)) } else { Ok(line.to_vec()) };
            (self.start, self.searched) = (after, after);
            if line.as_ref().is_ok_and(|line| line.iter().all(u8::is_ascii_whitespace)) {
                continue;
            }
            return Some(line);
        }
    }
}

fn too_large(max: usize) -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("the line is longer than {max} bytes")).with("limit", max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes out when the text arrives in pieces of these lengths.
    fn cut(text: &[u8], pieces: &[usize], max: usize) -> Vec<Result<Vec<u8>, Code>> {
        let mut lines = Lines::new(max);
        let (mut rest, mut pieces, mut found) = (text, pieces.iter().cycle(), Vec::new());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*pieces.next().unwrap()).clamp(1, rest.len()));
            lines.push(piece);
            rest = after;
            while let Some(line) = lines.next(false) {
                found.push(line.map_err(|problem| problem.code()));
            }
            assert!(lines.bytes.len() <= max + piece.len(), "what is kept is bounded");
        }
        while let Some(line) = lines.next(true) {
            found.push(line.map_err(|problem| problem.code()));
        }
        found
    }

    proptest! {
        #[test]
        fn lines_are_the_same_in_whatever_pieces_they_come(
            text in "[ab\n\r ]{0,60}", pieces in proptest::collection::vec(1_usize..9, 1..8), max in 1_usize..12,
        ) {
            let wanted: Vec<_> = text
                .split('\n')
                .filter(|line| line.len() > max || !line.trim_ascii().is_empty())
                .map(|line| if line.len() > max { Err(Code::BodyTooLarge) } else { Ok(line.as_bytes().to_vec()) })
                .collect();
            prop_assert_eq!(cut(text.as_bytes(), &pieces, max), wanted);
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_not_an_order() {
        let mut lines = Lines::new(10);
        lines.push(b"one\ntw");
        lines.cut();
        assert_eq!(lines.next(true).unwrap().unwrap(), b"one");
        assert!(lines.next(true).is_none());
    }
}
