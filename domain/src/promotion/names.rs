//! Names that promotions are made of: their ids, the labels of goods and buyers, coupon codes.

use std::borrow::Borrow;
use std::fmt;

use compact_str::CompactString;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

/// Why a text is not such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: {wanted}")]
pub struct LabelError {
    kind: &'static str,
    wanted: &'static str,
    text: String,
}

fn promotion_id(text: &str) -> Option<CompactString> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
    ((1..=64).contains(&text.len()) && text.bytes().all(fine)).then(|| CompactString::new(text))
}

fn label(text: &str) -> Option<CompactString> {
    let fine = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control) && text.trim() == text;
    fine.then(|| CompactString::new(text))
}

/// Buyers type codes: case and outer blanks mean nothing.
fn coupon_code(text: &str) -> Option<CompactString> {
    let text = text.trim();
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    ((1..=64).contains(&text.len()) && text.bytes().all(fine)).then(|| CompactString::from(text.to_ascii_uppercase()))
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $check:ident, $kind:literal, $wanted:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(CompactString);

        impl $name {
            /// Checks the text and keeps it.
            pub fn new(text: impl AsRef<str>) -> Result<Self, LabelError> {
                let text = text.as_ref();
                let wrong = || LabelError { kind: $kind, wanted: $wanted, text: text.chars().take(80).collect() };
                $check(text).map(Self).ok_or_else(wrong)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = LabelError;

            fn from_str(text: &str) -> Result<Self, LabelError> {
                Self::new(text)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                Self::new(d.str()?).map_err(DecodeError::message)
            }
        }
    )*};
}

texts! {
    /// A promotion.
    PromotionId, promotion_id, "promotion id", "use 1 to 64 of A-Z a-z 0-9 . _ : -";
    /// What goods and buyers are called: a category, a brand, a tier, a region, a channel, a batch of coupons, a
    /// lane; case-sensitive.
    Label, label, "label", "use 1 to 128 bytes without control characters and outer blanks";
    /// A coupon's code, in capitals.
    CouponCode, coupon_code, "coupon code", "use 1 to 64 of A-Z 0-9 - _";
}
