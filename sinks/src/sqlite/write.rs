//! One batch, inside its transaction.
//!
//! The row of `player_slate`, `player_games` or `features` carries the sequence of the last record of its key. The slate's also
//! guards the predictions of its player and game, which one record replaces all together: those that it no longer makes are
//! deleted outright, since whatever is older than the slate's sequence is not applied at all.
//!
//! Invariant: a record is applied only when its (epoch, offset) is higher than its key's.
//! Not here: whose log and epoch may write; the caller has checked.
use super::ddl;
use crate::{
    content_hash,
    plan::{BatchId, BatchPlan},
    record::{Record, RecordChange},
    rows::{self, Cell, PredictionRows, Row},
    tables::{FEATURE_ROWS, PLAYER_GAMES, PREDICTION_SHARED, PREDICTION_SYSTEM, PREDICTIONS, SLATE, Table},
    warehouse::{BadRecord, WarehouseError, WriteSummary},
    window::Batch,
};
use rusqlite::{
    CachedStatement, Connection, OptionalExtension, ToSql,
    types::{ToSqlOutput, ValueRef},
};
use schemas::{PlayerGameId, Timestamp};

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

/// What the batch record says of a batch.
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

pub(super) fn insert_batch(
    db: &Connection,
    plan: &BatchPlan,
    written: &WriteSummary,
    at: Timestamp,
) -> Result<(), WarehouseError> {
    let ranges = serde_json::Value::from(plan.event().ranges).to_string();
    let count = |count: u64| count as i64;
    db.prepare_cached("INSERT INTO sink_batches VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)")?.execute(
        rusqlite::params![
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
            at.to_string(),
        ],
    )?;
    Ok(())
}

/// Applies the records; all bad ones are named, and then nothing of the batch may be committed.
pub(super) fn batch(
    db: &Connection,
    batch: &Batch,
    plan: &BatchPlan,
) -> Result<WriteSummary, WarehouseError> {
    let mut writing = Writing {
        epoch: plan.writer.epoch,
        batch: plan.id.as_str(),
        slate: GuardedTable::new(db, &SLATE)?,
        player_games: GuardedTable::new(db, &PLAYER_GAMES)?,
        features: GuardedTable::new(db, &FEATURE_ROWS)?,
        predict: db.prepare_cached(&ddl::put(&PREDICTIONS))?,
        clear: db.prepare_cached(&ddl::clear())?,
        bytes: Vec::new(),
        written: WriteSummary {
            records: batch.read() as u64,
            superseded: batch.superseded as u64,
            rejected: batch.rejected as u64,
            unchanged: batch.filtered as u64,
            ..WriteSummary::default()
        },
    };
    // In the order of the keys, so that a page is visited once.
    let mut sorted: Vec<&Record> = batch.records.iter().collect();
    sorted.sort_unstable_by_key(|record| {
        let PlayerGameId { player, game } = record.change.id();
        (record.at.input, game, player)
    });
    let mut bad = Vec::new();
    for record in sorted {
        match writing.apply(record) {
            Ok(()) => {}
            Err(ApplyError::Record(reason)) => bad.push(BadRecord { at: record.at, reason }),
            Err(ApplyError::Database(error)) => return Err(error.into()),
        }
    }
    if bad.is_empty() { Ok(writing.written) } else { Err(WarehouseError::Rows(bad)) }
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

struct Writing<'a> {
    epoch: i64,
    batch: &'a str,
    slate: GuardedTable<'a>,
    player_games: GuardedTable<'a>,
    features: GuardedTable<'a>,
    predict: CachedStatement<'a>,
    clear: CachedStatement<'a>,
    bytes: Vec<u8>,
    written: WriteSummary,
}
impl Writing<'_> {
    fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        let id = record.change.id();
        content_hash::check_key(&record.change)?;
        match &record.change {
            RecordChange::Prediction(_, event) => {
                self.prediction(record, event.as_ref().map(rows::prediction).transpose()?)
            }
            RecordChange::Features(_, event) => {
                let row = event.as_ref().map(rows::features);
                let content_hash = content_hash::of_cells(&mut self.bytes, row.iter().flatten())?;
                let source =
                    SourceColumns::new(self.epoch, record, self.batch, row.is_some().then_some(content_hash));
                self.features.upsert_if_newer(id, row, &source, &mut self.written).map(drop)
            }
            RecordChange::PlayerGame(_, event) => {
                let row = event.as_ref().map(rows::player_game).transpose()?.flatten();
                let content_hash = content_hash::of_cells(&mut self.bytes, row.iter().flatten())?;
                let source =
                    SourceColumns::new(self.epoch, record, self.batch, row.is_some().then_some(content_hash));
                self.player_games.upsert_if_newer(id, row, &source, &mut self.written).map(drop)
            }
        }
    }

    fn prediction(&mut self, record: &Record, rows: Option<PredictionRows<'_>>) -> Result<(), ApplyError> {
        let content_hash =
            rows.as_ref().map(|rows| content_hash::of_prediction(rows, &mut self.bytes)).transpose()?;
        let source = SourceColumns::new(self.epoch, record, self.batch, content_hash);
        let (slate, rest) = match rows {
            Some(PredictionRows { slate, shared, systems }) => (Some(slate), Some((shared, systems))),
            None => (None, None),
        };
        let id = record.change.id();
        let UpsertOutcome::Changed { was_live } =
            self.slate.upsert_if_newer(id, slate, &source, &mut self.written)?
        else {
            return Ok(());
        };
        if was_live {
            self.written.rows += self.clear.execute((id.game.to_string(), id.player.0))? as u64;
        }
        let Some((shared, systems)) = rest else { return Ok(()) };
        // What a statement is bound to stays bound: only what differs from the row before is bound again.
        bind(&mut self.predict, 0, &shared)?;
        source.bind(&mut self.predict, PREDICTIONS.columns.len())?;
        for (system, line_ladder) in &systems {
            bind(&mut self.predict, PREDICTION_SHARED, system)?;
            for ladder_line in line_ladder {
                bind(&mut self.predict, PREDICTION_SHARED + PREDICTION_SYSTEM, ladder_line)?;
                self.predict.raw_execute()?;
                self.written.rows += 1;
            }
        }
        Ok(())
    }
}

