//! What records of raw topics came with, beside their values: read once more when they become dead letters.
//!
//! Whoever produces to a raw topic may add headers, and every record has a time. A key may be any bytes. The engine has
//! no use for these, so they are not carried with each record; a dead letter is rare, and its record still lies where it was read.
//! Invariant: read-only; what is not there any more is left out, and its letter goes without; what cannot be read now is an error.
//! Not here: what a letter says of them (`dead_letters`).
use super::{
    client::Context,
    client_config::KafkaConfig,
    dlq_headers, partition_queues,
    partition_reader::{PartitionReader, PhysicalPartition, REQUEST_TIMEOUT},
};
use crate::{log::RuntimeError, record_batch::RecordBatch};
use rdkafka::{
    Message,
    consumer::{Consumer, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::{BorrowedMessage, Headers, OwnedHeaders},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// What a record came with, beside its value.
#[derive(Default)]
pub struct OriginalRecord {
    /// Its bytes: as text it may be another one.
    pub key: Option<Vec<u8>>,
    pub headers: Option<OwnedHeaders>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
}

/// By topic as it is called here, partition and offset.
pub type OriginalRecords = BTreeMap<(String, i32, i64), OriginalRecord>;

/// How long nothing may come of them. The processor has just read them, so brokers that give them to nobody now are away.
const READ_TIMEOUT: Duration = REQUEST_TIMEOUT;

/// Offsets that are wanted of a topic, as it is called here.
type Wanted = (String, BTreeSet<i64>);

/// Of the records that became the dead letters among these.
///
/// # Errors
/// `RuntimeError::Unreachable` when they cannot be read now.
pub fn read_originals(
    reader: &PartitionReader,
    settings: &KafkaConfig,
    out: &BTreeMap<(String, i32), RecordBatch>,
) -> Result<OriginalRecords, RuntimeError> {
    let mut wanted: BTreeMap<PhysicalPartition, Wanted> = BTreeMap::new();
    for (_, record_batch) in out.iter().filter(|((topic, _), _)| dlq_headers::is_dlq_topic(topic)) {
        for record in record_batch.records().flatten() {
            let dead_letter = record.value.and_then(dlq_headers::decode);
            if let Some(dead_letter) = dead_letter.filter(|dead_letter| topics::is_raw(&dead_letter.origin)) {
                let physical_partition =
                    (settings.topic(&dead_letter.origin).into_owned(), dead_letter.partition);
                let of_place =
                    wanted.entry(physical_partition).or_insert_with(|| (dead_letter.origin, BTreeSet::new()));
                of_place.1.insert(dead_letter.offset);
            }
        }
    }
    match wanted.is_empty() {
        true => Ok(OriginalRecords::new()),
        false => read(reader, wanted),
    }
}

/// Reads from the first of the offsets that is still there to the last, of all partitions at once.
fn read(
    reader: &PartitionReader,
    mut wanted: BTreeMap<PhysicalPartition, Wanted>,
) -> Result<OriginalRecords, RuntimeError> {
    let runtime_error =
        |error: KafkaError| reader.to_runtime_error("reading what became dead letters", &error);
    let physical_partitions: Vec<PhysicalPartition> = wanted.keys().cloned().collect();
    let log_start_offsets = reader.log_start_offsets(&physical_partitions)?;
    for (physical_partition, (_, offsets)) in &mut wanted {
        *offsets = offsets.split_off(log_start_offsets.get(physical_partition).unwrap_or(&0));
    }
    let first = |(physical_partition, (_, offsets)): (&PhysicalPartition, &Wanted)| {
        Some((physical_partition.clone(), *offsets.first()?))
    };
    let firsts: Vec<(PhysicalPartition, i64)> = wanted.iter().filter_map(first).collect();
    let client = reader.dedicated_client()?;
    let queues = partition_queues::assign(&client, &firsts).map_err(runtime_error)?;
    let mut open = Vec::new();
    for ((physical_partition, _), queue) in firsts.into_iter().zip(queues) {
        if let Some((topic, offsets)) = wanted.remove(&physical_partition) {
            open.push(Open {
                topic,
                known_as: physical_partition.0,
                partition: physical_partition.1,
                offsets,
                queue,
            });
        }
    }
    let (mut found, mut last) = (OriginalRecords::new(), Instant::now());
    while !open.is_empty() {
        if last.elapsed() > READ_TIMEOUT {
            return Err(runtime_error(KafkaError::MessageConsumption(Code::OperationTimedOut)));
        }
        match client.poll(Duration::from_millis(1)) {
            Some(Ok(message)) => return Err(partition_queues::unexpected_main_queue_message(&message)),
            Some(Err(error)) => reader.check(&error)?,
            None => {}
        }
        let mut index = 0;
        while let Some(partition) = open.get_mut(index) {
            let (any, ended) = partition.take(reader, &mut found)?;
            if any {
                last = Instant::now();
            }
            match ended {
                None => index += 1,
                Some(End::Taken) => _ = open.swap_remove(index),
                Some(End::OfPartition) => {
                    let position = client.position().map_err(runtime_error)?;
                    let at = position.find_partition(&partition.known_as, partition.partition);
                    let passed = at.and_then(|at| at.offset().to_raw()).unwrap_or(0);
                    // What is gone is gone. But one that has just begun to lead may not know yet how far it is.
                    if partition.offsets.last().is_some_and(|last| *last >= passed) {
                        return Err(runtime_error(KafkaError::MessageConsumption(Code::OffsetNotAvailable)));
                    }
                    open.swap_remove(index);
                }
            }
        }
    }
    Ok(found)
}

/// Why nothing more comes of a partition.
enum End {
    /// The last that was wanted has come, or a later one.
    Taken,
    OfPartition,
}

/// A partition of which something is still wanted.
struct Open {
    topic: String,
    /// As the brokers call it.
    known_as: String,
    partition: i32,
    offsets: BTreeSet<i64>,
    queue: PartitionQueue<Context>,
}
impl Open {
    /// Takes what is wanted out of what the queue holds; whether that held anything, and how it ended.
    fn take(
        &mut self,
        reader: &PartitionReader,
        found: &mut OriginalRecords,
    ) -> Result<(bool, Option<End>), RuntimeError> {
        let mut any = false;
        loop {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let at = message.offset();
                    any = true;
                    if self.offsets.remove(&at) {
                        let key = message.key().map(<[u8]>::to_vec);
                        let (headers, timestamp) = (headers(&message), message.timestamp().to_millis());
                        let original_record = OriginalRecord { key, headers, timestamp };
                        found.insert((self.topic.clone(), self.partition, at), original_record);
                    }
                    if self.offsets.last().is_none_or(|last| *last <= at) {
                        return Ok((any, Some(End::Taken)));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok((any, Some(End::OfPartition))),
                Some(Err(error)) => reader.check(&error)?,
                None => return Ok((any, None)),
            }
        }
    }
}

/// The headers, when their names are text: the client's reader panics at any other.
fn headers(message: &BorrowedMessage<'_>) -> Option<OwnedHeaders> {
    let headers = message.headers()?.detach();
    let is_text = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| headers.iter().count())).is_ok();
    is_text.then_some(headers)
}
