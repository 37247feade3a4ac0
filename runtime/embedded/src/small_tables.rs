//! Verifies the rows of the log's small tables: topics, end offsets, committed offsets and `meta`.
//!
//! They are few, so all of them are verified whenever the file is opened.
//! Invariant: read-only. The rows of a file of a former version have no checksums, and are not verified.
//! Not here: record batches (`stored_batch`), the structure of the file (`integrity`).
use crate::{checksum, schema};
use rusqlite::{Connection, Row};
use topics::Offset;

/// Error: a row of a small table is not the one that was stored.
#[derive(Debug, thiserror::Error)]
#[error("the row {row} of table {table} is corrupt: its checksum does not match")]
pub struct CorruptRow {
    table: &'static str,
    row: String,
}
impl CorruptRow {
    pub fn new(table: &'static str, row: String) -> Self {
        CorruptRow { table, row }
    }
}
/// Passes the error through a SQL transaction, which it rolls back.
impl From<CorruptRow> for rusqlite::Error {
    fn from(corrupt: CorruptRow) -> Self {
        rusqlite::Error::ToSqlConversionFailure(Box::new(corrupt))
    }
}

/// Checks the rows of the small tables.
pub fn ensure_rows(db: &Connection) -> rusqlite::Result<()> {
    match row_problems(db)?.into_iter().next() {
        Some(corrupt) => Err(corrupt.into()),
        None => Ok(()),
    }
}

/// Returns the rows of the small tables whose checksum does not match.
pub fn row_problems(db: &Connection) -> rusqlite::Result<Vec<CorruptRow>> {
    if !schema::has_checksums(db)? {
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    let mut check =
        |table: &'static str, sql: &str, of_row: &dyn Fn(&Row<'_>) -> rusqlite::Result<(i64, String)>| {
            let mut statement = db.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (checksum, name) = of_row(row)?;
                if row.get::<_, Option<i64>>(0)? != Some(checksum) {
                    problems.push(CorruptRow::new(table, name));
                }
            }
            Ok::<(), rusqlite::Error>(())
        };
    check("meta", "SELECT checksum, key, value FROM meta", &|row| {
        let (key, value): (String, String) = (row.get(1)?, row.get(2)?);
        Ok((checksum::of_meta(&key, &value), key))
    })?;
    check("topic", "SELECT checksum, id, name, policy FROM topic", &|row| {
        let (id, name, policy): (i64, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((checksum::of_topic(id, &name, &policy), name))
    })?;
    check("end_offset", "SELECT checksum, topic, partition, next FROM end_offset", &|row| {
        let (topic, partition, next): (i64, i32, Offset) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((checksum::of_end_offset(topic, partition, next), format!("{topic}/{partition}")))
    })?;
    let sql = "SELECT checksum, consumer_group, topic, partition, next FROM committed_offset";
    check("committed_offset", sql, &|row| {
        let (group, topic): (String, i64) = (row.get(1)?, row.get(2)?);
        let (partition, next): (i32, Offset) = (row.get(3)?, row.get(4)?);
        let checksum = checksum::of_committed_offset(&group, topic, partition, next);
        Ok((checksum, format!("{group} {topic}/{partition}")))
    })?;
    Ok(problems)
}
