//! Records of a topic for a command that shows them, and waiting for new ones: with a standalone consumer, which commits nothing.
//!
//! A read ends at the last stable offset, so it waits for no open transaction and shows no record of one.
//! Invariant: a record that cannot be used (a key that is not text, a dead letter without its headers) is returned with the reason.
//! Not here: the records that processors read (`record`, `poll_thread`), the conversion of dead letters (`dlq_headers`).
use crate::{
    client_config::{Isolation, KafkaConfig},
    cluster::{KafkaCluster, READ_ONLY_GROUP},
    context::Context,
    dlq_headers::from_headers,
    offsets::offsets_at_time,
    partition_reader::{Collector, read_stable_with},
    record::{lossy_key, text_headers},
    standalone_consumer::StandaloneConsumer,
    topic_partition::{PhysicalOffsets, PhysicalPartition, offset_list},
};
use rdkafka::{Message, consumer::Consumer, error::KafkaError, message::BorrowedMessage};
use runtime::{RuntimeError, StoredRecord, StoredRecords, StoredValue, stored_record::NEWEST_BYTES};
use schemas::Timestamp;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use topics::{Offset, Offsets, TopicPartition};

const OPERATION: &str = "waiting for records";
/// The number of offsets of the first read of the newest records.
const FEW_OFFSETS: usize = 4;
/// About how many offsets a record takes: its own, and that of the commit marker of its transaction.
const OFFSETS_PER_RECORD: usize = 2;
/// The longest time for which a broker delays its response while there is no new record.
const FETCH_WAIT_MS: &str = "500";

/// Reads the records of several partitions from these offsets on, of each about `max_bytes`.
pub fn read(
    cluster: &KafkaCluster,
    from: &Offsets,
    max_bytes: usize,
) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
    let mut existing = Vec::new();
    for (partition, offset) in from {
        if cluster.has_partition(*partition)? {
            existing.push((*partition, cluster.config().physical(*partition), *offset));
        }
    }
    let physical: PhysicalOffsets =
        existing.iter().map(|(_, physical, offset)| (physical.clone(), *offset)).collect();
    let mut collected = read_stable_with::<StoredCollector>(&cluster.client(), &physical, max_bytes)?;
    let records = existing
        .iter()
        .filter_map(|(partition, physical, _)| Some((*partition, collected.remove(physical)?.0)));
    Ok(records.collect())
}

/// Reads the newest records of several partitions. The number of records between two offsets, and their size, are not known before they
/// are read; so the first read is of a few offsets, and a second one of as many as the size of those records allows.
pub fn read_newest(
    cluster: &KafkaCluster,
    partitions: &[TopicPartition],
    count: usize,
) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
    let mut existing = Vec::new();
    for partition in partitions {
        if cluster.has_partition(*partition)? {
            existing.push(*partition);
        }
    }
    let (ends, starts) = (cluster.last_stable_offsets(&existing)?, cluster.log_start_offsets(&existing)?);
    let first_of = |(partition, end): (&TopicPartition, &Offset), offsets: usize| {
        let start = starts.get(partition).copied().unwrap_or(0);
        (*partition, (end - i64::try_from(offsets).unwrap_or(i64::MAX)).max(start))
    };
    let few = ends.iter().map(|end| first_of(end, FEW_OFFSETS)).collect();
    let mut newest = read(cluster, &few, usize::MAX)?;
    let mut more = Offsets::new();
    for end in &ends {
        let stored = newest.get(end.0).map_or(&[][..], |stored| stored.records.as_slice());
        if stored.len() < count {
            let bytes: usize = stored.iter().map(size).sum();
            let affordable = NEWEST_BYTES / (bytes / stored.len().max(1)).max(1);
            let (partition, first) = first_of(end, affordable.min(count * OFFSETS_PER_RECORD));
            if few.get(&partition).is_some_and(|few| first < *few) {
                more.insert(partition, first);
            }
        }
    }
    newest.extend(read(cluster, &more, usize::MAX)?);
    Ok(newest)
}

fn size(record: &StoredRecord) -> usize {
    match &record.value {
        StoredValue::Tombstone => 0,
        StoredValue::DeadLetter(dead_letter) => dead_letter.value.len(),
        StoredValue::Bytes(bytes) | StoredValue::Unusable { bytes, .. } => bytes.len(),
    }
}

/// Returns the offset of the first record of each partition whose timestamp is not before an instant.
pub fn offsets_at(
    cluster: &KafkaCluster,
    partitions: &[TopicPartition],
    instant: Timestamp,
) -> Result<Offsets, RuntimeError> {
    let physical: Vec<(TopicPartition, PhysicalPartition)> =
        partitions.iter().map(|partition| (*partition, cluster.config().physical(*partition))).collect();
    let names: Vec<PhysicalPartition> = physical.iter().map(|(_, physical)| physical.clone()).collect();
    let offsets = offsets_at_time(&cluster.client(), &names, instant.0)?;
    Ok(physical.iter().filter_map(|(partition, name)| Some((*partition, *offsets.get(name)?))).collect())
}

