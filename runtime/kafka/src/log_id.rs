//! What names a log on Kafka: a record among the sink's plans, which others skip.
//!
//! Invariant: the first such record stands, and each has a key of its own, so that compaction keeps it.
//! Not here: who writes and reads it (`storage`).
use crate::{log::RuntimeError, record_batch::RecordBatch};

/// Keys of the records that name a log.
pub(super) const LOG_ID: &str = "log-id/";

/// A chunk without the records whose keys start so.
pub(super) fn without_prefix(record_batch: RecordBatch, prefix: &str) -> Result<RecordBatch, RuntimeError> {
    let mut rest = RecordBatch::at(record_batch.base());
    for record in record_batch.records() {
        let record = record?;
        if !record.key.starts_with(prefix) {
            rest.push_at(record.offset, record.key, record.value);
        }
    }
    Ok(RecordBatch::from_parts(record_batch.base(), record_batch.next(), rest.len(), rest.bytes().to_vec()))
}

/// Not secret, only unlike any other.
pub(super) fn random_suffix() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
