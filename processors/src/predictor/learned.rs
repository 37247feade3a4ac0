//! `learned_v1`: the slot of a trained model, and its visible absence.
//!
//! Invariant: a model predicts no game that it could have been trained on, and none from features that it does not know.
//! Not here: training; the artifact's text.
use super::{
    artifact::Artifact,
    forecast::{FeatureReader, Forecast},
    lines::Threshold,
};
use schemas::{
    EasternDate,
    features::{FEATURES, Features, index},
    prediction::SystemSkip,
};

pub(super) const THRESHOLD: Threshold = Threshold::AtLeast { edge: 1.0, confidence: 60.0 };

/// An artifact, made ready to predict.
#[derive(Clone, Debug)]
pub(super) struct Learned {
    artifact: Artifact,
    trained_to: EasternDate,
    /// `None` when it was trained on other features.
    weights: Option<Vec<Weight>>,
}

#[derive(Clone, Copy, Debug)]
struct Weight {
    feature: usize,
    weight: f64,
    impute: Option<f64>,
}

impl Learned {
    pub fn new(artifact: Artifact) -> Self {
        let (model, named) = (&artifact.model, FEATURES.iter().enumerate());
        let weights = named.filter_map(|(feature, name)| {
            let impute = model.impute.get(*name).copied();
            model.weights.get(*name).map(|weight| Weight { feature, weight: *weight, impute })
        });
        let weights = artifact.reads_these_features().then(|| weights.collect());
        Learned { trained_to: artifact.trained_to, weights, artifact }
    }
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }
    pub fn forecast(&self, features: &Features) -> Result<Forecast, SystemSkip> {
        let weights = self.weights.as_deref().ok_or(SystemSkip::OtherFeatures)?;
        if features.date <= self.trained_to {
            return Err(SystemSkip::TrainedLater);
        }
        let mut reader = FeatureReader::new(features);
        let (mut points, mut known) = (self.artifact.model.intercept, 0);
        for weight in weights {
            let value = reader.optional(weight.feature);
            known += usize::from(value.is_some());
            points += weight.weight * value.or(weight.impute).ok_or(SystemSkip::MissingFeature)?;
        }
        let known = if weights.is_empty() { 1.0 } else { known as f64 / weights.len() as f64 };
        let confidence = confidence(known, &mut reader);
        Ok(reader.forecast(points, confidence, &self.artifact.model.spread))
    }
}

/// In per cent: more for a vector with few gaps and a player whose points vary little (the steps of the predecessor's model).
fn confidence(known: f64, reader: &mut FeatureReader<'_>) -> f64 {
    let completeness = match known {
        k if k >= 0.9 => 10.0,
        k if k >= 0.8 => 7.0,
        k if k >= 0.7 => 5.0,
        _ => 2.0,
    };
    let steadiness = reader.adjust(index::POINTS_STD_LAST_10, |deviation| match deviation {
        d if d < 4.0 => 10.0,
        d if d < 6.0 => 7.0,
        d if d < 8.0 => 5.0,
        _ => 2.0,
    });
    75.0 + completeness + steadiness
}
