//! The variance of the forecasts of a model, fitted to its errors.
//!
//! Weighted least squares of e² on 1 and m, where e is the error and m the forecast. The variance of e² grows with the square of the variance
//! a + b·m, so a row has the weight 1 / (a + b·m)², and the fit is repeated with the new weights (R. J. Carroll and D. Ruppert,
//! "Transformation and Weighting in Regression", 1988).
//! Invariant: only + − × ÷ and comparisons, in the order of the rows; the variance at 0 points is at least 1, and never falls with the forecast.
//! Not here: the weight of the player's own variance, which is a constant.
use models::significant;
use processors::predictor::Spread;

/// The number of repetitions; the weights change little after the first ones.
const STEPS: u32 = 8;
/// The smallest variance of a forecast of 0 points.
const MIN_AT_ZERO: f64 = 1.0;
/// The weight of the fitted variance against the player's own, in games. The value that the rules with the least scatter have.
const PRIOR_GAMES: f64 = 80.0;

/// Fits the variance to pairs of forecast and points.
pub fn fit_spread(pairs: &[(f64, f64)]) -> Spread {
    let (mut at_zero, mut per_point) = (10.0, 2.5);
    for _ in 0..STEPS {
        let [mut count, mut sum, mut squares, mut errors, mut products] = [0.0; 5];
        for (forecast, points) in pairs {
            let variance = at_zero + per_point * forecast.max(0.0);
            let weight = 1.0 / (variance * variance);
            let error = (points - forecast) * (points - forecast);
            count += weight;
            sum += weight * forecast;
            squares += weight * forecast * forecast;
            errors += weight * error;
            products += weight * forecast * error;
        }
        let determinant = count * squares - sum * sum;
        let slope = if determinant > 0.0 { (count * products - sum * errors) / determinant } else { 0.0 };
        per_point = slope.max(0.0);
        if count > 0.0 {
            at_zero = ((errors - per_point * sum) / count).max(MIN_AT_ZERO);
        }
    }
    let (at_zero, per_point) = (significant(at_zero), significant(per_point));
    Spread { at_zero, per_point, prior_games: PRIOR_GAMES }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_variance_is_found_and_one_that_falls_is_taken_for_constant() {
        // Errors of plus and minus one standard deviation.
        let pairs = |variance: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
            let forecasts = (0..400).map(|row| f64::from(row) / 10.0);
            let pair = |forecast: f64| {
                let deviation = variance(forecast).sqrt();
                [(forecast, forecast + deviation), (forecast, forecast - deviation)]
            };
            forecasts.flat_map(pair).collect()
        };
        let rising = fit_spread(&pairs(&|forecast| 12.0 + 2.0 * forecast));
        assert!((rising.at_zero - 12.0).abs() < 1e-6 && (rising.per_point - 2.0).abs() < 1e-6, "{rising:?}");
        let falling = fit_spread(&pairs(&|forecast| 60.0 - forecast));
        assert!(falling.per_point == 0.0 && falling.at_zero > 20.0 && falling.at_zero < 60.0, "{falling:?}");
    }
    #[test]
    fn without_errors_the_variance_is_still_positive() {
        assert_eq!(fit_spread(&[(5.0, 5.0), (9.0, 9.0)]).at_zero, MIN_AT_ZERO);
        assert!(fit_spread(&[]).at_zero > 0.0);
    }
}
