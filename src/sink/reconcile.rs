//! Reconciliation of the warehouse with the log by the sink itself: periodically, and at the end of a run with `--until-caught-up`.
//!
//! Invariant: it runs between batches, so no batch is unfinished, and only in the instance that writes. The periodic reconciliation never
//! stops the sink.
//! Not here: the comparison (`reconciler`).
use super::{SINK, SinkTask};
use crate::reconciler::{self, Reconciliation};
use anyhow::Result;
use runtime::{RuntimeError, metrics as m};
use sinks::WarehouseError;
use std::time::{Duration, Instant};

/// What an operator must do about a mismatch.
const REMEDIATION: &str = "next: `fastbreak audit --output json` lists the games; `fastbreak sink rebuild`, then `fastbreak run`, write all rows again from the log";

impl SinkTask {
    /// Returns the time of the next reconciliation; `None` if the interval is zero, and for a replay, whose warehouse has only the games of
    /// some days.
    pub(super) fn next_reconciliation(&self, interval: Duration) -> Option<Instant> {
        let is_wanted = self.dates.is_none() && !interval.is_zero();
        is_wanted.then(|| Instant::now().checked_add(interval)).flatten()
    }
    /// Runs the periodic reconciliation; counts and logs its result.
    pub(super) fn reconcile(&mut self) {
        let run_context = self.run_context.clone();
        let result =
            reconciler::reconcile(self.member.log(), self.warehouse.as_ref(), &|| run_context.is_stopping());
        match result {
            Ok(reconciliation) => {
                self.record_reconciliation(&reconciliation);
            }
            Err(error) => {
                self.run_context.metrics.add(m::SINK_RECONCILIATIONS, &[SINK, "error"], 1);
                let reason = crate::error_chain::error_chain(&error);
                tracing::warn!(reason, "the warehouse could not be reconciled with the log");
            }
        }
    }
    /// Runs the final reconciliation of a run with `--until-caught-up`.
    ///
    /// # Errors
    /// `Warehouse` on a mismatch.
    pub(super) fn reconcile_at_end(&mut self) -> Result<()> {
        let reconciliation = loop {
            let result = reconciler::reconcile(self.member.log(), self.warehouse.as_ref(), &|| false);
            match result.map_err(|error| error.downcast::<WarehouseError>()) {
                Ok(reconciliation) => break reconciliation,
                Err(Ok(WarehouseError::Retry { what, after, alert })) => self.wait(what, after, alert)?,
                Err(Ok(error)) => return Err(error.into()),
                Err(Err(error)) => return Err(error),
            }
        };
        if self.record_reconciliation(&reconciliation) {
            return Ok(());
        }
        Err(RuntimeError::Warehouse(format!("{}\n{REMEDIATION}", reconciliation.summary())).into())
    }
    /// Counts and logs a result; returns true if there is no mismatch.
    fn record_reconciliation(&self, reconciliation: &Reconciliation) -> bool {
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
        let summary = reconciliation.summary();
        if mismatched == 0 {
            tracing::info!(summary, "reconciliation");
        } else {
            tracing::error!(summary, REMEDIATION, "reconciliation");
        }
        mismatched == 0
    }
}
