//! Reading partitions to their end, outside any group: memory on assignment, and what verbs show.
//!
//! The end is the high watermark as a reader of the uncommitted sees it; open transactions below it are waited out first, so nothing
//! whose commit marker is on its way is missed.
//! Invariant: what is answered is every committed record from a position to that end.
//! Not here: a processor's input as it comes (`poll`).
use super::{
    client::{Context, to_runtime_error},
    client_config::KafkaConfig,
    dlq_headers, partition_queues,
    poll_thread::{append_message, lossy_key},
    standalone_consumer::StandaloneConsumer,
};
use crate::{log::RuntimeError, record_batch::RecordBatch};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
    topic_partition_list::TopicPartitionListElem,
};
use schemas::wire;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a call to the brokers may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an open transaction is waited for: it is ended by its own timeout, which is shorter.
const STABLE_OFFSET_TIMEOUT: Duration = Duration::from_secs(90);
/// How long to wait before asking again, and for how long to ask one client.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
const CLIENT_RENEWAL_INTERVAL: Duration = Duration::from_secs(2);
const READ_COMMITTED: &str = "read_committed";
/// Where the log begins and ends, in the protocol's own words.
pub const EARLIEST_OFFSET: i64 = -2;
const LATEST_OFFSET: i64 = -1;

/// Bytes of a chunk after which the next is begun: large ones would be copied as they grow.
const MAX_BATCH_BYTES: usize = 256 << 10;

/// A partition, as the brokers call its topic.
pub type PhysicalPartition = (String, i32);

/// A partition as it is read, up to a mark.
struct Reading {
    physical_partition: PhysicalPartition,
    /// Never empty.
    record_batches: Vec<RecordBatch>,
    high: i64,
    size: usize,
}
impl Reading {
    fn next(&self) -> i64 {
        self.record_batches.last().map_or(0, RecordBatch::next)
    }
}

/// Reads by position.
pub struct PartitionReader {
    settings: KafkaConfig,
    group: String,
    /// By isolation, made when first asked: each client has threads of its own.
    clients: Mutex<BTreeMap<&'static str, Arc<StandaloneConsumer>>>,
    context: Context,
}

