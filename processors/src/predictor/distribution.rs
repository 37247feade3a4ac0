//! The predictive distribution of a player's points: a normal distribution, discretized to the whole numbers from 0.
//!
//! P(points = k) is the normal probability from k − ½ to k + ½; the probability of negative points is added to that of 0 points. The
//! variance grows with the forecast. For a player whose own variance is unknown, it is `at_zero + per_point · points`, like that of an
//! over-dispersed count. Otherwise this value is the prior, and the player's sample variance over the last n appearances (at most ten) is
//! shrunk toward it: the sample has the weight n − 1, the prior has the weight `prior_games`. The variance of ten games is a weak estimate,
//! so the prior has more weight. The parameters of each rule system were selected by grid search: they maximize the normal likelihood of
//! the actual points, given the system's own forecasts for the regular seasons 2018-19 to 2023-24 (eligible players with at least 5
//! appearances).
//!
//! Invariant: P(over) never rises with the line; P(over) + P(push) + P(under) = 1.
//! Not here: the forecast of the points, which differs by system.
use schemas::{
    Line,
    features::{Features, index},
};
use serde::{Deserialize, Serialize};

/// The parameters from which the variance of a system's forecast is computed (see the file header).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The prior variance of a forecast of 0 points.
    pub at_zero: f64,
    /// The prior variance increases by this value for each forecast point.
    pub per_point: f64,
    /// The weight of the prior variance; the player's sample variance over n appearances has the weight n − 1.
    pub prior_games: f64,
}
impl Spread {
    /// Returns the standard deviation of a forecast, in points.
    pub(super) fn stddev_points(&self, points: f64, features: &Features) -> f64 {
        let prior = self.at_zero + self.per_point * points;
        let Some(deviation) = features.get(index::POINTS_STD_LAST_10).value() else { return prior.sqrt() };
        let degrees_of_freedom = f64::from(features.appearances.clamp(1, 10) - 1);
        let pooled = degrees_of_freedom * deviation * deviation + self.prior_games * prior;
        (pooled / (degrees_of_freedom + self.prior_games)).sqrt()
    }
}

/// The distribution of a player's points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distribution {
    pub points: f64,
    pub stddev_points: f64,
}
impl Distribution {
    pub fn over(&self, line: Line) -> f64 {
        self.above(line.0.div_euclid(100))
    }
    pub fn push(&self, line: Line) -> f64 {
        if line.0.rem_euclid(100) != 0 {
            return 0.0;
        }
        let points = line.0.div_euclid(100);
        (self.above(points - 1) - self.above(points)).max(0.0)
    }
    /// Returns the probability that the player scores more than `points`.
    fn above(&self, points: i32) -> f64 {
        if points < 0 {
            1.0
        } else {
            normal_cdf((self.points - f64::from(points) - 0.5) / self.stddev_points)
        }
    }
}

/// Computes the standard normal distribution function with an absolute error below 1e-14. Source: G. West, "Better approximations to
/// cumulative normal functions" (Wilmott, 2005), after J. F. Hart, "Computer Approximations" (1968).
fn normal_cdf(z: f64) -> f64 {
    const NUMERATOR: [f64; 7] = [
        3.526_249_659_989_11e-2,
        0.700_383_064_443_688,
        6.373_962_203_531_65,
        33.912_866_078_383,
        112.079_291_497_871,
        221.213_596_169_931,
        220.206_867_912_376,
    ];
    const DENOMINATOR: [f64; 8] = [
        8.838_834_764_831_84e-2,
        1.755_667_163_182_64,
        16.064_177_579_207,
        86.780_732_202_946_1,
        296.564_248_779_674,
        637.333_633_378_831,
        793.826_512_519_948,
        440.413_735_824_752,
    ];
    let x = z.abs();
    let density = (-x * x / 2.0).exp();
    let polynomial = |terms: &[f64]| terms.iter().fold(0.0, |sum, term| sum * x + term);
    let tail = if x < 7.071_067_811_865_47 {
        density * polynomial(&NUMERATOR) / polynomial(&DENOMINATOR)
    } else {
        let fraction = [4.0, 3.0, 2.0, 1.0].iter().fold(x + 0.65, |rest, term| x + term / rest);
        density / fraction / 2.506_628_274_631
    };
    if z > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_function_has_the_textbook_values() {
        let expected = [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (1.96, 0.975_002_104_851_780),
            (-3.0, 0.001_349_898_031_630_09),
            (-8.0, 0.0),
            (40.0, 1.0),
        ];
        for (z, p) in expected {
            assert!(
                (normal_cdf(z) - p).abs() < 1e-14,
                "normal_cdf({z}): found {}, expected {p}",
                normal_cdf(z)
            );
        }
    }
    #[test]
    fn the_probabilities_of_all_whole_numbers_sum_to_one() {
        let distribution = Distribution { points: 3.0, stddev_points: 4.0 };
        let sum: f64 = (0..100).map(|points| distribution.push(Line(points * 100))).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }
}
