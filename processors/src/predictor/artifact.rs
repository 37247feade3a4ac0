//! The artifact of a learned model: its text, and what makes it trustworthy.
//!
//! A JSON object, in which `model` is hashed in its canonical form: keys in alphabetical order, no spaces, shortest numbers.
//! ```json
//! {"format": 1, "trained_from": "2018-10-16", "trained_to": "2024-04-14", "feature_schema": "…", "library": "…", "hash": "…",
//!  "model": {"impute": {"opponent_pace": 100.0}, "intercept": 0.4, "kind": "linear",
//!            "spread": {"at_zero": 10.0, "per_point": 2.5, "prior_games": 80.0}, "weights": {"opponent_pace": 0.02}}}
//! ```
//! Invariant: a parsed artifact is what its hash says, and says which features and which games it was made from.
//! Not here: where the text comes from; what is done with it (`learned`).
use super::distribution::Spread;
use schemas::{EasternDate, features::FEATURES};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The only format there is.
const FORMAT: u32 = 1;

/// Why a text is no artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("not an artifact: {0}")]
    Text(#[from] serde_json::Error),
    #[error("format {0} is not known, expected {FORMAT}")]
    Format(u32),
    #[error("the model's hash is {actual}, and the artifact says {stated}")]
    Hash { stated: String, actual: String },
    #[error("trained from {from} to {to}, which is no range")]
    Range { from: EasternDate, to: EasternDate },
    #[error("'{0}' is no feature")]
    UnknownFeature(String),
    #[error("a spread needs positive numbers")]
    Spread,
}

/// How a forecast is made of the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The intercept and the weighted sum of the features, in points.
    Linear,
}

/// What was learned. The fields are in alphabetical order because their text is hashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What stands in for a feature that is missing; one that is not listed cannot be done without.
    pub impute: BTreeMap<String, f64>,
    pub intercept: f64,
    pub kind: Kind,
    pub spread: Spread,
    pub weights: BTreeMap<String, f64>,
}
impl Model {
    /// The BLAKE3 hash of the canonical text, in hex.
    pub fn hash(&self) -> Result<String, ArtifactError> {
        Ok(blake3::hash(serde_json::to_string(self)?.as_bytes()).to_hex().to_string())
    }
}

/// A learned model with its origin.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    pub format: u32,
    /// The day of the first game it was trained on.
    #[serde(deserialize_with = "date")]
    pub trained_from: EasternDate,
    /// The day of the last; it predicts later games only.
    #[serde(deserialize_with = "date")]
    pub trained_to: EasternDate,
    /// The [`feature_schema_hash`] of the features it was trained on.
    pub feature_schema: String,
    /// What trained it, with its version.
    pub library: String,
    /// The [`Model::hash`].
    pub hash: String,
    pub model: Model,
}
impl Artifact {
    pub fn parse(text: &str) -> Result<Artifact, ArtifactError> {
        let artifact: Artifact = serde_json::from_str(text)?;
        let actual = artifact.model.hash()?;
        let (from, to) = (artifact.trained_from, artifact.trained_to);
        if artifact.format != FORMAT {
            return Err(ArtifactError::Format(artifact.format));
        }
        if artifact.hash != actual {
            return Err(ArtifactError::Hash { stated: artifact.hash, actual });
        }
        if from > to {
            return Err(ArtifactError::Range { from, to });
        }
        let Model { impute, spread, weights, .. } = &artifact.model;
        if spread.at_zero <= 0.0 || spread.per_point < 0.0 || spread.prior_games <= 0.0 {
            return Err(ArtifactError::Spread);
        }
        let unknown = weights.keys().chain(impute.keys()).find(|name| !FEATURES.contains(&name.as_str()));
        match unknown {
            Some(name) if artifact.reads_these_features() => Err(ArtifactError::UnknownFeature(name.clone())),
            _ => Ok(artifact),
        }
    }
    /// Whether it was trained on the features that there are now.
    pub fn reads_these_features(&self) -> bool {
        self.feature_schema == feature_schema_hash()
    }
}

