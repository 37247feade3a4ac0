//! Writing one batch inside its transaction.
//!
//! The row of `player_slate`, `player_games` or `features` carries the (epoch, offset) of the newest record of its key. The row of the
//! slate also guards the predictions of its player, game and date: one record replaces all of them, and the predictions that it does not
//! contain are removed, not kept as deleted rows, since the row of the slate already rejects every older record.
//!
//! Invariant: a record is applied only if its (epoch, offset) is higher than the stored one of its key.
//! Not here: checking the log and the epoch of the writer; the caller does it.
use super::ddl;
use crate::{
    content_hash::{check_key, hash_cells, hash_prediction},
    plan::{BatchId, BatchPlan},
    record::{Record, RecordChange, RowKey},
    rows::{self, Cell, PredictionRows, Row},
    tables::{
        FEATURE_ROWS, PLAYER_GAMES, PREDICTION_SHARED, PREDICTION_SYSTEM, PREDICTIONS, SLATE, SOURCE_COLUMNS,
        Table,
    },
    warehouse::{BadRecord, WarehouseError},
    window::Batch,
    write_summary::WriteSummary,
};
use rusqlite::{
    CachedStatement, Connection, OptionalExtension, ToSql,
    types::{ToSqlOutput, ValueRef},
};
use schemas::Timestamp;

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Integer(value) => ValueRef::Integer(*value),
            Cell::Real(value) => ValueRef::Real(*value),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// Returns the batch record of a committed batch.
pub(super) fn committed_batch(db: &Connection, id: &BatchId) -> Result<Option<WriteSummary>, WarehouseError> {
    let sql = "SELECT records, applied, unchanged, stale, superseded, rejected, rows_written FROM sink_batches WHERE batch_id = ?1";
    let written = db.query_row(sql, [id.as_str()], |row| {
        let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
        Ok(WriteSummary {
            records: count(0)?,
            applied: count(1)?,
            unchanged: count(2)?,
            stale: count(3)?,
            superseded: count(4)?,
            rejected: count(5)?,
            rows: count(6)?,
            already_committed: true,
        })
    });
    Ok(written.optional()?)
}

/// Inserts the batch record.
pub(super) fn insert_batch(
    db: &Connection,
    plan: &BatchPlan,
    written: &WriteSummary,
    now: Timestamp,
) -> Result<(), WarehouseError> {
    let ranges = serde_json::Value::from(plan.event().ranges).to_string();
    let count = |count: u64| count as i64;
    db.prepare_cached("INSERT INTO sink_batches VALUES (?,?,?,?,?,?,?,?,?,?,NULL,NULL,NULL,?,?,?,?)")?
        .execute(rusqlite::params![
            plan.id.as_str(),
            ranges,
            count(written.records),
            count(written.applied),
            count(written.unchanged),
            count(written.stale),
            count(written.superseded),
            count(written.rejected),
            count(written.rows),
            plan.reason.name(),
            plan.writer.log,
            plan.writer.epoch,
            plan.planned_at.to_string(),
            now.to_string(),
        ])?;
    Ok(())
}

/// Applies the records of a batch.
///
/// # Errors
/// `Rows` with all records that cannot be converted: the caller must roll back.
pub(super) fn apply_batch(
    db: &Connection,
    batch: &Batch,
    plan: &BatchPlan,
) -> Result<WriteSummary, WarehouseError> {
    let mut writer = BatchWriter {
        epoch: plan.writer.epoch,
        batch: plan.id.as_str(),
        slate: GuardedTable::new(db, &SLATE)?,
        player_games: GuardedTable::new(db, &PLAYER_GAMES)?,
        features: GuardedTable::new(db, &FEATURE_ROWS)?,
        put_prediction: db.prepare_cached(&ddl::put(&PREDICTIONS))?,
        delete_predictions: db.prepare_cached(&ddl::delete_predictions())?,
        bytes: Vec::new(),
        written: WriteSummary {
            records: batch.read() as u64,
            superseded: batch.superseded as u64,
            rejected: batch.rejected as u64,
            unchanged: batch.filtered as u64,
            ..WriteSummary::default()
        },
    };
    // Records are applied in key order, so that each database page is visited once.
    let mut sorted: Vec<&Record> = batch.records.iter().collect();
    sorted.sort_unstable_by_key(|record| (record.coordinates.input, record.change.key()));
    let mut bad = Vec::new();
    for record in sorted {
        match writer.apply(record) {
            Ok(()) => {}
            Err(ApplyError::Record(reason)) => {
                bad.push(BadRecord { coordinates: record.coordinates, reason })
            }
            Err(ApplyError::Database(error)) => return Err(error.into()),
        }
    }
    if bad.is_empty() { Ok(writer.written) } else { Err(WarehouseError::Rows(bad)) }
}

