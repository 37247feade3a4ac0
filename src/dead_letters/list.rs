//! The number of dead letters by processor, code and reason, in each state.
//!
//! Invariant: every dead letter that is still stored is counted once, in exactly one state.
//! Not here: how a state is determined (`state`).
use super::state::{DeadLetterState, states};
use crate::{app::App, reasons::normalize_reason, topology::dlq_owners};
use anyhow::Result;
use runtime::{DeadLetterRecord, dlq};
use schemas::{
    Timestamp,
    raw::{DeadLetter, RejectCode},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Number of dead letters that have the same processor, code and reason, with the range of their fetch times.
#[derive(Serialize)]
pub struct ListedReason {
    pub processor: String,
    pub code: &'static str,
    /// The reason, with `#` for numbers.
    pub reason: String,
    /// Number of these dead letters in all states: the sum of the four that follow.
    pub dead_letters: u64,
    pub open: u64,
    pub redriven: u64,
    pub resolved: u64,
    pub dismissed: u64,
    /// Earliest and latest fetch time (RFC 3339) of the raw events of these dead letters; `None` if no fetch time is known.
    pub first_fetched_at: Option<String>,
    pub last_fetched_at: Option<String>,
    /// The highest redrive count of these dead letters.
    pub max_redrive_count: i32,
}
/// The totals from which a [`ListedReason`] is made.
#[derive(Default)]
struct Totals {
    open: u64,
    redriven: u64,
    resolved: u64,
    dismissed: u64,
    first_fetched_at: Option<Timestamp>,
    last_fetched_at: Option<Timestamp>,
    max_redrive_count: i32,
}
impl Totals {
    fn add(&mut self, dead_letter: &DeadLetter, state: DeadLetterState) {
        *match state {
            DeadLetterState::Open => &mut self.open,
            DeadLetterState::Redriven => &mut self.redriven,
            DeadLetterState::Resolved => &mut self.resolved,
            DeadLetterState::Dismissed => &mut self.dismissed,
        } += 1;
        self.first_fetched_at = [self.first_fetched_at, dead_letter.fetched_at].into_iter().flatten().min();
        self.last_fetched_at = self.last_fetched_at.max(dead_letter.fetched_at);
        self.max_redrive_count = self.max_redrive_count.max(dead_letter.redrive_count);
    }
}

/// Counts the dead letters by processor, code and reason.
///
/// # Errors
/// If the log cannot be read.
pub fn list(app: &App) -> Result<Vec<ListedReason>> {
    let mut log = app.open_log_read_only()?;
    let mut listed = Vec::new();
    for processor in dlq_owners() {
        let records = dlq::read(log.as_mut(), processor)?.records;
        let states = states(log.as_mut(), processor, &records)?;
        let mut totals: BTreeMap<(RejectCode, String), Totals> = BTreeMap::new();
        for (DeadLetterRecord { dead_letter, .. }, (state, _)) in records.iter().zip(states) {
            let reason = (dead_letter.code, normalize_reason(&dead_letter.reason));
            totals.entry(reason).or_default().add(dead_letter, state);
        }
        listed.extend(totals.into_iter().map(|((code, reason), totals)| ListedReason {
            processor: processor.to_owned(),
            code: code.name(),
            reason,
            dead_letters: totals.open + totals.redriven + totals.resolved + totals.dismissed,
            open: totals.open,
            redriven: totals.redriven,
            resolved: totals.resolved,
            dismissed: totals.dismissed,
            first_fetched_at: totals.first_fetched_at.map(|timestamp| timestamp.to_string()),
            last_fetched_at: totals.last_fetched_at.map(|timestamp| timestamp.to_string()),
            max_redrive_count: totals.max_redrive_count,
        }));
    }
    Ok(listed)
}
