//! Lists in pages: `?limit=` and the opaque `?cursor=`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::problem::Problem;

/// Items of a page when the caller does not say.
pub const LIMIT_DEFAULT: usize = 50;
/// Items of the largest page.
pub const LIMIT_MAX: usize = 200;

/// Bytes of the checksum at a cursor's end.
const CHECK_BYTES: usize = 4;

/// How many items the caller wants: more than the largest page is the largest page, as GitHub and Google (AIP-158)
/// have it; what is not a number from 1 up is refused.
pub fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else { return Ok(LIMIT_DEFAULT) };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { text.parse().unwrap_or(usize::MAX) } else { 0 };
    if number == 0 { Err(Problem::invalid("limit", "send a number from 1 to 200")) } else { Ok(number.min(LIMIT_MAX)) }
}

/// Wraps the place where a page ended. `list` names the list and its filters, so that a cursor of one list is not
/// taken for a place in another.
pub fn cursor(list: &str, place: &[u8]) -> String {
    let mut bytes = place.to_vec();
    bytes.extend_from_slice(&check(list, place));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that [`cursor`] wrapped.
pub fn place(list: &str, cursor: &str) -> Result<Vec<u8>, Problem> {
    let unwrapped = || {
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let at = bytes.len().checked_sub(CHECK_BYTES)?;
        let written = bytes.split_off(at);
        (written == check(list, &bytes)).then_some(bytes)
    };
    unwrapped().ok_or_else(|| {
        Problem::invalid("cursor", "send `next_cursor` of the same list as it was given, or none to start over")
    })
}

/// A checksum against slips, not against forgery: whoever forges a cursor sees only what the list shows anyway.
fn check(list: &str, place: &[u8]) -> [u8; CHECK_BYTES] {
    crc32c::crc32c_append(crc32c::crc32c(list.as_bytes()), place).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::Code;
    use proptest::prelude::*;

    #[test]
    fn a_page_has_fifty_items_unless_the_caller_says_otherwise() {
        for (text, wanted) in [
            (None, Some(50)),
            (Some("1"), Some(1)),
            (Some("200"), Some(200)),
            (Some("201"), Some(200)),
            (Some("99999999999999999999999999"), Some(200)),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("+5"), None),
            (Some("ten"), None),
            (Some(""), None),
        ] {
            assert_eq!(limit(text).map_err(|problem| problem.code()), wanted.ok_or(Code::BodyInvalid), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let given = cursor("orders", b"42");
        assert_eq!(place("orders", &given).unwrap(), b"42");
        for (list, text) in [
            ("movements", given.as_str()),
            ("orders", ""),
            ("orders", "AAAA"),
            ("orders", "ä"),
            ("orders", &given[1..]),
        ] {
            assert_eq!(place(list, text).unwrap_err().code(), Code::BodyInvalid, "{list} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_gives_back_its_place_and_a_changed_one_nothing(
            bytes in proptest::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_-]",
        ) {
            let given = cursor("orders", &bytes);
            prop_assert_eq!(place("orders", &given).unwrap(), bytes);
            let at = at.index(given.len());
            let mut changed = given.clone();
            changed.replace_range(at..=at, &other);
            prop_assert!(changed == given || place("orders", &changed).is_err());
        }
    }
}