struct StoredCollector(StoredRecords);

impl Collector for StoredCollector {
    fn starting_at(offset: Offset) -> Self {
        StoredCollector(StoredRecords { records: Vec::new(), next: offset })
    }
    fn add(&mut self, message: &BorrowedMessage<'_>) -> Result<usize, String> {
        self.0.next = message.offset() + 1;
        let key_bytes = message.key().unwrap_or_default();
        let key = lossy_key(key_bytes);
        let size = key.len() + message.payload().map_or(0, <[u8]>::len);
        let value = value(message, &key, std::str::from_utf8(key_bytes).is_ok());
        let timestamp = message.timestamp().to_millis().map(Timestamp);
        self.0.records.push(StoredRecord { offset: message.offset(), timestamp, key, value });
        Ok(size)
    }
    fn next(&self) -> Offset {
        self.0.next
    }
    fn skip_to(&mut self, offset: Offset) {
        self.0.next = offset;
    }
}

/// Returns the value of a record. A dead-letter queue is known by its name, which no other topic has, in any namespace.
fn value(message: &BorrowedMessage<'_>, key: &str, is_text_key: bool) -> StoredValue {
    let Some(bytes) = message.payload() else { return StoredValue::Tombstone };
    if message.topic().ends_with(".dlq") {
        let dead_letter = text_headers(message).and_then(|headers| from_headers(&headers, key, bytes));
        return dead_letter.map_or_else(
            || StoredValue::Unusable {
                bytes: bytes.to_vec(),
                reason: "the record's headers are not those of a dead letter: another program wrote it to this queue"
                    .to_owned(),
            },
            |dead_letter| StoredValue::DeadLetter(Box::new(dead_letter)),
        );
    }
    // Other programs may produce to raw topics, with any key.
    if !is_text_key && !topics::is_raw(message.topic()) {
        return StoredValue::Unusable {
            bytes: bytes.to_vec(),
            reason: "the record's key is not text".to_owned(),
        };
    }
    StoredValue::Bytes(bytes.to_vec())
}

/// A consumer that waits for a record at or after some offsets.
pub struct RecordWatch {
    consumer: StandaloneConsumer,
    next: Offsets,
}

impl RecordWatch {
    /// Creates the consumer, and assigns the partitions that exist.
    ///
    /// # Errors
    /// When a setting is rejected, or a topic does not exist.
    pub fn new(cluster: &KafkaCluster, next: &Offsets) -> Result<RecordWatch, RuntimeError> {
        let config: &KafkaConfig = cluster.config();
        let mut client_config = config.standalone_consumer(READ_ONLY_GROUP, Isolation::ReadCommitted);
        client_config.set("fetch.wait.max.ms", FETCH_WAIT_MS).set("queued.min.messages", "1");
        let consumer = StandaloneConsumer::new(config, &client_config, Context::new(&config.brokers))?;
        let mut assignment = PhysicalOffsets::new();
        for (partition, offset) in next {
            if cluster.has_partition(*partition)? {
                assignment.insert(config.physical(*partition), *offset);
            }
        }
        let assigned = offset_list(assignment.iter().map(|(partition, offset)| (partition, *offset)))
            .and_then(|list| consumer.assign(&list));
        assigned.map_err(|error| consumer.context().to_runtime_error(OPERATION, &error))?;
        Ok(RecordWatch { consumer, next: next.clone() })
    }
    /// True if the watch waits for a record at or after these offsets.
    pub fn is_for(&self, next: &Offsets) -> bool {
        self.next == *next
    }
    /// Waits at most for `timeout`. Returns true if a record arrived; then the watch must not be used again.
    ///
    /// # Errors
    /// When the brokers reject the request; while they are not reachable, the client reconnects.
    pub fn wait(&self, timeout: Duration) -> Result<bool, RuntimeError> {
        let started = Instant::now();
        while let Some(rest) = timeout.checked_sub(started.elapsed()).filter(|rest| !rest.is_zero()) {
            match self.consumer.poll(rest) {
                Some(Ok(_)) => return Ok(true),
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                Some(Err(error)) => match self.consumer.context().to_runtime_error(OPERATION, &error) {
                    RuntimeError::Unreachable { .. }
                        if !matches!(error, KafkaError::MessageConsumptionFatal(_)) =>
                    {
                        tracing::debug!(%error, "a read failed, the client reconnects");
                    }
                    runtime_error => return Err(runtime_error),
                },
            }
        }
        Ok(false)
    }
}
