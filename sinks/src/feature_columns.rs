//! Columns of the feature vector, with meaning and unit.
//!
//! Invariant: the names and their order are those of [`FEATURES`](schemas::features::FEATURES); every value is a REAL.
//! Not here: how a feature is computed (`processors::feature_builder`); the other columns of the table (`tables`).
use crate::column::{Column, real};

pub(crate) const FEATURE_COLUMNS: [Column; 33] = [
    real("points_avg_last_5", "Mean points in the last 5 appearances this season"),
    real("points_avg_last_10", "Mean points in the last 10 appearances this season"),
    real("points_avg_season", "Mean points per appearance this season"),
    real(
        "points_std_last_10",
        "Sample standard deviation (n - 1) of the points in the last 10 appearances this season, in points",
    ),
    real("games_in_last_7_days", "Number of appearances in the 7 days before the game"),
    real(
        "fatigue_score",
        "Freshness, 0 to 100: 100 minus penalties for back-to-backs, load and age; higher is fresher",
    ),
    real(
        "shot_zone_mismatch_score",
        "Score, -10 to 10, of the opponent's defense in the player's primary shot zone. NULL until shot zones are ingested",
    ),
    real(
        "pace_score",
        "(opponent_pace minus team_pace) / 2, in possessions per 48 minutes, limited to the range -3 to 3",
    ),
    real(
        "usage_spike_score",
        "Score, -3 to 3, of projected usage relative to recent usage. NULL until projections are ingested",
    ),
    real(
        "rest_advantage",
        "Full days off of the player minus full days off of the opponent, limited to the range -2 to 2",
    ),
    real(
        "injury_risk",
        "Status in the newest injury report: 0 available, 1 probable, 2 questionable, 3 doubtful or out",
    ),
    real(
        "recent_trend",
        "Trend, -2 to 2: mean points of the newest 3 appearances compared with the mean of the 2 before them. 1 or -1 if they differ by at least 2 points, 2 or -2 if by at least 5 points, else 0; positive: the points rise",
    ),
    real(
        "minutes_change",
        "Trend, -2 to 2: mean minutes of the last 5 appearances compared with the season mean. 1 or -1 if they differ by at least 10 percent, 2 or -2 if by at least 20 percent, else 0; positive: the minutes rise",
    ),
    real(
        "opponent_def_rating",
        "Defensive rating of the opponent over its last 15 games: points allowed per 100 possessions",
    ),
    real("opponent_pace", "Pace of the opponent over its last 15 games: possessions per 48 minutes"),
    real("home_away", "1 at home, 0 away"),
    real("back_to_back", "1 if the player appeared on the Eastern day before the game, else 0"),
    real("playoff_game", "1 for a playoff game (game_id starts with 004), else 0"),
    real("pct_paint", "Share of shots in the paint, 0 to 1. NULL until shot zones are ingested"),
    real("pct_mid_range", "Share of shots from mid-range, 0 to 1. NULL until shot zones are ingested"),
    real("pct_three", "Three-point attempts per field goal attempt in the last 10 appearances, 0 to 1"),
    real(
        "pct_free_throw",
        "Share of points from free throws in the last 10 appearances, limited to at most 0.5",
    ),
    real("team_pace", "Pace of the player's team over its last 10 games: possessions per 48 minutes"),
    real(
        "team_off_rating",
        "Offensive rating of the player's team over its last 10 games: points per 100 possessions",
    ),
    real("team_win_pct", "Share of decided games this season that the player's team won, 0 to 1"),
    real("vegas_points_line", "The market's main line, in points; equal to main_line"),
    real("vegas_opening_line", "First main line of the market, in points"),
    real("vegas_line_move", "vegas_points_line minus vegas_opening_line, in points"),
    real("has_vegas_line", "1 if the market has a main line, else 0"),
    real(
        "avg_points_vs_opponent",
        "Mean points per appearance against the opponent in the last three years, over all seasons",
    ),
    real(
        "games_vs_opponent",
        "Number of appearances against the opponent in the last three years, over all seasons",
    ),
    real("minutes_avg_last_10", "Mean minutes in the last 10 appearances this season"),
    real("ppm_avg_last_10", "Points per minute in the last 10 appearances this season"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::features::FEATURES;

    #[test]
    fn the_columns_are_the_features_in_their_order() {
        assert_eq!(FEATURE_COLUMNS.map(|column| column.name), FEATURES);
    }
}
