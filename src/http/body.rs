//! JSON bodies: read whole within a limit, typed, and refused with the place and the field that is wrong.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::fields::unmark;
use super::problem::{Code, Problem};
use super::pulse::BodyError;

/// Reads a body whole, as `warp::body::stream()` hands it over. `max` is checked against the announced length before
/// a byte is read, and against what really comes (which warp's own limit does not, for a chunked body).
pub async fn read<S, D, E>(headers: &HeaderMap, body: S, max: usize) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<D, E>>,
    D: Buf,
    E: StdError + 'static,
{
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > u64::try_from(max).unwrap_or(u64::MAX)) {
        return Err(too_large(max));
    }
    let mut body = pin!(body);
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(piece) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let mut piece = piece.map_err(|error| broken(&error))?;
        let piece = piece.copy_to_bytes(piece.remaining());
        if whole.len() + joined.len() + piece.len() > max {
            return Err(too_large(max));
        }
        // A body in one piece, as nearly all are, is not copied.
        if whole.is_empty() && joined.is_empty() {
            whole = piece;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut whole));
            joined.extend_from_slice(&piece);
        }
    }
    Ok(if joined.is_empty() { whole } else { joined.freeze() })
}

fn too_large(max: usize) -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("the body is larger than {max} bytes")).with("limit", max)
}

/// Why a body did not come whole.
pub(super) fn broken(error: &(dyn StdError + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(late @ BodyError::Late) = error.downcast_ref() {
            return Problem::new(Code::RequestTimeout).detail(late.to_string());
        }
        cause = error.source();
    }
    Problem::new(Code::BodyInvalid).detail(format!("the body could not be read: {error}"))
}

/// Refuses a body that says it is something else than `wanted` (such as `application/json`). One that does not say
/// is taken for it, as RFC 9110 (8.3) permits.
pub fn expect_media_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let refused = || Problem::new(Code::MediaTypeUnsupported).detail(format!("send `Content-Type: {wanted}`"));
    let mut parts = value.to_str().map_err(|_| refused())?.split(';');
    let named = parts.next().unwrap_or_default().trim();
    let charset_is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if named.eq_ignore_ascii_case(wanted) && charset_is_utf8 { Ok(()) } else { Err(refused()) }
}

/// A `T` that is written as a JSON object: serde would also take a list, its items in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(OnlyMap(PhantomData)).map(Self)
    }
}

/// Reads a JSON object as a `T`. For unknown fields to be refused, `T` says `deny_unknown_fields`.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice::<Object<T>>(text).map(|object| object.0).map_err(|error| explain::<Object<T>>(text, &error))
}

/// As [`parse`], and nothing at all is an empty object.
pub fn parse_or_empty<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Problem> {
    parse(if text.iter().all(u8::is_ascii_whitespace) { b"{}" } else { text })
}

/// Says what is wrong and where. The text is read a second time to find the path of the field: following it costs,
/// and only a wrong body pays.
#[cold]
fn explain<'a, T: Deserialize<'a>>(text: &'a [u8], error: &serde_json::Error) -> Problem {
    let mut again = serde_json::Deserializer::from_slice(text);
    let path = match serde_path_to_error::deserialize::<_, T>(&mut again) {
        // `?` is a member whose name was not read yet.
        Err(traced) => Some(traced.path().to_string().trim_end_matches(['?', '.']).to_owned()),
        Ok(_) => None,
    }
    .filter(|path| !path.is_empty());
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    let (mut code, message) = unmark(message);
    // Beyond an f64, serde_json gives up before the field's type is asked.
    let mut message = message;
    if message == "number out of range" && path.as_deref().is_some_and(is_quantity) {
        (code, message) = (Code::QuantityInvalid, Code::QuantityInvalid.advice());
    }
    let detail = match &path {
        Some(path) => format!("`{path}`: {message}{place}"),
        None => format!("{message}{place}"),
    };
    let problem = Problem::new(code).detail(detail).with("line", error.line()).with("column", error.column());
    match path {
        Some(path) => problem.with("field", path),
        None => problem,
    }
}

