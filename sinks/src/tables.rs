//! The tables of a warehouse: one list of columns from which definitions, statements and hashes are made.
//!
//! Invariant: a row (`rows`) has the columns of its table in this order. Every table ends with the columns of [`SOURCE_COLUMNS`], which
//! say where the row comes from and are no content.
//! Not here: a warehouse's own types and dialect.
use schemas::features::FEATURES;

/// Part of every batch id: other tables are filled anew.
pub const TABLES_VERSION: u32 = 1;

/// What a column holds. Any but a key column may be NULL: a deleted row keeps only its key and its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Integer,
    Real,
    Text,
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub column_type: ColumnType,
    pub doc: &'static str,
}
const fn integer(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Integer, doc }
}
const fn real(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Real, doc }
}
const fn text(name: &'static str, doc: &'static str) -> Column {
    Column { name, column_type: ColumnType::Text, doc }
}

#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub name: &'static str,
    pub doc: &'static str,
    pub key: &'static [&'static str],
    /// Without those of [`SOURCE_COLUMNS`].
    pub columns: &'static [Column],
    /// One row per record: it carries the sequence that guards its key.
    pub has_epoch_guard: bool,
}

/// Where a row comes from: it is no content.
pub const SOURCE_COLUMNS: [Column; 5] = [
    integer("deleted", "1: there is no such row; kept so that nothing older brings it back"),
    integer("epoch", "the epoch of the log that wrote it: (epoch, offset) is its sequence"),
    integer("partition", "the partition of the record that wrote it"),
    integer("offset", "the offset of that record"),
    text("batch_id", "the batch that wrote it, see sink_batches"),
];

const PLAYER: Column = integer("player_id", "nba.com's person id");
const GAME: Column = text("game_id", "nba.com's game id, ten digits");
const NAME: Column = text("player_name", "as last spelled by nba.com");
const DATE: Column = text("game_date", "US Eastern day, YYYY-MM-DD");
const SEASON: Column = text("season", "e.g. 2023-24");
const TIP_OFF: Column = text("tip_off", "RFC 3339");
const TEAM: Column = text("team", "nba.com's code of his side");
const OPPONENT: Column = text("opponent", "nba.com's code of the other side");
const IS_HOME: Column = integer("is_home", "1: his side is at home");
const BASIS: Column = text(
    "basis",
    "issued: from what was heard before tip-off; retrospective: also from what was heard later",
);
const KNOWN_AT: Column = text("known_at", "RFC 3339: since when all that it rests on was known");
const LINE_SOURCE: Column = text("line_source", "market, or estimate where no book quotes him");
const APPEARANCES: Column = integer("appearances", "earlier appearances of the season");
const QUALITY_FLAGS: Column = text("quality_flags", "JSON list: what it was computed without");
const INPUT_VERSION: Column = text("input_version", "hash of the features, hex");
const MODEL_VERSION: Column =
    text("model_version", "version of the predictor's code, constants and artifact, hex");

pub const PREDICTIONS: Table = Table {
    name: "player_prop_predictions",
    doc: "What each system predicts of a player's points in a game, at five lines about the base line",
    key: &["game_id", "player_id", "system", "line_offset"],
    columns: &[
        PLAYER,
        GAME,
        NAME,
        DATE,
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
        text("system", "the prediction system"),
        real("predicted_points", "mean of the predictive distribution"),
        real("stddev_points", "its standard deviation, points"),
        real("confidence", "0-1"),
        text("missing_adjustments", "JSON list: features whose adjustment was 0 because they are missing"),
        integer("line_offset", "-2..2: the line is so many points from the base line"),
        real("line", "points"),
        real("p_over", "probability of more points than the line, 0-1"),
        real("p_push", "probability of exactly the line, 0-1"),
        text("recommendation", "OVER, UNDER, PASS or NO_LINE"),
    ],
    has_epoch_guard: false,
};
/// How many of the columns of [`PREDICTIONS`] are the same for a whole event, and for a system of it.
pub const PREDICTION_SHARED: usize = 14;
pub const PREDICTION_SYSTEM: usize = 5;

pub const SLATE: Table = Table {
    name: "player_slate",
    doc: "Every candidate of every game: predicted, or the one reason why not",
    key: &["game_id", "player_id"],
    columns: &[
        PLAYER,
        GAME,
        text("status", "predicted, or the reason why not"),
        BASIS,
        KNOWN_AT,
        NAME,
        DATE,
        SEASON,
        TIP_OFF,
        TEAM,
        OPPONENT,
        IS_HOME,
        real("base_line", "points: the line at offset 0"),
        LINE_SOURCE,
        APPEARANCES,
        QUALITY_FLAGS,
        text("omitted_line_offsets", "JSON list: line offsets that would lie below 0.5"),
        text("systems", "JSON object: per system predicted, or the reason why not"),
        INPUT_VERSION,
        MODEL_VERSION,
    ],
    has_epoch_guard: true,
};

pub const PLAYER_GAMES: Table = Table {
    name: "player_games",
    doc: "What players did, as last heard",
    key: &["game_id", "player_id"],
    columns: &[
        PLAYER,
        GAME,
        SEASON,
        DATE,
        NAME,
        TEAM,
        OPPONENT,
        IS_HOME,
        TIP_OFF,
        text("feed", "source/feed whose word it is"),
        text("known_at", "RFC 3339: when this was first heard"),
        text("raw", "the raw event that first said so, hex"),
        real("minutes", "playing time"),
        integer("points", ""),
        integer("fgm", "field goals made"),
        integer("fga", "field goals attempted"),
        integer("fg3m", "threes made"),
        integer("fg3a", "threes attempted"),
        integer("ftm", "free throws made"),
        integer("fta", "free throws attempted"),
        integer("oreb", "offensive rebounds"),
        integer("dreb", "defensive rebounds"),
        integer("ast", "assists"),
        integer("stl", "steals"),
        integer("blk", "blocks"),
        integer("tov", "turnovers"),
        integer("pf", "fouls"),
        integer("plus_minus", ""),
    ],
    has_epoch_guard: true,
};

const FEATURES_FRONT: [Column; 17] = [
    PLAYER,
    GAME,
    NAME,
    DATE,
    SEASON,
    TIP_OFF,
    TEAM,
    OPPONENT,
    IS_HOME,
    BASIS,
    KNOWN_AT,
    text("eligibility", "eligible, or the reason why not"),
    APPEARANCES,
    integer("rest_days", "full days off before the game"),
    real("main_line", "points: the market's main line"),
    QUALITY_FLAGS,
    text("missing", "JSON object: feature to the reason why it has no value"),
];
const fn feature_columns() -> [Column; FEATURES_FRONT.len() + FEATURES.len()] {
    let mut columns = [PLAYER; FEATURES_FRONT.len() + FEATURES.len()];
    let mut i = 0;
    while i < columns.len() {
        columns[i] = match i < FEATURES_FRONT.len() {
            true => FEATURES_FRONT[i],
            false => real(FEATURES[i - FEATURES_FRONT.len()], ""),
        };
        i += 1;
    }
    columns
}
pub const FEATURE_ROWS: Table = Table {
    name: "features",
    doc: "What the predictor was given; NULL where a feature is missing",
    key: &["game_id", "player_id"],
    columns: &feature_columns(),
    has_epoch_guard: true,
};

pub const TABLES: [Table; 4] = [PREDICTIONS, SLATE, PLAYER_GAMES, FEATURE_ROWS];
