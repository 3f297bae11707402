//! Damaged inputs from good ones.

/// Bytes that mean something to somebody.
const BYTES: [u8; 16] =
    [0, 0xFF, 0x7F, 0x80, b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'\n', b'\r', b'-', b'0'];

/// Pieces that have broken parsers before.
const PIECES: [&str; 22] = [
    "18446744073709551616",
    "-9223372036854775808",
    "9223372036854775807",
    "1e999",
    "-0",
    "0.00001",
    "1.5",
    "null",
    "true",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "é",
    "𝄞",
    "{}",
    "[]",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "&a [*a,*a]",
    "=",
    ",,",
];

/// Draws inputs from a seed.
pub(super) struct Mutator {
    state: u64,
    inputs: Vec<Vec<u8>>,
}

impl Mutator {
    pub(super) fn new(seed: u64, inputs: Vec<Vec<u8>>) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, inputs }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % limit.max(1) as u64) as usize
    }

    /// A good input with one to six things wrong.
    pub(super) fn next_input(&mut self) -> Vec<u8> {
        let from = self.below(self.inputs.len());
        let mut input = self.inputs[from].clone();
        for _ in 0..=self.below(6) {
            self.damage(&mut input);
        }
        input
    }

    fn damage(&mut self, input: &mut Vec<u8>) {
        let (at, to) = self.range(input.len());
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = BYTES[self.below(BYTES.len())],
            2 => drop(input.drain(at..to)),
            3 => input.truncate(at),
            4 => {
                let again = input[at..to].to_vec();
                input.splice(at..at, again);
            }
            5 => {
                let other = self.below(self.inputs.len());
                let other = self.inputs[other].clone();
                let (from, until) = self.range(other.len());
                input.splice(at..to, other[from..until].iter().copied());
            }
            6 => {
                // Where a number or a word was.
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
                let start = input[..at].iter().rposition(|byte| !is_word(byte)).map_or(0, |before| before + 1);
                let end = input[at..].iter().position(|byte| !is_word(byte)).map_or(input.len(), |after| at + after);
                let piece = PIECES[self.below(PIECES.len())];
                input.splice(start..end, piece.bytes());
            }
            7 => {
                let piece = PIECES[self.below(PIECES.len())];
                input.splice(at..at, piece.bytes());
            }
            _ => {
                let byte = BYTES[self.below(BYTES.len())];
                let times = 1 + self.below(80);
                input.splice(at..at, std::iter::repeat_n(byte, times));
            }
        }
    }

    /// A place, and one up to forty bytes behind it.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let at = self.below(length + 1);
        (at, (at + self.below(40)).min(length))
    }
}
