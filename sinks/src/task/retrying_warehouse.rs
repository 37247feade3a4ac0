//! The warehouse with retries: a call is repeated until it succeeds, fails permanently, or the process stops.
//!
//! Invariant: every attempt is counted in the metrics. Once the process stops, no wait goes on after the shutdown deadline.
//! Not here: the delay before a retry (`WarehouseError::Retry` has it).
use super::metrics::SinkMetrics;
use crate::{
    date_filter::DateRange,
    plan::BatchPlan,
    sink_error::SinkError,
    warehouse::{Warehouse, WarehouseError},
    window::Batch,
    write_summary::WriteSummary,
};
use runtime::{clock::now, subscription::RunContext};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Maximum time until a wait notices that the process stops.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Owns the warehouse of a sink task.
pub struct RetryingWarehouse {
    warehouse: Box<dyn Warehouse>,
    metrics: SinkMetrics,
    run_context: Arc<RunContext>,
    /// Time until which calls are still retried while the process stops; `None` if they are not retried then.
    shutdown_deadline: Option<Instant>,
}

impl RetryingWarehouse {
    pub fn new(warehouse: Box<dyn Warehouse>, run_context: Arc<RunContext>) -> RetryingWarehouse {
        let metrics = SinkMetrics::new(run_context.clone());
        RetryingWarehouse { warehouse, metrics, run_context, shutdown_deadline: None }
    }
    pub fn warehouse(&self) -> &dyn Warehouse {
        self.warehouse.as_ref()
    }
    pub fn metrics(&self) -> &SinkMetrics {
        &self.metrics
    }
    /// Allows calls to be retried for this long from now on, even while the process stops.
    pub fn allow_shutdown_wait(&mut self, limit: Duration) {
        self.shutdown_deadline = Instant::now().checked_add(limit);
    }
    /// Repeats a call until it succeeds, fails permanently, or the sink is stopped.
    ///
    /// # Errors
    /// The permanent failure, or `SinkError::Stopped`.
    pub fn retry<T>(
        &mut self,
        mut call: impl FnMut(&mut dyn Warehouse) -> Result<T, WarehouseError>,
    ) -> Result<T, SinkError> {
        loop {
            let result = call(self.warehouse.as_mut());
            self.metrics.count_failure(&result);
            self.metrics.export_counters(self.warehouse.counters());
            match result {
                Err(WarehouseError::Retry { what, after, alert }) => self.wait(what, after, alert)?,
                other => return Ok(other?),
            }
        }
    }
    /// Attempts once to write a batch, of which only the games of these dates are written.
    ///
    /// # Errors
    /// As [`Warehouse::write`].
    pub fn attempt_write(
        &mut self,
        batch: &mut Batch,
        plan: &BatchPlan,
        dates: Option<DateRange>,
    ) -> Result<WriteSummary, WarehouseError> {
        let filtered = dates.map_or(Ok(()), |dates| dates.filter_batch(batch, self.warehouse.as_ref()));
        let started = Instant::now();
        let attempt = filtered.and_then(|()| self.warehouse.write(batch, plan, now()));
        self.metrics.count_attempt(&attempt, started.elapsed());
        self.metrics.export_counters(self.warehouse.counters());
        attempt
    }
    /// Sleeps before the next attempt of a call.
    ///
    /// # Errors
    /// `SinkError::Stopped` if the process is stopping and the shutdown deadline has passed.
    pub fn wait(&self, reason: String, after: Duration, alert: bool) -> Result<(), SinkError> {
        let pause_ms = after.as_millis() as u64;
        if after.is_zero() {
            tracing::info!(reason, "write pending");
        } else if alert {
            tracing::error!(reason, pause_ms, "write failing, retrying");
        } else {
            tracing::warn!(reason, pause_ms, "the warehouse is not ready, retrying");
        }
        let until = Instant::now() + after;
        let is_before_deadline = || self.shutdown_deadline.is_some_and(|end| Instant::now() < end);
        while !self.run_context.is_stopping() || is_before_deadline() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(STOP_CHECK_INTERVAL));
        }
        Err(SinkError::Stopped(reason))
    }
}
