//! Gateways and webhooks over TLS: who can prove itself is told, who cannot is told nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use stockade::gateway::{HttpGateway, HttpGatewayOptions};
use stockade::{Gateway, GatewayCall, GatewayOutcome, Money, Operation, OrderId, PaymentId, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// An authority of the test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for this name, valid until that year.
    fn certify(&self, name: &str, until_year: i32) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    fn save(&self, dir: &Path) -> PathBuf {
        let path = dir.join("ca.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path
    }
}

/// A gateway behind TLS that approves everything it is asked; says where it is.
async fn serve((certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>)) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not believe the certificate leaves here.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let (mut asked, mut some) = (Vec::new(), [0; 4096]);
                while !asked.ends_with(b"}") {
                    match stream.read(&mut some).await {
                        Ok(read) if read > 0 => asked.extend_from_slice(&some[..read]),
                        _ => return,
                    }
                }
                let body = r#"{"outcome":"approved","reference":"r-1"}"#;
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

async fn charge(url: String, ca_file: Option<PathBuf>) -> GatewayOutcome {
    let options =
        HttpGatewayOptions { ca_file, attempts: 1, timeout: Duration::from_secs(20), ..HttpGatewayOptions::at(url) };
    let order = OrderId::new(Timestamp(1_790_000_000_000_000), 1);
    let payment = PaymentId::of_order(order, 0, Timestamp(1_790_000_000_000_000));
    let money = Money::parse("9.99 EUR").unwrap();
    let call = GatewayCall { payment, operation: Operation::Charge { token: "tok".into() }, money };
    HttpGateway::new(options).unwrap().call(call).await
}

fn why(outcome: GatewayOutcome) -> String {
    match outcome {
        GatewayOutcome::Unknown { reason } => reason,
        other => panic!("it was believed: {other:?}"),
    }
}

#[tokio::test]
async fn who_proves_to_be_whom_was_called_is_asked_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let trusted = Some(ours.save(dir.path()));

    let good = serve(ours.certify("localhost", 2999)).await;
    let outcome = charge(format!("https://localhost:{good}/pay"), trusted.clone()).await;
    assert!(matches!(outcome, GatewayOutcome::Approved { .. }), "{outcome:?}");

    let cases = [
        ("an authority that nobody knows", serve(theirs.certify("localhost", 2999)).await, "UnknownIssuer"),
        ("another name", serve(ours.certify("elsewhere.example", 2999)).await, "not valid for name"),
        ("a certificate of the past", serve(ours.certify("localhost", 2001)).await, "expired"),
    ];
    for (what, port, expected) in cases {
        let reason = why(charge(format!("https://localhost:{port}/pay"), trusted.clone()).await);
        assert!(reason.starts_with("TLS: ") && reason.contains(expected), "{what}: {reason}");
    }
    let reason = why(charge(format!("https://localhost:{good}/pay"), None).await);
    assert!(reason.contains("UnknownIssuer"), "browsers do not know it: {reason}");
}

#[test]
fn a_file_without_certificates_is_refused_when_it_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for ca_file in [empty, dir.path().join("missing.pem")] {
        let options = HttpGatewayOptions { ca_file: Some(ca_file), ..HttpGatewayOptions::at("https://localhost") };
        let error = HttpGateway::new(options).err().expect("it cannot be read");
        assert!(error.to_string().contains("ca_file"), "{error}");
    }
}
