//! Counters of a warehouse.
//!
//! Invariant: a counter only increases.
//! Not here: the metric names.
use crate::warehouse::WriteSummary;
use std::collections::BTreeMap;

/// Counts since the warehouse was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Batches written, without those that were stored before.
    pub batches: u64,
    /// DML jobs sent.
    pub attempts: u64,
    /// Reused jobs.
    pub reused: u64,
    /// Records read by outcome.
    pub records: BTreeMap<&'static str, u64>,
    /// Rows inserted, replaced or deleted.
    pub rows: u64,
    /// Size of the rows sent, in bytes.
    pub bytes: u64,
    /// Time spent in writes.
    pub milliseconds: u64,
    /// Failures by class.
    pub errors: BTreeMap<&'static str, u64>,
    /// Responses about throttling, quotas and a full DML queue.
    pub rate_limit_hits: u64,
    /// Milliseconds waited for the writer lease or for a rate limiter.
    pub waited_ms: u64,
    /// Batches written through a staging table.
    pub staged: u64,
    /// Expired staging tables deleted.
    pub staging_tables_deleted: u64,
    /// Batches whose counts did not add up.
    pub divergences: u64,
}
impl Counters {
    /// Adds a written batch.
    pub fn add(&mut self, written: &WriteSummary) {
        self.rows += written.rows;
        for (outcome, count) in [
            ("applied", written.applied),
            ("unchanged", written.unchanged),
            ("stale", written.stale),
            ("superseded", written.superseded),
            ("rejected", written.rejected),
        ] {
            *self.records.entry(outcome).or_default() += count;
        }
    }
}
