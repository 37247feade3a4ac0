//! Reads partitions to their end without group membership: for restoring state, and for commands.
//!
//! The end of a partition is its high watermark, which only a `read_uncommitted` consumer gets. A read first waits until no transaction
//! below this end is open. Otherwise it could miss records whose commit marker is not written yet.
//! Invariant: a read returns every committed record from the given offset to this end, or to the size limit.
//! Not here: the input of a processor (`poll_thread`), the records of a dead-letter queue (`dead_letters`).
use crate::{
    context::Context,
    offsets::{await_last_stable, high_watermarks, last_stable_offsets, log_start_offsets, positions},
    partition_queues,
    query_client::{QueryClient, STABLE_OFFSET_TIMEOUT},
    record::append_message,
    topic_partition::{PhysicalOffsets, PhysicalPartition},
};
use rdkafka::{
    Message,
    consumer::base_consumer::PartitionQueue,
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
};
use runtime::{RecordBatch, RuntimeError};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use topics::Offset;

/// When a batch exceeds this size, the next one starts. A larger buffer would be copied as it grows.
const MAX_BATCH_BYTES: usize = 256 << 10;
const OPERATION: &str = "reading partitions to their end";
/// If a consumer delivers neither a record nor an end of file for this time, reading continues with a new consumer.
const SILENT_CONSUMER_TIMEOUT: Duration = Duration::from_secs(10);
/// The processor name in the error for a record that cannot be used.
const READER: &str = "fastbreak";

