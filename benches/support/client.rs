//! An HTTP/1.1 client that costs next to nothing, because it shares the cores with what it measures: one thread, one
//! epoll, requests made before, of an answer only its status and its length are looked at. No pipelining: each
//! connection has one request under way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

/// Larger answers are not expected here.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What was seen.
pub struct Seen {
    /// Answers of class 2xx.
    pub accepted: u64,
    /// All other answers.
    pub refused: u64,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Nanoseconds from a request to its answer.
    pub latency: Histogram<u64>,
    /// Bytes of the last answer, head and body.
    pub answer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    sent: Instant,
}

/// Sends requests over so many connections for so long, each connection the next one as soon as it has its answer.
pub fn drive(address: SocketAddr, connections: usize, requests: &[Vec<u8>], period: Duration) -> io::Result<Seen> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut open = Vec::with_capacity(connections);
    for number in 0..connections {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(&poll, &stream, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
        open.push(Connection { stream, buffer: vec![0; ANSWER_BYTES_MAX], filled: 0, sent: Instant::now() });
    }
    let mut seen = Seen {
        accepted: 0,
        refused: 0,
        took: Duration::ZERO,
        latency: Histogram::new(3).map_err(io::Error::other)?,
        answer: Vec::new(),
    };
    let begun = Instant::now();
    let mut next = 0;
    for connection in &mut open {
        connection.send(&requests[next % requests.len()])?;
        next += 1;
    }
    let (mut under_way, end) = (connections, begun + period);
    let mut events = Vec::with_capacity(connections);
    while under_way > 0 {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let data = event.data;
            let connection = &mut open[data.u64() as usize];
            let Some(status) = connection.receive(&mut seen.answer)? else { continue };
            let now = Instant::now();
            let nanos = now.duration_since(connection.sent).as_nanos() as u64;
            seen.latency.record(nanos).map_err(io::Error::other)?;
            if (200..300).contains(&status) {
                seen.accepted += 1;
            } else {
                seen.refused += 1;
            }
            if now < end {
                connection.send(&requests[next % requests.len()])?;
                next += 1;
            } else {
                under_way -= 1;
            }
        }
    }
    seen.took = begun.elapsed();
    Ok(seen)
}

impl Connection {
    /// A request is smaller than any socket's buffer, and nothing else is in it.
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.filled = 0;
        self.sent = Instant::now();
        if self.stream.write(request)? == request.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    /// Reads what is there; the status once the answer is whole.
    fn receive(&mut self, answer: &mut Vec<u8>) -> io::Result<Option<u16>> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let bytes = &self.buffer[..self.filled];
        let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        if self.filled < head + 4 + content_length(&bytes[..head]) {
            return Ok(None);
        }
        if answer.is_empty() {
            answer.extend_from_slice(bytes);
        }
        let digits = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        let status = digits.and_then(|digits| digits.parse().ok());
        status.map(Some).ok_or_else(|| ErrorKind::InvalidData.into())
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let at = head.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME));
    let digits = at.map_or(&[][..], |at| &head[at + NAME.len()..]);
    digits.iter().take_while(|digit| digit.is_ascii_digit()).fold(0, |n, digit| n * 10 + usize::from(digit - b'0'))
}

/// The bytes of a POST with a JSON body.
pub fn post(address: SocketAddr, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
