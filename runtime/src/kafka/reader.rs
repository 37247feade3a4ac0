//! Reading partitions to their end, outside any group: memory on assignment, and what verbs show.
//!
//! The end is the high watermark as a reader of the uncommitted sees it; open transactions below it are waited out first, so nothing
//! whose commit marker is on its way is missed.
//! Invariant: what is answered is every committed record from a position to that end.
//! Not here: a processor's input as it comes (`poll`).
use super::{
    client::{Context, halt},
    letters,
    onlooker::Onlooker,
    poll::{push, shown},
    queues,
    settings::Settings,
};
use crate::{chunk::Chunk, log::Halt};
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
pub const CALL: Duration = Duration::from_secs(20);
/// How long an open transaction is waited for: it is ended by its own timeout, which is shorter.
const STABLE: Duration = Duration::from_secs(90);
/// How long to wait before asking again, and for how long to ask one client.
const AGAIN: Duration = Duration::from_millis(50);
const RENEW: Duration = Duration::from_secs(2);
const COMMITTED: &str = "read_committed";
/// Where the log begins and ends, in the protocol's own words.
pub const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// Bytes of a chunk after which the next is begun: large ones would be copied as they grow.
const PIECE: usize = 256 << 10;

/// A partition, as the brokers call its topic.
pub type Place = (String, i32);

/// A partition as it is read, up to a mark.
struct Reading {
    place: Place,
    /// Never empty.
    chunks: Vec<Chunk>,
    high: i64,
    size: usize,
}
impl Reading {
    fn next(&self) -> i64 {
        self.chunks.last().map_or(0, Chunk::next)
    }
}

/// Reads by position.
pub struct Reader {
    settings: Settings,
    group: String,
    /// By isolation, made when first asked: each client has threads of its own.
    clients: Mutex<BTreeMap<&'static str, Arc<Onlooker>>>,
    context: Context,
}

