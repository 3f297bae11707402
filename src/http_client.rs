//! One request over a connection of its own, over plain HTTP/1.1: what gateways and webhooks are called with. Nothing is
//! followed (no redirect), and an answer is read up to a bound.

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where something is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Host and port.
    pub authority: String,
    /// Begins with a slash, unless it is empty.
    pub path: String,
    /// Without its question mark.
    pub query: Option<String>,
}

impl Address {
    /// An address of the form `http://host:port/path?query`; nobody's name or password is in it.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"))?;
        if authority.as_str().contains('@') {
            return None;
        }
        let authority = match authority.port() {
            Some(_) => authority.to_string(),
            None => format!("{}:80", authority.host()),
        };
        Some(Self { authority, path: uri.path().to_owned(), query: uri.query().map(str::to_owned) })
    }
}

/// The status of an answer, and its body or why that cannot be read.
pub(crate) type Answer = (StatusCode, Result<Bytes, String>);

/// Sends the request, and reads the answer. Whoever waits for it says for how long.
pub(crate) async fn exchange(authority: &str, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let stream = tokio::net::TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map(|body| body.to_bytes()).map_err(|error| error.to_string())))
    };
    // The connection is driven beside its one request, and ends with it.
    let mut answered = std::pin::pin!(answered);
    let mut connection = std::pin::pin!(connection);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            answer = &mut answered => return answer,
            ended = &mut connection, if is_open => {
                is_open = false;
                if let Err(error) = ended {
                    tracing::debug!(%error, authority, "the connection ended");
                }
            }
        }
    }
}
