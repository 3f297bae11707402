//! Who is told, and of what.

use std::path::Path;

use super::secret::{Secret, SecretInvalid};
use crate::engine::Fact;
use crate::http_client::{Address, AddressInvalid};

/// An endpoint cannot be used as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointInvalid {
    /// Its name is to be a file's name.
    #[error("`{0}` is no name for a webhook endpoint: use 1 to 64 letters, digits, `-` and `_`")]
    Name(String),
    /// It cannot be called.
    #[error(transparent)]
    Address(#[from] AddressInvalid),
    /// Nobody could verify what it is told.
    #[error("webhook endpoint `{0}` has no secret")]
    NoSecret(String),
    /// A secret is not of the form.
    #[error(transparent)]
    Secret(#[from] SecretInvalid),
}

/// Somebody who is told of facts.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) address: Address,
    pub(super) types: Vec<String>,
    pub(super) secrets: Vec<Secret>,
}

impl Endpoint {
    /// Checks what is configured. `types`: kinds and types of facts such as `order` or `sku.held`; none: all.
    ///
    /// # Errors
    ///
    /// [`EndpointInvalid`], which says what to change.
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        types: Vec<String>,
        secrets: &[impl AsRef<str>],
    ) -> Result<Self, EndpointInvalid> {
        Self::trusting(name, url, types, secrets, None)
    }

    /// The same; beside the authorities that browsers trust, those of `ca_file` (PEM) are trusted.
    ///
    /// # Errors
    ///
    /// [`EndpointInvalid`], which says what to change.
    pub fn trusting(
        name: impl Into<String>,
        url: impl Into<String>,
        types: Vec<String>,
        secrets: &[impl AsRef<str>],
        ca_file: Option<&Path>,
    ) -> Result<Self, EndpointInvalid> {
        let (name, url) = (name.into(), url.into());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(EndpointInvalid::Name(name));
        }
        let address = Address::parse(&url, ca_file)?;
        if secrets.is_empty() {
            return Err(EndpointInvalid::NoSecret(name));
        }
        let secrets = secrets.iter().map(|secret| Secret::parse(secret.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { name, url, address, types, secrets })
    }

    pub(super) fn wants(&self, fact: &Fact) -> bool {
        let is_type = |wanted: &String| wanted == fact.kind() || *wanted == fact.topic();
        self.types.is_empty() || self.types.iter().any(is_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_could_not_be_told_is_refused() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let new = |name: &str, url: &str, secrets: &[&str]| Endpoint::new(name, url, Vec::new(), secrets);
        assert!(new("shop-1", "http://localhost:9/hook?a=b", &[secret]).is_ok());
        for (name, url, secrets) in [
            ("", "http://x", &[secret][..]),
            ("../x", "http://x", &[secret]),
            ("x", "ftp://x", &[secret]),
            ("x", "http://me:too@x", &[secret]),
            ("x", "http://x", &[]),
            ("x", "http://x", &[secret, "hunter2"]),
        ] {
            assert!(new(name, url, secrets).is_err(), "{name} {url} {secrets:?}");
        }
    }
}
