//! Serial numbers of an offer's units: each unit has one, and whoever gets the unit gets its number.
//!
//! A fill takes the first numbers that are free, in the order of the offer. What is shipped leaves a fill from the front,
//! what is given back from the end; numbers of units that end, or do not come back to their offer, are withdrawn with
//! them. All of it follows from what happens in the book.

use compact_str::CompactString;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::{Quantity, Refusal};

/// The longest serial number, in bytes.
const LENGTH_MAX: usize = 64;
/// The most units of an offer with serial numbers.
const UNITS_MAX: usize = 10_000;

/// A serial number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(CompactString);

impl Serial {
    /// Checks the text and keeps it.
    pub fn new(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.len() > LENGTH_MAX || text.chars().any(char::is_control) {
            let why = format!("a serial number is 1 to {LENGTH_MAX} bytes of text");
            return Err(Refusal::BodyInvalid { field: "serials", why });
        }
        Ok(Self(CompactString::new(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<C> Encode<C> for Serial {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Serial {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Ok(Self(CompactString::new(d.str()?)))
    }
}

/// The numbers of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Serials {
    /// All of them, in the seller's order.
    #[n(0)]
    names: Vec<Serial>,
    /// Those of open units, by place in `names`, rising.
    #[n(1)]
    free: Vec<u32>,
}

impl Serials {
    pub(super) fn new(names: &[Serial]) -> Self {
        Self { names: names.to_vec(), free: (0..names.len() as u32).collect() }
    }

    /// Refuses numbers that are not those of so many units.
    pub(super) fn check(names: &[Serial], quantity: Quantity) -> Result<(), Refusal> {
        let invalid = |why: String| Err(Refusal::BodyInvalid { field: "serials", why });
        if names.len() > UNITS_MAX {
            return invalid(format!("an offer with serial numbers has at most {UNITS_MAX} units"));
        }
        if names.len() as u64 != quantity {
            return invalid(format!("{quantity} units have {quantity} serial numbers"));
        }
        let mut sorted: Vec<&Serial> = names.iter().collect();
        sorted.sort();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => invalid(format!("`{}` is named twice", pair[0].as_str())),
            None => Ok(()),
        }
    }

    /// A fill takes the first that are free.
    pub(super) fn take(&mut self, quantity: Quantity) -> Vec<u32> {
        self.free.drain(..quantity as usize).collect()
    }

    /// They are free again.
    pub(super) fn put_back(&mut self, places: &[u32]) {
        self.free.extend(places);
        self.free.sort_unstable();
    }

    /// The last that are free are withdrawn.
    pub(super) fn withdraw(&mut self, quantity: Quantity) {
        self.free.truncate(self.free.len() - quantity as usize);
    }

    /// All that it remembers.
    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    /// How many are free.
    pub(super) fn free(&self) -> Quantity {
        self.free.len() as u64
    }

    /// Those of open units.
    pub fn open(&self) -> impl Iterator<Item = &Serial> {
        self.named(&self.free)
    }

    pub(super) fn named<'a>(&'a self, places: &'a [u32]) -> impl Iterator<Item = &'a Serial> {
        places.iter().map(|place| &self.names[*place as usize])
    }
}
