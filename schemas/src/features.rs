//! The feature vector of one player before one game.
//!
//! Invariant: a feature is a value or the reason why it is missing; imputing a missing value is left to the models. The order of
//! [`FEATURES`] is part of the schema: a model artifact contains the hash of the feature names on which it was trained.
//! Not here: the computation of the features (the feature builder), predictions (the predictor).
use crate::{
    fixture::Voided,
    ids::{GameId, PlayerId},
    named_enum::named_enum,
    team::Team,
    units::{EasternDate, Line, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The reason why a feature has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum MissingReason {
    /// The player has no earlier appearance in the season.
    NoAppearances,
    /// The player has earlier appearances in the season, but fewer than the feature needs.
    TooFewAppearances,
    /// The feature is a quotient whose denominator is zero.
    NothingToDivideBy,
    /// The team that the feature describes has no earlier game in the season.
    NoTeamGames,
    /// No book quotes a line with prices for both over and under.
    NoMarket,
    /// No injury report covers the game.
    NoReport,
    /// Shot zones need a play-by-play feed, and there is none.
    NoShotZones,
    /// The feature needs usage projections, and no feed has them.
    NoProjection,
    /// The player had no appearance against this opponent in the three years before the game.
    NeverMet,
    /// The player has no earlier appearance in any season.
    NoCareerAppearances,
    /// The player has no appearance in an earlier season.
    NoEarlierSeason,
    /// The player has not appeared for the team this season.
    NoTeamAppearances,
}
named_enum! {
    MissingReason {
        NoAppearances = "no_appearances",
        TooFewAppearances = "too_few_appearances",
        NothingToDivideBy = "nothing_to_divide_by",
        NoTeamGames = "no_team_games",
        NoMarket = "no_market",
        NoReport = "no_report",
        NoShotZones = "no_shot_zones",
        NoProjection = "no_projection",
        NeverMet = "never_met",
        NoCareerAppearances = "no_career_appearances",
        NoEarlierSeason = "no_earlier_season",
        NoTeamAppearances = "no_team_appearances",
    }
}

/// The value of a feature, or the reason why it is missing. It is an Avro union; the serde names of the branches are the names of their
/// Avro types.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
pub enum Feature {
    #[serde(rename = "Double")]
    Value(f64),
    #[serde(rename(serialize = "MissingReason", deserialize = "fastbreak.MissingReason"))]
    Missing(MissingReason),
}
impl Feature {
    /// Returns the value, or the reason why it is missing.
    pub fn value_or(value: Option<f64>, reason: MissingReason) -> Feature {
        value.map_or(Feature::Missing(reason), Feature::Value)
    }
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
        pub const FEATURES: [&str; 64] = [$($text),+];
        /// The index of each feature in the vector, by name.
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
    POINTS_EWMA_3 = 33, "points_ewma_3";
    POINTS_EWMA_8 = 34, "points_ewma_8";
    POINTS_EWMA_20 = 35, "points_ewma_20";
    POINTS_EWMA_60 = 36, "points_ewma_60";
    LUCK_FREE_POINTS_EWMA_3 = 37, "luck_free_points_ewma_3";
    LUCK_FREE_POINTS_EWMA_8 = 38, "luck_free_points_ewma_8";
    LUCK_FREE_POINTS_EWMA_20 = 39, "luck_free_points_ewma_20";
    LUCK_FREE_POINTS_EWMA_60 = 40, "luck_free_points_ewma_60";
    POSSESSIONS_USED_EWMA_3 = 41, "possessions_used_ewma_3";
    POSSESSIONS_USED_EWMA_8 = 42, "possessions_used_ewma_8";
    POSSESSIONS_USED_AVG_LAST_10 = 43, "possessions_used_avg_last_10";
    MINUTES_EWMA_3 = 44, "minutes_ewma_3";
    MINUTES_EWMA_8 = 45, "minutes_ewma_8";
    MINUTES_EWMA_20 = 46, "minutes_ewma_20";
    MINUTES_LAST_GAME = 47, "minutes_last_game";
    MINUTES_IN_LAST_7_DAYS = 48, "minutes_in_last_7_days";
    TEAM_GAMES_MISSED = 49, "team_games_missed";
    APPEARANCES_WITH_TEAM = 50, "appearances_with_team";
    APPEARANCES_SINCE_RETURN = 51, "appearances_since_return";
    TEAM_GAMES_SEASON = 52, "team_games_season";
    PPM_EWMA_20 = 53, "ppm_ewma_20";
    PPM_EWMA_60 = 54, "ppm_ewma_60";
    LUCK_FREE_PPM_EWMA_20 = 55, "luck_free_ppm_ewma_20";
    PPM_PREVIOUS_SEASON = 56, "ppm_previous_season";
    MINUTES_LEVEL = 57, "minutes_level";
    MINUTES_MEDIAN_LAST_10 = 58, "minutes_median_last_10";
    POINTS_MEDIAN_LAST_10 = 59, "points_median_last_10";
    MINUTES_SHARE_EXPECTED = 60, "minutes_share_expected";
    POSSESSIONS_ABSENT_CHANGE = 61, "possessions_absent_change";
    MINUTES_AVAILABLE = 62, "minutes_available";
    MINUTES_ABSENT_CHANGE = 63, "minutes_absent_change";
}

/// The basis of a row: the revisions (versions of other rows' content) that it may be derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Basis {
    /// The row is derived only from revisions that were known before tip-off.
    Issued,
    /// The row is also derived from revisions that became known after tip-off, if they were effective before it.
    Retrospective,
}
named_enum! {
    Basis {
        Issued = "issued",
        Retrospective = "retrospective",
    }
}

/// The eligibility of a candidate (a player who may appear in a game) for a prediction: eligible, or the one reason why not. There is no
/// "unknown".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Eligibility {
    Eligible,
    /// It is unknown for which team the player would appear: he has no appearance and no listing, or the newest of them is with neither
    /// team of the game.
    NoSide,
    /// The newest injury report lists the player as out or doubtful.
    RuledOut,
    /// The player has fewer than 3 appearances in the season.
    TooFewAppearances,
    /// The player played less than 15 minutes on average in the last 7 appearances.
    TooFewMinutes,
    /// At the player's first cutoff of the date, the player belonged to a team of another game of this date, so he is predicted for that
    /// team only.
    OtherTeam,
}
named_enum! {
    // These names are values of column `status` of table `player_slate`, which shows an eligible candidate as `predicted`.
    Eligibility {
        Eligible = "predicted",
        NoSide = "no_side",
        RuledOut = "ruled_out",
        TooFewAppearances = "too_few_appearances",
        TooFewMinutes = "too_few_minutes",
        OtherTeam = "other_team",
    }
}

