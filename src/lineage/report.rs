//! The report of a prediction's lineage.
//!
//! Invariant: dates are `YYYY-MM-DD`, timestamps RFC 3339, lines in points, playing time in minutes, reasons and flags in snake_case.
//! Not here: the Avro schemas of these rows (crate `schemas`), which have some of the values as integers in other units.
use schemas::{
    EasternDate, Line, RawId, Timestamp,
    features::{Comparable, Feature, Features, QualityFlag},
    market::{Availability, AvailabilityView, Market, MarketView},
    prediction::{LadderLine, Prediction, SystemOutcome, SystemPrediction},
    team_form::{Candidacy, FormNumbers, SideEvidence, SlateEntry},
};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Everything that a prediction was made from.
#[derive(Serialize)]
pub struct LineageReport {
    pub prediction: PredictionReport,
    pub features: BTreeMap<&'static str, FeatureReport>,
    pub feature_row: FeatureRowReport,
    pub candidate: Option<CandidateReport>,
    pub market: Option<MarketReport>,
    pub availability: Option<AvailabilityReport>,
    pub games: Vec<GameReport>,
    pub events: Vec<EventReport>,
}

fn flag_names(flags: &[QualityFlag]) -> Vec<&'static str> {
    flags.iter().map(|flag| flag.name()).collect()
}
fn timestamp_text(timestamp: Option<Timestamp>) -> Option<String> {
    timestamp.map(|timestamp| timestamp.to_string())
}
fn date_text(date: Option<EasternDate>) -> Option<String> {
    date.map(|date| date.to_string())
}
fn hex(version: i64) -> String {
    format!("{version:016x}")
}
fn raw_id_text<S: Serializer>(raw: &RawId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(raw)
}

#[derive(Serialize)]
pub struct PredictionReport {
    pub player_id: u32,
    pub player_name: String,
    pub game_id: String,
    pub home: String,
    pub away: String,
    /// The player's team in this game; `None` if `eligibility` is `no_side` (the player belongs to neither team) or `other_team`.
    pub team: Option<String>,
    pub date: String,
    pub tip_off: String,
    pub basis: &'static str,
    pub known_at: String,
    pub eligibility: &'static str,
    pub appearances: i32,
    pub input_version: String,
    pub model_version: String,
    pub base_line: Option<f64>,
    pub line_source: Option<&'static str>,
    pub omitted_line_offsets: Vec<i32>,
    pub quality_flags: Vec<&'static str>,
    /// When it became known that the prediction is void, and why; `None` unless it is void.
    pub voided_at: Option<String>,
    pub void_reason: Option<&'static str>,
    pub systems: Vec<SystemReport>,
}
impl PredictionReport {
    pub fn new(prediction: &Prediction) -> PredictionReport {
        PredictionReport {
            player_id: prediction.player.0,
            player_name: prediction.name.clone(),
            game_id: prediction.game.to_string(),
            home: prediction.home.to_string(),
            away: prediction.away.to_string(),
            team: prediction.team.map(|team| team.to_string()),
            date: prediction.date.to_string(),
            tip_off: prediction.tip_off.to_string(),
            basis: prediction.basis.name(),
            known_at: prediction.known_at.to_string(),
            eligibility: prediction.eligibility.name(),
            appearances: prediction.appearances,
            input_version: hex(prediction.input_version),
            model_version: hex(prediction.model_version),
            base_line: prediction.base_line.map(Line::points),
            line_source: prediction.line_source.map(|source| source.name()),
            omitted_line_offsets: prediction.omitted_line_offsets.clone(),
            quality_flags: flag_names(&prediction.quality_flags),
            voided_at: prediction.voided.map(|voided| voided.at.to_string()),
            void_reason: prediction.voided.map(|voided| voided.reason.name()),
            systems: prediction.systems.iter().map(SystemReport::new).collect(),
        }
    }
}

