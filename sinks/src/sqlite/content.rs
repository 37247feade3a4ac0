//! Content hashes and control totals of the live rows, and the newest batch record.
//!
//! Invariant: the content hash covers the content columns of the rows in key order, but neither source columns nor batch records.
//! Not here: checking that two content hashes are equal; the conformance suite (`tests/conformance`) does it.
use super::ddl::{guarded_table, rows_table};
use crate::{
    control_totals::{ControlTotals, ControlTotalsByGame},
    plan::{BatchId, StoredBatch},
    record::SinkTopic,
    rows::Cell,
    tables::Table,
    warehouse::{ContentHash, WarehouseError},
};
use rusqlite::{Connection, OptionalExtension, types::ValueRef};

/// Hashes the live rows of a table.
pub(super) fn hash(db: &Connection, table: &Table) -> Result<ContentHash, WarehouseError> {
    let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let (columns, key) = (names.join(", "), table.key.join(", "));
    let from = rows_table(table);
    let mut statement =
        db.prepare(&format!("SELECT {columns} FROM {from} WHERE deleted = 0 ORDER BY {key}"))?;
    let mut found = statement.query([])?;
    let (mut hasher, mut bytes, mut rows) = (blake3::Hasher::new(), Vec::new(), 0);
    while let Some(row) = found.next()? {
        rows += 1;
        for column in 0..names.len() {
            cell(row.get_ref(column)?)?.encode(&mut bytes);
        }
        if bytes.len() > 1 << 16 {
            hasher.update(&bytes);
            bytes.clear();
        }
    }
    hasher.update(&bytes);
    Ok(ContentHash { table: table.name, rows, hash: hasher.finalize().to_hex().to_string() })
}

/// Adds the number of live rows and the sum of their offsets, per game, to `control_totals`.
pub(super) fn control_totals(
    db: &Connection,
    input: SinkTopic,
    control_totals: &mut ControlTotalsByGame,
) -> Result<(), WarehouseError> {
    let from = rows_table(guarded_table(input));
    let sql =
        format!("SELECT game_id, COUNT(*), SUM(\"offset\") FROM {from} WHERE deleted = 0 GROUP BY game_id");
    let mut statement = db.prepare(&sql)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let game: String = row.get(0)?;
        let game = game.parse().map_err(|error| WarehouseError::Fatal {
            what: format!("table {from} has the invalid game id '{game}': {error}"),
            next: "run `fastbreak sink rebuild`: it writes all rows again from the log".into(),
        })?;
        control_totals.insert(
            (input, game),
            ControlTotals { rows: row.get::<_, i64>(1)? as u64, offsets: row.get(2)? },
        );
    }
    Ok(())
}

/// Returns the batch of this epoch that was stored last. Batch records are never deleted, so their row ids ascend.
pub(super) fn newest_batch(db: &Connection, epoch: i64) -> Result<Option<StoredBatch>, WarehouseError> {
    let sql = "SELECT batch_id, planned_at FROM sink_batches WHERE epoch = ?1 ORDER BY rowid DESC LIMIT 1";
    let newest = db.query_row(sql, [epoch], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let Some((id, planned_at)) = newest.optional()? else { return Ok(None) };
    let planned_at = planned_at.parse().map_err(|error| WarehouseError::Fatal {
        what: format!("the batch record {id} has an invalid time: {error}"),
        next: "run `fastbreak sink rebuild`: it writes all rows again from the log".into(),
    })?;
    Ok(Some(StoredBatch { id: BatchId::from_stored(id), planned_at }))
}

/// Converts a stored value to the cell from which it was written.
pub(super) fn cell(value: ValueRef<'_>) -> rusqlite::Result<Cell<'_>> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Integer(value),
        ValueRef::Real(value) => Cell::Real(value),
        text => Cell::from(text.as_str()?),
    })
}
