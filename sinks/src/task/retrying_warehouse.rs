//! The warehouse with retries: a call is repeated until its operation is done, fails permanently, or the process stops.
//!
//! Invariant: every attempt is counted in the metrics; an operation that is still running is not counted as failed. Once the process stops,
//! no call is repeated after the shutdown deadline.
//! Not here: the delay before a retry (`WarehouseError::Retry` has it).
use super::metrics::SinkMetrics;
use crate::{
    date_filter::DateRange,
    plan::BatchPlan,
    progress::Progress,
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
    /// Time until which calls are still repeated while the process stops; `None` if they are not repeated then.
    shutdown_deadline: Option<Instant>,
}

impl RetryingWarehouse {
    pub fn new(warehouse: Box<dyn Warehouse>, run_context: Arc<RunContext>) -> RetryingWarehouse {
        let metrics = SinkMetrics::new(run_context.clone());
        RetryingWarehouse { warehouse, metrics, run_context, shutdown_deadline: None }
    }
    /// Opens the warehouse; while it is not ready, for example because another process has locked it, it is opened again.
    ///
    /// # Errors
    /// The permanent failure, or `SinkError::Stopped`.
    pub fn open(
        mut open_warehouse: impl FnMut() -> Result<Box<dyn Warehouse>, WarehouseError>,
        run_context: Arc<RunContext>,
    ) -> Result<RetryingWarehouse, SinkError> {
        let metrics = SinkMetrics::new(run_context.clone());
        loop {
            match open_warehouse() {
                Ok(warehouse) => return Ok(RetryingWarehouse::new(warehouse, run_context)),
                Err(error @ WarehouseError::Retry { .. }) => {
                    metrics.count_failure(&error);
                    let WarehouseError::Retry { what, after, alert } = error else { continue };
                    log_retry(&what, after, alert);
                    sleep(&run_context, None, what, after)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    pub fn warehouse(&self) -> &dyn Warehouse {
        self.warehouse.as_ref()
    }
    pub fn metrics(&self) -> &SinkMetrics {
        &self.metrics
    }
    /// Allows calls to be repeated for this long from now on, even while the process stops.
    pub fn allow_shutdown_wait(&mut self, limit: Duration) {
        self.shutdown_deadline = Instant::now().checked_add(limit);
    }
    /// Repeats a call until its operation is done, fails permanently, or the sink is stopped.
    ///
    /// # Errors
    /// The permanent failure, or `SinkError::Stopped`.
    pub fn retry<T>(
        &mut self,
        mut call: impl FnMut(&mut dyn Warehouse) -> Result<Progress<T>, WarehouseError>,
    ) -> Result<T, SinkError> {
        loop {
            let result = call(self.warehouse.as_mut());
            if let Err(error) = &result {
                self.metrics.count_failure(error);
            }
            self.metrics.export_counters(self.warehouse.counters());
            match result {
                Ok(Progress::Done(result)) => return Ok(result),
                Ok(Progress::Pending(what)) => self.continue_pending(what)?,
                Err(WarehouseError::Retry { what, after, alert }) => self.wait(what, after, alert)?,
                Err(error) => return Err(error.into()),
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
    ) -> Result<Progress<WriteSummary>, WarehouseError> {
        let filtered =
            dates.map_or(Ok(Progress::Done(())), |dates| dates.filter_batch(batch, self.warehouse.as_ref()));
        let started = Instant::now();
        let attempt = match filtered {
            Ok(Progress::Done(())) => self.warehouse.write(batch, plan, now()),
            Ok(Progress::Pending(what)) => Ok(Progress::Pending(what)),
            Err(error) => Err(error),
        };
        self.metrics.count_attempt(&attempt, started.elapsed());
        self.metrics.export_counters(self.warehouse.counters());
        attempt
    }
    /// Logs an operation that is still running. The caller then repeats the call at once, which continues the operation.
    ///
    /// # Errors
    /// `SinkError::Stopped` if the process is stopping and the shutdown deadline has passed.
    pub fn continue_pending(&self, reason: String) -> Result<(), SinkError> {
        tracing::info!(reason, "write pending");
        sleep(&self.run_context, self.shutdown_deadline, reason, Duration::ZERO)
    }
    /// Sleeps before the next attempt of a failed call.
    ///
    /// # Errors
    /// `SinkError::Stopped` if the process is stopping and the shutdown deadline has passed.
    pub fn wait(&self, reason: String, after: Duration, alert: bool) -> Result<(), SinkError> {
        log_retry(&reason, after, alert);
        sleep(&self.run_context, self.shutdown_deadline, reason, after)
    }
}

fn log_retry(reason: &str, after: Duration, alert: bool) {
    let pause_ms = after.as_millis() as u64;
    if alert {
        tracing::error!(reason, pause_ms, "write failing, retrying");
    } else {
        tracing::warn!(reason, pause_ms, "the warehouse is not ready, retrying");
    }
}

/// Sleeps, unless the process is stopping and the shutdown deadline has passed.
fn sleep(
    run_context: &RunContext,
    shutdown_deadline: Option<Instant>,
    reason: String,
    pause: Duration,
) -> Result<(), SinkError> {
    let until = Instant::now() + pause;
    let is_before_deadline = || shutdown_deadline.is_some_and(|end| Instant::now() < end);
    while !run_context.is_stopping() || is_before_deadline() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(STOP_CHECK_INTERVAL));
    }
    Err(SinkError::Stopped(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sqlite;

    fn retrying(run_context: &Arc<RunContext>) -> RetryingWarehouse {
        RetryingWarehouse::new(Box::new(Sqlite::in_memory().unwrap()), run_context.clone())
    }
    fn running() -> Result<Progress<u8>, WarehouseError> {
        Ok(Progress::Pending("job j1 is still running".into()))
    }
    fn errors(run_context: &RunContext) -> usize {
        let text = run_context.metrics.text().unwrap();
        text.lines().filter(|line| line.starts_with("fastbreak_sink_errors_total{")).count()
    }

    #[test]
    fn an_operation_that_is_still_running_is_continued_at_once_and_not_counted_as_failed() {
        let run_context = Arc::new(RunContext::default());
        let mut calls = 0;
        let result = retrying(&run_context).retry(|_| {
            calls += 1;
            if calls < 5 { running() } else { Ok(Progress::Done(7)) }
        });
        assert_eq!((result.unwrap(), calls, errors(&run_context)), (7, 5, 0));
    }
    #[test]
    fn a_failed_call_is_retried_and_counted() {
        let run_context = Arc::new(RunContext::default());
        let mut calls = 0;
        let result = retrying(&run_context).retry(|_| {
            calls += 1;
            let (what, after) = ("throttled".into(), Duration::from_millis(1));
            if calls < 2 {
                Err(WarehouseError::Retry { what, after, alert: false })
            } else {
                Ok(Progress::Done(7))
            }
        });
        assert_eq!((result.unwrap(), calls, errors(&run_context)), (7, 2, 1));
    }
    #[test]
    fn once_the_process_stops_an_operation_that_is_still_running_is_not_continued() {
        let run_context = Arc::new(RunContext::default());
        let mut calls = 0;
        let result = retrying(&run_context).retry(|_| {
            calls += 1;
            assert!(calls <= 3, "the operation was continued after the stop");
            if calls == 3 {
                run_context.stop();
            }
            running()
        });
        assert!(matches!(result, Err(SinkError::Stopped(what)) if what == "job j1 is still running"));
        assert_eq!((calls, errors(&run_context)), (3, 0));
    }
    #[test]
    fn while_the_process_stops_an_operation_is_continued_until_the_shutdown_deadline() {
        let run_context = Arc::new(RunContext::default());
        run_context.stop();
        let mut warehouse = retrying(&run_context);
        warehouse.allow_shutdown_wait(Duration::from_secs(3600));
        let mut calls = 0;
        let result = warehouse.retry(|_| {
            calls += 1;
            if calls < 5 { running() } else { Ok(Progress::Done(7)) }
        });
        assert_eq!((result.unwrap(), calls), (7, 5));
        // An operation that never ends is continued until the deadline only.
        warehouse.allow_shutdown_wait(Duration::from_millis(20));
        let mut calls = 0;
        let result = warehouse.retry(|_| {
            calls += 1;
            assert!(calls < 10_000, "the operation was continued after the deadline");
            std::thread::sleep(Duration::from_millis(1));
            running()
        });
        assert!(matches!(result, Err(SinkError::Stopped(_))));
    }
}
