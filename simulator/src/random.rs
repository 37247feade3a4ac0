//! Chance, from a seed: splitmix64 (Steele, Lea, Flood 2014), one independent stream for each question asked of the season.
//!
//! Invariant: an answer depends on the seed and on what the question is about, never on what was asked before; so a fault that
//! is switched on changes nothing but what it is about. Only additions and multiplications of floats: the same on any machine.
//! Not here: what is drawn.

/// What a stream of chance decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
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
    EmptyAnswer,
    Duplicate,
    Refetch,
    InPlay,
    Tiny,
}

/// One stream of chance.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream that answers one question about the things named by `about`.
    pub fn for_question(seed: u64, question: Question, about: &[u64]) -> Self {
        let mut random = Random(seed ^ (question as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        for thing in about {
            random = Random(random.next() ^ thing.wrapping_mul(0xA24B_AED4_963E_E407));
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
    /// Uniform in 0 ≤ x < 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }
    /// Uniform in `0..n`; `n` is at least one.
    pub fn below(&mut self, n: usize) -> usize {
        (self.share() * n as f64) as usize
    }
    /// Uniform in `low..=high`.
    pub fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as usize) as i32
    }
    /// Nearly normal, mean 0 and deviation 1: the sum of twelve uniforms less six.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
    /// How many of `n` tries succeed.
    pub fn successes(&mut self, n: i32, probability: f64) -> i32 {
        (0..n).map(|_| i32::from(self.chance(probability))).sum()
    }
    /// A whole number near `mean`: its floor, or one more, so that the mean is kept.
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
    fn a_stream_depends_on_seed_question_and_subject_only() {
        let first = |seed, question, about: &[u64]| Random::for_question(seed, question, about).next();
        assert_eq!(first(1, Question::Play, &[7]), first(1, Question::Play, &[7]));
        assert_ne!(first(1, Question::Play, &[7]), first(2, Question::Play, &[7]));
        assert_ne!(first(1, Question::Play, &[7]), first(1, Question::Quote, &[7]));
        assert_ne!(first(1, Question::Play, &[7, 8]), first(1, Question::Play, &[8, 7]));
    }
    #[test]
    fn rates_of_zero_and_one_are_never_and_always() {
        let mut random = Random::for_question(3, Question::Tiny, &[]);
        assert!((0..1000).all(|_| !random.chance(0.0) && random.chance(1.0)));
    }
    #[test]
    fn the_normal_has_mean_zero_and_deviation_one() {
        let mut random = Random::for_question(4, Question::Tiny, &[]);
        let draws: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
