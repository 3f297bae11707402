//! One connection: hyper's HTTP/1.1 state machine, its handler, one timer and the drain.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::drain::DrainSignal;
use super::faulty::AnswerLost;
use super::limits::Limits;
use super::problem::{Code, Problem};
use super::pulse::{Expiry, Pulse, PulsedIo, RequestBody};
use super::trace::TraceId;

/// Serves one accepted socket until it ends, is late, or is drained.
pub(super) async fn serve<I, S, B>(stream: I, service: S, limits: Arc<Limits>, drain: DrainSignal)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let pulse = Pulse::new();
    let handler = {
        let (pulse, uri_bytes_max, streamed_paths) = (Arc::clone(&pulse), limits.uri_bytes_max, limits.streamed_paths);
        service_fn(move |request: Request<Incoming>| {
            pulse.head_read(!request.body().is_end_stream());
            let too_long = request.uri().path_and_query().is_some_and(|uri| uri.as_str().len() > uri_bytes_max);
            let trace = TraceId::of(request.headers());
            let is_streamed = streamed_paths.contains(&request.uri().path());
            let request = request.map(|body| RequestBody::new(body, Arc::clone(&pulse), is_streamed));
            let running = (!too_long).then(|| catch(|| service.call(request)));
            let pulse = Arc::clone(&pulse);
            async move {
                let answer: Response<Content<B>> = match running {
                    None => refuse(Code::UriTooLong, trace),
                    Some(None) => refuse(Code::InternalError, trace),
                    Some(Some(running)) => match guarded(running).await {
                        Some(response) if response.extensions().get::<AnswerLost>().is_some() => {
                            return Err(AnswerLost);
                        }
                        Some(response) => response.map(Content::Handler),
                        None => refuse(Code::InternalError, trace),
                    },
                };
                Ok(answer.map(|content| Answer { content, pulse }))
            }
        })
    };
    let io = TokioIo::new(PulsedIo::new(stream, Arc::clone(&pulse)));
    // `pipeline_flush` stays off: hyper withholds an answer while the next head is only half here, and a client that
    // waits for the first answer before it sends the rest would wait for ever.
    let connection = http1::Builder::new()
        .half_close(true) // a client may end its sending side and still read its answer
        .header_read_timeout(None) // the pulse keeps this time, cheaper
        .max_header_size(limits.head_bytes_max)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_bytes_max.max(64 * 1024))
        .serve_connection(io, handler);
    drive(connection, &pulse, &limits, drain).await;
}

/// Polls the connection, and one timer that is only moved when the connection would otherwise be late.
async fn drive<C>(connection: C, pulse: &Pulse, limits: &Limits, drain: DrainSignal)
where
    C: Future<Output = hyper::Result<()>> + Drainable,
{
    let mut connection = pin!(connection);
    let mut begun = pin!(drain.begun());
    let mut draining = false;
    let mut armed = Instant::now() + limits.idle_timeout.min(limits.head_timeout);
    let mut timer = pin!(sleep_until(armed));
    poll_fn(|cx| {
        if !draining && begun.as_mut().poll(cx).is_ready() {
            draining = true;
            connection.as_mut().drain();
        }
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return Poll::Ready(());
            }
            let due = pulse.due(limits);
            if let Some((at, _)) = due
                && at < armed
            {
                armed = at;
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match due {
                Some((at, Expiry::Body)) if at <= Instant::now() => pulse.cut_body(),
                Some((at, reason)) if at <= Instant::now() => {
                    tracing::debug!(?reason, "a connection was late and is closed");
                    return Poll::Ready(());
                }
                Some((at, _)) => armed = at,
                // While a handler works nothing is due; the next phase brings the timer forward again.
                None => armed = Instant::now() + limits.idle_timeout.max(Duration::from_secs(1)),
            }
            timer.as_mut().reset(armed);
        }
    })
    .await;
}

/// What a drain asks of a connection: finish the request in flight, take no other.
trait Drainable {
    fn drain(self: Pin<&mut Self>);
}

impl<I, B, S> Drainable for http1::Connection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs `work`, and nothing when it panics: a bug in one handler is one answer 500, not other people's connection.
fn catch<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            tracing::error!(message, "a handler panicked; this is a bug to report");
            None
        }
    }
}

/// Awaits a handler; nothing when it panics.
async fn guarded<F, T>(handler: F) -> Option<T>
where
    F: Future<Output = Result<T, Infallible>>,
{
    let mut handler = pin!(handler);
    poll_fn(move |cx| match catch(|| handler.as_mut().poll(cx)) {
        Some(Poll::Pending) => Poll::Pending,
        Some(Poll::Ready(Ok(value))) => Poll::Ready(Some(value)),
        Some(Poll::Ready(Err(never))) => match never {},
        None => Poll::Ready(None),
    })
    .await
}

fn refuse<B>(code: Code, trace: TraceId) -> Response<Content<B>> {
    Problem::new(code).into_http(trace).map(|bytes| Content::Listener(Some(bytes)))
}

/// Whose answer it is.
enum Content<B> {
    Handler(B),
    Listener(Option<Bytes>),
}

/// An answer's body; when it is dropped the connection is idle again.
struct Answer<B> {
    content: Content<B>,
    pulse: Arc<Pulse>,
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.pulse.answered();
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.content {
            Content::Handler(body) => Pin::new(body).poll_frame(cx),
            Content::Listener(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Handler(body) => body.is_end_stream(),
            Content::Listener(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Handler(body) => body.size_hint(),
            Content::Listener(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
