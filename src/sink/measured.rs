//! What the sink counts, into the metrics.
//!
//! Invariant: labels come from closed sets: outcomes, classes of failure; a count is added once.
//! Not here: the table of names (`runtime::metrics`), counting in a warehouse (crate `sinks`).
use super::{SINK, Sink};
use runtime::metrics as m;
use sinks::{WarehouseError, Written};
use std::time::Duration;

impl Sink {
    /// One call to write a batch.
    pub(super) fn count_attempt(&mut self, attempt: &Result<Written, WarehouseError>, took: Duration) {
        let metrics = &self.signals.metrics;
        metrics.add(m::SINK_ATTEMPTS, &[SINK], 1);
        metrics.observe(m::SINK_SECONDS, &[SINK], took.as_secs_f64());
        match attempt {
            Ok(written) => {
                let outcome = if written.repeated { "repeated" } else { "written" };
                metrics.add(m::SINK_BATCHES, &[SINK, outcome], 1);
                metrics.add(m::SINK_ROWS, &[SINK], written.rows);
                let records = [
                    ("applied", written.applied),
                    ("unchanged", written.unchanged),
                    ("stale", written.stale),
                    ("superseded", written.superseded),
                    ("rejected", written.rejected),
                ];
                records.into_iter().for_each(|(end, n)| metrics.add(m::SINK_RECORDS, &[SINK, end], n));
            }
            Err(_) => self.count_failure(attempt),
        }
        self.count();
    }
    /// A write or a question that failed; one that only takes long did not.
    pub(super) fn count_failure<T>(&self, outcome: &Result<T, WarehouseError>) {
        if let Err(error) = outcome
            && !error.is_wait()
        {
            self.signals.metrics.add(m::SINK_ERRORS, &[SINK, who_acts(error)], 1);
        }
    }
    /// What the warehouse counted since the last look.
    pub(super) fn count(&mut self) {
        let (now, metrics) = (self.warehouse.counters(), &self.signals.metrics);
        let seen = std::mem::replace(&mut self.counted, now.clone());
        let add = |metric, now: u64, seen: u64| metrics.add(metric, &[SINK], now.saturating_sub(seen));
        add(m::SINK_STATEMENTS, now.attempts, seen.attempts);
        add(m::SINK_ADOPTED, now.adopted, seen.adopted);
        add(m::SINK_BYTES, now.bytes, seen.bytes);
        add(m::SINK_RATE_LIMITED, now.rate_limit_hits, seen.rate_limit_hits);
        add(m::SINK_WAITED, now.waited_ms / 1000, seen.waited_ms / 1000);
        add(m::SINK_STAGED, now.staged, seen.staged);
        add(m::SINK_SWEPT, now.swept, seen.swept);
        add(m::SINK_DRIFTS, now.drifts, seen.drifts);
        for (class, many) in &now.errors {
            let before = seen.errors.get(class).copied().unwrap_or(0);
            metrics.add(m::SINK_FAILURES, &[SINK, class], many.saturating_sub(before));
        }
    }
}

const fn who_acts(error: &WarehouseError) -> &'static str {
    match error {
        WarehouseError::Retry { .. } => "retry",
        WarehouseError::Rows(_) => "rows",
        WarehouseError::Size { .. } => "size",
        WarehouseError::Config { .. } => "config",
        WarehouseError::Fatal { .. } => "fatal",
    }
}
