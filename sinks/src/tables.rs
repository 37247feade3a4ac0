//! Tables of a warehouse: the single list of columns from which table definitions, SQL statements and content hashes are
//! generated.
//!
//! A reader queries SQL views with the names and columns below. A warehouse stores the rows in other tables, together with
//! [`SOURCE_COLUMNS`], which record where a row comes from and are not content.
//!
//! Terms: `line` is the betting line of its row; the *base line* (`base_line`) is the line at `line_offset` 0; the *main line*
//! (`main_line`) is the main line of the market, defined in docs/features.md. The base line is the main line if one exists, else an
//! estimate.
//!
//! Invariant: a row (`rows`) has the columns of its table in the order listed here; every column has a description that states its unit.
//! Not here: the column types and SQL dialect of each warehouse (`sqlite`, `bigquery`); the feature columns (`feature_columns`).
use crate::{
    column::{boolean, date, integer, json, real, text, timestamp},
    feature_columns::FEATURE_COLUMNS,
};

pub use crate::column::{Column, ColumnType};

/// Version of the table definitions and of the conversion of events to rows. It is part of every batch id, so a change of it makes the
/// sink rebuild the warehouse.
pub const TABLES_VERSION: u32 = 3;

#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Name of the SQL view.
    pub name: &'static str,
    pub doc: &'static str,
    pub key: &'static [&'static str],
    /// Content columns, without [`SOURCE_COLUMNS`] and [`SEASON_START`].
    pub columns: &'static [Column],
    /// True if the table has one row per record. The row then has the (epoch, offset) of that record, and only a record with a higher pair
    /// may replace it.
    pub has_epoch_guard: bool,
}
impl Table {
    /// Returns the columns of the SQL view in order: the columns of the table, with [`SEASON_START`] inserted after the season.
    pub fn view_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().flat_map(|column| {
            let season_start = (column.name == SEASON.name).then_some(&SEASON_START);
            std::iter::once(column).chain(season_start)
        })
    }
}

/// Partition key of the BigQuery table. It is a column of every view, but not content, because it is derived from the season.
pub const SEASON_START: Column = integer(
    "season_start",
    "Year in which the season starts: 2023 for 2023-24. Partition key in BigQuery: a filter on it limits the bytes read",
);

/// Columns that record where a stored row comes from. They are not content and not in the views.
pub const SOURCE_COLUMNS: [Column; 5] = [
    boolean(
        "deleted",
        "True if the row is deleted. A deleted row is kept so that no older record restores it; the views omit it",
    ),
    integer(
        "epoch",
        "Warehouse epoch in which the row was written. Only a record with a higher (epoch, offset) replaces the row",
    ),
    integer("partition", "Topic partition of the record from which the row was written"),
    integer("offset", "Offset of the record from which the row was written"),
    text("batch_id", "Id of the sink batch that wrote the row, see sink_batches"),
];

const PLAYER: Column = integer("player_id", "Id of the player at nba.com");
const GAME: Column = text("game_id", "Id of the game at nba.com, ten digits");
const MATCHUP: Column =
    text("matchup", "Three-letter codes of the two teams of the game, in alphabetical order: BOS-NYK");
const NAME: Column = text("player_name", "Name of the player, as nba.com most recently spelled it");
pub(crate) const DATE: Column = date("game_date", "US Eastern calendar day of the game");
const SEASON: Column = text("season", "Season, for example 2023-24");
const TIP_OFF: Column = timestamp("tip_off", "Scheduled start of the game");
const TEAM: Column =
    text("team", "Three-letter code of the player's team. NULL: the player is on neither team of the game");
