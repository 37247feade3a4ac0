//! The sink's own look at whether the warehouse holds what the log says: once an hour, and at the end of a run that ends.
//!
//! Invariant: between batches, so nothing is half written; a warehouse that does not answer is asked again, and stops nothing.
//! Not here: what is compared (`agreement`).
use super::{SINK, Sink};
use crate::agreement;
use anyhow::Result;
use runtime::metrics as m;
use sinks::WarehouseError;
use std::time::{Duration, Instant};

/// What a run that ends says of a warehouse that differs; the log has said where.
pub(super) const DIFFERS: &str = "the warehouse does not hold what the log says\nnext: `fastbreak audit --output json` lists the games; `fastbreak sink adopt` and `fastbreak run` write the warehouse anew from the log";

impl Sink {
    /// When the next look is due. A replay writes the games of some days alone, so its warehouse cannot hold what its log says.
    pub(super) fn next_audit(&self, every: Duration) -> Option<Instant> {
        (self.dates.is_none() && !every.is_zero()).then(|| Instant::now() + every)
    }
    /// Looks; answers whether nothing differs.
    pub(super) fn audit(&mut self) -> Result<bool> {
        let looked = agreement::look(self.member.storage(), self.warehouse.as_ref());
        let metrics = &self.signals.metrics;
        let agreement = match looked.map_err(|error| error.downcast::<WarehouseError>()) {
            Ok(agreement) => agreement,
            Err(Ok(WarehouseError::Retry { what, .. })) => {
                metrics.add(m::SINK_AUDITS, &[SINK, "unanswered"], 1);
                tracing::warn!(reason = what, "the warehouse could not be held against the log");
                return Ok(true);
            }
            Err(Ok(error)) => return Err(error.into()),
            Err(Err(error)) => return Err(error),
        };
        let differing = agreement.differences.len();
        metrics.set(m::SINK_DIFFERING, &[SINK], differing as f64);
        let outcome = match (&agreement.not_compared, differing) {
            (Some(_), _) => "not_compared",
            (None, 0) => "agrees",
            _ => "differs",
        };
        metrics.add(m::SINK_AUDITS, &[SINK, outcome], 1);
        let said = agreement.said();
        match differing {
            0 => tracing::info!(said, "audit"),
            _ => tracing::error!(
                said,
                next = "`fastbreak audit --output json` lists the games; `fastbreak sink adopt`, then `fastbreak run`, write the warehouse anew from the log",
                "audit"
            ),
        }
        Ok(differing == 0)
    }
}
