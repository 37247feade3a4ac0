//! The artifact of a trained model: its text format and its verification.
//!
//! The text is a JSON object. `hash` is the hash of `content` in its canonical form: the fields in the order of the types below, no spaces,
//! each number in its shortest form.
//! ```json
//! {"format": 2, "hash": "…", "content": {"kind": "linear_and_trees", "feature_schema": "…",
//!  "model": {"columns": [{"name": "rest_advantage", "impute": 0.0, "mean": 0.1, "deviation": 1.2, "weight": 0.05}], "intercept": 9.5,
//!            "offset": -120, "trees": [[[0, 0.5, -2], -31, 17]]},
//!  "spread": {"at_zero": 10.0, "per_point": 2.5, "prior_games": 80.0}, "training": {…}, "parameters": {…}, "backtest": {…}}}
//! ```
//! A tree is a list of nodes in preorder. A leaf is a number, in 1/10000 of a point. A split is a list: index of the column, threshold, and index
//! of the node for greater values (the next node is for the others); the index is negative if a missing value counts as not greater.
//!
//! Invariant: a parsed artifact has the hash that it states, every number in it is in range, and every tree is one. It has no clock time, so
//! the same training gives the same text.
//! Not here: reading the file (the binary), training (crate `models` and the binary), predictions by the model (`learned`).
use super::distribution::Spread;
use models::{Dropped, Model, ModelError, Parameters};
use schemas::{EasternDate, Season, features::FEATURES};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt::Display, str::FromStr};

/// The only supported value of the field `format`.
const FORMAT: u32 = 2;
/// The largest variance of a forecast of 0 points, and increase of the variance per point.
const MAX_SPREAD: f64 = 1e4;

/// The reason why a text is not a valid artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("the file has {actual} bytes, but a model artifact has at most {}", Artifact::MAX_BYTES)]
    TooLarge { actual: usize },
    #[error("the JSON text is not a valid model artifact: {0}")]
    Text(#[from] serde_json::Error),
    #[error("format {0} is not supported, expected {FORMAT}: train the model again with `fastbreak train`")]
    Format(u32),
    #[error("the hash of the content is {actual}, but the artifact states {stated}")]
    Hash { stated: String, actual: String },
    #[error("the training range from {from} to {to} ends before it starts")]
    Range { from: EasternDate, to: EasternDate },
    #[error("the seasons of the training are missing or not in ascending order")]
    Seasons,
    #[error("{rows} rows were trained on, but {issued} were issued and {retrospective} retrospective")]
    Rows { rows: u64, issued: u64, retrospective: u64 },
    #[error("the model uses '{0}', which is not a feature")]
    UnknownFeature(String),
    #[error("the model cannot be used: {0}")]
    Model(#[from] ModelError),
    #[error("a number in spread is out of range, expected 0 < at_zero, 0 <= per_point and 0 < prior_games")]
    Spread,
}

/// The formula of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A linear median regression and boosted trees on its residuals (crate `models`).
    LinearAndTrees,
}

/// The rows on which a model was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The day of the first game on which the model was trained.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub from: EasternDate,
    /// The day of the last game on which the model was trained; the model predicts only later games.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub to: EasternDate,
    /// The seasons of the rows, in ascending order.
    #[serde(serialize_with = "write_all", deserialize_with = "read_all")]
    pub seasons: Vec<Season>,
    pub rows: u64,
    /// The number of rows that use only facts known before tip-off.
    pub issued: u64,
    /// The number of rows that also use facts which became known later, because there is no issued row with a prediction.
    pub retrospective: u64,
    /// The BLAKE3 hash, in hexadecimal, of all rows with their targets.
    pub rows_hash: String,
    /// The features that the model does not use, because their values say nothing.
    pub dropped: Vec<Dropped>,
}

/// The errors of a model that was trained on all seasons but the last one, in this last season.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backtest {
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub season: Season,
    /// The number of eligible player-games with at least five earlier appearances.
    pub n: u64,
    /// Mean absolute error, in points.
    pub mae: f64,
    /// Mean of predicted less actual points.
    pub bias: f64,
    /// Mean absolute error of the naive blend: 0.5 · last 5 + 0.3 · last 10 + 0.2 · season.
    pub blend_mae: f64,
}

