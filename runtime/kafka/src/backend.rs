//! Kafka as a `LogBackend`: what verbs, ingest and the supervisor see of it.
//!
//! A log is named by the cluster and by a record that its first user puts into the topic of the sink's plans, so that topics that were
//! made anew are another log.
//! Invariant: reading ends at what was committed when it began; ingesting is one transaction a batch.
//! Not here: members (`member`), topics' settings.
use super::{
    admin::Admin,
    client::{Context, cluster_id, metadata},
    client_config::KafkaConfig,
    lag_probe::LagProbe,
    log_id::{LOG_ID, random_suffix, without_prefix},
    member::KafkaMember,
    original_record::OriginalRecords,
    partition_reader::{PartitionReader, PhysicalPartition, REQUEST_TIMEOUT},
    standalone_consumer::StandaloneConsumer,
    transaction::TransactionalProducer,
};
use crate::{
    engine::{changelog_topic, dlq_topic},
    lag::{self, ProcessorProgress},
    log::{Commit, GroupMember, LogBackend, RawEventRecord, RecordCount, Restored, RuntimeError},
    progress_board::ProgressBoard,
    record_batch::RecordBatch,
    subscription::{ReadLimits, RunContext, Subscription},
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
const READ_ONLY_GROUP: &str = "fastbreak-looker";

/// A cluster, as a process is connected to it.
pub struct KafkaLog {
    pub(super) settings: KafkaConfig,
    reader: OnceLock<PartitionReader>,
    lag_probe: Option<LagProbe>,
    /// One for each group whose positions were asked for.
    groups: HashMap<String, PartitionReader>,
    pub(super) ingest: Option<TransactionalProducer>,
    /// Raw events that are in a topic already.
    pub(super) known: HashMap<&'static str, HashSet<RawId>>,
    locks: Vec<File>,
    pub(super) topics: BTreeMap<String, i32>,
    cluster: String,
}

impl KafkaLog {
    /// Connects, so that brokers that are not there are an error at once.
    pub fn open(settings: KafkaConfig) -> Result<KafkaLog, RuntimeError> {
        settings.check()?;
        let mut storage = KafkaLog {
            settings,
            reader: OnceLock::new(),
            lag_probe: None,
            groups: HashMap::new(),
            ingest: None,
            known: HashMap::new(),
            locks: Vec::new(),
            topics: BTreeMap::new(),
            cluster: String::new(),
        };
        storage.refresh_metadata()?;
        Ok(storage)
    }
    /// Asks which topics there are.
    fn refresh_metadata(&mut self) -> Result<(), RuntimeError> {
        let config = self.settings.reader(READ_ONLY_GROUP, "read_committed");
        let client = StandaloneConsumer::new(&self.settings, &config, Context::default())?;
        let metadata = metadata(&client, &self.settings.brokers, REQUEST_TIMEOUT)?;
        let topics = metadata.topics().iter().map(|t| (t.name().to_owned(), t.partitions().len() as i32));
        self.topics = topics.collect();
        self.cluster = cluster_id(client.client(), &self.settings.brokers, REQUEST_TIMEOUT)?;
        Ok(())
    }
    pub fn settings(&self) -> &KafkaConfig {
        &self.settings
    }
    /// The same cluster, for another thread.
    fn clone_for_thread(&self) -> KafkaLog {
        KafkaLog {
            settings: self.settings.clone(),
            reader: OnceLock::new(),
            lag_probe: None,
            groups: HashMap::new(),
            ingest: None,
            known: HashMap::new(),
            locks: Vec::new(),
            topics: self.topics.clone(),
            cluster: self.cluster.clone(),
        }
    }
    pub(super) fn reader(&self) -> &PartitionReader {
        self.reader.get_or_init(|| PartitionReader::new(&self.settings, READ_ONLY_GROUP))
    }
    /// Lets go of the clients that restoring needed.
    pub(super) fn release_clients(&mut self) {
        self.reader = OnceLock::new();
        self.groups.clear();
    }
    /// What a group has committed of these partitions.
    pub(super) fn committed(
        &mut self,
        group: &str,
        physical_partitions: &[PhysicalPartition],
    ) -> Result<BTreeMap<PhysicalPartition, i64>, RuntimeError> {
        let settings = &self.settings;
        let reader =
            self.groups.entry(group.to_owned()).or_insert_with(|| PartitionReader::new(settings, group));
        reader.committed_offsets(physical_partitions)
    }
    /// What a reader's group has committed of its inputs.
    pub(super) fn committed_of(
        &mut self,
        subscription: &Subscription,
    ) -> Result<BTreeMap<PhysicalPartition, i64>, RuntimeError> {
        let physical_partitions: Vec<PhysicalPartition> = inputs_of(subscription)
            .into_iter()
            .map(|(topic, p)| self.physical_partition(topic.name, p))
            .collect();
        self.committed(&subscription.group, &physical_partitions)
    }
    /// Whether a group has any member.
    pub(super) fn has_active_members(&self, group: &str) -> Result<bool, RuntimeError> {
        self.reader().has_member(&self.settings.group(group), |_| true)
    }
    fn physical_partition(&self, topic: &str, partition: i32) -> PhysicalPartition {
        (self.settings.topic(topic).into_owned(), partition)
    }
    /// How many partitions a topic has: none of a replay's that was not made yet.
    pub(super) fn partitions(&self, topic: &str) -> Result<i32, RuntimeError> {
        let known_as = self.settings.topic(topic);
        match self.topics.get(known_as.as_ref()) {
            Some(partitions) => Ok(*partitions),
            None if known_as != topic => Ok(0),
            None => Err(RuntimeError::Precondition {
                what: format!("reading topic {topic}"),
                reason: format!("{} has no such topic", self.settings.brokers),
                next: "`fastbreak topics apply` makes what is missing".into(),
            }),
        }
    }
    /// All partitions of these topics: the brokers' names, and ours.
    fn physical_partitions(
        &self,
        topics: &[&str],
    ) -> Result<BTreeMap<PhysicalPartition, String>, RuntimeError> {
        let mut physical_partitions = BTreeMap::new();
        for topic in topics {
            let partitions = 0..self.partitions(topic)?;
            physical_partitions.extend(
                partitions.map(|partition| (self.physical_partition(topic, partition), (*topic).to_owned())),
            );
        }
        Ok(physical_partitions)
    }
    fn read_partitions(
        &self,
        from: &BTreeMap<PhysicalPartition, i64>,
        bytes: usize,
    ) -> Result<BTreeMap<PhysicalPartition, Vec<RecordBatch>>, RuntimeError> {
        self.reader().read(from, bytes)
    }
    /// What a partition's memory is made from, given the group's positions.
    pub(super) fn restore_from(
        &self,
        subscription: &Subscription,
        partition: i32,
        committed: &BTreeMap<PhysicalPartition, i64>,
    ) -> Result<Restored, RuntimeError> {
        let mut restored = Restored::default();
        let mut wanted = BTreeMap::new();
        let changelog = self.physical_partition(&changelog_topic(subscription.name), partition);
        if subscription.is_view {
            wanted.insert(changelog.clone(), 0);
        }
        for input in &subscription.inputs {
            let physical_partition = self.physical_partition(input.name, partition);
            restored.next.insert(input.name, committed.get(&physical_partition).copied().unwrap_or(0));
            if subscription.is_view && input.policy == Policy::Compact {
                wanted.insert(physical_partition, 0);
            }
        }
        let mut read = self.read_partitions(&wanted, usize::MAX)?;
        restored.changelog = read.remove(&changelog).unwrap_or_default();
        for input in &subscription.inputs {
            if let Some(record_batches) = read.remove(&self.physical_partition(input.name, partition)) {
                restored.tables.push((input.name, record_batches));
            }
        }
        Ok(restored)
    }
    /// Moves positions at which a deleted marker stood behind it. A position is the offset after a record, where its transaction's
    /// marker is; when all is older than the retention, both are gone. A record that nobody has read has a marker too, so where
    /// one offset is missing nothing else was: unless a segment ended between the two, and its reader was away for all the retention.
    pub(super) fn skip_deleted_control_records(
        &self,
        next: &mut BTreeMap<&'static str, i64>,
        partition: i32,
    ) -> Result<(), RuntimeError> {
        let by_us = next.iter().filter(|(topic, next)| **next > 0 && !topics::is_raw(topic));
        let physical_partitions: Vec<PhysicalPartition> =
            by_us.map(|(topic, _)| self.physical_partition(topic, partition)).collect();
        let log_start_offsets = self.reader().log_start_offsets(&physical_partitions)?;
        for (topic, next) in next {
            if log_start_offsets.get(&self.physical_partition(topic, partition)) == Some(&(*next + 1)) {
                *next += 1;
            }
        }
        Ok(())
    }
    /// Holds an instance's name on this host, so that a second process under it does not start.
    fn lock(&mut self, group: &str) -> Result<(), RuntimeError> {
        let KafkaConfig { brokers, instance, .. } = &self.settings;
        let name = blake3::hash(format!("{brokers}\n{}\n{instance}", self.settings.group(group)).as_bytes());
        let path = std::env::temp_dir().join(format!("fastbreak-{}.lock", &name.to_hex()[..16]));
        let failed = |reason: String| {
            RuntimeError::Storage {
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
                return Err(RuntimeError::Precondition {
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
    fn check_topics(&mut self, subscription: &Subscription) -> Result<(), RuntimeError> {
        let mut wanted: BTreeMap<String, i32> = BTreeMap::new();
        let named = subscription.inputs.iter().chain(&subscription.outputs).chain([&topics::LEDGER.info]);
        wanted.extend(named.map(|topic| (topic.name.to_owned(), topic.partitions)));
        if subscription.is_view {
            wanted.insert(changelog_topic(subscription.name), topics::PARTITIONS);
        }
        if !subscription.is_view {
            wanted.insert(
                dlq_topic(subscription.name),
                if subscription.is_alone { 1 } else { topics::PARTITIONS },
            );
        }
        let refused = |topic: &str, reason: String, next: &str| RuntimeError::Precondition {
            what: format!("{} on topic {topic}", subscription.name),
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
fn named(
    physical_partitions: &BTreeMap<PhysicalPartition, String>,
    offsets: BTreeMap<PhysicalPartition, i64>,
) -> BTreeMap<(String, i32), i64> {
    let ours = |(physical_partition, offset): (PhysicalPartition, i64)| {
        Some(((physical_partitions.get(&physical_partition)?.clone(), physical_partition.1), offset))
    };
    offsets.into_iter().filter_map(ours).collect()
}

/// All partitions of a reader's inputs.
fn inputs_of(subscription: &Subscription) -> Vec<(topics::TopicInfo, i32)> {
    subscription.inputs.iter().flat_map(|topic| (0..topic.partitions).map(|p| (*topic, p))).collect()
}

impl LogBackend for KafkaLog {
    fn id(&mut self) -> Result<String, RuntimeError> {
        if let Some(id) = self.existing_id()? {
            return Ok(id);
        }
        let mut commit = Commit::default();
        let id = format!("{}-{:016x}", self.cluster, random_suffix());
        let record_batch: &mut RecordBatch =
            commit.out.entry((topics::SINK_BATCHES.info.name.to_owned(), 0)).or_default();
        record_batch.push(&format!("{LOG_ID}{id}"), Some(b"names the log"));
        self.writer()?.commit(commit.out, None, OriginalRecords::new())?;
        // Of two that were written at once the first stands.
        Ok(self.existing_id()?.unwrap_or(id))
    }
    fn existing_id(&mut self) -> Result<Option<String>, RuntimeError> {
        let physical_partition = self.physical_partition(topics::SINK_BATCHES.info.name, 0);
        if !self.topics.contains_key(&physical_partition.0) {
            return Ok(None);
        }
        let read = self.read_partitions(&BTreeMap::from([(physical_partition, 0)]), usize::MAX)?;
        for record_batch in read.into_values().flatten() {
            for record in record_batch.records() {
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
    fn read(
        &mut self,
        topic: &str,
        partition: i32,
        from: i64,
        bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError> {
        let physical_partition = self.physical_partition(topic, partition);
        if partition >= self.partitions(topic)? {
            return Ok(Vec::new());
        }
        let mut read = self.read_partitions(&BTreeMap::from([(physical_partition.clone(), from)]), bytes)?;
        let mut record_batches = read.remove(&physical_partition).unwrap_or_default();
        if topic == topics::SINK_BATCHES.info.name {
            record_batches = record_batches
                .into_iter()
                .map(|record_batch| without_prefix(record_batch, LOG_ID))
                .collect::<Result<_, _>>()?;
        }
        Ok(record_batches)
    }
    fn beginning_offsets(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        let physical_partitions = self.physical_partitions(topics)?;
        let asked: Vec<PhysicalPartition> = physical_partitions.keys().cloned().collect();
        Ok(named(&physical_partitions, self.reader().log_start_offsets(&asked)?))
    }
    fn end_offsets(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        let physical_partitions = self.physical_partitions(topics)?;
        let asked: Vec<PhysicalPartition> = physical_partitions.keys().cloned().collect();
        Ok(named(&physical_partitions, self.reader().last_stable_offsets(&asked)?))
    }
    fn committed_offsets(
        &mut self,
        group: &str,
        topics: &[&str],
    ) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        let physical_partitions = self.physical_partitions(topics)?;
        let asked: Vec<PhysicalPartition> = physical_partitions.keys().cloned().collect();
        Ok(named(&physical_partitions, self.committed(group, &asked)?))
    }
    fn restore(&mut self, subscription: &Subscription, partition: i32) -> Result<Restored, RuntimeError> {
        let committed = self.committed_of(subscription)?;
        self.restore_from(subscription, partition, &committed)
    }
    fn count_records_below(
        &mut self,
        topic: &str,
        partition: i32,
        below: i64,
    ) -> Result<RecordCount, RuntimeError> {
        let physical_partition = self.physical_partition(topic, partition);
        let mut count = 0;
        for record_batch in self.read(topic, partition, 0, usize::MAX)? {
            for record in record_batch.records() {
                count += i64::from(record?.offset < below);
            }
        }
        let log_start_offset = self
            .reader()
            .log_start_offsets(std::slice::from_ref(&physical_partition))?
            .get(&physical_partition)
            .copied()
            .unwrap_or(0);
        let is_whole = log_start_offset == 0
            && topics::ALL.iter().any(|t| t.name == topic && t.policy != Policy::Compact);
        Ok(if is_whole { RecordCount::Exactly(count) } else { RecordCount::AtLeast(count) })
    }
    fn ingest(&mut self, events: &[RawEventRecord], extra: Commit) -> Result<usize, RuntimeError> {
        self.ingest_batch(events, extra.out)
    }
    fn append(
        &mut self,
        out: BTreeMap<(String, i32), RecordBatch>,
        group: &str,
        next: &BTreeMap<(String, i32), i64>,
    ) -> Result<(), RuntimeError> {
        let settings = &self.settings;
        let reader =
            self.groups.entry(group.to_owned()).or_insert_with(|| PartitionReader::new(settings, group));
        let mut list = TopicPartitionList::new();
        for ((topic, partition), next) in next {
            let added = list.add_partition_offset(&settings.topic(topic), *partition, Offset::Offset(*next));
            added.map_err(|error| reader.to_runtime_error("moving positions", &error))?;
        }
        let owner = reader.group()?.ok_or_else(|| RuntimeError::Precondition {
            what: format!("moving the positions of {group}"),
            reason: "the client knows no such group".into(),
            next: "`fastbreak check`".into(),
        })?;
        let positions = (list.count() > 0).then(|| (list, Arc::new(owner)));
        self.writer()?.commit(out, positions, OriginalRecords::new())
    }
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, i64>) -> Result<(), RuntimeError> {
        Admin::connect(&self.settings)?.purge(&self.settings.topic(topic), below)
    }
    fn acquire_run_lock(&mut self) -> Result<(), RuntimeError> {
        Ok(())
    }
    fn subscribe(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        run_context: Arc<RunContext>,
    ) -> Result<Box<dyn GroupMember>, RuntimeError> {
        self.check_topics(&subscription)?;
        self.lock(&subscription.group)?;
        Ok(Box::new(KafkaMember::new(self.clone_for_thread(), subscription, limits, run_context)))
    }
    fn run_maintenance(&mut self, _: &ProgressBoard) -> Result<Duration, RuntimeError> {
        // The brokers tell of records by themselves.
        Ok(Duration::from_millis(100))
    }
    fn lag_snapshot(
        &mut self,
        subscriptions: &[Subscription],
    ) -> Result<Vec<ProcessorProgress>, RuntimeError> {
        let asked: BTreeSet<PhysicalPartition> = subscriptions
            .iter()
            .flat_map(inputs_of)
            .map(|(t, p)| self.physical_partition(t.name, p))
            .collect();
        let asked: Vec<PhysicalPartition> =
            asked.into_iter().filter(|(topic, p)| self.topics.get(topic).is_some_and(|n| p < n)).collect();
        let (ends, log_start_offsets) =
            (self.reader().last_stable_offsets(&asked)?, self.reader().log_start_offsets(&asked)?);
        let mut lag_snapshot = Vec::new();
        let mut behind = BTreeMap::new();
        for subscription in subscriptions {
            let positions = self.committed_of(subscription)?;
            let physical_partitions = inputs_of(subscription).into_iter().map(|(topic, partition)| {
                let physical_partition = self.physical_partition(topic.name, partition);
                let (log_start_offset, end_offset) = (
                    log_start_offsets.get(&physical_partition).copied().unwrap_or(0),
                    ends.get(&physical_partition).copied().unwrap_or(0),
                );
                let committed = positions.get(&physical_partition).copied();
                let from = committed.unwrap_or(log_start_offset).max(log_start_offset);
                if from < end_offset {
                    behind.insert((physical_partition, from), end_offset);
                }
                lag::PartitionProgress {
                    topic,
                    partition,
                    committed,
                    log_start_offset,
                    end_offset,
                    unread: None,
                }
            });
            let physical_partitions = physical_partitions.collect();
            lag_snapshot.push(ProcessorProgress {
                processor: subscription.name,
                has_active_members: false,
                partitions: physical_partitions,
            });
        }
        // One that failed is not put back: the next look has a client that may find what this one did not.
        let mut lag_probe = match self.lag_probe.take() {
            Some(lag_probe) => lag_probe,
            None => LagProbe::new(&self.settings, READ_ONLY_GROUP)?,
        };
        let (found, active_groups) = (lag_probe.find(&behind)?, lag_probe.active_groups()?);
        self.lag_probe = Some(lag_probe);
        for (subscription, processor_progress) in subscriptions.iter().zip(&mut lag_snapshot) {
            processor_progress.has_active_members =
                active_groups.contains(&self.settings.group(&subscription.group));
            for physical_partition in &mut processor_progress.partitions {
                let from = physical_partition
                    .committed
                    .unwrap_or(physical_partition.log_start_offset)
                    .max(physical_partition.log_start_offset);
                let at = (
                    self.settings.topic(physical_partition.topic.name).into_owned(),
                    physical_partition.partition,
                );
                physical_partition.unread = found.get(&(at, from)).copied();
            }
        }
        Ok(lag_snapshot)
    }
    fn discard(&mut self, topics: &[String], processors: &[String]) -> Result<Vec<String>, RuntimeError> {
        if self.settings.namespace.is_none() {
            return Err(RuntimeError::Precondition {
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
    fn is_caught_up(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
        // Positions before ends: what a commit published is then below the ends, whichever of its readers' positions it moved. The
        // ends are of the uncommitted, since a commit's markers may still be on their way.
        let mut positions: BTreeMap<PhysicalPartition, i64> = BTreeMap::new();
        for subscription in subscriptions {
            let committed = self.committed_of(subscription)?;
            for (topic, partition) in inputs_of(subscription) {
                let physical_partition = self.physical_partition(topic.name, partition);
                let next = committed.get(&physical_partition).copied().unwrap_or(0);
                let least = positions.entry(physical_partition).or_insert(next);
                *least = next.min(*least);
            }
        }
        let physical_partitions: Vec<PhysicalPartition> = positions.keys().cloned().collect();
        let ends = self.reader().high_watermarks(&physical_partitions)?;
        let behind = positions
            .into_iter()
            .filter(|(physical_partition, next)| ends.get(physical_partition) > Some(next))
            .collect();
        // What is left may be transactions' markers, which nobody reads.
        let left = self.read_partitions(&behind, usize::MAX)?;
        Ok(left.into_values().flatten().all(|record_batch| record_batch.is_empty()))
    }
}