/// The prediction of one system, or the reason why it was skipped.
#[derive(Serialize)]
pub struct SystemReport {
    pub system: &'static str,
    #[serde(flatten)]
    pub outcome: SystemOutcomeReport,
}
#[derive(Serialize)]
#[serde(untagged)]
pub enum SystemOutcomeReport {
    Predicted {
        predicted_points: f64,
        stddev_points: f64,
        confidence: f64,
        line_ladder: Vec<LadderLineReport>,
        missing_adjustments: Vec<String>,
    },
    Skipped {
        skipped: &'static str,
    },
}
#[derive(Serialize)]
pub struct LadderLineReport {
    pub line_offset: i32,
    pub line: f64,
    pub p_over: f64,
    pub p_push: f64,
    pub recommendation: &'static str,
}
impl SystemReport {
    fn new(prediction: &SystemPrediction) -> SystemReport {
        let outcome = match &prediction.outcome {
            SystemOutcome::Predicted(predicted) => SystemOutcomeReport::Predicted {
                predicted_points: predicted.points,
                stddev_points: predicted.stddev_points,
                confidence: predicted.confidence,
                line_ladder: predicted.line_ladder.iter().map(LadderLineReport::new).collect(),
                missing_adjustments: predicted.missing_adjustments.clone(),
            },
            SystemOutcome::Skipped(reason) => SystemOutcomeReport::Skipped { skipped: reason.name() },
        };
        SystemReport { system: prediction.system.name(), outcome }
    }
}
impl LadderLineReport {
    fn new(line: &LadderLine) -> LadderLineReport {
        LadderLineReport {
            line_offset: line.line_offset,
            line: line.line.points(),
            p_over: line.p_over,
            p_push: line.p_push,
            recommendation: line.recommendation.name(),
        }
    }
}

/// The value of a feature, or the reason why it is missing.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureReport {
    Value(f64),
    Missing(&'static str),
}
impl FeatureReport {
    pub fn new(feature: &Feature) -> FeatureReport {
        match feature {
            Feature::Value(value) => FeatureReport::Value(*value),
            Feature::Missing(reason) => FeatureReport::Missing(reason.name()),
        }
    }
}

/// The fields of the feature row other than the feature values.
#[derive(Serialize)]
pub struct FeatureRowReport {
    pub known_at: String,
    pub basis: &'static str,
    pub eligibility: &'static str,
    pub appearances: i32,
    pub rest_days: Option<i32>,
    pub main_line: Option<f64>,
    pub quality_flags: Vec<&'static str>,
    pub comparables: Vec<ComparableReport>,
}
#[derive(Serialize)]
pub struct ComparableReport {
    pub game_id: String,
    pub points: i32,
    pub tier: &'static str,
    pub rest_days: i32,
    pub is_home: bool,
    pub streak: &'static str,
}
impl FeatureRowReport {
    pub fn new(features: &Features) -> FeatureRowReport {
        FeatureRowReport {
            known_at: features.known_at.to_string(),
            basis: features.basis.name(),
            eligibility: features.eligibility.name(),
            appearances: features.appearances,
            rest_days: features.rest_days,
            main_line: features.main_line.map(Line::points),
            quality_flags: flag_names(&features.quality_flags),
            comparables: features.comparables.iter().map(ComparableReport::new).collect(),
        }
    }
}
impl ComparableReport {
    fn new(comparable: &Comparable) -> ComparableReport {
        ComparableReport {
            game_id: comparable.game.to_string(),
            points: comparable.points,
            tier: comparable.tier.name(),
            rest_days: comparable.rest_days,
            is_home: comparable.is_home,
            streak: comparable.streak.name(),
        }
    }
}

#[derive(Serialize)]
pub struct CandidateReport {
    pub tip_estimated: bool,
    pub issued: Option<CandidacyReport>,
    pub retrospective: Option<CandidacyReport>,
}
#[derive(Serialize)]
pub struct CandidacyReport {
    pub known_at: String,
    pub sides: Vec<SideReport>,
    pub quoted: bool,
    pub teams_reported: Vec<String>,
    pub home: FormNumbers,
    pub away: FormNumbers,
}
#[derive(Serialize)]
pub struct SideReport {
    pub team: String,
    pub last_game: Option<String>,
    pub is_rostered: bool,
    pub born: Option<String>,
}
impl CandidateReport {
    pub fn new(entry: &SlateEntry) -> CandidateReport {
        CandidateReport {
            tip_estimated: entry.tip_estimated,
            issued: entry.issued.as_ref().map(CandidacyReport::new),
            retrospective: entry.retrospective.as_ref().map(CandidacyReport::new),
        }
    }
}
impl CandidacyReport {
    fn new(candidacy: &Candidacy) -> CandidacyReport {
        CandidacyReport {
            known_at: candidacy.known_at.to_string(),
            sides: candidacy.sides.iter().map(SideReport::new).collect(),
            quoted: candidacy.quoted,
            teams_reported: candidacy.teams_reported.iter().map(ToString::to_string).collect(),
            home: candidacy.home,
            away: candidacy.away,
        }
    }
}
impl SideReport {
    fn new(side: &SideEvidence) -> SideReport {
        SideReport {
            team: side.team.to_string(),
            last_game: timestamp_text(side.last_game),
            is_rostered: side.is_rostered,
            born: date_text(side.born),
        }
    }
}

