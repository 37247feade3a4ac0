//! The artifact of a learned model: its text format and its verification.
//!
//! The text is a JSON object. `hash` is the hash of `model` in its canonical form: keys in alphabetical order, no spaces, each number in
//! its shortest form.
//! ```json
//! {"format": 1, "trained_from": "2018-10-16", "trained_to": "2024-04-14", "feature_schema": "…", "library": "…", "hash": "…",
//!  "model": {"impute": {"opponent_pace": 100.0}, "intercept": 0.4, "kind": "linear",
//!            "spread": {"at_zero": 10.0, "per_point": 2.5, "prior_games": 80.0}, "weights": {"opponent_pace": 0.02}}}
//! ```
//!
//! Invariant: the model of a parsed artifact has the hash that the artifact states; the artifact specifies the features and the days of the
//! games on which the model was trained.
//! Not here: reading the file (the binary), predictions by the model (`learned`).
use super::distribution::Spread;
use schemas::{EasternDate, features::FEATURES};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The only supported value of the field `format`.
const FORMAT: u32 = 1;

/// The reason why a text is not a valid artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("the JSON text is not a valid model artifact: {0}")]
    Text(#[from] serde_json::Error),
    #[error("format {0} is not supported, expected {FORMAT}")]
    Format(u32),
    #[error("the hash of the model is {actual}, but the artifact states {stated}")]
    Hash { stated: String, actual: String },
    #[error("the training range from {from} to {to} ends before it starts")]
    Range { from: EasternDate, to: EasternDate },
    #[error("the model uses '{0}', which is not a feature")]
    UnknownFeature(String),
    #[error("a number in spread is out of range, expected at_zero > 0, per_point >= 0 and prior_games > 0")]
    Spread,
}

/// The formula of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The forecast, in points, is the sum of the intercept and the weighted features.
    Linear,
}

/// The trained parameters. The fields must be in alphabetical order because their text is hashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The values that replace missing features; a feature that is not listed here is required.
    pub impute: BTreeMap<String, f64>,
    pub intercept: f64,
    pub kind: Kind,
    pub spread: Spread,
    pub weights: BTreeMap<String, f64>,
}
impl Model {
    /// Returns the BLAKE3 hash of the canonical text, in hexadecimal.
    ///
    /// # Errors
    /// If the model contains a number that JSON cannot represent.
    pub fn hash(&self) -> Result<String, ArtifactError> {
        Ok(blake3::hash(serde_json::to_string(self)?.as_bytes()).to_hex().to_string())
    }
}

/// A trained model, with the days, the features and the library of its training.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    pub format: u32,
    /// The day of the first game on which the model was trained.
    #[serde(deserialize_with = "date")]
    pub trained_from: EasternDate,
    /// The day of the last game on which the model was trained; the model predicts only later games.
    #[serde(deserialize_with = "date")]
    pub trained_to: EasternDate,
    /// The [`feature_schema_hash`] of the features on which the model was trained.
    pub feature_schema: String,
    /// The library that trained the model, with the version of the library.
    pub library: String,
    /// The hash that the artifact states; `parse` checks that it equals the [`Model::hash`] of `model`.
    pub hash: String,
    pub model: Model,
}
impl Artifact {
    /// Parses and verifies an artifact.
    ///
    /// # Errors
    /// If the text is not an artifact, if the stated hash is not that of the model, or if a value is not allowed.
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
            Some(name) if artifact.has_current_features() => Err(ArtifactError::UnknownFeature(name.clone())),
            _ => Ok(artifact),
        }
    }
    /// True if the model was trained on the current features.
    pub fn has_current_features(&self) -> bool {
        self.feature_schema == feature_schema_hash()
    }
}

/// Returns the BLAKE3 hash, in hexadecimal, of the feature names, one per line, in the order of the feature vector.
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
    fn an_artifact_with_the_hash_of_its_model_is_valid() {
        let artifact = parse(MODEL).unwrap();
        assert_eq!(artifact.trained_to.to_string(), "2024-04-14");
        assert_eq!(artifact.model.weights["opponent_pace"], 0.02);
        assert!(artifact.has_current_features());
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
    fn a_modified_model_is_rejected() {
        let modified = MODEL.replace("0.4", "0.5");
        let error = Artifact::parse(&text(&modified, &hash(MODEL), &feature_schema_hash()));
        assert!(matches!(error, Err(ArtifactError::Hash { .. })), "{error:?}");
    }
    #[test]
    fn unknown_fields_kinds_features_formats_and_ranges_are_rejected() {
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
    fn a_model_of_other_features_is_valid_but_has_not_the_current_features() {
        let unknown = MODEL.replace("opponent_pace", "referee");
        let artifact = Artifact::parse(&text(&unknown, &hash(&unknown), "another")).unwrap();
        assert!(!artifact.has_current_features());
    }
}
