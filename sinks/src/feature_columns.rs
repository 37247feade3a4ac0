//! Columns of the feature vector, with meaning and unit.
//!
//! Invariant: the names and their order are those of [`FEATURES`](schemas::features::FEATURES); every value is a REAL.
//! Not here: how a feature is computed (`processors::feature_builder`); the other columns of the table (`tables`).
use crate::column::{Column, real};

pub(crate) const FEATURE_COLUMNS: [Column; 64] = [
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
    real(
        "points_ewma_3",
        "Weighted mean points per appearance, over all seasons; the weight halves every 3 appearances",
    ),
    real(
        "points_ewma_8",
        "Weighted mean points per appearance, over all seasons; the weight halves every 8 appearances",
    ),
    real(
        "points_ewma_20",
        "Weighted mean points per appearance, over all seasons; the weight halves every 20 appearances",
    ),
    real(
        "points_ewma_60",
        "Weighted mean points per appearance, over all seasons; the weight halves every 60 appearances",
    ),
    real(
        "luck_free_points_ewma_3",
        "Weighted mean of the points that the player's attempts give with his earlier shooting percentages; the weight halves every 3 appearances",
    ),
    real(
        "luck_free_points_ewma_8",
        "Weighted mean of the points that the player's attempts give with his earlier shooting percentages; the weight halves every 8 appearances",
    ),
    real(
        "luck_free_points_ewma_20",
        "Weighted mean of the points that the player's attempts give with his earlier shooting percentages; the weight halves every 20 appearances",
    ),
    real(
        "luck_free_points_ewma_60",
        "Weighted mean of the points that the player's attempts give with his earlier shooting percentages; the weight halves every 60 appearances",
    ),
    real(
        "possessions_used_ewma_3",
        "Weighted mean of FGA + 0.44 FTA + TOV per appearance, over all seasons; the weight halves every 3 appearances",
    ),
    real(
        "possessions_used_ewma_8",
        "Weighted mean of FGA + 0.44 FTA + TOV per appearance, over all seasons; the weight halves every 8 appearances",
    ),
    real(
        "possessions_used_avg_last_10",
        "Mean of FGA + 0.44 FTA + TOV in the last 10 appearances this season",
    ),
    real(
        "minutes_ewma_3",
        "Weighted mean minutes per appearance, over all seasons; the weight halves every 3 appearances",
    ),
    real(
        "minutes_ewma_8",
        "Weighted mean minutes per appearance, over all seasons; the weight halves every 8 appearances",
    ),
    real(
        "minutes_ewma_20",
        "Weighted mean minutes per appearance, over all seasons; the weight halves every 20 appearances",
    ),
    real("minutes_last_game", "Minutes in the last appearance this season"),
    real("minutes_in_last_7_days", "Minutes in the 7 days before the game"),
    real(
        "team_games_missed",
        "Number of the team's games this season since the player's last appearance for the team; 0 if he appeared in the last one",
    ),
    real("appearances_with_team", "Number of consecutive latest appearances, over all seasons, for the team"),
    real(
        "appearances_since_return",
        "Number of appearances for the team since the last one after 5 or more missed games; without one, the number of appearances this season",
    ),
    real("team_games_season", "Number of games that the player's team played this season"),
    real(
        "ppm_ewma_20",
        "Points per minute over all seasons, plus 12 points in 30 minutes; the weight halves every 20 appearances",
    ),
    real(
        "ppm_ewma_60",
        "Points per minute over all seasons, plus 12 points in 30 minutes; the weight halves every 60 appearances",
    ),
    real(
        "luck_free_ppm_ewma_20",
        "Luck-free points per minute over all seasons, plus 12 points in 30 minutes; the weight halves every 20 appearances",
    ),
    real("ppm_previous_season", "Points per minute in the last earlier season in which the player appeared"),
    real(
        "minutes_level",
        "Level of the minutes per appearance, over all seasons, as a Kalman filter estimates it",
    ),
    real("minutes_median_last_10", "Median minutes in the last 10 appearances this season"),
    real("points_median_last_10", "Median points in the last 10 appearances this season"),
    real(
        "minutes_share_expected",
        "Minutes of 240 that the player is expected to get, by his share of the expected minutes of the team's regular players",
    ),
    real(
        "possessions_absent_change",
        "Expected FGA + 0.44 FTA + TOV of regular teammates who probably do not appear, minus the weighted mean before earlier appearances this season",
    ),
    real(
        "minutes_available",
        "Expected minutes of regular teammates, each times the probability that he appears",
    ),
    real(
        "minutes_absent_change",
        "Expected minutes of regular teammates who probably do not appear, minus the weighted mean before earlier appearances this season",
    ),
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
