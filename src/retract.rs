//! Retraction: an event that counts as if it had never been fetched, from the time of the retraction on.
//!
//! A retraction is a raw event in the partition of the event that it retracts, with the same payload, so that its observations reach the same
//! keys. What was issued before it stays as it is.
//! Invariant: without confirmation nothing is appended; if one of the events cannot be retracted, none is. Repeating the command appends
//! nothing.
//! Not here: which events are retracted (`retractions`), what a retraction changes (crate `processors`).
mod raw_events;
mod retractions;
mod target;

pub use raw_events::{RAW_TOPICS, StoredEvent, each_event, each_record};
pub use retractions::{RetractedEvent, Retractions, retractions};

use crate::{app::App, precondition::refused};
use anyhow::Result;
use processors::loader;
use runtime::{Commit, LogBackend, RawEventRecord, RuntimeError, clock};
use schemas::{RawId, Timestamp, raw::RawEvent, wire::Encoder};
use serde::Serialize;
use target::{Target, find_targets};

/// Which events are retracted, and why.
pub struct RetractOptions<'a> {
    pub events: &'a [RawId],
    pub reason: &'a str,
    /// True to undo earlier retractions of these events.
    pub undo: bool,
    /// False for a preview.
    pub is_confirmed: bool,
}

/// What happened to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetractionStatus {
    WouldBeRetracted,
    WouldBeRestored,
    Retracted,
    Restored,
    /// An earlier command retracted the event; nothing was appended.
    AlreadyRetracted,
    /// An earlier command undid the retraction of the event; nothing was appended.
    AlreadyRestored,
}

/// An event that is retracted, or whose retraction is undone, with its content.
#[derive(Debug, Serialize)]
pub struct RetractionReport {
    pub raw: String,
    pub status: RetractionStatus,
    /// Time of the retraction or of its undoing, in RFC 3339; `None` for a preview.
    pub at: Option<String>,
    pub reason: String,
    pub feed: String,
    pub key: String,
    pub fetched_at: String,
    pub outcome: &'static str,
    /// Number of observations that the event consists of; 0 if its payload cannot be decoded.
    pub observations: usize,
    /// Number of rows of the payload that are members of these observations.
    pub rows: u64,
}

/// The events of a `retract` command.
#[derive(Serialize)]
pub struct RetractReport {
    pub undo: bool,
    /// False for a preview.
    pub confirmed: bool,
    pub events: Vec<RetractionReport>,
}
impl RetractReport {
    /// True if nothing was appended although the command would change something, because this is a preview.
    pub fn is_refused(&self) -> bool {
        !self.confirmed && self.appends() > 0
    }
    /// Returns the number of retractions that were appended or, in a preview, would be.
    pub fn appends(&self) -> usize {
        let is_appended = |report: &&RetractionReport| {
            !matches!(report.status, RetractionStatus::AlreadyRetracted | RetractionStatus::AlreadyRestored)
        };
        self.events.iter().filter(is_appended).count()
    }
}

/// Retracts raw events, or undoes their retraction; without confirmation, it only reports what would be retracted.
///
/// # Errors
/// If the reason is empty, an event is unknown or is itself a retraction, a retraction that is to be undone does not exist, or the log fails.
pub fn retract(app: &App, options: &RetractOptions<'_>) -> Result<RetractReport> {
    if options.reason.trim().is_empty() {
        return Err(refused("the retraction", "it has no reason", "specify one with `--reason TEXT`").into());
    }
    let mut log = if options.is_confirmed { app.open_existing_log()? } else { app.open_log_read_only()? };
    let now = clock::now();
    let targets = find_targets(log.as_mut(), options.events)?;
    let mut encoder = Encoder::new::<RawEvent>();
    let (mut records, mut events) = (Vec::new(), Vec::new());
    for target in &targets {
        let (report, retraction) = decide(target, options, now)?;
        if let Some(retraction) = retraction {
            records.push(record(target, &retraction, &mut encoder)?);
        }
        events.push(report);
    }
    if options.is_confirmed && !records.is_empty() {
        append(log.as_mut(), &records)?;
    }
    Ok(RetractReport { undo: options.undo, confirmed: options.is_confirmed, events })
}

/// Determines what happens to an event; returns the retraction if one is to be appended.
fn decide(
    target: &Target,
    options: &RetractOptions<'_>,
    now: Timestamp,
) -> Result<(RetractionReport, Option<RawEvent>), RuntimeError> {
    let newest = target.newest_order.as_ref();
    let report =
        |status, at: Option<Timestamp>, reason: &str| report(&target.event.event, status, at, reason);
    let status = match newest {
        // If the event was appended again with a better outcome, the retraction has not reached all of its observations.
        Some(newest) if newest.undo == options.undo && newest.rank >= target.event.event.outcome.rank() => {
            let status = if newest.undo {
                RetractionStatus::AlreadyRestored
            } else {
                RetractionStatus::AlreadyRetracted
            };
            return Ok((report(status, Some(newest.at), &newest.reason), None));
        }
        None if options.undo => {
            let what = format!("undoing the retraction of {}", target.event.event.id);
            let next = "`fastbreak audit` lists the retracted events";
            return Err(refused(&what, "the event was never retracted", next));
        }
        _ => match (options.is_confirmed, options.undo) {
            (true, false) => RetractionStatus::Retracted,
            (true, true) => RetractionStatus::Restored,
            (false, false) => RetractionStatus::WouldBeRetracted,
            (false, true) => RetractionStatus::WouldBeRestored,
        },
    };
    // At one instant, a retraction has precedence over its undoing, and the clock may have been set back. So the new event is later.
    let at = newest.map_or(now, |newest| now.max(Timestamp(newest.at.0.saturating_add(1))));
    let original = RawEvent { redrive_count: 0, ..target.event.event.clone() };
    let retraction = original.retracted(at, options.undo, options.reason.to_owned());
    Ok((report(status, options.is_confirmed.then_some(at), options.reason), Some(retraction)))
}

fn report(
    event: &RawEvent,
    status: RetractionStatus,
    at: Option<Timestamp>,
    reason: &str,
) -> RetractionReport {
    let loaded = loader::load(event).unwrap_or_default();
    RetractionReport {
        raw: event.id.to_string(),
        status,
        at: at.map(|at| at.to_string()),
        reason: reason.to_owned(),
        feed: event.feed.to_string(),
        key: event.key.clone(),
        fetched_at: event.fetched_at.to_string(),
        outcome: event.outcome.name(),
        observations: loaded.observations.len(),
        rows: loaded.rows_emitted(),
    }
}

/// Encodes a retraction as a record with the partition and the key of the event's record.
fn record(target: &Target, retraction: &RawEvent, encoder: &mut Encoder) -> Result<RawEventRecord> {
    let mut value = Vec::with_capacity(retraction.payload.len() + 64);
    encoder.encode(retraction, &mut value)?;
    Ok(RawEventRecord {
        topic: target.event.topic,
        partition: target.event.partition,
        key: target.event.record_key.clone(),
        id: retraction.id,
        rank: retraction.outcome.rank(),
        value,
    })
}

fn append(log: &mut dyn LogBackend, records: &[RawEventRecord]) -> Result<()> {
    log.ingest(records, Commit::default())?;
    Ok(())
}
