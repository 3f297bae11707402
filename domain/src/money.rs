//! Money: ten-thousandths of a currency's major unit in an `i64`, with checked arithmetic.
//!
//! Unit prices keep four decimals. What is charged, refunded or posted is rounded to the currency's minor unit
//! (half away from zero, as shops round), and the ledger books the difference as `rounding`, so nothing is lost.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

/// Ten-thousandths in one major unit.
pub const SCALE: i64 = 10_000;

/// Why a text or a calculation is not money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("`{0}` is not an amount: write digits with at most four decimals, such as 19.99")]
    NotAnAmount(String),
    /// Not three capital letters.
    #[error("`{0}` is not a currency: write its three-letter ISO 4217 code, such as EUR")]
    NotACurrency(String),
    /// Larger than the engine can count.
    #[error("the amount is too large: it must stay below 922 trillion")]
    TooLarge,
}

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Before every currency.
    pub(crate) const MIN: Self = Self([0; 3]);
}

/// Currencies whose minor unit is not a hundredth, with their decimals (ISO 4217, table A.1).
const MINOR_DIGITS: &[(&[u8; 3], u32)] = &[
    (b"BHD", 3),
    (b"BIF", 0),
    (b"CLF", 4),
    (b"CLP", 0),
    (b"DJF", 0),
    (b"GNF", 0),
    (b"IQD", 3),
    (b"ISK", 0),
    (b"JOD", 3),
    (b"JPY", 0),
    (b"KMF", 0),
    (b"KRW", 0),
    (b"KWD", 3),
    (b"LYD", 3),
    (b"OMR", 3),
    (b"PYG", 0),
    (b"RWF", 0),
    (b"TND", 3),
    (b"UGX", 0),
    (b"UYI", 0),
    (b"UYW", 4),
    (b"VND", 0),
    (b"VUV", 0),
    (b"XAF", 0),
    (b"XOF", 0),
    (b"XPF", 0),
];

impl Currency {
    /// Decimals of the minor unit: 2 for most, 0 for JPY, 3 for KWD.
    pub fn minor_digits(self) -> u32 {
        if matches!(&self.0, b"EUR" | b"GBP" | b"USD") {
            return 2;
        }
        MINOR_DIGITS.iter().find(|(code, _)| **code == self.0).map_or(2, |(_, digits)| *digits)
    }

    /// The minor unit in ten-thousandths: 100 for a cent.
    pub fn minor_unit(self) -> i64 {
        10i64.pow(4 - self.minor_digits())
    }

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is three ASCII letters")
    }

    /// The three bytes.
    pub const fn bytes(self) -> [u8; 3] {
        self.0
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(MoneyError::NotACurrency(text.chars().take(16).collect())),
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<C> Encode<C> for Currency {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(self.as_str())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Currency {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.str()?.parse().map_err(DecodeError::message)
    }
}

/// An amount in ten-thousandths of some currency's major unit; signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Amount(#[n(0)] pub i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The sum, or nothing when it overflows.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or nothing when it overflows.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// This unit price times a quantity, or nothing when it overflows.
    pub fn checked_times(self, quantity: u64) -> Option<Self> {
        self.0.checked_mul(i64::try_from(quantity).ok()?).map(Self)
    }

    /// Rounded to the minor unit of `currency`, half away from zero; nothing when it overflows.
    pub fn rounded(self, currency: Currency) -> Option<Self> {
        let unit = currency.minor_unit();
        let shifted = if self.0 >= 0 { self.0.checked_add(unit / 2)? } else { self.0.checked_sub(unit / 2)? };
        Some(Self(shifted / unit * unit))
    }

    /// Whether it has no more decimals than the currency's minor unit.
    pub fn is_rounded(self, currency: Currency) -> bool {
        self.0 % currency.minor_unit() == 0
    }

    /// Below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The smaller of two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }
}

impl std::ops::Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl FromStr for Amount {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError::NotAnAmount(text.chars().take(32).collect());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > 4 {
            return Err(wrong());
        }
        let major: i64 = whole.parse().map_err(|_| MoneyError::TooLarge)?;
        let minor: i64 = fraction.parse::<i64>().map_err(|_| wrong())? * 10i64.pow(4 - fraction.len() as u32);
        let value = major.checked_mul(SCALE).and_then(|m| m.checked_add(minor)).ok_or(MoneyError::TooLarge)?;
        Ok(Self(if negative { -value } else { value }))
    }
}

impl fmt::Display for Amount {
    /// At least two decimals, at most the four there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, value) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (major, fraction) = (value / SCALE as u64, value % SCALE as u64);
        match fraction {
            _ if fraction % 100 == 0 => write!(f, "{sign}{major}.{:02}", fraction / 100),
            _ if fraction % 10 == 0 => write!(f, "{sign}{major}.{:03}", fraction / 10),
            _ => write!(f, "{sign}{major}.{fraction:04}"),
        }
    }
}

/// An amount with its currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Money {
    /// How much.
    #[n(0)]
    pub amount: Amount,
    /// Of what.
    #[n(1)]
    pub currency: Currency,
}

