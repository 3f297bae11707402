//! Orders by the line over HTTP: streamed in both directions, each line by itself.

#[path = "support/wire.rs"]
mod wire;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stockade::http::limits::Limits;
use stockade::http::{Server, ServerOptions};
use stockade::{Config, Engine};
use wire::Wire;

struct Shop {
    engine: Engine,
    server: Server,
    address: SocketAddr,
}

impl Shop {
    /// A shop with one SKU, `A`, and so many units of it.
    fn open(units: u64, limits: Limits) -> Self {
        let engine = Engine::open(Config::in_memory()).unwrap();
        let free = ([127, 0, 0, 1], 0).into();
        let options = ServerOptions { listen: free, admin: free, limits, ..ServerOptions::default() };
        let server = Server::start(engine.clone(), options).unwrap();
        let address = server.addresses().0;
        let mut wire = Wire::connect(address).unwrap();
        let body = json!({"name": "A", "price": {"amount": "1.00", "currency": "EUR"}});
        assert_eq!(wire.send("PUT", "/api/v1/skus/A", &[], Some(&body)).unwrap().status, 201);
        assert_eq!(wire.post("/api/v1/skus/A/receipts", &[], &json!({"quantity": units})).unwrap().status, 201);
        Self { engine, server, address }
    }

    fn id(&self) -> String {
        self.engine.new_order_id().to_string()
    }

    fn line(&self, quantity: u64) -> String {
        json!({"id": self.id(), "sku": "A", "quantity": quantity, "payment": {"method": "external"}}).to_string() + "\n"
    }

    fn available(&self) -> u64 {
        let stock = Wire::connect(self.address).unwrap().get("/api/v1/skus/A/stock").unwrap().body;
        stock["available"].as_u64().unwrap()
    }

    fn close(self) {
        self.server.shutdown(Duration::from_secs(5));
        self.engine.close_blocking().unwrap();
    }
}

/// One batch on a connection of its own: chunks out, lines in.
struct Batch {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    /// Bytes left of the chunk at hand.
    left: usize,
    text: Vec<u8>,
}

impl Batch {
    fn begin(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = "POST /api/v1/orders/batch HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader, left: 0, text: Vec::new() }
    }

    fn send(&mut self, text: &str) {
        write!(self.stream, "{:x}\r\n{text}\r\n", text.len()).unwrap();
    }

    fn end(&mut self) {
        self.stream.write_all(b"0\r\n\r\n").unwrap();
    }

    fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.reader.read_line(&mut head).unwrap() > 0, "the answer ends in its head: {head}");
        }
        head.to_lowercase()
    }

    /// The next answer; none once the batch has ended in order.
    fn answer(&mut self) -> Option<Value> {
        loop {
            if let Some(at) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=at).collect();
                return Some(serde_json::from_slice(&line).expect("an answer is JSON"));
            }
            let mut size = String::new();
            self.reader.read_line(&mut size).expect("the next chunk");
            self.left = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("no chunk: {size:?}"));
            let from = self.text.len();
            self.text.resize(from + self.left, 0);
            self.reader.read_exact(&mut self.text[from..]).unwrap();
            self.reader.read_exact(&mut [0; 2]).unwrap();
            if self.left == 0 {
                assert!(self.text.is_empty(), "half an answer at the end");
                return None;
            }
        }
    }
}

fn told(answer: &Value) -> (u64, u64, Option<&str>) {
    (answer["index"].as_u64().unwrap(), answer["status"].as_u64().unwrap(), answer["body"]["code"].as_str())
}

#[test]
fn ten_thousand_orders_are_answered_in_order_while_they_are_still_being_sent() {
    let shop = Shop::open(6_000, Limits::default());
    let mut batch = Batch::begin(shop.address);
    // The first answer is here before the second line is sent.
    batch.send(&shop.line(1));
    assert!(batch.head().contains("content-type: application/x-ndjson"));
    assert_eq!(told(&batch.answer().unwrap()), (0, 201, None));
    let lines: Vec<String> = (1..10_000).map(|_| shop.line(1)).collect();
    let mut sender = batch.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        // Chunks end where no line ends.
        let text = lines.concat();
        for piece in text.as_bytes().chunks(4_321) {
            write!(sender, "{:x}\r\n", piece.len()).unwrap();
            sender.write_all(piece).unwrap();
            sender.write_all(b"\r\n").unwrap();
        }
        sender.write_all(b"0\r\n\r\n").unwrap();
    });
    let mut accepted = 1;
    for index in 1..10_000 {
        let answer = batch.answer().expect("an answer for each line");
        let (told_index, status, code) = told(&answer);
        assert_eq!(told_index, index);
        match status {
            201 => accepted += 1,
            409 => assert_eq!(code, Some("stock_exhausted")),
            status => panic!("{status}: {answer}"),
        }
    }
    assert!(batch.answer().is_none());
    sending.join().unwrap();
    assert_eq!((accepted, shop.available()), (6_000, 0));
    shop.close();
}

