//! `learned_v1`: the prediction of a trained model, skipped with a reason if no model is installed.
//!
//! Invariant: a model predicts only games after those on which it was trained, and only from the features on which it was trained.
//! Not here: training; the text of an artifact (`artifact`).
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

/// An artifact with its weights resolved to feature indexes.
#[derive(Clone, Debug)]
pub(super) struct Learned {
    artifact: Artifact,
    trained_to: EasternDate,
    /// `None` if the artifact was trained on another list of features than that of this program; it then predicts nothing.
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
        let model = &artifact.model;
        let weights = FEATURES.iter().enumerate().filter_map(|(feature, name)| {
            let impute = model.impute.get(*name).copied();
            model.weights.get(*name).map(|weight| Weight { feature, weight: *weight, impute })
        });
        let weights = artifact.has_current_features().then(|| weights.collect());
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
        let (mut points, mut present_count) = (self.artifact.model.intercept, 0);
        for weight in weights {
            let value = reader.optional(weight.feature);
            present_count += usize::from(value.is_some());
            points += weight.weight * value.or(weight.impute).ok_or(SystemSkip::MissingFeature)?;
        }
        let present_share =
            if weights.is_empty() { 1.0 } else { present_count as f64 / weights.len() as f64 };
        let confidence = confidence(present_share, &mut reader);
        Ok(reader.forecast(points, confidence, &self.artifact.model.spread))
    }
}

/// Returns the confidence in percent. It is higher the fewer features are missing and the less the player's points vary; the increments are
/// those of the predecessor program.
fn confidence(present_share: f64, reader: &mut FeatureReader<'_>) -> f64 {
    let completeness = match present_share {
        share if share >= 0.9 => 10.0,
        share if share >= 0.8 => 7.0,
        share if share >= 0.7 => 5.0,
        _ => 2.0,
    };
    let steadiness = reader.adjust(index::POINTS_STD_LAST_10, |deviation| match deviation {
        deviation if deviation < 4.0 => 10.0,
        deviation if deviation < 6.0 => 7.0,
        deviation if deviation < 8.0 => 5.0,
        _ => 2.0,
    });
    75.0 + completeness + steadiness
}
