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
    change::{Change, Record},
    plan::{BatchId, BatchPlan},
    rows::{self, Cell, PredictionRows, Row},
    said,
    tables::{FEATURE_ROWS, PLAYER_GAMES, PREDICTION_SHARED, PREDICTION_SYSTEM, PREDICTIONS, SLATE, Table},
    warehouse::{BadRecord, WarehouseError, Written},
    window::Batch,
};
use rusqlite::{
    CachedStatement, Connection, OptionalExtension, ToSql,
    types::{ToSqlOutput, ValueRef},
};
use schemas::{Instant, PlayerGameId};

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

/// What the ledger says of a batch.
pub(super) fn recorded(db: &Connection, id: &BatchId) -> Result<Option<Written>, WarehouseError> {
    let sql = "SELECT records, applied, unchanged, stale, superseded, rejected, rows_written FROM sink_batches WHERE batch_id = ?1";
    let written = db.query_row(sql, [id.as_str()], |row| {
        let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
        Ok(Written {
            records: count(0)?,
            applied: count(1)?,
            unchanged: count(2)?,
            stale: count(3)?,
            superseded: count(4)?,
            rejected: count(5)?,
            rows: count(6)?,
            repeated: true,
        })
    });
    Ok(written.optional()?)
}

pub(super) fn record(
    db: &Connection,
    plan: &BatchPlan,
    written: &Written,
    at: Instant,
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
pub(super) fn batch(db: &Connection, batch: &Batch, plan: &BatchPlan) -> Result<Written, WarehouseError> {
    let mut writing = Writing {
        epoch: plan.writer.epoch,
        batch: plan.id.as_str(),
        slate: Guarded::of(db, &SLATE)?,
        player_games: Guarded::of(db, &PLAYER_GAMES)?,
        features: Guarded::of(db, &FEATURE_ROWS)?,
        predict: db.prepare_cached(&ddl::put(&PREDICTIONS))?,
        clear: db.prepare_cached(&ddl::clear())?,
        bytes: Vec::new(),
        written: Written {
            records: batch.read() as u64,
            superseded: batch.superseded as u64,
            rejected: batch.rejected as u64,
            unchanged: batch.outside as u64,
            ..Written::default()
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
            Err(Refusal::Record(reason)) => bad.push(BadRecord { at: record.at, reason }),
            Err(Refusal::Database(error)) => return Err(error.into()),
        }
    }
    if bad.is_empty() { Ok(writing.written) } else { Err(WarehouseError::Rows(bad)) }
}

enum Refusal {
    Record(String),
    Database(rusqlite::Error),
}
impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::Database(error)
    }
}
impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Refusal::Record(reason)
    }
}

struct Writing<'a> {
    epoch: i64,
    batch: &'a str,
    slate: Guarded<'a>,
    player_games: Guarded<'a>,
    features: Guarded<'a>,
    predict: CachedStatement<'a>,
    clear: CachedStatement<'a>,
    bytes: Vec<u8>,
    written: Written,
}
impl Writing<'_> {
    fn apply(&mut self, record: &Record) -> Result<(), Refusal> {
        let id = record.change.id();
        said::own(&record.change)?;
        match &record.change {
            Change::Prediction(_, event) => {
                self.prediction(record, event.as_ref().map(rows::prediction).transpose()?)
            }
            Change::Features(_, event) => {
                let row = event.as_ref().map(rows::features);
                let said = said::said(&mut self.bytes, row.iter().flatten())?;
                let stamp = Stamp::of(self.epoch, record, self.batch, row.is_some().then_some(said));
                self.features.settle(id, row, &stamp, &mut self.written).map(drop)
            }
            Change::PlayerGame(_, event) => {
                let row = event.as_ref().map(rows::player_game).transpose()?.flatten();
                let said = said::said(&mut self.bytes, row.iter().flatten())?;
                let stamp = Stamp::of(self.epoch, record, self.batch, row.is_some().then_some(said));
                self.player_games.settle(id, row, &stamp, &mut self.written).map(drop)
            }
        }
    }

    fn prediction(&mut self, record: &Record, rows: Option<PredictionRows<'_>>) -> Result<(), Refusal> {
        let said = rows.as_ref().map(|rows| said::of_prediction(rows, &mut self.bytes)).transpose()?;
        let stamp = Stamp::of(self.epoch, record, self.batch, said);
        let (slate, rest) = match rows {
            Some(PredictionRows { slate, shared, systems }) => (Some(slate), Some((shared, systems))),
            None => (None, None),
        };
        let id = record.change.id();
        let Settled::Changed { was_live } = self.slate.settle(id, slate, &stamp, &mut self.written)? else {
            return Ok(());
        };
        if was_live {
            self.written.rows += self.clear.execute((id.game.to_string(), id.player.0))? as u64;
        }
        let Some((shared, systems)) = rest else { return Ok(()) };
        // What a statement is bound to stays bound: only what differs from the row before is bound again.
        bind(&mut self.predict, 0, &shared)?;
        stamp.bind(&mut self.predict, PREDICTIONS.columns.len())?;
        for (system, rungs) in &systems {
            bind(&mut self.predict, PREDICTION_SHARED, system)?;
            for rung in rungs {
                bind(&mut self.predict, PREDICTION_SHARED + PREDICTION_SYSTEM, rung)?;
                self.predict.raw_execute()?;
                self.written.rows += 1;
            }
        }
        Ok(())
    }
}