/// Collects the messages of one partition in offset order.
pub trait Collector {
    fn starting_at(offset: Offset) -> Self;
    /// Adds a message and returns its size in bytes.
    ///
    /// # Errors
    /// The reason why the message cannot be used.
    fn add(&mut self, message: &BorrowedMessage<'_>) -> Result<usize, String>;
    /// Returns the offset at which reading continues.
    fn next(&self) -> Offset;
    /// Continues at a later offset, because no record is left below it.
    fn skip_to(&mut self, offset: Offset);
}

/// Collects the records of one partition into batches. `complete` has the full batches, and `current` is the batch that is being filled.
struct BatchCollector {
    complete: Vec<RecordBatch>,
    current: RecordBatch,
}

impl Collector for BatchCollector {
    fn starting_at(offset: Offset) -> Self {
        BatchCollector { complete: Vec::new(), current: RecordBatch::at(offset) }
    }
    fn add(&mut self, message: &BorrowedMessage<'_>) -> Result<usize, String> {
        if self.current.bytes().len() > MAX_BATCH_BYTES {
            self.start_batch();
        }
        let size_before = self.current.bytes().len();
        append_message(&mut self.current, message)?;
        Ok(self.current.bytes().len() - size_before)
    }
    fn next(&self) -> Offset {
        self.current.next()
    }
    fn skip_to(&mut self, offset: Offset) {
        self.start_batch();
        // An offset gap is stored as a batch without records.
        self.current = RecordBatch::from_parts(self.current.base(), offset, 0, Vec::new());
    }
}

impl BatchCollector {
    fn start_batch(&mut self) {
        let next = RecordBatch::at(self.current.next());
        self.complete.push(std::mem::replace(&mut self.current, next));
    }
    fn into_batches(mut self) -> Vec<RecordBatch> {
        self.complete.push(self.current);
        self.complete
    }
}

/// A partition that is being read.
struct Reading<C> {
    partition: PhysicalPartition,
    collector: C,
    /// The offset at which the read ends: the high watermark, or a lower one if the size limit is reached.
    end: Offset,
    size_bytes: usize,
}

/// Reads the records from these offsets to the current end, or to about `max_bytes` per partition. The last batch of a partition ends
/// at the offset at which the next read continues; a partition without offsets to read has no batch.
///
/// # Errors
/// When the brokers are not reachable, a transaction stays open, or a record cannot be used.
pub fn read(
    client: &QueryClient,
    from: &PhysicalOffsets,
    max_bytes: usize,
) -> Result<BTreeMap<PhysicalPartition, Vec<RecordBatch>>, RuntimeError> {
    let mut collected = read_with::<BatchCollector>(client, from, max_bytes)?;
    let batches = |partition: &PhysicalPartition| {
        let collector = collected.remove(partition);
        (partition.clone(), collector.map_or_else(Vec::new, BatchCollector::into_batches))
    };
    Ok(from.keys().map(batches).collect())
}

/// Reads as [`read`] does, but into collectors of type `C`. The result has no entry for a partition without offsets to read.
///
/// # Errors
/// As [`read`].
pub fn read_with<C: Collector>(
    client: &QueryClient,
    from: &PhysicalOffsets,
    max_bytes: usize,
) -> Result<BTreeMap<PhysicalPartition, C>, RuntimeError> {
    let partitions: Vec<PhysicalPartition> = from.keys().cloned().collect();
    let end_offsets = high_watermarks(client, &partitions)?;
    await_last_stable(client, &end_offsets)?;
    read_to(client, from, &end_offsets, max_bytes)
}

/// Reads as [`read_with`] does, but only to the last stable offsets: it does not wait for open transactions, and so may miss records of a
/// transaction that has just been committed.
///
/// # Errors
/// As [`read`].
pub fn read_stable_with<C: Collector>(
    client: &QueryClient,
    from: &PhysicalOffsets,
    max_bytes: usize,
) -> Result<BTreeMap<PhysicalPartition, C>, RuntimeError> {
    let partitions: Vec<PhysicalPartition> = from.keys().cloned().collect();
    read_to(client, from, &last_stable_offsets(client, &partitions)?, max_bytes)
}

fn read_to<C: Collector>(
    client: &QueryClient,
    from: &PhysicalOffsets,
    end_offsets: &PhysicalOffsets,
    max_bytes: usize,
) -> Result<BTreeMap<PhysicalPartition, C>, RuntimeError> {
    let partitions: Vec<PhysicalPartition> = from.keys().cloned().collect();
    let mut readings = Vec::new();
    for (partition, log_start_offset) in log_start_offsets(client, &partitions)? {
        let (first, end) = (from[&partition].max(log_start_offset), end_offsets[&partition]);
        if first < end {
            readings.push(Reading { partition, collector: C::starting_at(first), end, size_bytes: 0 });
        }
    }
    let (mut collected, short) = read_once(client, readings, max_bytes)?;
    if !short.is_empty() {
        // A broker that has just become leader may have reported the end too early. It returns a last stable offset only once it
        // knows the correct one, so wait for that and read again. Records that are still absent were removed by compaction.
        await_last_stable(client, &end_offsets_of(&short))?;
        let (complete, compacted) = read_once(client, short, max_bytes)?;
        collected.extend(complete);
        for mut reading in compacted {
            reading.collector.skip_to(reading.end);
            collected.insert(reading.partition, reading.collector);
        }
    }
    Ok(collected)
}

fn end_offsets_of<C>(readings: &[Reading<C>]) -> PhysicalOffsets {
    readings.iter().map(|reading| (reading.partition.clone(), reading.end)).collect()
}

type Collected<C> = BTreeMap<PhysicalPartition, C>;

/// Reads each partition until its end of file. Returns the partitions that are complete, and the readings whose end of file came before
/// their end offset.
fn read_once<C: Collector>(
    client: &QueryClient,
    readings: Vec<Reading<C>>,
    max_bytes: usize,
) -> Result<(Collected<C>, Vec<Reading<C>>), RuntimeError> {
    let (mut complete, mut short) = (BTreeMap::new(), Vec::new());
    if readings.is_empty() {
        return Ok((complete, short));
    }
    for (mut reading, position) in read_to_end_of_file(client, readings, max_bytes)? {
        let is_passed = position.is_some_and(|position| position >= reading.end);
        if reading.collector.next() < reading.end && is_passed {
            // Only control records (or aborted or compacted records) are left below the end, so no record is missing.
            reading.collector.skip_to(reading.end);
        }
        if reading.collector.next() < reading.end {
            short.push(Reading { size_bytes: 0, ..reading });
        } else {
            complete.insert(reading.partition, reading.collector);
        }
    }
    Ok((complete, short))
}

/// A partition that was read to its end of file or the size limit, and its consumer's position there.
type CompletedReading<C> = (Reading<C>, Option<Offset>);

/// Reads each partition until its end of file or the size limit.
///
/// A consumer that once received metadata without any broker knows no broker from then on. So a consumer that delivers nothing
/// for [`SILENT_CONSUMER_TIMEOUT`] is replaced, and reading continues after the last record received.
fn read_to_end_of_file<C: Collector>(
    client: &QueryClient,
    readings: Vec<Reading<C>>,
    max_bytes: usize,
) -> Result<Vec<CompletedReading<C>>, RuntimeError> {
    let mut ended = Vec::new();
    let mut open = readings;
    let mut last_progress = Instant::now();
    while !open.is_empty() {
        let offsets_before = next_offsets(&open);
        open = read_with_one_consumer(client, open, max_bytes, &mut ended)?;
        if next_offsets(&open) != offsets_before {
            last_progress = Instant::now();
        } else if last_progress.elapsed() > STABLE_OFFSET_TIMEOUT {
            let timed_out = KafkaError::MessageConsumption(Code::OperationTimedOut);
            return Err(client.to_runtime_error(OPERATION, &timed_out));
        }
    }
    Ok(ended)
}

/// Returns the offsets at which reading continues, in the order of the readings.
fn next_offsets<C: Collector>(readings: &[Reading<C>]) -> Vec<(PhysicalPartition, Offset)> {
    readings.iter().map(|reading| (reading.partition.clone(), reading.collector.next())).collect()
}

/// Reads with a new consumer until every partition ended or nothing is delivered for [`SILENT_CONSUMER_TIMEOUT`]. Adds the partitions
/// that ended to `ended`, and returns the others.
fn read_with_one_consumer<C: Collector>(
    client: &QueryClient,
    readings: Vec<Reading<C>>,
    max_bytes: usize,
    ended: &mut Vec<CompletedReading<C>>,
) -> Result<Vec<Reading<C>>, RuntimeError> {
    let to_runtime_error = |error: KafkaError| client.to_runtime_error(OPERATION, &error);
    // A new consumer is needed, because the queues of a consumer with an earlier assignment may still hold an outdated end of file.
    let consumer = client.dedicated_consumer()?;
    let queues = partition_queues::assign(&consumer, &next_offsets(&readings)).map_err(to_runtime_error)?;
    let mut open: Vec<_> = readings.into_iter().zip(queues).collect();
    let mut at_end = Vec::new();
    let mut last_progress = Instant::now();
    while !open.is_empty() && last_progress.elapsed() < SILENT_CONSUMER_TIMEOUT {
        match consumer.poll(Duration::ZERO) {
            Some(Ok(message)) => return Err(partition_queues::unexpected_main_queue_message(&message)),
            Some(Err(error)) => client.ignore_unreachable(&error)?,
            None => {}
        }
        let mut has_progress = false;
        let mut index = 0;
        while let Some((reading, queue)) = open.get_mut(index) {
            let offset_before = reading.collector.next();
            let is_at_end = drain(client, reading, queue, max_bytes)?;
            has_progress |= is_at_end || reading.collector.next() > offset_before;
            if is_at_end {
                at_end.push(open.swap_remove(index).0);
            } else {
                index += 1;
            }
        }
        if has_progress {
            last_progress = Instant::now();
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let partitions: Vec<PhysicalPartition> = at_end.iter().map(|reading| reading.partition.clone()).collect();
    let positions = positions(&consumer, &partitions).map_err(to_runtime_error)?;
    ended.extend(at_end.into_iter().map(|reading| {
        let position = positions.get(&reading.partition).copied();
        (reading, position)
    }));
    Ok(open.into_iter().map(|(reading, _)| reading).collect())
}

/// Takes the messages that a queue holds. Returns true at the end of file, and once the size limit is reached.
fn drain<C: Collector>(
    client: &QueryClient,
    reading: &mut Reading<C>,
    queue: &PartitionQueue<Context>,
    max_bytes: usize,
) -> Result<bool, RuntimeError> {
    loop {
        match queue.poll(Duration::ZERO) {
            Some(Ok(message)) => {
                let added = reading.collector.add(&message);
                reading.size_bytes += added.map_err(|reason| RuntimeError::Undecodable {
                    processor: READER.into(),
                    topic: reading.partition.topic().to_owned(),
                    partition: reading.partition.partition(),
                    offset: message.offset(),
                    reason,
                })?;
                if reading.size_bytes >= max_bytes {
                    reading.end = reading.collector.next();
                    return Ok(true);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(true),
            Some(Err(error)) => client.ignore_unreachable(&error)?,
            None => return Ok(false),
        }
    }
}
