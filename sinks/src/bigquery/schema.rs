//! The table and the views of a BigQuery dataset: one list of columns, from which definitions and statements are made.
//!
//! All that a batch brings goes to one table, so that one statement writes it. A row is the newest record of an input about a
//! player's game, with the predictions of it as an array: what a record says is replaced whole. Two kinds of rows are the sink's
//! own and belong to no season: a row per batch, and one that says who writes.
//!
//! Invariant: the views have the names, the columns and the rows of the local warehouse's tables, without those deleted.
//! Not here: the statements that write and read them (`sql`).
use crate::tables::{
    Column, ColumnType, FEATURE_ROWS, PLAYER_GAMES, PREDICTION_SHARED, PREDICTIONS, SLATE, SOURCE_COLUMNS,
    Table,
};
use std::collections::BTreeSet;

/// The table that is written.
pub const RECORDS: &str = "sink_records";
/// The table of no rows whose label says which job was sent last.
pub const WRITER: &str = "sink_writer";
/// The view of the batches.
pub const BATCHES: &str = "sink_batches";
/// The view of how candidates ended.
pub const COVERAGE: &str = "coverage";
/// What `input` says of the rows that are the sink's own.
pub const BATCH_INPUT: &str = "batches";
pub const WRITER_STATE_INPUT: &str = "writer-state";

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub project: String,
    pub dataset: String,
}
impl Names {
    /// A table of the dataset, quoted.
    pub fn table(&self, name: &str) -> String {
        format!("`{}.{}.{name}`", self.project, self.dataset)
    }
    /// The dataset of what is loaded before it is merged.
    pub fn staging(&self) -> String {
        format!("{}_staging", self.dataset)
    }
}

/// What a column of [`RECORDS`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Int64,
    Float64,
    String,
    Bool,
    Timestamp,
    /// The array of predictions.
    LineLadder,
}
impl Type {
    /// The name in statements.
    pub fn sql(self) -> String {
        match self {
            Type::Int64 => "INT64".into(),
            Type::Float64 => "FLOAT64".into(),
            Type::String => "STRING".into(),
            Type::Bool => "BOOL".into(),
            Type::Timestamp => "TIMESTAMP".into(),
            Type::LineLadder => {
                format!("ARRAY<STRUCT<{}>>", line_ladder(|column| sql_type(column.column_type).sql()))
            }
        }
    }
    /// The names in answers of the API, old and new.
    pub const fn api(self) -> &'static [&'static str] {
        match self {
            Type::Int64 => &["INTEGER", "INT64"],
            Type::Float64 => &["FLOAT", "FLOAT64"],
            Type::String => &["STRING"],
            Type::Bool => &["BOOLEAN", "BOOL"],
            Type::Timestamp => &["TIMESTAMP"],
            Type::LineLadder => &["RECORD", "STRUCT"],
        }
    }
}
pub const fn sql_type(column_type: ColumnType) -> Type {
    match column_type {
        ColumnType::Integer => Type::Int64,
        ColumnType::Real => Type::Float64,
        ColumnType::Text => Type::String,
    }
}
fn line_ladder(of: impl Fn(&Column) -> String) -> String {
    let columns = rung_columns().iter().map(|column| format!("`{}` {}", column.name, of(column)));
    columns.collect::<Vec<_>>().join(", ")
}
/// The columns that a prediction has of its own.
pub const fn rung_columns() -> &'static [Column] {
    PREDICTIONS.columns.split_at(PREDICTION_SHARED).1
}

/// A column of [`RECORDS`].
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub of: Type,
    pub doc: &'static str,
    pub is_required: bool,
}
const fn own(name: &'static str, of: Type, doc: &'static str) -> Field {
    Field { name, of, doc, is_required: false }
}

