//! Maps from numbers: of contexts, calls, timelines. Hosts count upwards, so a multiplication spreads them
//! well, at a tenth of what the standard hasher takes; the secret keeps a client from choosing numbers that
//! meet.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map from numbers.
pub(crate) type NumberMap<K, V> = HashMap<K, V, Secret>;

/// Makes hashers of one map.
#[derive(Clone, Copy)]
pub(crate) struct Secret(u64);

impl Default for Secret {
    fn default() -> Secret {
        Secret(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Secret {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed(self.0)
    }
}

/// What was mixed so far.
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn write_u64(&mut self, number: u64) {
        // Digits of pi: an odd number without a pattern.
        let wide = u128::from(self.0 ^ number) * 0x243f_6a88_85a3_08d3;
        self.0 = (wide >> 64) as u64 ^ wide as u64;
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
