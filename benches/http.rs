//! Durable orders over HTTP at 64 connections, beside a bare warp POST in the same run: the same client, the same
//! number of connections and connection threads, the same bytes in both directions.
//!
//! `cargo bench --bench http [-- SECONDS]`. The bare half is measured before and after, because machines drift; the
//! durable half ends only when the projector has caught up.

#[path = "support/client.rs"]
mod client;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use client::{Seen, drive, post};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::Value;
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine, Money, Sku};
use warp::Filter;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 64;
const SKUS: usize = 1_000;
const PATH: &str = "/api/v1/orders";

fn bodies() -> Vec<String> {
    let body = |n: usize| {
        format!(r#"{{"sku":"SKU{n:05}","quantity":1,"payments":[{{"method":"external","reference":"bench"}}]}}"#)
    };
    (0..SKUS).map(body).collect()
}

fn requests(address: SocketAddr) -> Vec<Vec<u8>> {
    bodies().iter().map(|body| post(address, PATH, body)).collect()
}

fn report(name: &str, seen: &Seen, took: Duration) -> f64 {
    let micros = |quantile| seen.latency.value_at_quantile(quantile) / 1_000;
    let rate = seen.accepted as f64 / took.as_secs_f64();
    println!(
        "{name:<34} {rate:>9.0} orders/s  p50 {:>6} us  p99 {:>6} us  p99.9 {:>7} us  {} refused",
        micros(0.5),
        micros(0.99),
        micros(0.999),
        seen.refused
    );
    rate
}

/// What a POST to the bare server holds, as far as it is read.
#[derive(Deserialize)]
struct Order {
    sku: String,
    quantity: u64,
    payments: Vec<Payment>,
}

#[derive(Deserialize)]
struct Payment {
    method: String,
    reference: String,
}

/// A server that reads an order and answers with what the engine would have answered, but decides and keeps nothing.
/// Its threads live as long as the process.
fn bare_warp(answer: Value) -> std::io::Result<SocketAddr> {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for _ in 0..(cores - 1).max(1) {
        let (socket, answer) = (socket.try_clone()?, answer.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(tokio::task::LocalSet::new().run_until(serve_bare(socket, answer)))
        });
    }
    Ok(address)
}

async fn serve_bare(socket: std::net::TcpListener, answer: Value) -> std::io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?;
    let order = warp::path!("api" / "v1" / "orders").and(warp::post()).and(warp::body::bytes());
    let filter = order.map(move |body: bytes::Bytes| match serde_json::from_slice::<Order>(&body) {
        Ok(order) if order.quantity > 0 && !order.sku.is_empty() && paid(&order) => {
            warp::reply::with_status(warp::reply::json(&answer), http::StatusCode::CREATED)
        }
        _ => warp::reply::with_status(warp::reply::json(&"refused"), http::StatusCode::BAD_REQUEST),
    });
    let service = TowerToHyperService::new(warp::service(filter));
    loop {
        let (stream, _) = socket.accept().await?;
        stream.set_nodelay(true)?;
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        tokio::task::spawn_local(async move {
            // A client that has gone is no failure of a benchmark that is over.
            let _ = connection.await;
        });
    }
}

fn paid(order: &Order) -> bool {
    order.payments.iter().all(|payment| !payment.method.is_empty() && !payment.reference.is_empty())
}

fn json_of(answer: &[u8]) -> Value {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
    serde_json::from_slice(&answer[head + 4..]).expect("an answer is JSON")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(20);
    let period = Duration::from_secs(seconds);
    let place = tempfile::Builder::new().prefix("stockade-bench").tempdir_in(".")?;
    let engine = Engine::open(Config::at(place.path().join("data")))?;
    for n in 0..SKUS {
        let sku = format!("SKU{n:05}");
        engine.put_sku(Sku::new(&sku, Money::parse("9.99 EUR")?)).wait()?;
        engine.receive(&sku, 1_000_000_000).wait()?;
    }
    let free = ([127, 0, 0, 1], 0).into();
    let server = Server::start(engine.clone(), ServerOptions { listen: free, admin: free, ..Default::default() })?;
    let durable = requests(server.addresses().0);
    let sample = drive(server.addresses().0, CONNECTIONS, &durable, Duration::from_secs(1))?;
    let bare_address = bare_warp(json_of(&sample.answer))?;
    let bare = requests(bare_address);
    drive(bare_address, CONNECTIONS, &bare, Duration::from_secs(1))?;

    let before = drive(bare_address, CONNECTIONS, &bare, period / 2)?;
    let mut bare_rate = report("bare warp POST, before", &before, before.took);
    let journal = engine.journal_size();
    let begun = Instant::now();
    let seen = drive(server.addresses().0, CONNECTIONS, &durable, period)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(engine.catch_up())?;
    let rate = report("durable orders, 64 connections", &seen, begun.elapsed());
    let bytes = (engine.journal_size().0 - journal.0) as f64 / seen.accepted as f64;
    let after = drive(bare_address, CONNECTIONS, &bare, period / 2)?;
    bare_rate = (bare_rate + report("bare warp POST, after", &after, after.took)) / 2.0;
    println!(
        "{:<34} {:>9.2} of bare warp; {bytes:.0} journal bytes/order; {} and {} bytes an answer",
        "ratio",
        rate / bare_rate,
        sample.answer.len(),
        before.answer.len()
    );
    server.shutdown(Duration::from_secs(5));
    engine.close_blocking()?;
    Ok(())
}
