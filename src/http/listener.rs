//! The accept loop: sockets in, connections out, with a cap and a bounded drain.
//!
//! ```text
//!   Listener::bind ──try_clone──▶ one per runtime thread ──▶ serve_on ──┬─▶ connection (hyper, pulse, handler)
//!                                                           ▲           ├─▶ connection …
//!                                     Drain ──signal────────┘           └─▶ over the cap: 503 `overloaded`, closed
//! ```

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::connection;
use super::drain::{DrainSignal, Drained};
use super::limits::Limits;
use super::problem::{Code, Problem};
use super::pulse::RequestBody;
use super::trace::TraceId;

/// Clients over the cap that are told so at the same time; further ones are closed without a word.
const FAREWELLS_MAX: usize = 256;
/// How long such a client may take to read it.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(50);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("port {} of {} is in use: stop the other process, or choose another port (0 picks a free one)", .addr.port(), .addr.ip())]
    PortInUse {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// Ports below 1024 need a privilege.
    #[error("no permission to listen on {addr}: choose a port from 1024 up, or grant the privilege")]
    NotPermitted {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The machine has no such address.
    #[error("{addr} is not an address of this machine: use 127.0.0.1, 0.0.0.0, or one that `ip address` lists")]
    NoSuchAddress {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// Anything else the system says.
    #[error("cannot listen on {addr}: {source}")]
    Other {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    fn from_io(addr: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::AddrInUse => Self::PortInUse { addr },
            ErrorKind::PermissionDenied => Self::NotPermitted { addr },
            ErrorKind::AddrNotAvailable => Self::NoSuchAddress { addr },
            _ => Self::Other { addr, source },
        }
    }
}

/// A bound socket with its limits, not yet accepting.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
    limits: Arc<Limits>,
    open: Arc<AtomicUsize>,
}

impl Listener {
    /// Binds an address; port 0 picks a free one, see [`address`](Self::address).
    pub fn bind(addr: SocketAddr, limits: Limits) -> Result<Self, BindError> {
        let bound = || {
            let socket = std::net::TcpListener::bind(addr)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        };
        let (socket, address) = bound().map_err(|error| BindError::from_io(addr, error))?;
        Ok(Self { socket, address, limits: Arc::new(limits), open: Arc::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts its open connections, over all clones; keeping it does not keep the socket open.
    pub fn gauge(&self) -> ConnectionGauge {
        ConnectionGauge(Arc::clone(&self.open))
    }

    /// A second handle on the same socket for another runtime; the connection cap is shared.
    pub fn try_clone(&self) -> Result<Self, BindError> {
        let socket = self.socket.try_clone().map_err(|source| BindError::from_io(self.address, source))?;
        Ok(Self { socket, address: self.address, limits: Arc::clone(&self.limits), open: Arc::clone(&self.open) })
    }
}

/// How many connections a listener has open.
#[derive(Debug, Clone)]
pub struct ConnectionGauge(Arc<AtomicUsize>);

impl ConnectionGauge {
    /// Connections open now.
    pub fn open(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of the connections that the cap allows.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(open: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let taken = open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < max).then_some(n + 1));
        taken.is_ok().then(|| Self(Arc::clone(open)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts and serves until the drain ends it. Call it on each runtime that shall share the work, with a
/// [clone](Listener::try_clone) of the listener.
///
/// A tower service, such as `warp::service(filter)`, comes in through
/// [`TowerToHyperService`](hyper_util::service::TowerToHyperService).
pub async fn serve_on<S, B>(listener: Listener, service: S, drain: DrainSignal) -> Result<Drained, BindError>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Listener { socket, address, limits, open } = listener;
    let socket = TcpListener::from_std(socket).map_err(|source| BindError::from_io(address, source))?;
    let mut connections = JoinSet::new();
    let mut farewells = JoinSet::new();
    let mut accepted = 0;
    let mut begun = pin!(drain.clone().begun());
    loop {
        let stream = tokio::select! {
            biased;
            () = &mut begun => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            Some(_) = farewells.join_next(), if !farewells.is_empty() => continue,
            stream = socket.accept() => stream,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                recover(error).await;
                continue;
            }
        };
        // Answers are written whole; waiting for more to send would only delay them. A socket that cannot be set
        // is one that its client has already closed.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        match Slot::take(&open, limits.connections_max) {
            Some(slot) => {
                accepted += 1;
                let serving = connection::serve(stream, service.clone(), Arc::clone(&limits), drain.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            None if farewells.len() < FAREWELLS_MAX => {
                farewells.spawn(turn_away(stream));
            }
            None => drop(stream),
        }
    }
    drop(socket);
    tokio::select! {
        biased;
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = drain.cut() => {}
    }
    while connections.try_join_next().is_some() {}
    let cut = connections.len();
    connections.shutdown().await;
    farewells.shutdown().await;
    Ok(Drained { accepted, cut })
}

/// A failed accept never ends the loop: a client that left is nothing, and want of descriptors passes.
async fn recover(error: io::Error) {
    match error.kind() {
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted => {}
        _ => {
            tracing::warn!(%error, "cannot accept connections; trying again (is the limit of open files too low?)");
            tokio::time::sleep(ACCEPT_BACK_OFF).await;
        }
    }
}

/// Tells a client over the cap why it is closed. What it sent is read first: closing a socket with unread bytes
/// makes the kernel discard the answer.
async fn turn_away(mut stream: TcpStream) {
    let answer = Problem::new(Code::Overloaded)
        .detail("the server has as many connections as it takes: retry after a moment, or reuse connections")
        .into_wire(TraceId::next());
    let goodbye = async {
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        let mut discarded = [0; 4096];
        while stream.read(&mut discarded).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    if !matches!(tokio::time::timeout(FAREWELL_TIMEOUT, goodbye).await, Ok(Ok(()))) {
        tracing::debug!("a client over the connection cap left before it was told so");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named() {
        let first = Listener::bind(([127, 0, 0, 1], 0).into(), Limits::default()).unwrap();
        let error = Listener::bind(first.address(), Limits::default()).unwrap_err();
        assert!(matches!(error, BindError::PortInUse { addr } if addr == first.address()), "{error}");
        assert!(error.to_string().contains(&first.address().port().to_string()));
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let error = Listener::bind("192.0.2.1:0".parse().unwrap(), Limits::default()).unwrap_err();
        assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error}");
    }

    #[test]
    fn slots_are_given_back_when_their_connection_ends() {
        let open = Arc::default();
        let (one, two) = (Slot::take(&open, 2), Slot::take(&open, 2));
        assert!(one.is_some() && two.is_some() && Slot::take(&open, 2).is_none());
        drop(one);
        assert!(Slot::take(&open, 2).is_some());
    }
}
