//! The accept loop from the outside: real sockets on free ports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http::HeaderMap;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use stockade::http::body;
use stockade::http::drain::{Drain, Drained};
use stockade::http::limits::Limits;
use stockade::http::listener::{ConnectionGauge, Listener, serve_on};
use stockade::http::trace::TraceId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use warp::Filter;
use warp::path::FullPath;
use warp::reply::Response;

/// Bytes of an answer that no socket takes at once.
const LARGE: usize = 64 << 20;

/// What the handlers of the tests share with them.
struct Bench {
    /// Told when a handler of `/wait` has begun.
    begun: Semaphore,
    /// Lets handlers of `/wait` go on.
    go: Semaphore,
    /// Requests to `/wait` that ran to their end.
    finished: AtomicUsize,
}

struct Server {
    addr: SocketAddr,
    drain: Drain,
    bench: Arc<Bench>,
    gauge: ConnectionGauge,
    task: JoinHandle<Drained>,
}

impl Server {
    /// Serves `/echo` (the body), `/wait` (until told), `/panic`, `/large` (64 MiB), and `/` on a free port.
    fn start(limits: Limits) -> Self {
        let bench = Arc::new(Bench { begun: Semaphore::new(0), go: Semaphore::new(0), finished: AtomicUsize::new(0) });
        let body_bytes_max = limits.body_bytes_max;
        let shared = Arc::clone(&bench);
        let filter = warp::path::full()
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .and(warp::any().map(move || Arc::clone(&shared)))
            .then(move |path, headers, body, bench| handle(path, headers, body, bench, body_bytes_max));
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), limits).expect("a free port");
        let gauge = listener.gauge();
        let (addr, drain) = (listener.address(), Drain::new());
        let serving = serve_on(listener, TowerToHyperService::new(warp::service(filter)), drain.signal());
        let task = tokio::spawn(async { serving.await.expect("the listener serves") });
        Self { addr, drain, bench, gauge, task }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.addr).await.expect("the server accepts"))
    }
}

async fn handle<S, D>(path: FullPath, headers: HeaderMap, body: S, bench: Arc<Bench>, max: usize) -> Response
where
    S: Stream<Item = Result<D, warp::Error>>,
    D: Buf,
{
    match path.as_str() {
        "/echo" => match body::read(&headers, body, max).await {
            Ok(bytes) => Response::new(bytes.into()),
            Err(problem) => problem.into_reply(TraceId::of(&headers)),
        },
        "/wait" => {
            bench.begun.add_permits(1);
            bench.go.acquire().await.expect("the test is still there").forget();
            bench.finished.fetch_add(1, Ordering::Relaxed);
            Response::new("done".to_owned().into())
        }
        "/panic" => panic!("on purpose"),
        "/large" => Response::new(Bytes::from(vec![b'x'; LARGE]).into()),
        _ => Response::new("hello".to_owned().into()),
    }
}

/// A raw client: what is sent is what is written here.
struct Client(TcpStream);

/// An answer as it was received.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn problem(&self) -> Value {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        serde_json::from_slice(&self.body).expect("a problem is JSON")
    }
}

impl Client {
    async fn send(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.0.write_all(text.as_ref()).await.expect("the server reads");
        self
    }

    async fn get(&mut self, path: &str) -> &mut Self {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await
    }

    /// Reads one answer with a `Content-Length`; nothing when the connection ends instead.
    async fn answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => {
                    assert!(head.is_empty(), "half an answer: {}", String::from_utf8_lossy(&head));
                    return None;
                }
            }
        }
        let head = String::from_utf8(head).expect("a head is text").to_lowercase();
        let status = head[9..12].parse().expect("a status");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let mut body = vec![0; length.expect("a length").parse().expect("a number")];
        self.0.read_exact(&mut body).await.expect("the whole body");
        Some(Answer { status, head, body })
    }

    /// Waits until the server closes; what it sends before that.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _reset = self.0.read_to_end(&mut rest).await;
        rest
    }
}

fn limits() -> Limits {
    Limits::default()
}

/// Timeouts short enough to wait for; their exactness is tested on virtual time beside the code.
fn impatient() -> Limits {
    let short = Duration::from_millis(100);
    Limits { head_timeout: short, body_timeout: short, idle_timeout: short, write_timeout: short, ..limits() }
}

/// Runs `wait` and checks that it took the timeout, give or take a busy machine.
async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let outcome = tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the server acts");
    assert!(start.elapsed() >= Duration::from_millis(95), "too early: {:?}", start.elapsed());
    outcome
}

