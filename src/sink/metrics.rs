//! Metrics of the sink.
//!
//! Invariant: label values come from closed sets (outcomes, error classes); every count is added once.
//! Not here: the metric names (`runtime::metrics`), the counters of a warehouse (crate `sinks`).
use super::{SINK, SinkTask};
use runtime::metrics as m;
use sinks::{WarehouseError, WriteSummary};
use std::time::Duration;

impl SinkTask {
    /// Counts one call that writes a batch.
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
                for (outcome, count) in records {
                    metrics.add(m::SINK_RECORDS, &[SINK, outcome], count);
                }
            }
            Err(_) => self.count_failure(attempt),
        }
        self.export_counters();
    }
    /// Counts a failed write or query. A pending write or query is not counted, since it has not failed.
    pub(super) fn count_failure<T>(&self, outcome: &Result<T, WarehouseError>) {
        if let Err(error) = outcome
            && !error.is_pending()
        {
            self.run_context.metrics.add(m::SINK_ERRORS, &[SINK, error_kind(error)], 1);
        }
    }
    /// Adds the increase of the warehouse's counters since the last export to the metrics.
    pub(super) fn export_counters(&mut self) {
        let (now, metrics) = (self.warehouse.counters(), &self.run_context.metrics);
        let exported = std::mem::replace(&mut self.exported_counters, now.clone());
        let add =
            |metric, now: u64, exported: u64| metrics.add(metric, &[SINK], now.saturating_sub(exported));
        add(m::SINK_STATEMENTS, now.attempts, exported.attempts);
        add(m::SINK_JOBS_REUSED, now.reused, exported.reused);
        add(m::SINK_BYTES, now.bytes, exported.bytes);
        add(m::SINK_RATE_LIMITED, now.rate_limit_hits, exported.rate_limit_hits);
        add(m::SINK_WAITED, now.waited_ms / 1000, exported.waited_ms / 1000);
        add(m::SINK_STAGED, now.staged, exported.staged);
        add(m::SINK_STAGING_TABLES_DELETED, now.staging_tables_deleted, exported.staging_tables_deleted);
        add(m::SINK_DIVERGENCES, now.divergences, exported.divergences);
        for (class, count) in &now.errors {
            let before = exported.errors.get(class).copied().unwrap_or(0);
            metrics.add(m::SINK_FAILURES, &[SINK, class], count.saturating_sub(before));
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