enum ApplyError {
    Record(String),
    Database(rusqlite::Error),
}
impl From<rusqlite::Error> for ApplyError {
    fn from(error: rusqlite::Error) -> Self {
        ApplyError::Database(error)
    }
}
impl From<String> for ApplyError {
    fn from(reason: String) -> Self {
        ApplyError::Record(reason)
    }
}

struct BatchWriter<'a> {
    epoch: i64,
    batch: &'a str,
    slate: GuardedTable<'a>,
    player_games: GuardedTable<'a>,
    features: GuardedTable<'a>,
    put_prediction: CachedStatement<'a>,
    delete_predictions: CachedStatement<'a>,
    bytes: Vec<u8>,
    written: WriteSummary,
}
impl BatchWriter<'_> {
    fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        let id = record.change.key();
        check_key(&record.change)?;
        match &record.change {
            RecordChange::Prediction(_, event) => {
                self.prediction(record, event.as_ref().map(rows::prediction).transpose()?)
            }
            RecordChange::Features(_, event) => {
                let row = event.as_ref().map(rows::features);
                let content_hash = hash_cells(&mut self.bytes, row.iter().flatten())?;
                let source =
                    SourceColumns::new(self.epoch, record, self.batch, row.is_some().then_some(content_hash));
                self.features.upsert_if_newer(id, row, &source, &mut self.written).map(drop)
            }
            RecordChange::PlayerGame(_, event) => {
                let row = event.as_ref().map(rows::player_game).transpose()?.flatten();
                let content_hash = hash_cells(&mut self.bytes, row.iter().flatten())?;
                let source =
                    SourceColumns::new(self.epoch, record, self.batch, row.is_some().then_some(content_hash));
                self.player_games.upsert_if_newer(id, row, &source, &mut self.written).map(drop)
            }
        }
    }

    fn prediction(&mut self, record: &Record, rows: Option<PredictionRows<'_>>) -> Result<(), ApplyError> {
        let content_hash = rows.as_ref().map(|rows| hash_prediction(rows, &mut self.bytes)).transpose()?;
        let source = SourceColumns::new(self.epoch, record, self.batch, content_hash);
        let (slate, rest) = match rows {
            Some(PredictionRows { slate, shared, systems }) => (Some(slate), Some((shared, systems))),
            None => (None, None),
        };
        let id = record.change.key();
        let UpsertOutcome::Changed { was_live } =
            self.slate.upsert_if_newer(id, slate, &source, &mut self.written)?
        else {
            return Ok(());
        };
        if was_live {
            self.written.rows += self.delete_predictions.execute(sql_key(id))? as u64;
        }
        let Some((shared, systems)) = rest else { return Ok(()) };
        // Parameters stay bound: only those that differ from the previous row are bound again.
        bind(&mut self.put_prediction, 0, &shared)?;
        source.bind(&mut self.put_prediction, PREDICTIONS.columns.len())?;
        for (system, line_ladder) in &systems {
            bind(&mut self.put_prediction, PREDICTION_SHARED, system)?;
            for ladder_line in line_ladder {
                bind(&mut self.put_prediction, PREDICTION_SHARED + PREDICTION_SYSTEM, ladder_line)?;
                self.put_prediction.raw_execute()?;
                self.written.rows += 1;
            }
        }
        Ok(())
    }
}