#[tokio::test]
async fn a_slow_head_is_cut() {
    let server = Server::start(Limits { head_timeout: impatient().head_timeout, ..limits() });
    let mut client = server.connect().await;
    client.get("/").await.answer().await.expect("an answer");
    assert!(in_time(async { client.send("GET / HT").await.rest().await }).await.is_empty());
}

#[tokio::test]
async fn a_slow_body_is_a_problem_and_the_end() {
    let server = Server::start(Limits { body_timeout: impatient().body_timeout, ..limits() });
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").await;
    let answer = in_time(client.answer()).await.expect("an answer");
    assert_eq!((answer.status, answer.problem()["code"].as_str()), (408, Some("request_timeout")));
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start(impatient());
    let mut client = server.connect().await;
    assert!(in_time(client.rest()).await.is_empty());
    let mut client = server.connect().await;
    client.get("/").await.answer().await.expect("an answer");
    assert!(in_time(client.rest()).await.is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let server = Server::start(Limits { write_timeout: impatient().write_timeout, ..limits() });
    let mut client = server.connect().await;
    client.get("/large").await;
    let mut first = [0];
    client.0.read_exact(&mut first).await.expect("the answer begins");
    in_time(async {
        while server.gauge.open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(client.rest().await.len() < LARGE);
}

#[tokio::test]
async fn clients_over_the_cap_are_told_so_and_the_next_is_served_when_one_leaves() {
    let server = Server::start(Limits { connections_max: 2, ..limits() });
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    one.get("/").await.answer().await.expect("an answer");
    two.get("/").await.answer().await.expect("an answer");
    let mut three = server.connect().await;
    three.get("/").await;
    let answer = three.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.problem()["code"].as_str()), (503, Some("overloaded")));
    assert!(answer.head.contains("retry-after: ") && answer.head.contains("connection: close"), "{}", answer.head);
    assert!(three.rest().await.is_empty());

    one.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(one.answer().await.expect("an answer").status, 200);
    assert!(one.rest().await.is_empty());
    let served = async {
        // The server notices at its own pace that the first has left.
        while server.connect().await.get("/").await.answer().await.is_none_or(|answer| answer.status != 200) {}
    };
    tokio::time::timeout(Duration::from_secs(10), served).await.expect("a free slot is used");
}

#[tokio::test]
async fn bytes_that_are_not_http_get_a_bare_status_and_the_end() {
    let server = Server::start(limits());
    let (big_header, many_headers) = (format!("X: {}\r\n", "y".repeat(20_000)), "X: y\r\n".repeat(200));
    for (sent, status) in [
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03 TLS? \r\n\r\n".to_owned(), 400),
        ("NOT HTTP\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /\u{1} HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\n{big_header}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\n{many_headers}\r\n"), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(20_000)), 431),
    ] {
        let mut client = server.connect().await;
        let shown: String = sent.chars().take(40).collect();
        let answer = client.send(&sent).await.answer().await.unwrap_or_else(|| panic!("no answer to {shown:?}"));
        assert_eq!(answer.status, status, "{shown:?}");
        assert!(answer.body.is_empty(), "{shown:?}");
        assert!(client.rest().await.is_empty(), "{shown:?}");
    }
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.answer().await.expect("the server still serves").status, 200);
}

