//! Reads key, headers and timestamp of a raw record again from the log when the record becomes a dead letter.
//!
//! A program that produces to a raw topic may add headers and may use any bytes as the key, and every record has a timestamp. The
//! engine does not need these, so they are not kept with each record in memory. Dead letters are rare, and their original
//! records are usually still in the log.
//! Invariant: read-only. A record that is no longer stored is left out, and its dead letter is written without these fields; a record
//! that cannot be read now is an error.
//! Not here: the headers of a dead letter (`dlq_headers`).
use crate::{
    client_config::KafkaConfig,
    context::Context,
    offsets::{log_start_offsets, positions},
    partition_queues,
    query_client::{QueryClient, REQUEST_TIMEOUT},
    record::text_headers,
    standalone_consumer::StandaloneConsumer,
    topic_partition::PhysicalPartition,
};
use rdkafka::{
    Message,
    consumer::base_consumer::PartitionQueue,
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::OwnedHeaders,
};
use runtime::RuntimeError;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use topics::{Offset, TopicPartition};

/// A raw record without its value.
#[derive(Default)]
pub struct OriginalRecord {
    /// The exact bytes of the key, which may not be valid UTF-8.
    pub key: Option<Vec<u8>>,
    pub headers: Option<OwnedHeaders>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
}

/// Original records by partition and offset.
pub type OriginalRecords = BTreeMap<(TopicPartition, Offset), OriginalRecord>;

/// If no record arrives for this long, reading fails. The processor has just read these records, so brokers that do not deliver them again
/// must be unreachable.
const READ_TIMEOUT: Duration = REQUEST_TIMEOUT;
const OPERATION: &str = "reading the original records of dead letters";

/// Reads the records at these offsets.
///
/// # Errors
/// `RuntimeError::Unreachable` when they cannot be read now.
pub fn read_originals(
    client: &QueryClient,
    config: &KafkaConfig,
    wanted: BTreeMap<TopicPartition, BTreeSet<Offset>>,
) -> Result<OriginalRecords, RuntimeError> {
    let mut found = OriginalRecords::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let consumer = client.dedicated_consumer()?;
    let mut open = open_partitions(client, config, wanted, &consumer)?;
    let mut last_progress = Instant::now();
    while !open.is_empty() {
        if last_progress.elapsed() > READ_TIMEOUT {
            let timed_out = KafkaError::MessageConsumption(Code::OperationTimedOut);
            return Err(client.to_runtime_error(OPERATION, &timed_out));
        }
        match consumer.poll(Duration::from_millis(1)) {
            Some(Ok(message)) => return Err(partition_queues::unexpected_main_queue_message(&message)),
            Some(Err(error)) => client.ignore_unreachable(&error)?,
            None => {}
        }
        let mut index = 0;
        while let Some(partition) = open.get_mut(index) {
            let (has_progress, end) = partition.drain(client, &mut found)?;
            if has_progress {
                last_progress = Instant::now();
            }
            if end == Some(ReadEnd::EndOfFile) {
                let read = [partition.physical.clone()];
                let positions = positions(&consumer, &read)
                    .map_err(|error| client.to_runtime_error(OPERATION, &error))?;
                partition.ensure_passed(client, positions.get(&partition.physical).copied().unwrap_or(0))?;
            }
            if end.is_some() {
                open.swap_remove(index);
            } else {
                index += 1;
            }
        }
    }
    Ok(found)
}

/// Assigns the partitions from the first wanted offset that is still stored. Partitions without such an offset are left out.
fn open_partitions(
    client: &QueryClient,
    config: &KafkaConfig,
    wanted: BTreeMap<TopicPartition, BTreeSet<Offset>>,
    consumer: &StandaloneConsumer,
) -> Result<Vec<OpenPartition>, RuntimeError> {
    let physical: Vec<PhysicalPartition> =
        wanted.keys().map(|partition| config.physical(*partition)).collect();
    let log_start_offsets = log_start_offsets(client, &physical)?;
    let (mut stored, mut assignment) = (Vec::new(), Vec::new());
    for ((partition, mut offsets), physical) in wanted.into_iter().zip(physical) {
        let offsets = offsets.split_off(log_start_offsets.get(&physical).unwrap_or(&0));
        if let Some(first) = offsets.first() {
            assignment.push((physical, *first));
            stored.push((partition, offsets));
        }
    }
    let queues = partition_queues::assign(consumer, &assignment)
        .map_err(|error| client.to_runtime_error(OPERATION, &error))?;
    let open = stored.into_iter().zip(assignment).zip(queues);
    Ok(open
        .map(|(((partition, offsets), (physical, _)), queue)| OpenPartition {
            partition,
            physical,
            offsets,
            queue,
        })
        .collect())
}

/// Why reading of a partition has ended: no further wanted record can follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadEnd {
    /// The last wanted record, or a later record, was delivered.
    LastOffset,
    EndOfFile,
}

/// A partition with wanted offsets that were not delivered yet.
struct OpenPartition {
    partition: TopicPartition,
    physical: PhysicalPartition,
    offsets: BTreeSet<Offset>,
    queue: PartitionQueue<Context>,
}

impl OpenPartition {
    /// Takes all messages out of the queue. Returns true if there were any, and the reason if reading has ended.
    fn drain(
        &mut self,
        client: &QueryClient,
        found: &mut OriginalRecords,
    ) -> Result<(bool, Option<ReadEnd>), RuntimeError> {
        let mut has_progress = false;
        loop {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    has_progress = true;
                    let offset = message.offset();
                    if self.offsets.remove(&offset) {
                        let original_record = OriginalRecord {
                            key: message.key().map(<[u8]>::to_vec),
                            headers: text_headers(&message),
                            timestamp: message.timestamp().to_millis(),
                        };
                        found.insert((self.partition, offset), original_record);
                    }
                    if self.offsets.last().is_none_or(|last| *last <= offset) {
                        return Ok((has_progress, Some(ReadEnd::LastOffset)));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    return Ok((has_progress, Some(ReadEnd::EndOfFile)));
                }
                Some(Err(error)) => client.ignore_unreachable(&error)?,
                None => return Ok((has_progress, None)),
            }
        }
    }
    /// Checks at the end of file that the position is past every wanted offset, because a broker that has just become leader may report
    /// the end of file too early. Wanted records below the position that were not delivered no longer exist.
    fn ensure_passed(&self, client: &QueryClient, position: Offset) -> Result<(), RuntimeError> {
        if self.offsets.last().is_some_and(|last| *last >= position) {
            let not_available = KafkaError::MessageConsumption(Code::OffsetNotAvailable);
            return Err(client.to_runtime_error(OPERATION, &not_available));
        }
        Ok(())
    }
}
