//! Compaction: keeps only the newest record of each key of a table topic, with its offset.
//!
//! Invariant: records at or above the smallest committed offset of any consumer group of the topic stay as they are. Below that offset,
//! tombstones are removed, and every remaining record keeps its offset.
//! Not here: when to compact (`maintenance`), storing small batches together (`merging`).
use crate::{
    store::Store,
    stored_batch::{COLUMNS, CorruptStoredBatch, SMALL_BATCH_BYTES, StoredBatch, StoredPartition},
};
use runtime::{RecordBatch, RuntimeError, record_batch::CorruptBatch};
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::{BTreeMap, HashMap};
use topics::Offset;

/// A partition is compacted when two conditions hold: at least this many records were appended since its last compaction, and at least as
/// many as that compaction left. The same holds for bytes instead of records, because a row with many revisions is long.
const MIN_DIRTY_RECORDS: i64 = 20_000;
const MIN_DIRTY_BYTES: i64 = 2 << 20;
/// Approximate size of a batch that compaction writes, in bytes.
const BATCH_BYTES: usize = 1 << 20;

/// A partition to compact, and the offset below which it may be compacted.
struct Candidate {
    topic: i64,
    name: String,
    partition: i32,
    below: Offset,
}

/// Compacts the partition with the most records appended since its last compaction; returns false if no partition has enough of them.
pub fn compact_one(store: &mut Store, min_dirty_records: Option<i64>) -> Result<bool, RuntimeError> {
    let min_dirty_records = min_dirty_records.unwrap_or(MIN_DIRTY_RECORDS);
    store.transaction(|tx| {
        let Some(candidate) = find_candidate(tx, min_dirty_records)? else { return Ok(false) };
        compact(tx, &candidate)?;
        Ok(true)
    })
}

fn find_candidate(tx: &Transaction<'_>, min_dirty_records: i64) -> rusqlite::Result<Option<Candidate>> {
    let dirtiest =
        "SELECT e.topic, t.name, e.partition, e.next FROM end_offset e JOIN topic t ON t.id = e.topic
                    WHERE t.policy = 'compact' AND (e.dirty >= ?1 AND e.dirty >= e.clean
                        OR e.dirty_bytes >= ?2 AND e.dirty_bytes >= e.clean_bytes)
                    ORDER BY e.dirty_bytes DESC LIMIT 1";
    let found = tx
        .query_row(dirtiest, [min_dirty_records, MIN_DIRTY_BYTES], |row| {
            Ok(Candidate {
                topic: row.get(0)?,
                name: row.get(1)?,
                partition: row.get(2)?,
                below: row.get(3)?,
            })
        })
        .optional()?;
    let Some(candidate) = found else { return Ok(None) };
    let smallest = smallest_committed_offset(tx, candidate.topic, candidate.partition)?;
    Ok(Some(Candidate { below: smallest.unwrap_or(candidate.below), ..candidate }))
}

/// Returns the smallest committed offset of all consumer groups of a partition; `None` if it has none.
pub fn smallest_committed_offset(
    tx: &Transaction<'_>,
    topic: i64,
    partition: i32,
) -> rusqlite::Result<Option<Offset>> {
    tx.prepare_cached("SELECT min(next) FROM committed_offset WHERE topic = ? AND partition = ?")?
        .query_row(params![topic, partition], |row| row.get(0))
}

fn compact(tx: &Transaction<'_>, candidate: &Candidate) -> rusqlite::Result<()> {
    let Candidate { topic, name, partition, below } = candidate;
    let mut batches = Vec::new();
    let mut append_times: BTreeMap<Offset, i64> = BTreeMap::new();
    {
        let mut statement = tx.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM record_batch WHERE topic = ? AND partition = ? AND next <= ? ORDER BY base"
        ))?;
        let mut rows = statement.query(params![topic, partition, below])?;
        while let Some(row) = rows.next()? {
            let stored = StoredBatch::from_row(row)?;
            append_times.insert(stored.base, stored.appended);
            batches.push(stored.open(name, *partition)?);
        }
    }
    // A corrupt batch must stay as it is, because compaction would delete its records after the corrupt byte.
    let compacted = newest_records(&batches)
        .map_err(|(offset, corrupt)| CorruptStoredBatch::new(name, *partition, offset, &corrupt))?;
    let end = batches.last().map_or(0, RecordBatch::next);
    tx.execute(
        "DELETE FROM record_batch WHERE topic = ? AND partition = ? AND next <= ?",
        params![topic, partition, end],
    )?;
    let (mut records, mut size) = (0, 0);
    for batch in compacted {
        let appended = append_times.range(..=batch.base()).next_back().map_or(0, |(_, appended)| *appended);
        let stored = StoredBatch::pack(&batch, appended);
        stored.insert(tx, StoredPartition { topic_id: *topic, topic: name, partition: *partition })?;
        records += i64::from(stored.records);
        size += stored.size();
    }
    // Compaction also merges the batches up to `end`.
    tx.execute(
        "UPDATE end_offset SET dirty = 0, clean = ?3, dirty_bytes = 0, clean_bytes = ?4, merged = max(merged, ?5)
         WHERE topic = ?1 AND partition = ?2",
        params![topic, partition, records, size, end],
    )?;
    count_unmerged(tx, *topic, *partition, end)
}

/// Counts the small batches of a partition from an offset on, which are not merged yet.
pub fn count_unmerged(
    tx: &Transaction<'_>,
    topic: i64,
    partition: i32,
    from: Offset,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE end_offset SET (unmerged_batches, unmerged_bytes) = (
             SELECT count(*), ifnull(sum(ifnull(uncompressed, length(bytes))), 0) FROM record_batch
             WHERE topic = ?1 AND partition = ?2 AND base >= ?3 AND ifnull(uncompressed, length(bytes)) < ?4)
         WHERE topic = ?1 AND partition = ?2",
    )?
    .execute(params![topic, partition, from, SMALL_BATCH_BYTES])
    .map(|_| ())
}

/// Returns the newest record of each key, except tombstones, in batches of about a megabyte.
fn newest_records(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, (Offset, CorruptBatch)> {
    let newest = newest_offsets(batches)?;
    let mut compacted: Vec<RecordBatch> = Vec::new();
    for batch in batches {
        for record in batch.records().flatten() {
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

/// Returns the offset of the newest record of each key, or the base offset of the first corrupt batch with the error.
pub fn newest_offsets(batches: &[RecordBatch]) -> Result<HashMap<&str, Offset>, (Offset, CorruptBatch)> {
    let mut newest = HashMap::new();
    for batch in batches {
        for record in batch.records() {
            let record = record.map_err(|corrupt| (batch.base(), corrupt))?;
            newest.insert(record.key, record.offset);
        }
    }
    Ok(newest)
}
