//! What names a log on Kafka: a record among the sink's plans, which others skip.
//!
//! Invariant: the first such record stands, and each has a key of its own, so that compaction keeps it.
//! Not here: who writes and reads it (`storage`).
use crate::{chunk::Chunk, log::Halt};

/// Keys of the records that name a log.
pub(super) const LOG_ID: &str = "log-id/";

/// A chunk without the records whose keys start so.
pub(super) fn without(chunk: Chunk, prefix: &str) -> Result<Chunk, Halt> {
    let mut rest = Chunk::at(chunk.base());
    for record in chunk.records() {
        let record = record?;
        if !record.key.starts_with(prefix) {
            rest.push_at(record.offset, record.key, record.value);
        }
    }
    Ok(Chunk::from_parts(chunk.base(), chunk.next(), rest.len(), rest.bytes().to_vec()))
}

/// Not secret, only unlike any other.
pub(super) fn uniquely() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
