//! The tables of the log's SQLite file, and their migration from former versions of the file.
//!
//! The rows of former versions have no checksums. The migration computes them when the file is first opened for writing; until then, a
//! reader accepts them without. What was damaged before the migration gets the checksum of what it is then. An earlier version of this
//! program cannot write to the file afterwards, because it does not know the new columns.
//! Invariant: a file of a former version is migrated in one transaction, which changes no content; a file of this version is not changed.
//! Not here: access to the tables (`store`, `append`, `offsets` and the other files), verifying checksums (`stored_batch`, `integrity`).
use crate::{
    checksum,
    stored_batch::{COLUMNS, COLUMNS_WITHOUT_CHECKSUM, COLUMNS_WITHOUT_COMPRESSION, StoredBatch},
};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::collections::BTreeSet;

const TABLES: &str = "
-- checksum: a CRC-32 of the row, see `checksum`; of a record batch also of its bytes. Table `ingested` has none: see `integrity`.
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS topic(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, policy TEXT NOT NULL, checksum INTEGER);
-- Consecutive records. base and next are offsets: of the first record, and one past the last. appended: milliseconds since 1970.
-- uncompressed: NULL if bytes are the bytes of the batch, else bytes are a zstd frame of that many bytes.
CREATE TABLE IF NOT EXISTS record_batch(
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL, next INTEGER NOT NULL,
    records INTEGER NOT NULL, bytes BLOB NOT NULL, appended INTEGER NOT NULL, uncompressed INTEGER, checksum INTEGER);
