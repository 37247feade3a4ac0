//! A copy of another warehouse's live rows, so that what a local one is asked can be asked of it.
//!
//! Invariant: the copy is a file without a name: it goes with whoever asked, and is never taken for a warehouse.
//! Not here: where the rows come from.
use super::{ddl, queries::WarehouseQueries};
use crate::{
    rows::{Cell, Row},
    tables::Table,
    warehouse::WarehouseError,
};
use rusqlite::{Connection, types::Value};

/// Rows on their way into a copy.
pub struct QueryCopy {
    db: Connection,
}
impl QueryCopy {
    pub fn new() -> Result<QueryCopy, WarehouseError> {
        let mut db = Connection::open("")?;
        ddl::create(&mut db)?;
        db.execute_batch("BEGIN")?;
        Ok(QueryCopy { db })
    }
    pub fn put(&self, table: &Table, row: Row<'_>) -> Result<(), WarehouseError> {
        // Deleted no, and no stamp: epoch, partition, offset, batch.
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
    pub fn end(self) -> Result<WarehouseQueries, WarehouseError> {
        self.db.execute_batch("COMMIT")?;
        Ok(WarehouseQueries { db: self.db })
    }
}