impl PartitionReader {
    /// `group` answers for committed positions; nothing joins it.
    pub fn new(settings: &KafkaConfig, group: &str) -> PartitionReader {
        PartitionReader {
            settings: settings.clone(),
            group: group.to_owned(),
            clients: Mutex::default(),
            context: Context::default(),
        }
    }
    fn clients(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<StandaloneConsumer>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn client(&self, isolation: &'static str) -> Result<Arc<StandaloneConsumer>, RuntimeError> {
        if let Some(client) = self.clients().get(isolation) {
            return Ok(client.clone());
        }
        let client = Arc::new(self.standalone_consumer(isolation)?);
        Ok(self.clients().entry(isolation).or_insert(client).clone())
    }
    /// One more that reads what is committed.
    pub fn dedicated_client(&self) -> Result<StandaloneConsumer, RuntimeError> {
        self.standalone_consumer(READ_COMMITTED)
    }
    fn standalone_consumer(&self, isolation: &str) -> Result<StandaloneConsumer, RuntimeError> {
        let config = self.settings.reader(&self.group, isolation);
        StandaloneConsumer::new(&self.settings, &config, self.context.clone())
    }
    /// Asks until there is an answer or no hope of one.
    fn request<T>(
        &self,
        isolation: &'static str,
        doing: &str,
        ask: impl Fn(&BaseConsumer<Context>) -> Result<T, KafkaError>,
    ) -> Result<T, RuntimeError> {
        let since = Instant::now();
        let mut renewed = since;
        loop {
            match ask(self.client(isolation)?.as_ref()) {
                Err(error) if since.elapsed() < STABLE_OFFSET_TIMEOUT && is_passing(&error) => {
                    std::thread::sleep(RETRY_INTERVAL);
                    if renewed.elapsed() > CLIENT_RENEWAL_INTERVAL {
                        // A client that was told once of no broker at all knows none from then on.
                        self.clients().remove(isolation);
                        renewed = Instant::now();
                    }
                }
                answered => return answered.map_err(|error| self.to_runtime_error(doing, &error)),
            }
        }
    }
    /// The group that it answers for, as one who commits without having joined it.
    pub fn group(&self) -> Result<Option<ConsumerGroupMetadata>, RuntimeError> {
        Ok(self.client(READ_COMMITTED)?.group_metadata())
    }
    pub fn to_runtime_error(&self, doing: &str, error: &KafkaError) -> RuntimeError {
        to_runtime_error(&self.settings.brokers, doing, error, &self.context.last_client_error)
    }
    fn list_offsets(
        &self,
        isolation: &'static str,
        physical_partitions: &[PhysicalPartition],
        which: i64,
    ) -> Result<BTreeMap<PhysicalPartition, i64>, RuntimeError> {
        if physical_partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let asked = list(physical_partitions.iter().map(|physical_partition| (physical_partition, which)));
        let asked = asked.map_err(|error| self.to_runtime_error("asking for watermarks", &error))?;
        let answered = self.request(isolation, "asking for watermarks", |client| {
            let answered = client.offsets_for_times(asked.clone(), REQUEST_TIMEOUT)?;
            answered.elements().iter().try_for_each(|element| match element.offset().to_raw() {
                Some(offset) if offset >= 0 => element.error(),
                _ => element.error().and(Err(KafkaError::OffsetFetch(Code::OffsetNotAvailable))),
            })?;
            Ok(answered)
        })?;
        let found = answered.elements().into_iter().map(|element| {
            let physical_partition = (element.topic().to_owned(), element.partition());
            (physical_partition, element.offset().to_raw().unwrap_or(-1))
        });
        Ok(found.collect())
    }
    /// High watermarks: open transactions are below them.
    pub fn high_watermarks(
        &self,
        physical_partitions: &[PhysicalPartition],
    ) -> Result<BTreeMap<PhysicalPartition, i64>, RuntimeError> {
        self.list_offsets("read_uncommitted", physical_partitions, LATEST_OFFSET)
    }
    /// The offsets up to which everything is decided.
    pub fn last_stable_offsets(
        &self,
        physical_partitions: &[PhysicalPartition],
    ) -> Result<BTreeMap<PhysicalPartition, i64>, RuntimeError> {
        self.list_offsets(READ_COMMITTED, physical_partitions, LATEST_OFFSET)
    }
    pub fn log_start_offsets(
        &self,
        physical_partitions: &[PhysicalPartition],
    ) -> Result<BTreeMap<PhysicalPartition, i64>, RuntimeError> {
        self.list_offsets(READ_COMMITTED, physical_partitions, EARLIEST_OFFSET)
    }
    /// Waits until all below these high watermarks is committed or aborted.
    pub fn await_last_stable(
        &self,
        high_watermarks: &BTreeMap<PhysicalPartition, i64>,
    ) -> Result<(), RuntimeError> {
        let since = Instant::now();
        let mut open: Vec<PhysicalPartition> = high_watermarks
            .iter()
            .filter(|(_, high)| **high > 0)
            .map(|(physical_partition, _)| physical_partition.clone())
            .collect();
        loop {
            let last_stable_offsets = self.last_stable_offsets(&open)?;
            open.retain(|physical_partition| {
                last_stable_offsets.get(physical_partition) < high_watermarks.get(physical_partition)
            });
            let Some(first) = open.first() else { return Ok(()) };
            if since.elapsed() > STABLE_OFFSET_TIMEOUT {
                return Err(RuntimeError::Storage {
                    path: self.settings.brokers.clone(),
                    reason: format!(
                        "a transaction in {}/{} has been open for {} s, longer than any may be",
                        first.0,
                        first.1,
                        STABLE_OFFSET_TIMEOUT.as_secs()
                    ),
                    next: "a broker was stopped in a commit and left it open; docs/kafka-broker-requirements.md says how to end it".into(),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    /// The records from these positions to the end as it is now, or to about so many bytes a partition. Each partition's last chunk
    /// reaches to where reading may go on.
    pub fn read(
        &self,
        from: &BTreeMap<PhysicalPartition, i64>,
        bytes: usize,
    ) -> Result<BTreeMap<PhysicalPartition, Vec<RecordBatch>>, RuntimeError> {
        let physical_partitions: Vec<PhysicalPartition> = from.keys().cloned().collect();
        let high_watermarks = self.high_watermarks(&physical_partitions)?;
        self.await_last_stable(&high_watermarks)?;
        let log_start_offsets = self.log_start_offsets(&physical_partitions)?;
        let mut read: BTreeMap<PhysicalPartition, Vec<RecordBatch>> = BTreeMap::new();
        let mut wanted = Vec::new();
        for (physical_partition, low) in log_start_offsets {
            let (first, high) = (from[&physical_partition].max(low), high_watermarks[&physical_partition]);
            read.insert(physical_partition.clone(), Vec::new());
            if first < high {
                wanted.push(Reading {
                    physical_partition,
                    record_batches: vec![RecordBatch::at(first)],
                    high,
                    size: 0,
                });
            }
        }
        let short = self.read_to_end(wanted, bytes, &mut read)?;
        if short.is_empty() {
            return Ok(read);
        }
        // A broker that has just begun to lead may have said so too early: it is asked how far it is, which it does not answer until
        // it knows, and read again. What is still not there was taken by compaction.
        self.await_last_stable(
            &short.iter().map(|reading| (reading.physical_partition.clone(), reading.high)).collect(),
        )?;
        for Reading { physical_partition, high, .. } in self.read_to_end(short, bytes, &mut read)? {
            let record_batches = read.entry(physical_partition).or_default();
            let reached = record_batches.last().map_or(0, RecordBatch::next);
            record_batches.push(RecordBatch::from_parts(reached, high, 0, Vec::new()));
        }
        Ok(read)
    }
    /// Reads until each partition ends; answers those that did so before the mark they had, with a chunk to go on in.
    fn read_to_end(
        &self,
        wanted: Vec<Reading>,
        bytes: usize,
        read: &mut BTreeMap<PhysicalPartition, Vec<RecordBatch>>,
    ) -> Result<Vec<Reading>, RuntimeError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let doing = "reading to the end";
        // A client of its own: one that was assigned before may still have an end in its queues that is none any more.
        let client = self.dedicated_client()?;
        let positions: Vec<(PhysicalPartition, i64)> =
            wanted.iter().map(|reading| (reading.physical_partition.clone(), reading.next())).collect();
        let queues = partition_queues::assign(&client, &positions)
            .map_err(|error| self.to_runtime_error(doing, &error))?;
        let mut open: Vec<_> = wanted.into_iter().zip(queues).collect();
        let mut ended = Vec::new();
        let mut last = Instant::now();
        while !open.is_empty() {
            let mut any = false;
            match client.poll(Duration::ZERO) {
                Some(Ok(message)) => return Err(partition_queues::unexpected_main_queue_message(&message)),
                Some(Err(error)) => self.check(&error)?,
                None => {}
            }
            let mut index = 0;
            while index < open.len() {
                let (reading, queue) = &mut open[index];
                let before = reading.next();
                let is_at_end = self.drain(reading, queue, bytes)?;
                any |= is_at_end || reading.next() > before;
                match is_at_end {
                    true => ended.push(open.swap_remove(index).0),
                    false => index += 1,
                }
            }
            if any {
                last = Instant::now();
                continue;
            }
            std::thread::sleep(Duration::from_millis(1));
            if last.elapsed() > STABLE_OFFSET_TIMEOUT {
                return Err(
                    self.to_runtime_error(doing, &KafkaError::MessageConsumption(Code::OperationTimedOut))
                );
            }
        }
        let passed = client.position().map_err(|error| self.to_runtime_error(doing, &error))?;
        let mut short = Vec::new();
        for Reading { physical_partition, mut record_batches, high, .. } in ended {
            let passed = passed
                .find_partition(&physical_partition.0, physical_partition.1)
                .and_then(|at| at.offset().to_raw());
            let reached = record_batches.last().map_or(0, RecordBatch::next);
            if reached < high && passed.is_some_and(|passed| passed >= high) {
                // Markers: a gap, read as no records.
                record_batches.push(RecordBatch::from_parts(reached, high, 0, Vec::new()));
            } else if reached < high {
                let record_batches = vec![RecordBatch::at(reached)];
                short.push(Reading {
                    physical_partition: physical_partition.clone(),
                    record_batches,
                    high,
                    size: 0,
                });
            }
            read.entry(physical_partition).or_default().append(&mut record_batches);
        }
        Ok(short)
    }
    /// Takes what a partition's queue holds; whether that is its end, or as much as was asked for.
    fn drain(
        &self,
        reading: &mut Reading,
        queue: &PartitionQueue<Context>,
        bytes: usize,
    ) -> Result<bool, RuntimeError> {
        let mut record_batch = reading.record_batches.pop().unwrap_or_default();
        let is_at_end = loop {
            match queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let before = record_batch.bytes().len();
                    append_record(&reading.physical_partition, &mut record_batch, &message)?;
                    reading.size += record_batch.bytes().len() - before;
                    if record_batch.bytes().len() > MAX_BATCH_BYTES {
                        let next = RecordBatch::at(record_batch.next());
                        reading.record_batches.push(std::mem::replace(&mut record_batch, next));
                    }
                    if reading.size >= bytes {
                        reading.high = record_batch.next();
                        break true;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break true,
                Some(Err(error)) => self.check(&error)?,
                None => break false,
            }
        };
        reading.record_batches.push(record_batch);
        Ok(is_at_end)
    }
    /// Brokers come and go; other errors are the end.
    pub fn check(&self, error: &KafkaError) -> Result<(), RuntimeError> {
        match self.to_runtime_error("reading to the end", error) {
            RuntimeError::Unreachable { .. } if !matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                tracing::debug!(%error, "reading to the end");
                Ok(())
            }
            runtime_error => Err(runtime_error),
        }
    }
    /// The consumer groups whose names begin so.
    pub fn groups(&self, prefix: &str) -> Result<Vec<String>, RuntimeError> {
        let doing = "asking for the consumer groups";
        let listed =
            self.request(READ_COMMITTED, doing, |client| client.fetch_group_list(None, REQUEST_TIMEOUT))?;
        Ok(listed
            .groups()
            .iter()
            .map(|group| group.name().to_owned())
            .filter(|name| name.starts_with(prefix))
            .collect())
    }
    /// Whether a consumer group has a member of such a client.
    pub fn has_member(&self, group: &str, is_such: impl Fn(&str) -> bool) -> Result<bool, RuntimeError> {
        let doing = "asking for the members of a group";
        let listed = self
            .request(READ_COMMITTED, doing, |client| client.fetch_group_list(Some(group), REQUEST_TIMEOUT))?;
        Ok(listed.groups().iter().flat_map(|group| group.members()).any(|member| is_such(member.client_id())))
    }
    /// What a group has committed of these partitions; nothing of those where it has committed nothing.
    pub fn committed_offsets(
        &self,
        physical_partitions: &[PhysicalPartition],
    ) -> Result<BTreeMap<PhysicalPartition, i64>, RuntimeError> {
        self.request(READ_COMMITTED, "asking for committed positions", |client| {
            fetch_committed_offsets(client, physical_partitions)
        })
    }
}

/// Appends a message; a dead letter becomes the event that it was.
fn append_record(
    physical_partition: &PhysicalPartition,
    record_batch: &mut RecordBatch,
    message: &BorrowedMessage<'_>,
) -> Result<(), RuntimeError> {
    let runtime_error = |reason: String| RuntimeError::Undecodable {
        processor: "a reader".into(),
        topic: physical_partition.0.clone(),
        partition: physical_partition.1,
        offset: message.offset(),
        reason,
    };
    let key = lossy_key(message.key().unwrap_or_default());
    let dead_letter =
        match (dlq_headers::is_dlq_topic(&physical_partition.0), message.headers(), message.payload()) {
            (true, Some(headers), Some(value)) => dlq_headers::from_headers(headers, &key, value),
            _ => None,
        };
    let Some(dead_letter) = dead_letter else {
        return append_message(record_batch, message).map_err(runtime_error);
    };
    let value = wire::encode(&dead_letter).map_err(|error| runtime_error(error.to_string()))?;
    record_batch.push_at(message.offset(), &key, Some(&value));
    Ok(())
}

/// What the group of a consumer has committed.
fn fetch_committed_offsets(
    consumer: &BaseConsumer<Context>,
    physical_partitions: &[PhysicalPartition],
) -> Result<BTreeMap<PhysicalPartition, i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(physical_partitions.len());
    for (topic, partition) in physical_partitions {
        list.add_partition(topic, *partition);
    }
    let answered = consumer.committed_offsets(list, REQUEST_TIMEOUT)?;
    answered.elements().iter().try_for_each(TopicPartitionListElem::error)?;
    let mut found = BTreeMap::new();
    for element in answered.elements() {
        if let Offset::Offset(next) = element.offset() {
            found.insert((element.topic().to_owned(), element.partition()), next);
        }
    }
    Ok(found)
}

/// While a leader or a coordinator moves, or while a transaction's offsets are not decided yet.
fn is_passing(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            Code::CoordinatorLoadInProgress
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::OffsetNotAvailable
                | Code::UnknownPartition
                | Code::UnknownTopicOrPartition
                | Code::OperationTimedOut
                | Code::TimedOutQueue
                | Code::RequestTimedOut
                | Code::Partial
                | Code::AllBrokersDown
                | Code::DestroyBroker
                | Code::ReplicaNotAvailable
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::UnstableOffsetCommit
                | Code::BrokerTransportFailure
                | Code::WaitingForCoordinator
        )
    )
}

/// Partitions with an offset each.
pub fn list<'a>(
    physical_partitions: impl Iterator<Item = (&'a PhysicalPartition, i64)>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in physical_partitions {
        list.add_partition_offset(topic, *partition, Offset::from_raw(offset))?;
    }
    Ok(list)
}
