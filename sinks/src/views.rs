//! The SQL view `coverage`, which both warehouses define with the same SELECT.
//!
//! Invariant: the SELECT is valid in SQLite and in BigQuery.
//! Not here: the view of each table; each warehouse defines it over the table in which it stores the rows.
use crate::{
    column::{Column, integer, text},
    tables::{DATE, SEASON_START},
};

/// Name of the view that counts candidates by day and status.
pub const COVERAGE: &str = "coverage";
pub const COVERAGE_DOC: &str =
    "Number of players per day and status: predicted, or the reason why there is no prediction";
/// Columns of [`COVERAGE`].
pub const COVERAGE_COLUMNS: [Column; 4] = [
    SEASON_START,
    DATE,
    text(
        "status",
        "status of player_slate, void: the row of player_slate is void, or not_a_candidate: the player had playing time and is not in player_slate",
    ),
    integer("player_count", "Number of players"),
];

/// Returns the SELECT of [`COVERAGE`]. The arguments are the names of the views `player_slate` and `player_games` in the warehouse.
pub fn coverage_select(player_slate: &str, player_games: &str) -> String {
    format!(
        "SELECT s.season_start, s.game_date, CASE WHEN s.voided THEN 'void' ELSE s.status END AS status, COUNT(*) AS player_count
FROM {player_slate} AS s
GROUP BY s.season_start, s.game_date, CASE WHEN s.voided THEN 'void' ELSE s.status END
UNION ALL
SELECT g.season_start, g.game_date, 'not_a_candidate', COUNT(*)
FROM {player_games} AS g
LEFT JOIN {player_slate} AS s ON s.season_start = g.season_start AND s.game_id = g.game_id AND s.player_id = g.player_id AND s.game_date = g.game_date
WHERE g.minutes > 0 AND s.player_id IS NULL
GROUP BY g.season_start, g.game_date"
    )
}
