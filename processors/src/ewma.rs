//! The exponentially weighted moving average of a series: the weight of a value halves with every *span* of later values.
//!
//! Invariant: only + and · are used, in the order of the values, so the result is the same on every machine.
//! Not here: the series (`feature_builder::career`, `team_form::season_players`).

/// The weighted sum of the values so far, and the sum of the weights; the newest value has the weight 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ewma {
    sum: f64,
    weight: f64,
}
impl Ewma {
    /// The decay for the span 3: 0.5^(1/3). It is a literal, as are the others, because the results of `powf` differ among platforms.
    pub const DECAY_3: f64 = 0.793_700_525_984_099_8;
    /// The decay for the span 8: 0.5^(1/8).
    pub const DECAY_8: f64 = 0.917_004_043_204_671_2;
    /// The decay for the span 20: 0.5^(1/20).
    pub const DECAY_20: f64 = 0.965_936_328_924_845_6;
    /// The decay for the span 60: 0.5^(1/60).
    pub const DECAY_60: f64 = 0.988_514_020_352_896_2;

    /// Adds a value, after the earlier ones are multiplied by the decay.
    pub fn add(&mut self, decay: f64, value: f64) {
        self.sum = self.sum * decay + value;
        self.weight = self.weight * decay + 1.0;
    }
    /// Multiplies the weight of all values so far. This changes no mean until the next value is added.
    pub fn scale(&mut self, factor: f64) {
        self.sum *= factor;
        self.weight *= factor;
    }
    /// Returns the weighted sum of the values.
    pub const fn sum(&self) -> f64 {
        self.sum
    }
    /// Returns the mean; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_of_a_value_halves_every_span() {
        for (span, decay) in
            [(3, Ewma::DECAY_3), (8, Ewma::DECAY_8), (20, Ewma::DECAY_20), (60, Ewma::DECAY_60)]
        {
            let mut ewma = Ewma::default();
            ewma.add(decay, 1.0);
            (0..span).for_each(|_| ewma.add(decay, 0.0));
            assert!((ewma.sum() - 0.5).abs() < 1e-12, "span {span}");
        }
        assert_eq!(Ewma::default().mean(), None);
    }
}
