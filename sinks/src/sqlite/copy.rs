//! A copy of another warehouse's live rows, so that what a local one is asked can be asked of it.
//!
//! Invariant: the copy is a file without a name: it goes with whoever asked, and is never taken for a warehouse.
//! Not here: where the rows come from.
use super::{ddl, read::Reader};
use crate::{
    rows::{Cell, Row},
    tables::Table,
    warehouse::WarehouseError,
};
use rusqlite::{Connection, types::Value};

/// Rows on their way into a copy.
pub struct RowCopy {
    db: Connection,
}
impl RowCopy {
    pub fn begin() -> Result<RowCopy, WarehouseError> {
        let mut db = Connection::open("")?;
        ddl::create(&mut db)?;
        db.execute_batch("BEGIN")?;
        Ok(RowCopy { db })
    }
    pub fn put(&self, table: &Table, row: Row<'_>) -> Result<(), WarehouseError> {
        // Deleted no, and no stamp: epoch, partition, offset, batch.
        let stamp = [Value::Integer(0), Value::Integer(0), Value::Integer(0), Value::Integer(0)];
        let stamp = stamp.into_iter().chain([Value::Text(String::new())]);
        let said = table.guards.then_some(Value::Integer(0));
        let cells = row.into_iter().map(|cell| match cell {
            Cell::Null => Value::Null,
            Cell::Integer(value) => Value::Integer(value),
            Cell::Real(value) => Value::Real(value),
            Cell::Text(text) => Value::Text(text.into_owned()),
        });
        let bound = rusqlite::params_from_iter(cells.chain(stamp).chain(said));
        self.db.prepare_cached(&ddl::put(table))?.execute(bound)?;
        Ok(())
    }
    pub fn end(self) -> Result<Reader, WarehouseError> {
        self.db.execute_batch("COMMIT")?;
        Ok(Reader { db: self.db })
    }
}
