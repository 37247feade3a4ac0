//! Kafka as a `Storage`: what verbs, ingest and the supervisor see of it.
//!
//! A log is named by the cluster and by a record that its first user puts into the topic of the sink's plans, so that topics that were
//! made anew are another log.
//! Invariant: reading ends at what was committed when it began; ingesting is one transaction a batch.
//! Not here: members (`member`), topics' settings.
use super::{
    admin::Admin,
    client::{Context, cluster_id, metadata},
    log_id::{LOG_ID, uniquely, without},
    member::KafkaMember,
    onlooker::Onlooker,
    originals::Originals,
    reader::{CALL, Place, Reader},
    settings::Settings,
    standing::Looker,
    transaction::Transactions,
};
use crate::{
    board::Board,
    chunk::Chunk,
    engine::{changelog_of, dead_letters_of},
    lag::{self, Standing},
    log::{Commit, Count, Halt, Member, RawRecord, Restored, Storage},
    member::{self, Limits, Signals},
};
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer as _};
use schemas::RawId;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs::{File, TryLockError},
    sync::{Arc, OnceLock},
    time::Duration,
};
use topics::Policy;

/// The group of those who only look.
const LOOKER: &str = "fastbreak-looker";

/// A cluster, as a process is connected to it.
pub struct KafkaStorage {
    pub(super) settings: Settings,
    reader: OnceLock<Reader>,
    looker: Option<Looker>,
    /// One for each group whose positions were asked for.
    groups: HashMap<String, Reader>,
    pub(super) ingest: Option<Transactions>,
    /// Raw events that are in a topic already.
    pub(super) known: HashMap<&'static str, HashSet<RawId>>,
    locks: Vec<File>,
    pub(super) topics: BTreeMap<String, i32>,
    cluster: String,
}