#[derive(Serialize)]
pub struct MarketReport {
    pub issued: Option<MarketViewReport>,
    pub retrospective: Option<MarketViewReport>,
    pub issued_absent_since: Option<String>,
    pub retrospective_absent_since: Option<String>,
}
#[derive(Serialize)]
pub struct MarketViewReport {
    pub known_at: String,
    pub main_line: f64,
    pub opening_line: f64,
    pub no_vig_over: f64,
    pub books: i32,
}
impl MarketReport {
    pub fn new(market: &Market) -> MarketReport {
        MarketReport {
            issued: market.issued.as_ref().map(MarketViewReport::new),
            retrospective: market.retrospective.as_ref().map(MarketViewReport::new),
            issued_absent_since: timestamp_text(market.issued_absent_since),
            retrospective_absent_since: timestamp_text(market.retrospective_absent_since),
        }
    }
}
impl MarketViewReport {
    fn new(view: &MarketView) -> MarketViewReport {
        MarketViewReport {
            known_at: view.known_at.to_string(),
            main_line: view.main.points(),
            opening_line: view.opening.points(),
            no_vig_over: view.no_vig_over,
            books: view.books,
        }
    }
}

#[derive(Serialize)]
pub struct AvailabilityReport {
    pub issued: Option<AvailabilityViewReport>,
    pub retrospective: Option<AvailabilityViewReport>,
    pub issued_absent_since: Option<String>,
    pub retrospective_absent_since: Option<String>,
}
#[derive(Serialize)]
pub struct AvailabilityViewReport {
    pub known_at: String,
    pub reported_at: String,
    pub status: &'static str,
    pub reason: String,
}
impl AvailabilityReport {
    pub fn new(availability: &Availability) -> AvailabilityReport {
        AvailabilityReport {
            issued: availability.issued.as_ref().map(AvailabilityViewReport::new),
            retrospective: availability.retrospective.as_ref().map(AvailabilityViewReport::new),
            issued_absent_since: timestamp_text(availability.issued_absent_since),
            retrospective_absent_since: timestamp_text(availability.retrospective_absent_since),
        }
    }
}
impl AvailabilityViewReport {
    fn new(view: &AvailabilityView) -> AvailabilityViewReport {
        AvailabilityViewReport {
            known_at: view.known_at.to_string(),
            reported_at: view.reported_at.to_string(),
            status: view.status.name(),
            reason: view.reason.clone(),
        }
    }
}

/// An earlier game of the player as known at the cutoff.
#[derive(Serialize)]
pub struct GameReport {
    pub game_id: String,
    pub date: String,
    pub team: String,
    pub opponent: String,
    pub minutes: f64,
    pub points: i32,
    pub known_at: String,
    #[serde(serialize_with = "raw_id_text")]
    pub raw: RawId,
}

/// A raw event and the facts that come from it.
#[derive(Clone, Serialize)]
pub struct EventReport {
    #[serde(serialize_with = "raw_id_text")]
    pub raw: RawId,
    pub feed: String,
    pub key: String,
    pub fetched_at: String,
    pub facts: String,
    /// Time of the retraction (RFC 3339) and its reason; `None` if the event is not retracted.
    pub retracted_at: Option<String>,
    pub retraction_reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::features::MissingReason;

    #[test]
    fn reasons_and_flags_are_snake_case() {
        let missing = FeatureReport::new(&Feature::Missing(MissingReason::NothingToDivideBy));
        let json = serde_json::to_value([missing, FeatureReport::new(&Feature::Value(0.5))]).unwrap();
        assert_eq!(json, serde_json::json!([{"missing": "nothing_to_divide_by"}, {"value": 0.5}]));
    }
    #[test]
    fn lines_are_in_points_and_times_are_text() {
        let view = MarketView {
            known_at: Timestamp(1_700_000_000_000),
            main: Line(2550),
            opening: Line(2500),
            no_vig_over: 0.5,
            books: 2,
        };
        let json = serde_json::to_value(MarketViewReport::new(&view)).unwrap();
        assert_eq!((&json["main_line"], &json["opening_line"]), (&25.5.into(), &25.0.into()));
        assert_eq!(json["known_at"], "2023-11-14T22:13:20Z");
        assert_eq!(date_text(Some(EasternDate(19787))).as_deref(), Some("2024-03-05"));
    }
}
