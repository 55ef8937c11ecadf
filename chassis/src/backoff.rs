//! How long to wait before a failed attempt is repeated. Reads no clock and draws no random number.

use std::time::Duration;

/// A wait that doubles with every attempt up to a limit, spread by up to a fifth either way: those who
/// failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first attempt.
    pub first: Duration,
    /// The longest wait, before it is spread.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after that many attempts of whoever has this seed, such as the bits of an id: that is
    /// as good as random, and can be tested.
    pub fn wait(&self, attempts: u32, seed: u64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(30);
        let wait = self.first.saturating_mul(1 << doublings).min(self.longest);
        wait.mul_f64(0.8 + 0.4 * fraction(seed, attempts))
    }
}

/// A number from 0 to 1 that differs by seed and attempt (Fibonacci hashing).
fn fraction(seed: u64, attempts: u32) -> f64 {
    let seed = seed ^ u64::from(attempts).rotate_left(32);
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    mixed as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        for (attempts, millis) in
            [(0, 50), (1, 50), (2, 100), (5, 800), (6, 1000), (u32::MAX, 1000)]
        {
            for seed in 0..100 {
                let ratio = BACKOFF.wait(attempts, seed).as_secs_f64() * 1000.0 / f64::from(millis);
                assert!((0.799..=1.201).contains(&ratio), "{attempts}: {ratio}");
            }
        }
    }

    #[test]
    fn those_who_failed_together_come_back_apart() {
        let mut waits: Vec<_> = (0..100).map(|seed| BACKOFF.wait(6, seed)).collect();
        waits.sort();
        waits.dedup();
        assert_eq!(waits.len(), 100);
        assert!(waits[99] - waits[0] > Duration::from_millis(300), "{waits:?}");
    }
}