impl KafkaStorage {
    /// Connects, so that brokers that are not there are an error at once.
    pub fn open(settings: Settings) -> Result<KafkaStorage, Halt> {
        settings.check()?;
        let mut storage = KafkaStorage {
            settings,
            reader: OnceLock::new(),
            looker: None,
            groups: HashMap::new(),
            ingest: None,
            known: HashMap::new(),
            locks: Vec::new(),
            topics: BTreeMap::new(),
            cluster: String::new(),
        };
        storage.look()?;
        Ok(storage)
    }
    /// Asks which topics there are.
    fn look(&mut self) -> Result<(), Halt> {
        let config = self.settings.reader(LOOKER, "read_committed");
        let client = Onlooker::new(&self.settings, &config, Context::default())?;
        let metadata = metadata(&client, &self.settings.brokers, CALL)?;
        let topics = metadata.topics().iter().map(|t| (t.name().to_owned(), t.partitions().len() as i32));
        self.topics = topics.collect();
        self.cluster = cluster_id(client.client(), &self.settings.brokers, CALL)?;
        Ok(())
    }
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    /// The same cluster, for another thread.
    fn again(&self) -> KafkaStorage {
        KafkaStorage {
            settings: self.settings.clone(),
            reader: OnceLock::new(),
            looker: None,
            groups: HashMap::new(),
            ingest: None,
            known: HashMap::new(),
            locks: Vec::new(),
            topics: self.topics.clone(),
            cluster: self.cluster.clone(),
        }
    }
    pub(super) fn reader(&self) -> &Reader {
        self.reader.get_or_init(|| Reader::new(&self.settings, LOOKER))
    }
    /// Lets go of the clients that restoring needed.
    pub(super) fn rest(&mut self) {
        self.reader = OnceLock::new();
        self.groups.clear();
    }
    /// What a group has committed of these partitions.
    pub(super) fn committed(&mut self, group: &str, places: &[Place]) -> Result<BTreeMap<Place, i64>, Halt> {
        let settings = &self.settings;
        let reader = self.groups.entry(group.to_owned()).or_insert_with(|| Reader::new(settings, group));
        reader.positions(places)
    }
    /// What a reader's group has committed of its inputs.
    pub(super) fn committed_of(&mut self, reader: &member::Reader) -> Result<BTreeMap<Place, i64>, Halt> {
        let places: Vec<Place> =
            inputs_of(reader).into_iter().map(|(topic, p)| self.place(topic.name, p)).collect();
        self.committed(&reader.group, &places)
    }
    /// Whether a group has any member.
    pub(super) fn is_attended(&self, group: &str) -> Result<bool, Halt> {
        self.reader().has_member(&self.settings.group(group), |_| true)
    }
    fn place(&self, topic: &str, partition: i32) -> Place {
        (self.settings.topic(topic).into_owned(), partition)
    }
    /// How many partitions a topic has: none of a replay's that was not made yet.
    pub(super) fn partitions(&self, topic: &str) -> Result<i32, Halt> {
        let known_as = self.settings.topic(topic);
        match self.topics.get(known_as.as_ref()) {
            Some(partitions) => Ok(*partitions),
            None if known_as != topic => Ok(0),
            None => Err(Halt::Refused {
                what: format!("reading topic {topic}"),
                reason: format!("{} has no such topic", self.settings.brokers),
                next: "`fastbreak topics apply` makes what is missing".into(),
            }),
        }
    }
    /// All partitions of these topics: the brokers' names, and ours.
    fn places(&self, topics: &[&str]) -> Result<BTreeMap<Place, String>, Halt> {
        let mut places = BTreeMap::new();
        for topic in topics {
            let partitions = 0..self.partitions(topic)?;
            places.extend(partitions.map(|partition| (self.place(topic, partition), (*topic).to_owned())));
        }
        Ok(places)
    }
    fn read_places(
        &self,
        from: &BTreeMap<Place, i64>,
        bytes: usize,
    ) -> Result<BTreeMap<Place, Vec<Chunk>>, Halt> {
        self.reader().read(from, bytes)
    }
    /// What a partition's memory is made from, given the group's positions.
    pub(super) fn restore_from(
        &self,
        reader: &member::Reader,
        partition: i32,
        committed: &BTreeMap<Place, i64>,
    ) -> Result<Restored, Halt> {
        let mut restored = Restored::default();
        let mut wanted = BTreeMap::new();
        let changelog = self.place(&changelog_of(reader.name), partition);
        if reader.is_view {
            wanted.insert(changelog.clone(), 0);
        }
        for input in &reader.inputs {
            let place = self.place(input.name, partition);
            restored.next.insert(input.name, committed.get(&place).copied().unwrap_or(0));
            if reader.is_view && input.policy == Policy::Compact {
                wanted.insert(place, 0);
            }
        }
        let mut read = self.read_places(&wanted, usize::MAX)?;
        restored.changelog = read.remove(&changelog).unwrap_or_default();
        for input in &reader.inputs {
            if let Some(chunks) = read.remove(&self.place(input.name, partition)) {
                restored.tables.push((input.name, chunks));
            }
        }
        Ok(restored)
    }
    /// Moves positions at which a deleted marker stood behind it. A position is the offset after a record, where its transaction's
    /// marker is; when all is older than the retention, both are gone. A record that nobody has read has a marker too, so where
    /// one offset is missing nothing else was: unless a segment ended between the two, and its reader was away for all the retention.
    pub(super) fn pass_deleted_markers(
        &self,
        next: &mut BTreeMap<&'static str, i64>,
        partition: i32,
    ) -> Result<(), Halt> {
        let by_us = next.iter().filter(|(topic, next)| **next > 0 && !topics::is_raw(topic));
        let places: Vec<Place> = by_us.map(|(topic, _)| self.place(topic, partition)).collect();
        let lows = self.reader().lows(&places)?;
        for (topic, next) in next {
            if lows.get(&self.place(topic, partition)) == Some(&(*next + 1)) {
                *next += 1;
            }
        }
        Ok(())
    }
    /// Holds an instance's name on this host, so that a second process under it does not start.
    fn lock(&mut self, group: &str) -> Result<(), Halt> {
        let Settings { brokers, instance, .. } = &self.settings;
        let name = blake3::hash(format!("{brokers}\n{}\n{instance}", self.settings.group(group)).as_bytes());
        let path = std::env::temp_dir().join(format!("fastbreak-{}.lock", &name.to_hex()[..16]));
        let failed = |reason: String| {
            Halt::Log {
            path: path.display().to_string(),
            reason,
            next: "it keeps a second process of this name off the host: where it is another user's, give this one another --instance, or remove the file once nobody runs under that name".into(),
        }
        };
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| failed(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => self.locks.push(file),
            Err(TryLockError::WouldBlock) => {
                return Err(Halt::Refused {
                    what: format!("{group} as instance {instance}"),
                    reason: "another process on this host runs under that name".into(),
                    next: "stop it, or give this one another --instance".into(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
        }
        Ok(())
    }
    /// Refuses to start on topics that are not there or that do not meet.
    fn check_topics(&mut self, reader: &member::Reader) -> Result<(), Halt> {
        let mut wanted: BTreeMap<String, i32> = BTreeMap::new();
        let named = reader.inputs.iter().chain(&reader.outputs).chain([&topics::LEDGER.info]);
        wanted.extend(named.map(|topic| (topic.name.to_owned(), topic.partitions)));
        if reader.is_view {
            wanted.insert(changelog_of(reader.name), topics::PARTITIONS);
        }
        if !reader.is_view {
            wanted.insert(dead_letters_of(reader.name), if reader.is_alone { 1 } else { topics::PARTITIONS });
        }
        let refused = |topic: &str, reason: String, next: &str| Halt::Refused {
            what: format!("{} on topic {topic}", reader.name),
            reason,
            next: next.into(),
        };
        for (topic, partitions) in wanted {
            let topic = self.settings.topic(&topic).into_owned();
            match self.topics.get(&topic) {
                None => {
                    let next =
                        "`fastbreak topics plan` shows what is missing, `fastbreak topics apply` makes it";
                    return Err(refused(&topic, "there is no such topic".into(), next));
                }
                Some(there) if *there != partitions => {
                    return Err(refused(
                        &topic,
                        format!(
                            "it has {there} partitions and must have {partitions}, or keys would not meet"
                        ),
                        "stop all, delete the topic with the brokers' own tool, then `fastbreak topics apply`; a raw topic's records must be produced again",
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// The same offsets, by our topics' names.
fn named(places: &BTreeMap<Place, String>, offsets: BTreeMap<Place, i64>) -> BTreeMap<(String, i32), i64> {
    let ours = |(place, offset): (Place, i64)| Some(((places.get(&place)?.clone(), place.1), offset));
    offsets.into_iter().filter_map(ours).collect()
}

/// All partitions of a reader's inputs.
fn inputs_of(reader: &member::Reader) -> Vec<(topics::TopicInfo, i32)> {
    reader.inputs.iter().flat_map(|topic| (0..topic.partitions).map(|p| (*topic, p))).collect()
}

impl Storage for KafkaStorage {
    fn id(&mut self) -> Result<String, Halt> {
        if let Some(id) = self.known_id()? {
            return Ok(id);
        }
        let mut commit = Commit::default();
        let id = format!("{}-{:016x}", self.cluster, uniquely());
        let chunk: &mut Chunk = commit.out.entry((topics::SINK_BATCHES.info.name.to_owned(), 0)).or_default();
        chunk.push(&format!("{LOG_ID}{id}"), Some(b"names the log"));
        self.writer()?.commit(commit.out, None, Originals::new())?;
        // Of two that were written at once the first stands.
        Ok(self.known_id()?.unwrap_or(id))
    }
    fn known_id(&mut self) -> Result<Option<String>, Halt> {
        let place = self.place(topics::SINK_BATCHES.info.name, 0);
        if !self.topics.contains_key(&place.0) {
            return Ok(None);
        }
        let read = self.read_places(&BTreeMap::from([(place, 0)]), usize::MAX)?;
        for chunk in read.into_values().flatten() {
            for record in chunk.records() {
                if let Some(id) = record?.key.strip_prefix(LOG_ID) {
                    return Ok(Some(id.to_owned()));
                }
            }
        }
        Ok(None)
    }
    fn name(&self) -> String {
        match &self.settings.namespace {
            Some(namespace) => format!("{} ({namespace})", self.settings.brokers),
            None => self.settings.brokers.clone(),
        }
    }
    fn read(&mut self, topic: &str, partition: i32, from: i64, bytes: usize) -> Result<Vec<Chunk>, Halt> {
        let place = self.place(topic, partition);
        if partition >= self.partitions(topic)? {
            return Ok(Vec::new());
        }
        let mut read = self.read_places(&BTreeMap::from([(place.clone(), from)]), bytes)?;
        let mut chunks = read.remove(&place).unwrap_or_default();
        if topic == topics::SINK_BATCHES.info.name {
            chunks = chunks.into_iter().map(|chunk| without(chunk, LOG_ID)).collect::<Result<_, _>>()?;
        }
        Ok(chunks)
    }
    fn starts(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, Halt> {
        let places = self.places(topics)?;
        let asked: Vec<Place> = places.keys().cloned().collect();
        Ok(named(&places, self.reader().lows(&asked)?))
    }
    fn ends(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, Halt> {
        let places = self.places(topics)?;
        let asked: Vec<Place> = places.keys().cloned().collect();
        Ok(named(&places, self.reader().stables(&asked)?))
    }
    fn positions(&mut self, group: &str, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, Halt> {
        let places = self.places(topics)?;
        let asked: Vec<Place> = places.keys().cloned().collect();
        Ok(named(&places, self.committed(group, &asked)?))
    }
    fn restore(&mut self, reader: &member::Reader, partition: i32) -> Result<Restored, Halt> {
        let committed = self.committed_of(reader)?;
        self.restore_from(reader, partition, &committed)
    }
    fn count(&mut self, topic: &str, partition: i32, below: i64) -> Result<Count, Halt> {
        let place = self.place(topic, partition);
        let mut count = 0;
        for chunk in self.read(topic, partition, 0, usize::MAX)? {
            for record in chunk.records() {
                count += i64::from(record?.offset < below);
            }
        }
        let low = self.reader().lows(std::slice::from_ref(&place))?.get(&place).copied().unwrap_or(0);
        let is_whole = low == 0 && topics::ALL.iter().any(|t| t.name == topic && t.policy != Policy::Compact);
        Ok(if is_whole { Count::Exactly(count) } else { Count::AtLeast(count) })
    }
    fn ingest(&mut self, events: &[RawRecord], extra: Commit) -> Result<usize, Halt> {
        self.ingest_batch(events, extra.out)
    }
    fn append(
        &mut self,
        out: BTreeMap<(String, i32), Chunk>,
        group: &str,
        next: &BTreeMap<(String, i32), i64>,
    ) -> Result<(), Halt> {
        let settings = &self.settings;
        let reader = self.groups.entry(group.to_owned()).or_insert_with(|| Reader::new(settings, group));
        let mut list = TopicPartitionList::new();
        for ((topic, partition), next) in next {
            let added = list.add_partition_offset(&settings.topic(topic), *partition, Offset::Offset(*next));
            added.map_err(|error| reader.halt("moving positions", &error))?;
        }
        let owner = reader.group()?.ok_or_else(|| Halt::Refused {
            what: format!("moving the positions of {group}"),
            reason: "the client knows no such group".into(),
            next: "`fastbreak check`".into(),
        })?;
        let positions = (list.count() > 0).then(|| (list, Arc::new(owner)));
        self.writer()?.commit(out, positions, Originals::new())
    }
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, i64>) -> Result<(), Halt> {
        Admin::connect(&self.settings)?.purge(&self.settings.topic(topic), below)
    }
    fn claim(&mut self) -> Result<(), Halt> {
        Ok(())
    }
    fn join(
        &mut self,
        reader: member::Reader,
        limits: Limits,
        signals: Arc<Signals>,
    ) -> Result<Box<dyn Member>, Halt> {
        self.check_topics(&reader)?;
        self.lock(&reader.group)?;
        Ok(Box::new(KafkaMember::new(self.again(), reader, limits, signals)))
    }
    fn tend(&mut self, _: &Board) -> Result<Duration, Halt> {
        // The brokers tell of records by themselves.
        Ok(Duration::from_millis(100))
    }
    fn standings(&mut self, readers: &[member::Reader]) -> Result<Vec<Standing>, Halt> {
        let asked: BTreeSet<Place> =
            readers.iter().flat_map(inputs_of).map(|(t, p)| self.place(t.name, p)).collect();
        let asked: Vec<Place> =
            asked.into_iter().filter(|(topic, p)| self.topics.get(topic).is_some_and(|n| p < n)).collect();
        let (ends, lows) = (self.reader().stables(&asked)?, self.reader().lows(&asked)?);
        let mut standings = Vec::new();
        let mut behind = BTreeMap::new();
        for reader in readers {
            let positions = self.committed_of(reader)?;
            let places = inputs_of(reader).into_iter().map(|(topic, partition)| {
                let place = self.place(topic.name, partition);
                let (low, high) =
                    (lows.get(&place).copied().unwrap_or(0), ends.get(&place).copied().unwrap_or(0));
                let committed = positions.get(&place).copied();
                let from = committed.unwrap_or(low).max(low);
                if from < high {
                    behind.insert((place, from), high);
                }
                lag::Place { topic, partition, committed, low, high, unread: None }
            });
            let places = places.collect();
            standings.push(Standing { processor: reader.name, is_attended: false, places });
        }
        // One that failed is not put back: the next look has a client that may find what this one did not.
        let mut looker = match self.looker.take() {
            Some(looker) => looker,
            None => Looker::new(&self.settings, LOOKER)?,
        };
        let (found, attended) = (looker.find(&behind)?, looker.attended()?);
        self.looker = Some(looker);
        for (reader, standing) in readers.iter().zip(&mut standings) {
            standing.is_attended = attended.contains(&self.settings.group(&reader.group));
            for place in &mut standing.places {
                let from = place.committed.unwrap_or(place.low).max(place.low);
                let at = (self.settings.topic(place.topic.name).into_owned(), place.partition);
                place.unread = found.get(&(at, from)).copied();
            }
        }
        Ok(standings)
    }
    fn discard(&mut self, topics: &[String], processors: &[String]) -> Result<Vec<String>, Halt> {
        if self.settings.namespace.is_none() {
            return Err(Halt::Refused {
                what: format!("discarding {}", self.name()),
                reason: "it is the live log".into(),
                next: "name a replay: `fastbreak replay list`".into(),
            });
        }
        let own = topics.iter().filter(|topic| !topics::is_raw(topic));
        let own = own.map(|topic| self.settings.topic(topic).into_owned());
        let topics: Vec<String> = own.filter(|topic| self.topics.contains_key(topic)).collect();
        let mut groups = self.reader().groups(&self.settings.group(""))?;
        // A map's group has its version after its name.
        groups.retain(|group| {
            processors.iter().map(|name| self.settings.group(name)).any(|own| {
                group.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
            })
        });
        Admin::connect(&self.settings)?.remove(&topics, &groups)
    }
    fn is_caught_up(&mut self, readers: &[member::Reader]) -> Result<bool, Halt> {
        // Positions before ends: what a commit published is then below the ends, whichever of its readers' positions it moved. The
        // ends are of the uncommitted, since a commit's markers may still be on their way.
        let mut positions: BTreeMap<Place, i64> = BTreeMap::new();
        for reader in readers {
            let committed = self.committed_of(reader)?;
            for (topic, partition) in inputs_of(reader) {
                let place = self.place(topic.name, partition);
                let next = committed.get(&place).copied().unwrap_or(0);
                let least = positions.entry(place).or_insert(next);
                *least = next.min(*least);
            }
        }
        let places: Vec<Place> = positions.keys().cloned().collect();
        let ends = self.reader().highs(&places)?;
        let behind = positions.into_iter().filter(|(place, next)| ends.get(place) > Some(next)).collect();
        // What is left may be transactions' markers, which nobody reads.
        let left = self.read_places(&behind, usize::MAX)?;
        Ok(left.into_values().flatten().all(|chunk| chunk.is_empty()))
    }
}
