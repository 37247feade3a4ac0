//! Predictions: one event per player, game and date. It contains, for every prediction system, the prediction on each line of the line
//! ladder, or the reason why there is none.
//!
//! Invariant: for an eligible candidate, each system is present exactly once, with a prediction or a skip reason; each line offset −2…+2
//! is either in the line ladder of every system that has a prediction, or in `omitted_line_offsets`.
//! Not here: the rows of the warehouse (crate `sinks`).
use crate::{
    features::{Basis, Eligibility, QualityFlag},
    fixture::Voided,
    ids::{GameId, PlayerId},
    named_enum::named_enum,
    team::Team,
    units::{EasternDate, Line, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The prediction systems, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum System {
    MovingAverage,
    ZoneMatchupV1,
    SimilarityBalancedV1,
    EnsembleV1,
    LearnedV1,
}
named_enum! {
    System {
        MovingAverage = "moving_average",
        ZoneMatchupV1 = "zone_matchup_v1",
        SimilarityBalancedV1 = "similarity_balanced_v1",
        EnsembleV1 = "ensemble_v1",
        LearnedV1 = "learned_v1",
    }
}

/// The reason why a system has no prediction for an eligible candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum SystemSkip {
    /// A required feature is missing.
    MissingFeature,
    /// The shares of all shot zones are missing.
    MissingZones,
    /// Fewer than five earlier games of the player are similar enough to this game.
    TooFewSimilar,
    /// The system combines the predictions of other systems, and fewer than two of them have one.
    TooFewSystems,
    /// No model artifact is installed.
    ModelAbsent,
    /// The training data of the model artifact ends on the day of this game or later.
    TrainedLater,
    /// The model artifact was trained on a feature schema that differs from the current one.
    OtherFeatures,
}
named_enum! {
    SystemSkip {
        MissingFeature = "missing_feature",
        MissingZones = "missing_zones",
        TooFewSimilar = "too_few_similar",
        TooFewSystems = "too_few_systems",
        ModelAbsent = "model_absent",
        TrainedLater = "trained_later",
        OtherFeatures = "other_features",
    }
}

/// The recommended bet on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
#[allow(clippy::upper_case_acronyms)]
pub enum Recommendation {
    OVER,
    UNDER,
    PASS,
    #[allow(non_camel_case_types)]
    NO_LINE,
}
named_enum! {
    Recommendation {
        OVER = "OVER",
        UNDER = "UNDER",
        PASS = "PASS",
        NO_LINE = "NO_LINE",
    }
}

/// The origin of a base line, which is the middle line of a line ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum LineSource {
    /// The base line is the market's main line.
    Market,
    /// There is no market. The base line is the player's mean points over the last five appearances, rounded to half a point.
    Estimate,
}
named_enum! {
    LineSource {
        Market = "market",
        Estimate = "estimate",
    }
}

/// One line of the line ladder: the base line plus an offset.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct LadderLine {
    /// Distance from the base line in points, −2 to +2.
    pub line_offset: i32,
    pub line: Line,
    /// Probability that the player scores more points than the line, 0–1.
    pub p_over: f64,
    /// Probability that the points equal the line, 0–1; 0 if the line is not a whole number.
    pub p_push: f64,
    pub recommendation: Recommendation,
}

/// A system's prediction of a player's points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Predicted {
    pub points: f64,
    /// The standard deviation of the predictive distribution, in points.
    pub stddev_points: f64,
    /// The system's confidence in its prediction, 0–1.
    pub confidence: f64,
    pub line_ladder: Vec<LadderLine>,
    /// The names of the features that are missing, so that the prediction was made without the adjustments computed from them.
    pub missing_adjustments: Vec<String>,
}

/// A prediction, or the reason why there is none. It is an Avro union; the serde names of the branches are the names of their Avro types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
pub enum SystemOutcome {
    #[serde(rename(serialize = "Predicted", deserialize = "fastbreak.Predicted"))]
    Predicted(Predicted),
    #[serde(rename(serialize = "SystemSkip", deserialize = "fastbreak.SystemSkip"))]
    Skipped(SystemSkip),
}

/// One system, with its prediction or the reason why it has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct SystemPrediction {
    pub system: System,
    pub outcome: SystemOutcome,
}

/// All predictions for one player in one game on one date. A newer record with the same id replaces it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Prediction {
    pub player: PlayerId,
    pub game: GameId,
    pub name: String,
    pub home: Team,
    pub away: Team,
    pub team: Option<Team>,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    pub basis: Basis,
    pub known_at: Timestamp,
    pub eligibility: Eligibility,
    /// Number of the player's earlier appearances in the season.
    pub appearances: i32,
    /// Hash of the [`crate::features::Features`] row from which the prediction was computed.
    pub input_version: i64,
    /// Hash of the predictor's code version, constants and model artifact.
    pub model_version: i64,
    pub base_line: Option<Line>,
    pub line_source: Option<LineSource>,
    /// The line offsets that the line ladder lacks, because the base line plus the offset is below 0.5.
    pub omitted_line_offsets: Vec<i32>,
    pub quality_flags: Vec<QualityFlag>,
    /// Empty unless the candidate is eligible.
    pub systems: Vec<SystemPrediction>,
    /// Present if the row is void. All other fields are as issued.
    #[serde(default)]
    pub voided: Option<Voided>,
}
