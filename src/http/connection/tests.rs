//! Timeouts to the second, over an in-memory stream on virtual time: the paused clock jumps to the next timer when
//! every task waits. (With real sockets it would also jump while bytes are on their way.)

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::http::body;
use crate::http::drain::Drain;

/// Bytes that the stream takes before its reader must read.
const WINDOW: usize = 1024;

struct Bench {
    client: DuplexStream,
    drain: Drain,
    serving: JoinHandle<()>,
}

impl Bench {
    /// A connection whose handler answers with what it was sent; `/slow` after an hour, `/large` with a mebibyte.
    fn new() -> Self {
        let (client, stream) = duplex(WINDOW);
        let drain = Drain::new();
        let service = service_fn(|request: Request<RequestBody>| async move {
            let (parts, body) = request.into_parts();
            match parts.uri.path() {
                "/slow" => tokio::time::sleep(Duration::from_secs(3600)).await,
                "/large" => return Ok(Response::new(http_body_util::Full::new(Bytes::from(vec![b'x'; 1 << 20])))),
                "/deaf" => std::future::pending().await,
                _ => {}
            }
            let stream = http_body_util::BodyDataStream::new(body);
            let answer = body::read(&parts.headers, stream, 1024).await.map(Response::new);
            Ok(answer.unwrap_or_else(|problem| problem.into_http(TraceId::next())).map(http_body_util::Full::new))
        });
        let serving = tokio::spawn(serve(stream, service, Arc::new(Limits::default()), drain.signal()));
        Self { client, drain, serving }
    }

    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.expect("the server reads");
    }

    /// Reads until `end` is seen.
    async fn read_to(&mut self, end: &str) -> String {
        let mut seen = String::new();
        while !seen.ends_with(end) {
            seen.push(char::from(self.client.read_u8().await.unwrap_or_else(|_| panic!("ended after {seen}"))));
        }
        seen
    }

    /// What comes until the server closes, and how many seconds that took.
    async fn rest(&mut self) -> (String, u64) {
        let start = Instant::now();
        let mut rest = String::new();
        self.client.read_to_string(&mut rest).await.expect("an end");
        (rest, start.elapsed().as_secs())
    }
}

fn limits() -> Limits {
    Limits::default()
}

const GET: &str = "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed_when_it_was_idle_too_long() {
    let mut bench = Bench::new();
    assert_eq!(bench.rest().await, (String::new(), limits().idle_timeout.as_secs()));

    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.send(GET).await;
        bench.read_to("\r\n\r\nok").await;
        tokio::time::sleep(limits().idle_timeout - Duration::from_secs(1)).await;
    }
    bench.send(GET).await;
    bench.read_to("\r\n\r\nok").await;
    assert_eq!(bench.rest().await, (String::new(), limits().idle_timeout.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_gains_no_time() {
    for requests_before in [0, 2] {
        let mut bench = Bench::new();
        for _ in 0..requests_before {
            bench.send(GET).await;
            bench.read_to("\r\n\r\nok").await;
        }
        let start = Instant::now();
        bench.send("GET / HTTP/1.1\r\n").await;
        let drips = async {
            // One header a second, for ever: only the server ends this.
            while bench.client.write_all(b"x: 1\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        drips.await;
        let (waited, deadline) = (start.elapsed().as_secs(), limits().head_timeout.as_secs());
        assert!((deadline..=deadline + 1).contains(&waited), "{waited}");
        assert_eq!(bench.rest().await, (String::new(), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_gains_no_time_and_is_answered() {
    let mut bench = Bench::new();
    let start = Instant::now();
    bench.send("POST / HTTP/1.1\r\nContent-Length: 500\r\n\r\n").await;
    let (mut reader, mut writer) = tokio::io::split(bench.client);
    let drips = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut answer = String::new();
    tokio::select! {
        read = reader.read_to_string(&mut answer) => { read.expect("an end"); }
        () = drips => panic!("closed without an answer"),
    }
    assert_eq!(start.elapsed().as_secs(), limits().body_timeout.as_secs());
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_deaf_to_its_missing_body_is_ended_with_its_connection() {
    let mut bench = Bench::new();
    bench.send("POST /deaf HTTP/1.1\r\nContent-Length: 5\r\n\r\n").await;
    let patience = limits().body_timeout + limits().write_timeout;
    assert_eq!(bench.rest().await, (String::new(), patience.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_longer_than_any_timeout_of_its_client() {
    let mut bench = Bench::new();
    let start = Instant::now();
    bench.send("GET /slow HTTP/1.1\r\n\r\n").await;
    assert!(bench.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(start.elapsed().as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_and_one_that_reads_slowly_is_not() {
    let mut bench = Bench::new();
    let start = Instant::now();
    bench.send("GET /large HTTP/1.1\r\n\r\n").await;
    (&mut bench.serving).await.expect("served");
    assert_eq!(start.elapsed().as_secs(), limits().write_timeout.as_secs());
    assert_eq!(bench.rest().await.0.len(), WINDOW);

    let mut bench = Bench::new();
    let start = Instant::now();
    bench.send("GET /large HTTP/1.1\r\n\r\n").await;
    let (mut piece, mut left) = (vec![0; 128 * WINDOW], 1 << 20);
    while left > 0 {
        let wanted = piece.len().min(left);
        left -= bench.client.read_exact(&mut piece[..wanted]).await.expect("the next piece");
        tokio::time::sleep(limits().write_timeout - Duration::from_secs(1)).await;
    }
    assert!(start.elapsed() > limits().write_timeout * 7);
}

#[tokio::test(start_paused = true)]
async fn a_drain_closes_an_idle_connection_at_once_and_a_busy_one_after_its_answer() {
    let mut idle = Bench::new();
    idle.send(GET).await;
    idle.read_to("\r\n\r\nok").await;
    idle.drain.begin(Duration::from_secs(10));
    assert_eq!(idle.rest().await, (String::new(), 0));

    let mut busy = Bench::new();
    busy.send("GET /slow HTTP/1.1\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    busy.drain.begin(Duration::from_secs(10_000));
    let (answer, waited) = busy.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    assert_eq!(waited, 3599);
}
