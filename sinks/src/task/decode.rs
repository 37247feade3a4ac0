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
    let bad_key = |reason: String| SinkError::of_record(coordinates, format!("the key: {reason}"));
    let change = match coordinates.input {
        SinkTopic::Predictions => {
            let id = key.parse().map_err(bad_key)?;
            value.map(wire::decode).transpose().map(|event| RecordChange::Prediction(id, event))
        }
        SinkTopic::Features => {
            let id = key.parse().map_err(bad_key)?;
            value.map(wire::decode).transpose().map(|event| RecordChange::Features(id, event))
        }
        SinkTopic::PlayerGames => {
            let id = key.parse().map_err(bad_key)?;
            value.map(wire::decode).transpose().map(|event| RecordChange::PlayerGame(id, event))
        }
    };
    let change = change.map_err(|error| SinkError::of_record(coordinates, error))?;
    Ok(Record { coordinates, change })
}
