//! Decimal numbers as whole units, exactly: what a conformance suite writes as `0.625` the book counts in units.

/// Reads a JSON number (or the text of one) as units of `10^-places`, rounded half to even; `None` if it is not a
/// number, negative, or more than a `u64` counts.
pub(super) fn parse_units(text: &str, places: u32) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    // The value is digits x 10^(exponent - fraction digits); wanted are units of 10^-places.
    let shift = i64::from(exponent) - fraction.len() as i64 + i64::from(places);
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|&digit| digit == b'0').collect();
    if digits.is_empty() {
        return Some(0);
    }
    let kept = digits.len() as i64 + shift;
    if kept > 20 {
        return None;
    }
    let digit_at = |at: i64| digits.get(usize::try_from(at).ok()?).map(|digit| u64::from(digit - b'0'));
    let mut units = 0u64;
    for at in 0..kept.max(0) {
        units = units.checked_mul(10)?.checked_add(digit_at(at).unwrap_or(0))?;
    }
    let rounds_up = if kept < 0 {
        false
    } else {
        let next = digit_at(kept).unwrap_or(0);
        let rest_is_zero = digits.iter().skip(kept as usize + 1).all(|&digit| digit == b'0');
        next > 5 || next == 5 && (!rest_is_zero || units % 2 == 1)
    };
    units.checked_add(u64::from(rounds_up))
}

/// Writes units of `10^-places` as the shortest decimal with at most `shown` places, rounded half to even.
pub(super) fn write_units(units: u128, places: u32, shown: u32, text: &mut String) {
    use std::fmt::Write;

    let dropped = 10u128.pow(places.saturating_sub(shown));
    let (quotient, rest) = (units / dropped, units % dropped);
    let rounds_up = rest * 2 > dropped || rest * 2 == dropped && quotient % 2 == 1;
    let (rounded, places) = (quotient + u128::from(rounds_up), places.min(shown));
    let scale = 10u128.pow(places);
    let _ = write!(text, "{}", rounded / scale);
    let fraction = rounded % scale;
    if fraction > 0 {
        let _ = write!(text, ".{fraction:0width$}", width = places as usize);
        text.truncate(text.trim_end_matches('0').len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_exactly_and_rounded_half_to_even() {
        for (text, places, units) in [
            ("0", 12, Some(0)),
            ("1", 0, Some(1)),
            ("0.5", 12, Some(500_000_000_000)),
            ("0.625", 3, Some(625)),
            ("5.0", 2, Some(500)),
            ("1e3", 0, Some(1_000)),
            ("1.25e-2", 4, Some(125)),
            ("0.5", 0, Some(0)),
            ("1.5", 0, Some(2)),
            ("2.5", 0, Some(2)),
            ("2.50001", 0, Some(3)),
            ("0.04", 0, Some(0)),
            ("0.6", 0, Some(1)),
            ("0.06", 0, Some(0)),
            ("0.00", 3, Some(0)),
            ("18446744073709551615", 0, Some(u64::MAX)),
            ("18446744073709551616", 0, None),
            ("18446744073709551615.5", 0, None),
            ("1e300", 0, None),
            ("1e-300", 12, Some(0)),
            ("0e300", 12, Some(0)),
            ("-1", 0, None),
            ("", 0, None),
            (".5", 0, None),
            ("abc", 0, None),
            ("1e", 0, None),
            ("1.2.3", 0, None),
        ] {
            assert_eq!(parse_units(text, places), units, "{text} at {places}");
        }
    }

    #[test]
    fn units_are_written_without_exponent_or_idle_zeros() {
        for (units, places, shown, expected) in [
            (0, 12, 12, "0"),
            (500_000_000_000, 12, 12, "0.5"),
            (10_000, 2, 2, "100"),
            (10_001, 2, 2, "100.01"),
            (1, 12, 12, "0.000000000001"),
            (15, 1, 0, "2"),
            (25, 1, 0, "2"),
            (96, 2, 1, "1"),
        ] {
            let mut text = String::new();
            write_units(units, places, shown, &mut text);
            assert_eq!(text, expected, "{units} at {places} shown {shown}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units in any::<u64>(), places in 0u32..=18) {
            let mut text = String::new();
            write_units(units.into(), places, places, &mut text);
            prop_assert_eq!(parse_units(&text, places), Some(units));
        }

        #[test]
        fn no_text_makes_reading_panic(text in "[0-9eE.+-]{0,40}", places in 0u32..=18) {
            let _ = parse_units(&text, places);
        }
    }
}
