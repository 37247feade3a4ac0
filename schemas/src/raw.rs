//! Raw events: one response of a source, byte for byte; and dead letters: records and rows that cannot be used.
//!
//! Invariant: the payload is stored as the bytes that arrived.
//! Not here: the sources and feeds (`feed`), the content of the payloads (the loaders of crate `processors`).
use crate::{ids::RawId, named_enum::named_enum, units::Timestamp};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;
use std::str::FromStr;

pub use crate::feed::{Feed, Source};

/// The limit of an event: the maximum size of its line at `ingest`, of its payload with its key, and of the bytes that a dead letter keeps.
/// It is the same on every log.
pub const MAX_EVENT_BYTES: usize = 16 << 20;
/// An encoded event has less than this many bytes besides key and payload, so its record is within the limit, too.
const ENCODED_FIELDS_BYTES: usize = 64;
/// A dead letter keeps this many characters of its reason, which may quote the payload.
const MAX_REASON_CHARS: usize = 1000;

/// The outcome of a fetch as the scraper reported it; `Complete` if the scraper reported none.
///
/// The public names and the serde aliases are the kebab-case names that scrapers write.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(rename_all = "kebab-case")]
#[avro_schema(namespace = "fastbreak")]
pub enum FetchOutcome {
    #[default]
    #[serde(rename(serialize = "Complete", deserialize = "Complete"), alias = "complete")]
    Complete,
    #[serde(rename(serialize = "EmptyOk", deserialize = "EmptyOk"), alias = "empty-ok")]
    EmptyOk,
    #[serde(rename(serialize = "Partial", deserialize = "Partial"), alias = "partial")]
    Partial,
    #[serde(rename(serialize = "NoDataYet", deserialize = "NoDataYet"), alias = "no-data-yet")]
    NoDataYet,
    #[serde(rename(serialize = "Postponed", deserialize = "Postponed"), alias = "postponed")]
    Postponed,
    #[serde(rename(serialize = "Failed", deserialize = "Failed"), alias = "failed")]
    Failed,
}
named_enum! {
    FetchOutcome {
        Complete = "complete",
        EmptyOk = "empty-ok",
        Partial = "partial",
        NoDataYet = "no-data-yet",
        Postponed = "postponed",
        Failed = "failed",
    }
}

/// A raw event: the response to one fetch of one feed, with its envelope (feed, key, fetch time and outcome).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RawEvent {
    pub id: RawId,
    pub feed: Feed,
    /// The scraper's request key: for example a date, a team, or the odds source's id of a game.
    pub key: String,
    pub fetched_at: Timestamp,
    pub outcome: FetchOutcome,
    /// The response, byte for byte (JSON text).
    pub payload: String,
    /// Number of redrives of the event. Not part of the event's id.
    pub redrive_count: i32,
    /// Present if this event retracts an earlier raw event, of which it has feed, key, outcome and payload.
    #[serde(default)]
    pub retraction: Option<RetractionOrder>,
}

/// The content of a raw event that retracts another one, or undoes its retraction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RetractionOrder {
    /// The id of the raw event that is retracted.
    pub target: RawId,
    /// The fetch time of the retracted event. The event with this order has the time of the retraction as its fetch time.
    pub target_fetched_at: Timestamp,
    /// True if an earlier retraction of the same event is undone.
    pub undo: bool,
    /// The operator's reason.
    pub reason: String,
}

impl RawEvent {
    pub fn new(
        feed: Feed,
        key: String,
        fetched_at: Timestamp,
        outcome: FetchOutcome,
        payload: String,
    ) -> Self {
        let (source, name) = feed.names();
        let id = hash_of(&[source.name(), name, &key, &fetched_at.0.to_string(), &payload]);
        RawEvent { id, feed, key, fetched_at, outcome, payload, redrive_count: 0, retraction: None }
    }
    /// Compares the size with the limit of an event. The key counts twice, because it is also the key of the record.
    ///
    /// # Errors
    /// The size and the limit, as one sentence.
    pub fn check_size(&self) -> Result<(), String> {
        let bytes = 2 * self.key.len() + self.payload.len() + ENCODED_FIELDS_BYTES;
        if bytes > MAX_EVENT_BYTES { Err(size_reason(bytes as u64)) } else { Ok(()) }
    }
    /// Returns the event that retracts this one at an instant, or undoes its retraction.
    pub fn retracted(&self, at: Timestamp, undo: bool, reason: String) -> RawEvent {
        let (source, name) = self.feed.names();
        let target = self.id.to_string();
        let parts = [
            source.name(),
            name,
            &self.key,
            &at.0.to_string(),
            &self.payload,
            &target,
            if undo { "undo" } else { "retract" },
        ];
        let order = RetractionOrder { target: self.id, target_fetched_at: self.fetched_at, undo, reason };
        RawEvent { id: hash_of(&parts), fetched_at: at, retraction: Some(order), ..self.clone() }
    }
}

