//! The file itself: schema, appends, reads, positions.
use super::replay_log::ReplaySource;
use crate::{
    log::{Commit, RawEventRecord, RuntimeError},
    record_batch::RecordBatch,
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use topics::{Policy, TopicInfo};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS topic(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, policy TEXT NOT NULL);
-- A run of records; base and next are offsets, next the one after the last. appended is in milliseconds since 1970; null: written
-- before there was this column.
CREATE TABLE IF NOT EXISTS chunk(
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL, next INTEGER NOT NULL,
    records INTEGER NOT NULL, bytes BLOB NOT NULL, appended INTEGER);
CREATE UNIQUE INDEX IF NOT EXISTS chunk_at ON chunk(topic, partition, base);
CREATE TABLE IF NOT EXISTS log_end(
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, dirty INTEGER NOT NULL DEFAULT 0,
    clean INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position(
    reader TEXT NOT NULL, topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY(reader, topic, partition)) WITHOUT ROWID;
-- Raw events that are in the log, so that ingesting a file again adds nothing.
CREATE TABLE IF NOT EXISTS ingested(raw INTEGER PRIMARY KEY);
";

/// The log's file.
pub struct EmbeddedLog {
    pub(super) path: PathBuf,
    pub(super) db: Connection,
    topics: HashMap<String, i64>,
    pub(super) run_lock: Option<RunLock>,
    /// The version of the file at the last look.
    pub(super) seen: Option<i64>,
    pub(super) compacted: Option<Instant>,
    /// The log whose raw topics are read in place of its own: this one is a replay's.
    pub(super) source: Option<Box<ReplaySource>>,
}
/// Held by the one process that runs processors on a log; the file names them.
#[derive(Debug)]
pub struct RunLock(pub(super) File);

/// What is in a topic's partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// The offset after the last record.
    pub end: i64,
    /// Records that are stored.
    pub records: i64,
    pub bytes: i64,
}

impl EmbeddedLog {
    /// Opens the log in a folder, creating both when they are not there.
    pub fn open(folder: &Path) -> Result<Self, RuntimeError> {
        let path = folder.join("log.db");
        let runtime_error = |reason: String| storage_error(&path, reason);
        std::fs::create_dir_all(folder).map_err(|error| runtime_error(error.to_string()))?;
        let open = || -> rusqlite::Result<Connection> {
            let mut db = Connection::open(&path)?;
            db.busy_timeout(Duration::from_secs(60))?;
            db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            db.pragma_update(None, "cache_size", -16_000)?;
            db.set_prepared_statement_cache_capacity(64);
            db.execute_batch(SCHEMA)?;
            add_append_times(&mut db)?;
            let id = format!("{:032x}", rand_id(&path));
            db.execute("INSERT OR IGNORE INTO meta VALUES('log_id', ?)", [id])?;
            Ok(db)
        };
        let db = open().map_err(|error| runtime_error(error.to_string()))?;
        Ok(EmbeddedLog::over(path, db))
    }
    pub(super) fn over(path: PathBuf, db: Connection) -> Self {
        EmbeddedLog {
            path,
            db,
            topics: HashMap::new(),
            run_lock: None,
            seen: None,
            compacted: None,
            source: None,
        }
    }
    /// Claims the right to run processors on this log.
    pub fn lock(folder: &Path) -> Result<RunLock, RuntimeError> {
        let path = folder.join("run.lock");
        let runtime_error = |reason: String, next: &str| RuntimeError::Storage {
            path: path.display().to_string(),
            reason,
            next: next.into(),
        };
        std::fs::create_dir_all(folder)
            .map_err(|e| runtime_error(e.to_string(), "check the folder's rights"))?;
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| runtime_error(error.to_string(), "check the folder's rights"))?;
        // Whoever looks whether it is held holds it for an instant.
        let patient = Instant::now();
        let locked = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if patient.elapsed() < Duration::from_millis(200) => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                locked => break locked,
            }
        };
        match locked {
            Ok(()) => {
                file.set_len(0)
                    .map_err(|error| runtime_error(error.to_string(), "check the folder's rights"))?;
                Ok(RunLock(file))
            }
            Err(TryLockError::WouldBlock) => Err(runtime_error(
                "another process runs this log".into(),
                "stop it, or give this one another --data folder",
            )),
            Err(TryLockError::Error(error)) => {
                Err(runtime_error(error.to_string(), "check the folder's rights"))
            }
        }
    }
    /// Names this log: another file, or a rebuilt one, has another id.
    pub fn id(&self) -> Result<String, RuntimeError> {
        let id = self.db.query_row("SELECT value FROM meta WHERE key = 'log_id'", [], |row| row.get(0));
        self.ok(id)
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    pub(super) fn ok<T>(&self, result: rusqlite::Result<T>) -> Result<T, RuntimeError> {
        result.map_err(|error| storage_error(&self.path, error.to_string()))
    }
    /// The number of a topic's name; `None` while nothing was written to it.
    fn topic(&mut self, name: &str) -> Result<Option<i64>, RuntimeError> {
        if let Some(id) = self.topics.get(name) {
            return Ok(Some(*id));
        }
        let id =
            self.db.query_row("SELECT id FROM topic WHERE name = ?", [name], |row| row.get(0)).optional();
        let id: Option<i64> = self.ok(id)?;
        id.iter().for_each(|id| _ = self.topics.insert(name.to_owned(), *id));
        Ok(id)
    }
    /// Makes a commit durable; answers the new ends of what it wrote.
    pub fn commit(&mut self, commit: Commit) -> Result<Vec<(String, i32, i64)>, RuntimeError> {
        let next: Vec<(&str, i32, i64)> = commit.next.iter().map(|((t, p), next)| (*t, *p, *next)).collect();
        self.append(commit.out, &commit.group, &next)
    }
    /// Appends records and moves a reader's positions in one transaction; answers the new ends of what it wrote.
    pub(super) fn append(
        &mut self,
        out: BTreeMap<(String, i32), RecordBatch>,
        reader: &str,
        next: &[(&str, i32, i64)],
    ) -> Result<Vec<(String, i32, i64)>, RuntimeError> {
        let path = self.path.clone();
        let work = |db: &mut Connection| -> rusqlite::Result<Vec<(String, i32, i64)>> {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut ends = Vec::with_capacity(out.len());
            for ((topic, partition), record_batch) in out {
                let id = topic_id(&tx, &topic)?;
                ends.push((topic, partition, append(&tx, id, partition, record_batch)?));
            }
            for (topic, partition, next) in next {
                let id = topic_id(&tx, topic)?;
                tx.prepare_cached("INSERT OR REPLACE INTO position VALUES(?, ?, ?, ?)")?
                    .execute(params![reader, id, partition, next])?;
            }
            tx.commit()?;
            Ok(ends)
        };
        work(&mut self.db).map_err(|error| storage_error(&path, error.to_string()))
    }
    /// Deletes the records of a topic below these offsets; offsets stay as they are.
    pub(super) fn purge(&mut self, topic: &str, below: &BTreeMap<i32, i64>) -> Result<(), RuntimeError> {
        for (partition, below) in below {
            let rest = self.read(topic, *partition, *below, usize::MAX)?;
            let path = self.path.clone();
            let work = |db: &mut Connection| -> rusqlite::Result<()> {
                let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let id = topic_id(&tx, topic)?;
                // Chunks that the boundary cuts are stored again without what is below it.
                tx.execute(
                    "DELETE FROM chunk WHERE topic = ? AND partition = ? AND base < ?",
                    params![id, partition, below],
                )?;
                for record_batch in rest
                    .iter()
                    .filter(|record_batch| record_batch.base() == *below && !record_batch.is_empty())
                {
                    tx.execute(
                        "INSERT OR IGNORE INTO chunk(topic, partition, base, next, records, bytes) VALUES(?, ?, ?, ?, ?, ?)",
                        params![id, partition, record_batch.base(), record_batch.next(), record_batch.len(), record_batch.bytes()],
                    )?;
                }
                tx.commit()?;
                db.execute_batch("PRAGMA incremental_vacuum")
            };
            work(&mut self.db).map_err(|error| storage_error(&path, error.to_string()))?;
        }
        Ok(())
    }
    /// Appends raw events that are not in the log yet; answers how many were new. One transaction.
    pub fn ingest(&mut self, events: &[RawEventRecord], extra: Commit) -> Result<usize, RuntimeError> {
        let path = self.path.clone();
        let work = |db: &mut Connection| -> rusqlite::Result<usize> {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut record_batches: BTreeMap<(&'static str, i32), RecordBatch> = BTreeMap::new();
            let mut new = 0;
            for (topic, partition, key, raw, value) in events {
                let added =
                    tx.prepare_cached("INSERT OR IGNORE INTO ingested VALUES(?)")?.execute([raw.0])?;
                if added == 1 {
                    record_batches.entry((topic.name, *partition)).or_default().push(key, Some(value));
                    new += 1;
                }
            }
            for ((topic, partition), record_batch) in record_batches {
                append(&tx, topic_id(&tx, topic)?, partition, record_batch)?;
            }
            for ((topic, partition), record_batch) in extra.out {
                append(&tx, topic_id(&tx, &topic)?, partition, record_batch)?;
            }
            tx.commit()?;
            Ok(new)
        };
        work(&mut self.db).map_err(|error| storage_error(&path, error.to_string()))
    }
    /// The chunks that hold records from an offset on, up to about so many bytes; at least one when there is any.
    pub fn read(
        &mut self,
        topic: &str,
        partition: i32,
        from: i64,
        bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError> {
        if let Some(source) = self.source_of(topic) {
            return source.read(topic, partition, from, bytes);
        }
        let Some(id) = self.topic(topic)? else { return Ok(Vec::new()) };
        let read = || -> rusqlite::Result<(Vec<RecordBatch>, bool, i64)> {
            let tx = self.db.unchecked_transaction()?;
            let end: Option<i64> = tx
                .prepare_cached("SELECT next FROM log_end WHERE topic = ? AND partition = ?")?
                .query_row(params![id, partition], |row| row.get(0))
                .optional()?;
            let mut statement = tx.prepare_cached(
                "SELECT base, next, records, bytes FROM chunk WHERE topic = ?1 AND partition = ?2 AND base >=
                     ifnull((SELECT max(base) FROM chunk WHERE topic = ?1 AND partition = ?2 AND base <= ?3), 0)
                 AND next > ?3 ORDER BY base",
            )?;
            let mut rows = statement.query(params![id, partition, from])?;
            let (mut record_batches, mut size) = (Vec::new(), 0);
            while size < bytes {
                let Some(row) = rows.next()? else { return Ok((record_batches, true, end.unwrap_or(0))) };
                let record_batch =
                    RecordBatch::from_parts(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                size += record_batch.bytes().len();
                record_batches.push(record_batch);
            }
            Ok((record_batches, false, end.unwrap_or(0)))
        };
        let (record_batches, all, end) = self.ok(read())?;
        let mut record_batches = record_batches
            .into_iter()
            .map(|record_batch| record_batch.from_offset(from))
            .collect::<Result<Vec<_>, _>>()?;
        let reached = record_batches.last().map_or(from, RecordBatch::next);
        if all && reached < end {
            // What compaction took at the end leaves a gap, which is read as no records.
            record_batches.push(RecordBatch::from_parts(reached, end, 0, Vec::new()));
        }
        Ok(record_batches)
    }
    /// Where each topic's partitions end.
    pub fn end_offsets(&self) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        let read = || -> rusqlite::Result<BTreeMap<(String, i32), i64>> {
            let mut statement = self.db.prepare_cached(
                "SELECT topic.name, partition, next FROM log_end JOIN topic ON topic.id = log_end.topic",
            )?;
            let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
            rows.collect()
        };
        let mut ends = self.ok(read())?;
        self.source.iter().for_each(|source| ends.extend(source.ends.clone()));
        Ok(ends)
    }
    /// What is stored of each topic's partitions.
    pub fn states(&self) -> Result<BTreeMap<(String, i32), TopicState>, RuntimeError> {
        let read = || -> rusqlite::Result<BTreeMap<(String, i32), TopicState>> {
            let mut statement = self.db.prepare_cached(
                "SELECT topic.name, e.partition, e.next, ifnull(sum(c.records), 0), ifnull(sum(length(c.bytes)), 0)
                 FROM log_end e JOIN topic ON topic.id = e.topic
                 LEFT JOIN chunk c ON c.topic = e.topic AND c.partition = e.partition GROUP BY 1, 2, 3",
            )?;
            let state = |row: &rusqlite::Row<'_>| {
                let state = TopicState { end: row.get(2)?, records: row.get(3)?, bytes: row.get(4)? };
                Ok(((row.get(0)?, row.get(1)?), state))
            };
            let rows = statement.query_map([], state)?;
            rows.collect()
        };
        self.ok(read())
    }
    /// The offsets that a reader reads next.
    pub fn committed_offsets(&self, reader: &str) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        let read = || -> rusqlite::Result<BTreeMap<(String, i32), i64>> {
            let mut statement = self.db.prepare_cached(
                "SELECT topic.name, partition, next FROM position JOIN topic ON topic.id = position.topic WHERE reader = ?",
            )?;
            let rows = statement.query_map([reader], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
            rows.collect()
        };
        self.ok(read())
    }
    /// Forgets the positions of other versions of a map's group, which nobody reads with any more and which hold up compaction.
    pub fn retire_others(&self, group: &str) -> Result<(), RuntimeError> {
        let Some((name, _)) = group.split_once('@') else { return Ok(()) };
        let others = "DELETE FROM position WHERE reader >= ?1 || '@' AND reader < ?1 || 'A' AND reader <> ?2";
        self.ok(self.db.execute(others, [name, group])).map(|_| ())
    }
    /// Makes readers known before they have read anything, so that compaction leaves them what they have not seen.
    pub fn register(&mut self, reader: &str, inputs: &[TopicInfo]) -> Result<(), RuntimeError> {
        let path = self.path.clone();
        let work = |db: &mut Connection| -> rusqlite::Result<()> {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (topic, partition) in inputs.iter().flat_map(|t| (0..t.partitions).map(move |p| (t, p))) {
                let id = topic_id(&tx, topic.name)?;
                tx.prepare_cached("INSERT OR IGNORE INTO position VALUES(?, ?, ?, 0)")?
                    .execute(params![reader, id, partition])?;
            }
            tx.commit()
        };
        work(&mut self.db).map_err(|error| storage_error(&path, error.to_string()))
    }
    /// Changes whenever another connection has committed.
    pub fn data_version(&self) -> Result<i64, RuntimeError> {
        self.ok(self.db.query_row("PRAGMA data_version", [], |row| row.get(0)))
    }
    /// Whether this reader has read all that its topics hold: one consistent look.
    pub fn is_caught_up(&mut self, readers: &[(String, Vec<TopicInfo>)]) -> Result<bool, RuntimeError> {
        let work = || -> rusqlite::Result<bool> {
            let tx = self.db.unchecked_transaction()?;
            for (reader, topics) in readers {
                for topic in topics {
                    let behind: i64 = tx
                        .prepare_cached(
                            "SELECT count(*) FROM log_end e JOIN topic t ON t.id = e.topic AND t.name = ?1
                             LEFT JOIN position p ON p.reader = ?2 AND p.topic = e.topic AND p.partition = e.partition
                             WHERE e.next > ifnull(p.next, 0)",
                        )?
                        .query_row(params![topic.name, reader], |row| row.get(0))?;
                    if behind > 0 {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        };
        self.ok(work())
    }
}

pub(super) fn storage_error(path: &Path, reason: String) -> RuntimeError {
    let full = reason.contains("full") || reason.contains("No space");
    let next =
        if full { "free some space and start again: nothing is lost" } else { "run `fastbreak check`" };
    RuntimeError::Storage { path: path.display().to_string(), reason, next: next.into() }
}

/// Files of before had no append times.
fn add_append_times(db: &mut Connection) -> rusqlite::Result<()> {
    const HAS: &str = "SELECT count(*) FROM pragma_table_info('chunk') WHERE name = 'appended'";
    let has = |db: &Connection| db.query_row(HAS, [], |row| row.get::<_, i64>(0));
    if has(db)? == 0 {
        // Another process may be about to do the same.
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if has(&tx)? == 0 {
            tx.execute_batch("ALTER TABLE chunk ADD COLUMN appended INTEGER")?;
        }
        tx.commit()?;
    }
    Ok(())
}

/// Milliseconds since 1970, for append times only: nothing that is computed depends on it.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

fn topic_id(db: &Connection, name: &str) -> rusqlite::Result<i64> {
    let known = db
        .prepare_cached("SELECT id FROM topic WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let policy = topics::ALL.iter().find(|topic| topic.name == name).map(|topic| topic.policy);
    let derived = if name.ends_with(".changelog") { Policy::Compact } else { Policy::Keep };
    db.prepare_cached("INSERT INTO topic(name, policy) VALUES(?, ?)")?
        .execute(params![name, policy.unwrap_or(derived).name()])?;
    Ok(db.last_insert_rowid())
}

fn append(db: &Connection, topic: i64, partition: i32, record_batch: RecordBatch) -> rusqlite::Result<i64> {
    let end: Option<i64> = db
        .prepare_cached("SELECT next FROM log_end WHERE topic = ? AND partition = ?")?
        .query_row(params![topic, partition], |row| row.get(0))
        .optional()?;
    let record_batch = record_batch.rebased(end.unwrap_or(0));
    db.prepare_cached(
        "INSERT INTO chunk(topic, partition, base, next, records, bytes, appended) VALUES(?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![topic, partition, record_batch.base(), record_batch.next(), record_batch.len(), record_batch.bytes(), now()])?;
    db.prepare_cached(
        "INSERT INTO log_end(topic, partition, next, dirty) VALUES(?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET next = ?3, dirty = dirty + ?4",
    )?
    .execute(params![topic, partition, record_batch.next(), record_batch.len()])?;
    Ok(record_batch.next())
}

/// An id for a new file: not secret, only unlike any other's.
fn rand_id(path: &Path) -> u128 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write(path.as_os_str().as_encoded_bytes());
        u128::from(hasher.finish())
    };
    half() << 64 | half()
}