const OPPONENT: Column = text(
    "opponent",
    "Three-letter code of the opposing team. NULL: the player is on neither team of the game",
);
const IS_HOME: Column = boolean("is_home", "True if the player's team plays at home");
const BASIS: Column = text(
    "basis",
    "issued: the row uses only facts known before tip-off. retrospective: it also uses facts that became known after tip-off",
);
const KNOWN_AT: Column = timestamp(
    "known_at",
    "Fetch time of the newest observation that the row uses: the earliest time at which the row could be known. 0001-01-01 stands for minus infinity",
);
const LINE_SOURCE: Column = text(
    "line_source",
    "market: the base line is the market's main line. estimate: no bookmaker quotes the player, so the base line is the mean points of the last 5 appearances, rounded to half points. NULL: no base line",
);
const APPEARANCES: Column =
    integer("appearances", "Number of earlier games of the season in which the player had playing time");
const QUALITY_FLAGS: Column = json(
    "quality_flags",
    "Array of limitations of the input: age_unknown (fatigue_score has no age penalty), tip_estimated (no source gives the tip-off, 19:30 Eastern is assumed)",
);
const INPUT_VERSION: Column =
    text("input_version", "Hash of the features that the prediction uses, 16 hexadecimal digits");
const MODEL_VERSION: Column = text(
    "model_version",
    "Hash of the predictor's code, constants and model artifact, 16 hexadecimal digits",
);

const VOIDED: Column = boolean(
    "voided",
    "True if the issued row is void, because its game, its date or its team no longer stands. All other columns are as issued",
);
const VOIDED_AT: Column =
    timestamp("voided_at", "Time at which it became known that the row is void. NULL: the row is not void");
const VOID_REASON: Column = text(
    "void_reason",
    "called_off: the game was canceled or postponed. moved: it has another date. opponent_changed: the team does not play in it. retracted: all observations of it were retracted. NULL: the row is not void",
);

pub const PREDICTIONS: Table = Table {
    name: "player_prop_predictions",
    doc: "Predictions of a player's points: one row per game, date, player, prediction system and line offset",
    key: &["game_id", "player_id", "game_date", "system", "line_offset"],
    columns: &[
        PLAYER,
        GAME,
        DATE,
        NAME,
        SEASON,
        TIP_OFF,
        TEAM,
        OPPONENT,
        IS_HOME,
        BASIS,
        KNOWN_AT,
        LINE_SOURCE,
        INPUT_VERSION,
        MODEL_VERSION,
        VOIDED,
        VOIDED_AT,
        VOID_REASON,
        text(
            "system",
            "Prediction system: moving_average, zone_matchup_v1, similarity_balanced_v1, ensemble_v1 or learned_v1",
        ),
        real("predicted_points", "Mean of the predictive distribution, in points"),
        real("stddev_points", "Standard deviation of the predictive distribution, in points"),
        real("confidence", "Confidence of the system in the prediction, 0 to 1"),
        json(
            "missing_adjustments",
            "Array of the features whose adjustment is 0 because the feature has no value",
        ),
        integer("line_offset", "Distance of the line from the base line, in points: -2, -1, 0, 1 or 2"),
        real("line", "Betting line of the row, in points: the base line plus line_offset"),
        real("p_over", "Probability of more points than the line, 0 to 1"),
        real("p_push", "Probability of exactly as many points as the line, 0 to 1"),
        text(
            "recommendation",
            "OVER, UNDER or PASS; NO_LINE if line_source is estimate, since no bookmaker offers the line",
        ),
    ],
    has_epoch_guard: false,
};
/// Number of leading columns of [`PREDICTIONS`] that are equal in all rows of one event.
pub const PREDICTION_SHARED: usize = 17;
/// Number of columns after the [`PREDICTION_SHARED`] ones that are equal in all rows of one event and system.
pub const PREDICTION_SYSTEM: usize = 5;

