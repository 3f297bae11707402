//! Coupon codes in bulk: a batch is a prefix, a secret seed and a count, and its codes need not be listed anywhere.
//!
//! ```text
//!   SPRING-4KQ9T-7HXW2C8-D
//!   prefix │     │       └ check character: a mistyped or swapped character is noticed at the till
//!          │     └ seal: a keyed hash of prefix and number, so codes cannot be guessed (1 in 17 billion a try)
//!          └ number in the batch, scattered by the seed
//! ```
//!
//! The alphabet has 29 characters, without those that are read or heard as another: no 0 O, 1 I L, U V, 2 Z (2 stays).
//! 29 is prime, so the weighted sum that the check character completes notices every single wrong character and every
//! swap of two neighbours (the argument of ISBN-10).

use super::names::{CouponCode, Label, LabelError};

const ALPHABET: &[u8; 29] = b"23456789ABCDEFGHJKMNPQRSTVWXY";
const BASE: u64 = 29;
const NUMBER_LENGTH: usize = 5;
const SEAL_LENGTH: usize = 7;
/// Codes of one batch at most: 29 to the fifth.
pub const BATCH_MAX: u64 = 20_511_149;
const PREFIX_MAX: usize = 24;

/// A batch of codes.
#[derive(Clone, PartialEq, Eq)]
pub struct CouponBatch {
    name: Label,
    prefix: String,
    seed: [u8; 32],
    count: u64,
    step: u64,
    start: u64,
}

impl std::fmt::Debug for CouponBatch {
    /// Without the seed, from which all codes can be made.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CouponBatch({}, {} codes {}-…)", self.name, self.count, self.prefix)
    }
}

impl CouponBatch {
    /// A batch of `count` codes that begin with `prefix`, from 32 bytes of entropy, which are secret. The prefix is up
    /// to 24 letters, digits and dashes; the count at most [`BATCH_MAX`].
    pub fn new(name: Label, prefix: &str, count: u64, seed: [u8; 32]) -> Result<Self, LabelError> {
        let prefix = CouponCode::new(if prefix.len() <= PREFIX_MAX { prefix } else { "" })?.as_str().to_owned();
        let scatter = blake3::derive_key("stockade coupon batch: scatter numbers", &seed);
        let word = |at: usize| u64::from_le_bytes(scatter[at..at + 8].try_into().expect("eight bytes")) % BATCH_MAX;
        // A step that is no multiple of 29 visits every number once.
        let step = word(0) / BASE * BASE + 1 + word(8) % (BASE - 1);
        Ok(Self { name, prefix, seed, count: count.min(BATCH_MAX), step, start: word(16) })
    }

    /// What promotions call it.
    pub fn name(&self) -> &Label {
        &self.name
    }

    /// How many codes it has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The code of a number below the count.
    pub fn code(&self, number: u64) -> Option<CouponCode> {
        (number < self.count).then(|| self.write(number))
    }

    /// All codes, in the order of their numbers.
    pub fn codes(&self) -> impl Iterator<Item = CouponCode> + '_ {
        (0..self.count).map(|number| self.write(number))
    }

    /// The number of a code, if it is one of this batch.
    pub fn number(&self, code: &CouponCode) -> Option<u64> {
        let rest = code.as_str().strip_prefix(&self.prefix)?.strip_prefix('-')?;
        let scattered = rest.get(..NUMBER_LENGTH)?.bytes().try_fold(0, |sum, byte| Some(sum * BASE + value(byte)?))?;
        // The inverse of scattering: few steps by the extended algorithm of Euclid.
        let distance = (scattered + BATCH_MAX - self.start) % BATCH_MAX;
        let number = (u128::from(distance) * u128::from(inverse(self.step, BATCH_MAX)) % u128::from(BATCH_MAX)) as u64;
        (number < self.count && self.write(number) == *code).then_some(number)
    }

    fn write(&self, number: u64) -> CouponCode {
        let scattered =
            ((u128::from(number) * u128::from(self.step) + u128::from(self.start)) % u128::from(BATCH_MAX)) as u64;
        let mut sealed = blake3::Hasher::new_keyed(&self.seed);
        sealed.update(self.prefix.as_bytes()).update(&number.to_le_bytes());
        let seal = u64::from_le_bytes(sealed.finalize().as_bytes()[..8].try_into().expect("eight bytes"));
        let mut text = format!("{}-{}-{}-", self.prefix, digits(scattered, NUMBER_LENGTH), digits(seal, SEAL_LENGTH));
        text.push(char::from(check_character(&text)));
        CouponCode::new(text).expect("prefix, letters, digits and dashes are a code")
    }
}

