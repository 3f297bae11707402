//! Names that callers choose: SKUs, customers, locations, lots.

use std::borrow::Borrow;
use std::fmt;

use compact_str::CompactString;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

/// The longest name, in bytes.
pub const NAME_LENGTH_MAX: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}: use 1 to 64 of A-Z a-z 0-9 . _ : -{extra}")]
pub struct NameError {
    kind: &'static str,
    extra: &'static str,
    text: String,
}

/// Which bytes every name may have.
static ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        allowed[byte] = b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        byte += 1;
    }
    allowed
};

fn check(kind: &'static str, extra: &'static str, text: &str) -> Result<(), NameError> {
    let allowed = |b: u8| ALLOWED[b as usize] || extra.as_bytes().contains(&b);
    if text.is_empty() || text.len() > NAME_LENGTH_MAX || !text.bytes().all(allowed) {
        return Err(NameError { kind, extra, text: text.chars().take(80).collect() });
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $extra:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(CompactString);

        impl $name {
            /// Checks the text and keeps it.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                check($kind, $extra, text)?;
                Ok(Self(CompactString::new(text)))
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
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;

            fn try_from(text: &str) -> Result<Self, NameError> {
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

names! {
    /// A stock keeping unit; case-sensitive.
    SkuId, "SKU", "";
    /// A customer, or the purchaser key of a guest.
    CustomerId, "customer", " @+";
    /// A place where stock lies.
    Location, "location", " ";
    /// A lot: units with one expiry date.
    Lot, "lot", " ";
}

impl Location {
    /// Where stock lies when the caller names no place.
    pub fn main() -> Self {
        Self(CompactString::const_new("main"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_is_1_to_64_of_the_allowed_characters() {
        for good in ["a", "SKU-1", "85123A", "a.b_c:d-e", &"x".repeat(64)] {
            assert!(SkuId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(SkuId::new(bad).is_err(), "{bad}");
        }
        assert!(CustomerId::new("ann@example.org").is_ok());
    }
}
