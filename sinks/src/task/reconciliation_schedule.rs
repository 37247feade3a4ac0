//! Decides when the sink itself reconciles the warehouse with the log: periodically, and at the end of a run with `--until-caught-up`.
//!
//! Invariant: a reconciliation runs between batches, so no batch is unfinished, and only in the instance that writes. The periodic
//! reconciliation never stops the sink.
//! Not here: the comparison (`reconciler`).
use super::batch_writer::BatchWriter;
use crate::{
    progress::Progress,
    reconciler::{Reconciler, Reconciliation},
    sink_error::SinkError,
    warehouse::WarehouseError,
};
use runtime::{RuntimeError, subscription::RunContext};
use std::time::{Duration, Instant};

/// What an operator must do about a mismatch.
const REMEDIATION: &str = "next: `fastbreak audit --output json` lists the games; `fastbreak sink rebuild`, then `fastbreak run`, write all rows again from the log";

/// Time limit of a periodic reconciliation whose queries are slow. No batch is written during a reconciliation.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Decides when the next periodic reconciliation is due, and runs it.
pub struct ReconciliationSchedule {
    interval: Duration,
    /// Time of the next reconciliation; `None` if the sink never reconciles periodically.
    due: Option<Instant>,
}

impl ReconciliationSchedule {
    /// Creates a schedule with this interval. Nothing is scheduled if the interval is zero, or in a replay, whose warehouse has only the
    /// games of some days.
    pub fn new(interval: Duration, is_replay: bool) -> ReconciliationSchedule {
        let is_wanted = !is_replay && !interval.is_zero();
        let due = is_wanted.then(|| Instant::now().checked_add(interval)).flatten();
        ReconciliationSchedule { interval, due }
    }
    pub fn is_enabled(&self) -> bool {
        self.due.is_some()
    }
    pub fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }
    /// Runs the periodic reconciliation; counts and logs its result.
    pub fn reconcile(&mut self, batch_writer: &mut BatchWriter, run_context: &RunContext) {
        let stopping = || Reconciliation::skipped("the process is stopping".into());
        let deadline = Instant::now() + TIME_LIMIT;
        match compare(batch_writer, Some(deadline), &|| run_context.is_stopping()) {
            Ok(reconciliation) => {
                record(batch_writer, &reconciliation);
            }
            Err(SinkError::Stopped(_)) => {
                record(batch_writer, &stopping());
            }
            Err(error) => {
                batch_writer.warehouse.metrics().count_failed_reconciliation();
                tracing::warn!(%error, "the warehouse could not be reconciled with the log");
            }
        }
        self.due = Instant::now().checked_add(self.interval);
    }
}

/// Runs the final reconciliation of a run with `--until-caught-up`.
///
/// # Errors
/// `RuntimeError::Warehouse` on a mismatch.
pub fn reconcile_at_end(batch_writer: &mut BatchWriter) -> Result<(), SinkError> {
    let reconciliation = loop {
        match compare(batch_writer, None, &|| false) {
            Err(SinkError::Warehouse(WarehouseError::Retry { what, after, alert })) => {
                batch_writer.warehouse.wait(what, after, alert)?;
            }
            other => break other?,
        }
    };
    if record(batch_writer, &reconciliation) {
        return Ok(());
    }
    Err(RuntimeError::Warehouse(format!("{}\n{REMEDIATION}", reconciliation.summary())).into())
}

/// Reconciles the warehouse with the log. Repeats this while a query of the warehouse is still running, but not after the deadline: then
/// the reconciliation is skipped.
///
/// # Errors
/// The failure, or `SinkError::Stopped`.
fn compare(
    batch_writer: &mut BatchWriter,
    deadline: Option<Instant>,
    stop: &dyn Fn() -> bool,
) -> Result<Reconciliation, SinkError> {
    let BatchWriter { log, warehouse, .. } = batch_writer;
    let mut reconciler = Reconciler::default();
    loop {
        match reconciler.reconcile(log.backend(), warehouse.warehouse(), stop)? {
            Progress::Done(reconciliation) => return Ok(reconciliation),
            Progress::Pending(what) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                return Ok(Reconciliation::skipped(what));
            }
            Progress::Pending(what) => warehouse.continue_pending(what)?,
        }
    }
}

/// Counts and logs the result of a reconciliation; returns true if there is no mismatch.
fn record(batch_writer: &BatchWriter, reconciliation: &Reconciliation) -> bool {
    batch_writer.warehouse.metrics().count_reconciliation(reconciliation);
    let summary = reconciliation.summary();
    let is_match = reconciliation.mismatches.is_empty();
    if is_match {
        tracing::info!(summary, "reconciliation");
    } else {
        tracing::error!(summary, REMEDIATION, "reconciliation");
    }
    is_match
}
