//! Seeded random numbers: splitmix64 (Steele, Lea, Flood 2014), with one independent stream for each pair of a decision (such as
//! the tip-off time) and its subject (such as a game).
//!
//! Invariant: a stream depends only on the seed, the decision and its subject, not on numbers drawn from other streams. So turning on a
//! fault changes no other decision. Floats are only added and multiplied, because these operations have the same results on any machine.
//! Not here: the code that makes the decisions (the other files of this crate).

/// The kinds of decisions, each with its own streams. The streams depend on the order of the variants, which therefore must not change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decision {
    League,
    Trades,
    Health,
    Rounds,
    Days,
    Site,
    TipOff,
    Postponement,
    Sitting,
    Play,
    Spelling,
    Quote,
    OddsEvent,
    Report,
    BoxScoreFetch,
    EmptyResponse,
    Duplicate,
    Refetch,
    InPlay,
    Tiny,
    OtherOutcome,
    SharedInstant,
    DroppedRegion,
    MovedEvent,
    RepeatedEvent,
    ReusedEvent,
    BrokenRow,
    LiveBoxScore,
    NotSubmitted,
    Retraction,
    Night,
    WrongPair,
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Returns the stream of random numbers for one decision about one subject. The subject is given as a list of ids.
    pub fn for_decision(seed: u64, decision: Decision, subject: &[u64]) -> Self {
        let mut random = Random(seed ^ (decision as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        for id in subject {
            random = Random(random.next() ^ id.wrapping_mul(0xA24B_AED4_963E_E407));
        }
        random
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// Returns a uniform number x with 0 ≤ x < 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }
    /// Returns a uniform number in `0..end`; `end` must be at least one.
    pub fn below(&mut self, end: usize) -> usize {
        (self.share() * end as f64) as usize
    }
    /// Returns a uniform number in `low..=high`.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as usize) as i32
    }
    /// Returns an approximately normal number with mean 0 and standard deviation 1: the sum of twelve uniform numbers minus six.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
    /// Returns the number of successes in `trials` trials.
    pub fn successes(&mut self, trials: i32, probability: f64) -> i32 {
        (0..trials).map(|_| i32::from(self.chance(probability))).sum()
    }
    /// Rounds `mean` down or up at random, so that the expected value is `mean`; a negative `mean` gives 0.
    pub fn round(&mut self, mean: f64) -> i32 {
        mean.max(0.0).floor() as i32 + i32::from(self.chance(mean.max(0.0).fract()))
    }
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_decision_and_subject_only() {
        let first = |seed, decision, subject: &[u64]| Random::for_decision(seed, decision, subject).next();
        assert_eq!(first(1, Decision::Play, &[7]), first(1, Decision::Play, &[7]));
        assert_ne!(first(1, Decision::Play, &[7]), first(2, Decision::Play, &[7]));
        assert_ne!(first(1, Decision::Play, &[7]), first(1, Decision::Quote, &[7]));
        assert_ne!(first(1, Decision::Play, &[7, 8]), first(1, Decision::Play, &[8, 7]));
    }
    #[test]
    fn a_probability_of_zero_never_occurs_and_of_one_always() {
        let mut random = Random::for_decision(3, Decision::Tiny, &[]);
        assert!((0..1000).all(|_| !random.chance(0.0) && random.chance(1.0)));
    }
    #[test]
    fn the_normal_numbers_have_mean_zero_and_standard_deviation_one() {
        let mut random = Random::for_decision(4, Decision::Tiny, &[]);
        let draws: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
