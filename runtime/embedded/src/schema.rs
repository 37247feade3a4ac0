//! The tables of the log's SQLite file, and their migration from the former version of the file.
//!
//! Invariant: a file of the former version is migrated in one transaction, which changes no row of `record_batch`; a file of this version
//! is not changed.
//! Not here: access to the tables (`store`, `append`, `offsets` and the other files).
use rusqlite::{Connection, Transaction, TransactionBehavior};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS topic(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, policy TEXT NOT NULL);
-- Consecutive records. base and next are offsets: of the first record, and one past the last. appended: milliseconds since 1970.
-- uncompressed: NULL if bytes are the bytes of the batch, else bytes are a zstd frame of that many bytes.
CREATE TABLE IF NOT EXISTS record_batch(
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL, next INTEGER NOT NULL,
    records INTEGER NOT NULL, bytes BLOB NOT NULL, appended INTEGER NOT NULL, uncompressed INTEGER);
CREATE UNIQUE INDEX IF NOT EXISTS record_batch_base ON record_batch(topic, partition, base);
-- dirty: records appended since the last compaction; clean: records that it left; dirty_bytes, clean_bytes: their uncompressed bytes.
-- merged: the offset from which on small batches are not merged yet; unmerged_batches, unmerged_bytes: their number and uncompressed bytes.
CREATE TABLE IF NOT EXISTS end_offset(
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, dirty INTEGER NOT NULL DEFAULT 0,
    clean INTEGER NOT NULL DEFAULT 0, dirty_bytes INTEGER NOT NULL DEFAULT 0, clean_bytes INTEGER NOT NULL DEFAULT 0,
    merged INTEGER NOT NULL DEFAULT 0, unmerged_batches INTEGER NOT NULL DEFAULT 0, unmerged_bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY(topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS committed_offset(
    consumer_group TEXT NOT NULL, topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY(consumer_group, topic, partition)) WITHOUT ROWID;
-- Raw events that are in the log, so that ingesting a file again adds nothing. rank: the highest rank of a fetch outcome among the events
-- with this id.
CREATE TABLE IF NOT EXISTS ingested(raw INTEGER PRIMARY KEY, rank INTEGER NOT NULL);
";

/// The columns that files of former versions lack: table, column and definition. Their ingested events get the highest rank (that of
/// `Complete`): with which outcome they were ingested is not known, and no event may be appended twice.
const NEW_COLUMNS: [(&str, &str, &str); 7] = [
    ("record_batch", "uncompressed", "INTEGER"),
    ("end_offset", "dirty_bytes", "INTEGER NOT NULL DEFAULT 0"),
    ("end_offset", "clean_bytes", "INTEGER NOT NULL DEFAULT 0"),
    ("end_offset", "merged", "INTEGER NOT NULL DEFAULT 0"),
    ("end_offset", "unmerged_batches", "INTEGER NOT NULL DEFAULT 0"),
    ("end_offset", "unmerged_bytes", "INTEGER NOT NULL DEFAULT 0"),
    ("ingested", "rank", "INTEGER NOT NULL DEFAULT 5"),
];

/// Creates the tables, or adds the columns that those of a former version lack.
pub fn create_or_migrate(db: &mut Connection) -> rusqlite::Result<()> {
    db.execute_batch(TABLES)?;
    if NEW_COLUMNS.into_iter().try_fold(true, |all, (table, column, _)| {
        Ok::<bool, rusqlite::Error>(all && has_column(db, table, column)?)
    })? {
        return Ok(());
    }
    let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
    for (table, column, definition) in NEW_COLUMNS {
        // Another process may have migrated the file meanwhile.
        if !has_column(&tx, table, column)? {
            tx.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {definition}"))?;
        }
    }
    tx.commit()
}

fn has_column(db: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM pragma_table_info(?) WHERE name = ?")?.exists([table, column])
}

/// False if the file has the former version, in which no batch is compressed.
pub fn has_compression(db: &Connection) -> rusqlite::Result<bool> {
    has_column(db, "record_batch", "uncompressed")
}