/// Source columns of a row.
struct SourceColumns<'a> {
    epoch: i64,
    partition: i32,
    offset: i64,
    batch: &'a str,
    /// `None`: the row is deleted.
    content_hash: Option<i64>,
}
impl<'a> SourceColumns<'a> {
    fn new(epoch: i64, record: &Record, batch: &'a str, content_hash: Option<i64>) -> Self {
        SourceColumns {
            epoch,
            partition: record.coordinates.partition,
            offset: record.coordinates.offset,
            batch,
            content_hash,
        }
    }
    fn bind(&self, statement: &mut CachedStatement<'_>, after: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(after + 1, self.content_hash.is_none())?;
        statement.raw_bind_parameter(after + 2, self.epoch)?;
        statement.raw_bind_parameter(after + 3, self.partition)?;
        statement.raw_bind_parameter(after + 4, self.offset)?;
        statement.raw_bind_parameter(after + 5, self.batch)
    }
}

fn bind(statement: &mut CachedStatement<'_>, after: usize, cells: &Row<'_>) -> rusqlite::Result<()> {
    cells.iter().zip(after + 1..).try_for_each(|(cell, index)| statement.raw_bind_parameter(index, cell))
}

/// Returns the parameters of [`ddl::by_key`].
fn sql_key(key: RowKey) -> (String, u32, String) {
    (key.game.to_string(), key.player.0, key.part.to_string())
}

enum UpsertOutcome {
    Stale,
    Unchanged,
    Changed { was_live: bool },
}

/// Prepared statements for a table with an epoch guard.
struct GuardedTable<'a> {
    columns: usize,
    find: CachedStatement<'a>,
    put: CachedStatement<'a>,
    touch: CachedStatement<'a>,
}
impl<'a> GuardedTable<'a> {
    fn new(db: &'a Connection, table: &Table) -> rusqlite::Result<Self> {
        let rows_table = ddl::rows_table(table);
        let by_key = format!("WHERE {}", ddl::by_key(table));
        Ok(GuardedTable {
            columns: table.columns.len(),
            find: db.prepare_cached(&format!(
                "SELECT epoch, \"offset\", content_hash FROM {rows_table} {by_key}"
            ))?,
            put: db.prepare_cached(&ddl::put(table))?,
            touch: db.prepare_cached(&format!(
                "UPDATE {rows_table} SET \"offset\" = ?4, batch_id = ?5 {by_key}"
            ))?,
        })
    }
    /// Writes the row of a record unless the stored row is newer or has the same content.
    fn upsert_if_newer(
        &mut self,
        id: RowKey,
        row: Option<Row<'_>>,
        source: &SourceColumns<'_>,
        written: &mut WriteSummary,
    ) -> Result<UpsertOutcome, ApplyError> {
        let (game, player, part) = sql_key(id);
        let stored = self.find.query_row((&game, player, &part), |row| {
            Ok(((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?), row.get::<_, Option<i64>>(2)?))
        });
        let stored = stored.optional()?;
        match stored {
            Some((sequence, _)) if sequence >= (source.epoch, source.offset) => {
                written.stale += 1;
                return Ok(UpsertOutcome::Stale);
            }
            // Content is compared only within an epoch: a rebuild writes every row again, including its predictions.
            Some(((epoch, _), content_hash))
                if (epoch, content_hash) == (source.epoch, source.content_hash) =>
            {
                self.touch.execute((&game, player, &part, source.offset, source.batch))?;
                written.unchanged += 1;
                return Ok(UpsertOutcome::Unchanged);
            }
            _ => {}
        }
        let row = row.unwrap_or_else(|| {
            let mut row = rows::key(id);
            row.resize(self.columns, Cell::Null);
            row
        });
        bind(&mut self.put, 0, &row)?;
        source.bind(&mut self.put, self.columns)?;
        self.put.raw_bind_parameter(self.columns + SOURCE_COLUMNS.len() + 1, source.content_hash)?;
        self.put.raw_execute()?;
        written.applied += 1;
        written.rows += 1;
        Ok(UpsertOutcome::Changed { was_live: matches!(stored, Some((_, Some(_)))) })
    }
}