pub const SLATE: Table = Table {
    name: "player_slate",
    doc: "Candidates of each game: one row per game, date and player, with status predicted or the reason why there is no prediction",
    key: &["game_id", "player_id", "game_date"],
    columns: &[
        PLAYER,
        GAME,
        DATE,
        text(
            "status",
            "predicted, or the reason why there is no prediction: no_side, other_team, ruled_out, too_few_appearances, too_few_minutes; for an eligible candidate, the reason of the first system in the order moving_average, zone_matchup_v1, similarity_balanced_v1, ensemble_v1, learned_v1",
        ),
        BASIS,
        KNOWN_AT,
        NAME,
        SEASON,
        TIP_OFF,
        TEAM,
        OPPONENT,
        IS_HOME,
        real(
            "base_line",
            "Base line, in points: the line at line_offset 0, which is the market's main line or an estimate (line_source). NULL: neither exists",
        ),
        LINE_SOURCE,
        APPEARANCES,
        QUALITY_FLAGS,
        json(
            "omitted_line_offsets",
            "Array of the line offsets without a prediction, since the line would be below 0.5 points",
        ),
        json(
            "system_statuses",
            "Object that maps each prediction system to predicted or the reason why it has no prediction: missing_feature, missing_zones, too_few_similar, too_few_systems, model_absent, trained_later, other_features. Empty unless the candidate is eligible",
        ),
        INPUT_VERSION,
        MODEL_VERSION,
        VOIDED,
        VOIDED_AT,
        VOID_REASON,
    ],
    has_epoch_guard: true,
};

pub const PLAYER_GAMES: Table = Table {
    name: "player_games",
    doc: "Box scores: one row per game and player in the newest box score of the game",
    key: &["game_id", "player_id", "matchup"],
    columns: &[
        PLAYER,
        GAME,
        MATCHUP,
        SEASON,
        DATE,
        NAME,
        TEAM,
        OPPONENT,
        IS_HOME,
        TIP_OFF,
        text("feed", "Source and feed of the row, in the form source/feed"),
        timestamp("known_at", "Fetch time of the first observation with the content of this row"),
        text(
            "raw_event_id",
            "Id of the raw event of the first observation with the content of this row, 16 hexadecimal digits",
        ),
        real("minutes", "Playing time, in minutes"),
        integer("points", "Points scored"),
        integer("field_goals_made", "Field goals made, two-point and three-point"),
        integer("field_goals_attempted", "Field goals attempted, two-point and three-point"),
        integer("threes_made", "Three-point field goals made"),
        integer("threes_attempted", "Three-point field goals attempted"),
        integer("free_throws_made", "Free throws made"),
        integer("free_throws_attempted", "Free throws attempted"),
        integer("offensive_rebounds", "Offensive rebounds"),
        integer("defensive_rebounds", "Defensive rebounds"),
        integer("assists", "Assists"),
        integer("steals", "Steals"),
        integer("blocks", "Blocked shots"),
        integer("turnovers", "Turnovers"),
        integer("fouls", "Personal fouls"),
        integer(
            "plus_minus",
            "Points of the player's team minus points of the opponent while the player was on the court. NULL: the source does not state it",
        ),
    ],
    has_epoch_guard: true,
};

const FEATURES_FRONT: [Column; 20] = [
    PLAYER,
    GAME,
    DATE,
    NAME,
    SEASON,
    TIP_OFF,
    TEAM,
    OPPONENT,
    IS_HOME,
    BASIS,
    KNOWN_AT,
    text(
        "eligibility",
        "eligible, or the reason why no prediction is made: no_side, other_team, ruled_out, too_few_appearances, too_few_minutes",
    ),
    APPEARANCES,
    integer(
        "rest_days",
        "Full days off before the game; 0 is a back-to-back. NULL: no earlier appearance in the season",
    ),
    real(
        "main_line",
        "The market's main line, in points: the line with both prices whose no-vig probability is nearest 0.5. NULL: no bookmaker quotes both prices",
    ),
    QUALITY_FLAGS,
    json("missing_features", "Object that maps each feature without a value to the reason why it has none"),
    VOIDED,
    VOIDED_AT,
    VOID_REASON,
];
const fn feature_columns() -> [Column; FEATURES_FRONT.len() + FEATURE_COLUMNS.len()] {
    let mut columns = [PLAYER; FEATURES_FRONT.len() + FEATURE_COLUMNS.len()];
    let mut i = 0;
    while i < columns.len() {
        columns[i] = if i < FEATURES_FRONT.len() {
            FEATURES_FRONT[i]
        } else {
            FEATURE_COLUMNS[i - FEATURES_FRONT.len()]
        };
        i += 1;
    }
    columns
}
pub const FEATURE_ROWS: Table = Table {
    name: "features",
    doc: "Input of the predictor: one row per game, date and player. A feature without a value is NULL; missing_features has the reason",
    key: &["game_id", "player_id", "game_date"],
    columns: &feature_columns(),
    has_epoch_guard: true,
};

