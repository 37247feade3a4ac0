//! `learned_v1`: the prediction of a trained model, skipped with a reason if no model is installed.
//!
//! Invariant: a model predicts only games after those on which it was trained, and only from the features on which it was trained; each
//! feature that it imputes is listed as missing.
//! Not here: training; the text of an artifact (`artifact`).
use super::{
    artifact::Artifact,
    forecast::{FeatureReader, Forecast},
    lines::Threshold,
};
use schemas::{
    features::{FEATURES, Features, index},
    prediction::SystemSkip,
};

pub(super) const THRESHOLD: Threshold = Threshold::AtLeast { edge: 1.0, confidence: 60.0 };

/// An artifact with its columns resolved to feature indexes.
#[derive(Clone, Debug)]
pub(super) struct Learned {
    artifact: Artifact,
    /// For each column of the model, the index of the feature. `None` if the artifact was trained on another list of features than that of
    /// this program; it then predicts nothing.
    columns: Option<Vec<usize>>,
}

impl Learned {
    pub fn new(artifact: Artifact) -> Self {
        let content = artifact.content();
        let feature = |name: &String| FEATURES.iter().position(|feature| feature == name);
        // A verified artifact of the current features names only features.
        let columns = || content.model.columns.iter().map(|column| feature(&column.name)).collect();
        let columns = if content.has_current_features() { columns() } else { None };
        Learned { columns, artifact }
    }
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }
    pub fn forecast(&self, features: &Features) -> Result<Forecast, SystemSkip> {
        let content = self.artifact.content();
        let columns = self.columns.as_deref().ok_or(SystemSkip::OtherFeatures)?;
        if features.date <= content.training.to {
            return Err(SystemSkip::TrainedLater);
        }
        let mut reader = FeatureReader::new(features);
        let row: Vec<Option<f64>> = columns.iter().map(|feature| reader.optional(*feature)).collect();
        let points = content.model.forecast(&row).map_err(|_| SystemSkip::MissingFeature)?;
        let present = row.iter().flatten().count();
        let present_share = if row.is_empty() { 1.0 } else { present as f64 / row.len() as f64 };
        let confidence = confidence(present_share, &mut reader);
        Ok(reader.forecast(points, confidence, &content.spread))
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
