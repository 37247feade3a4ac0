//! Redrive: producing the original records of dead letters again.
//!
//! Redrive appends the original record of a dead letter to its topic again or, for a dead letter of `ingest`, ingests its line again. A
//! record that its loader rejects again becomes a new dead letter with a higher redrive count. Dead letters that were redriven
//! [`MAX_REDRIVES`] times are redriven only with `--force`. Which dead letters were redriven follows from the log, so a redrive after a
//! crash continues where the last one stopped.
//! Invariant: a dry run changes nothing.
//! Not here: why a record is rejected (the loaders, `ingest`), counting and deleting dead letters, and their states (`dead_letters`).
mod append;
mod pending;

pub use append::RedriveSummary;
pub use pending::MAX_REDRIVES;

use crate::{app::App, dead_letters::count_reasons, reasons::ReasonCount, topology::ensure_dlq_owner};
use anyhow::Result;
use schemas::raw::RejectCode;
use serde::Serialize;

/// Which dead letters of a processor are redriven.
#[derive(Clone, Copy, Debug)]
pub struct RedriveOptions {
    /// Only dead letters with this code; `None` for all codes.
    pub code: Option<RejectCode>,
    /// True to count the dead letters, and change nothing.
    pub dry_run: bool,
    /// True to redrive also dead letters that were redriven [`MAX_REDRIVES`] times.
    pub force: bool,
}

/// What was redriven or, in a dry run, what would be.
#[derive(Serialize)]
pub struct RedriveReport {
    pub processor: String,
    pub dry_run: bool,
    pub reasons: Vec<ReasonCount>,
    /// Number of dead letters that are skipped because they were redriven before, or are resolved or dismissed.
    pub already_redriven: usize,
    /// Number of dead letters that are skipped because they were redriven [`MAX_REDRIVES`] times.
    pub redrive_limit_reached: usize,
    #[serde(flatten)]
    pub summary: RedriveSummary,
}
impl RedriveReport {
    /// True if no dead letter was redriven, and the only ones left are at the redrive limit.
    pub fn is_refused(&self) -> bool {
        self.redrive_limit_reached > 0 && self.summary.dead_letters == 0
    }
}

/// Redrives the dead letters of a processor.
///
/// # Errors
/// If there is no such processor, the dead letters come from a table topic, an original record is no longer stored, or the log fails.
pub fn redrive(app: &App, processor: &str, options: RedriveOptions) -> Result<RedriveReport> {
    ensure_dlq_owner(processor)?;
    let mut log = if options.dry_run { app.open_log_read_only()? } else { app.open_existing_log()? };
    let pending = pending::pending(log.as_mut(), processor, options.code, options.force)?;
    let reasons = count_reasons(pending.dead_letters());
    let (already_redriven, redrive_limit_reached) = (pending.already_redriven, pending.at_redrive_limit);
    let summary = if options.dry_run {
        RedriveSummary {
            dead_letters: pending.records.len(),
            still_rejected: pending.still_rejected,
            ..RedriveSummary::default()
        }
    } else {
        append::append(log.as_mut(), processor, pending)?
    };
    Ok(RedriveReport {
        processor: processor.to_owned(),
        dry_run: options.dry_run,
        reasons,
        already_redriven,
        redrive_limit_reached,
        summary,
    })
}