/// The last columns of a row.
struct SourceColumns<'a> {
    epoch: i64,
    partition: i32,
    offset: i64,
    batch: &'a str,
    /// `None`: deleted.
    content_hash: Option<i64>,
}
impl<'a> SourceColumns<'a> {
    fn new(epoch: i64, record: &Record, batch: &'a str, content_hash: Option<i64>) -> Self {
        SourceColumns { epoch, partition: record.at.partition, offset: record.at.offset, batch, content_hash }
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
    cells.iter().zip(after + 1..).try_for_each(|(cell, place)| statement.raw_bind_parameter(place, cell))
}

enum UpsertOutcome {
    Stale,
    Unchanged,
    Changed { was_live: bool },
}

/// A table with one row per key, that carries its key's sequence.
struct GuardedTable<'a> {
    columns: usize,
    find: CachedStatement<'a>,
    put: CachedStatement<'a>,
    touch: CachedStatement<'a>,
}
impl<'a> GuardedTable<'a> {
    fn new(db: &'a Connection, table: &Table) -> rusqlite::Result<Self> {
        let name = table.name;
        let of_key = "WHERE game_id = ?1 AND player_id = ?2";
        Ok(GuardedTable {
            columns: table.columns.len(),
            find: db
                .prepare_cached(&format!("SELECT epoch, \"offset\", content_hash FROM {name} {of_key}"))?,
            put: db.prepare_cached(&ddl::put(table))?,
            touch: db
                .prepare_cached(&format!("UPDATE {name} SET \"offset\" = ?3, batch_id = ?4 {of_key}"))?,
        })
    }
    /// Decides what a record is to its key, and writes its row.
    fn upsert_if_newer(
        &mut self,
        id: PlayerGameId,
        row: Option<Row<'_>>,
        source: &SourceColumns<'_>,
        written: &mut WriteSummary,
    ) -> Result<UpsertOutcome, ApplyError> {
        let game = id.game.to_string();
        let found = self.find.query_row((&game, id.player.0), |found| {
            Ok(((found.get::<_, i64>(0)?, found.get::<_, i64>(1)?), found.get::<_, Option<i64>>(2)?))
        });
        let found = found.optional()?;
        match found {
            Some((sequence, _)) if sequence >= (source.epoch, source.offset) => {
                written.stale += 1;
                return Ok(UpsertOutcome::Stale);
            }
            // Only within an epoch: after an adoption every row is written again, its predictions too.
            Some(((epoch, _), content_hash))
                if (epoch, content_hash) == (source.epoch, source.content_hash) =>
            {
                self.touch.execute((&game, id.player.0, source.offset, source.batch))?;
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
        self.put.raw_bind_parameter(self.columns + 6, source.content_hash)?;
        self.put.raw_execute()?;
        written.applied += 1;
        written.rows += 1;
        Ok(UpsertOutcome::Changed { was_live: matches!(found, Some((_, Some(_)))) })
    }
}