/// The BLAKE3 hash, in hex, of the names of the features in their order, a line each.
pub fn feature_schema_hash() -> String {
    blake3::hash(FEATURES.join("\n").as_bytes()).to_hex().to_string()
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EasternDate, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{"impute":{"opponent_pace":100.0},"intercept":0.4,"kind":"linear","spread":{"at_zero":10.0,"per_point":2.5,"prior_games":80.0},"weights":{"opponent_pace":0.02}}"#;

    fn text(model: &str, hash: &str, schema: &str) -> String {
        format!(
            r#"{{"format":1,"trained_from":"2018-10-16","trained_to":"2024-04-14","feature_schema":"{schema}",
                "library":"least squares 1","hash":"{hash}","model":{model}}}"#
        )
    }
    fn hash(model: &str) -> String {
        blake3::hash(model.as_bytes()).to_hex().to_string()
    }
    fn parse(model: &str) -> Result<Artifact, ArtifactError> {
        Artifact::parse(&text(model, &hash(model), &feature_schema_hash()))
    }

    #[test]
    fn an_artifact_whose_hash_is_that_of_its_model_is_read() {
        let artifact = parse(MODEL).unwrap();
        assert_eq!(artifact.trained_to.to_string(), "2024-04-14");
        assert_eq!(artifact.model.weights["opponent_pace"], 0.02);
        assert!(artifact.reads_these_features());
    }
    #[test]
    fn spaces_and_the_order_of_keys_do_not_change_the_hash() {
        let spread = r#"{"prior_games": 80, "at_zero": 10, "per_point": 2.50}"#;
        let reordered = format!(
            r#"{{"weights": {{"opponent_pace": 0.02}}, "spread": {spread},
                "kind": "linear", "intercept": 0.4, "impute": {{"opponent_pace": 1e2}}}}"#
        );
        assert!(Artifact::parse(&text(&reordered, &hash(MODEL), &feature_schema_hash())).is_ok());
    }
    #[test]
    fn a_model_that_was_touched_is_refused() {
        let touched = MODEL.replace("0.4", "0.5");
        let error = Artifact::parse(&text(&touched, &hash(MODEL), &feature_schema_hash()));
        assert!(matches!(error, Err(ArtifactError::Hash { .. })), "{error:?}");
    }
    #[test]
    fn what_is_not_known_is_refused() {
        let extra = MODEL.replace("\"intercept\"", "\"bias\":1,\"intercept\"");
        assert!(matches!(parse(&extra), Err(ArtifactError::Text(_))));
        let other_kind = MODEL.replace("linear", "forest");
        assert!(matches!(parse(&other_kind), Err(ArtifactError::Text(_))));
        let unknown = MODEL.replace("opponent_pace", "referee");
        assert!(matches!(parse(&unknown), Err(ArtifactError::UnknownFeature(name)) if name == "referee"));
        let flat = MODEL.replace("10.0", "0.0");
        assert!(matches!(parse(&flat), Err(ArtifactError::Spread)));
        let good = text(MODEL, &hash(MODEL), &feature_schema_hash());
        let newer = good.replace("\"format\":1", "\"format\":2");
        assert!(matches!(Artifact::parse(&newer), Err(ArtifactError::Format(2))));
        let backwards = good.replace("2018-10-16", "2025-10-16");
        assert!(matches!(Artifact::parse(&backwards), Err(ArtifactError::Range { .. })));
        assert!(matches!(Artifact::parse("{}"), Err(ArtifactError::Text(_))));
    }
    #[test]
    fn a_model_of_other_features_is_read_and_says_so() {
        let unknown = MODEL.replace("opponent_pace", "referee");
        let artifact = Artifact::parse(&text(&unknown, &hash(&unknown), "another")).unwrap();
        assert!(!artifact.reads_these_features());
    }
}