/// Whether the check character of a generated code fits: what a form can tell before it asks.
pub fn is_well_typed(code: &CouponCode) -> bool {
    match code.as_str().as_bytes() {
        [rest @ .., check] => std::str::from_utf8(rest).is_ok_and(|rest| check_character(rest) == *check),
        [] => false,
    }
}

fn value(byte: u8) -> Option<u64> {
    ALPHABET.iter().position(|known| *known == byte).map(|at| at as u64)
}

fn digits(mut number: u64, length: usize) -> String {
    let mut text = vec![0; length];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(number % BASE) as usize];
        number /= BASE;
    }
    text.into_iter().map(char::from).collect()
}

/// Completes the weighted sum of the characters of the alphabet to a multiple of 29; weights 1 to 28 repeat only in
/// codes longer than any that are made. Characters outside the alphabet, which only prefixes have, do not count.
fn check_character(text: &str) -> u8 {
    let values = text.bytes().rev().filter_map(value);
    let sum: u64 = values.zip((2..BASE).cycle()).map(|(value, weight)| value * weight).sum();
    ALPHABET[((BASE - sum % BASE) % BASE) as usize]
}

/// The number whose product with `value` is 1 modulo `modulus`; they have no common divisor.
fn inverse(value: u64, modulus: u64) -> u64 {
    let (mut old, mut new) = ((i128::from(modulus), 0i128), (i128::from(value), 1i128));
    while new.0 != 0 {
        let quotient = old.0 / new.0;
        (old, new) = (new, (old.0 - quotient * new.0, old.1 - quotient * new.1));
    }
    old.1.rem_euclid(i128::from(modulus)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(count: u64) -> CouponBatch {
        CouponBatch::new(Label::new("spring").unwrap(), "Spring", count, [7; 32]).unwrap()
    }

    #[test]
    fn codes_differ_are_recognised_and_use_no_ambiguous_character() {
        let batch = batch(20_000);
        let mut codes: Vec<CouponCode> = batch.codes().collect();
        for (number, code) in codes.iter().enumerate() {
            assert_eq!(batch.number(code), Some(number as u64), "{code}");
            assert!(is_well_typed(code), "{code}");
            let body = code.as_str().strip_prefix("SPRING-").expect("the prefix");
            assert!(body.bytes().all(|byte| byte == b'-' || value(byte).is_some()), "{code}");
        }
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 20_000);
        assert_eq!(batch.code(20_000), None);
    }

    #[test]
    fn a_code_of_another_batch_and_a_number_beyond_the_count_are_not_recognised() {
        let other = CouponBatch::new(Label::new("spring").unwrap(), "SPRING", 100, [8; 32]).unwrap();
        assert_eq!(batch(100).number(&other.code(1).unwrap()), None);
        assert_eq!(batch(100).number(&batch(200).code(150).unwrap()), None);
        assert_eq!(batch(200).number(&batch(100).code(50).unwrap()), Some(50), "a batch may be enlarged");
    }

    #[test]
    fn every_wrong_character_and_every_swap_of_neighbours_is_noticed() {
        let code = batch(1_000).code(123).unwrap();
        let good: Vec<u8> = code.as_str().bytes().collect();
        let noticed = |bytes: &[u8]| !is_well_typed(&CouponCode::new(std::str::from_utf8(bytes).unwrap()).unwrap());
        let mut mistakes = 0;
        for at in "SPRING-".len()..good.len() {
            if good[at] == b'-' {
                continue;
            }
            for wrong in ALPHABET.iter().filter(|byte| **byte != good[at]) {
                let mut bytes = good.clone();
                bytes[at] = *wrong;
                assert!(noticed(&bytes), "{}", String::from_utf8_lossy(&bytes));
                mistakes += 1;
            }
            let mut bytes = good.clone();
            let next = if good.get(at + 1) == Some(&b'-') { at + 2 } else { at + 1 };
            if next < good.len() && good[next] != good[at] {
                bytes.swap(at, next);
                assert!(noticed(&bytes), "{}", String::from_utf8_lossy(&bytes));
            }
        }
        assert_eq!(mistakes, 28 * 13);
    }

    #[test]
    fn what_is_no_code_is_not_one_and_panics_nobody() {
        for text in
            ["", "SPRING", "SPRING-", "SPRING-22", "SPRING-22222-2222222-2", "\u{e9}", "SPRING-2222\u{e9}", "spring 1"]
        {
            if let Ok(code) = CouponCode::new(text) {
                assert_eq!(batch(BATCH_MAX).number(&code), None, "{text}");
            }
        }
        assert!(CouponBatch::new(Label::new("x").unwrap(), "", 1, [0; 32]).is_err());
        assert!(CouponBatch::new(Label::new("x").unwrap(), &"X".repeat(25), 1, [0; 32]).is_err());
    }
}