/// States the size of an event, and the limit that it exceeds.
pub fn size_reason(bytes: u64) -> String {
    format!("{bytes} bytes; an event has at most {MAX_EVENT_BYTES} bytes (16 MiB)")
}

/// Returns the id of a raw event whose identity consists of these parts.
fn hash_of(parts: &[&str]) -> RawId {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
    RawId(i64::from_be_bytes(first))
}

/// The reason code of a dead letter. The set of codes is fixed, so they can be values of a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum RejectCode {
    /// The line of the input file is not JSON.
    NotJson,
    /// The envelope of the raw event lacks a field or has one of the wrong type, or the bytes of the record are not an event.
    BadEnvelope,
    /// No loader reads this pair of source and feed.
    UnknownFeed,
    /// The payload is not JSON with the structure of the feed.
    BadPayload,
    /// One row of a readable payload is unusable; the other rows are not affected.
    BadRow,
}
named_enum! {
    RejectCode {
        NotJson = "not_json",
        BadEnvelope = "bad_envelope",
        UnknownFeed = "unknown_feed",
        BadPayload = "bad_payload",
        BadRow = "bad_row",
    }
}
impl FetchOutcome {
    /// Returns how much the outcome says, the greatest first in this order: complete, partial, empty, no data yet, postponed, failed. Of two
    /// fetches with the same bytes, the one with the greater rank is used.
    pub const fn rank(self) -> u8 {
        match self {
            FetchOutcome::Complete => 5,
            FetchOutcome::Partial => 4,
            FetchOutcome::EmptyOk => 3,
            FetchOutcome::NoDataYet => 2,
            FetchOutcome::Postponed => 1,
            FetchOutcome::Failed => 0,
        }
    }
}
impl FromStr for RejectCode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        RejectCode::ALL.into_iter().find(|code| code.name() == text).ok_or_else(|| {
            let codes = RejectCode::ALL.map(RejectCode::name).join(", ");
            format!("'{text}' is not a reject code, expected one of {codes}")
        })
    }
}

/// A record or row that can never be used, with its original bytes and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct DeadLetter {
    pub code: RejectCode,
    /// What is wrong with the original record or row, and in which part of it, as text for an operator.
    pub reason: String,
    /// The id of the raw event that was rejected or contained the rejected row; `None` if it is unknown.
    pub raw: Option<RawId>,
    pub fetched_at: Option<Timestamp>,
    /// The topic or file from which the original record was read.
    pub origin: String,
    pub partition: i32,
    /// The record's offset, or the line number in a file.
    pub offset: i64,
    /// The original bytes: the complete record, or the JSON of the bad row; of a record above the limit of an event, only its first bytes.
    #[serde(with = "bytes")]
    pub value: Vec<u8>,
    /// The name of the processor that rejected the record, or `ingest`.
    pub processor: String,
    /// The key of the original record.
    pub key: String,
    /// The version of the stateless processor that rejected the record; for the sink, the version of its tables.
    pub processor_version: i64,
    /// Number of redrives of the original record before it was rejected.
    pub redrive_count: i32,
    /// The id of the sink batch that contained the record; empty if no sink batch did.
    pub batch: String,
}
impl DeadLetter {
    /// Creates a dead letter with code and reason only; the caller fills in origin, processor and original bytes. A long reason is cut.
    pub fn new(code: RejectCode, mut reason: String) -> DeadLetter {
        if let Some((end, _)) = reason.char_indices().nth(MAX_REASON_CHARS) {
            reason.truncate(end);
            reason.push('…');
        }
        DeadLetter {
            code,
            reason,
            raw: None,
            fetched_at: None,
            origin: String::new(),
            partition: 0,
            offset: 0,
            value: Vec::new(),
            processor: String::new(),
            key: String::new(),
            processor_version: 0,
            redrive_count: 0,
            batch: String::new(),
        }
    }
    /// Cuts the original bytes at the limit of an event, so that every log can store the dead letter.
    #[must_use]
    pub fn within_limit(mut self) -> DeadLetter {
        self.value.truncate(MAX_EVENT_BYTES);
        self
    }
}

/// Serializes bytes as Avro `bytes`, because serde's default is a sequence of numbers.
mod bytes {
    use serde::{Deserializer, Serializer, de};
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl<'de> de::Visitor<'de> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
