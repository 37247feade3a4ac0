//! Decoding the records of the sink's input topics.
//!
//! Invariant: a record that cannot be decoded is an error with its coordinates.
//! Not here: converting events to rows (`rows`).
use crate::record::{Record, RecordChange, SinkTopic, TopicPartitionOffset};
use crate::sink_error::SinkError;
use schemas::wire;

/// Decodes the record at these coordinates; if `value` is `None`, the record is a tombstone.
pub fn decode_record(
    coordinates: TopicPartitionOffset,
    key: &str,
    value: Option<&[u8]>,
) -> Result<Record, SinkError> {
    let id = key
        .parse()
        .map_err(|reason: String| SinkError::of_record(coordinates, format!("the key: {reason}")))?;
    let change = match coordinates.input {
        SinkTopic::Predictions => {
            value.map(wire::decode).transpose().map(|event| RecordChange::Prediction(id, event))
        }
        SinkTopic::Features => {
            value.map(wire::decode).transpose().map(|event| RecordChange::Features(id, event))
        }
        SinkTopic::PlayerGames => {
            value.map(wire::decode).transpose().map(|event| RecordChange::PlayerGame(id, event))
        }
    };
    let change = change.map_err(|error| SinkError::of_record(coordinates, error))?;
    Ok(Record { coordinates, change })
}
