//! Fields of request bodies whose wrong values have a code of their own.
//!
//! serde knows one kind of error. These types mark theirs in the message, and [`body`](super::body) turns the mark
//! into `quantity_invalid` or `money_invalid` with the path of the field; anything else is `body_invalid`. So a
//! value of another JSON type (a string where a number belongs) is `body_invalid`, and a number that is no quantity
//! is `quantity_invalid`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stockade_domain::{Money, QUANTITY_MAX, Quantity};

use super::problem::Code;

/// Begins the message of a marked error. No message of serde or serde_json begins with a control character.
const QUANTITY_MARK: &str = "\u{1}quantity\u{1}";
const MONEY_MARK: &str = "\u{1}money\u{1}";

/// The code and message that a serde message carries.
pub(super) fn unmark(message: &str) -> (Code, &str) {
    if let Some(rest) = message.strip_prefix(QUANTITY_MARK) {
        (Code::QuantityInvalid, rest)
    } else if let Some(rest) = message.strip_prefix(MONEY_MARK) {
        (Code::MoneyInvalid, rest)
    } else {
        (Code::BodyInvalid, message)
    }
}

/// Units of a SKU: a whole JSON number from 1 to 1,000,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QuantityField(pub Quantity);

/// A correction of stock: a whole JSON number from -1,000,000,000 to 1,000,000,000, not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DeltaField(pub i64);

struct WholeNumber {
    signed: bool,
}

impl WholeNumber {
    fn check<E: Error>(&self, value: i128) -> Result<i64, E> {
        let size = value.unsigned_abs();
        if size == 0 || size > u128::from(QUANTITY_MAX) || (value < 0 && !self.signed) {
            return Err(self.wrong());
        }
        i64::try_from(value).map_err(|_| self.wrong())
    }

    fn wrong<E: Error>(&self) -> E {
        let range = if self.signed { "-1,000,000,000 to 1,000,000,000 except 0" } else { "1 to 1,000,000,000" };
        E::custom(format_args!("{QUANTITY_MARK}send a whole number from {range}"))
    }
}

impl Visitor<'_> for WholeNumber {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
        self.check(i128::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
        self.check(i128::from(value))
    }

    /// Fractions, exponents, and whole numbers too large for 64 bits.
    fn visit_f64<E: Error>(self, _: f64) -> Result<i64, E> {
        Err(self.wrong())
    }
}

impl<'de> Deserialize<'de> for QuantityField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeNumber { signed: false }).map(|value| Self(value.unsigned_abs()))
    }
}

impl<'de> Deserialize<'de> for DeltaField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(WholeNumber { signed: true }).map(Self)
    }
}

/// Money as the contract writes it: `{"amount":"19.99","currency":"GBP"}`.
///
/// The sign is left to whoever knows what the amount is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoneyField(pub Money);

impl Serialize for MoneyField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Money", 2)?;
        fields.serialize_field("amount", &format_args!("{}", self.0.amount))?;
        fields.serialize_field("currency", self.0.currency.as_str())?;
        fields.end()
    }
}

struct MoneyVisitor;

impl<'de> Visitor<'de> for MoneyVisitor {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("money, such as {\"amount\":\"19.99\",\"currency\":\"GBP\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Money, A::Error> {
        let (mut amount, mut currency) = (None, None);
        while let Some(key) = map.next_key::<MoneyKey>()? {
            let (slot, name) = match key {
                MoneyKey::Amount => (&mut amount, "amount"),
                MoneyKey::Currency => (&mut currency, "currency"),
            };
            if slot.replace(map.next_value::<Text<'_>>()?.0).is_some() {
                return Err(A::Error::duplicate_field(name));
            }
        }
        let amount = amount.ok_or_else(|| A::Error::missing_field("amount"))?;
        let currency = currency.ok_or_else(|| A::Error::missing_field("currency"))?;
        let wrong = |error| A::Error::custom(format_args!("{MONEY_MARK}{error}"));
        Ok(Money::new(amount.parse().map_err(wrong)?, currency.parse().map_err(wrong)?))
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum MoneyKey {
    Amount,
    Currency,
}

/// A string that is copied only when it was escaped.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for MoneyField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Money", &["amount", "currency"], MoneyVisitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: for<'de> Deserialize<'de> + fmt::Debug>(json: &str) -> Code {
        unmark(&serde_json::from_str::<T>(json).unwrap_err().to_string()).0
    }

    #[test]
    fn quantities_are_whole_numbers_from_one_to_a_billion() {
        for (json, value) in [("1", 1), ("1000000000", 1_000_000_000)] {
            assert_eq!(serde_json::from_str::<QuantityField>(json).unwrap().0, value);
        }
        for json in ["0", "-1", "1.5", "1.0", "1e3", "1000000001", "18446744073709551616", "-99999999999999999999"] {
            assert_eq!(code::<QuantityField>(json), Code::QuantityInvalid, "{json}");
        }
        for json in ["\"1\"", "null", "true", "[1]", "{}"] {
            assert_eq!(code::<QuantityField>(json), Code::BodyInvalid, "{json}");
        }
    }

    #[test]
    fn corrections_have_a_sign_but_are_never_nothing() {
        for (json, value) in [("-5", -5), ("1000000000", 1_000_000_000), ("-1000000000", -1_000_000_000)] {
            assert_eq!(serde_json::from_str::<DeltaField>(json).unwrap().0, value);
        }
        for json in ["0", "-0", "-0.5", "1000000001", "-1000000001", "-9223372036854775809"] {
            assert_eq!(code::<DeltaField>(json), Code::QuantityInvalid, "{json}");
        }
    }

    #[test]
    fn money_is_an_exact_decimal_string_with_its_currency() {
        let text = r#"{"amount":"19.99","currency":"GBP"}"#;
        let money: MoneyField = serde_json::from_str(text).unwrap();
        assert_eq!(money.0, Money::parse("19.99 GBP").unwrap());
        assert_eq!(serde_json::to_string(&money).unwrap(), text);
        let reordered: MoneyField = serde_json::from_str(r#"{"currency":"GBP","amount":"19.9900"}"#).unwrap();
        assert_eq!(reordered, money);
        let escaped: MoneyField = serde_json::from_str(r#"{"currency":"\u0047BP","amount":"19.99"}"#).unwrap();
        assert_eq!(escaped, money);
    }

    #[test]
    fn what_is_no_amount_or_currency_is_money_invalid() {
        for (amount, currency) in [
            ("19.99999", "GBP"),
            ("", "GBP"),
            ("nineteen", "GBP"),
            ("1e3", "GBP"),
            ("99999999999999999999", "GBP"),
            ("NaN", "GBP"),
            ("1.00", "gbp"),
            ("1.00", "POUND"),
            ("1.00", ""),
        ] {
            let json = serde_json::json!({"amount": amount, "currency": currency}).to_string();
            assert_eq!(code::<MoneyField>(&json), Code::MoneyInvalid, "{json}");
        }
    }

    #[test]
    fn what_does_not_look_like_money_is_body_invalid() {
        for json in [
            "19.99",
            "\"19.99 GBP\"",
            r#"{"amount":19.99,"currency":"GBP"}"#,
            r#"{"amount":"19.99"}"#,
            r#"{"currency":"GBP"}"#,
            r#"{"amount":"19.99","currency":"GBP","cents":1}"#,
            r#"{"amount":"1","amount":"2","currency":"GBP"}"#,
            r#"["19.99","GBP"]"#,
        ] {
            assert_eq!(code::<MoneyField>(json), Code::BodyInvalid, "{json}");
        }
    }
}
