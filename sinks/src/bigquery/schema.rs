//! Table and views of a BigQuery dataset: the single list of columns from which table definitions and SQL statements are generated.
//!
//! One table holds everything that a batch writes, so that one statement can write the batch atomically. A row has the newest record of an
//! input topic for a player and game; the predictions of the record are an array in this row, since a new record replaces all of them. Two
//! kinds of rows belong to no season: batch records, and the writer state.
//!
//! Invariant: the views have the names, columns and rows of the SQLite views.
//! Not here: the statements that write and read the table (`sql`).
use crate::{
    record::SinkTopic,
    tables::{
        self, Column, ColumnType, FEATURE_ROWS, PLAYER_GAMES, PREDICTION_SHARED, PREDICTIONS, SLATE,
        SOURCE_COLUMNS, Table,
    },
};
use std::collections::BTreeSet;

/// Name of the table that the sink writes.
pub const RECORDS: &str = "sink_records";
/// Name of the table without rows whose label is the writer lease.
pub const WRITER: &str = "sink_writer";
/// Value of `input` in a batch record.
pub const BATCH_INPUT: &str = "batches";
/// Value of `input` in the row of the writer state.
pub const WRITER_STATE_INPUT: &str = "writer-state";

/// Names of the project and the dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub project: String,
    pub dataset: String,
}
impl Names {
    /// Returns the full, quoted name of a table of the dataset.
    pub fn table(&self, name: &str) -> String {
        format!("`{}.{}.{name}`", self.project, self.dataset)
    }
    /// Returns the name of the dataset of the staging tables.
    pub fn staging(&self) -> String {
        format!("{}_staging", self.dataset)
    }
}

/// Type of a column of [`RECORDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Int64,
    Float64,
    String,
    Bool,
    Date,
    Timestamp,
    Json,
    /// Array of structs: the predictions of one record.
    LineLadder,
}
impl Type {
    /// Returns the name of the type in statements.
    pub fn sql(self) -> String {
        match self {
            Type::Int64 => "INT64".into(),
            Type::Float64 => "FLOAT64".into(),
            Type::String => "STRING".into(),
            Type::Bool => "BOOL".into(),
            Type::Date => "DATE".into(),
            Type::Timestamp => "TIMESTAMP".into(),
            Type::Json => "JSON".into(),
            Type::LineLadder => {
                let column = |c: &Column| format!("`{}` {}", c.name, sql_type(c.column_type).sql());
                let columns: Vec<_> = ladder_columns().iter().map(column).collect();
                format!("ARRAY<STRUCT<{}>>", columns.join(", "))
            }
        }
    }
    /// Returns the names of the type in API responses: legacy name and standard name.
    pub const fn api(self) -> &'static [&'static str] {
        match self {
            Type::Int64 => &["INTEGER", "INT64"],
            Type::Float64 => &["FLOAT", "FLOAT64"],
            Type::String => &["STRING"],
            Type::Bool => &["BOOLEAN", "BOOL"],
            Type::Date => &["DATE"],
            Type::Timestamp => &["TIMESTAMP"],
            Type::Json => &["JSON"],
            Type::LineLadder => &["RECORD", "STRUCT"],
        }
    }
}
pub const fn sql_type(column_type: ColumnType) -> Type {
    match column_type {
        ColumnType::Integer => Type::Int64,
        ColumnType::Real => Type::Float64,
        ColumnType::Text => Type::String,
        ColumnType::Boolean => Type::Bool,
        ColumnType::Date => Type::Date,
        ColumnType::Timestamp => Type::Timestamp,
        ColumnType::Json => Type::Json,
    }
}
/// Returns the columns of one prediction in the array of predictions.
pub const fn ladder_columns() -> &'static [Column] {
    PREDICTIONS.columns.split_at(PREDICTION_SHARED).1
}

/// A column of [`RECORDS`].
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub field_type: Type,
    pub doc: &'static str,
    pub is_required: bool,
}
impl Field {
    const fn required(name: &'static str, field_type: Type, doc: &'static str) -> Field {
        Field { name, field_type, doc, is_required: true }
    }
    const fn nullable(name: &'static str, field_type: Type, doc: &'static str) -> Field {
        Field { name, field_type, doc, is_required: false }
    }
    const fn from_column(column: &Column) -> Field {
        Field::nullable(column.name, sql_type(column.column_type), column.doc)
    }
}

