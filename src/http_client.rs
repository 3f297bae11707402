//! One request over a connection of its own, over HTTP/1.1 with or without TLS: what gateways and webhooks are called with.
//! Nothing is followed (no redirect), and an answer is read up to a bound.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where something is called.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// Host and port.
    pub authority: String,
    /// Begins with a slash, unless it is empty.
    pub path: String,
    /// Without its question mark.
    pub query: Option<String>,
    /// Over TLS: by which name the other side must prove itself, and to whom.
    tls: Option<(ServerName<'static>, Trust)>,
}

/// An address cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressInvalid {
    /// It is none.
    #[error("`{0}` is not an address of the form https://host:port/path or http://host:port/path")]
    Url(String),
    /// Who signs its certificate cannot be read.
    #[error("the certificates of `ca_file` cannot be read: {0}")]
    CaFile(String),
}

impl AddressInvalid {
    /// The setting that is wrong.
    pub(crate) const fn field(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::CaFile(_) => "ca_file",
        }
    }
}

impl Address {
    /// An address of the form `https://host:port/path?query`, or `http`; nobody's name or password is in it. Beside the
    /// authorities that browsers trust, those of `ca_file` (PEM) are trusted.
    pub fn parse(url: &str, ca_file: Option<&Path>) -> Result<Self, AddressInvalid> {
        let wrong = || AddressInvalid::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let tls = match is_secure {
            true => Some((ServerName::try_from(host.to_owned()).map_err(|_| wrong())?, Trust::with(ca_file)?)),
            false => None,
        };
        let authority = match authority.port() {
            Some(_) => authority.to_string(),
            None => format!("{}:{}", authority.host(), if is_secure { 443 } else { 80 }),
        };
        Ok(Self { authority, path: uri.path().to_owned(), query: uri.query().map(str::to_owned), tls })
    }
}

/// Whose certificates are believed. Certificates and the names in them are always verified.
#[derive(Debug, Clone)]
struct Trust(Arc<ClientConfig>);

impl Trust {
    fn with(ca_file: Option<&Path>) -> Result<Self, AddressInvalid> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = ca_file {
            let wrong = |error: String| AddressInvalid::CaFile(format!("{}: {error}", path.display()));
            let before = roots.len();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.len() == before {
                return Err(wrong("there is no certificate in it".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.expect("ring knows them").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// The status of an answer, and its body or why that cannot be read.
pub(crate) type Answer = (StatusCode, Result<Bytes, String>);

/// Sends the request, and reads the answer. Whoever waits for it says for how long.
pub(crate) async fn exchange(address: &Address, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let stream = tokio::net::TcpStream::connect(&address.authority).await.map_err(|error| error.to_string())?;
    let Some((name, Trust(config))) = &address.tls else { return over(stream, &address.authority, request).await };
    let connected = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await;
    over(connected.map_err(|error| format!("TLS: {error}"))?, &address.authority, request).await
}

async fn over<S>(stream: S, authority: &str, request: Request<Full<Bytes>>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
