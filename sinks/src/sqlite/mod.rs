//! The local warehouse: one SQLite file that any SQL tool can read while it is written.
//!
//! Invariant: one SQL transaction per batch, the batch record `sink_batches` in it; who may write is checked in the same transaction.
//! Not here: what the rows are (`tables`, `rows`).
mod content;
mod ddl;
mod error;
mod queries;
mod query_copy;
mod snapshot;
mod write;

pub use queries::{Coverage, PlayerSlate, Span, SystemLine, WarehouseQueries};
pub use query_copy::QueryCopy;
pub use snapshot::Snapshot;

use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan},
    record::SinkTopic,
    tables::{FEATURE_ROWS, PLAYER_GAMES, PREDICTIONS, SLATE, TABLES, Table},
    warehouse::{ContentHash, Warehouse, WarehouseError, WriteSummary, WriterState},
    window::Batch,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use schemas::{PlayerGameId, Timestamp};
use std::{collections::HashSet, path::Path};

/// A warehouse in one SQLite file.
pub struct Sqlite {
    db: Connection,
    counters: Counters,
}
impl Sqlite {
    /// Opens the warehouse at this path, and makes it when there is none.
    pub fn open(path: &Path) -> Result<Sqlite, WarehouseError> {
        let db = Connection::open(path).map_err(|cause| error::opening(path, &cause))?;
        Sqlite::prepare(db)
    }
    /// A warehouse that ends with the process.
    pub fn in_memory() -> Result<Sqlite, WarehouseError> {
        Sqlite::prepare(Connection::open_in_memory()?)
    }
    /// The statements that make the tables of a new file.
    pub fn ddl() -> String {
        ddl::statements()
    }
    fn prepare(mut db: Connection) -> Result<Sqlite, WarehouseError> {
        ddl::configure(&db)?;
        ddl::create(&mut db)?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(Sqlite { db, counters: Counters::default() })
    }
    fn begin(&mut self) -> Result<Transaction<'_>, WarehouseError> {
        Ok(self.db.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

fn writer_state(db: &Connection) -> Result<WriterState, WarehouseError> {
    let sql = "SELECT log, epoch, rebuilding FROM warehouse_meta";
    Ok(db.query_row(sql, [], |row| {
        Ok(WriterState { log: row.get(0)?, epoch: row.get(1)?, rebuilding: row.get(2)? })
    })?)
}

/// The table with a row per key of an input, which carries the key's sequence.
const fn table_of(input: SinkTopic) -> &'static Table {
    match input {
        SinkTopic::Predictions => &SLATE,
        SinkTopic::Features => &FEATURE_ROWS,
        SinkTopic::PlayerGames => &PLAYER_GAMES,
    }
}

impl Warehouse for Sqlite {
    fn writer_state(&self) -> Result<WriterState, WarehouseError> {
        writer_state(&self.db)
    }

    fn acquire(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let tx = self.begin()?;
        let found = writer_state(&tx)?;
        found.check_writer(log, None)?;
        if found.log.is_none() {
            tx.execute("UPDATE warehouse_meta SET log = ?1", [log])?;
        }
        tx.commit()?;
        Ok(found.epoch)
    }

    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        at: Timestamp,
    ) -> Result<WriteSummary, WarehouseError> {
        let since = std::time::Instant::now();
        let tx = self.begin()?;
        writer_state(&tx)?.check_writer(&plan.writer.log, Some(plan.writer.epoch))?;
        if let Some(written) = write::committed_batch(&tx, &plan.id)? {
            return Ok(written);
        }
        let written = write::batch(&tx, batch, plan)?;
        write::insert_batch(&tx, plan, &written, at)?;
        tx.commit()?;
        self.counters.batches += 1;
        self.counters.attempts += 1;
        self.counters.milliseconds += since.elapsed().as_millis() as u64;
        self.counters.account(&written);
        Ok(written)
    }

    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError> {
        let sql = "SELECT 1 FROM sink_batches WHERE batch_id = ?1";
        Ok(self.db.query_row(sql, [id.as_str()], |_| Ok(())).optional()?.is_some())
    }

    fn existing_keys(
        &self,
        keys: &[(SinkTopic, PlayerGameId)],
    ) -> Result<HashSet<(SinkTopic, PlayerGameId)>, WarehouseError> {
        let mut existing = HashSet::new();
        for (input, id) in keys {
            let name = table_of(*input).name;
            let sql = format!("SELECT 1 FROM {name} WHERE game_id = ?1 AND player_id = ?2 AND deleted = 0");
            let mut find = self.db.prepare_cached(&sql)?;
            if find.exists((id.game.to_string(), id.player.0))? {
                existing.insert((*input, *id));
            }
        }
        Ok(existing)
    }

    fn take_ownership(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let tx = self.begin()?;
        let epoch = writer_state(&tx)?.epoch + 1;
        tx.execute("UPDATE warehouse_meta SET log = ?1, epoch = ?2, rebuilding = 1", (log, epoch))?;
        tx.commit()?;
        Ok(epoch)
    }

    fn delete_stale_epochs(&mut self, log: &str) -> Result<u64, WarehouseError> {
        let tx = self.begin()?;
        let found = writer_state(&tx)?;
        found.check_writer(log, Some(found.epoch))?;
        // A record that says again what stands gives its row the new epoch, so an older one was not in the log.
        let mut deleted = 0;
        for table in &TABLES {
            let name = table.name;
            let sql = match table.has_epoch_guard {
                true => {
                    format!(
                        "UPDATE {name} SET deleted = 1, content_hash = NULL WHERE epoch < ?1 AND deleted = 0"
                    )
                }
                false => format!("DELETE FROM {name} WHERE epoch < ?1"),
            };
            deleted += tx.execute(&sql, [found.epoch])? as u64;
        }
        tx.execute("UPDATE warehouse_meta SET rebuilding = 0", [])?;
        tx.commit()?;
        Ok(deleted)
    }

    fn counters(&self) -> Counters {
        self.counters.clone()
    }
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError> {
        TABLES.iter().map(|table| content::hash(&self.db, table)).collect()
    }
    fn control_totals(&self) -> Result<ControlTotalsByGame, WarehouseError> {
        let mut control_totals = ControlTotalsByGame::new();
        for input in SinkTopic::ALL {
            content::control_totals(&self.db, input, &mut control_totals)?;
        }
        Ok(control_totals)
    }
}

const _: () = assert!(
    !PREDICTIONS.has_epoch_guard,
    "predictions are guarded by the slate's row of their player and game"
);
