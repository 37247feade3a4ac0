//! `dlq show`: the newest dead letters of a processor, with origin, reason and value.
//!
//! Invariant: JSON has the complete value, a table only its first characters.
//! Not here: counts by reason (`dlq`).
use super::super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{app::App, redrive};
use anyhow::Result;
use runtime::{DeadLetterRecord, dlq, engine::dlq_topic};
use schemas::{
    raw::{DeadLetter, RawEvent, RejectCode},
    wire,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Maximum number of characters of a value that a table shows.
const EXCERPT_CHARS: usize = 400;

#[derive(Serialize)]
struct DeadLetterReport {
    topic: String,
    partition: i32,
    offset: i64,
    code: &'static str,
    reason: String,
    /// Topic of the original record or, for a dead letter of `ingest`, the file with the original line. Then
    /// `origin_offset` is the number of that line.
    origin: String,
    origin_partition: i32,
    origin_offset: i64,
    key: String,
    /// Fetch time of the raw event, in RFC 3339.
    fetched_at: Option<String>,
    processor_version: i64,
    redrive_count: i32,
    /// Id of the sink batch; empty if the record was not rejected by the sink.
    batch: String,
    value: Value,
}
impl DeadLetterReport {
    fn new(processor: &str, record: DeadLetterRecord) -> DeadLetterReport {
        let DeadLetterRecord { partition, offset, dead_letter } = record;
        DeadLetterReport {
            topic: dlq_topic(processor).to_owned(),
            partition,
            offset,
            code: dead_letter.code.name(),
            value: json_value(&dead_letter),
            reason: dead_letter.reason,
            origin: dead_letter.origin,
            origin_partition: dead_letter.partition,
            origin_offset: dead_letter.offset,
            key: dead_letter.key,
            fetched_at: dead_letter.fetched_at.map(|timestamp| timestamp.to_string()),
            processor_version: dead_letter.processor_version,
            redrive_count: dead_letter.redrive_count,
            batch: dead_letter.batch,
        }
    }
    fn text(&self) -> String {
        let mut value = self.value.to_string();
        if let Some((end, _)) = value.char_indices().nth(EXCERPT_CHARS) {
            value.truncate(end);
            value.push('…');
        }
        let redriven = match self.redrive_count {
            0 => String::new(),
            count => format!(", redriven {count} times"),
        };
        let batch = match self.batch.as_str() {
            "" => String::new(),
            batch => format!(", sink batch {batch} (table version {})", self.processor_version),
        };
        format!(
            "{} {}/{} offset {}{redriven}\n  origin: {}/{} offset {}{batch}\n  reason: {}\n  {value}",
            self.code,
            self.topic,
            self.partition,
            self.offset,
            self.origin,
            self.origin_partition,
            self.origin_offset,
            self.reason
        )
    }
}

pub fn show(
    app: &App,
    processor: &str,
    code: Option<RejectCode>,
    limit: usize,
    output: Output,
) -> Result<CommandOutcome> {
    redrive::ensure_owner(processor)?;
    let mut log = app.open_log()?;
    let mut found = dlq::read(log.as_mut(), processor)?.records;
    found.retain(|record| code.is_none_or(|code| code == record.dead_letter.code));
    let older = found.len().saturating_sub(limit);
    let newest = found.into_iter().skip(older);
    let reports: Vec<DeadLetterReport> =
        newest.map(|record| DeadLetterReport::new(processor, record)).collect();
    output::print(output, &reports, |reports| {
        if reports.is_empty() {
            return format!("no dead letters of {processor} were found");
        }
        let mut lines: Vec<String> = reports.iter().map(DeadLetterReport::text).collect();
        if older > 0 {
            lines.push(format!("… and {older} older dead letters (--limit shows more)"));
        }
        lines.join("\n")
    })?;
    Ok(CommandOutcome::Done)
}

/// Converts the value of a dead letter to JSON. A raw event becomes an object; a row or line that is JSON stays as it is; other text
/// becomes a string; other bytes become a string in hex.
fn json_value(dead_letter: &DeadLetter) -> Value {
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
