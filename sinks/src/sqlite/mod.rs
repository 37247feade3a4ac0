//! The local warehouse: one SQLite file that any SQL tool can read while it is written.
//!
//! Invariant: one SQL transaction per batch, the ledger row `sink_batches` in it; who may write is checked in the same transaction.
//! Not here: what the rows are (`tables`, `rows`).
mod content;
mod copy;
mod ddl;
mod error;
mod read;
mod snapshot;
mod write;

pub use copy::RowCopy;
pub use read::{Coverage, PlayerSlate, Reader, Span, SystemLine};
pub use snapshot::Snapshot;

use crate::{
    change::Input,
    counters::Counters,
    plan::{BatchId, BatchPlan},
    tables::{FEATURE_ROWS, PLAYER_GAMES, PREDICTIONS, SLATE, TABLES, Table},
    tally::Tallies,
    warehouse::{ContentHash, Standing, Warehouse, WarehouseError, Written},
    window::Batch,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use schemas::{Instant, PlayerGameId};
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

fn standing(db: &Connection) -> Result<Standing, WarehouseError> {
    let sql = "SELECT log, epoch, adopting FROM warehouse_meta";
    Ok(db.query_row(sql, [], |row| {
        Ok(Standing { log: row.get(0)?, epoch: row.get(1)?, adopting: row.get(2)? })
    })?)
}

/// The table with a row per key of an input, which carries the key's sequence.
const fn table_of(input: Input) -> &'static Table {
    match input {
        Input::Predictions => &SLATE,
        Input::Features => &FEATURE_ROWS,
        Input::PlayerGames => &PLAYER_GAMES,
    }
}

impl Warehouse for Sqlite {
    fn standing(&self) -> Result<Standing, WarehouseError> {
        standing(&self.db)
    }

    fn claim(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let tx = self.begin()?;
        let found = standing(&tx)?;
        found.admit(log, None)?;
        if found.log.is_none() {
            tx.execute("UPDATE warehouse_meta SET log = ?1", [log])?;
        }
        tx.commit()?;
        Ok(found.epoch)
    }

    fn write(&mut self, batch: &Batch, plan: &BatchPlan, at: Instant) -> Result<Written, WarehouseError> {
        let since = std::time::Instant::now();
        let tx = self.begin()?;
        standing(&tx)?.admit(&plan.writer.log, Some(plan.writer.epoch))?;
        if let Some(written) = write::recorded(&tx, &plan.id)? {
            return Ok(written);
        }
        let written = write::batch(&tx, batch, plan)?;
        write::record(&tx, plan, &written, at)?;
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

    fn held(&self, keys: &[(Input, PlayerGameId)]) -> Result<HashSet<(Input, PlayerGameId)>, WarehouseError> {
        let mut held = HashSet::new();
        for (input, id) in keys {
            let name = table_of(*input).name;
            let sql = format!("SELECT 1 FROM {name} WHERE game_id = ?1 AND player_id = ?2 AND deleted = 0");
            let mut find = self.db.prepare_cached(&sql)?;
            if find.exists((id.game.to_string(), id.player.0))? {
                held.insert((*input, *id));
            }
        }
        Ok(held)
    }

    fn adopt(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let tx = self.begin()?;
        let epoch = standing(&tx)?.epoch + 1;
        tx.execute("UPDATE warehouse_meta SET log = ?1, epoch = ?2, adopting = 1", (log, epoch))?;
        tx.commit()?;
        Ok(epoch)
    }

    fn finish_adoption(&mut self, log: &str) -> Result<u64, WarehouseError> {
        let tx = self.begin()?;
        let found = standing(&tx)?;
        found.admit(log, Some(found.epoch))?;
        // A record that says again what stands gives its row the new epoch, so an older one was not in the log.
        let mut deleted = 0;
        for table in &TABLES {
            let name = table.name;
            let sql = match table.guards {
                true => {
                    format!("UPDATE {name} SET deleted = 1, said = NULL WHERE epoch < ?1 AND deleted = 0")
                }
                false => format!("DELETE FROM {name} WHERE epoch < ?1"),
            };
            deleted += tx.execute(&sql, [found.epoch])? as u64;
        }
        tx.execute("UPDATE warehouse_meta SET adopting = 0", [])?;
        tx.commit()?;
        Ok(deleted)
    }

    fn counters(&self) -> Counters {
        self.counters.clone()
    }
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError> {
        TABLES.iter().map(|table| content::hash(&self.db, table)).collect()
    }
    fn tallies(&self) -> Result<Tallies, WarehouseError> {
        let mut tallies = Tallies::new();
        for input in Input::ALL {
            content::tally(&self.db, input, &mut tallies)?;
        }
        Ok(tallies)
    }
}

const _: () =
    assert!(!PREDICTIONS.guards, "predictions are guarded by the slate's row of their player and game");
