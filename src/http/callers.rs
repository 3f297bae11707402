//! Who asks: API keys and the names that idempotency keys are scoped to.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::problem::{Code, Problem};

/// The callers that a server lets in; without any key, everybody, as one nameless caller.
#[derive(Debug)]
pub(super) struct Callers(Vec<Known>);

#[derive(Debug)]
struct Known {
    /// A key is compared by its hash, whose comparison takes the same time wherever it differs.
    hash: blake3::Hash,
    /// The hash's beginning: it names the caller and tells nobody the key.
    name: String,
}

impl Callers {
    pub(super) fn new(keys: &[String]) -> Self {
        let known = |key: &String| {
            let hash = blake3::hash(key.as_bytes());
            Known { hash, name: hash.to_hex()[..16].to_owned() }
        };
        Self(keys.iter().map(known).collect())
    }

    /// The name of whoever sent these headers.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Result<&str, Problem> {
        if self.0.is_empty() {
            return Ok("");
        }
        let refused = || Problem::new(Code::Unauthorized);
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(refused)?;
        let (scheme, token) = sent.split_once(' ').ok_or_else(refused)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(refused());
        }
        let hash = blake3::hash(token.trim().as_bytes());
        self.0.iter().find(|known| known.hash == hash).map(|known| known.name.as_str()).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identify(callers: &Callers, value: &str) -> Result<String, Code> {
        let mut headers = HeaderMap::new();
        if !value.is_empty() {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        callers.identify(&headers).map(str::to_owned).map_err(|problem| problem.code())
    }

    #[test]
    fn only_a_known_key_names_a_caller_and_different_keys_are_different_callers() {
        let callers = Callers::new(&["one".into(), "two".into()]);
        let (one, two) = (identify(&callers, "Bearer one").unwrap(), identify(&callers, "bearer  two").unwrap());
        assert!(one != two && !one.contains("one") && !one.is_empty());
        for value in ["", "Bearer", "Bearer ", "Bearer three", "Basic one", "one", "Bearer one two", "Bearer ONE"] {
            assert_eq!(identify(&callers, value), Err(Code::Unauthorized), "{value}");
        }
    }

    #[test]
    fn without_keys_everybody_is_the_same_caller() {
        let callers = Callers::new(&[]);
        assert_eq!(identify(&callers, "Bearer whatever"), identify(&callers, ""));
    }
}
