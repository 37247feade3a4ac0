//! Raw events: what a scraper fetched, verbatim, and what could not be used of it.
//!
//! Invariant: the payload is kept as the bytes that arrived; the (source, feed) pairs are a closed set, so an unknown one is
//! rejected at the door and cannot wait unseen in a topic nobody reads.
//! Not here: what the payloads mean; the loaders decode them.
use crate::{ids::RawId, units::Timestamp};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;
use std::{fmt, str::FromStr};

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Source {
    Nbacom,
    Balldontlie,
    Espn,
    Oddsapi,
    Operator,
}
impl Source {
    pub const ALL: [Source; 5] =
        [Source::Nbacom, Source::Balldontlie, Source::Espn, Source::Oddsapi, Source::Operator];
    pub const fn name(self) -> &'static str {
        match self {
            Source::Nbacom => "nbacom",
            Source::Balldontlie => "balldontlie",
            Source::Espn => "espn",
            Source::Oddsapi => "oddsapi",
            Source::Operator => "operator",
        }
    }
}
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl FromStr for Source {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Source::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| format!("'{text}' is not a source"))
    }
}

/// Every feed that Fastbreak reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Feed {
    NbacomSchedule,
    NbacomLeaguegamelog,
    NbacomPlayerList,
    NbacomInjuryReport,
    BalldontlieStats,
    BalldontlieBoxScores,
    EspnRoster,
    OddsapiEventOdds,
    OperatorIdentityLinks,
}
impl Feed {
    pub const ALL: [Feed; 9] = [
        Feed::NbacomSchedule,
        Feed::NbacomLeaguegamelog,
        Feed::NbacomPlayerList,
        Feed::NbacomInjuryReport,
        Feed::BalldontlieStats,
        Feed::BalldontlieBoxScores,
        Feed::EspnRoster,
        Feed::OddsapiEventOdds,
        Feed::OperatorIdentityLinks,
    ];
    /// The names that scrapers publish under: source, feed.
    pub const fn names(self) -> (Source, &'static str) {
        match self {
            Feed::NbacomSchedule => (Source::Nbacom, "schedule"),
            Feed::NbacomLeaguegamelog => (Source::Nbacom, "leaguegamelog"),
            Feed::NbacomPlayerList => (Source::Nbacom, "player-list"),
            Feed::NbacomInjuryReport => (Source::Nbacom, "injury-report"),
            Feed::BalldontlieStats => (Source::Balldontlie, "stats"),
            Feed::BalldontlieBoxScores => (Source::Balldontlie, "box-scores"),
            Feed::EspnRoster => (Source::Espn, "roster"),
            Feed::OddsapiEventOdds => (Source::Oddsapi, "event-odds"),
            Feed::OperatorIdentityLinks => (Source::Operator, "identity-links"),
        }
    }
    pub fn find(source: &str, feed: &str) -> Option<Feed> {
        Feed::ALL.into_iter().find(|f| (f.names().0.name(), f.names().1) == (source, feed))
    }
    pub const fn source(self) -> Source {
        self.names().0
    }
}
impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.names().0, self.names().1)
    }
}

/// What became of a fetch, as the scraper says. None said means complete.
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

/// One fetch of one feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RawEvent {
    pub id: RawId,
    pub feed: Feed,
    /// The scraper's request key: a date, an event, a team.
    pub key: String,
    pub fetched_at: Timestamp,
    pub outcome: FetchOutcome,
    /// The response, byte for byte (JSON text).
    pub payload: String,
    /// How often it was put back from the dead letters. No part of its identity.
    pub redrive_count: i32,
}
impl RawEvent {
    pub fn new(
        feed: Feed,
        key: String,
        fetched_at: Timestamp,
        outcome: FetchOutcome,
        payload: String,
    ) -> Self {
        let mut hash = blake3::Hasher::new();
        let (source, name) = feed.names();
        for part in [source.name(), name, &key, &fetched_at.0.to_string(), &payload] {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
        RawEvent {
            id: RawId(i64::from_be_bytes(first)),
            feed,
            key,
            fetched_at,
            outcome,
            payload,
            redrive_count: 0,
        }
    }
}

/// Why something could not be used. Closed, and a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum RejectCode {
    /// The line is not JSON.
    NotJson,
    /// The envelope lacks a field or has one of the wrong type.
    BadEnvelope,
    /// No loader reads this (source, feed).
    UnknownFeed,
    /// The payload is not JSON of the feed's shape.
    BadPayload,
    /// One row of a payload that opens is unusable; the other rows are not affected.
    BadRow,
}
impl RejectCode {
    pub const ALL: [RejectCode; 5] = [
        RejectCode::NotJson,
        RejectCode::BadEnvelope,
        RejectCode::UnknownFeed,
        RejectCode::BadPayload,
        RejectCode::BadRow,
    ];
    pub const fn name(self) -> &'static str {
        match self {
            RejectCode::NotJson => "not_json",
            RejectCode::BadEnvelope => "bad_envelope",
            RejectCode::UnknownFeed => "unknown_feed",
            RejectCode::BadPayload => "bad_payload",
            RejectCode::BadRow => "bad_row",
        }
    }
}
impl fmt::Display for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl FromStr for RejectCode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        RejectCode::ALL.into_iter().find(|code| code.name() == text).ok_or_else(|| {
            let codes = RejectCode::ALL.map(RejectCode::name).join(", ");
            format!("'{text}' is no code; the codes are {codes}")
        })
    }
}

/// Something that can never be used, with its bytes and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct DeadLetter {
    pub code: RejectCode,
    /// What is wrong and where, for a person.
    pub reason: String,
    /// The raw event it came in, when there is one.
    pub raw: Option<RawId>,
    pub fetched_at: Option<Timestamp>,
    /// Where it was read: a topic's name, or a file's.
    pub origin: String,
    pub partition: i32,
    /// The record's offset, or the line's number in a file.
    pub offset: i64,
    /// The original bytes: the whole record, or the bad row's JSON.
    #[serde(with = "bytes")]
    pub value: Vec<u8>,
    /// Who rejected it: a processor's name, or `ingest`.
    pub processor: String,
    /// The key of the record that it was read from.
    pub key: String,
    /// The version of the map that rejected it; the sink's is that of its tables.
    pub processor_version: i64,
    /// How often it had been put back when it was rejected.
    pub redrive_count: i32,
    /// The sink's batch that it was in; empty: it was in none.
    pub batch: String,
}
impl DeadLetter {
    /// A letter that does not say yet where it was read, by whom, and what its bytes are.
    pub const fn new(code: RejectCode, reason: String) -> DeadLetter {
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
}

/// Serde's default turns bytes into a sequence of numbers; Avro has a type for them.
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
