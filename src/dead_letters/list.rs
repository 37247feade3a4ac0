//! The number of dead letters by processor and code.
//!
//! Invariant: every dead letter that is still stored is counted once.
//! Not here: counts by reason (`reasons`).
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
    first_fetched_at: Option<Timestamp>,
    last_fetched_at: Option<Timestamp>,
    max_redrive_count: i32,
}
impl CodeTotals {
    fn add(&mut self, dead_letter: &DeadLetter) {
        self.dead_letters += 1;
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
    let mut log = app.open_log()?;
    let mut counts = Vec::new();
    for processor in dlq_owners() {
        let mut totals_by_code: BTreeMap<RejectCode, CodeTotals> = BTreeMap::new();
        for DeadLetterRecord { dead_letter, .. } in dlq::read(log.as_mut(), processor)?.records {
            totals_by_code.entry(dead_letter.code).or_default().add(&dead_letter);
        }
        counts.extend(totals_by_code.into_iter().map(|(code, totals)| CodeCount {
            processor: processor.to_owned(),
            code: code.name(),
            dead_letters: totals.dead_letters,
            first_fetched_at: totals.first_fetched_at.map(|timestamp| timestamp.to_string()),
            last_fetched_at: totals.last_fetched_at.map(|timestamp| timestamp.to_string()),
            max_redrive_count: totals.max_redrive_count,
        }));
    }
    Ok(counts)
}
