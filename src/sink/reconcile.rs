//! The sink's own look at whether the warehouse holds what the log says: once an hour, and at the end of a run that ends.
//!
//! Invariant: between batches, so nothing is half written, and by the one instance that writes. The hourly look stops nothing.
//! Not here: what is compared (`reconciler`).
use super::{SINK, SinkTask};
use crate::reconciler::{self, Reconciliation};
use anyhow::Result;
use runtime::{RuntimeError, metrics as m};
use sinks::WarehouseError;
use std::time::{Duration, Instant};

/// What to do about a warehouse that differs.
const REMEDIATION: &str = "next: `fastbreak audit --output json` lists the games; `fastbreak sink rebuild`, then `fastbreak run`, write the warehouse anew from the log";

impl SinkTask {
    /// When the next look is due. A replay writes the games of some days alone, so its warehouse cannot hold what its log says.
    pub(super) fn next_reconciliation(&self, every: Duration) -> Option<Instant> {
        let is_wanted = self.dates.is_none() && !every.is_zero();
        is_wanted.then(|| Instant::now().checked_add(every)).flatten()
    }
    /// The hourly look, which stops nobody whatever comes of it.
    pub(super) fn reconcile(&mut self) {
        let run_context = self.run_context.clone();
        let looked =
            reconciler::reconcile(self.member.log(), self.warehouse.as_ref(), &|| run_context.is_stopping());
        match looked {
            Ok(reconciliation) => _ = self.record_reconciliation(&reconciliation),
            Err(error) => {
                self.run_context.metrics.add(m::SINK_RECONCILIATIONS, &[SINK, "error"], 1);
                let reason = crate::error_chain::error_chain(&error);
                tracing::warn!(reason, "the warehouse could not be held against the log");
            }
        }
    }
    /// The look at the end of a run that ends, whose outcome is its own.
    pub(super) fn reconcile_at_end(&mut self) -> Result<()> {
        let reconciliation = loop {
            let looked = reconciler::reconcile(self.member.log(), self.warehouse.as_ref(), &|| false);
            match looked.map_err(|error| error.downcast::<WarehouseError>()) {
                Ok(reconciliation) => break reconciliation,
                Err(Ok(WarehouseError::Retry { what, after, alert })) => self.wait(what, after, alert)?,
                Err(Ok(error)) => return Err(error.into()),
                Err(Err(error)) => return Err(error),
            }
        };
        match self.record_reconciliation(&reconciliation) {
            true => Ok(()),
            false => {
                Err(RuntimeError::Warehouse(format!("{}\n{REMEDIATION}", reconciliation.summary())).into())
            }
        }
    }
    /// Counts and says what a look found; answers whether nothing differs.
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
        match mismatched {
            0 => tracing::info!(summary, "audit"),
            _ => tracing::error!(summary, REMEDIATION, "audit"),
        }
        mismatched == 0
    }
}