#[tokio::test]
async fn an_address_that_is_too_long_is_a_problem() {
    let server = Server::start(limits());
    let mut client = server.connect().await;
    let answer = client.get(&format!("/{}", "y".repeat(8 * 1024))).await.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.problem()["code"].as_str()), (414, Some("uri_too_long")));
    let answer = client.get(&format!("/{}", "y".repeat(8 * 1024 - 1))).await.answer().await.expect("an answer");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_problem_announced_or_chunked() {
    let server = Server::start(Limits { body_bytes_max: 8, ..limits() });
    for (sent, status) in [
        ("Content-Length: 8\r\n\r\n12345678", 200),
        ("Content-Length: 9\r\n\r\n", 413),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n4\r\n5678\r\n0\r\n\r\n", 200),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n5\r\n56789\r\n", 413),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ] {
        let mut client = server.connect().await;
        client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{sent}")).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.status, status, "{sent}");
        match status {
            200 => assert_eq!(answer.body, b"12345678"),
            413 => assert_eq!(answer.problem()["code"], "body_too_large"),
            _ => assert_eq!(answer.problem()["code"], "body_invalid"),
        }
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let server = Server::start(limits());
    let mut client = server.connect().await;
    let batch: String = (0..100)
        .map(|n| format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{n}", n.to_string().len()))
        .collect();
    // The last head is sent in two halves: the answers before it must not wait for the second.
    let (first, second) = batch.split_at(batch.len() - 30);
    client.send(first).await;
    for n in 0..99 {
        assert_eq!(client.answer().await.expect("an answer").body, n.to_string().as_bytes());
    }
    client.send(second).await;
    assert_eq!(client.answer().await.expect("an answer").body, b"99");
}

#[tokio::test]
async fn a_client_that_ends_its_sending_side_still_gets_its_answer() {
    let server = Server::start(limits());
    let mut client = server.connect().await;
    client.get("/wait").await;
    client.0.shutdown().await.unwrap();
    server.bench.begun.acquire().await.unwrap().forget();
    server.bench.go.add_permits(1);
    assert_eq!(client.answer().await.expect("an answer").body, b"done");
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_handler_that_panics_is_an_answer_and_harms_no_other() {
    let server = Server::start(limits());
    let mut client = server.connect().await;
    let answer = client.get("/panic").await.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.problem()["code"].as_str()), (500, Some("internal_error")));
    assert_eq!(client.get("/").await.answer().await.expect("an answer").body, b"hello");
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_closes_what_is_idle_and_takes_no_more() {
    let server = Server::start(limits());
    let (mut busy, mut idle, mut fresh) = (server.connect().await, server.connect().await, server.connect().await);
    idle.get("/").await.answer().await.expect("an answer");
    busy.get("/wait").await;
    server.bench.begun.acquire().await.unwrap().forget();
    // One more round trip: the loop has then accepted all that came before it.
    server.connect().await.get("/").await.answer().await.expect("an answer");

    let start = Instant::now();
    server.drain.begin(Duration::from_secs(20));
    assert!(idle.rest().await.is_empty() && fresh.rest().await.is_empty());
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(TcpStream::connect(server.addr).await.is_err());

    server.bench.go.add_permits(1);
    let answer = busy.answer().await.expect("an answer");
    assert_eq!(answer.body, b"done");
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert!(busy.rest().await.is_empty());
    assert_eq!(server.task.await.unwrap(), Drained { accepted: 4, cut: 0 });
}

#[tokio::test]
async fn a_drain_cuts_what_is_stuck_at_its_deadline() {
    let server = Server::start(limits());
    let (mut stuck, mut half) = (server.connect().await, server.connect().await);
    stuck.get("/wait").await;
    half.send("GET / HT").await;
    server.bench.begun.acquire().await.unwrap().forget();
    server.connect().await.get("/").await.answer().await.expect("an answer");

    let start = Instant::now();
    server.drain.begin(Duration::from_millis(100));
    assert!(stuck.rest().await.is_empty() && half.rest().await.is_empty());
    assert!(start.elapsed() >= Duration::from_millis(95));
    assert_eq!(server.task.await.unwrap(), Drained { accepted: 3, cut: 2 });
    assert_eq!(server.bench.finished.load(Ordering::Relaxed), 0);
}

#[test]
fn several_runtimes_share_one_address_and_one_cap() {
    let limits = Limits { connections_max: 3, ..limits() };
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), limits).unwrap();
    let (addr, gauge) = (listener.address(), listener.gauge());
    let drain = Drain::new();
    let threads: Vec<_> = [listener.try_clone().unwrap(), listener]
        .into_iter()
        .map(|listener| {
            let signal = drain.signal();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let filter = warp::any().map(|| "hello");
                let service = TowerToHyperService::new(warp::service(filter));
                runtime.block_on(serve_on(listener, service, signal)).unwrap()
            })
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut clients = Vec::new();
        for n in 1..=4 {
            let mut client = Client(TcpStream::connect(addr).await.unwrap());
            let answer = client.get("/").await.answer().await.expect("an answer");
            assert_eq!(answer.status, if n <= 3 { 200 } else { 503 }, "client {n}");
            clients.push(client);
        }
        assert_eq!(gauge.open(), 3);
        drain.begin(Duration::from_secs(10));
        for client in &mut clients {
            assert!(client.rest().await.is_empty());
        }
    });
    let drained: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(drained.iter().map(|drained| drained.accepted).sum::<u64>(), 3);
    assert_eq!(gauge.open(), 0);
}