/// Key of a row: the columns that a merge compares.
pub const KEY: [Field; 5] = [
    Field::required(
        "season_start",
        Type::Int64,
        "Year in which the season of the game starts. 0: the row describes a batch or the writer state, not a game",
    ),
    Field::required(
        "input",
        Type::String,
        "Input topic of the record: predictions, features or player-games. batches: the row describes a batch. writer-state: the row has the writer state",
    ),
    Field::required(
        "game_id",
        Type::String,
        "Id of the game at nba.com, ten digits. In a row that describes a batch (input = batches), the id of that batch",
    ),
    Field::required("player_id", Type::Int64, "Id of the player at nba.com"),
    Field::nullable(
        KEY_PART,
        Type::String,
        "Date of the game, YYYY-MM-DD; if input is player-games, its pair of teams. NULL or empty: the row describes a batch or the writer state, or an earlier version of Fastbreak wrote it",
    ),
];
/// Name of the last column of [`KEY`]. It may be NULL, because tables of an earlier version lack it.
pub const KEY_PART: &str = "key_part";
/// Columns of a record after its source columns.
const GUARD_COLUMNS: [Field; 2] = [
    Field::nullable("content_hash", Type::Int64, "Content hash of the record. NULL: the row is deleted"),
    Field::nullable("row_count", Type::Int64, "Number of predictions of the record"),
];
/// Name of the column with the predictions of a record.
pub const PREDICTIONS_COLUMN: &str = "predictions";
/// Columns of the writer state besides its epoch. A batch record has the column `log_id`, too.
pub const WRITER_STATE_FIELDS: [Field; 2] = [
    Field::nullable(
        "log_id",
        Type::String,
        "Id of the log that owns the warehouse. In a row that describes a batch (input = batches), the id of the log from which the batch was read",
    ),
    Field::nullable(
        "rebuilding",
        Type::Bool,
        "True during a rebuild: rows of older epochs remain until the log has been read to its end",
    ),
];

/// Returns the columns that only batch records have.
pub fn batch_fields() -> Vec<Field> {
    let shared: BTreeSet<&str> =
        SOURCE_COLUMNS.iter().map(|c| c.name).chain(WRITER_STATE_FIELDS.map(|f| f.name)).collect();
    let own = tables::BATCH_COLUMNS.iter().filter(|column| !shared.contains(column.name));
    own.map(Field::from_column).collect()
}
/// Returns the content columns of records. Columns of several tables that have the same name are one column.
pub fn content_fields() -> Vec<Field> {
    let mut seen: BTreeSet<&str> = KEY.iter().map(|field| field.name).collect();
    let columns = [&SLATE, &PLAYER_GAMES, &FEATURE_ROWS].into_iter().flat_map(|table| table.columns);
    columns.filter(|column| seen.insert(column.name)).map(Field::from_column).collect()
}
/// Returns all columns of [`RECORDS`], in order.
pub fn fields() -> Vec<Field> {
    let line_ladder = Field::nullable(PREDICTIONS_COLUMN, Type::LineLadder, PREDICTIONS.doc);
    KEY.into_iter()
        .chain(SOURCE_COLUMNS.iter().map(Field::from_column))
        .chain(GUARD_COLUMNS)
        .chain(content_fields())
        .chain([line_ladder])
        .chain(batch_fields())
        .chain(WRITER_STATE_FIELDS)
        .collect()
}

/// Returns the value of the column `input` for the records of a topic.
pub const fn input_name(input: SinkTopic) -> &'static str {
    match input {
        SinkTopic::Predictions => "predictions",
        SinkTopic::Features => "features",
        SinkTopic::PlayerGames => "player-games",
    }
}
/// Returns the input topic of the rows of a table.
pub const fn input_of(table: &Table) -> SinkTopic {
    match table.name.as_bytes() {
        b"player_games" => SinkTopic::PlayerGames,
        b"features" => SinkTopic::Features,
        _ => SinkTopic::Predictions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_column() {
        let fields = fields();
        let names: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), fields.len());
    }
    #[test]
    fn the_slate_has_the_shared_columns_of_the_predictions() {
        for column in &PREDICTIONS.columns[..PREDICTION_SHARED] {
            assert!(SLATE.columns.iter().any(|c| c.name == column.name), "{}", column.name);
        }
    }
    #[test]
    fn the_array_of_predictions_has_no_timestamp() {
        // `sql::content_sql` converts timestamps to milliseconds, but not those inside the array.
        assert!(ladder_columns().iter().all(|column| column.column_type != ColumnType::Timestamp));
    }
}
