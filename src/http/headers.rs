//! Request headers that steer a request: `Idempotency-Key`, `Prefer`, `If-Match`.

use std::borrow::Cow;
use std::time::Duration;

use http::header::IF_MATCH;
use http::{HeaderMap, HeaderName};

use super::problem::{Code, Problem};

/// The header that makes a write repeatable.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Carries `wait=N`.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Bytes of the longest key.
const KEY_BYTES_MAX: usize = 255;

/// The idempotency key, quoted (a structured field string, as the IETF draft has it) or bare; both spell one key.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Problem> {
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid("Idempotency-Key", "send it once"));
    }
    let wrong = || Problem::invalid("Idempotency-Key", "send 1 to 255 visible ASCII characters, quoted or bare");
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unquote(rest.strip_suffix('"').ok_or_else(wrong)?).ok_or_else(wrong)?,
        None => Cow::Borrowed(text),
    };
    let visible = key.bytes().all(|b| b.is_ascii_graphic());
    if visible && (1..=KEY_BYTES_MAX).contains(&key.len()) { Ok(Some(key)) } else { Err(wrong()) }
}

/// What stands between the quotes, its escapes resolved: only `\"` and `\\` exist.
fn unquote(inner: &str) -> Option<Cow<'_, str>> {
    if !inner.contains(['\\', '"']) {
        return Some(Cow::Borrowed(inner));
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next().filter(|escaped| matches!(escaped, '\\' | '"'))?),
            '"' => return None,
            other => plain.push(other),
        }
    }
    Some(Cow::Owned(plain))
}

/// How long the caller would like to wait for an outcome (RFC 7240), at most `max`. What is not understood is
/// ignored, as that RFC wants it.
pub fn prefer_wait(headers: &HeaderMap, max: Duration) -> Option<Duration> {
    let preferences = headers.get_all(&PREFER).iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let seconds = value.trim().trim_matches('"');
        let digits = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit());
        if !name.trim().eq_ignore_ascii_case("wait") || !digits {
            return None;
        }
        Some(seconds.parse().map_or(max, |seconds| Duration::from_secs(seconds).min(max)))
    })
}

/// Holds a write to the version its caller has seen (RFC 9110, 13.1.1). `current` is the entity tag as `ETag` sends
/// it, with its quotes; nothing when the thing does not exist.
pub fn check_if_match(headers: &HeaderMap, current: Option<&str>) -> Result<(), Problem> {
    let mut wanted = false;
    for value in headers.get_all(IF_MATCH) {
        wanted = true;
        let wrong = || Problem::invalid("If-Match", "send `*` or entity tags in quotes, as `ETag` gave them");
        let mut rest = value.to_str().map_err(|_| wrong())?.trim();
        if rest == "*" {
            match current {
                Some(_) => return Ok(()),
                None => continue,
            }
        }
        while !rest.is_empty() {
            // A weak tag is well formed and equals nothing: `If-Match` compares strongly.
            let (weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
            let end = tag.strip_prefix('"').and_then(|inner| inner.find('"')).ok_or_else(wrong)? + 2;
            if !weak && current == Some(&tag[..end]) {
                return Ok(());
            }
            rest = tag[end..].trim_start();
            rest = match rest.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err(wrong()),
            };
        }
    }
    if wanted { Err(Problem::new(Code::PreconditionFailed)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &HeaderName, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_key_is_the_same_quoted_and_bare() {
        let longest = "k".repeat(255);
        for (value, key) in [
            ("abc-123", "abc-123"),
            ("\"abc-123\"", "abc-123"),
            (" \"abc-123\" ", "abc-123"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r"a\b", r"a\b"),
            (&longest, &longest),
        ] {
            let headers = headers(&IDEMPOTENCY_KEY, &[value.as_bytes()]);
            assert_eq!(idempotency_key(&headers).unwrap().as_deref(), Some(key), "{value}");
        }
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn a_key_that_is_none_is_refused_by_name() {
        let too_long = "k".repeat(256);
        for values in [
            &[b"".as_slice()] as &[&[u8]],
            &[b"\"\""],
            &[b"\"open"],
            &[b"\""],
            &[br#""a"b""#],
            &[br#""a\b""#],
            &[br#""a\""#],
            &[b"two words"],
            &[b"\"two words\""],
            &["schlüssel".as_bytes()],
            &[too_long.as_bytes()],
            &[b"one", b"two"],
        ] {
            let problem = idempotency_key(&headers(&IDEMPOTENCY_KEY, values)).unwrap_err();
            assert_eq!(problem.code(), Code::BodyInvalid, "{values:?}");
        }
    }

    #[test]
    fn a_wait_is_what_was_preferred_up_to_the_most_allowed() {
        let max = Duration::from_secs(30);
        for (values, seconds) in [
            (&[b"wait=10".as_slice()] as &[&[u8]], Some(10)),
            (&[b"respond-async, Wait=\"5\"; x=1"], Some(5)),
            (&[b"respond-async", b"wait = 7"], Some(7)),
            (&[b"wait=0"], Some(0)),
            (&[b"wait=600"], Some(30)),
            (&[b"wait=99999999999999999999999"], Some(30)),
            (&[b"wait=soon"], None),
            (&[b"wait=-1"], None),
            (&[b"wait"], None),
            (&[b"await=3"], None),
            (&[b"\xff"], None),
            (&[], None),
        ] {
            let wait = prefer_wait(&headers(&PREFER, values), max);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{values:?}");
        }
    }

    #[test]
    fn a_write_goes_through_only_on_the_version_it_names() {
        let (fine, failed, wrong) = (Ok(()), Err(Code::PreconditionFailed), Err(Code::BodyInvalid));
        for (values, current, outcome) in [
            (&[] as &[&[u8]], Some("\"7\""), fine),
            (&[], None, fine),
            (&[b"\"7\""], Some("\"7\""), fine),
            (&[b"\"6\", \"7\""], Some("\"7\""), fine),
            (&[b"\"6\"", b"\"7\""], Some("\"7\""), fine),
            (&[b"*"], Some("\"7\""), fine),
            (&[b"*"], None, failed),
            (&[b"\"6\""], Some("\"7\""), failed),
            (&[b"\"7\""], None, failed),
            (&[b"W/\"7\""], Some("\"7\""), failed),
            (&[b"\"a, b\""], Some("\"a, b\""), fine),
            (&[b"7"], Some("\"7\""), wrong),
            (&[b"\"7"], Some("\"7\""), wrong),
            (&[b"\"6\" \"7\""], Some("\"7\""), wrong),
            (&[b"\xff"], Some("\"7\""), wrong),
        ] {
            let checked = check_if_match(&headers(&IF_MATCH, values), current);
            assert_eq!(checked.map_err(|problem| problem.code()), outcome, "{values:?} on {current:?}");
        }
    }
}
