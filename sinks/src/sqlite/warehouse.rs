//! `Sqlite`, the warehouse in one SQLite file.
//!
//! Invariant: one SQL transaction checks log and epoch of the writer, and writes a batch and its batch record. Every operation is done in
//! one call.
//! Not here: the statements that write a batch (`write`), the definitions of the tables (`ddl`).
use super::{
    content,
    ddl::{self, guarded_table},
    error, migration,
    queries::{connect_read_only, open_read_only},
    write,
};
use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan, StoredBatch},
    progress::Progress,
    record::{RowKey, SinkTopic},
    tables::{PREDICTIONS, TABLES},
    warehouse::{ContentHash, Warehouse, WarehouseError, WriterState},
    window::Batch,
    write_summary::WriteSummary,
};
use read_only_sqlite::{ChangeCheck, FileIdentity};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use schemas::Timestamp;
use std::{collections::HashSet, ops::Deref, path::Path};

/// A warehouse in one SQLite file.
pub struct Sqlite {
    db: Connection,
    counters: Counters,
    change_check: ChangeCheck,
    /// The identity of the file if it is open for writing.
    identity: Option<FileIdentity>,
}
impl Sqlite {
    /// Opens the warehouse at this path; creates the file if it does not exist, and migrates one of an earlier version.
    pub fn open(path: &Path) -> Result<Sqlite, WarehouseError> {
        file_modes::create_if_absent(path).map_err(|cause| error::opening(path, &cause))?;
        let db = Connection::open(path).map_err(|cause| error::opening(path, &cause))?;
        let warehouse = Sqlite::prepare(db)?;
        let identity = FileIdentity::of(path).map_err(|cause| error::opening(path, &cause))?;
        Ok(Sqlite { identity: Some(identity), ..warehouse })
    }
    /// Opens the existing warehouse at this path for reading: every write fails.
    pub fn open_read_only(path: &Path) -> Result<Sqlite, WarehouseError> {
        let (db, change_check) = open_read_only(path)?;
        Ok(Sqlite { db, counters: Counters::default(), change_check, identity: None })
    }
    /// Returns the statements that `open` would execute in the file at this path: `None` if its tables are those of this program.
    ///
    /// # Errors
    /// The file cannot be opened, or another program version wrote it.
    pub fn pending_statements(path: &Path) -> Result<Option<String>, WarehouseError> {
        let (db, change_check) = connect_read_only(path)?;
        let statements = migration::pending_statements(&db)?;
        change_check.ensure_unchanged()?;
        Ok(statements)
    }
    /// Creates a warehouse in memory, for tests.
    pub fn in_memory() -> Result<Sqlite, WarehouseError> {
        Sqlite::prepare(Connection::open_in_memory()?)
    }
    /// Returns the statements that define a new file.
    pub fn ddl() -> String {
        ddl::statements()
    }
    fn prepare(mut db: Connection) -> Result<Sqlite, WarehouseError> {
        ddl::configure(&db)?;
        migration::create(&mut db)?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(Sqlite { db, counters: Counters::default(), change_check: ChangeCheck::default(), identity: None })
    }
    fn begin(&mut self) -> Result<GuardedTransaction<'_>, WarehouseError> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(GuardedTransaction { transaction, identity: self.identity.as_ref() })
    }
}

/// A transaction that is committed only if the path still names the file.
struct GuardedTransaction<'a> {
    transaction: Transaction<'a>,
    identity: Option<&'a FileIdentity>,
}
impl GuardedTransaction<'_> {
    fn commit(self) -> Result<(), WarehouseError> {
        self.identity.map_or(Ok(()), FileIdentity::ensure_same).map_err(|error| error::replaced(&error))?;
        Ok(self.transaction.commit()?)
    }
}
impl Deref for GuardedTransaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

fn writer_state(db: &Connection) -> Result<WriterState, WarehouseError> {
    let sql = "SELECT log_id, epoch, rebuilding FROM warehouse_meta";
    Ok(db.query_row(sql, [], |row| {
        Ok(WriterState { log: row.get(0)?, epoch: row.get(1)?, rebuilding: row.get(2)? })
    })?)
}

impl Warehouse for Sqlite {
    fn writer_state(&self) -> Result<Progress<WriterState>, WarehouseError> {
        let state = writer_state(&self.db)?;
        self.change_check.ensure_unchanged()?;
        Ok(Progress::Done(state))
    }

