//! The feature vector of one player before one game.
//!
//! Invariant: a feature is a value or the reason why there is none; filling a gap is a model's business. The order of
//! [`FEATURES`] is part of the schema: its hash is what an artifact was trained on.
//! Not here: how each is computed (processors), what is made of them (the predictor).
use crate::{
    ids::{GameId, PlayerId},
    team::Team,
    units::{EasternDate, Line, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// Why a feature has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum MissingReason {
    /// The player has no earlier appearance in the season.
    NoAppearances,
    /// He has some, and the feature needs more.
    TooFewAppearances,
    /// The quotient's denominator is zero.
    NothingToDivideBy,
    /// The team in question has no earlier game in the season.
    NoTeamGames,
    /// No book quotes a line with both sides.
    NoMarket,
    /// No injury report covers the game.
    NoReport,
    /// No play-by-play was heard.
    NoShotZones,
    /// Nobody projects usage.
    NoProjection,
    /// He has not met this opponent in three years.
    NeverMet,
}

/// A value, or the reason why there is none: an Avro union, whose branches serde knows by their Avro type names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
pub enum Feature {
    #[serde(rename = "Double")]
    Value(f64),
    #[serde(rename(serialize = "MissingReason", deserialize = "fastbreak.MissingReason"))]
    Missing(MissingReason),
}
impl Feature {
    pub const fn value(self) -> Option<f64> {
        match self {
            Feature::Value(value) => Some(value),
            Feature::Missing(_) => None,
        }
    }
}

macro_rules! features {
    ($($name:ident = $index:literal, $text:literal;)+) => {
        /// The names of the features, in the order of the vector.
        pub const FEATURES: [&str; 33] = [$($text),+];
        /// The positions in the vector, by name.
        #[allow(missing_docs)]
        pub mod index { $(pub const $name: usize = $index;)+ }
    };
}
features! {
    POINTS_AVG_LAST_5 = 0, "points_avg_last_5";
    POINTS_AVG_LAST_10 = 1, "points_avg_last_10";
    POINTS_AVG_SEASON = 2, "points_avg_season";
    POINTS_STD_LAST_10 = 3, "points_std_last_10";
    GAMES_IN_LAST_7_DAYS = 4, "games_in_last_7_days";
    FATIGUE_SCORE = 5, "fatigue_score";
    SHOT_ZONE_MISMATCH_SCORE = 6, "shot_zone_mismatch_score";
    PACE_SCORE = 7, "pace_score";
    USAGE_SPIKE_SCORE = 8, "usage_spike_score";
    REST_ADVANTAGE = 9, "rest_advantage";
    INJURY_RISK = 10, "injury_risk";
    RECENT_TREND = 11, "recent_trend";
    MINUTES_CHANGE = 12, "minutes_change";
    OPPONENT_DEF_RATING = 13, "opponent_def_rating";
    OPPONENT_PACE = 14, "opponent_pace";
    HOME_AWAY = 15, "home_away";
    BACK_TO_BACK = 16, "back_to_back";
    PLAYOFF_GAME = 17, "playoff_game";
    PCT_PAINT = 18, "pct_paint";
    PCT_MID_RANGE = 19, "pct_mid_range";
    PCT_THREE = 20, "pct_three";
    PCT_FREE_THROW = 21, "pct_free_throw";
    TEAM_PACE = 22, "team_pace";
    TEAM_OFF_RATING = 23, "team_off_rating";
    TEAM_WIN_PCT = 24, "team_win_pct";
    VEGAS_POINTS_LINE = 25, "vegas_points_line";
    VEGAS_OPENING_LINE = 26, "vegas_opening_line";
    VEGAS_LINE_MOVE = 27, "vegas_line_move";
    HAS_VEGAS_LINE = 28, "has_vegas_line";
    AVG_POINTS_VS_OPPONENT = 29, "avg_points_vs_opponent";
    GAMES_VS_OPPONENT = 30, "games_vs_opponent";
    MINUTES_AVG_LAST_10 = 31, "minutes_avg_last_10";
    PPM_AVG_LAST_10 = 32, "ppm_avg_last_10";
}

/// What a prediction rests on: what was heard before tip-off, or also what was heard too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Basis {
    Issued,
    Retrospective,
}
impl Basis {
    pub const fn name(self) -> &'static str {
        match self {
            Basis::Issued => "issued",
            Basis::Retrospective => "retrospective",
        }
    }
}

