//! Predictions: one event per player and game, with every system, every line and every reason for what is not there.
//!
//! Invariant: each of the systems is present exactly once, predicted or with its reason; each line offset −2…+2 of a predicted
//! system is present, made or not.
//! Not here: the rows of the warehouse; the sink makes them from this.
use crate::{
    features::{Basis, Eligibility, QualityFlag},
    ids::{GameId, PlayerId},
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
impl System {
    pub const ALL: [System; 5] = [
        System::MovingAverage,
        System::ZoneMatchupV1,
        System::SimilarityBalancedV1,
        System::EnsembleV1,
        System::LearnedV1,
    ];
    pub const fn name(self) -> &'static str {
        match self {
            System::MovingAverage => "moving_average",
            System::ZoneMatchupV1 => "zone_matchup_v1",
            System::SimilarityBalancedV1 => "similarity_balanced_v1",
            System::EnsembleV1 => "ensemble_v1",
            System::LearnedV1 => "learned_v1",
        }
    }
}

/// Why a system did not predict an eligible candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum SystemSkip {
    /// A feature that the system cannot do without is missing.
    MissingFeature,
    /// No share of any shot zone is known.
    MissingZones,
    /// Fewer than five earlier games are similar enough.
    TooFewSimilar,
    /// Fewer than two systems predicted.
    TooFewSystems,
    /// No artifact is installed.
    ModelAbsent,
    /// The artifact was trained on games not before this one.
    TrainedLater,
    /// The artifact was trained on another feature schema.
    OtherFeatures,
}
impl SystemSkip {
    pub const fn name(self) -> &'static str {
        match self {
            SystemSkip::MissingFeature => "missing_feature",
            SystemSkip::MissingZones => "missing_zones",
            SystemSkip::TooFewSimilar => "too_few_similar",
            SystemSkip::TooFewSystems => "too_few_systems",
            SystemSkip::ModelAbsent => "model_absent",
            SystemSkip::TrainedLater => "trained_later",
            SystemSkip::OtherFeatures => "other_features",
        }
    }
}

/// What to do with a line.
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
impl Recommendation {
    pub const fn name(self) -> &'static str {
        match self {
            Recommendation::OVER => "OVER",
            Recommendation::UNDER => "UNDER",
            Recommendation::PASS => "PASS",
            Recommendation::NO_LINE => "NO_LINE",
        }
    }
}

/// Where a base line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum LineSource {
    /// The market's main line.
    Market,
    /// No market: the mean of the last five appearances, in steps of half a point.
    Estimate,
}
impl LineSource {
    pub const fn name(self) -> &'static str {
        match self {
            LineSource::Market => "market",
            LineSource::Estimate => "estimate",
        }
    }
}

/// One of the five lines about the base line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct LadderLine {
    /// −2…+2, in points from the base line.
    pub line_offset: i32,
    pub line: Line,
    /// Probability of more points than the line, 0–1.
    pub p_over: f64,
    /// Probability of exactly the line, 0–1; 0 for a line that no whole number equals.
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
    /// 0–1.
    pub confidence: f64,
    pub line_ladder: Vec<LadderLine>,
    /// Adjustments that were 0 because their feature is missing, by feature name.
    pub missing_adjustments: Vec<String>,
}

/// A prediction, or the reason why there is none: an Avro union, whose branches serde knows by their Avro type names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
pub enum SystemOutcome {
    #[serde(rename(serialize = "Predicted", deserialize = "fastbreak.Predicted"))]
    Predicted(Predicted),
    #[serde(rename(serialize = "SystemSkip", deserialize = "fastbreak.SystemSkip"))]
    Skipped(SystemSkip),
}

/// What one system says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct SystemPrediction {
    pub system: System,
    pub outcome: SystemOutcome,
}

/// All predictions of one player in one game, or why there are none. Replaces every earlier one of the same id.
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
    /// Earlier appearances of the season.
    pub appearances: i32,
    /// Hash of the features: the version of the input.
    pub input_version: i64,
    /// The version of the predictor's code, constants and artifact.
    pub model_version: i64,
    pub base_line: Option<Line>,
    pub line_source: Option<LineSource>,
    /// Line offsets that would lie below 0.5 and are not made.
    pub omitted_line_offsets: Vec<i32>,
    pub quality_flags: Vec<QualityFlag>,
    /// Empty unless eligible.
    pub systems: Vec<SystemPrediction>,
}