    fn acquire(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        let tx = self.begin()?;
        let state = writer_state(&tx)?;
        state.check_writer(log, None)?;
        if state.log.is_none() {
            tx.execute("UPDATE warehouse_meta SET log_id = ?1", [log])?;
        }
        tx.commit()?;
        Ok(Progress::Done(state.epoch))
    }

    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        now: Timestamp,
    ) -> Result<Progress<WriteSummary>, WarehouseError> {
        let started = std::time::Instant::now();
        let tx = self.begin()?;
        writer_state(&tx)?.check_writer(&plan.writer.log, Some(plan.writer.epoch))?;
        if let Some(written) = write::committed_batch(&tx, &plan.id)? {
            return Ok(Progress::Done(written));
        }
        let written = write::apply_batch(&tx, batch, plan)?;
        write::insert_batch(&tx, plan, &written, now)?;
        tx.commit()?;
        self.counters.batches += 1;
        self.counters.attempts += 1;
        self.counters.milliseconds += started.elapsed().as_millis() as u64;
        self.counters.add(&written);
        Ok(Progress::Done(written))
    }

    fn newest_batch(&self, epoch: i64) -> Result<Progress<Option<StoredBatch>>, WarehouseError> {
        let newest = content::newest_batch(&self.db, epoch)?;
        self.change_check.ensure_unchanged()?;
        Ok(Progress::Done(newest))
    }

    fn is_committed(&self, id: &BatchId) -> Result<Progress<bool>, WarehouseError> {
        let sql = "SELECT 1 FROM sink_batches WHERE batch_id = ?1";
        let found = self.db.query_row(sql, [id.as_str()], |_| Ok(())).optional()?;
        Ok(Progress::Done(found.is_some()))
    }

    fn existing_keys(
        &self,
        keys: &[(SinkTopic, RowKey)],
    ) -> Result<Progress<HashSet<(SinkTopic, RowKey)>>, WarehouseError> {
        let mut existing = HashSet::new();
        for (input, id) in keys {
            let table = guarded_table(*input);
            let (from, by_key) = (ddl::rows_table(table), ddl::by_key(table));
            let sql = format!("SELECT 1 FROM {from} WHERE {by_key} AND deleted = 0");
            let mut statement = self.db.prepare_cached(&sql)?;
            if statement.exists((id.game.to_string(), id.player.0, id.part.to_string()))? {
                existing.insert((*input, *id));
            }
        }
        Ok(Progress::Done(existing))
    }

    fn take_ownership(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        let tx = self.begin()?;
        let epoch = writer_state(&tx)?.epoch + 1;
        tx.execute("UPDATE warehouse_meta SET log_id = ?1, epoch = ?2, rebuilding = 1", (log, epoch))?;
        tx.commit()?;
        Ok(Progress::Done(epoch))
    }

    fn delete_stale_epochs(&mut self, log: &str) -> Result<Progress<u64>, WarehouseError> {
        let tx = self.begin()?;
        let state = writer_state(&tx)?;
        state.check_writer(log, Some(state.epoch))?;
        // A record with unchanged content raises the epoch of its row, too. So a row that is still in an older epoch has no record in the
        // log.
        let mut deleted = 0;
        for table in &TABLES {
            let rows_table = ddl::rows_table(table);
            let sql = if table.has_epoch_guard {
                format!(
                    "UPDATE {rows_table} SET deleted = 1, content_hash = NULL WHERE epoch < ?1 AND deleted = 0"
                )
            } else {
                format!("DELETE FROM {rows_table} WHERE epoch < ?1")
            };
            deleted += tx.execute(&sql, [state.epoch])? as u64;
        }
        tx.execute("UPDATE warehouse_meta SET rebuilding = 0", [])?;
        tx.commit()?;
        Ok(Progress::Done(deleted))
    }

    fn counters(&self) -> Counters {
        self.counters.clone()
    }
    fn content_hashes(&self) -> Result<Progress<Vec<ContentHash>>, WarehouseError> {
        let hashes: Result<_, _> = TABLES.iter().map(|table| content::hash(&self.db, table)).collect();
        let hashes = hashes?;
        self.change_check.ensure_unchanged()?;
        Ok(Progress::Done(hashes))
    }
    fn control_totals(&self) -> Result<Progress<ControlTotalsByGame>, WarehouseError> {
        let mut control_totals = ControlTotalsByGame::new();
        for input in SinkTopic::ALL {
            content::control_totals(&self.db, input, &mut control_totals)?;
        }
        self.change_check.ensure_unchanged()?;
        Ok(Progress::Done(control_totals))
    }
}

const _: () = assert!(
    !PREDICTIONS.has_epoch_guard,
    "player_prop_predictions must have no epoch guard: the row of player_slate guards the predictions of its player and game"
);
