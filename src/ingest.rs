//! Ingest: append scraper events to the raw topics.
//!
//! A line is `{"source","feed","key","fetched_at","outcome"?,"payload"}`; the payload is stored byte for byte. A line
//! in another format, with an unknown (source, feed) or with an impossible fetch time becomes a dead letter. A line above the limit of an
//! event is refused: it is counted and named, and nothing of it is stored.
//! Invariant: an event is identified by source, feed, key, fetch time and content, so ingesting it again appends nothing, unless its outcome
//! says more than before. Every line is counted as new, known, dead letter or too large. A line becomes a retraction only if a backup wrote
//! it (`event_line`).
//! Not here: decoding of payloads (the loaders), ingesting files (`files`), reading their lines (`line_reader`), deciding whether a file has
//! events at all (`first_lines`).
pub mod event_line;
mod file_form;
pub mod files;
mod first_lines;
pub mod line_reader;

use crate::reasons::ReasonCounts;
use anyhow::Result;
use event_line::RetractionFields;
use first_lines::FirstLines;
use processors::loader::{JsonError, check_fetch_time, parse_json};
use runtime::{Commit, LogBackend, RawEventRecord, clock, engine::dlq_topic};
use schemas::{
    Timestamp,
    raw::{DeadLetter, Feed, FetchOutcome, RawEvent, RejectCode, size_reason},
    wire::Encoder,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use topics::{TopicPartition, partition_of, raw_topic};

/// The dead-letter topic of `ingest`.
pub const DEAD_LETTERS: &str = "ingest.dlq";
/// The processor name in dead letters of `ingest`.
pub const INGEST: &str = "ingest";
/// Returns the only partition of the dead-letter topic of `ingest`.
pub fn dlq() -> TopicPartition {
    TopicPartition::new(dlq_topic(INGEST), 0)
}
/// The collected lines are committed when their total size exceeds this number of bytes.
const BATCH_BYTES: usize = 1 << 20;

/// Counts of ingested lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ingested {
    pub lines: u64,
    /// Events that were appended to the log.
    pub new: u64,
    /// Events that were already in the log.
    pub known: u64,
    pub dead_letters: u64,
    /// The first line that became a dead letter: its file, its number, the code and the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_dead_letter: Option<String>,
    /// The dead letters by code and reason.
    #[serde(serialize_with = "most_frequent_first", skip_serializing_if = "has_no_reasons")]
    pub reasons: ReasonCounts,
    /// Lines above the limit of an event, of which nothing is stored.
    pub too_large: u64,
    /// The first such line: its file, its number, its size and the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_too_large: Option<String>,
}
impl Ingested {
    /// True if every line is an event of a known feed within the limit.
    pub fn is_complete(&self) -> bool {
        self.dead_letters == 0 && self.too_large == 0
    }
    pub fn add(&mut self, other: Ingested) {
        self.lines += other.lines;
        self.new += other.new;
        self.known += other.known;
        self.dead_letters += other.dead_letters;
        self.first_dead_letter = self.first_dead_letter.take().or(other.first_dead_letter);
        self.reasons.append(other.reasons);
        self.too_large += other.too_large;
        self.first_too_large = self.first_too_large.take().or(other.first_too_large);
    }
}
fn most_frequent_first<S: Serializer>(reasons: &ReasonCounts, serializer: S) -> Result<S::Ok, S::Error> {
    reasons.most_frequent_first().serialize(serializer)
}
fn has_no_reasons(reasons: &ReasonCounts) -> bool {
    *reasons == ReasonCounts::default()
}