/// Everything that an artifact says, apart from its format and its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    pub kind: Kind,
    /// The [`feature_schema_hash`] of the features on which the model was trained.
    pub feature_schema: String,
    pub model: Model,
    pub spread: Spread,
    pub training: Training,
    pub parameters: Parameters,
    /// `None` if the model was trained on a single season.
    pub backtest: Option<Backtest>,
}

/// A trained model, with its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    format: u32,
    hash: String,
    content: Content,
}

/// The field that every format has.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl Artifact {
    /// The largest size of the text, in bytes.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Makes an artifact of its content.
    ///
    /// # Errors
    /// If the content is not valid, or its text would be too large.
    pub fn new(content: Content) -> Result<Artifact, ArtifactError> {
        content.check()?;
        let artifact = Artifact { format: FORMAT, hash: content.hash()?, content };
        // What is written must read back to the same bits.
        Artifact::parse(&artifact.text()?)
    }
    /// Returns the text of the artifact, in one line.
    ///
    /// # Errors
    /// If it contains a number that JSON cannot represent.
    pub fn text(&self) -> Result<String, ArtifactError> {
        Ok(serde_json::to_string(self)? + "\n")
    }
    /// Parses and verifies an artifact.
    ///
    /// # Errors
    /// If the text is not an artifact, if the stated hash is not that of the content, or if a value is not allowed.
    pub fn parse(text: &str) -> Result<Artifact, ArtifactError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ArtifactError::TooLarge { actual: text.len() });
        }
        let AnyFormat { format } = serde_json::from_str(text)?;
        if format != FORMAT {
            return Err(ArtifactError::Format(format));
        }
        let artifact: Artifact = serde_json::from_str(text)?;
        let actual = artifact.content.hash()?;
        if artifact.hash != actual {
            return Err(ArtifactError::Hash { stated: artifact.hash, actual });
        }
        artifact.content.check()?;
        Ok(artifact)
    }
    /// Returns the hash of the content.
    pub fn hash(&self) -> &str {
        &self.hash
    }
    pub fn content(&self) -> &Content {
        &self.content
    }
}

impl Content {
    /// Returns the BLAKE3 hash of the canonical text, in hexadecimal.
    fn hash(&self) -> Result<String, ArtifactError> {
        Ok(blake3::hash(serde_json::to_string(self)?.as_bytes()).to_hex().to_string())
    }
    /// True if the model was trained on the current features.
    pub fn has_current_features(&self) -> bool {
        self.feature_schema == feature_schema_hash()
    }
    fn check(&self) -> Result<(), ArtifactError> {
        let Training { from, to, seasons, rows, issued, retrospective, .. } = &self.training;
        if from > to {
            return Err(ArtifactError::Range { from: *from, to: *to });
        }
        if seasons.is_empty() || !seasons.is_sorted_by(|earlier, later| earlier < later) {
            return Err(ArtifactError::Seasons);
        }
        if issued.checked_add(*retrospective) != Some(*rows) {
            let (rows, issued, retrospective) = (*rows, *issued, *retrospective);
            return Err(ArtifactError::Rows { rows, issued, retrospective });
        }
        let Spread { at_zero, per_point, prior_games } = self.spread;
        let is_possible = |value: f64| value > 0.0 && value <= MAX_SPREAD;
        if !is_possible(at_zero) || !(0.0..=MAX_SPREAD).contains(&per_point) || !is_possible(prior_games) {
            return Err(ArtifactError::Spread);
        }
        self.model.check()?;
        let columns = || self.model.columns.iter().map(|column| column.name.as_str());
        let unknown = columns().find(|name| !FEATURES.contains(name));
        match unknown {
            Some(name) if self.has_current_features() => Err(ArtifactError::UnknownFeature(name.to_owned())),
            _ => Ok(()),
        }
    }
}

/// Returns the BLAKE3 hash, in hexadecimal, of the feature names, one per line, in the order of the feature vector.
pub fn feature_schema_hash() -> String {
    blake3::hash(FEATURES.join("\n").as_bytes()).to_hex().to_string()
}

