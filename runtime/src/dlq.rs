//! Reading the dead letters of a processor, from any log.
//!
//! Invariant: read-only.
//! Not here: rejecting records (`engine`), producing them again (`src/redrive.rs` of the binary).
use crate::{broker::LogReader, commit::DeadLetterRecord, engine::dlq_topic, error::RuntimeError};
use std::collections::BTreeMap;
use topics::Offset;

/// The dead letters of one processor.
pub struct DeadLetters {
    /// The dead letters that are still stored, ordered by partition and offset.
    pub records: Vec<DeadLetterRecord>,
    /// The number of older dead letters that were purged; an upper bound where offsets have gaps.
    pub purged: i64,
}

/// Returns the end offsets of a processor's dead-letter queue, by partition.
///
/// # Errors
/// When the log cannot be read.
pub fn end_offsets(log: &mut dyn LogReader, processor: &str) -> Result<BTreeMap<i32, Offset>, RuntimeError> {
    let end_offsets = log.end_offsets(&[dlq_topic(processor)])?;
    Ok(end_offsets.into_iter().map(|(partition, end)| (partition.partition, end)).collect())
}

/// Reads all dead letters of a processor.
///
/// # Errors
/// When the log cannot be read, or a record of the queue is not a dead letter.
pub fn read(log: &mut dyn LogReader, processor: &str) -> Result<DeadLetters, RuntimeError> {
    let mut dead_letters = DeadLetters { records: Vec::new(), purged: 0 };
    for (partition, end_offset) in end_offsets(log, processor)? {
        let records = log.dead_letters(processor, partition, 0)?;
        dead_letters.purged += records.first().map_or(end_offset, |record| record.offset);
        dead_letters.records.extend(records);
    }
    Ok(dead_letters)
}
