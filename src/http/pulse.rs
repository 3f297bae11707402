//! What a connection is doing and since when, so that one timer per connection is enough.
//!
//! ```text
//!            first byte            head complete             body complete
//!   Idle ───────────────▶ Head ───────────────────▶ Body ──────────────────▶ Serving
//!    ▲                                  └──────────(no body)───────────────▶    │
//!    └──────────────────────────── answer handed over ◀─────────────────────────┘
//! ```
//!
//! A phase change is one store, so requests that are on time never touch the timer wheel; hyper's own header
//! timeout allocates and registers a timer for every request, and has no word for an idle connection or a slow body.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::limits::Limits;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle = 0,
    Head = 1,
    Body = 2,
    /// The body's time is over; the handler was told and may still answer.
    BodyCut = 3,
    Serving = 4,
}

/// Why a connection was closed by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    /// No request for too long.
    Idle,
    /// A head that did not arrive in time.
    Head,
    /// A body that did not arrive in time: the handler is told first.
    Body,
    /// The handler did not answer after it was told.
    BodyCut,
    /// The client does not read.
    Write,
}

/// Phase and clock of one connection. Relaxed throughout: it is written by the task that reads it, or by a handler's
/// task whose delay costs a timeout a moment of accuracy and nothing else.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    /// Microseconds since `start`, shifted left by three; the phase below.
    phase: AtomicU64,
    /// Microseconds since `start` plus one when the socket began to refuse bytes; 0 while it takes them.
    blocked: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), phase: AtomicU64::new(0), blocked: AtomicU64::new(0) })
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX >> 3)
    }

    fn enter(&self, phase: Phase) {
        self.phase.store((self.micros() << 3) | phase as u64, Relaxed);
    }

    fn phase(&self) -> (Phase, u64) {
        let word = self.phase.load(Relaxed);
        let phase = match word & 7 {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Body,
            3 => Phase::BodyCut,
            _ => Phase::Serving,
        };
        (phase, word >> 3)
    }

    /// The next moment at which this connection would be late, and for what.
    pub(super) fn due(&self, limits: &Limits) -> Option<(Instant, Expiry)> {
        let (phase, since) = self.phase();
        let at = |since: u64, timeout: Duration| self.start + Duration::from_micros(since) + timeout;
        let by_phase = match phase {
            Phase::Idle => Some((at(since, limits.idle_timeout), Expiry::Idle)),
            Phase::Head => Some((at(since, limits.head_timeout), Expiry::Head)),
            Phase::Body => Some((at(since, limits.body_timeout), Expiry::Body)),
            Phase::BodyCut => Some((at(since, limits.write_timeout), Expiry::BodyCut)),
            Phase::Serving => None,
        };
        let by_write = match self.blocked.load(Relaxed) {
            0 => None,
            since => Some((at(since - 1, limits.write_timeout), Expiry::Write)),
        };
        match (by_phase, by_write) {
            (Some(phase), Some(write)) => Some(if write.0 < phase.0 { write } else { phase }),
            (one, other) => one.or(other),
        }
    }

    /// The head is complete and its handler starts.
    pub(super) fn head_read(&self, has_body: bool) {
        self.enter(if has_body { Phase::Body } else { Phase::Serving });
    }

    /// Tells the handler that its body will not come.
    pub(super) fn cut_body(&self) {
        self.enter(Phase::BodyCut);
    }

    fn body_read(&self) {
        if matches!(self.phase().0, Phase::Body | Phase::BodyCut) {
            self.enter(Phase::Serving);
        }
    }

    /// A streamed body is waited for again.
    fn body_awaited(&self) {
        if self.phase().0 == Phase::Serving {
            self.enter(Phase::Body);
        }
    }

    /// The answer is handed over; the next request may come.
    pub(super) fn answered(&self) {
        self.enter(Phase::Idle);
    }

    fn bytes_read(&self) {
        if self.phase().0 == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    fn wrote(&self, blocked: bool) {
        let already = self.blocked.load(Relaxed) != 0;
        if blocked && !already {
            self.blocked.store(self.micros() + 1, Relaxed);
        } else if !blocked && already {
            self.blocked.store(0, Relaxed);
            // hyper takes a whole answer long before a slow client has read it; idleness begins when that is done.
            if self.phase().0 == Phase::Idle {
                self.enter(Phase::Idle);
            }
        }
    }
}

/// A socket that notes when bytes come, and when they stop going.
#[derive(Debug)]
pub(super) struct PulsedIo<I> {
    inner: I,
    pulse: Arc<Pulse>,
}

impl<I> PulsedIo<I> {
    pub(super) fn new(inner: I, pulse: Arc<Pulse>) -> Self {
        Self { inner, pulse }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for PulsedIo<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.bytes_read();
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for PulsedIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.pulse.wrote(polled.is_pending());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.pulse.wrote(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Why a request's body ended before it was complete.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It did not arrive within [`Limits::body_timeout`].
    #[error("the body did not arrive in time: send it whole, or in smaller requests")]
    Late,
    /// The connection broke, or the chunks are malformed.
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// A request's body as handlers get it: hyper's, with the listener's deadline.
#[derive(Debug)]
pub struct RequestBody {
    inner: Incoming,
    pulse: Arc<Pulse>,
    /// Read as it comes: only the wait for the next piece is timed.
    is_streamed: bool,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, pulse: Arc<Pulse>, is_streamed: bool) -> Self {
        Self { inner, pulse, is_streamed }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Pending if self.pulse.phase().0 == Phase::BodyCut => {
                self.pulse.body_read();
                return Poll::Ready(Some(Err(BodyError::Late)));
            }
            Poll::Ready(None | Some(Err(_))) => self.pulse.body_read(),
            Poll::Ready(Some(Ok(_))) if self.inner.is_end_stream() => self.pulse.body_read(),
            Poll::Ready(Some(Ok(_))) if self.is_streamed => self.pulse.body_read(),
            Poll::Pending if self.is_streamed => self.pulse.body_awaited(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled.map_err(BodyError::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    /// A handler that does not want the body is not waiting for it.
    fn drop(&mut self) {
        self.pulse.body_read();
    }
}
