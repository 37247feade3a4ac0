//! The newest dead letters of a processor, with origin, reason and value.
//!
//! Invariant: the value is complete.
//! Not here: counts by reason (`reasons`), the text of a dead letter (`cli::dlq`).
use super::state::{DeadLetterState, states};
use crate::{app::App, retract::RetractedEvent, topology::ensure_dlq_owner};
use anyhow::Result;
use runtime::{DeadLetterRecord, dlq, engine::dlq_topic};
use schemas::{
    raw::{DeadLetter, RawEvent, RejectCode},
    wire,
};
use serde::Serialize;
use serde_json::{Value, json};

/// A dead letter with its origin.
#[derive(Serialize)]
pub struct DeadLetterReport {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub code: &'static str,
    pub reason: String,
    /// Topic of the original record or, for a dead letter of `ingest`, the file with the original line. Then
    /// `origin_offset` is the number of that line.
    pub origin: String,
    pub origin_partition: i32,
    pub origin_offset: i64,
    pub key: String,
    /// Id of the raw event.
    pub raw: Option<String>,
    /// Fetch time of the raw event, in RFC 3339.
    pub fetched_at: Option<String>,
    pub processor_version: i64,
    pub redrive_count: i32,
    /// Id of the sink batch; empty if the record was not rejected by the sink.
    pub batch: String,
    pub state: DeadLetterState,
    /// The retraction of the raw event; `None` if it is not retracted.
    pub retraction: Option<RetractedEvent>,
    pub value: Value,
}
impl DeadLetterReport {
    fn new(
        processor: &str,
        record: DeadLetterRecord,
        (state, retraction): (DeadLetterState, Option<RetractedEvent>),
    ) -> DeadLetterReport {
        let DeadLetterRecord { partition, offset, dead_letter } = record;
        DeadLetterReport {
            topic: dlq_topic(processor).to_owned(),
            partition,
            offset,
            code: dead_letter.code.name(),
            value: value_json(&dead_letter),
            reason: dead_letter.reason,
            origin: dead_letter.origin,
            origin_partition: dead_letter.partition,
            origin_offset: dead_letter.offset,
            key: dead_letter.key,
            raw: dead_letter.raw.map(|raw| raw.to_string()),
            fetched_at: dead_letter.fetched_at.map(|timestamp| timestamp.to_string()),
            processor_version: dead_letter.processor_version,
            redrive_count: dead_letter.redrive_count,
            batch: dead_letter.batch,
            state,
            retraction,
        }
    }
}

/// The newest dead letters, oldest first.
pub struct NewestDeadLetters {
    pub dead_letters: Vec<DeadLetterReport>,
    /// Number of dead letters with the same code that are older.
    pub older: usize,
}

/// Returns the newest dead letters of a processor: those of `code`, or of all codes if it is `None`, and at most `limit`.
///
/// # Errors
/// If there is no such processor or the log cannot be read.
pub fn show(app: &App, processor: &str, code: Option<RejectCode>, limit: usize) -> Result<NewestDeadLetters> {
    ensure_dlq_owner(processor)?;
    let mut log = app.open_log_read_only()?;
    let records = dlq::read(log.as_mut(), processor)?.records;
    let states = states(log.as_mut(), processor, &records)?;
    let mut found: Vec<_> = records.into_iter().zip(states).collect();
    found.retain(|(record, _)| code.is_none_or(|code| code == record.dead_letter.code));
    let older = found.len().saturating_sub(limit);
    let newest = found.into_iter().skip(older);
    let dead_letters =
        newest.map(|(record, state)| DeadLetterReport::new(processor, record, state)).collect();
    Ok(NewestDeadLetters { dead_letters, older })
}

/// Converts the value of a dead letter to JSON. A raw event becomes an object; a row or line that is JSON stays as it is; other text
/// becomes a string; other bytes become a string in hex.
pub fn value_json(dead_letter: &DeadLetter) -> Value {
    let parse = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    if let Ok(raw) = wire::decode::<RawEvent>(&dead_letter.value) {
        return json!({
            "feed": raw.feed.to_string(), "key": raw.key, "fetched_at": raw.fetched_at.to_string(),
            "outcome": raw.outcome.name(), "payload": parse(&raw.payload),
        });
    }
    match std::str::from_utf8(&dead_letter.value) {
        Ok(text) => parse(text),
        Err(_) => json!(dead_letter.value.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
