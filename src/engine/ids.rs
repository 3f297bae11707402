//! Where the engine's own ids come from: the clock and a seeded generator, both ports in effect.

use std::sync::Arc;

use parking_lot::Mutex;
use stockade_actors::ports::Clock;
use stockade_domain::{OrderId, Timestamp};

/// Makes UUIDv7 ids. Entropy comes from BLAKE3 in counter mode under a key, so ids cannot be guessed from each other
/// and a simulation can repeat them.
pub(crate) struct IdMaker {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    output: blake3::OutputReader,
    block: [u8; 1024],
    used: usize,
}

impl IdMaker {
    /// Ids under this key.
    pub(crate) fn new(clock: Arc<dyn Clock>, key: [u8; 32]) -> Self {
        let output = blake3::Hasher::new_keyed(&key).finalize_xof();
        Self { clock, state: Mutex::new(State { output, block: [0; 1024], used: 1024 }) }
    }

    /// A key from the operating system's randomness.
    pub(crate) fn random_key() -> [u8; 32] {
        // `RandomState` is the standard library's only door to that randomness: four of its hashes make a key.
        use std::hash::{BuildHasher, RandomState};
        let mut key = [0; 32];
        for (n, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&RandomState::new().hash_one(n).to_le_bytes());
        }
        key
    }

    /// An id for a new journal.
    pub(crate) fn journal_id(&self) -> [u8; 16] {
        self.entropy().to_le_bytes()
    }

    /// Now, as the next id will have it.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What secrets are made of.
    pub(crate) fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        let halves = [self.entropy(), self.entropy()];
        seed.chunks_exact_mut(16).zip(halves).for_each(|(half, bits)| half.copy_from_slice(&bits.to_le_bytes()));
        seed
    }

    /// The next id.
    pub(crate) fn order(&self) -> OrderId {
        OrderId::new(self.clock.now(), self.entropy())
    }

    fn entropy(&self) -> u128 {
        let mut state = self.state.lock();
        if state.used == state.block.len() {
            let State { output, block, used } = &mut *state;
            output.fill(block);
            *used = 0;
        }
        let at = state.used;
        state.used += 16;
        let bytes: [u8; 16] = state.block[at..at + 16].try_into().expect("sixteen bytes");
        u128::from_le_bytes(bytes)
    }
}
