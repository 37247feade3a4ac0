//! `ensemble_v1`: the mean of the systems that predicted, weighted with their confidence.
//!
//! Invariant: it lies between the lowest and the highest of its components, and recommends the side that its own points are on.
//! Not here: the components; what each of them lacked is named with them.
use super::{
    distribution::Spread,
    forecast::{BOUNDS, Forecast, MissingAdjustments},
    lines::Threshold,
};
use schemas::{features::Features, prediction::SystemSkip};

#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub at_least: usize,
    /// How many components there can be; when all are present, they are trusted more.
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
    let confidence = sum(&|c| c.confidence);
    let points = sum(&|c| c.confidence * c.points) / confidence;
    let mean = sum(&|c| c.points) / count as f64;
    let disagreement = (sum(&|c| (c.points - mean) * (c.points - mean)) / count as f64).sqrt();
    let agreement = match disagreement {
        d if d < 2.0 => 10.0,
        d if d < 3.0 => 5.0,
        d if d < 6.0 => -5.0,
        _ => -10.0,
    };
    let complete = if count == rules.all { 5.0 } else { 0.0 };
    let points = points.clamp(BOUNDS.0, BOUNDS.1);
    Ok(Forecast {
        points,
        stddev_points: rules.spread.stddev_points(points, features),
        confidence: (confidence / count as f64 + agreement + complete).clamp(20.0, 95.0),
        missing_adjustments: MissingAdjustments::default(),
    })
}
