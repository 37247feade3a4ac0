//! Reads the raw events of a log in parts of limited size.
//!
//! Invariant: read-only; a record that is not an event comes from another program, and its loader has rejected it.
//! Not here: which of the events are retracted (`retractions`).
use anyhow::Result;
use runtime::{LogReader, RecordBatch};
use schemas::{Timestamp, raw::RawEvent, wire};
use topics::{Offset, Topic, TopicInfo};

/// The raw topics.
pub const RAW_TOPICS: [&Topic<RawEvent>; 4] =
    [&topics::RAW_SCHEDULES, &topics::RAW_BOX_SCORES, &topics::RAW_ROSTERS, &topics::RAW_ODDS];
/// The number of bytes of a partition that are read at a time.
const READ_BYTES: usize = 32 << 20;

/// A raw event, with topic partition, offset and key of its record.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    pub topic: TopicInfo,
    pub partition: i32,
    pub offset: Offset,
    pub record_key: String,
    /// The timestamp of the record, if the log passes it on.
    pub timestamp: Option<Timestamp>,
    pub event: RawEvent,
}

/// Calls `each` with every event that a raw topic has at the time of the call, partition by partition.
///
/// # Errors
/// If the log cannot be read.
pub fn each_event(
    log: &mut dyn LogReader,
    topic: TopicInfo,
    mut each: impl FnMut(StoredEvent),
) -> Result<()> {
    each_record(log, topic, |record| {
        if let Some(event) = record {
            each(event);
        }
        Ok(())
    })
}

/// Calls `each` with every record that a raw topic has at the time of the call, partition by partition; with `None` if the record is no event.
///
/// # Errors
/// If the log cannot be read; the first error of `each`.
pub fn each_record(
    log: &mut dyn LogReader,
    topic: TopicInfo,
    mut each: impl FnMut(Option<StoredEvent>) -> Result<()>,
) -> Result<()> {
    for (partition, end) in log.end_offsets(&[topic.name])? {
        let mut from = 0;
        while from < end {
            let batches = log.read(partition, from, READ_BYTES)?;
            for record in batches.iter().flat_map(RecordBatch::records) {
                let record = record?;
                let event = record.value.map(wire::decode::<RawEvent>);
                each(match event {
                    Some(Ok(event)) => Some(StoredEvent {
                        topic,
                        partition: partition.partition,
                        offset: record.offset,
                        record_key: record.key.to_owned(),
                        timestamp: record.timestamp,
                        event,
                    }),
                    _ => None,
                })?;
            }
            let next = batches.last().map_or(from, RecordBatch::next);
            if next <= from {
                break;
            }
            from = next;
        }
    }
    Ok(())
}
