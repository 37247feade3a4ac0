//! Counters of a warehouse.
//!
//! Invariant: a counter only increases.
//! Not here: the names of the metrics (the sink task).
use crate::write_summary::WriteSummary;
use std::collections::BTreeMap;

/// Counts since the warehouse was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Number of batches written, without batches that were already stored.
    pub batches: u64,
    /// Number of DML jobs sent; in SQLite, number of batches written.
    pub attempts: u64,
    /// Number of jobs that were reused because a job with the same id existed already.
    pub reused: u64,
    /// Number of records read, by outcome (for example `applied` or `stale`).
    pub records: BTreeMap<&'static str, u64>,
    /// Number of rows inserted, replaced or deleted.
    pub rows: u64,
    /// Size of the rows sent, in bytes.
    pub bytes: u64,
    /// Milliseconds spent in writes.
    pub milliseconds: u64,
    /// Number of failures, by error class.
    pub errors: BTreeMap<&'static str, u64>,
    /// Number of responses that report throttling, an exhausted quota or a full DML queue.
    pub rate_limit_hits: u64,
    /// Milliseconds waited for the writer lease or for a rate limiter.
    pub waited_ms: u64,
    /// Number of batches written through a staging table.
    pub staged: u64,
    /// Number of expired staging tables deleted.
    pub staging_tables_deleted: u64,
    /// Number of batches whose counts did not add up.
    pub divergences: u64,
}
impl Counters {
    /// Adds the rows and records of a written batch.
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