#[derive(Deserialize)]
struct Line<'a> {
    source: String,
    feed: String,
    key: String,
    fetched_at: String,
    /// `None` if the line has no outcome. An outcome that is null is not absent.
    #[serde(borrow, default, deserialize_with = "present")]
    outcome: Option<&'a RawValue>,
    /// Present only in a line that a backup wrote.
    #[serde(borrow)]
    retraction: Option<&'a RawValue>,
    /// The payload, if it cannot be part of a line as it is; `payload` is then null.
    payload_text: Option<String>,
    #[serde(borrow)]
    payload: &'a RawValue,
}
fn present<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A byte order mark in UTF-8, with which a line may begin.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Parses a line as a raw event and compares its fetch time with the clock.
///
/// # Errors
/// The reject code and the reason if the line is not an event of a known feed, or its fetch time is impossible.
pub fn accept(line: &[u8], clock: Timestamp) -> Result<RawEvent, (RejectCode, String)> {
    let text =
        std::str::from_utf8(line).map_err(|error| (RejectCode::NotJson, format!("not UTF-8: {error}")))?;
    let event = parse(text)?;
    check_fetch_time(&event, clock, "the clock of this machine")
        .map_err(|reject| (reject.code, reject.reason))?;
    Ok(event)
}

/// Parses a line, which may begin with a byte order mark, as a raw event.
///
/// # Errors
/// The reject code and the reason if the line is not an event of a known feed.
pub fn parse(line: &str) -> Result<RawEvent, (RejectCode, String)> {
    let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let line: Line<'_> = parse_json(text).map_err(|error| match error {
        JsonError::Shape(reason) => (RejectCode::BadEnvelope, reason),
        JsonError::NotJson(reason) => (RejectCode::NotJson, reason),
    })?;
    // serde also reads an object's fields from a list.
    if text.trim_start().starts_with('[') {
        return Err((RejectCode::BadEnvelope, "found a list, expected an object".to_owned()));
    }
    let feed = Feed::find(&line.source, &line.feed).ok_or_else(|| {
        let feeds: Vec<String> = Feed::ALL.iter().map(ToString::to_string).collect();
        let reason =
            format!("unknown feed '{}/{}'; the known feeds are {}", line.source, line.feed, feeds.join(", "));
        (RejectCode::UnknownFeed, reason)
    })?;
    let fetched_at: Timestamp = line
        .fetched_at
        .parse()
        .map_err(|reason| (RejectCode::BadEnvelope, format!("fetched_at: {reason}")))?;
    let outcome = line.outcome.map_or(Ok(FetchOutcome::Complete), outcome)?;
    let payload = match line.payload_text {
        None => line.payload.get().to_owned(),
        Some(text) if line.payload.get() == "null" => text,
        Some(_) => return Err((RejectCode::BadEnvelope, "found both payload and payload_text".to_owned())),
    };
    let event = RawEvent::new(feed, line.key, fetched_at, outcome, payload);
    match line.retraction {
        None => Ok(event),
        Some(fields) => retraction(fields, event),
    }
}

fn retraction(fields: &RawValue, event: RawEvent) -> Result<RawEvent, (RejectCode, String)> {
    let fields: Result<RetractionFields, _> = parse_json(fields.get());
    let fields = fields.map_err(|error| match error {
        JsonError::Shape(reason) | JsonError::NotJson(reason) => format!("retraction: {reason}"),
    });
    fields.and_then(|fields| fields.retraction(event)).map_err(|reason| (RejectCode::BadEnvelope, reason))
}

fn outcome(written: &RawValue) -> Result<FetchOutcome, (RejectCode, String)> {
    let name: Option<String> = serde_json::from_str(written.get()).ok();
    let outcome = FetchOutcome::ALL.into_iter().find(|outcome| name.as_deref() == Some(outcome.name()));
    outcome.ok_or_else(|| {
        let found: String = written.get().chars().take(60).collect();
        let expected = FetchOutcome::ALL.map(|outcome| format!("\"{outcome}\"")).join(", ");
        (RejectCode::BadEnvelope, format!("outcome: found {found}, expected one of {expected}"))
    })
}

/// Encodes a raw event as a record of its raw topic.
///
/// # Errors
/// If the event cannot be encoded.
pub fn record(event: RawEvent, encoder: &mut Encoder) -> Result<RawEventRecord> {
    let mut value = Vec::with_capacity(event.payload.len() + 64);
    encoder.encode(&event, &mut value)?;
    let topic = raw_topic(event.feed).info;
    let partition = partition_of(&event.key, topic.partitions);
    let rank = event.outcome.rank();
    Ok(RawEventRecord { topic, partition, key: event.key, id: event.id, rank, value })
}

