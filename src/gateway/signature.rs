//! Signatures of webhooks, as Stripe makes them: `t=<unix seconds>,v1=<hex>`, where the hex is the HMAC-SHA256 of
//! `<t>.<body>`. Several secrets may be active at once, so that they can be changed without a gap.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stockade_domain::Timestamp;

/// How far a signature's time may be from now, in seconds.
pub const TOLERANCE_SECONDS: i64 = 300;
/// The most signatures that a header may carry.
const SIGNATURES_MAX: usize = 16;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no header, or it is not of the form.
    #[error("the signature is not of the form t=<unix seconds>,v1=<64 hexadecimal digits>")]
    Malformed,
    /// Its time is too far away: it may be a recording.
    #[error("the signature is older, or younger, than {TOLERANCE_SECONDS} seconds")]
    TooFarAway,
    /// No active secret made it.
    #[error("the signature was made with none of the active secrets")]
    Wrong,
}

/// Signs and verifies with the active secrets.
#[derive(Clone)]
pub struct Signer {
    secrets: Vec<Vec<u8>>,
}

impl Signer {
    /// With these active secrets; the first one signs.
    pub fn new(secrets: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        Self { secrets: secrets.into_iter().map(|secret| secret.as_ref().to_vec()).collect() }
    }

    /// The header of a body sent now.
    pub fn sign(&self, body: &[u8], now: Timestamp) -> String {
        let seconds = now.0.div_euclid(1_000_000).to_string();
        let mut header = format!("t={seconds}");
        for secret in &self.secrets {
            header.push_str(",v1=");
            let code = mac(secret, &seconds, body).finalize().into_bytes();
            code.iter().for_each(|byte| header.push_str(&format!("{byte:02x}")));
        }
        header
    }

    /// Whether one of the active secrets made this header for this body, not long ago. Codes are compared in constant
    /// time.
    pub fn verify(&self, header: &str, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
        let (mut seconds, mut codes) = (None, Vec::new());
        for part in header.split(',') {
            match part.trim().split_once('=').ok_or(SignatureError::Malformed)? {
                ("t", text) if seconds.is_none() => seconds = Some(text),
                ("t", _) => return Err(SignatureError::Malformed),
                ("v1", _) if codes.len() == SIGNATURES_MAX => return Err(SignatureError::Malformed),
                ("v1", hex) => codes.push(unhex(hex).ok_or(SignatureError::Malformed)?),
                // Later schemes may stand beside this one.
                _ => {}
            }
        }
        let seconds = seconds.filter(|_| !codes.is_empty()).ok_or(SignatureError::Malformed)?;
        let time: i64 = seconds.parse().map_err(|_| SignatureError::Malformed)?;
        let apart = now.0.div_euclid(1_000_000).saturating_sub(time).saturating_abs();
        if apart > TOLERANCE_SECONDS {
            return Err(SignatureError::TooFarAway);
        }
        let mut known = false;
        for secret in &self.secrets {
            for code in &codes {
                known |= mac(secret, seconds, body).verify_slice(code).is_ok();
            }
        }
        if known { Ok(()) } else { Err(SignatureError::Wrong) }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} secrets)", self.secrets.len())
    }
}

fn mac(secret: &[u8], seconds: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length will do");
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    /// Computed with `openssl dgst -sha256 -hmac secret` over `1790000000.{"a":1}`.
    const KNOWN: &str = "t=1790000000,v1=da8fe498621aaab99d5b11c51346b13d1a2bf2914b865b8d3edd3531cab25a3e";

    #[test]
    fn a_signature_is_the_one_that_other_programs_make() {
        assert_eq!(Signer::new(["secret"]).sign(br#"{"a":1}"#, NOW), KNOWN);
        assert_eq!(Signer::new(["secret"]).verify(KNOWN, br#"{"a":1}"#, NOW), Ok(()));
    }

    #[test]
    fn any_active_secret_will_do_and_no_other() {
        let old = Signer::new(["old"]).sign(b"x", NOW);
        let new = Signer::new(["new"]).sign(b"x", NOW);
        let both = Signer::new(["new", "old"]);
        assert_eq!((both.verify(&old, b"x", NOW), both.verify(&new, b"x", NOW)), (Ok(()), Ok(())));
        assert_eq!(Signer::new(["new"]).verify(&old, b"x", NOW), Err(SignatureError::Wrong));
        assert_eq!(both.verify(&new, b"y", NOW), Err(SignatureError::Wrong));
        assert_eq!(Signer::new(["new"]).verify(&both.sign(b"x", NOW), b"x", NOW), Ok(()), "one of two is known");
        assert_eq!(Signer::new([""; 0]).verify(&new, b"x", NOW), Err(SignatureError::Wrong));
        // The time is signed too.
        let moved = new.replace("t=1790000000", "t=1790000001");
        assert_eq!(both.verify(&moved, b"x", NOW), Err(SignatureError::Wrong));
    }

    #[test]
    fn a_recording_is_not_believed() {
        let signer = Signer::new(["secret"]);
        let header = signer.sign(b"x", NOW);
        for (seconds, believed) in [(0, true), (300, true), (301, false), (-300, true), (-301, false)] {
            let then = Timestamp(NOW.0 + seconds * 1_000_000);
            assert_eq!(signer.verify(&header, b"x", then).is_ok(), believed, "{seconds}");
        }
    }

    #[test]
    fn what_is_not_a_signature_is_refused_and_never_a_panic() {
        let code = "0".repeat(64);
        let many = format!("t=1{}", ",v1=00".repeat(1_000));
        let wrong = [
            "",
            "t",
            "t=",
            "v1=",
            "t=1",
            "t=1,v1=",
            "t=1,v1=xx",
            &format!("t=x,v1={code}"),
            &format!("v1={code}"),
            &format!("t=1,t=1,v1={code}"),
            &format!("t=1,v1={}", "é".repeat(32)),
            &many,
        ];
        for header in wrong {
            assert_eq!(Signer::new(["secret"]).verify(header, b"x", NOW), Err(SignatureError::Malformed), "{header}");
        }
        let early = format!("t={},v1={code}", i64::MIN);
        assert_eq!(Signer::new(["secret"]).verify(&early, b"x", NOW), Err(SignatureError::TooFarAway));
    }
}
