//! What a warehouse counts of the way into it.
//!
//! Invariant: a count only grows.
//! Not here: the names under which they are exported.
use crate::warehouse::WriteSummary;
use std::collections::BTreeMap;

/// Counts since the process started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Batches written, those written before left out.
    pub batches: u64,
    /// Statements sent that change the tables.
    pub attempts: u64,
    /// Jobs taken over that had been sent before.
    pub reused: u64,
    /// Records read, by what became of them.
    pub records: BTreeMap<&'static str, u64>,
    /// Rows of the tables put or deleted.
    pub rows: u64,
    /// Bytes of rows sent.
    pub bytes: u64,
    pub milliseconds: u64,
    /// By class.
    pub errors: BTreeMap<&'static str, u64>,
    /// Answers that say too much, too fast.
    pub rate_limit_hits: u64,
    /// Milliseconds waited for another writer's statement, or for the rate of the sink's own.
    pub waited_ms: u64,
    /// Batches that were loaded into a table of their own first.
    pub staged: u64,
    /// Tables of batches left behind, that the sweeper deleted.
    pub staging_tables_deleted: u64,
    /// Batches whose counts did not add up.
    pub divergences: u64,
}
impl Counters {
    pub fn account(&mut self, written: &WriteSummary) {
        self.rows += written.rows;
        for (what, count) in [
            ("applied", written.applied),
            ("unchanged", written.unchanged),
            ("stale", written.stale),
            ("superseded", written.superseded),
            ("rejected", written.rejected),
        ] {
            *self.records.entry(what).or_default() += count;
        }
    }
}
