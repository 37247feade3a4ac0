//! Compaction: of each key of a table topic only the newest record stays; offsets stay as they are.
//!
//! Invariant: nothing at or past the least position of any reader of the topic is touched, tombstones below it go, and every record
//! that stays keeps its offset.
//! Not here: when to compact; the member does so when it is dry.
use super::store::{EmbeddedLog, storage_error};
use crate::{log::RuntimeError, record_batch::RecordBatch};
use rusqlite::{TransactionBehavior, params};
use std::collections::{BTreeMap, HashMap};

/// A partition is worth compacting once so many records were appended since the last time, and at least as many as stayed.
const MIN_DIRTY_RECORDS: i64 = 20_000;

impl EmbeddedLog {
    /// Compacts the partition that is most worth it; answers whether there was any.
    pub fn compact_one(&mut self, worth: Option<i64>) -> Result<bool, RuntimeError> {
        let path = self.path().to_owned();
        let worth = worth.unwrap_or(MIN_DIRTY_RECORDS);
        let work = |log: &mut EmbeddedLog| -> Result<bool, rusqlite::Error> {
            let tx = log.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let most = "SELECT e.topic, e.partition, e.next FROM log_end e JOIN topic t ON t.id = e.topic
                        WHERE t.policy = 'compact' AND e.dirty >= ?1 AND e.dirty >= e.clean ORDER BY e.dirty DESC LIMIT 1";
            let mut found = tx.prepare(most)?;
            let mut rows = found.query([worth])?;
            let Some(row) = rows.next()? else { return Ok(false) };
            let (topic, partition, end): (i64, i32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            drop(rows);
            drop(found);
            let least: Option<i64> = tx.query_row(
                "SELECT min(next) FROM position WHERE topic = ? AND partition = ?",
                params![topic, partition],
                |row| row.get(0),
            )?;
            let below = least.unwrap_or(end);
            let mut record_batches = Vec::new();
            let mut appended: BTreeMap<i64, Option<i64>> = BTreeMap::new();
            {
                let mut statement = tx.prepare(
                    "SELECT base, next, records, bytes, appended FROM chunk WHERE topic = ? AND partition = ? AND next <= ? ORDER BY base",
                )?;
                let mut rows = statement.query(params![topic, partition, below])?;
                while let Some(row) = rows.next()? {
                    appended.insert(row.get(0)?, row.get(4)?);
                    record_batches.push(RecordBatch::from_parts(
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                    ));
                }
            }
            let kept = newest(&record_batches);
            let to = record_batches.last().map_or(0, RecordBatch::next);
            tx.execute(
                "DELETE FROM chunk WHERE topic = ? AND partition = ? AND next <= ?",
                params![topic, partition, to],
            )?;
            let records = kept.iter().map(|record_batch| i64::from(record_batch.len())).sum::<i64>();
            for record_batch in kept {
                let at = appended.range(..=record_batch.base()).next_back().and_then(|(_, at)| *at);
                tx.prepare_cached(
                    "INSERT INTO chunk(topic, partition, base, next, records, bytes, appended) VALUES(?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![topic, partition, record_batch.base(), record_batch.next(), record_batch.len(), record_batch.bytes(), at])?;
            }
            tx.execute(
                "UPDATE log_end SET dirty = 0, clean = ? WHERE topic = ? AND partition = ?",
                params![records, topic, partition],
            )?;
            tx.commit()?;
            log.db.execute_batch("PRAGMA incremental_vacuum(256)")?;
            Ok(true)
        };
        work(self).map_err(|error| storage_error(&path, error.to_string()))
    }
}

/// The newest record of each key, tombstones left out, in chunks of about a megabyte.
fn newest(record_batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let mut last: HashMap<&str, i64> = HashMap::new();
    let all = || record_batches.iter().flat_map(|record_batch| record_batch.records().map_while(Result::ok));
    all().for_each(|record| _ = last.insert(record.key, record.offset));
    let mut kept: Vec<RecordBatch> = Vec::new();
    for record in
        all().filter(|record| record.value.is_some() && last.get(record.key) == Some(&record.offset))
    {
        if kept.last().is_none_or(|record_batch| record_batch.bytes().len() > 1 << 20) {
            kept.push(RecordBatch::at(record.offset));
        }
        if let Some(record_batch) = kept.last_mut() {
            record_batch.push_at(record.offset, record.key, record.value);
        }
    }
    kept
}
