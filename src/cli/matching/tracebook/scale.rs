//! The suite's decimal prices and quantities as the book's ticks and units.

use super::super::decimal::{parse_units, write_units};
use super::message::Config;

/// Decimals that the suite's reference keeps even when it shows fewer.
const KEPT_PLACES: u32 = 12;
/// The most decimals that a run may ask for.
const SHOWN_PLACES_MAX: u32 = 18;
/// Prices and quantities stay far below what a sum of the whole book could overflow.
const TICKS_MAX: f64 = (1u64 << 52) as f64;

/// How decimals become whole numbers and back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    tick: f64,
    /// The tick as whole units of `10^-tick_places`.
    tick_units: u64,
    tick_places: u32,
    quantity_places: u32,
    quantity_shown: u32,
}

impl Scale {
    /// The scale that a run's configuration asks for; else what is wrong with it.
    pub(super) fn of(config: &Config<'_>) -> Result<Self, String> {
        let text = config.tick_size.as_deref().unwrap_or("0.01");
        let tick_places = text.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('0').len() as u32);
        let tick_units = parse_units(text, tick_places.min(SHOWN_PLACES_MAX)).filter(|&units| units > 0);
        let (Ok(tick), Some(tick_units), true) = (text.parse::<f64>(), tick_units, tick_places <= SHOWN_PLACES_MAX)
        else {
            return Err(format!("tick_size `{text}` is not a positive decimal of at most {SHOWN_PLACES_MAX} places"));
        };
        let quantity_shown = config.quantity_decimal_places.unwrap_or(KEPT_PLACES);
        if quantity_shown > SHOWN_PLACES_MAX {
            return Err(format!("quantity_decimal_places {quantity_shown} is more than {SHOWN_PLACES_MAX}"));
        }
        let quantity_places = quantity_shown.max(KEPT_PLACES);
        Ok(Self { tick, tick_units, tick_places, quantity_places, quantity_shown })
    }

    /// The price in ticks, snapped to the nearest as the suite's reference does it; `None` unless it is positive.
    pub(super) fn ticks(&self, price: &str) -> Option<i64> {
        // The same division of the same binary fractions as in the reference, so that ties fall the same way.
        let ticks = (price.parse::<f64>().ok()? / self.tick).round_ties_even();
        (1.0..=TICKS_MAX).contains(&ticks).then_some(ticks as i64)
    }

    /// The quantity in units; `None` unless it is positive and countable.
    pub(super) fn units(&self, quantity: &str) -> Option<u64> {
        parse_units(quantity, self.quantity_places).filter(|&units| units > 0)
    }

    /// A price as the suite writes it.
    pub(super) fn price_text(&self, ticks: i64) -> String {
        let mut text = String::new();
        let units = u128::from(ticks.unsigned_abs()) * u128::from(self.tick_units);
        write_units(units, self.tick_places, self.tick_places, &mut text);
        text
    }

    /// A quantity as the suite writes it.
    pub(super) fn quantity_text(&self, units: u64) -> String {
        let mut text = String::new();
        write_units(units.into(), self.quantity_places, self.quantity_shown, &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn scale(tick: &'static str, places: u32) -> Result<Scale, String> {
        let tick_size = Some(Cow::Borrowed(tick));
        Scale::of(&Config { tick_size, quantity_decimal_places: Some(places), ..Config::default() })
    }

    #[test]
    fn prices_snap_to_the_nearest_tick_and_must_stay_positive() {
        let scale = scale("0.01", 12).expect("a scale");
        for (price, ticks) in [
            ("100", Some(10_000)),
            ("100.004", Some(10_000)),
            ("100.006", Some(10_001)),
            ("0.004", None),
            ("0.005", None),
            ("0.006", Some(1)),
            ("-1", None),
            ("1e300", None),
            ("NaN", None),
            ("x", None),
        ] {
            assert_eq!(scale.ticks(price), ticks, "{price}");
        }
        assert_eq!(scale.price_text(10_001), "100.01");
        assert_eq!(scale.price_text(10_000), "100");
    }

    #[test]
    fn a_tick_need_not_be_a_power_of_ten() {
        let scale = scale("0.25", 2).expect("a scale");
        assert_eq!(scale.ticks("10.3"), Some(41));
        assert_eq!(scale.price_text(41), "10.25");
    }

    #[test]
    fn quantities_keep_every_digit_and_are_shown_with_as_many_as_asked_for() {
        let scale = scale("1", 2).expect("a scale");
        let units = scale.units("0.625").expect("units");
        assert_eq!(scale.quantity_text(units), "0.62", "half to even, as the reference rounds");
        assert_eq!(scale.quantity_text(units * 2), "1.25");
        assert_eq!(scale.units("0"), None);
        assert_eq!(scale.units("1e30"), None);
    }

    #[test]
    fn what_is_not_a_scale_is_refused_by_name() {
        for (tick, places, named) in [("0", 12, "tick_size"), ("x", 12, "tick_size"), ("0.01", 19, "quantity_decimal")]
        {
            let refused = scale(tick, places).expect_err("no scale");
            assert!(refused.contains(named), "{refused}");
        }
    }
}
