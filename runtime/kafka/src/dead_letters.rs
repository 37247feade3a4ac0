//! Converts dead letters to records of a dead-letter queue, and such records to dead letters.
//!
//! Invariant: a dead-letter queue contains only dead letters; a record without their headers is an error. A record has the key of its
//! original record, byte for byte if the original can still be read, and up to [`MAX_KEY_BYTES`]; so every dead letter is within the limit
//! of a record.
//! Not here: the headers (`dlq_headers`), reading original records (`original_record`).
use crate::{
    client_config::KafkaConfig,
    dlq_headers::{from_headers, to_headers},
    original_record::{OriginalRecord, OriginalRecords, read_originals},
    partition_reader::{Collector, read_with},
    query_client::QueryClient,
    record::{lossy_key, text_headers},
};
use rdkafka::{
    Message,
    message::{BorrowedMessage, OwnedHeaders},
};
use runtime::{DeadLetterRecord, RuntimeError, engine::dlq_topic};
use schemas::raw::DeadLetter;
use std::collections::{BTreeMap, BTreeSet};
use topics::{Offset, TopicPartition};

/// The number of bytes of a key that are kept. With the original bytes and headers, the record is then below the limit of a record.
const MAX_KEY_BYTES: usize = 512 << 10;

/// A dead letter in the form in which it is written to Kafka.
#[derive(Clone, Debug)]
pub struct DlqRecord {
    pub partition: TopicPartition,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub headers: OwnedHeaders,
}

impl DlqRecord {
    fn new(
        partition: TopicPartition,
        dead_letter: DeadLetter,
        original_record: Option<&OriginalRecord>,
        with_connect_headers: bool,
    ) -> Self {
        let headers = to_headers(&dead_letter, original_record, with_connect_headers);
        let original_key = original_record.and_then(|original_record| original_record.key.clone());
        let mut key = original_key.unwrap_or_else(|| dead_letter.key.into_bytes());
        key.truncate(MAX_KEY_BYTES);
        DlqRecord { partition, key, value: dead_letter.value, headers }
    }
}

/// Converts dead letters without reading their original records.
pub fn to_records(
    config: &KafkaConfig,
    dead_letters: BTreeMap<TopicPartition, Vec<DeadLetter>>,
) -> Vec<DlqRecord> {
    convert(config, dead_letters, &OriginalRecords::new())
}

/// Converts dead letters. Those of raw topics get key, headers and timestamp of their original records.
///
/// # Errors
/// `RuntimeError::Unreachable` when the original records cannot be read now.
pub fn to_records_with_originals(
    client: &QueryClient,
    config: &KafkaConfig,
    dead_letters: BTreeMap<TopicPartition, Vec<DeadLetter>>,
) -> Result<Vec<DlqRecord>, RuntimeError> {
    let mut wanted: BTreeMap<TopicPartition, BTreeSet<Offset>> = BTreeMap::new();
    for (partition, offset) in dead_letters.values().flatten().filter_map(raw_origin) {
        wanted.entry(partition).or_default().insert(offset);
    }
    let original_records = read_originals(client, config, wanted)?;
    Ok(convert(config, dead_letters, &original_records))
}

/// Returns the raw record that a dead letter comes from; `None` if it comes from a file or from a topic that is not raw. Only records of
/// raw topics may have headers of other programs.
fn raw_origin(dead_letter: &DeadLetter) -> Option<(TopicPartition, Offset)> {
    topics::is_raw(&dead_letter.origin)
        .then(|| (TopicPartition::from_name(&dead_letter.origin, dead_letter.partition), dead_letter.offset))
}

fn convert(
    config: &KafkaConfig,
    dead_letters: BTreeMap<TopicPartition, Vec<DeadLetter>>,
    original_records: &OriginalRecords,
) -> Vec<DlqRecord> {
    let mut records = Vec::new();
    for (partition, dead_letters) in dead_letters {
        for dead_letter in dead_letters {
            let original_record =
                raw_origin(&dead_letter).and_then(|raw_record| original_records.get(&raw_record));
            records.push(DlqRecord::new(partition, dead_letter, original_record, config.connect_headers));
        }
    }
    records
}

/// Reads the dead letters of a processor in one partition of its dead-letter queue, from an offset to the current end.
///
/// # Errors
/// When the log cannot be read, or a record of the queue is not a dead letter.
pub fn read(
    client: &QueryClient,
    config: &KafkaConfig,
    processor: &str,
    partition: i32,
    from: Offset,
) -> Result<Vec<DeadLetterRecord>, RuntimeError> {
    let physical = config.physical(TopicPartition::new(dlq_topic(processor), partition));
    let from = BTreeMap::from([(physical, from)]);
    let collected = read_with::<DeadLetterCollector>(client, &from, usize::MAX)?;
    Ok(collected.into_values().flat_map(|collector| collector.records).collect())
}

/// Collects dead letters. A tombstone is skipped: it has no original bytes.
struct DeadLetterCollector {
    records: Vec<DeadLetterRecord>,
    next: Offset,
}

impl Collector for DeadLetterCollector {
    fn starting_at(offset: Offset) -> Self {
        DeadLetterCollector { records: Vec::new(), next: offset }
    }
    fn add(&mut self, message: &BorrowedMessage<'_>) -> Result<usize, String> {
        self.next = message.offset() + 1;
        let Some(value) = message.payload() else { return Ok(0) };
        let key = lossy_key(message.key().unwrap_or_default());
        let dead_letter = text_headers(message).and_then(|headers| from_headers(&headers, &key, value));
        let dead_letter = dead_letter.ok_or(
            "the record's headers are not those of a dead letter: another program wrote it to this queue",
        )?;
        self.records.push(DeadLetterRecord {
            partition: message.partition(),
            offset: message.offset(),
            dead_letter,
        });
        Ok(key.len() + value.len())
    }
    fn next(&self) -> Offset {
        self.next
    }
    fn skip_to(&mut self, offset: Offset) {
        self.next = offset;
    }
}
