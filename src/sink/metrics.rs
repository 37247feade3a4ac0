//! What the sink counts, into the metrics.
//!
//! Invariant: labels come from closed sets: outcomes, classes of failure; a count is added once.
//! Not here: the table of names (`runtime::metrics`), counting in a warehouse (crate `sinks`).
use super::{SINK, SinkTask};
use runtime::metrics as m;
use sinks::{WarehouseError, WriteSummary};
use std::time::Duration;

impl SinkTask {
    /// One call to write a batch.
    pub(super) fn count_attempt(&mut self, attempt: &Result<WriteSummary, WarehouseError>, took: Duration) {
        let metrics = &self.run_context.metrics;
        metrics.add(m::SINK_ATTEMPTS, &[SINK], 1);
        metrics.observe(m::SINK_SECONDS, &[SINK], took.as_secs_f64());
        match attempt {
            Ok(written) => {
                let outcome = if written.already_committed { "already_committed" } else { "written" };
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
            && !error.is_pending()
        {
            self.run_context.metrics.add(m::SINK_ERRORS, &[SINK, error_kind(error)], 1);
        }
    }
    /// What the warehouse counted since the last look.
    pub(super) fn count(&mut self) {
        let (now, metrics) = (self.warehouse.counters(), &self.run_context.metrics);
        let seen = std::mem::replace(&mut self.exported_counters, now.clone());
        let add = |metric, now: u64, seen: u64| metrics.add(metric, &[SINK], now.saturating_sub(seen));
        add(m::SINK_STATEMENTS, now.attempts, seen.attempts);
        add(m::SINK_JOBS_REUSED, now.reused, seen.reused);
        add(m::SINK_BYTES, now.bytes, seen.bytes);
        add(m::SINK_RATE_LIMITED, now.rate_limit_hits, seen.rate_limit_hits);
        add(m::SINK_WAITED, now.waited_ms / 1000, seen.waited_ms / 1000);
        add(m::SINK_STAGED, now.staged, seen.staged);
        add(m::SINK_STAGING_TABLES_DELETED, now.staging_tables_deleted, seen.staging_tables_deleted);
        add(m::SINK_DIVERGENCES, now.divergences, seen.divergences);
        for (class, many) in &now.errors {
            let before = seen.errors.get(class).copied().unwrap_or(0);
            metrics.add(m::SINK_FAILURES, &[SINK, class], many.saturating_sub(before));
        }
    }
}

const fn error_kind(error: &WarehouseError) -> &'static str {
    match error {
        WarehouseError::Retry { .. } => "retry",
        WarehouseError::Rows(_) => "rows",
        WarehouseError::Size { .. } => "size",
        WarehouseError::Config { .. } => "config",
        WarehouseError::Fatal { .. } => "fatal",
    }
}
