//! The SQLite file of a log: opening it, and reading record batches and end offsets from it.
//!
//! Invariant: a read is one read transaction; if compaction removed the last records of a partition, a read ends with an empty batch that
//! extends to the end offset.
//! Not here: its tables (`schema`), the stored form of a batch (`stored_batch`), appending (`append`), committed offsets (`offsets`), compaction (`compaction`).
use crate::{
    checksum,
    error::{file_replaced, missing_log, storage_error},
    run_lock, schema, small_tables,
    stored_batch::{CorruptStoredBatch, StoredBatch},
};
use read_only_sqlite::{ChangeCheck, FileIdentity};
use runtime::{RecordBatch, RuntimeError};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use topics::{Offset, Offsets, TopicPartition};

const BUSY_TIMEOUT: Duration = Duration::from_secs(60);
/// The write-ahead log is truncated to this many bytes when its content is in the file.
const MAX_IDLE_WAL_BYTES: i64 = 4 << 20;

/// The key in table `meta` of the id of the log.
const LOG_ID_KEY: &str = "log_id";
/// Prefix of the id of a log that a demo created.
const DEMO_ID_PREFIX: &str = "demo-";

/// The end offset of a partition, and the number of records and bytes stored in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSize {
    /// The offset that the next record will get.
    pub end_offset: Offset,
    pub records: i64,
    /// The size in the file, where most batches are compressed.
    pub bytes: i64,
}

/// A connection to the file of a log.
pub struct Store {
    path: PathBuf,
    pub db: Connection,
    change_check: ChangeCheck,
    /// The identity of the file if it is open for writing.
    identity: Option<FileIdentity>,
}