impl Reader {
    /// `group` answers for committed positions; nothing joins it.
    pub fn new(settings: &Settings, group: &str) -> Reader {
        Reader {
            settings: settings.clone(),
            group: group.to_owned(),
            clients: Mutex::default(),
            context: Context::default(),
        }
    }
    fn clients(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<Onlooker>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn client(&self, isolation: &'static str) -> Result<Arc<Onlooker>, Halt> {
        if let Some(client) = self.clients().get(isolation) {
            return Ok(client.clone());
        }
        let client = Arc::new(self.onlooker(isolation)?);
        Ok(self.clients().entry(isolation).or_insert(client).clone())
    }
    /// One more that reads what is committed.
    pub fn client_of_its_own(&self) -> Result<Onlooker, Halt> {
        self.onlooker(COMMITTED)
    }
    fn onlooker(&self, isolation: &str) -> Result<Onlooker, Halt> {
        let config = self.settings.reader(&self.group, isolation);
        Onlooker::new(&self.settings, &config, self.context.clone())
    }
    /// Asks until there is an answer or no hope of one.
    fn ask<T>(
        &self,
        isolation: &'static str,
        doing: &str,
        ask: impl Fn(&BaseConsumer<Context>) -> Result<T, KafkaError>,
    ) -> Result<T, Halt> {
        let since = Instant::now();
        let mut renewed = since;
        loop {
            match ask(self.client(isolation)?.as_ref()) {
                Err(error) if since.elapsed() < STABLE && is_passing(&error) => {
                    std::thread::sleep(AGAIN);
                    if renewed.elapsed() > RENEW {
                        // A client that was told once of no broker at all knows none from then on.
                        self.clients().remove(isolation);
                        renewed = Instant::now();
                    }
                }
                answered => return answered.map_err(|error| self.halt(doing, &error)),
            }
        }
    }
    /// The group that it answers for, as one who commits without having joined it.
    pub fn group(&self) -> Result<Option<ConsumerGroupMetadata>, Halt> {
        Ok(self.client(COMMITTED)?.group_metadata())
    }
    pub fn halt(&self, doing: &str, error: &KafkaError) -> Halt {
        halt(&self.settings.brokers, doing, error, &self.context.complaints)
    }
    fn offsets(
        &self,
        isolation: &'static str,
        places: &[Place],
        which: i64,
    ) -> Result<BTreeMap<Place, i64>, Halt> {
        if places.is_empty() {
            return Ok(BTreeMap::new());
        }
        let asked = list(places.iter().map(|place| (place, which)));
        let asked = asked.map_err(|error| self.halt("asking for watermarks", &error))?;
        let answered = self.ask(isolation, "asking for watermarks", |client| {
            let answered = client.offsets_for_times(asked.clone(), CALL)?;
            answered.elements().iter().try_for_each(|element| match element.offset().to_raw() {
                Some(offset) if offset >= 0 => element.error(),
                _ => element.error().and(Err(KafkaError::OffsetFetch(Code::OffsetNotAvailable))),
            })?;
            Ok(answered)
        })?;
        let found = answered.elements().into_iter().map(|element| {
            let place = (element.topic().to_owned(), element.partition());
            (place, element.offset().to_raw().unwrap_or(-1))
        });
        Ok(found.collect())
    }
    /// High watermarks: open transactions are below them.
    pub fn highs(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        self.offsets("read_uncommitted", places, LATEST)
    }
    /// The offsets up to which everything is decided.
    pub fn stables(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        self.offsets(COMMITTED, places, LATEST)
    }
    pub fn lows(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        self.offsets(COMMITTED, places, EARLIEST)
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
        let mut wanted = Vec::new();
        for (place, low) in lows {
            let (first, high) = (from[&place].max(low), highs[&place]);
            read.insert(place.clone(), Vec::new());
            if first < high {
                wanted.push(Reading { place, chunks: vec![Chunk::at(first)], high, size: 0 });
            }
        }
        let short = self.read_to_end(wanted, bytes, &mut read)?;
        if short.is_empty() {
            return Ok(read);
        }
        // A broker that has just begun to lead may have said so too early: it is asked how far it is, which it does not answer until
        // it knows, and read again. What is still not there was taken by compaction.
        self.settle(&short.iter().map(|reading| (reading.place.clone(), reading.high)).collect())?;
        for Reading { place, high, .. } in self.read_to_end(short, bytes, &mut read)? {
            let chunks = read.entry(place).or_default();
            let reached = chunks.last().map_or(0, Chunk::next);
            chunks.push(Chunk::from_parts(reached, high, 0, Vec::new()));
        }
        Ok(read)
    }
    /// Reads until each partition ends; answers those that did so before the mark they had, with a chunk to go on in.
    fn read_to_end(
        &self,
        wanted: Vec<Reading>,
        bytes: usize,
        read: &mut BTreeMap<Place, Vec<Chunk>>,
    ) -> Result<Vec<Reading>, Halt> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let doing = "reading to the end";
        // A client of its own: one that was assigned before may still have an end in its queues that is none any more.
        let client = self.client_of_its_own()?;
        let positions: Vec<(Place, i64)> =
            wanted.iter().map(|reading| (reading.place.clone(), reading.next())).collect();
        let queues = queues::assign(&client, &positions).map_err(|error| self.halt(doing, &error))?;
        let mut open: Vec<_> = wanted.into_iter().zip(queues).collect();
        let mut ended = Vec::new();
        let mut last = Instant::now();
        while !open.is_empty() {
            let mut any = false;
            match client.poll(Duration::ZERO) {
                Some(Ok(message)) => return Err(queues::stray(&message)),
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
            if last.elapsed() > STABLE {
                return Err(self.halt(doing, &KafkaError::MessageConsumption(Code::OperationTimedOut)));
            }
        }
        let passed = client.position().map_err(|error| self.halt(doing, &error))?;
        let mut short = Vec::new();
        for Reading { place, mut chunks, high, .. } in ended {
            let passed = passed.find_partition(&place.0, place.1).and_then(|at| at.offset().to_raw());
            let reached = chunks.last().map_or(0, Chunk::next);
            if reached < high && passed.is_some_and(|passed| passed >= high) {
                // Markers: a gap, read as no records.
                chunks.push(Chunk::from_parts(reached, high, 0, Vec::new()));
            } else if reached < high {
                let chunks = vec![Chunk::at(reached)];
                short.push(Reading { place: place.clone(), chunks, high, size: 0 });
            }
            read.entry(place).or_default().append(&mut chunks);
        }
        Ok(short)
    }
    /// Takes what a partition's queue holds; whether that is its end, or as much as was asked for.
    fn drain(
        &self,
        reading: &mut Reading,
        queue: &PartitionQueue<Context>,
        bytes: usize,
    ) -> Result<bool, Halt> {
        let mut chunk = reading.chunks.pop().unwrap_or_default();
        let is_at_end = loop {
            match queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let before = chunk.bytes().len();
                    take(&reading.place, &mut chunk, &message)?;
                    reading.size += chunk.bytes().len() - before;
                    if chunk.bytes().len() > PIECE {
                        let next = Chunk::at(chunk.next());
                        reading.chunks.push(std::mem::replace(&mut chunk, next));
                    }
                    if reading.size >= bytes {
                        reading.high = chunk.next();
                        break true;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break true,
                Some(Err(error)) => self.check(&error)?,
                None => break false,
            }
        };
        reading.chunks.push(chunk);
        Ok(is_at_end)
    }
    /// Brokers come and go; other errors are the end.
    pub fn check(&self, error: &KafkaError) -> Result<(), Halt> {
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
        let doing = "asking for the consumer groups";
        let listed = self.ask(COMMITTED, doing, |client| client.fetch_group_list(None, CALL))?;
        Ok(listed
            .groups()
            .iter()
            .map(|group| group.name().to_owned())
            .filter(|name| name.starts_with(prefix))
            .collect())
    }
    /// Whether a consumer group has a member of such a client.
    pub fn has_member(&self, group: &str, is_such: impl Fn(&str) -> bool) -> Result<bool, Halt> {
        let doing = "asking for the members of a group";
        let listed = self.ask(COMMITTED, doing, |client| client.fetch_group_list(Some(group), CALL))?;
        Ok(listed.groups().iter().flat_map(|group| group.members()).any(|member| is_such(member.client_id())))
    }
    /// What a group has committed of these partitions; nothing of those where it has committed nothing.
    pub fn positions(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        self.ask(COMMITTED, "asking for committed positions", |client| positions(client, places))
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
    let key = shown(message.key().unwrap_or_default());
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
fn positions(consumer: &BaseConsumer<Context>, places: &[Place]) -> Result<BTreeMap<Place, i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    let answered = consumer.committed_offsets(list, CALL)?;
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
pub fn list<'a>(places: impl Iterator<Item = (&'a Place, i64)>) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in places {
        list.add_partition_offset(topic, *partition, Offset::from_raw(offset))?;
    }
    Ok(list)
}
