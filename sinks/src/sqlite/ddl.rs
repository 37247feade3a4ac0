//! Definitions of the tables and views of the SQLite file, and settings of the file.
//!
//! The rows of a table are stored in `<table>_rows` together with their source columns; the view `<table>` shows the rows that are not
//! deleted, with the columns of the BigQuery view of the same name.
//!
//! Invariant: a committed batch survives a power cut (WAL, synchronous=FULL). The file stores the version of its
//! tables as `user_version`; a file of an earlier version is migrated when it is opened for writing, and any other version than [`TABLES_VERSION`]
//! is rejected.
//! Not here: the columns of each table (`tables`), creating and migrating a file (`migration`).
use crate::{
    record::SinkTopic,
    tables::{
        BATCH_COLUMNS, BATCHES, BATCHES_DOC, Column, ColumnType, FEATURE_ROWS, PLAYER_GAMES, PREDICTIONS,
        SEASON_START, SLATE, SOURCE_COLUMNS, TABLES, TABLES_VERSION, Table,
    },
    views,
    warehouse::WarehouseError,
};
use rusqlite::Connection;
use std::time::Duration;

/// Returns the name of the table that stores the rows of a view.
pub(super) fn rows_table(table: &Table) -> String {
    format!("{}_rows", table.name)
}

/// Returns the table with one row per key of an input topic; the row has the (epoch, offset) of the newest record of the key.
pub(super) const fn guarded_table(input: SinkTopic) -> &'static Table {
    match input {
        SinkTopic::Predictions => &SLATE,
        SinkTopic::Features => &FEATURE_ROWS,
        SinkTopic::PlayerGames => &PLAYER_GAMES,
    }
}

pub(super) fn configure(db: &Connection) -> Result<(), WarehouseError> {
    db.busy_timeout(Duration::from_secs(10))?;
    // A checkpoint copies each changed page from the write-ahead log into the file: fewer checkpoints copy fewer pages.
    for (pragma, value) in [
        ("page_size", "8192"),
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("temp_store", "MEMORY"),
        ("cache_size", "-32768"),
        ("wal_autocheckpoint", "4096"),
    ] {
        db.pragma_update_and_check(None, pragma, value, |_| Ok(())).or_else(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => Ok(()),
            error => Err(error),
        })?;
    }
    Ok(())
}

pub(super) fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Rejects a file whose table version is not that of this program.
pub(super) fn check(db: &Connection) -> Result<(), WarehouseError> {
    match version(db)? {
        TABLES_VERSION => Ok(()),
        former if former > 0 && former < TABLES_VERSION => Err(WarehouseError::Config {
            what: format!(
                "the warehouse has tables of version {former}, and this program reads version {TABLES_VERSION}"
            ),
            next: "`fastbreak run` or `fastbreak warehouse apply` migrates the file".into(),
        }),
        other => Err(WarehouseError::Config {
            what: format!(
                "the warehouse has tables of version {other}, but this program supports version {TABLES_VERSION}"
            ),
            next:
                "run the version of fastbreak that wrote warehouse.db, or move warehouse.db away: `fastbreak run` creates and fills a new one"
                    .into(),
        }),
    }
}

/// Returns all statements that define a new file.
pub(super) fn statements() -> String {
    tables_and_views() + &batches() + &coverage() + WAREHOUSE_META
}
/// Returns the definitions of the tables with rows, their views and indexes.
pub(super) fn tables_and_views() -> String {
    let mut sql: String = TABLES.iter().map(|table| rows_definition(table) + &view(table)).collect();
    for table in [&SLATE, &PLAYER_GAMES] {
        sql += &format!("CREATE INDEX {0}_by_date ON {0}_rows (game_date);\n", table.name);
    }
    sql
}

const WAREHOUSE_META: &str = "CREATE TABLE warehouse_meta ( -- One row: the log that may write to this warehouse, and the epoch
  log_id TEXT, -- Id of the log that owns the warehouse. NULL: no log has acquired it yet
  epoch INTEGER NOT NULL, -- Warehouse epoch, raised when a log takes ownership
  rebuilding INTEGER NOT NULL -- 1 during a rebuild: rows of older epochs remain until the log has been read to its end
);
INSERT INTO warehouse_meta VALUES (NULL, 1, 0);
";

/// Additional column of a table with an epoch guard. With it, a record with unchanged content is recognized without comparing the content
/// columns.
const CONTENT_HASH: Column = Column {
    name: "content_hash",
    column_type: ColumnType::Integer,
    doc: "Content hash of the newest record of the key. NULL: the row is deleted",
};

