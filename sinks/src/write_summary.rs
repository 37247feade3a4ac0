//! Result of writing a batch: the number of its records by outcome.
//!
//! Invariant: records = applied + unchanged + stale + superseded + rejected.
//! Not here: checking the numbers (`bigquery`, `sqlite`); sums over all batches (`counters`).

/// Number of records of a batch by outcome: records = applied + unchanged + stale + superseded + rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// Records read.
    pub records: u64,
    /// Records that changed rows.
    pub applied: u64,
    /// Records whose content equals that of the stored row, and filtered records.
    pub unchanged: u64,
    /// Records that are not newer than the stored row.
    pub stale: u64,
    /// Records replaced by a later record with the same key in the batch.
    pub superseded: u64,
    /// Records sent to the dead-letter queue.
    pub rejected: u64,
    /// Rows inserted, replaced or deleted.
    pub rows: u64,
    /// True if the batch was already stored; the counts are then those of the earlier write.
    pub already_committed: bool,
}
