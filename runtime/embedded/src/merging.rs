//! Merging: stores consecutive small batches of a partition as one batch, which is compressed better and needs fewer pages.
//!
//! A poll of a live feed commits one raw event, and a few records to each topic that follows. Together, many such batches are compressed
//! to a fraction of what each needs alone, because successive polls report almost the same. In a table topic, a record of a merged batch
//! is removed if the same batch has a newer one of its key; a tombstone is not, because older batches may have a record of its key.
//! Invariant: records at or above the smallest committed offset of any consumer group of the topic stay as they are; all other records
//! keep their offsets. A merged batch has the append time of its newest batch. Every batch is written by few merges, so the work is
//! proportional to what was appended.
//! Not here: when to merge (`maintenance`), removing records whose newer record is in a different batch (`compaction`).
use crate::{
    compaction::{count_unmerged, newest_offsets, smallest_committed_offset},
    store::Store,
    stored_batch::{COLUMNS, CorruptStoredBatch, SMALL_BATCH_BYTES, StoredBatch, StoredPartition},
};
use runtime::{RecordBatch, RuntimeError};
use rusqlite::{Transaction, params};
use topics::Offset;

/// Approximate size of a merged batch, in uncompressed bytes.
const MERGED_BATCH_BYTES: i64 = 1 << 20;
/// The most bytes that one merge reads, so that it blocks commits only briefly.
const MAX_BYTES_PER_MERGE: i64 = 4 << 20;
/// Batches are merged when there are this many of them in a partition, or [`MERGED_BATCH_BYTES`].
const MIN_UNMERGED_BATCHES: i64 = 256;

/// A partition that may have enough small batches.
struct Candidate {
    topic: i64,
    name: String,
    partition: i32,
    is_table: bool,
    /// The offset from which on small batches are not merged yet.
    from: Offset,
    below: Offset,
}