fn dead_letter(code: RejectCode, reason: String, origin: &str, number: u64, line: &[u8]) -> DeadLetter {
    DeadLetter {
        origin: origin.to_owned(),
        offset: number as i64,
        value: line.to_vec(),
        processor: INGEST.to_owned(),
        key: format!("{origin}:{number}"),
        ..DeadLetter::new(code, reason)
    }
}

/// Appends the lines of one file to the log, in commits of about 1 MiB. Nothing is committed before the first lines have shown that the
/// file has events.
pub struct Ingest<'a> {
    log: &'a mut dyn LogBackend,
    first_lines: FirstLines,
    encoder: Encoder,
    events: Vec<RawEventRecord>,
    dead_letters: Vec<DeadLetter>,
    bytes: usize,
    total: Ingested,
}
impl<'a> Ingest<'a> {
    pub fn new(log: &'a mut dyn LogBackend) -> Self {
        let encoder = Encoder::new::<RawEvent>();
        Ingest {
            log,
            first_lines: FirstLines::default(),
            encoder,
            events: Vec::new(),
            dead_letters: Vec::new(),
            bytes: 0,
            total: Ingested::default(),
        }
    }
    /// Adds a line of a file; a blank line is skipped, also one that consists of a byte order mark.
    ///
    /// # Errors
    /// If the log fails, or the first lines show that the file has no events; nothing of it is stored then.
    pub fn line(&mut self, origin: &str, number: u64, line: &[u8]) -> Result<()> {
        let content = line.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(line);
        if content.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        self.total.lines += 1;
        self.bytes += line.len();
        match accept(line, clock::now()) {
            Ok(event) => {
                self.first_lines.accept();
                match event.check_size() {
                    Ok(()) => self.events.push(record(event, &mut self.encoder)?),
                    Err(reason) => self.count_too_large(origin, number, &reason),
                }
            }
            Err((code, reason)) => {
                self.first_lines.reject(content, code, &reason)?;
                self.total.dead_letters += 1;
                let location = || format!("{origin}:{number}");
                let first = &mut self.total.first_dead_letter;
                first.get_or_insert_with(|| format!("{}: {code}: {reason}", location()));
                self.total.reasons.add(code, &reason, location);
                self.dead_letters.push(dead_letter(code, reason, origin, number, line));
            }
        }
        if self.bytes > BATCH_BYTES { self.flush() } else { Ok(()) }
    }
    /// Refuses a line of this size, which is above the limit.
    pub fn too_large_line(&mut self, origin: &str, number: u64, bytes: u64) {
        self.total.lines += 1;
        self.count_too_large(origin, number, &size_reason(bytes));
    }
    fn count_too_large(&mut self, origin: &str, number: u64, reason: &str) {
        self.total.too_large += 1;
        self.total.first_too_large.get_or_insert_with(|| format!("{origin}:{number}: {reason}"));
    }
    /// Commits the events and dead letters added so far; nothing while the first lines have not shown that the file has events.
    ///
    /// # Errors
    /// If the log fails.
    pub fn flush(&mut self) -> Result<()> {
        if !self.first_lines.have_shown_events() || self.events.is_empty() && self.dead_letters.is_empty() {
            return Ok(());
        }
        let mut commit = Commit::default();
        for dead_letter in self.dead_letters.drain(..) {
            commit.reject(dlq(), dead_letter);
        }
        let events = self.events.len() as u64;
        let new = self.log.ingest(&self.events, commit)? as u64;
        self.total.new += new;
        self.total.known += events - new;
        self.events.clear();
        self.bytes = 0;
        Ok(())
    }
    /// Commits the remaining lines and returns the counts.
    ///
    /// # Errors
    /// If the log fails.
    pub fn finish(mut self) -> Result<Ingested> {
        self.first_lines.accept();
        self.flush()?;
        Ok(self.total)
    }
}
