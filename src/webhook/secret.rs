//! Secrets and signatures as Standard Webhooks has them: `whsec_` and Base64; HMAC-SHA256 of `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::ring;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// The fewest bytes that a secret may have, and the most.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How many a secret has that is made here.
const BYTES_MADE: usize = 32;

/// A secret cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is `whsec_` and Base64 of 24 to 64 random bytes")]
pub struct SecretInvalid;

/// A secret that an endpoint shares with us.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads a secret in its usual form.
    ///
    /// # Errors
    ///
    /// [`SecretInvalid`]: it has another form, or is too short to be one.
    pub fn parse(text: &str) -> Result<Self, SecretInvalid> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).ok_or(SecretInvalid)?).map_err(|_| SecretInvalid)?;
        if BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretInvalid) }
    }

    /// Makes one that nobody can guess.
    ///
    /// # Errors
    ///
    /// The system gives no chance.
    pub(super) fn make() -> std::io::Result<Self> {
        let mut bytes = vec![0; BYTES_MADE];
        let filled = ring::default_provider().secure_random.fill(&mut bytes);
        filled.map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
        Ok(Self(bytes))
    }

    /// It in its usual form: for its owner, once, and for the file it is kept in.
    pub(super) fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// A name for it, which tells nothing of it.
    pub(super) fn id(&self) -> String {
        let digest = Sha256::digest(&self.0);
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// One signature of the header.
    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The header with a signature for each active secret, so that secrets can be changed without a gap.
pub(super) fn signatures(secrets: &[Secret], id: &str, seconds: i64, body: &[u8]) -> String {
    let all: Vec<String> = secrets.iter().map(|secret| secret.sign(id, seconds, body)).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_made_is_of_the_usual_form_and_no_other() {
        let (one, other) = (Secret::make().unwrap(), Secret::make().unwrap());
        assert!(Secret::parse(&one.reveal()).unwrap().0 == one.0 && one.0 != other.0);
        assert!(one.id().len() == 8 && one.id() != other.id());
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_%%%"] {
            assert!(Secret::parse(wrong).is_err(), "{wrong}");
        }
    }
}