CREATE UNIQUE INDEX IF NOT EXISTS record_batch_base ON record_batch(topic, partition, base);
-- dirty: records appended since the last compaction; clean: records that it left; dirty_bytes, clean_bytes: their uncompressed bytes.
-- merged: the offset from which on small batches are not merged yet; unmerged_batches, unmerged_bytes: their number and uncompressed bytes.
CREATE TABLE IF NOT EXISTS end_offset(
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, dirty INTEGER NOT NULL DEFAULT 0,
    clean INTEGER NOT NULL DEFAULT 0, dirty_bytes INTEGER NOT NULL DEFAULT 0, clean_bytes INTEGER NOT NULL DEFAULT 0,
    merged INTEGER NOT NULL DEFAULT 0, unmerged_batches INTEGER NOT NULL DEFAULT 0, unmerged_bytes INTEGER NOT NULL DEFAULT 0,
    checksum INTEGER, PRIMARY KEY(topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS committed_offset(
    consumer_group TEXT NOT NULL, topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, checksum INTEGER,
    PRIMARY KEY(consumer_group, topic, partition)) WITHOUT ROWID;
-- Raw events that are in the log, so that ingesting a file again adds nothing. rank: the highest rank of a fetch outcome among the events
-- with this id.
CREATE TABLE IF NOT EXISTS ingested(raw INTEGER PRIMARY KEY, rank INTEGER NOT NULL);
";

/// The columns that files of former versions lack: table, column and definition. Their ingested events get the highest rank (that of
/// `Complete`): with which outcome they were ingested is not known, and no event may be appended twice.
const NEW_COLUMNS: [(&str, &str, &str); 12] = [
    ("record_batch", "uncompressed", "INTEGER"),
    ("end_offset", "dirty_bytes", "INTEGER NOT NULL DEFAULT 0"),
    ("end_offset", "clean_bytes", "INTEGER NOT NULL DEFAULT 0"),
    ("end_offset", "merged", "INTEGER NOT NULL DEFAULT 0"),
    ("end_offset", "unmerged_batches", "INTEGER NOT NULL DEFAULT 0"),
    ("end_offset", "unmerged_bytes", "INTEGER NOT NULL DEFAULT 0"),
    ("ingested", "rank", "INTEGER NOT NULL DEFAULT 5"),
    ("meta", "checksum", "INTEGER"),
    ("topic", "checksum", "INTEGER"),
    ("end_offset", "checksum", "INTEGER"),
    ("committed_offset", "checksum", "INTEGER"),
    ("record_batch", "checksum", "INTEGER"),
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
    let has_no_checksums = !has_checksums(&tx)?;
    for (table, column, definition) in NEW_COLUMNS {
        // Another process may have migrated the file meanwhile.
        if !has_column(&tx, table, column)? {
            tx.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {definition}"))?;
        }
    }
    if has_no_checksums {
        compute_checksums(&tx)?;
    }
    tx.commit()
}

/// Computes the checksums of all rows, which have none.
fn compute_checksums(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    compute_checksums_of_batches(tx)?;
    let mut statement = tx.prepare("SELECT key, value FROM meta")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (key, value) in rows.collect::<rusqlite::Result<Vec<(String, String)>>>()? {
        let checksum = checksum::of_meta(&key, &value);
        tx.execute("UPDATE meta SET checksum = ? WHERE key = ?", params![checksum, key])?;
    }
    let mut statement = tx.prepare("SELECT id, name, policy FROM topic")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (id, name, policy) in rows.collect::<rusqlite::Result<Vec<(i64, String, String)>>>()? {
        let checksum = checksum::of_topic(id, &name, &policy);
        tx.execute("UPDATE topic SET checksum = ? WHERE id = ?", params![checksum, id])?;
    }
    let mut statement = tx.prepare("SELECT topic, partition, next FROM end_offset")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (topic, partition, next) in rows.collect::<rusqlite::Result<Vec<(i64, i32, i64)>>>()? {
        let checksum = checksum::of_end_offset(topic, partition, next);
        let sql = "UPDATE end_offset SET checksum = ? WHERE topic = ? AND partition = ?";
        tx.execute(sql, params![checksum, topic, partition])?;
    }
    let mut statement = tx.prepare("SELECT consumer_group, topic, partition, next FROM committed_offset")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    for (group, topic, partition, next) in rows.collect::<rusqlite::Result<Vec<(String, i64, i32, i64)>>>()? {
        let checksum = checksum::of_committed_offset(&group, topic, partition, next);
        let sql = "UPDATE committed_offset SET checksum = ? WHERE consumer_group = ? AND topic = ? AND partition = ?";
        tx.execute(sql, params![checksum, group, topic, partition])?;
    }
    Ok(())
}

fn compute_checksums_of_batches(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut statement = tx.prepare("SELECT id FROM record_batch ORDER BY id")?;
    let ids: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut read = tx.prepare(&format!(
        "SELECT {COLUMNS_WITHOUT_CHECKSUM}, t.name, b.partition FROM record_batch b JOIN topic t ON t.id = b.topic WHERE b.id = ?"
    ))?;
    let mut update = tx.prepare("UPDATE record_batch SET checksum = ? WHERE id = ?")?;
    for id in ids {
        let checksum = read.query_row([id], |row| {
            Ok(StoredBatch::from_row(row)?.checksum(&row.get::<_, String>(7)?, row.get(8)?))
        })?;
        update.execute([checksum, id])?;
    }
    Ok(())
}

fn has_column(db: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM pragma_table_info(?) WHERE name = ?")?.exists([table, column])
}

/// False if the file has a former version, whose rows have no checksums.
pub fn has_checksums(db: &Connection) -> rusqlite::Result<bool> {
    has_column(db, "record_batch", "checksum")
}

/// Returns the columns of a stored batch in a file of this or of a former version.
pub fn batch_columns(db: &Connection) -> rusqlite::Result<&'static str> {
    Ok(if has_checksums(db)? {
        COLUMNS
    } else if has_column(db, "record_batch", "uncompressed")? {
        COLUMNS_WITHOUT_CHECKSUM
    } else {
        COLUMNS_WITHOUT_COMPRESSION
    })
}

/// Returns the columns of all tables, one text for each.
fn columns(db: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = db.prepare(
        "SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk
         FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'
         UNION ALL SELECT 'index ' || m.name || ' ' || c.seqno || ' ' || c.name
         FROM sqlite_schema m JOIN pragma_index_info(m.name) c WHERE m.type = 'index'",
    )?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Returns what the tables lack of those of this version.
pub fn missing_columns(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let expected = Connection::open_in_memory()?;
    expected.execute_batch(TABLES)?;
    let (expected, found) = (columns(&expected)?, columns(db)?);
    let missing = expected.difference(&found);
    Ok(missing.map(|column| format!("the definition of its tables lacks '{column}'")).collect())
}
