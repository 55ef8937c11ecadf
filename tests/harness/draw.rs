//! Chance that can be repeated: whom to hurt, and when.

use uuid::Uuid;

/// Draws from the seed: the nth draw of a run is always the same.
pub struct Draw {
    seed: u64,
    count: u64,
}

impl Draw {
    /// The draws of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.count += 1;
        let drawn = Uuid::new_v5(&Uuid::from_u64_pair(self.seed, self.count), b"chaos");
        (drawn.as_u128() % bound as u128) as usize
    }
}
