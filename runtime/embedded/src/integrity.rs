//! Integrity: finds damage of the log's SQLite file, beyond what a read of a record batch verifies.
//!
//! Three levels: the rows of the small tables (`small_tables`, checked whenever the file is opened), in addition the structure (checked before
//! processors run), and in addition every page and every record batch (`fastbreak doctor` and `fastbreak audit`).
//! Not covered: the column `rank` and single ids of table `ingested` (a wrong one makes an event be ingested twice, which changes no
//! content, or not be replaced by one with a better outcome), append times, and counters that decide when maintenance is due.
//! Invariant: read-only. A file of a former version has no checksums, so only its structure is checked.
//! Not here: the checksums (`checksum`), the checks of a read (`stored_batch`).
use crate::{schema, small_tables::row_problems, store::Store, stored_batch::StoredBatch};
use runtime::RuntimeError;
use rusqlite::Connection;

/// At most this many problems are listed.
const MAX_PROBLEMS: usize = 20;

/// What was found in the file.
#[derive(Debug, Default)]
pub struct IntegrityReport {
    pub batches: u64,
    /// The size of the batches in the file.
    pub bytes: u64,
    /// True if the file has a former version, whose rows have no checksums.
    pub has_no_checksums: bool,
    /// The first problems; empty if there are none.
    pub problems: Vec<String>,
}

/// Checks the rows of the small tables and the structure of the file, before processors run.
pub fn ensure_structure(store: &Store) -> Result<(), RuntimeError> {
    match store.ok(structure_problems(&store.db))?.into_iter().next() {
        Some(problem) => Err(store.corrupt(&problem)),
        None => Ok(()),
    }
}

/// Checks everything: every page of the file, and every row that has a checksum.
pub fn examine(store: &Store) -> Result<IntegrityReport, RuntimeError> {
    let mut report = IntegrityReport::default();
    // Each part may fail because of the damage that it looks for.
    let pages = page_problems(&store.db);
    let rows = row_problems(&store.db).map(|rows| rows.iter().map(ToString::to_string).collect());
    let structure = structure_problems(&store.db);
    let batches = examine_batches(&store.db, &mut report);
    for found in [pages, rows, structure, batches] {
        match found {
            Ok(problems) => report.problems.extend(problems),
            Err(error) => report.problems.push(format!("it cannot be read completely: {error}")),
        }
    }
    report.problems.dedup();
    report.problems.truncate(MAX_PROBLEMS);
    store.ok(Ok(report))
}

fn page_problems(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare(&format!("PRAGMA integrity_check({MAX_PROBLEMS})"))?;
    let found: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(found.into_iter().filter(|text| text != "ok").map(|text| text.replace('\n', " ")).collect())
}

/// Queries that count what must not exist, with the problem that it is.
const MUST_BE_ZERO: [(&str, &str); 5] = [
    (
        "SELECT count(*) FROM record_batch b NOT INDEXED WHERE NOT EXISTS (
             SELECT 1 FROM record_batch i INDEXED BY record_batch_base
             WHERE i.topic = b.topic AND i.partition = b.partition AND i.base = b.base AND i.id = b.id)",
        "record batches are not in the index",
    ),
    (
        "SELECT abs((SELECT count(*) FROM record_batch INDEXED BY record_batch_base WHERE topic >= -9223372036854775808)
             - (SELECT count(*) FROM record_batch NOT INDEXED))",
        "entries of the index have no record batch",
    ),
    (
        "SELECT count(*) FROM record_batch b NOT INDEXED
         LEFT JOIN topic t ON t.id = b.topic LEFT JOIN end_offset e ON e.topic = b.topic AND e.partition = b.partition
         WHERE t.id IS NULL OR e.next IS NULL OR b.next > e.next OR b.base > b.next",
        "record batches are in no topic or beyond its end offset",
    ),
    (
        "SELECT count(*) FROM (SELECT b.base, t.policy,
             lag(b.next) OVER (PARTITION BY b.topic, b.partition ORDER BY b.base) AS previous
             FROM record_batch b JOIN topic t ON t.id = b.topic)
         WHERE base < previous OR base > previous AND policy <> 'compact'",
        "record batches overlap or are missing",
    ),
    (
        "SELECT count(*) FROM committed_offset c LEFT JOIN end_offset e ON e.topic = c.topic AND e.partition = c.partition
         WHERE c.next > ifnull(e.next, 0) AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'replay_source')",
        "committed offsets are beyond the end offset",
    ),
];

fn structure_problems(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems = if schema::has_checksums(db)? { schema::missing_columns(db)? } else { Vec::new() };
    for table in ["meta", "topic", "end_offset", "committed_offset"] {
        let mut statement = db.prepare(&format!("PRAGMA quick_check({table})"))?;
        let found: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        problems.extend(found.into_iter().filter(|text| text != "ok"));
    }
    for (sql, problem) in MUST_BE_ZERO {
        let count: i64 = db.query_row(sql, [], |row| row.get(0))?;
        if count > 0 {
            problems.push(format!("{count} {problem}"));
        }
    }
    Ok(problems)
}

/// Opens every record batch and parses its records.
fn examine_batches(db: &Connection, report: &mut IntegrityReport) -> rusqlite::Result<Vec<String>> {
    report.has_no_checksums = !schema::has_checksums(db)?;
    let columns = schema::batch_columns(db)?.replace("checksum", "b.checksum");
    let mut problems = Vec::new();
    let mut statement = db.prepare(&format!(
        "SELECT {columns}, t.name, b.partition FROM record_batch b NOT INDEXED JOIN topic t ON t.id = b.topic"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let stored = StoredBatch::from_row(row)?;
        let (topic, partition): (String, i32) = (row.get(7)?, row.get(8)?);
        let base = stored.base;
        report.batches += 1;
        report.bytes += stored.stored_bytes();
        let opened = stored.open(&topic, partition).map_err(|corrupt| corrupt.to_string());
        let parsed = opened.and_then(|batch| match batch.records().find_map(Result::err) {
            Some(corrupt) => {
                Err(format!("the record batch of topic {topic}/{partition} at offset {base}: {corrupt}"))
            }
            None => Ok(()),
        });
        problems.extend(parsed.err().filter(|_| problems.len() < MAX_PROBLEMS));
    }
    Ok(problems)
}