pub const TABLES: [Table; 4] = [PREDICTIONS, SLATE, PLAYER_GAMES, FEATURE_ROWS];

/// Name of the table (SQLite) or view (BigQuery) with the batch records.
pub const BATCHES: &str = "sink_batches";
pub const BATCHES_DOC: &str =
    "Written sink batches: one row per batch, committed atomically with the rows of the batch";
/// Columns of [`BATCHES`].
pub const BATCH_COLUMNS: [Column; 17] = [
    text("batch_id", "Hash of sink, log, warehouse epoch, table version and input ranges"),
    json(
        "input_ranges",
        "Array of the input ranges of the batch, each topic/partition:first-end; end is exclusive",
    ),
    integer("records", "Number of records read: applied + unchanged + stale + superseded + rejected"),
    integer("applied", "Number of records that changed rows"),
    integer(
        "unchanged",
        "Number of records whose content equals that of the stored row, plus records of games outside the dates of a replay",
    ),
    integer("stale", "Number of records that are not newer than the stored row"),
    integer("superseded", "Number of records replaced by a later record with the same key in the batch"),
    integer("rejected", "Number of records sent to the dead-letter queue"),
    integer("rows_written", "Number of view rows inserted, replaced or deleted"),
    text(
        "close_reason",
        "Reason why the batch was closed: records, bytes, age, caught-up, revoke, shutdown, recovered or split",
    ),
    text("job_id", "Id of the BigQuery job that wrote the batch. NULL in SQLite"),
    integer("attempts", "Number of BigQuery jobs sent for the batch, including failed ones. NULL in SQLite"),
    integer("request_bytes", "Size of the rows in the request to BigQuery, in bytes. NULL in SQLite"),
    text("log_id", "Id of the log from which the batch was read"),
    integer("epoch", "Warehouse epoch in which the batch was written"),
    timestamp("planned_at", "Time at which the batch was closed and planned"),
    timestamp("committed_at", "Time at which the batch was written"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn all_columns() -> impl Iterator<Item = Column> {
        let own = TABLES.iter().flat_map(|table| table.columns.iter().copied());
        own.chain(SOURCE_COLUMNS).chain(BATCH_COLUMNS).chain([SEASON_START])
    }
    #[test]
    fn every_column_has_a_description() {
        for column in all_columns() {
            assert!(column.doc.len() > 5 && column.doc != column.name, "{}", column.name);
        }
    }
    #[test]
    fn columns_of_one_name_have_one_type() {
        let mut types = BTreeMap::new();
        for column in all_columns() {
            assert_eq!(
                *types.entry(column.name).or_insert(column.column_type),
                column.column_type,
                "{}",
                column.name
            );
        }
    }
    #[test]
    fn every_view_has_the_partition_key_after_the_season() {
        for table in &TABLES {
            let names: Vec<_> = table.view_columns().map(|column| column.name).collect();
            let season = names.iter().position(|name| *name == "season").unwrap();
            assert_eq!(names[season + 1], "season_start", "{}", table.name);
            assert_eq!(names.len(), table.columns.len() + 1, "{}", table.name);
        }
    }
}