/// The last columns of a row.
struct Stamp<'a> {
    epoch: i64,
    partition: i32,
    offset: i64,
    batch: &'a str,
    /// `None`: deleted.
    said: Option<i64>,
}
impl<'a> Stamp<'a> {
    fn of(epoch: i64, record: &Record, batch: &'a str, said: Option<i64>) -> Self {
        Stamp { epoch, partition: record.at.partition, offset: record.at.offset, batch, said }
    }
    fn bind(&self, statement: &mut CachedStatement<'_>, after: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(after + 1, self.said.is_none())?;
        statement.raw_bind_parameter(after + 2, self.epoch)?;
        statement.raw_bind_parameter(after + 3, self.partition)?;
        statement.raw_bind_parameter(after + 4, self.offset)?;
        statement.raw_bind_parameter(after + 5, self.batch)
    }
}

fn bind(statement: &mut CachedStatement<'_>, after: usize, cells: &Row<'_>) -> rusqlite::Result<()> {
    cells.iter().zip(after + 1..).try_for_each(|(cell, place)| statement.raw_bind_parameter(place, cell))
}

enum Settled {
    Stale,
    Unchanged,
    Changed { was_live: bool },
}

/// A table with one row per key, that carries its key's sequence.
struct Guarded<'a> {
    columns: usize,
    find: CachedStatement<'a>,
    put: CachedStatement<'a>,
    touch: CachedStatement<'a>,
}
impl<'a> Guarded<'a> {
    fn of(db: &'a Connection, table: &Table) -> rusqlite::Result<Self> {
        let name = table.name;
        let of_key = "WHERE game_id = ?1 AND player_id = ?2";
        Ok(Guarded {
            columns: table.columns.len(),
            find: db.prepare_cached(&format!("SELECT epoch, \"offset\", said FROM {name} {of_key}"))?,
            put: db.prepare_cached(&ddl::put(table))?,
            touch: db
                .prepare_cached(&format!("UPDATE {name} SET \"offset\" = ?3, batch_id = ?4 {of_key}"))?,
        })
    }
    /// Decides what a record is to its key, and writes its row.
    fn settle(
        &mut self,
        id: PlayerGameId,
        row: Option<Row<'_>>,
        stamp: &Stamp<'_>,
        written: &mut Written,
    ) -> Result<Settled, Refusal> {
        let game = id.game.to_string();
        let found = self.find.query_row((&game, id.player.0), |found| {
            Ok(((found.get::<_, i64>(0)?, found.get::<_, i64>(1)?), found.get::<_, Option<i64>>(2)?))
        });
        let found = found.optional()?;
        match found {
            Some((sequence, _)) if sequence >= (stamp.epoch, stamp.offset) => {
                written.stale += 1;
                return Ok(Settled::Stale);
            }
            // Only within an epoch: after an adoption every row is written again, its predictions too.
            Some(((epoch, _), said)) if (epoch, said) == (stamp.epoch, stamp.said) => {
                self.touch.execute((&game, id.player.0, stamp.offset, stamp.batch))?;
                written.unchanged += 1;
                return Ok(Settled::Unchanged);
            }
            _ => {}
        }
        let row = row.unwrap_or_else(|| {
            let mut row = rows::key(id);
            row.resize(self.columns, Cell::Null);
            row
        });
        bind(&mut self.put, 0, &row)?;
        stamp.bind(&mut self.put, self.columns)?;
        self.put.raw_bind_parameter(self.columns + 6, stamp.said)?;
        self.put.raw_execute()?;
        written.applied += 1;
        written.rows += 1;
        Ok(Settled::Changed { was_live: matches!(found, Some((_, Some(_)))) })
    }
}