/// Returns the column type in SQLite, and the format of its values if the type does not determine it.
const fn sqlite_type(column_type: ColumnType) -> (&'static str, &'static str) {
    match column_type {
        ColumnType::Integer => ("INTEGER", ""),
        ColumnType::Real => ("REAL", ""),
        ColumnType::Text => ("TEXT", ""),
        ColumnType::Boolean => ("INTEGER", " (0 or 1)"),
        ColumnType::Date => ("TEXT", " (YYYY-MM-DD)"),
        ColumnType::Timestamp => ("TEXT", " (RFC 3339, UTC)"),
        ColumnType::Json => ("TEXT", " (JSON)"),
    }
}
fn comment(column: &Column) -> String {
    format!("-- {}{}", column.doc, sqlite_type(column.column_type).1)
}
fn column_definition(column: &Column, constraint: &str) -> String {
    let (sqlite_type, _) = sqlite_type(column.column_type);
    format!("  \"{}\" {sqlite_type}{constraint}, {}\n", column.name, comment(column))
}
fn rows_definition(table: &Table) -> String {
    let content_hash = table.has_epoch_guard.then_some(&CONTENT_HASH);
    let columns = table.columns.iter().chain(&SOURCE_COLUMNS).chain(content_hash);
    let definition = |column: &Column| {
        column_definition(column, if table.key.contains(&column.name) { " NOT NULL" } else { "" })
    };
    format!(
        "CREATE TABLE {} ( -- Stored rows of the view {}, including deleted rows\n{}  PRIMARY KEY ({})\n) WITHOUT ROWID;\n",
        rows_table(table),
        table.name,
        columns.map(definition).collect::<String>(),
        table.key.join(", ")
    )
}
/// Returns the definition of a view with a comment per column. `columns` are pairs of expression and column.
fn view_definition(name: &str, doc: &str, columns: &[(String, &Column)], from: &str) -> String {
    let mut sql = format!("CREATE VIEW {name} AS -- {doc}\nSELECT\n");
    for (n, (expression, column)) in columns.iter().enumerate() {
        let comma = if n + 1 < columns.len() { "," } else { "" };
        let quoted = format!("\"{}\"", column.name);
        let alias = if *expression == quoted { String::new() } else { format!(" AS {quoted}") };
        sql += &format!("  {expression}{alias}{comma} {}\n", comment(column));
    }
    sql + &format!("FROM {from};\n")
}
fn view(table: &Table) -> String {
    let expression = |column: &Column| match column.name {
        name if name == SEASON_START.name => "CAST(substr(season, 1, 4) AS INTEGER)".to_owned(),
        name => format!("\"{name}\""),
    };
    let columns: Vec<_> = table.view_columns().map(|column| (expression(column), column)).collect();
    view_definition(table.name, table.doc, &columns, &format!("{} WHERE deleted = 0", rows_table(table)))
}
/// Columns of `sink_batches` that are NULL in SQLite.
const BIGQUERY_ONLY: [&str; 3] = ["job_id", "attempts", "request_bytes"];

fn batches() -> String {
    let constraint = |column: &Column| if BIGQUERY_ONLY.contains(&column.name) { "" } else { " NOT NULL" };
    let columns = BATCH_COLUMNS.iter().map(|column| column_definition(column, constraint(column)));
    let columns: String = columns.collect();
    format!("CREATE TABLE {BATCHES} ( -- {BATCHES_DOC}\n{columns}  PRIMARY KEY (batch_id)\n);\n")
}
pub(super) fn coverage() -> String {
    let columns: Vec<_> =
        views::COVERAGE_COLUMNS.iter().map(|column| (format!("\"{}\"", column.name), column)).collect();
    let select = views::coverage_select(SLATE.name, PLAYER_GAMES.name);
    view_definition(views::COVERAGE, views::COVERAGE_DOC, &columns, &format!("(\n{select}\n)"))
}

/// Returns the statement that writes a row. Its parameters are the columns of the table, the source columns, and `content_hash` if the
/// table has an epoch guard.
pub(super) fn put(table: &Table) -> String {
    let names: Vec<_> =
        table.columns.iter().chain(&SOURCE_COLUMNS).map(|column| format!("\"{}\"", column.name)).collect();
    let content_hash = if table.has_epoch_guard { ", content_hash" } else { "" };
    let placeholders = vec!["?"; names.len() + usize::from(table.has_epoch_guard)].join(",");
    format!(
        "INSERT OR REPLACE INTO {} ({}{content_hash}) VALUES ({placeholders})",
        rows_table(table),
        names.join(", ")
    )
}

/// Returns the condition that selects the rows of a record's key. Its parameters are the game, the player, and the date or pair of teams.
pub(super) fn by_key(table: &Table) -> String {
    let columns = table.key.iter().take(3).zip(1..);
    columns.map(|(column, parameter)| format!("{column} = ?{parameter}")).collect::<Vec<_>>().join(" AND ")
}

/// Returns the statement that deletes the predictions of a player, game and date.
pub(super) fn delete_predictions() -> String {
    format!("DELETE FROM {} WHERE {}", rows_table(&PREDICTIONS), by_key(&PREDICTIONS))
}
