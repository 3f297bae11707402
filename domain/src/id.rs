//! Identities: UUIDv7, made by the client or by the engine.
//!
//! An id is the idempotency key of the command that makes the thing. Its first 48 bits are a time in
//! milliseconds (RFC 9562, section 5.7), so an unknown id that claims to be older than the retention window can
//! be refused without looking anywhere.

use std::fmt;

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::{Refusal, SkuId, Timestamp};

/// Bits of an id that decide its partition; a payment shares them with its order.
const ROUTE_BITS: u32 = 16;

/// Builds a version-7 id from a time and 74 bits of entropy.
const fn uuid_v7(time: Timestamp, entropy: u128) -> u128 {
    let millis = (time.0 / 1000) as u128 & 0xFFFF_FFFF_FFFF;
    let rand_a = (entropy >> 62) & 0xFFF;
    let rand_b = entropy & 0x3FFF_FFFF_FFFF_FFFF;
    millis << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Makes an id for this time from 74 bits of entropy (more are ignored).
            pub const fn new(time: Timestamp, entropy: u128) -> Self {
                Self(uuid_v7(time, entropy))
            }

            /// Reads a hyphenated UUIDv7; anything else is refused with `id_invalid`.
            pub fn parse(text: &str) -> Result<Self, Refusal> {
                match uuid::Uuid::try_parse(text) {
                    Ok(id) if id.get_version_num() == 7 && text.len() == 36 => Ok(Self(id.as_u128())),
                    _ => Err(Refusal::IdInvalid { id: text.chars().take(80).collect() }),
                }
            }

            /// The 16 bytes, big endian: they sort by time.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// The reverse of `to_bytes`; the bytes are trusted.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// The time it claims to be made, to the millisecond.
            pub const fn time(self) -> Timestamp {
                Timestamp((self.0 >> 80) as i64 * 1000)
            }

            /// A number that spreads ids evenly over partitions.
            pub const fn route(self) -> u64 {
                (self.0 & ((1 << ROUTE_BITS) - 1)) as u64
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.to_bytes())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                let bytes = d.bytes()?.try_into().map_err(|_| DecodeError::message("an id has 16 bytes"))?;
                Ok(Self::from_bytes(bytes))
            }
        }
    )*};
}

ids! {
    /// An order.
    OrderId;
    /// A payment of an order.
    PaymentId;
    /// An order of a SKU's book: an offer, a bid, or what a shop's order takes from the book.
    BookOrderId;
}

impl From<BookOrderId> for OrderId {
    /// The order that would take from a book under this name.
    fn from(id: BookOrderId) -> Self {
        Self(id.0)
    }
}

impl From<OrderId> for BookOrderId {
    /// The name under which an order takes from a book.
    fn from(order: OrderId) -> Self {
        Self(order.0)
    }
}

/// An odd constant: multiplying by it is a bijection that spreads what differs in few bits.
const SPREAD: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

/// Bits that follow from a bid of a SKU and whatever else tells two things of it apart. The same id may be used for a bid
/// of every SKU, and bidders choose their ids; nobody chooses these.
fn derived(sku: &SkuId, bid: BookOrderId, parts: &[u64]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bid.to_bytes());
    for part in parts {
        hasher.update(&part.to_be_bytes());
    }
    // The only part of varying length comes last.
    hasher.update(sku.as_str().as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_be_bytes(first)
}

impl OrderId {
    /// The id of the order that a fill of a bid makes: derived, so that a replayed decision names the same order; it
    /// lives in the partition `route`, which is that of the SKU.
    pub fn of_bid(sku: &SkuId, bid: BookOrderId, fill: u64, now: Timestamp, route: u16) -> Self {
        let derived = derived(sku, bid, &[fill, now.0 as u64]);
        Self(uuid_v7(now, (derived << ROUTE_BITS) | u128::from(route)))
    }
}

impl PaymentId {
    /// The id of an order's `n`-th payment: derived, so that a replayed or retried decision names the same
    /// payment, and so that it lives in its order's partition.
    pub const fn of_order(order: OrderId, n: u32, attempt_time: Timestamp) -> Self {
        let route = order.0 & ((1 << ROUTE_BITS) - 1);
        // Different n and times give different ids of one order.
        let mixed = (order.0 >> ROUTE_BITS ^ (n as u128) << 24 ^ attempt_time.0 as u128).wrapping_mul(SPREAD);
        Self(uuid_v7(attempt_time, (mixed >> 40 << ROUTE_BITS) | route))
    }

    /// The name under which a wallet sets money aside for a bid.
    pub fn of_bid(sku: &SkuId, bid: BookOrderId) -> Self {
        Self(uuid_v7(bid.time(), derived(sku, bid, &[])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_reads_and_knows_its_time() {
        let id = OrderId::new(Timestamp(1_700_000_000_123_456), u128::MAX);
        assert_eq!(OrderId::parse(&id.to_string()), Ok(id));
        assert_eq!(id.time(), Timestamp(1_700_000_000_123_000));
        assert_eq!(OrderId::from_bytes(id.to_bytes()), id);
    }

    /// RFC 9562, figure 11: 48 bits of milliseconds, the version, 12 bits, the variant, 62 bits.
    #[test]
    fn an_id_is_its_time_its_version_and_its_entropy() {
        let bits = |time, entropy| format!("{:032x}", uuid_v7(Timestamp(time), entropy));
        assert_eq!(bits(0, 0), "00000000000070008000000000000000");
        assert_eq!(bits(0x0123_4567_89ab * 1_000 + 999, 0), "0123456789ab70008000000000000000");
        assert_eq!(bits(0, 0xabc << 62), "0000000000007abc8000000000000000");
        assert_eq!(bits(0, 0x2345_6789_abcd_ef01), "0000000000007000a3456789abcdef01", "62 bits of it");
        assert_eq!(bits(0, u128::MAX), "0000000000007fffbfffffffffffffff");
    }

    /// A derived id is a gateway's idempotency key and a name in the journal: another engine derives the same one.
    #[test]
    fn derived_ids_are_what_they_have_always_been() {
        let (start, order) = (Timestamp(1_700_000_000_000_000), OrderId::new(Timestamp(1_700_000_000_000_000), 7));
        let ids = [(0, start), (1, start), (0, start.plus_seconds(60))]
            .map(|(n, time)| PaymentId::of_order(order, n, time).to_string());
        assert_eq!(
            ids,
            [
                "018bcfe5-6800-74c3-9678-1de4b3ff0007",
                "018bcfe5-6800-751b-8a14-de4510ed0007",
                "018bcfe6-5260-7bea-bbc4-d92692f60007",
            ]
        );
    }

    #[test]
    fn only_a_hyphenated_version_7_is_an_id() {
        for text in ["", "x", "00000000-0000-4000-8000-000000000000", "018bcfe5687b7fff8fffffffffffffff"] {
            assert!(matches!(OrderId::parse(text), Err(Refusal::IdInvalid { .. })), "{text}");
        }
    }

    #[test]
    fn payments_of_an_order_differ_and_share_its_partition() {
        let order = OrderId::new(Timestamp(1_700_000_000_000_000), 0xABCD_EF01_2345_6789);
        let ids: std::collections::BTreeSet<_> =
            (0..100).map(|n| PaymentId::of_order(order, n, Timestamp(1_700_000_000_000_000))).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| id.route() == order.route()));
    }
}
