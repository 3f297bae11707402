//! Who is let in when goods are scarce: the rule by which stock that comes free reaches those who wait.
//!
//! | rule | while stock is short |
//! |---|---|
//! | first come, first served (none named) | backorders are filled in turn, in part if need be |
//! | waiting list | an order waits without holding anything; freed units are offered to the next in line, whole, for a limited time |
//! | pro rata | what comes in is shared among all backorders by largest remainder |
//! | lottery | entries are taken for a time; a draw that anybody can repeat puts them in line |
//!
//! The lottery is a commitment and its revelation: the hash of a seed is published with the definition, entries are
//! taken from `opens_at` until `closes_at`, and then the seed is revealed. Each entry's place is the keyed hash of its
//! order's id under the seed, so whoever published the commitment could not choose it, and whoever entered could not
//! know it. Both are in the journal: anybody can draw again.

use minicbor::{Decode, Encode};

use super::definition::Definition;
use super::state::Stock;
use crate::{OrderId, Quantity, Refusal, Timestamp};

/// 32 bytes: a lottery's seed, or the hash that commits to it.
pub type Digest = [u8; 32];

/// The rule of a SKU; without one it is first come, first served.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Admission {
    /// Freed units are offered to the next in line for so long.
    #[n(0)]
    WaitingList {
        /// How long an offer stands.
        #[n(0)]
        offer_seconds: u32,
    },
    /// A restock is shared among all who wait.
    #[n(1)]
    ProRata,
    /// Entries are drawn.
    #[n(2)]
    Lottery(#[n(0)] Lottery),
}

/// A draw among all who entered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Lottery {
    /// Entries are taken from here.
    #[n(0)]
    pub opens_at: Timestamp,
    /// And no more from here on.
    #[n(1)]
    pub closes_at: Timestamp,
    /// The hash of the seed.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub seed_commitment: Digest,
    /// Whether those who won nothing are turned away; otherwise they wait in the order of the draw.
    #[n(3)]
    pub refuse_losers: bool,
}

impl Lottery {
    /// What is published for a seed.
    pub fn commitment_to(seed: &Digest) -> Digest {
        *blake3::hash(seed).as_bytes()
    }

    /// Where an entry stands in the draw: the lowest comes first.
    pub fn ticket(seed: &Digest, order: OrderId) -> Digest {
        *blake3::keyed_hash(seed, &order.to_bytes()).as_bytes()
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.closes_at <= self.opens_at {
            return Err(Refusal::BodyInvalid { field: "admission", why: "`closes_at` comes after `opens_at`".into() });
        }
        Ok(())
    }
}

impl Admission {
    /// The public name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WaitingList { .. } => "waiting_list",
            Self::ProRata => "pro_rata",
            Self::Lottery(_) => "lottery",
        }
    }

    /// Whether orders wait without holding anything and are offered whole what comes free.
    pub const fn offers(&self) -> bool {
        matches!(self, Self::WaitingList { .. } | Self::Lottery(_))
    }

    /// Refuses a rule that makes no sense.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::WaitingList { offer_seconds: 0 } => {
                Err(Refusal::BodyInvalid { field: "admission", why: "`offer_seconds` is at least 1".into() })
            }
            Self::Lottery(lottery) => lottery.check(),
            Self::WaitingList { .. } | Self::ProRata => Ok(()),
        }
    }
}

/// What a SKU does with new demand now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Fills it from what is free.
    Open,
    /// Fills it whole from what is free, or lets it wait.
    Offers,
    /// Lets it wait for the draw.
    Entry,
}

/// How new demand is let in at `now`.
pub(super) fn door(stock: &Stock, definition: &Definition, now: Timestamp) -> Result<Door, Refusal> {
    let shut = |status| Err(Refusal::SkuNotSellable { sku: stock.sku.clone(), status });
    match definition.admission.as_deref() {
        None | Some(Admission::ProRata) => Ok(Door::Open),
        Some(Admission::WaitingList { .. }) => Ok(Door::Offers),
        Some(Admission::Lottery(lottery)) if stock.has_drawn(lottery) => Ok(Door::Offers),
        Some(Admission::Lottery(lottery)) if now < lottery.opens_at => shut("not open for entries yet"),
        Some(Admission::Lottery(lottery)) if now >= lottery.closes_at => shut("closed until its draw"),
        Some(Admission::Lottery(_)) => Ok(Door::Entry),
    }
}

/// Shares `units` among claims in proportion to them: everybody gets the floor of his part, and what is left goes one
/// by one to the largest remainders, the earlier claim first when they are equal.
pub fn largest_remainder(units: Quantity, claims: &[Quantity]) -> Vec<Quantity> {
    let sum: u128 = claims.iter().map(|claim| u128::from(*claim)).sum();
    if u128::from(units) >= sum {
        return claims.to_vec();
    }
    let part = |claim: Quantity| u128::from(units) * u128::from(claim);
    let mut shares: Vec<Quantity> = claims.iter().map(|claim| (part(*claim) / sum) as Quantity).collect();
    let left = units - shares.iter().sum::<Quantity>();
    let mut by_remainder: Vec<usize> = (0..claims.len()).collect();
    // A division of 128 bits is dear: each is done once.
    by_remainder.sort_by_cached_key(|index| (std::cmp::Reverse(part(claims[*index]) % sum), *index));
    by_remainder.into_iter().take(left as usize).for_each(|index| shares[index] += 1);
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_restock_is_shared_by_largest_remainder_and_ties_go_to_the_earlier() {
        for (units, claims, expected) in [
            (10, &[5, 3, 2][..], &[5, 3, 2][..]),
            (99, &[5, 3, 2], &[5, 3, 2]),
            (5, &[5, 3, 2], &[3, 1, 1]),
            (1, &[4, 4, 4], &[1, 0, 0]),
            (2, &[1, 1, 1], &[1, 1, 0]),
            (0, &[1, 1], &[0, 0]),
            (7, &[], &[]),
        ] {
            assert_eq!(largest_remainder(units, claims), expected, "{units} among {claims:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_use_every_unit_and_nobody_is_off_his_part_by_a_whole_one(
            units in 0..10_000u64,
            claims in proptest::collection::vec(1..crate::QUANTITY_MAX, 0..20),
        ) {
            let shares = largest_remainder(units, &claims);
            let sum: u64 = claims.iter().sum();
            prop_assert_eq!(shares.iter().sum::<u64>(), units.min(sum));
            for (share, claim) in shares.iter().zip(&claims) {
                let exact = if units >= sum { *claim as f64 } else { units as f64 * *claim as f64 / sum as f64 };
                prop_assert!((*share as f64 - exact).abs() < 1.0 + 1e-6 && share <= claim);
            }
        }
    }

    #[test]
    fn a_draw_can_be_repeated_by_anybody_who_knows_the_seed() {
        let seed = [7; 32];
        let order = OrderId::new(Timestamp(1), 1);
        let mut again = blake3::Hasher::new_keyed(&seed);
        again.update(&order.to_bytes());
        assert_eq!(Lottery::ticket(&seed, order), *again.finalize().as_bytes());
        assert_ne!(Lottery::ticket(&[8; 32], order), Lottery::ticket(&seed, order));
        assert_eq!(Lottery::commitment_to(&seed), *blake3::hash(&[7; 32]).as_bytes());
    }
}
