//! Compaction: keeps only the newest record of each key of a table topic, with its offset.
//!
//! Invariant: records at or above the smallest committed offset of any consumer group of the topic stay as they are. Below that offset,
//! tombstones are removed, and every remaining record keeps its offset.
//! Not here: when to compact (`backend`).
use crate::store::Store;
use runtime::{RecordBatch, RuntimeError, record_batch::CorruptBatch};
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::{BTreeMap, HashMap};
use topics::Offset;

/// A partition is compacted when two conditions hold: at least this many records were appended since its last compaction, and at least as
/// many as that compaction kept.
const MIN_DIRTY_RECORDS: i64 = 20_000;
/// Approximate size of a batch that compaction writes, in bytes.
const BATCH_BYTES: usize = 1 << 20;

/// A partition to compact, and the offset below which it may be compacted.
struct Candidate {
    topic: i64,
    partition: i32,
    below: Offset,
}

/// Compacts the partition with the most records appended since its last compaction; returns false if no partition has enough of them.
pub fn compact_one(store: &mut Store, min_dirty_records: Option<i64>) -> Result<bool, RuntimeError> {
    let min_dirty_records = min_dirty_records.unwrap_or(MIN_DIRTY_RECORDS);
    let is_compacted = store.transaction(|tx| {
        let Some(candidate) = find_candidate(tx, min_dirty_records)? else { return Ok(false) };
        compact(tx, &candidate)?;
        Ok(true)
    })?;
    if is_compacted {
        store.ok(store.db.execute_batch("PRAGMA incremental_vacuum(256)"))?;
    }
    Ok(is_compacted)
}

fn find_candidate(tx: &Transaction<'_>, min_dirty_records: i64) -> rusqlite::Result<Option<Candidate>> {
    let dirtiest = "SELECT e.topic, e.partition, e.next FROM end_offset e JOIN topic t ON t.id = e.topic
                    WHERE t.policy = 'compact' AND e.dirty >= ?1 AND e.dirty >= e.clean ORDER BY e.dirty DESC LIMIT 1";
    let found: Option<(i64, i32, Offset)> = tx
        .query_row(dirtiest, [min_dirty_records], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((topic, partition, end_offset)) = found else { return Ok(None) };
    let smallest: Option<Offset> = tx.query_row(
        "SELECT min(next) FROM committed_offset WHERE topic = ? AND partition = ?",
        params![topic, partition],
        |row| row.get(0),
    )?;
    Ok(Some(Candidate { topic, partition, below: smallest.unwrap_or(end_offset) }))
}

fn compact(tx: &Transaction<'_>, Candidate { topic, partition, below }: &Candidate) -> rusqlite::Result<()> {
    let mut batches = Vec::new();
    let mut append_times: BTreeMap<Offset, i64> = BTreeMap::new();
    {
        let mut statement = tx.prepare(
            "SELECT base, next, records, bytes, appended FROM record_batch
             WHERE topic = ? AND partition = ? AND next <= ? ORDER BY base",
        )?;
        let mut rows = statement.query(params![topic, partition, below])?;
        while let Some(row) = rows.next()? {
            append_times.insert(row.get(0)?, row.get(4)?);
            batches.push(RecordBatch::from_parts(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        }
    }
    // A corrupt batch must stay as it is, because compaction would delete its records after the corrupt byte.
    let compacted = newest_records(&batches)
        .map_err(|corrupt| rusqlite::Error::ToSqlConversionFailure(Box::new(corrupt)))?;
    let end = batches.last().map_or(0, RecordBatch::next);
    tx.execute(
        "DELETE FROM record_batch WHERE topic = ? AND partition = ? AND next <= ?",
        params![topic, partition, end],
    )?;
    let records: i64 = compacted.iter().map(|batch| i64::from(batch.len())).sum();
    for batch in compacted {
        let appended = append_times.range(..=batch.base()).next_back().map(|(_, appended)| *appended);
        let (base, next, records, bytes) = (batch.base(), batch.next(), batch.len(), batch.bytes());
        tx.prepare_cached(
            "INSERT INTO record_batch(topic, partition, base, next, records, bytes, appended) VALUES(?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![topic, partition, base, next, records, bytes, appended])?;
    }
    tx.execute(
        "UPDATE end_offset SET dirty = 0, clean = ? WHERE topic = ? AND partition = ?",
        params![records, topic, partition],
    )?;
    Ok(())
}

/// Returns the newest record of each key, except tombstones, in batches of about a megabyte.
fn newest_records(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, CorruptBatch> {
    let mut newest: HashMap<&str, Offset> = HashMap::new();
    for batch in batches {
        for record in batch.records() {
            let record = record?;
            newest.insert(record.key, record.offset);
        }
    }
    let mut compacted: Vec<RecordBatch> = Vec::new();
    for batch in batches {
        for record in batch.records() {
            let record = record?;
            if record.value.is_none() || newest.get(record.key) != Some(&record.offset) {
                continue;
            }
            if compacted.last().is_none_or(|batch| batch.bytes().len() > BATCH_BYTES) {
                compacted.push(RecordBatch::at(record.offset));
            }
            if let Some(batch) = compacted.last_mut() {
                batch.push_at(record.offset, record.key, record.value);
            }
        }
    }
    Ok(compacted)
}