impl Store {
    /// Opens the file in a folder, creating both if they do not exist.
    pub fn open(folder: &Path) -> Result<Store, RuntimeError> {
        Store::open_or_create(folder, "")
    }
    /// Opens the file of a demo's log, creating it and the folder if they do not exist.
    ///
    /// # Errors
    /// [`RuntimeError::Precondition`] if the folder has files, and no log that this function created.
    pub fn open_demo(folder: &Path) -> Result<Store, RuntimeError> {
        let path = folder.join("log.db");
        let refused = |reason: &str| RuntimeError::Precondition {
            what: format!("a demo in {}", folder.display()),
            reason: format!("{reason}, and the events of a demo are invented"),
            next: "use a --data folder that does not exist or is empty".into(),
        };
        if path.exists() {
            if !Store::open_read_only(folder)?.id()?.starts_with(DEMO_ID_PREFIX) {
                return Err(refused("the log in this folder is not that of a demo"));
            }
        } else if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(refused("the folder has files that no demo wrote"));
        }
        Store::open_or_create(folder, DEMO_ID_PREFIX)
    }
    /// Opens the file. If it is created, its id begins with `id_prefix`.
    fn open_or_create(folder: &Path, id_prefix: &str) -> Result<Store, RuntimeError> {
        let path = folder.join("log.db");
        let failed = |reason: String| storage_error(&path, reason);
        file_modes::create_folders(folder).map_err(|error| failed(error.to_string()))?;
        let open = || -> rusqlite::Result<Connection> {
            let mut db = Connection::open(&path)?;
            db.busy_timeout(BUSY_TIMEOUT)?;
            db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")?;
            db.pragma_update(None, "cache_size", -16_000)?;
            db.pragma_update(None, "journal_size_limit", MAX_IDLE_WAL_BYTES)?;
            db.set_prepared_statement_cache_capacity(64);
            schema::create_or_migrate(&mut db)?;
            let id = format!("{id_prefix}{:032x}", random_id(&path));
            put_meta_if_absent(&db, LOG_ID_KEY, &id)?;
            small_tables::ensure_rows(&db)?;
            Ok(db)
        };
        if !path.exists() {
            run_lock::ensure_free(folder, &path)?;
            file_modes::create_if_absent(&path).map_err(|error| failed(error.to_string()))?;
        }
        let db = open().map_err(|error| failed(error.to_string()))?;
        let identity = FileIdentity::of(&path).map_err(|error| failed(error.to_string()))?;
        Ok(Store { path, db, change_check: ChangeCheck::default(), identity: Some(identity) })
    }
    /// Opens the file in a folder for reading; it is never written.
    pub fn open_read_only(folder: &Path) -> Result<Store, RuntimeError> {
        let store = Store::open_to_examine(folder)?;
        store.ok(small_tables::ensure_rows(&store.db))?;
        Ok(store)
    }
    /// Opens the file in a folder for reading, even if rows of it are damaged, to find out what is.
    pub fn open_to_examine(folder: &Path) -> Result<Store, RuntimeError> {
        let path = folder.join("log.db");
        if !path.exists() {
            return Err(missing_log(&path));
        }
        let opened = read_only_sqlite::open(&path, BUSY_TIMEOUT);
        let (db, change_check) = opened.map_err(|error| storage_error(&path, error.to_string()))?;
        db.set_prepared_statement_cache_capacity(16);
        Ok(Store { path, db, change_check, identity: None })
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Returns the folder that contains the file.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
    /// Creates the error for damage of the file.
    pub fn corrupt(&self, problem: &str) -> RuntimeError {
        storage_error(&self.path, format!("the file is corrupt: {problem}"))
    }
    /// Checks that the path still names the file that is open, if it is open for writing.
    ///
    /// # Errors
    /// [`RuntimeError::Storage`] if it was removed or replaced.
    pub fn ensure_same_file(&self) -> Result<(), RuntimeError> {
        let same = self.identity.as_ref().map_or(Ok(()), FileIdentity::ensure_same);
        same.map_err(|error| file_replaced(&self.path, &error))
    }
    pub fn error(&self, error: &rusqlite::Error) -> RuntimeError {
        storage_error(&self.path, error.to_string())
    }
    pub fn ok<T>(&self, result: rusqlite::Result<T>) -> Result<T, RuntimeError> {
        let result = result.map_err(|error| self.error(&error))?;
        self.change_check.ensure_unchanged().map_err(|error| storage_error(&self.path, error.to_string()))?;
        Ok(result)
    }
    /// Returns the id of the log. It differs from the id of every other log file, and changes if the file is created again.
    pub fn id(&self) -> Result<String, RuntimeError> {
        self.ok(self.meta(LOG_ID_KEY))
            .and_then(|id| id.ok_or_else(|| storage_error(&self.path, "the file contains no log id".into())))
    }
    pub fn meta(&self, key: &str) -> rusqlite::Result<Option<String>> {
        self.db.query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get(0)).optional()
    }
    /// Stores a value in table `meta`, unless the key has one.
    pub fn put_meta_if_absent(&self, key: &str, value: &str) -> Result<(), RuntimeError> {
        self.ok(put_meta_if_absent(&self.db, key, value))
    }
    /// Returns a number that changes when a different connection has committed.
    pub fn data_version(&self) -> Result<i64, RuntimeError> {
        self.ok(self.db.query_row("PRAGMA data_version", [], |row| row.get(0)))
    }
    /// Runs `work` in one immediate transaction, which is committed unless `work` fails.
    pub fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, RuntimeError> {
        let (path, identity) = (&self.path, &self.identity);
        let failed = |error: rusqlite::Error| storage_error(path, error.to_string());
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let result = work(&tx).map_err(failed)?;
        let same = identity.as_ref().map_or(Ok(()), FileIdentity::ensure_same);
        same.map_err(|error| file_replaced(path, &error))?;
        tx.commit().map_err(failed)?;
        Ok(result)
    }
    /// Reads the records from an offset on, in batches of about `max_bytes` in total; returns at least one batch if any record is left.
    pub fn read(
        &self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError> {
        let batches = self.read_with_append_times(partition, from, max_bytes)?;
        Ok(batches.into_iter().map(|(batch, _)| batch).collect())
    }
    /// Reads as [`Store::read`] does, and returns the time at which each batch was appended, in milliseconds since 1970. The batch after the
    /// last record, which is empty, has no time.
    pub fn read_with_append_times(
        &self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<(RecordBatch, Option<i64>)>, RuntimeError> {
        let (stored, is_complete, end_offset) = self.ok(self.read_batches(partition, from, max_bytes))?;
        let TopicPartition { topic, partition } = partition;
        let open = |stored: StoredBatch| {
            let appended = stored.appended;
            let batch = stored.open(topic, partition)?;
            let base = batch.base();
            match batch.from_offset(from) {
                Ok(batch) => Ok((batch, Some(appended))),
                Err(corrupt) => Err(CorruptStoredBatch::new(topic, partition, base, &corrupt)),
            }
        };
        let batches: Result<Vec<_>, CorruptStoredBatch> = stored.into_iter().map(open).collect();
        let mut batches = batches.map_err(|corrupt| storage_error(&self.path, corrupt.to_string()))?;
        let next = batches.last().map_or(from, |(batch, _)| batch.next());
        if is_complete && next < end_offset {
            batches.push((RecordBatch::from_parts(next, end_offset, 0, Vec::new()), None));
        }
        Ok(batches)
    }
    /// Reads the last batches of a partition, as [`Store::read_with_append_times`] does: so many that they have `records` records or
    /// `max_bytes` bytes, and at least one if there is any.
    pub fn read_last_batches(
        &self,
        TopicPartition { topic, partition }: TopicPartition,
        records: usize,
        max_bytes: usize,
    ) -> Result<Vec<(RecordBatch, Option<i64>)>, RuntimeError> {
        let read = || -> rusqlite::Result<Vec<StoredBatch>> {
            let columns = schema::batch_columns(&self.db)?;
            let mut statement = self.db.prepare_cached(&format!(
                "SELECT {columns} FROM record_batch WHERE topic = (SELECT id FROM topic WHERE name = ?1) AND partition = ?2
                 ORDER BY base DESC"
            ))?;
            let mut rows = statement.query(params![topic, partition])?;
            let (mut batches, mut count, mut size) = (Vec::new(), 0, 0);
            while count < records && size < max_bytes {
                let Some(row) = rows.next()? else { break };
                let batch = StoredBatch::from_row(row)?;
                count += batch.records as usize;
                size = size.saturating_add(usize::try_from(batch.size()).unwrap_or(usize::MAX));
                batches.push(batch);
            }
            Ok(batches)
        };
        let open = |stored: StoredBatch| {
            let appended = stored.appended;
            Ok((stored.open(topic, partition)?, Some(appended)))
        };
        let batches: Result<Vec<_>, CorruptStoredBatch> =
            self.ok(read())?.into_iter().rev().map(open).collect();
        batches.map_err(|corrupt| storage_error(&self.path, corrupt.to_string()))
    }
    /// Returns the stored batches from an offset on, true if the last of them is the last batch of the partition, and the end offset of
    /// the partition.
    fn read_batches(
        &self,
        TopicPartition { topic, partition }: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> rusqlite::Result<(Vec<StoredBatch>, bool, Offset)> {
        let tx = self.db.unchecked_transaction()?;
        let found: Option<(i64, Offset)> = tx
            .prepare_cached(
                "SELECT e.topic, e.next FROM end_offset e JOIN topic t ON t.id = e.topic WHERE t.name = ? AND e.partition = ?",
            )?
            .query_row(params![topic, partition], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((topic, end_offset)) = found else { return Ok((Vec::new(), true, 0)) };
        // A file that is open for reading only may have a former version, until another process migrates it.
        let columns = schema::batch_columns(&tx)?;
        let mut statement = tx.prepare_cached(&format!(
            "SELECT {columns} FROM record_batch WHERE topic = ?1 AND partition = ?2 AND base >=
                 ifnull((SELECT max(base) FROM record_batch WHERE topic = ?1 AND partition = ?2 AND base <= ?3), 0)
             AND next > ?3 ORDER BY base",
        ))?;
        let mut rows = statement.query(params![topic, partition, from])?;
        let (mut batches, mut size) = (Vec::new(), 0);
        while size < max_bytes {
            let Some(row) = rows.next()? else { return Ok((batches, true, end_offset)) };
            let batch = StoredBatch::from_row(row)?;
            size = size.saturating_add(usize::try_from(batch.size()).unwrap_or(usize::MAX));
            batches.push(batch);
        }
        Ok((batches, false, end_offset))
    }
    /// Returns the end offsets of all partitions of all topics.
    pub fn end_offsets(&self) -> Result<Offsets, RuntimeError> {
        let read = || -> rusqlite::Result<Offsets> {
            let mut statement = self.db.prepare_cached(
                "SELECT topic.name, partition, next FROM end_offset JOIN topic ON topic.id = end_offset.topic",
            )?;
            statement.query_map([], offset_row)?.collect()
        };
        self.ok(read())
    }
    /// Returns the number of records and bytes stored in each partition.
    pub fn partition_sizes(&self) -> Result<BTreeMap<TopicPartition, PartitionSize>, RuntimeError> {
        let read = || -> rusqlite::Result<BTreeMap<TopicPartition, PartitionSize>> {
            let mut statement = self.db.prepare_cached(
                "SELECT topic.name, e.partition, e.next, ifnull(sum(b.records), 0), ifnull(sum(length(b.bytes)), 0)
                 FROM end_offset e JOIN topic ON topic.id = e.topic
                 LEFT JOIN record_batch b ON b.topic = e.topic AND b.partition = e.partition GROUP BY 1, 2, 3",
            )?;
            let rows = statement.query_map([], |row| {
                let size =
                    PartitionSize { end_offset: row.get(2)?, records: row.get(3)?, bytes: row.get(4)? };
                Ok((topic_partition(row)?, size))
            })?;
            rows.collect()
        };
        self.ok(read())
    }
}

fn put_meta_if_absent(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    db.execute(
        "INSERT OR IGNORE INTO meta(key, value, checksum) VALUES(?, ?, ?)",
        params![key, value, checksum::of_meta(key, value)],
    )
    .map(|_| ())
}

/// Parses the topic name and the partition in the first two columns of a row.
fn topic_partition(row: &rusqlite::Row<'_>) -> rusqlite::Result<TopicPartition> {
    Ok(TopicPartition::from_name(&row.get::<_, String>(0)?, row.get(1)?))
}

/// Parses a row of topic name, partition and offset.
pub fn offset_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(TopicPartition, Offset)> {
    Ok((topic_partition(row)?, row.get(2)?))
}

/// Generates the id of a new file. It is not secret, but different from the id of every other file.
fn random_id(path: &Path) -> u128 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write(path.as_os_str().as_encoded_bytes());
        u128::from(hasher.finish())
    };
    half() << 64 | half()
}
