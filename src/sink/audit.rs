//! The sink's own look at whether the warehouse holds what the log says: once an hour, and at the end of a run that ends.
//!
//! Invariant: between batches, so nothing is half written, and by the one instance that writes. The hourly look stops nothing.
//! Not here: what is compared (`agreement`).
use super::{SINK, Sink};
use crate::agreement::{self, Agreement};
use anyhow::Result;
use runtime::{Halt, metrics as m};
use sinks::WarehouseError;
use std::time::{Duration, Instant};

/// What to do about a warehouse that differs.
const NEXT: &str = "next: `fastbreak audit --output json` lists the games; `fastbreak sink adopt`, then `fastbreak run`, write the warehouse anew from the log";

impl Sink {
    /// When the next look is due. A replay writes the games of some days alone, so its warehouse cannot hold what its log says.
    pub(super) fn next_audit(&self, every: Duration) -> Option<Instant> {
        let is_wanted = self.dates.is_none() && !every.is_zero();
        is_wanted.then(|| Instant::now().checked_add(every)).flatten()
    }
    /// The hourly look, which stops nobody whatever comes of it.
    pub(super) fn audit(&mut self) {
        let signals = self.signals.clone();
        let looked =
            agreement::look(self.member.storage(), self.warehouse.as_ref(), &|| signals.is_stopping());
        match looked {
            Ok(agreement) => _ = self.judge(&agreement),
            Err(error) => {
                self.signals.metrics.add(m::SINK_AUDITS, &[SINK, "unanswered"], 1);
                let reason = crate::cli::chain(&error);
                tracing::warn!(reason, "the warehouse could not be held against the log");
            }
        }
    }
    /// The look at the end of a run that ends, whose outcome is its own.
    pub(super) fn final_audit(&mut self) -> Result<()> {
        let agreement = loop {
            let looked = agreement::look(self.member.storage(), self.warehouse.as_ref(), &|| false);
            match looked.map_err(|error| error.downcast::<WarehouseError>()) {
                Ok(agreement) => break agreement,
                Err(Ok(WarehouseError::Retry { what, after, alert })) => self.wait(what, after, alert)?,
                Err(Ok(error)) => return Err(error.into()),
                Err(Err(error)) => return Err(error),
            }
        };
        match self.judge(&agreement) {
            true => Ok(()),
            false => Err(Halt::Sink(format!("{}\n{NEXT}", agreement.said())).into()),
        }
    }
    /// Counts and says what a look found; answers whether nothing differs.
    fn judge(&self, agreement: &Agreement) -> bool {
        let metrics = &self.signals.metrics;
        let differing = agreement.differences.len();
        let outcome = match (&agreement.not_compared, differing) {
            (Some(_), _) => "not_compared",
            (None, 0) => "agrees",
            _ => "differs",
        };
        metrics.add(m::SINK_AUDITS, &[SINK, outcome], 1);
        if agreement.not_compared.is_none() {
            metrics.set(m::SINK_DIFFERING, &[SINK], differing as f64);
        }
        let said = agreement.said();
        match differing {
            0 => tracing::info!(said, "audit"),
            _ => tracing::error!(said, NEXT, "audit"),
        }
        differing == 0
    }
}
