//! A small HTTP/1.1 client: one keep-alive connection, whole requests out, whole answers in.
//!
//! It exists to be cheap: the load generator shares its cores with what it measures, so a request is bytes that were
//! made before, and an answer is read without an allocation.
//!
//! What it is not: it speaks no TLS and no chunked encoding, and follows no redirect.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers larger than this are not from the server this client is for.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    authority: String,
    api_key: Option<String>,
}

impl Target {
    /// Reads `http://host:port`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{url}` {why}: write it as http://127.0.0.1:8080");
        if url.starts_with("https://") {
            return Err(wrong("is https, which the load generator does not speak"));
        }
        let authority = url.strip_prefix("http://").ok_or_else(|| wrong("does not begin with http://"))?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.is_empty() || authority.contains(['/', '@', ' ', '\r', '\n', '?', '#']) {
            return Err(wrong("is not an origin"));
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { authority, api_key: None })
    }

    /// The target with a key for every request.
    pub(super) fn with_key(self, api_key: Option<String>) -> Self {
        Self { api_key, ..self }
    }

    /// The bytes of a request.
    pub(super) fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let key = self.api_key.as_ref().map_or(String::new(), |key| format!("authorization: Bearer {key}\r\n"));
        let content = match body {
            "" => String::new(),
            _ => format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()),
        };
        format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{key}{content}\r\n{body}", self.authority).into_bytes()
    }
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

impl Answer<'_> {
    pub(super) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The problem's `code`, or its status where there is none.
    pub(super) fn problem(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Problem {
            code: String,
        }
        serde_json::from_slice::<Problem>(self.body).map_or_else(|_| format!("status_{}", self.status), |it| it.code)
    }
}

/// A keep-alive connection; it reconnects when the server has closed it between two requests.
pub(super) struct Connection {
    target: Target,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// Where the parts of an answer are in the buffer.
struct Head {
    status: u16,
    body_at: usize,
    length: usize,
    closes: bool,
}

impl Connection {
    pub(super) fn new(target: &Target) -> Self {
        Self { target: target.clone(), stream: None, buffer: Vec::with_capacity(4096) }
    }

    /// Sends a request and reads its answer. After an error the outcome of the request is unknown.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.target.authority).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
        };
        let end = head.body_at + head.length;
        while self.buffer.len() < end {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if !head.closes {
            self.stream = Some(stream);
        }
        Ok(Answer { status: head.status, body: &self.buffer[head.body_at..end] })
    }

    /// Makes and exchanges a request that is not repeated often.
    pub(super) async fn call(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer<'_>> {
        let request = self.target.request(method, path, body);
        self.exchange(&request).await
    }
}

fn not_http(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer is not what this client reads: {why}"))
}

/// Reads the head of an answer once all of it is there.
fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > ANSWER_BYTES_MAX { Err(not_http("its head does not end")) } else { Ok(None) };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| not_http("its head is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|rest| rest.get(..3))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| not_http("no HTTP/1.1 status"))?;
    let (mut length, mut closes) = (0, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| not_http("its length is not a number"))?;
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(not_http("it is chunked"));
        }
    }
    if length > ANSWER_BYTES_MAX {
        return Err(not_http("it is too long"));
    }
    Ok(Some(Head { status, body_at: end + 4, length, closes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_http_origin() {
        for (url, authority) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://shop.test/", "shop.test:80"),
            ("http://[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(Target::parse(url).unwrap().authority, authority);
        }
        for url in ["", "127.0.0.1:8080", "https://a", "http://", "http://a/b", "http://a b", "http://u@a"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_answer_is_read_in_whatever_pieces_it_comes() {
        let bytes = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\nconnection: close\r\n\r\n{}";
        for cut in 0..bytes.len() - 2 {
            assert!(parse_head(&bytes[..cut]).unwrap().is_none(), "{cut}");
        }
        let head = parse_head(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.length, head.closes), (409, 2, true));
        assert_eq!(&bytes[head.body_at..], b"{}");
        assert!(parse_head(b"SSH-2.0\r\n\r\n").is_err());
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").is_err());
    }

    #[test]
    fn a_problem_is_counted_by_its_code_and_anything_else_by_its_status() {
        let problem = Answer { status: 409, body: br#"{"code":"stock_exhausted","title":"x"}"# };
        assert_eq!(problem.problem(), "stock_exhausted");
        assert_eq!(Answer { status: 502, body: b"<html>" }.problem(), "status_502");
    }
}
