//! One record as it is shown: where it is, when it was appended, its key, its event and its value.
//!
//! Invariant: the value is the public JSON form of the event; a record that cannot be decoded has the reason and its bytes instead.
//! Not here: the public JSON form (`schemas::public_json`), the value of a dead letter (`dead_letters`).
use super::topic::{ShownTopic, ValueFormat};
use crate::dead_letters::value_json;
use runtime::{StoredRecord, StoredValue, engine::changelog_record};
use schemas::{
    catalog::{Entry, unframe},
    public_json::to_json,
    raw::DeadLetter,
    wire,
};
use serde::Serialize;
use serde_json::Value;
use topics::TopicPartition;

/// A record of a topic, decoded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordReport {
    pub topic: &'static str,
    pub partition: i32,
    pub offset: i64,
    /// In RFC 3339; `None` if the record has none.
    pub timestamp: Option<String>,
    pub key: String,
    /// The name of the event; in a changelog, the kind of the record.
    pub event: Option<&'static str>,
    /// The id of the schema that the record was written with; `None` without such an id, as in a changelog, and for a dead letter on Kafka.
    pub schema_id: Option<u32>,
    /// The number of the released version of the schema; `None` if it is the schema of another producer.
    pub schema_version: Option<usize>,
    /// The event; `None` for a tombstone, and for a record that cannot be decoded.
    pub value: Option<Value>,
    /// Why the record cannot be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The bytes of a record that cannot be decoded, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl RecordReport {
    pub(super) fn new(topic: &ShownTopic, partition: TopicPartition, record: StoredRecord) -> RecordReport {
        let StoredRecord { offset, timestamp, key, value } = record;
        let mut report = RecordReport {
            topic: partition.topic,
            partition: partition.partition,
            offset,
            timestamp: timestamp.map(|timestamp| timestamp.to_string()),
            key,
            event: None,
            schema_id: None,
            schema_version: None,
            value: None,
            error: None,
            bytes: None,
        };
        match value {
            StoredValue::Tombstone => report.event = topic.event(),
            StoredValue::DeadLetter(dead_letter) => report.set_dead_letter(&dead_letter),
            StoredValue::Unusable { bytes, reason } => report.set_error(&bytes, reason),
            StoredValue::Bytes(bytes) => {
                if let Err(reason) = report.decode(topic, &bytes) {
                    report.set_error(&bytes, reason);
                }
            }
        }
        report
    }
    fn decode(&mut self, topic: &ShownTopic, bytes: &[u8]) -> Result<(), String> {
        match &topic.format {
            ValueFormat::Changelog => {
                let (event, value) = changelog_record(&self.key, bytes)?;
                (self.event, self.value) = (Some(event), Some(value));
            }
            ValueFormat::Events(entry) => {
                self.set_schema(entry, bytes);
                self.value = Some((entry.decode_to_json)(bytes).map_err(|error| error.to_string())?);
            }
            ValueFormat::DeadLetters(entry) => {
                self.set_schema(entry, bytes);
                let dead_letter = wire::decode(bytes).map_err(|error| error.to_string())?;
                self.set_dead_letter(&dead_letter);
            }
        }
        Ok(())
    }
    fn set_schema(&mut self, entry: &Entry, bytes: &[u8]) {
        self.event = Some(entry.name);
        self.schema_id = unframe(bytes).map(|(id, _)| id);
        self.schema_version = self.schema_id.and_then(|id| (entry.schemas)().version_of(id));
    }
    /// Sets a dead letter, whose original bytes are shown as the event, row or line that they are.
    fn set_dead_letter(&mut self, dead_letter: &DeadLetter) {
        let mut value = to_json(dead_letter);
        value["value"] = value_json(dead_letter);
        (self.event, self.value) = (Some("dead-letter"), Some(value));
    }
    fn set_error(&mut self, bytes: &[u8], reason: String) {
        self.error = Some(reason);
        self.bytes = Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    }
}
