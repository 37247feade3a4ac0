//! Metrics of the sink.
//!
//! Invariant: label values come from closed sets (outcomes, error classes); every count is added once.
//! Not here: the metric names (`runtime::metrics`), the counters of a warehouse (`counters`).
use crate::subscription::SINK;
use crate::{
    counters::Counters, progress::Progress, reconciler::Reconciliation, warehouse::WarehouseError,
    write_summary::WriteSummary,
};
use runtime::{metrics as m, subscription::RunContext};
use std::{sync::Arc, time::Duration};

/// Counts the batches, rows, failures and reconciliations of the sink in the metrics of the process.
pub struct SinkMetrics {
    run_context: Arc<RunContext>,
    /// Values of the warehouse's counters at the last export; only their increase since then is added to the metrics.
    exported_counters: Counters,
}

impl SinkMetrics {
    pub fn new(run_context: Arc<RunContext>) -> SinkMetrics {
        SinkMetrics { run_context, exported_counters: Counters::default() }
    }
    /// Sets whether a batch is being written.
    pub fn set_in_flight(&self, is_in_flight: bool) {
        self.run_context.metrics.set(m::SINK_IN_FLIGHT, &[SINK], f64::from(u8::from(is_in_flight)));
    }
    /// Counts one attempt to write a batch, with its duration and, unless the write is still running, its outcome.
    pub fn count_attempt(&self, attempt: &Result<Progress<WriteSummary>, WarehouseError>, took: Duration) {
        let metrics = &self.run_context.metrics;
        metrics.add(m::SINK_ATTEMPTS, &[SINK], 1);
        metrics.observe(m::SINK_SECONDS, &[SINK], took.as_secs_f64());
        match attempt {
            Ok(Progress::Done(written)) => {
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
            Ok(Progress::Pending(_)) => {}
            Err(error) => self.count_failure(error),
        }
    }
    /// Counts a failed write or query.
    pub fn count_failure(&self, error: &WarehouseError) {
        self.run_context.metrics.add(m::SINK_ERRORS, &[SINK, error_kind(error)], 1);
    }
    /// Counts a rebuild that started because the warehouse lacked a committed batch.
    pub fn count_divergence(&self) {
        self.run_context.metrics.add(m::SINK_DIVERGENCES, &[SINK], 1);
    }
    /// Counts a reconciliation that failed.
    pub fn count_failed_reconciliation(&self) {
        self.run_context.metrics.add(m::SINK_RECONCILIATIONS, &[SINK, "error"], 1);
    }
    /// Counts the result of a reconciliation.
    pub fn count_reconciliation(&self, reconciliation: &Reconciliation) {
        let metrics = &self.run_context.metrics;
        let mismatched = reconciliation.mismatches.len();
        let outcome = match (&reconciliation.skipped, mismatched) {
            (Some(_), _) => "skipped",
            (None, 0) => "match",
            _ => "mismatch",
        };
        metrics.add(m::SINK_RECONCILIATIONS, &[SINK, outcome], 1);
        if reconciliation.skipped.is_none() {
            metrics.set(m::SINK_MISMATCHED_GAMES, &[SINK], mismatched as f64);
        }
    }
    /// Adds the increase of the warehouse's counters since the last export to the metrics.
    pub fn export_counters(&mut self, now: Counters) {
        let metrics = &self.run_context.metrics;
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
        WarehouseError::Setting { .. } | WarehouseError::Config { .. } => "config",
        WarehouseError::Fatal { .. } => "fatal",
    }
}
