//! The number of dead letters by processor and code.
//!
//! Invariant: every dead letter that is still stored is counted once; it is dismissed if its raw event is retracted.
//! Not here: counts by reason (`reasons`).
use super::dismissal::OriginRetractions;
use crate::{app::App, topology::dlq_owners};
use anyhow::Result;
use runtime::{DeadLetterRecord, dlq};
use schemas::{
    Timestamp,
    raw::{DeadLetter, RejectCode},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Number of dead letters that have the same processor and code, with the range of their fetch times.
#[derive(Serialize)]
pub struct CodeCount {
    pub processor: String,
    pub code: &'static str,
    pub dead_letters: u64,
    /// Number of these dead letters whose raw events are retracted, so that nothing is to be done about them.
    pub dismissed: u64,
    /// Earliest and latest fetch time (RFC 3339) of the raw events of these dead letters; `None` if no fetch time is known.
    pub first_fetched_at: Option<String>,
    pub last_fetched_at: Option<String>,
    /// The highest redrive count of these dead letters.
    pub max_redrive_count: i32,
}
/// The totals from which a [`CodeCount`] is made.
#[derive(Default)]
struct CodeTotals {
    dead_letters: u64,
    dismissed: u64,
    first_fetched_at: Option<Timestamp>,
    last_fetched_at: Option<Timestamp>,
    max_redrive_count: i32,
}
impl CodeTotals {
    fn add(&mut self, dead_letter: &DeadLetter, is_dismissed: bool) {
        self.dead_letters += 1;
        self.dismissed += u64::from(is_dismissed);
        self.first_fetched_at = [self.first_fetched_at, dead_letter.fetched_at].into_iter().flatten().min();
        self.last_fetched_at = self.last_fetched_at.max(dead_letter.fetched_at);
        self.max_redrive_count = self.max_redrive_count.max(dead_letter.redrive_count);
    }
}

/// Counts the dead letters by processor and code.
///
/// # Errors
/// If the log cannot be read.
pub fn list(app: &App) -> Result<Vec<CodeCount>> {
    let mut log = app.open_log_read_only()?;
    let (mut counts, mut retractions) = (Vec::new(), OriginRetractions::default());
    for processor in dlq_owners() {
        let mut totals_by_code: BTreeMap<RejectCode, CodeTotals> = BTreeMap::new();
        for DeadLetterRecord { dead_letter, .. } in dlq::read(log.as_mut(), processor)?.records {
            let is_dismissed = retractions.of_event(log.as_mut(), &dead_letter)?.is_some();
            totals_by_code.entry(dead_letter.code).or_default().add(&dead_letter, is_dismissed);
        }
        counts.extend(totals_by_code.into_iter().map(|(code, totals)| CodeCount {
            processor: processor.to_owned(),
            code: code.name(),
            dead_letters: totals.dead_letters,
            dismissed: totals.dismissed,
            first_fetched_at: totals.first_fetched_at.map(|timestamp| timestamp.to_string()),
            last_fetched_at: totals.last_fetched_at.map(|timestamp| timestamp.to_string()),
            max_redrive_count: totals.max_redrive_count,
        }));
    }
    Ok(counts)
}