impl Money {
    /// Puts an amount and a currency together.
    pub const fn new(amount: Amount, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Reads `"9.99 EUR"`.
    ///
    /// ```
    /// use stockade_domain::Money;
    /// assert_eq!(Money::parse("9.99 EUR").unwrap().to_string(), "9.99 EUR");
    /// assert!(Money::parse("9.99999 EUR").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (amount, currency) =
            text.trim().split_once(' ').ok_or_else(|| MoneyError::NotAnAmount(text.chars().take(32).collect()))?;
        Ok(Self { amount: amount.parse()?, currency: currency.trim_start().parse()? })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What the `k` units `from + 1 ..= from + k` out of `n` cost when the line's net is `net`: each returned unit
/// refunds `floor(k T / n) - floor((k - 1) T / n)` minor units, so all of them refund exactly `net`, which is whole minor
/// units itself.
pub fn share_of_units(net: Amount, n: u64, from: u64, k: u64, currency: Currency) -> Amount {
    assert!(n > 0 && from + k <= n, "a share is of units that exist");
    if k == 0 {
        return Amount::ZERO;
    }
    if k == n {
        return net;
    }
    let unit = i128::from(currency.minor_unit());
    let total = i128::from(net.0) / unit;
    let upto = |units: u64| (total * i128::from(units)).div_euclid(i128::from(n));
    let minor = upto(from + k) - upto(from);
    Amount(i64::try_from(minor * unit).expect("a share is not larger than the whole"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_read_and_print_exactly() {
        for (text, value, printed) in [
            ("0", 0, "0.00"),
            ("19.99", 199_900, "19.99"),
            ("0.001", 10, "0.001"),
            ("-0.0001", -1, "-0.0001"),
            ("7.5", 75_000, "7.50"),
            ("922337203685477.5807", i64::MAX, "922337203685477.5807"),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(amount.0, value, "{text}");
            assert_eq!(amount.to_string(), printed);
        }
        for text in ["", ".", "1.", ".5", "1.23456", "1e3", "+1", "1,5", "--1", "NaN", " 1"] {
            assert!(matches!(text.parse::<Amount>(), Err(MoneyError::NotAnAmount(_))), "{text}");
        }
        assert_eq!("922337203685477.5808".parse::<Amount>(), Err(MoneyError::TooLarge));
    }

    #[test]
    fn rounding_is_half_away_from_zero_in_the_currencys_minor_unit() {
        let (eur, jpy, kwd): (Currency, Currency, Currency) =
            ("EUR".parse().unwrap(), "JPY".parse().unwrap(), "KWD".parse().unwrap());
        for (value, currency, rounded) in [
            (12_349, eur, 12_300),
            (12_350, eur, 12_400),
            (-12_350, eur, -12_400),
            (14_999, jpy, 10_000),
            (15_000, jpy, 20_000),
            (12_345, kwd, 12_350),
        ] {
            assert_eq!(Amount(value).rounded(currency), Some(Amount(rounded)));
        }
        assert_eq!(Amount(i64::MAX).rounded(eur), None);
    }

    #[test]
    fn money_prints_its_amount_and_its_currency_and_is_read_again() {
        for text in ["9.99 EUR", "-0.5000 JPY", "1.2345 KWD"] {
            let money = Money::parse(text).unwrap();
            assert_eq!(Money::parse(&money.to_string()), Ok(money));
            assert_eq!(format!("{money:?}"), money.to_string());
        }
        assert_eq!(Money::parse("9.99 EUR").unwrap().to_string(), "9.99 EUR");
        for text in ["9.99", "EUR 9.99", "9.99 eur", "9.99 EURO"] {
            assert!(Money::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sums_and_products_that_cannot_be_counted_are_nothing() {
        let (most, one) = (Amount(i64::MAX), Amount(1));
        assert_eq!((one.checked_add(one), most.checked_add(one)), (Some(Amount(2)), None));
        assert_eq!((one.checked_sub(one), Amount(i64::MIN).checked_sub(one)), (Some(Amount(0)), None));
        assert_eq!((Amount(3).checked_times(4), most.checked_times(2)), (Some(Amount(12)), None));
        assert_eq!(one.checked_times(u64::MAX), None);
        assert_eq!((one.min(most), most.min(one), -one), (one, one, Amount(-1)));
        assert!(Amount(-1).is_negative() && !Amount(0).is_negative());
    }

    #[test]
    fn a_share_of_units_is_the_difference_of_what_they_cost_up_to_there() {
        let eur: Currency = "EUR".parse().unwrap();
        let shares = |net, n| (0..n).map(|at| share_of_units(Amount(net), n, at, 1, eur).0).collect::<Vec<_>>();
        assert_eq!(shares(100_000, 3), [33_300, 33_300, 33_400], "10.00 over three units");
        assert_eq!(shares(200, 4), [0, 100, 0, 100]);
        assert_eq!(share_of_units(Amount(100_000), 3, 1, 2, eur), Amount(66_700));
        assert_eq!(share_of_units(Amount(100_000), 3, 2, 0, eur), Amount(0));
        assert_eq!(share_of_units(Amount(50), 1, 0, 1, "JPY".parse().unwrap()), Amount(50), "all of it is all of it");
    }

    proptest! {
        #[test]
        fn shares_of_all_units_sum_to_the_whole(cents in 0i64..1_000_000, n in 1u64..500, cut in 0u64..500) {
            let eur: Currency = "EUR".parse().unwrap();
            let net = Amount(cents * 100);
            let cut = cut % (n + 1);
            let first = share_of_units(net, n, 0, cut, eur);
            let rest = share_of_units(net, n, cut, n - cut, eur);
            prop_assert_eq!(first.0 + rest.0, net.0);
            prop_assert!(first.0 >= 0 && rest.0 >= 0);
        }

        #[test]
        fn printing_then_reading_gives_the_same_amount(value in any::<i64>().prop_filter("has a positive twin", |v| *v != i64::MIN)) {
            prop_assert_eq!(Amount(value).to_string().parse::<Amount>().unwrap(), Amount(value));
        }
    }
}
