//! Seeded draws that are the same on every machine and in every release. No source of secrets.

use uuid::Uuid;

/// A stream of numbers that its seed and its label decide. Two labels give unrelated streams, so
/// order 17 of a seed is the same whether or not orders 1 to 16 were drawn before it.
pub(crate) struct Draw(u64);

impl Draw {
    /// The stream of this label under this seed.
    pub(crate) fn new(seed: u64, label: &str) -> Self {
        let (high, low) =
            Uuid::new_v5(&Uuid::from_u64_pair(seed, 0), label.as_bytes()).as_u64_pair();
        Self(high ^ low)
    }

    /// The next number: SplitMix64 (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least 0 and below 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// At least 0 and below `bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // The bias is below 2^-32 for any bound we use.
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// One of them.
    pub(crate) fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices.get(self.below(choices.len())).copied().unwrap_or_default()
    }
}

/// Ranks 0, 1, 2 … drawn with a probability that falls as 1 / (rank + 1)^exponent.
pub(crate) struct Zipf {
    /// The sum of the weights up to and with each rank.
    sums: Vec<f64>,
}

impl Zipf {
    /// Over this many ranks; exponent 0 makes them equal.
    pub(crate) fn new(ranks: usize, exponent: f64) -> Self {
        let weights = (1..=ranks).map(|rank| (rank as f64).powf(-exponent));
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// The next rank.
    pub(crate) fn rank(&self, draw: &mut Draw) -> usize {
        let target = draw.fraction() * self.sums.last().copied().unwrap_or_default();
        let rank = self.sums.partition_point(|sum| *sum <= target);
        rank.min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_label_always_draw_the_same() {
        let drawn: Vec<usize> = {
            let mut draw = Draw::new(7, "orders");
            (0..4).map(|_| draw.below(1000)).collect()
        };
        let mut again = Draw::new(7, "orders");
        assert_eq!(drawn, (0..4).map(|_| again.below(1000)).collect::<Vec<_>>());
        let mut other = Draw::new(8, "orders");
        assert_ne!(drawn, (0..4).map(|_| other.below(1000)).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_rank_of_a_zipf_draw_is_the_most_frequent() {
        let zipf = Zipf::new(100, 1.0);
        let mut draw = Draw::new(1, "zipf");
        let mut counts = [0usize; 100];
        for _ in 0..20_000 {
            counts[zipf.rank(&mut draw)] += 1;
        }
        // 1 / H(100) = 0.193
        assert!((3_600..4_100).contains(&counts[0]), "{}", counts[0]);
        assert!(counts[0] > counts[1] && counts[1] > counts[9]);
    }
}