/// Whether a candidate is to be predicted: one terminal state, and no "unknown".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Eligibility {
    Eligible,
    /// His latest appearance and roster are with neither team.
    NoSide,
    /// The newest report has him out or doubtful.
    RuledOut,
    /// Fewer than 3 appearances in the season.
    TooFewAppearances,
    /// Under 15 minutes on average over the last 7 appearances.
    TooFewMinutes,
}
impl Eligibility {
    pub const ALL: [Eligibility; 5] = [
        Eligibility::Eligible,
        Eligibility::NoSide,
        Eligibility::RuledOut,
        Eligibility::TooFewAppearances,
        Eligibility::TooFewMinutes,
    ];
    /// The terminal state in `player_slate`.
    pub const fn name(self) -> &'static str {
        match self {
            Eligibility::Eligible => "predicted",
            Eligibility::NoSide => "no_side",
            Eligibility::RuledOut => "ruled_out",
            Eligibility::TooFewAppearances => "too_few_appearances",
            Eligibility::TooFewMinutes => "too_few_minutes",
        }
    }
}

/// What a feature was computed without, that it would have used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum QualityFlag {
    /// No birth date is known: the fatigue score has no age penalty.
    AgeUnknown,
    /// The tip-off is 19:30 Eastern because no source gave one.
    TipEstimated,
}

/// How well a team defends, by its defensive rating: below 110, below 115, else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum DefenseTier {
    Elite,
    Average,
    Weak,
}
impl DefenseTier {
    pub fn from_def_rating(def_rating: f64) -> Self {
        match def_rating {
            r if r < 110.0 => DefenseTier::Elite,
            r if r < 115.0 => DefenseTier::Average,
            _ => DefenseTier::Weak,
        }
    }
}

/// How a player came into a game: his last five against his season, three points apart or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Streak {
    Cold,
    Normal,
    Hot,
}
impl Streak {
    pub fn from_averages(last_5: f64, season: f64) -> Self {
        match last_5 - season {
            d if d >= 3.0 => Streak::Hot,
            d if d <= -3.0 => Streak::Cold,
            _ => Streak::Normal,
        }
    }
}

/// An earlier appearance and the circumstances it was made in, each as of its own tip-off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Comparable {
    pub game: GameId,
    pub points: i32,
    pub tier: DefenseTier,
    /// Full days off before it.
    pub rest_days: i32,
    pub is_home: bool,
    pub streak: Streak,
}

/// Everything the predictor may read about one player and one game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Features {
    pub player: PlayerId,
    pub game: GameId,
    /// As last spelled by nba.com before tip-off; empty when he has no appearance.
    pub name: String,
    pub home: Team,
    pub away: Team,
    /// The side he is on; `None` with [`Eligibility::NoSide`].
    pub team: Option<Team>,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    pub basis: Basis,
    /// The greatest among the steps used.
    pub known_at: Timestamp,
    pub eligibility: Eligibility,
    /// Earlier appearances of the season.
    pub appearances: i32,
    /// In the order of [`FEATURES`]; empty when the player has no side.
    pub vector: Vec<Feature>,
    /// Full days off before the game; `None` before the first appearance of the season.
    pub rest_days: Option<i32>,
    pub main_line: Option<Line>,
    pub quality_flags: Vec<QualityFlag>,
    /// Earlier appearances of the season, oldest first.
    pub comparables: Vec<Comparable>,
}
impl Features {
    /// The value at a position of the vector; the reason when there is none or no vector.
    pub fn get(&self, index: usize) -> Feature {
        self.vector.get(index).copied().unwrap_or(Feature::Missing(MissingReason::NoAppearances))
    }
}
