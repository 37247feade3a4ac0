//! Temporary SQLite copy of the live rows of another warehouse, so that [`WarehouseQueries`] can query them.
//!
//! Invariant: the copy is a temporary file that SQLite deletes when the copy is closed. It has no path and is never opened as a warehouse.
//! Not here: reading the rows of the other warehouse.
use super::{ddl, migration, queries::WarehouseQueries};
use crate::{
    rows::{Cell, Row},
    tables::Table,
    warehouse::WarehouseError,
};
use read_only_sqlite::ChangeCheck;
use rusqlite::{Connection, types::Value};

/// A copy that is being filled.
pub struct QueryCopy {
    db: Connection,
}
impl QueryCopy {
    pub fn new() -> Result<QueryCopy, WarehouseError> {
        let mut db = Connection::open("")?;
        migration::create(&mut db)?;
        db.execute_batch("BEGIN")?;
        Ok(QueryCopy { db })
    }
    /// Inserts a row of a table.
    pub fn put(&self, table: &Table, row: Row<'_>) -> Result<(), WarehouseError> {
        // The source columns: `deleted` is false; the queries do not use `epoch`, `partition`, `offset` and `batch_id`.
        let source = [Value::Integer(0), Value::Integer(0), Value::Integer(0), Value::Integer(0)];
        let source = source.into_iter().chain([Value::Text(String::new())]);
        let content_hash = table.has_epoch_guard.then_some(Value::Integer(0));
        let cells = row.into_iter().map(|cell| match cell {
            Cell::Null => Value::Null,
            Cell::Integer(value) => Value::Integer(value),
            Cell::Real(value) => Value::Real(value),
            Cell::Text(text) => Value::Text(text.into_owned()),
        });
        let bound = rusqlite::params_from_iter(cells.chain(source).chain(content_hash));
        self.db.prepare_cached(&ddl::put(table))?.execute(bound)?;
        Ok(())
    }
    /// Commits the copy and returns it for queries.
    pub fn finish(self) -> Result<WarehouseQueries, WarehouseError> {
        self.db.execute_batch("COMMIT")?;
        Ok(WarehouseQueries { db: self.db, change_check: ChangeCheck::default() })
    }
}