/// Which record a row is: what a merge compares.
pub const KEY: [Field; 4] = [
    Field {
        name: "season_start",
        of: Type::Int64,
        doc: "the year in which the game's season starts; 0: of no game",
        is_required: true,
    },
    Field {
        name: "input",
        of: Type::String,
        doc: "predictions, features or player-games; batches and writer-state: the sink's own rows",
        is_required: true,
    },
    Field {
        name: "game_id",
        of: Type::String,
        doc: "nba.com's game id, ten digits; of a batch: its id",
        is_required: true,
    },
    Field { name: "player_id", of: Type::Int64, doc: "nba.com's person id", is_required: true },
];
/// What a row of a record carries besides its content, after the columns of [`SOURCE_COLUMNS`].
const GUARD_COLUMNS: [Field; 2] = [
    own("content_hash", Type::Int64, "hash of all that the record says; NULL: deleted"),
    own("row_count", Type::Int64, "predictions that the record makes"),
];
/// What a row of a batch says.
pub const BATCH_COLUMNS: [Field; 14] = [
    own("ranges", Type::String, "JSON list: topic/partition:first-end"),
    own("records", Type::Int64, "read = applied + unchanged + stale + superseded + rejected"),
    own("applied", Type::Int64, "records that changed the tables"),
    own("unchanged", Type::Int64, "records that said what the tables say"),
    own("stale", Type::Int64, "records no newer than what the tables hold"),
    own("superseded", Type::Int64, "records replaced by a later one of the batch"),
    own("rejected", Type::Int64, "records sent to the dead-letter topic"),
    own("rows_written", Type::Int64, "rows of the views put or deleted"),
    own("reason", Type::String, "why the batch was closed"),
    own("job_id", Type::String, "the job that wrote it"),
    own("attempts", Type::Int64, "jobs sent with these rows, those that failed too"),
    own("bytes", Type::Int64, "bytes of its rows as a parameter has them"),
    own("planned_at", Type::Timestamp, "when it was closed: from here to committed_at it took"),
    own("committed_at", Type::Timestamp, "when it was written"),
];
/// What the row of the writer state says, besides its epoch; a batch too says whose it is.
pub const WRITER_STATE_COLUMNS: [Field; 2] = [
    own("log", Type::String, "the log whose sink writes"),
    own("rebuilding", Type::Bool, "rows of older epochs are to be deleted once the log is read to its end"),
];

/// The columns of what records say, each once: those of one name mean one thing.
pub fn content() -> Vec<Field> {
    let mut seen: BTreeSet<&str> = KEY.iter().map(|field| field.name).collect();
    let columns = [&SLATE, &PLAYER_GAMES, &FEATURE_ROWS].into_iter().flat_map(|table| table.columns);
    let fresh = columns.filter(|column| seen.insert(column.name));
    fresh.map(|c| own(c.name, sql_type(c.column_type), c.doc)).collect()
}
/// All columns of [`RECORDS`], in their order.
pub fn fields() -> Vec<Field> {
    let source = SOURCE_COLUMNS.iter().map(|column| {
        let of = if column.name == "deleted" { Type::Bool } else { sql_type(column.column_type) };
        let doc = if column.name == "deleted" { "there is no such row any more" } else { column.doc };
        own(column.name, of, doc)
    });
    let line_ladder = own(PREDICTIONS_COLUMN, Type::LineLadder, PREDICTIONS.doc);
    KEY.into_iter()
        .chain(source)
        .chain(GUARD_COLUMNS)
        .chain(content())
        .chain([line_ladder])
        .chain(BATCH_COLUMNS)
        .chain(WRITER_STATE_COLUMNS)
        .collect()
}
/// The column that holds a record's predictions.
pub const PREDICTIONS_COLUMN: &str = "predictions";

/// What `input` says of the rows that a table is made of.
pub const fn input_of(table: &Table) -> crate::record::SinkTopic {
    match table.name.as_bytes() {
        b"player_games" => crate::record::SinkTopic::PlayerGames,
        b"features" => crate::record::SinkTopic::Features,
        _ => crate::record::SinkTopic::Predictions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::TABLES;

    #[test]
    fn a_name_is_one_column() {
        let fields = fields();
        let names: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), fields.len());
    }
    #[test]
    fn columns_of_one_name_are_of_one_kind_in_all_tables() {
        let all: Vec<&Column> = TABLES.iter().flat_map(|table| table.columns).collect();
        for a in &all {
            assert!(
                all.iter().filter(|b| b.name == a.name).all(|b| b.column_type == a.column_type),
                "{}",
                a.name
            );
        }
    }
    #[test]
    fn what_predictions_share_is_in_the_slate() {
        for column in &PREDICTIONS.columns[..PREDICTION_SHARED] {
            assert!(SLATE.columns.iter().any(|c| c.name == column.name), "{}", column.name);
        }
    }
}