fn write<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
fn read<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
fn write_all<T: Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}
fn read_all<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::{Node, Split, Tree};
    use proptest::prelude::*;

    /// The content of the artifact of the tests: two columns and one tree.
    fn content() -> Content {
        super::super::laws::artifact().content().clone()
    }
    fn changed(change: impl FnOnce(&mut Content)) -> ArtifactError {
        let mut content = content();
        change(&mut content);
        let text =
            serde_json::to_string(&Artifact { format: FORMAT, hash: content.hash().unwrap(), content });
        Artifact::parse(&text.unwrap()).unwrap_err()
    }

    #[test]
    fn an_artifact_reads_back_from_its_text_also_with_spaces() {
        let artifact = Artifact::new(content()).unwrap();
        let text = artifact.text().unwrap();
        assert_eq!(Artifact::parse(&text).unwrap(), artifact);
        assert_eq!(Artifact::parse(&text.replace(',', " ,\n ")).unwrap(), artifact);
        assert!(artifact.content().has_current_features());
    }
    #[test]
    fn a_modified_content_is_refused() {
        let text = Artifact::new(content()).unwrap().text().unwrap();
        let modified = text.replace("\"intercept\":", "\"intercept\":1");
        assert!(matches!(Artifact::parse(&modified), Err(ArtifactError::Hash { .. })));
    }
    #[test]
    fn an_artifact_of_format_1_is_refused_and_the_error_says_to_train_again() {
        let former =
            r#"{"format":1,"trained_from":"2018-10-16","trained_to":"2019-04-10","model":{"weights":{}}}"#;
        let error = Artifact::parse(former).unwrap_err();
        assert!(matches!(error, ArtifactError::Format(1)));
        assert!(error.to_string().contains("`fastbreak train`"), "{error}");
        assert!(matches!(Artifact::parse("{}"), Err(ArtifactError::Text(_))));
    }
    #[test]
    fn values_that_are_not_allowed_are_refused_even_with_the_right_hash() {
        let range = changed(|content| content.training.from = EasternDate(30_000));
        assert!(matches!(range, ArtifactError::Range { .. }), "{range}");
        let seasons = changed(|content| content.training.seasons.clear());
        assert!(matches!(seasons, ArtifactError::Seasons), "{seasons}");
        let rows = changed(|content| content.training.issued = u64::MAX);
        assert!(matches!(rows, ArtifactError::Rows { .. }), "{rows}");
        let spread = changed(|content| content.spread.at_zero = 0.0);
        assert!(matches!(spread, ArtifactError::Spread), "{spread}");
        let unknown = changed(|content| content.model.columns[1].name = "referee".into());
        assert!(matches!(&unknown, ArtifactError::UnknownFeature(name) if name == "referee"), "{unknown}");
        let missing = changed(|content| content.model.columns.truncate(1));
        assert!(matches!(missing, ArtifactError::Model(ModelError::Tree { tree: 0, .. })), "{missing}");
        let split = Split { column: 0, threshold: 1.0, right: 0, missing_left: true };
        let cycle = changed(|content| content.model.trees[0] = Tree(vec![Node::Split(split); 3]));
        assert!(matches!(cycle, ArtifactError::Model(_)), "{cycle}");
    }
    #[test]
    fn a_number_that_json_cannot_represent_is_refused() {
        let mut content = content();
        content.model.columns[0].weight = f64::NAN;
        assert!(matches!(Artifact::new(content), Err(ArtifactError::Model(ModelError::Number { .. }))));
    }
    #[test]
    fn a_large_artifact_is_refused_before_it_is_parsed() {
        let mut content = content();
        content.model.trees = vec![content.model.trees[0].clone(); 10_000];
        assert!(matches!(Artifact::new(content), Err(ArtifactError::TooLarge { .. })));
    }
    #[test]
    fn a_model_of_other_features_is_valid_but_has_not_the_current_features() {
        let mut content = content();
        content.feature_schema = "another".into();
        content.model.columns[1].name = "referee".into();
        assert!(!Artifact::new(content).unwrap().content().has_current_features());
    }
    proptest! {
        #[test]
        fn a_changed_byte_is_refused_or_changes_nothing(place in any::<prop::sample::Index>(), byte in 32u8..127) {
            let artifact = Artifact::new(content()).unwrap();
            let mut text = artifact.text().unwrap().into_bytes();
            let place = place.index(text.len());
            text[place] = byte;
            if let Ok(parsed) = Artifact::parse(&String::from_utf8(text).unwrap()) {
                prop_assert_eq!(parsed, artifact);
            }
        }
        #[test]
        fn numbers_of_a_trained_model_read_back_to_the_same_bits(weight in -1e3f64..1e3, mean in -1e6f64..1e6) {
            let mut content = content();
            content.model.columns[0].weight = models::significant(weight);
            content.model.columns[0].mean = models::significant(mean);
            let artifact = Artifact::new(content.clone()).unwrap();
            prop_assert_eq!(artifact.content(), &content);
        }
    }
}
