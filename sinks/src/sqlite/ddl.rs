//! The file's schema and settings.
//!
//! Invariant: a committed batch survives a power cut (WAL, synchronous=FULL). The schema's version is the file's `user_version`;
//! a file of another version is refused, not guessed at.
//! Not here: which columns there are (`tables`).
use crate::{
    tables::{Column, ColumnType, PREDICTIONS, SOURCE_COLUMNS, TABLES, TABLES_VERSION, Table},
    warehouse::WarehouseError,
};
use rusqlite::{Connection, TransactionBehavior};
use std::{fmt::Write, time::Duration};

pub(super) fn configure(db: &Connection) -> Result<(), WarehouseError> {
    db.busy_timeout(Duration::from_secs(10))?;
    // A page is written to the log and then once more to the file: a rare checkpoint saves most of the second.
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

fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Refuses a file of another version.
pub(super) fn check(db: &Connection) -> Result<(), WarehouseError> {
    match version(db)? {
        TABLES_VERSION => Ok(()),
        other => Err(WarehouseError::Config {
            what: format!(
                "the warehouse has tables of version {other}, and this program knows {TABLES_VERSION}"
            ),
            next:
                "run the fastbreak that wrote it, or move warehouse.db away: `fastbreak run` fills a new one"
                    .into(),
        }),
    }
}

/// Makes the tables of a new file.
pub(super) fn create(db: &mut Connection) -> Result<(), WarehouseError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&tx)? != 0 {
        return check(&tx);
    }
    tx.execute_batch(&statements())?;
    tx.pragma_update(None, "user_version", TABLES_VERSION)?;
    Ok(tx.commit()?)
}

/// Everything in a new file.
pub(super) fn statements() -> String {
    let mut sql: String = TABLES.iter().map(definition).collect();
    sql += "CREATE INDEX player_slate_of_date ON player_slate (game_date);\n";
    sql += "CREATE INDEX player_games_of_date ON player_games (game_date);\n";
    sql + SINK_TABLES
}

const SINK_TABLES: &str = "
CREATE TABLE sink_batches ( -- Every batch written, in the transaction that wrote it
  batch_id TEXT NOT NULL PRIMARY KEY, -- hash of writer, epoch and ranges
  ranges TEXT NOT NULL, -- JSON list: topic/partition:first-end
  records INTEGER NOT NULL, -- read = applied + unchanged + stale + superseded + rejected
  applied INTEGER NOT NULL, -- changed the tables
  unchanged INTEGER NOT NULL, -- said what the tables say
  stale INTEGER NOT NULL, -- no newer than what the tables hold
  superseded INTEGER NOT NULL, -- replaced by a later record of the batch
  rejected INTEGER NOT NULL, -- sent to the dead-letter topic
  rows_written INTEGER NOT NULL, -- table rows put or deleted
  reason TEXT NOT NULL, -- why the batch was closed
  log TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  planned_at TEXT NOT NULL, -- RFC 3339
  committed_at TEXT NOT NULL -- RFC 3339
);
CREATE TABLE warehouse_meta ( -- One row: who writes this warehouse
  log TEXT, -- the log whose sink writes it; NULL: none yet
  epoch INTEGER NOT NULL,
  rebuilding INTEGER NOT NULL -- 1: rows of older epochs are to be deleted once the log is read to its end
);
INSERT INTO warehouse_meta VALUES (NULL, 1, 0);
";

/// A guarded table says in `content_hash` what its newest record said, so that a repetition is known without reading its rows.
const CONTENT_HASH: &str = "  content_hash INTEGER, -- hash of all that the record says; NULL: deleted\n";

fn definition(table: &Table) -> String {
    let mut sql = format!("CREATE TABLE {} ( -- {}\n", table.name, table.doc);
    for column in table.columns.iter().chain(&SOURCE_COLUMNS) {
        let Column { name, column_type, doc } = column;
        let column_type = match column_type {
            ColumnType::Integer => "INTEGER",
            ColumnType::Real => "REAL",
            ColumnType::Text => "TEXT",
        };
        let null = if table.key.contains(name) { " NOT NULL" } else { "" };
        let comment = if doc.is_empty() { String::new() } else { format!(" -- {doc}") };
        // Writing to a string cannot fail.
        let _ = writeln!(sql, "  \"{name}\" {column_type}{null},{comment}");
    }
    if table.has_epoch_guard {
        sql += CONTENT_HASH;
    }
    sql + &format!("  PRIMARY KEY ({})\n) WITHOUT ROWID;\n", table.key.join(", "))
}

/// Puts a row: the table's columns, the stamp, and `content_hash` where the table guards.
pub(super) fn put(table: &Table) -> String {
    let names: Vec<_> =
        table.columns.iter().chain(&SOURCE_COLUMNS).map(|column| format!("\"{}\"", column.name)).collect();
    let content_hash = if table.has_epoch_guard { ", content_hash" } else { "" };
    let places = vec!["?"; names.len() + usize::from(table.has_epoch_guard)].join(",");
    format!("INSERT OR REPLACE INTO {} ({}{content_hash}) VALUES ({places})", table.name, names.join(", "))
}

/// Deletes the predictions of a player and game.
pub(super) fn clear() -> String {
    format!("DELETE FROM {} WHERE game_id = ?1 AND player_id = ?2", PREDICTIONS.name)
}
