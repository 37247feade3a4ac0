//! `ensemble_v1`: the mean forecast of the systems that predicted, weighted by their confidence.
//!
//! Invariant: the ensemble's forecast lies between the lowest and the highest forecast of its components, and its recommendation follows
//! from its own forecast.
//! Not here: the component systems (each in its own file) and their missing adjustments, which the ensemble does not list again.
use super::{
    distribution::Spread,
    forecast::{BOUNDS, Forecast, MissingAdjustments},
    lines::Threshold,
};
use schemas::{features::Features, prediction::SystemSkip};

#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub at_least: usize,
    /// The number of component systems; the confidence is higher if all of them predicted.
    pub all: usize,
    pub spread: Spread,
    pub threshold: Threshold,
}

pub(super) const RULES: Rules = Rules {
    at_least: 2,
    all: 4,
    spread: Spread { at_zero: 16.0, per_point: 2.25, prior_games: 30.0 },
    threshold: Threshold::AtLeast { edge: 1.5, confidence: 65.0 },
};

pub(super) fn forecast<'a>(
    components: impl Iterator<Item = &'a Forecast> + Clone,
    features: &Features,
    rules: &Rules,
) -> Result<Forecast, SystemSkip> {
    let count = components.clone().count();
    if count < rules.at_least {
        return Err(SystemSkip::TooFewSystems);
    }
    let sum = |term: &dyn Fn(&Forecast) -> f64| components.clone().map(term).sum::<f64>();
    let confidence = sum(&|component| component.confidence);
    let points = sum(&|component| component.confidence * component.points) / confidence;
    let mean = sum(&|component| component.points) / count as f64;
    let variance = sum(&|component| (component.points - mean) * (component.points - mean)) / count as f64;
    let agreement = match variance.sqrt() {
        deviation if deviation < 2.0 => 10.0,
        deviation if deviation < 3.0 => 5.0,
        deviation if deviation < 6.0 => -5.0,
        _ => -10.0,
    };
    let completeness = if count == rules.all { 5.0 } else { 0.0 };
    let points = points.clamp(BOUNDS.0, BOUNDS.1);
    Ok(Forecast {
        points,
        stddev_points: rules.spread.stddev_points(points, features),
        confidence: (confidence / count as f64 + agreement + completeness).clamp(20.0, 95.0),
        missing_adjustments: MissingAdjustments::default(),
    })
}
