//! How the values of a promotion look in JSON and YAML: money as a decimal, times as RFC 3339, hours as `09:30`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::action::Percent;
use super::civil;
use super::names::{CouponCode, Label, PromotionId};
use crate::order::ChargeKind;
use crate::payment::Method;
use crate::{Amount, Currency, CustomerId, SkuId, Timestamp};

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

as_text!(PromotionId, Label, CouponCode, SkuId, CustomerId, Currency);

macro_rules! as_listed {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                let known = <$name>::ALL.iter().find(|(_, name)| *name == text).map(|(value, _)| *value);
                known.ok_or_else(|| {
                    let names = <$name>::ALL.map(|(_, name)| name).join(", ");
                    D::Error::custom(format_args!("`{text}` is none of {names}"))
                })
            }
        }
    )*};
}

as_listed!(Method, ChargeKind);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&civil::print(*self))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        civil::parse(&text).ok_or_else(|| {
            D::Error::custom(format_args!("`{text}` is not a time: write it in UTC, such as 2026-03-01T00:00:00Z"))
        })
    }
}

/// A decimal that is written as a number or as a text. A number is taken as it prints in the fewest digits, which is as
/// it was written up to 15 digits; a longer one has to be a text.
struct Decimal;

impl Visitor<'_> for Decimal {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number such as 19.99")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
        Amount::from_str(text).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Amount, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Amount, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Amount, E> {
        if value.abs() >= 1e11 {
            return Err(E::custom("a number of so many digits is not exact: write it as a text"));
        }
        self.visit_str(&value.to_string())
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Decimal)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(Decimal)?;
        let hundredths = u32::try_from(value.0 / 100).ok().filter(|hundredths| (1..=10_000).contains(hundredths));
        match hundredths {
            Some(hundredths) if value.0 % 100 == 0 => Ok(Self(hundredths)),
            _ => Err(D::Error::custom("a percentage is from 0.01 to 100, with at most two decimals")),
        }
    }
}

/// A minute of the day as `09:30`, up to `24:00`.
pub(super) mod minute {
    use super::{Cow, Deserialize, Deserializer, Error, Serializer};

    pub fn serialize<S: Serializer>(minute: &u16, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02}:{:02}", minute / 60, minute % 60))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom(format_args!("`{text}` is not a time of day such as 09:30")))
    }

    fn parse(text: &str) -> Option<u16> {
        let (hour, minute) = text.split_once(':')?;
        let number = |part: &str| {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<u16>().ok())?
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        (minute < 60 && hour * 60 + minute <= 1_440).then_some(hour * 60 + minute)
    }
}

#[cfg(test)]
#[path = "serial_rules.rs"]
mod rules;
