//! Reading partitions to their end, outside any group: memory on assignment, and what verbs show.
//!
//! The end is the high watermark as a reader of the uncommitted sees it; open transactions below it are waited out first, so nothing
//! whose commit marker is on its way is missed.
//! Invariant: what is answered is every committed record from a position to that end.
//! Not here: a processor's input as it comes (`poll`).
use super::{
    client::{Context, halt},
    letters,
    poll::push,
    settings::Settings,
};
use crate::{chunk::Chunk, log::Halt};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
    topic_partition_list::TopicPartitionListElem,
};
use schemas::wire;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// How long a call to the brokers may take.
pub const CALL: Duration = Duration::from_secs(20);
/// How long an open transaction is waited for: it is ended by its own timeout, which is shorter.
const STABLE: Duration = Duration::from_secs(90);
/// Where the log begins and ends, in the protocol's own words.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// Bytes of a chunk after which the next is begun: large ones would be copied as they grow.
const PIECE: usize = 256 << 10;

/// A partition, as the brokers call its topic.
pub type Place = (String, i32);

/// Reads by position.
pub struct Reader {
    settings: Settings,
    group: String,
    /// Made when first asked: each client has threads of its own.
    committed: OnceLock<BaseConsumer<Context>>,
    uncommitted: OnceLock<BaseConsumer<Context>>,
    context: Context,
}

