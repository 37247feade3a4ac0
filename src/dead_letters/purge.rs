//! Deletes the dead letters of a processor.
//!
//! Invariant: without confirmation nothing is deleted; exactly the dead letters that are reported are deleted.
//! Not here: redriving (`redrive`).
use super::reasons::count_reasons;
use crate::{app::App, reasons::ReasonCount, topology::ensure_dlq_owner};
use anyhow::Result;
use runtime::{dlq, engine::dlq_topic};
use serde::Serialize;

/// The dead letters that were deleted or, in a preview, would be.
#[derive(Serialize)]
pub struct PurgeReport {
    pub processor: String,
    /// False for a preview.
    pub purged: bool,
    pub dead_letters: usize,
    pub reasons: Vec<ReasonCount>,
}
impl PurgeReport {
    /// True if there are dead letters that were not deleted, because this is a preview.
    pub fn is_refused(&self) -> bool {
        !self.purged && self.dead_letters > 0
    }
}

/// Deletes all dead letters of a processor, or only counts them if `is_confirmed` is false.
///
/// # Errors
/// If there is no such processor or the log fails.
pub fn purge(app: &App, processor: &str, is_confirmed: bool) -> Result<PurgeReport> {
    ensure_dlq_owner(processor)?;
    let mut log = if is_confirmed { app.open_existing_log()? } else { app.open_log_read_only()? };
    // Dead letters that are appended after this call are neither reported nor deleted.
    let ends = dlq::end_offsets(log.as_mut(), processor)?;
    let mut found = dlq::read(log.as_mut(), processor)?.records;
    found.retain(|record| ends.get(&record.partition).is_some_and(|end| record.offset < *end));
    let reasons = count_reasons(found.iter().map(|record| &record.dead_letter));
    if is_confirmed && !found.is_empty() {
        log.purge(dlq_topic(processor), &ends)?;
    }
    Ok(PurgeReport {
        processor: processor.to_owned(),
        purged: is_confirmed,
        dead_letters: found.len(),
        reasons,
    })
}
