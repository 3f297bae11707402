//! A receiver of webhooks over real sockets, which verifies what it gets by itself, and a shop that has something to tell.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use stockade::{Engine, Money, NewOrder, Payment, Sku};

const PATIENCE: Duration = Duration::from_secs(30);

/// What the receiver got.
pub struct Call {
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Call {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn subject(&self) -> String {
        self.json()["data"]["subject"].as_str().unwrap().to_owned()
    }

    /// Whether one of the signatures is of this secret.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", self.id(), self.headers["webhook-timestamp"]).as_bytes());
        mac.update(&self.body);
        let wanted = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == wanted)
    }
}

/// Answers each call with the status that `judge` says; calls that were taken are told.
pub fn receiver(judge: impl Fn(&Call) -> u16 + Send + Sync + 'static) -> (String, Receiver<Call>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?shop=1", listener.local_addr().unwrap());
    let (told, calls) = channel();
    let judge = Arc::new(judge);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (judge, told) = (Arc::clone(&judge), told.clone());
            std::thread::spawn(move || serve(stream, &*judge, &told));
        }
    });
    (url, calls)
}

fn serve(mut stream: TcpStream, judge: &dyn Fn(&Call) -> u16, told: &Sender<Call>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    assert!(line.starts_with("POST /hook?shop=1 "), "{line}");
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    let call = Call { headers, body };
    let status = judge(&call);
    // Whoever waits for the call may look at once, so it is told before it is answered.
    if status < 300 {
        told.send(call).ok()?;
    }
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
}

pub fn open_shop(engine: &Engine) {
    engine.put_sku(Sku::new("MUG", Money::parse("9.99 EUR").unwrap())).wait().unwrap();
    engine.receive("MUG", 1_000).wait().unwrap();
}

/// Places and pays so many orders.
pub fn sell(engine: &Engine, orders: usize) -> Vec<String> {
    let sell = |_| {
        let order = engine.place(NewOrder::one("MUG", 1)).wait().unwrap();
        engine.pay(order.id, Payment::external("cash")).wait().unwrap();
        format!("order/{}", order.id)
    };
    (0..orders).map(sell).collect()
}

/// The next calls that were taken.
pub fn next(calls: &Receiver<Call>, count: usize) -> Vec<Call> {
    (0..count).map(|_| calls.recv_timeout(PATIENCE).expect("it is told in time")).collect()
}

/// The numbers of a fact's id: its sequence and its place.
pub fn place(call: &Call) -> (u64, u64) {
    let (sequence, place) = call.id().split_once('.').unwrap();
    (sequence.parse().unwrap(), place.parse().unwrap())
}