/// An input that was missing and replaced by an assumption when the features were computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum QualityFlag {
    /// The player's birth date is unknown, so the fatigue score has no age penalty.
    AgeUnknown,
    /// No source has the tip-off time, so 19:30 Eastern is assumed.
    TipEstimated,
}
named_enum! {
    QualityFlag {
        AgeUnknown = "age_unknown",
        TipEstimated = "tip_estimated",
    }
}

/// The quality of a team's defense by its defensive rating: elite below 110, average below 115, otherwise weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum DefenseTier {
    Elite,
    Average,
    Weak,
}
named_enum! {
    DefenseTier {
        Elite = "elite",
        Average = "average",
        Weak = "weak",
    }
}
impl DefenseTier {
    pub fn from_def_rating(def_rating: f64) -> Self {
        match def_rating {
            rating if rating < 110.0 => DefenseTier::Elite,
            rating if rating < 115.0 => DefenseTier::Average,
            _ => DefenseTier::Weak,
        }
    }
}

/// A player's streak before a game: hot if the average of the last 5 appearances is at least 3 points above the season average, cold if it
/// is at least 3 points below, otherwise normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Streak {
    Cold,
    Normal,
    Hot,
}
named_enum! {
    Streak {
        Cold = "cold",
        Normal = "normal",
        Hot = "hot",
    }
}
impl Streak {
    pub fn from_averages(last_5: f64, season: f64) -> Self {
        match last_5 - season {
            difference if difference >= 3.0 => Streak::Hot,
            difference if difference <= -3.0 => Streak::Cold,
            _ => Streak::Normal,
        }
    }
}

/// An earlier appearance of the player, with the circumstances of that game as known before its tip-off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Comparable {
    pub game: GameId,
    pub points: i32,
    /// The quality of the opponent's defense.
    pub tier: DefenseTier,
    /// Number of full days without a game before that game.
    pub rest_days: i32,
    pub is_home: bool,
    pub streak: Streak,
}

/// The complete input of the predictor for one player and one game on one date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Features {
    pub player: PlayerId,
    pub game: GameId,
    /// nba.com's latest spelling of the player's name before tip-off; empty if the player has no appearance.
    pub name: String,
    pub home: Team,
    pub away: Team,
    /// The player's team in this game; `None` if `eligibility` is [`Eligibility::NoSide`] or [`Eligibility::OtherTeam`].
    pub team: Option<Team>,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    pub basis: Basis,
    /// When the last of the revisions that this row is derived from became known.
    pub known_at: Timestamp,
    pub eligibility: Eligibility,
    /// Number of the player's earlier appearances in the season.
    pub appearances: i32,
    /// One value per feature, in the order of [`FEATURES`]; empty if `team` is `None`.
    pub vector: Vec<Feature>,
    /// Number of full days since the player's last appearance; `None` before the first appearance of the season.
    pub rest_days: Option<i32>,
    pub main_line: Option<Line>,
    pub quality_flags: Vec<QualityFlag>,
    /// The player's earlier appearances in the season, oldest first.
    pub comparables: Vec<Comparable>,
    /// Present if the row is void. All other fields are as issued.
    #[serde(default)]
    pub voided: Option<Voided>,
}
impl Features {
    /// Returns the feature at an index of the vector; `Missing(NoAppearances)` if the vector has no such index, for example because it is
    /// empty.
    pub fn get(&self, index: usize) -> Feature {
        self.vector.get(index).copied().unwrap_or(Feature::Missing(MissingReason::NoAppearances))
    }
}