#[test]
fn a_line_is_refused_by_itself_and_its_neighbours_are_orders() {
    let shop = Shop::open(100, Limits { body_bytes_max: 4096, ..Limits::default() });
    let mine = shop.id();
    let order = |id: &str, quantity: u64| json!({"id": id, "sku": "A", "quantity": quantity}).to_string() + "\n";
    let long = format!("{{\"id\":\"{}\",\"sku\":\"{}\"}}\n", shop.id(), "x".repeat(10_000));
    let lines: Vec<(String, u64, Option<&str>)> = vec![
        (order(&mine, 1), 201, None),
        ("{\"id\":\n".into(), 400, Some("body_invalid")),
        (order(&mine, 1), 201, None),
        (order(&mine, 2), 409, Some("id_conflict")),
        ("{\"sku\":\"A\",\"quantity\":1}\n".into(), 400, Some("body_invalid")),
        (order("not-an-id", 1), 422, Some("id_invalid")),
        (long, 413, Some("body_too_large")),
        ("[1]\n".into(), 400, Some("body_invalid")),
        ("\u{7f}\n".into(), 400, Some("body_invalid")),
        (order(&shop.id(), 0), 422, Some("quantity_invalid")),
        (order(&shop.id(), 1000), 409, Some("stock_exhausted")),
        (json!({"id": shop.id(), "sku": "NOPE", "quantity": 1}).to_string() + "\n", 422, Some("sku_unknown")),
        // Blank lines are none, and the last line needs no end.
        ("\r\n  \n".to_owned() + shop.line(3).trim_end(), 201, None),
    ];
    let mut batch = Batch::begin(shop.address);
    batch.send(&lines.iter().map(|(line, ..)| line.as_str()).collect::<String>());
    batch.end();
    batch.head();
    let answers: Vec<Value> = std::iter::from_fn(|| batch.answer()).collect();
    assert_eq!(answers.len(), lines.len());
    for (index, (answer, (line, status, code))) in answers.iter().zip(&lines).enumerate() {
        assert_eq!(told(answer), (index as u64, *status, *code), "{line}: {answer}");
        let body = &answer["body"];
        assert_eq!(body["trace_id"].is_string(), *status >= 400, "{answer}");
        assert_eq!(body["id"].is_string() && body["lines"].is_array(), *status == 201, "{answer}");
    }
    assert_eq!(answers[0]["body"], answers[2]["body"], "the same order, not a second one");
    assert_eq!(shop.available(), 96);
    // What the batch said of an order is what it is.
    let path = format!("/api/v1/orders/{mine}");
    assert_eq!(Wire::connect(shop.address).unwrap().get(&path).unwrap().body, answers[0]["body"]);
    shop.close();
}

#[test]
fn a_batch_of_another_media_type_or_method_is_refused_and_an_empty_one_has_no_answers() {
    let shop = Shop::open(1, Limits::default());
    let mut wire = Wire::connect(shop.address).unwrap();
    let refused = wire.post("/api/v1/orders/batch", &[], &json!({})).unwrap();
    assert_eq!((refused.status, refused.body["code"].as_str()), (415, Some("media_type_unsupported")));
    let refused = Wire::connect(shop.address).unwrap().get("/api/v1/orders/batch").unwrap();
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
    let mut batch = Batch::begin(shop.address);
    batch.send("\n\n");
    batch.end();
    batch.head();
    assert_eq!(batch.answer(), None);
    shop.close();
}

#[test]
fn a_client_that_stops_reading_is_not_read_any_more_and_is_cut() {
    let limits = Limits { write_timeout: Duration::from_millis(300), ..Limits::default() };
    let shop = Shop::open(1_000_000, limits);
    let mut batch = Batch::begin(shop.address);
    batch.stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    // Far more than all the buffers between the two hold: if the server read on, all of it would be sent.
    let (mut sent, sent_max) = (0_u64, 200_000);
    let line = shop.line(1);
    let start = Instant::now();
    let cut = loop {
        let lines: String = (0..100).map(|_| shop.line(1)).collect();
        if write!(batch.stream, "{:x}\r\n{lines}\r\n", lines.len()).is_err() {
            break true;
        }
        sent += 100;
        if sent >= sent_max {
            break false;
        }
    };
    assert!(cut, "{sent} lines of {} bytes were taken without an answer being read", line.len());
    assert!(start.elapsed() < Duration::from_secs(30), "the server cut the connection, not this test's patience");
    // It was one client's trouble: another is served.
    let mut other = Batch::begin(shop.address);
    other.send(&shop.line(1));
    other.end();
    other.head();
    assert_eq!(told(&other.answer().unwrap()), (0, 201, None));
    shop.close();
}

#[test]
fn a_body_that_stops_coming_is_the_last_answer() {
    let shop = Shop::open(10, Limits { body_timeout: Duration::from_millis(200), ..Limits::default() });
    let mut batch = Batch::begin(shop.address);
    batch.send(&(shop.line(1) + "{\"id\":"));
    batch.head();
    assert_eq!(told(&batch.answer().unwrap()), (0, 201, None));
    assert_eq!(told(&batch.answer().unwrap()), (1, 408, Some("request_timeout")));
    assert_eq!(batch.answer(), None);
    shop.close();
}

#[test]
fn a_client_that_leaves_in_the_middle_harms_nobody_and_its_whole_lines_may_be_orders() {
    let shop = Shop::open(10, Limits::default());
    let mut batch = Batch::begin(shop.address);
    batch.send(&(shop.line(1) + "{\"id\":"));
    batch.head();
    assert_eq!(told(&batch.answer().unwrap()), (0, 201, None));
    batch.stream.shutdown(Shutdown::Both).unwrap();
    drop(batch);
    assert_eq!(shop.available(), 9);
    shop.close();
}