fn is_quantity(path: &str) -> bool {
    matches!(path.rsplit('.').next(), Some("quantity" | "delta"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fields::{MoneyField, QuantityField};
    use crate::http::trace::TraceId;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        sku: String,
        quantity: QuantityField,
        unit_price: Option<MoneyField>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        lines: Vec<Line>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cancel {
        lines: Option<Vec<u32>>,
    }

    #[test]
    fn a_right_body_is_read() {
        let text = br#"{"lines":[{"sku":"A1","quantity":2,"unit_price":{"amount":"1","currency":"EUR"}}]}"#;
        let order: Order = parse(text).unwrap();
        assert_eq!((order.lines[0].sku.as_str(), order.lines[0].quantity.0), ("A1", 2));
        assert!(order.lines[0].unit_price.is_some());
    }

    #[test]
    fn a_wrong_body_is_refused_with_code_field_and_place() {
        let line = |line: &str| format!(r#"{{"lines":[{line}]}}"#);
        let (quantity, money, body) = (Code::QuantityInvalid, Code::MoneyInvalid, Code::BodyInvalid);
        for (text, code, field) in [
            (line(r#"{"sku":"A","quantity":0}"#), quantity, Some("lines[0].quantity")),
            (line(r#"{"sku":"A","quantity":1.5}"#), quantity, Some("lines[0].quantity")),
            (line(r#"{"sku":"A","quantity":1e999}"#), quantity, Some("lines[0].quantity")),
            (line(r#"{"sku":"A","quantity":"1"}"#), body, Some("lines[0].quantity")),
            (line(r#"{"sku":1e999,"quantity":1}"#), body, Some("lines[0].sku")),
            (
                line(r#"{"sku":"A","quantity":1,"unit_price":{"amount":"1.00001","currency":"EUR"}}"#),
                money,
                Some("lines[0].unit_price"),
            ),
            (line(r#"{"sku":"A","quantity":1,"colour":"red"}"#), body, Some("lines[0].colour")),
            (line(r#"{"sku":"A","sku":"B","quantity":1}"#), body, Some("lines[0]")),
            (line(r#"{"quantity":1}"#), body, Some("lines[0]")),
            (r#"{"lines":[]} extra"#.to_owned(), body, None),
            ("{".to_owned(), body, None),
            (String::new(), body, None),
            ("null".to_owned(), body, None),
            (format!(r#"{{"lines":[{}"#, r#"{"sku":"#.repeat(100_000)), body, Some("lines[0].sku")),
        ] {
            let shown: String = text.chars().take(80).collect();
            let problem = parse::<Order>(text.as_bytes()).unwrap_err();
            let json = problem.to_json(TraceId::next());
            assert_eq!(problem.code(), code, "{shown}: {json}");
            assert_eq!(json["field"].as_str(), field, "{shown}: {json}");
            assert!(json["line"].is_u64() && json["column"].is_u64(), "{shown}: {json}");
            assert!(!json["detail"].as_str().unwrap().contains('\u{1}'), "{shown}: {json}");
        }
        assert_eq!(parse::<Order>(b" [[]]").unwrap_err().code(), body);
        assert_eq!(parse::<Order>(b"\xff\xfe").unwrap_err().code(), body);
        assert_eq!(parse::<Order>(b"{\"lines\":[{\"sku\":\"\xff\",\"quantity\":1}]}").unwrap_err().code(), body);
    }

    #[test]
    fn no_body_is_an_empty_object_where_everything_is_optional() {
        for text in ["", " \n", "{}"] {
            assert_eq!(parse_or_empty::<Cancel>(text.as_bytes()).unwrap(), Cancel::default());
        }
        assert_eq!(parse_or_empty::<Cancel>(br#"{"lines":[1]}"#).unwrap().lines, Some(vec![1]));
        assert_eq!(parse_or_empty::<Cancel>(b"[").unwrap_err().code(), Code::BodyInvalid);
    }

    #[test]
    fn only_the_wanted_media_type_is_read() {
        let check = |value: Option<&[u8]>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONTENT_TYPE, http::HeaderValue::from_bytes(value).unwrap());
            }
            expect_media_type(&headers, "application/json").map_err(|problem| problem.code())
        };
        for fine in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"; v=1"] {
            assert_eq!(check(Some(fine.as_bytes())), Ok(()), "{fine}");
        }
        assert_eq!(check(None), Ok(()));
        for wrong in ["text/plain", "application/jsonp", "", "application/json; charset=latin1", "json"] {
            assert_eq!(check(Some(wrong.as_bytes())), Err(Code::MediaTypeUnsupported), "{wrong}");
        }
        assert_eq!(check(Some(b"\xff/json")), Err(Code::MediaTypeUnsupported));
    }

    /// A body that comes in pieces.
    struct Pieces(std::vec::IntoIter<&'static str>);

    impl Stream for Pieces {
        type Item = std::io::Result<&'static [u8]>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.next().map(|piece| match piece {
                "broken" => Err(std::io::ErrorKind::ConnectionReset.into()),
                piece => Ok(piece.as_bytes()),
            }))
        }
    }

    #[tokio::test]
    async fn a_body_is_read_whole_up_to_the_limit() {
        for (announced, pieces, max, wanted) in [
            (None, vec!["ab", "", "cd", "e"], 5, Ok("abcde")),
            (Some("5"), vec!["abcde"], 5, Ok("abcde")),
            (None, vec![], 0, Ok("")),
            (None, vec!["ab", "cd", "ef"], 5, Err(Code::BodyTooLarge)),
            (Some("6"), vec!["never read", "broken"], 5, Err(Code::BodyTooLarge)),
            (Some("99999999999999999999"), vec!["ab", "cd", "ef"], 5, Err(Code::BodyTooLarge)),
            (Some("5"), vec!["ab", "broken"], 5, Err(Code::BodyInvalid)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(length) = announced {
                headers.insert(CONTENT_LENGTH, length.parse().unwrap());
            }
            let body = read(&headers, Pieces(pieces.into_iter()), max).await;
            assert_eq!(body.map_err(|problem| problem.code()), wanted.map(Bytes::from), "{announced:?}, {max}");
        }
    }
}
