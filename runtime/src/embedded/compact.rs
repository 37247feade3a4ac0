//! Compaction: of each key of a table topic only the newest record stays; offsets stay as they are.
//!
//! Invariant: nothing at or past the least position of any reader of the topic is touched, tombstones below it go, and every record
//! that stays keeps its offset.
//! Not here: when to compact; the member does so when it is dry.
use super::store::{EmbeddedLog, halt};
use crate::{chunk::Chunk, log::Halt};
use rusqlite::{TransactionBehavior, params};
use std::collections::{BTreeMap, HashMap};

/// A partition is worth compacting once so many records were appended since the last time, and at least as many as stayed.
const WORTH: i64 = 20_000;

impl EmbeddedLog {
    /// Compacts the partition that is most worth it; answers whether there was any.
    pub fn compact_one(&mut self, worth: Option<i64>) -> Result<bool, Halt> {
        let path = self.path().to_owned();
        let worth = worth.unwrap_or(WORTH);
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
            let mut chunks = Vec::new();
            let mut appended: BTreeMap<i64, Option<i64>> = BTreeMap::new();
            {
                let mut statement = tx.prepare(
                    "SELECT base, next, records, bytes, appended FROM chunk WHERE topic = ? AND partition = ? AND next <= ? ORDER BY base",
                )?;
                let mut rows = statement.query(params![topic, partition, below])?;
                while let Some(row) = rows.next()? {
                    appended.insert(row.get(0)?, row.get(4)?);
                    chunks.push(Chunk::from_parts(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
                }
            }
            let kept = newest(&chunks);
            let to = chunks.last().map_or(0, Chunk::next);
            tx.execute(
                "DELETE FROM chunk WHERE topic = ? AND partition = ? AND next <= ?",
                params![topic, partition, to],
            )?;
            let records = kept.iter().map(|chunk| i64::from(chunk.len())).sum::<i64>();
            for chunk in kept {
                let at = appended.range(..=chunk.base()).next_back().and_then(|(_, at)| *at);
                tx.prepare_cached(
                    "INSERT INTO chunk(topic, partition, base, next, records, bytes, appended) VALUES(?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![topic, partition, chunk.base(), chunk.next(), chunk.len(), chunk.bytes(), at])?;
            }
            tx.execute(
                "UPDATE log_end SET dirty = 0, clean = ? WHERE topic = ? AND partition = ?",
                params![records, topic, partition],
            )?;
            tx.commit()?;
            log.db.execute_batch("PRAGMA incremental_vacuum(256)")?;
            Ok(true)
        };
        work(self).map_err(|error| halt(&path, error.to_string()))
    }
}

/// The newest record of each key, tombstones left out, in chunks of about a megabyte.
fn newest(chunks: &[Chunk]) -> Vec<Chunk> {
    let mut last: HashMap<&str, i64> = HashMap::new();
    let all = || chunks.iter().flat_map(|chunk| chunk.records().map_while(Result::ok));
    all().for_each(|record| _ = last.insert(record.key, record.offset));
    let mut kept: Vec<Chunk> = Vec::new();
    for record in
        all().filter(|record| record.value.is_some() && last.get(record.key) == Some(&record.offset))
    {
        if kept.last().is_none_or(|chunk| chunk.bytes().len() > 1 << 20) {
            kept.push(Chunk::at(record.offset));
        }
        if let Some(chunk) = kept.last_mut() {
            chunk.push_at(record.offset, record.key, record.value);
        }
    }
    kept
}
