//! Retention: deletes old records of streams, whose records are not needed after all processors have read them.
//!
//! Invariant: a record is deleted only if every registered consumer group of its topic has read it, at least one is registered, and it was
//! appended more than [`STREAM_RETENTION_DAYS`] days ago, which is also the retention on Kafka. A merged batch counts as appended when the
//! newest batch in it was. Offsets are not used again.
//! Not here: tables (`compaction`); raw topics, ledger and dead-letter queues, whose retention is unlimited.
use crate::store::Store;
use runtime::RuntimeError;
use rusqlite::params;
use topics::spec::STREAM_RETENTION_DAYS;

const DAY_MS: i64 = 86_400_000;

/// Deletes the records whose retention has ended at an instant, in milliseconds since 1970; returns how many batches it deleted.
pub fn delete_expired(store: &mut Store, now: i64) -> Result<usize, RuntimeError> {
    let expired_before = now.saturating_sub(STREAM_RETENTION_DAYS * DAY_MS);
    // Batches are deleted from the start of a partition up to the first one that must stay.
    let sql = "DELETE FROM record_batch WHERE id IN (
                   SELECT b.id FROM topic t JOIN record_batch b ON b.topic = t.id WHERE t.policy = 'delete' AND b.appended < ?1
                   AND b.next <= (SELECT min(c.next) FROM committed_offset c WHERE c.topic = t.id AND c.partition = b.partition)
                   AND NOT EXISTS (SELECT 1 FROM record_batch s WHERE s.topic = b.topic AND s.partition = b.partition
                                   AND s.base < b.base AND s.appended >= ?1))";
    store.transaction(|tx| tx.execute(sql, params![expired_before]))
}
