//! The dead letters that a redrive would process.
//!
//! Invariant: read-only; exactly open dead letters whose events can be read are pending.
//! Not here: the state of a dead letter (`dead_letters`), redriving (`append`).
use crate::{
    dead_letters::{DeadLetterState, states},
    ingest::{self, INGEST},
};
use anyhow::Result;
use runtime::{DeadLetterRecord, LogBackend, clock, dlq};
use schemas::{
    raw::{DeadLetter, MAX_EVENT_BYTES, RawEvent, RejectCode},
    wire,
};

/// A dead letter that was redriven this many times is redriven again only with `--force`.
pub const MAX_REDRIVES: i32 = 3;

/// The dead letters that a redrive would process.
#[derive(Default)]
pub(super) struct PendingRedrive {
    /// Ordered by partition and offset.
    pub records: Vec<DeadLetterRecord>,
    /// Number of dead letters that were redriven before, or are resolved or dismissed; they are skipped.
    pub already_redriven: usize,
    /// Number of dead letters at the redrive limit, which are skipped without `--force`.
    pub at_redrive_limit: usize,
    /// Number of dead letters whose bytes still are not an event. They stay as they are.
    pub still_rejected: usize,
}

impl PendingRedrive {
    pub fn dead_letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.records.iter().map(|record| &record.dead_letter)
    }
}

/// Returns the dead letters of a processor that are to be redriven: those of `code`, or of all codes if it is `None`.
///
/// # Errors
/// If the log cannot be read.
pub(super) fn pending(
    log: &mut dyn LogBackend,
    processor: &str,
    code: Option<RejectCode>,
    force: bool,
) -> Result<PendingRedrive> {
    let mut pending = PendingRedrive::default();
    let records = dlq::read(log, processor)?.records;
    let states = states(log, processor, &records)?;
    for (record, (state, _)) in records.into_iter().zip(states) {
        let dead_letter = &record.dead_letter;
        if code.is_some_and(|code| code != dead_letter.code) {
            continue;
        }
        if state != DeadLetterState::Open {
            pending.already_redriven += 1;
        } else if !is_event(dead_letter) {
            pending.still_rejected += 1;
        } else if dead_letter.redrive_count >= MAX_REDRIVES && !force {
            pending.at_redrive_limit += 1;
        } else {
            pending.records.push(record);
        }
    }
    Ok(pending)
}

/// True unless the bytes are those of a line or record that is no event, or is above the limit of an event. Rows are not such bytes.
fn is_event(dead_letter: &DeadLetter) -> bool {
    if dead_letter.processor == INGEST {
        return ingest::accept(&dead_letter.value, clock::now()).is_ok();
    }
    if dead_letter.value.len() >= MAX_EVENT_BYTES {
        return false;
    }
    let is_foreign = dead_letter.raw.is_none() && topics::is_raw(&dead_letter.origin);
    !is_foreign || wire::decode::<RawEvent>(&dead_letter.value).is_ok()
}