/// Merges small batches of one partition; returns false if no partition has `min_batches` of them or enough bytes.
pub fn merge_one(store: &mut Store, min_batches: Option<i64>) -> Result<bool, RuntimeError> {
    let min_batches = min_batches.unwrap_or(MIN_UNMERGED_BATCHES).max(2);
    let candidates = store.ok(find_candidates(&store.db, min_batches))?;
    for (topic, partition) in candidates {
        // Between the search and this transaction, another process may have changed the partition.
        let is_merged = store.transaction(|tx| {
            let candidate = find_candidate(tx, topic, partition)?;
            merge(tx, &candidate, min_batches)
        })?;
        if is_merged {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns topic and partition of those that have enough small batches, read or unread; the one with the most bytes first.
fn find_candidates(db: &rusqlite::Connection, min_batches: i64) -> rusqlite::Result<Vec<(i64, i32)>> {
    let mut statement = db.prepare_cached(
        "SELECT topic, partition FROM end_offset WHERE unmerged_batches >= ? OR unmerged_bytes >= ?
         ORDER BY unmerged_bytes DESC",
    )?;
    let rows =
        statement.query_map([min_batches, MERGED_BATCH_BYTES], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn find_candidate(tx: &Transaction<'_>, topic: i64, partition: i32) -> rusqlite::Result<Candidate> {
    let below = smallest_committed_offset(tx, topic, partition)?;
    tx.query_row(
        "SELECT t.name, t.policy, e.merged, e.next FROM end_offset e JOIN topic t ON t.id = e.topic
         WHERE e.topic = ? AND e.partition = ?",
        params![topic, partition],
        |row| {
            Ok(Candidate {
                topic,
                name: row.get(0)?,
                partition,
                is_table: row.get::<_, String>(1)? == "compact",
                from: row.get(2)?,
                below: below.map_or_else(|| row.get(3), Ok)?,
            })
        },
    )
}

/// Consecutive small batches, which become one batch.
#[derive(Default)]
struct Run {
    batches: Vec<StoredBatch>,
    size: i64,
}

/// Merges the next small batches of a partition; returns false if there are not enough below the smallest committed offset.
fn merge(tx: &Transaction<'_>, candidate: &Candidate, min_batches: i64) -> rusqlite::Result<bool> {
    let (runs, end) = small_batches(tx, candidate)?;
    let batches: i64 = runs.iter().map(|run| run.batches.len() as i64).sum();
    let size: i64 = runs.iter().map(|run| run.size).sum();
    if batches < min_batches && size < MERGED_BATCH_BYTES {
        return Ok(false);
    }
    let (mut merged, mut removed_bytes) = (end, 0);
    for run in runs {
        let size_before = run.size;
        let batch = store_as_one(tx, candidate, run)?;
        removed_bytes += size_before - batch.size();
        // If the last batch is still small, it is merged again, with the batches that follow.
        merged = if batch.next == end && batch.size() < SMALL_BATCH_BYTES { batch.base } else { end };
    }
    let Candidate { topic, partition, .. } = candidate;
    let sql = "UPDATE end_offset SET merged = ?, dirty_bytes = max(0, dirty_bytes - ?) WHERE topic = ? AND partition = ?";
    tx.prepare_cached(sql)?.execute(params![merged, removed_bytes, topic, partition])?;
    count_unmerged(tx, *topic, *partition, end)?;
    Ok(true)
}

/// Returns the next small batches of a partition, in runs of about the size of a merged batch, and the offset up to which it looked.
fn small_batches(tx: &Transaction<'_>, candidate: &Candidate) -> rusqlite::Result<(Vec<Run>, Offset)> {
    let mut sizes = tx.prepare_cached(
        "SELECT id, next, ifnull(uncompressed, length(bytes)) FROM record_batch
         WHERE topic = ? AND partition = ? AND base >= ? AND next <= ? ORDER BY base",
    )?;
    let mut read = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM record_batch WHERE id = ?"))?;
    let Candidate { topic, partition, from, below, .. } = candidate;
    let mut rows = sizes.query(params![topic, partition, from, below])?;
    let (mut runs, mut run, mut end, mut read_bytes) = (Vec::new(), Run::default(), *from, 0);
    while let Some(row) = rows.next()? {
        let (id, next, size): (i64, Offset, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_small = size < SMALL_BATCH_BYTES;
        if !is_small || run.size + size > MERGED_BATCH_BYTES {
            runs.extend(Some(std::mem::take(&mut run)).filter(|run| !run.batches.is_empty()));
        }
        if read_bytes + size > MAX_BYTES_PER_MERGE && is_small {
            break;
        }
        if is_small {
            run.batches.push(read.query_row([id], StoredBatch::from_row)?);
            run.size += size;
            read_bytes += size;
        }
        end = next;
    }
    runs.extend(Some(run).filter(|run| !run.batches.is_empty()));
    Ok((runs, end))
}

/// Replaces the batches of a run by one batch, which is returned.
fn store_as_one(tx: &Transaction<'_>, candidate: &Candidate, run: Run) -> rusqlite::Result<StoredBatch> {
    let Candidate { topic, name, partition, is_table, .. } = candidate;
    let mut batches = run.batches;
    if batches.len() == 1 {
        return Ok(batches.remove(0));
    }
    let base = batches.first().map_or(0, |first| first.base);
    let next = batches.last().map_or(0, |last| last.next);
    let appended = batches.iter().map(|batch| batch.appended).max().unwrap_or(0);
    let opened: Result<Vec<RecordBatch>, _> =
        batches.into_iter().map(|batch| batch.open(name, *partition)).collect();
    let opened = opened?;
    // A corrupt batch must stay as it is.
    let newest = newest_offsets(&opened)
        .map_err(|(offset, corrupt)| CorruptStoredBatch::new(name, *partition, offset, &corrupt))?;
    let mut merged: Option<RecordBatch> = None;
    for record in opened.iter().flat_map(|batch| batch.records().flatten()) {
        if !is_table || newest.get(record.key) == Some(&record.offset) {
            let merged = merged.get_or_insert_with(|| RecordBatch::at(record.offset));
            merged.push_at(record.offset, record.key, record.value);
        }
    }
    let mut stored = StoredBatch::pack(&merged.unwrap_or_else(|| RecordBatch::at(base)), appended);
    stored.next = next;
    tx.prepare_cached(
        "DELETE FROM record_batch WHERE topic = ? AND partition = ? AND base >= ? AND base < ?",
    )?
    .execute(params![topic, partition, base, next])?;
    stored.insert(tx, StoredPartition { topic_id: *topic, topic: name, partition: *partition })?;
    Ok(stored)
}
