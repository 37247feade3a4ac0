//! What the sink counts, and the names under which it is exported.
//!
//! Invariant: a count only grows; `in_flight` is 0 or 1.
//! Not here: an endpoint that serves them.
use crate::warehouse::Written;
use std::collections::BTreeMap;

/// Counts since the process started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// Batches written, those written before left out.
    pub batches: u64,
    /// Statements sent that change the tables.
    pub attempts: u64,
    /// Jobs taken over that had been sent before.
    pub adopted: u64,
    /// Records read, by what became of them.
    pub records: BTreeMap<&'static str, u64>,
    /// Rows of the tables put or deleted.
    pub rows: u64,
    /// Bytes of rows sent.
    pub bytes: u64,
    pub milliseconds: u64,
    /// By class.
    pub errors: BTreeMap<&'static str, u64>,
    pub in_flight: u64,
    /// Answers that say too much, too fast.
    pub rate_limit_hits: u64,
    /// Milliseconds waited for another writer's statement, or for the rate of the sink's own.
    pub waited_ms: u64,
    /// Batches that were loaded into a table of their own first.
    pub staged: u64,
    /// Tables of batches left behind, that the sweeper deleted.
    pub swept: u64,
    /// Batches whose counts did not add up.
    pub drifts: u64,
}
impl Counters {
    pub fn account(&mut self, written: &Written) {
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
    /// Name, label with value, number.
    pub fn samples(&self) -> Vec<Sample> {
        let one = |name, value: u64| (name, None, value as f64);
        let mut samples = vec![
            one("fastbreak_sink_batches_total", self.batches),
            one("fastbreak_sink_write_attempts_total", self.attempts),
            one("fastbreak_sink_jobs_adopted_total", self.adopted),
            one("fastbreak_sink_rows_total", self.rows),
            one("fastbreak_sink_bytes_total", self.bytes),
            ("fastbreak_sink_write_seconds_total", None, self.milliseconds as f64 / 1000.0),
            one("fastbreak_sink_in_flight", self.in_flight),
            one("fastbreak_sink_rate_limit_hits_total", self.rate_limit_hits),
            ("fastbreak_sink_waited_seconds_total", None, self.waited_ms as f64 / 1000.0),
            one("fastbreak_sink_staged_batches_total", self.staged),
            one("fastbreak_sink_staging_tables_swept_total", self.swept),
            one("fastbreak_sink_drifts_total", self.drifts),
        ];
        let labelled = |name, label, counts: &BTreeMap<&'static str, u64>| -> Vec<Sample> {
            counts.iter().map(|(value, count)| (name, Some((label, *value)), *count as f64)).collect()
        };
        samples.extend(labelled("fastbreak_sink_records_total", "outcome", &self.records));
        samples.extend(labelled("fastbreak_sink_write_errors_total", "class", &self.errors));
        samples
    }
}
/// Name, label with value, number.
pub type Sample = (&'static str, Option<(&'static str, &'static str)>, f64);