impl Reader {
    /// `group` answers for committed positions; nothing joins it.
    pub fn new(settings: &Settings, group: &str) -> Reader {
        Reader {
            settings: settings.clone(),
            group: group.to_owned(),
            committed: OnceLock::new(),
            uncommitted: OnceLock::new(),
            context: Context::default(),
        }
    }
    fn client<'a>(
        &self,
        made: &'a OnceLock<BaseConsumer<Context>>,
        isolation: &str,
    ) -> Result<&'a BaseConsumer<Context>, Halt> {
        if let Some(client) = made.get() {
            return Ok(client);
        }
        let client =
            self.settings.make(&self.settings.reader(&self.group, isolation), self.context.clone())?;
        Ok(made.get_or_init(|| client))
    }
    /// One more that reads what is committed.
    pub fn client_of_its_own(&self) -> Result<BaseConsumer<Context>, Halt> {
        self.settings.make(&self.settings.reader(&self.group, "read_committed"), self.context.clone())
    }
    fn committed(&self) -> Result<&BaseConsumer<Context>, Halt> {
        self.client(&self.committed, "read_committed")
    }
    fn uncommitted(&self) -> Result<&BaseConsumer<Context>, Halt> {
        self.client(&self.uncommitted, "read_uncommitted")
    }
    /// The group that it answers for, as one who commits without having joined it.
    pub fn group(&self) -> Result<Option<ConsumerGroupMetadata>, Halt> {
        Ok(self.committed()?.group_metadata())
    }
    pub fn halt(&self, doing: &str, error: &KafkaError) -> Halt {
        halt(&self.settings.brokers, doing, error, &self.context.complaints)
    }
    fn offsets(
        &self,
        consumer: &BaseConsumer<Context>,
        places: &[Place],
        which: i64,
    ) -> Result<BTreeMap<Place, i64>, Halt> {
        if places.is_empty() {
            return Ok(BTreeMap::new());
        }
        let asked = list(places.iter().map(|place| (place, which)));
        let asked = asked.map_err(|error| self.halt("asking for watermarks", &error))?;
        let answered = patiently(|| {
            let answered = consumer.offsets_for_times(asked.clone(), CALL)?;
            answered.elements().iter().try_for_each(TopicPartitionListElem::error)?;
            Ok(answered)
        });
        let answered = answered.map_err(|error| self.halt("asking for watermarks", &error))?;
        let mut found = BTreeMap::new();
        for element in answered.elements() {
            let place = (element.topic().to_owned(), element.partition());
            found.insert(place, element.offset().to_raw().unwrap_or(0).max(0));
        }
        Ok(found)
    }
    /// High watermarks: open transactions are below them.
    pub fn highs(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        self.offsets(self.uncommitted()?, places, LATEST)
    }
    /// The offsets up to which everything is decided.
    pub fn stables(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        self.offsets(self.committed()?, places, LATEST)
    }
    pub fn lows(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        self.offsets(self.committed()?, places, EARLIEST)
    }
    /// Waits until all below these high watermarks is committed or aborted.
    pub fn settle(&self, highs: &BTreeMap<Place, i64>) -> Result<(), Halt> {
        let since = Instant::now();
        let mut open: Vec<Place> =
            highs.iter().filter(|(_, high)| **high > 0).map(|(place, _)| place.clone()).collect();
        loop {
            let stables = self.stables(&open)?;
            open.retain(|place| stables.get(place) < highs.get(place));
            let Some(first) = open.first() else { return Ok(()) };
            if since.elapsed() > STABLE {
                return Err(Halt::Log {
                    path: self.settings.brokers.clone(),
                    reason: format!(
                        "a transaction in {}/{} has been open for {} s, longer than any may be",
                        first.0,
                        first.1,
                        STABLE.as_secs()
                    ),
                    next: "a broker was stopped in a commit and left it open; docs/kafka-brokers.md says how to end it".into(),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    /// The records from these positions to the end as it is now, or to about so many bytes a partition. Each partition's last chunk
    /// reaches to where reading may go on.
    pub fn read(
        &self,
        from: &BTreeMap<Place, i64>,
        bytes: usize,
    ) -> Result<BTreeMap<Place, Vec<Chunk>>, Halt> {
        let places: Vec<Place> = from.keys().cloned().collect();
        let highs = self.highs(&places)?;
        self.settle(&highs)?;
        let lows = self.lows(&places)?;
        let mut read: BTreeMap<Place, Vec<Chunk>> = BTreeMap::new();
        let mut wanted: Vec<(Place, i64, i64)> = Vec::new();
        for (place, first) in from {
            let (low, high) = (lows.get(place).copied().unwrap_or(0), highs.get(place).copied().unwrap_or(0));
            read.insert(place.clone(), Vec::new());
            if (*first).max(low) < high {
                wanted.push((place.clone(), (*first).max(low), high));
            }
        }
        if wanted.is_empty() {
            return Ok(read);
        }
        let doing = "reading to the end";
        // A client of its own: one that was assigned before may still have an end in its queues that is none any more.
        let client = Arc::new(self.client_of_its_own()?);
        let positions = list(wanted.iter().map(|(place, first, _)| (place, *first)));
        let positions = positions.map_err(|error| self.halt(doing, &error))?;
        client.assign(&positions).map_err(|error| self.halt(doing, &error))?;
        let mut queues = Vec::new();
        for (place, first, high) in wanted {
            let queue = client.split_partition_queue(&place.0, place.1);
            let queue = queue.ok_or_else(|| self.halt(doing, &KafkaError::Subscription(place.0.clone())))?;
            queues.push((place, queue, vec![Chunk::at(first)], high, 0_usize));
        }
        let mut last = Instant::now();
        while !queues.is_empty() {
            let mut any = false;
            if let Some(Err(error)) = client.poll(Duration::ZERO) {
                self.check(&error)?;
            }
            let mut index = 0;
            while index < queues.len() {
                let (place, queue, chunks, high, size) = &mut queues[index];
                let mut ended = false;
                let mut chunk = chunks.pop().unwrap_or_default();
                loop {
                    match queue.poll(Duration::ZERO) {
                        Some(Ok(message)) => {
                            any = true;
                            let before = chunk.bytes().len();
                            take(place, &mut chunk, &message)?;
                            *size += chunk.bytes().len() - before;
                            if chunk.bytes().len() > PIECE {
                                let next = Chunk::at(chunk.next());
                                chunks.push(std::mem::replace(&mut chunk, next));
                            }
                            if *size >= bytes {
                                ended = true;
                                *high = chunk.next();
                                break;
                            }
                        }
                        Some(Err(KafkaError::PartitionEOF(_))) => {
                            (any, ended) = (true, true);
                            break;
                        }
                        Some(Err(error)) => self.check(&error)?,
                        None => break,
                    }
                }
                let reached = chunk.next();
                chunks.push(chunk);
                if ended {
                    let (place, _, mut chunks, high, _) = queues.swap_remove(index);
                    if reached < high {
                        // Markers and what compaction took: a gap, read as no records.
                        chunks.push(Chunk::from_parts(reached, high, 0, Vec::new()));
                    }
                    read.insert(place, chunks);
                } else {
                    index += 1;
                }
            }
            if any {
                last = Instant::now();
                continue;
            }
            std::thread::sleep(Duration::from_millis(1));
            if last.elapsed() > STABLE {
                return Err(self.halt(doing, &KafkaError::MessageConsumption(Code::OperationTimedOut)));
            }
        }
        Ok(read)
    }
    /// Brokers come and go; other errors are the end.
    fn check(&self, error: &KafkaError) -> Result<(), Halt> {
        match self.halt("reading to the end", error) {
            Halt::Unreachable { .. } if !matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                tracing::debug!(%error, "reading to the end");
                Ok(())
            }
            halt => Err(halt),
        }
    }
    /// The consumer groups whose names begin so.
    pub fn groups(&self, prefix: &str) -> Result<Vec<String>, Halt> {
        let listed = self.committed()?.fetch_group_list(None, CALL);
        let listed = listed.map_err(|error| self.halt("asking for the consumer groups", &error))?;
        Ok(listed
            .groups()
            .iter()
            .map(|group| group.name().to_owned())
            .filter(|name| name.starts_with(prefix))
            .collect())
    }
    /// What a group has committed of these partitions; nothing of those where it has committed nothing.
    pub fn positions(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        positions(self.committed()?, places)
            .map_err(|error| self.halt("asking for committed positions", &error))
    }
}

/// Appends a message; a dead letter becomes the event that it was.
fn take(place: &Place, chunk: &mut Chunk, message: &BorrowedMessage<'_>) -> Result<(), Halt> {
    let halt = |reason: String| Halt::Undecodable {
        processor: "a reader".into(),
        topic: place.0.clone(),
        partition: place.1,
        offset: message.offset(),
        reason,
    };
    let key = String::from_utf8_lossy(message.key().unwrap_or_default());
    let letter = match (letters::is_letters(&place.0), message.headers(), message.payload()) {
        (true, Some(headers), Some(value)) => letters::close(headers, &key, value),
        _ => None,
    };
    let Some(letter) = letter else { return push(chunk, message).map_err(halt) };
    let value = wire::encode(&letter).map_err(|error| halt(error.to_string()))?;
    chunk.push_at(message.offset(), &key, Some(&value));
    Ok(())
}

/// What the group of a consumer has committed.
pub fn positions(
    consumer: &BaseConsumer<Context>,
    places: &[Place],
) -> Result<BTreeMap<Place, i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    let answered = patiently(|| {
        let answered = consumer.committed_offsets(list.clone(), CALL)?;
        answered.elements().iter().try_for_each(TopicPartitionListElem::error)?;
        Ok(answered)
    })?;
    let mut found = BTreeMap::new();
    for element in answered.elements() {
        if let Offset::Offset(next) = element.offset() {
            found.insert((element.topic().to_owned(), element.partition()), next);
        }
    }
    Ok(found)
}

/// Asks again while a leader or a coordinator moves, or while a transaction's offsets are not decided yet.
fn patiently<T>(ask: impl Fn() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let since = Instant::now();
    loop {
        match ask() {
            Err(error) if since.elapsed() < STABLE && is_passing(&error) => {
                std::thread::sleep(Duration::from_millis(50));
            }
            answered => return answered,
        }
    }
}

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
pub fn list<'a>(places: impl Iterator<Item = (&'a Place, i64)>) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in places {
        list.add_partition_offset(topic, *partition, Offset::from_raw(offset))?;
    }
    Ok(list)
}
