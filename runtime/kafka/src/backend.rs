//! Kafka as a [`LogBackend`].
//!
//! Invariant: reading ends at the end offsets at the time of the call; every write is one transaction.
//! Not here: the work of the methods, which the other files of this crate do.
use crate::{
    admin::Admin,
    client_config::KafkaConfig,
    cluster::KafkaCluster,
    dead_letters::to_records,
    ingest::{CommandProducer, Ingester},
    lag_sample::{self, LagSampler},
    log_id,
    member::KafkaMember,
    preconditions::{InstanceLock, check_topics},
    restore::restore_partition,
    stored_records::{self, RecordWatch},
    topic_partition::offset_list,
    transaction::{OffsetsToCommit, TransactionContent},
};
use runtime::{
    Commit, CommitError, DeadLetterRecord, GroupMember, LogAdmin, LogBackend, LogReader, LogWriter,
    RawEventRecord, ReadSize, RecordBatch, RecordCount, Restored, RuntimeError, StoredRecords,
    lag::ProcessorProgress,
    progress_board::ProgressBoard,
    subscription::{ReadLimits, RunContext, Subscription},
};
use schemas::Timestamp;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use topics::{Offset, Offsets, Policy, TopicPartition};

/// The interval at which the supervisor checks for shutdown and whether processors have caught up; Kafka itself needs no maintenance.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(100);

/// A log on Kafka, for use by one thread.
pub struct KafkaLog {
    cluster: Arc<KafkaCluster>,
    producer: CommandProducer,
    ingester: Ingester,
    lag_sampler: LagSampler,
    record_watch: Option<RecordWatch>,
    instance_locks: Vec<InstanceLock>,
}

impl KafkaLog {
    /// Connects to the brokers.
    ///
    /// # Errors
    /// When a setting is rejected or no broker is reachable.
    pub fn open(config: KafkaConfig) -> Result<KafkaLog, RuntimeError> {
        Ok(KafkaLog::new(Arc::new(KafkaCluster::connect(config)?)))
    }
    fn new(cluster: Arc<KafkaCluster>) -> KafkaLog {
        KafkaLog {
            producer: CommandProducer::new(cluster.clone()),
            ingester: Ingester::new(cluster.clone()),
            lag_sampler: LagSampler::default(),
            record_watch: None,
            instance_locks: Vec::new(),
            cluster,
        }
    }
    /// Returns the offsets of a commit by a client that is not a member of the group; `None` if there are no offsets.
    fn offsets_to_commit(
        &self,
        group: &str,
        offsets: &Offsets,
    ) -> Result<Option<OffsetsToCommit>, RuntimeError> {
        if offsets.is_empty() {
            return Ok(None);
        }
        let client = self.cluster.client_of_group(group);
        let physical = offsets
            .iter()
            .map(|(partition, offset)| (self.cluster.config().physical(*partition), *offset))
            .collect::<Vec<_>>();
        let list = offset_list(physical.iter().map(|(partition, offset)| (partition, *offset)));
        let list = list.map_err(|error| client.to_runtime_error("committing offsets", &error))?;
        let group_metadata = client.group_metadata()?.ok_or_else(|| RuntimeError::Precondition {
            what: format!("committing the offsets of {group}"),
            reason: "the Kafka client has no metadata of this group".into(),
            next: "run `fastbreak doctor`".into(),
        })?;
        Ok(Some(OffsetsToCommit { offsets: list, group_metadata: Arc::new(group_metadata) }))
    }
}

impl LogReader for KafkaLog {
    fn existing_id(&mut self) -> Result<Option<String>, RuntimeError> {
        log_id::existing_id(&self.cluster)
    }
    fn name(&self) -> String {
        let KafkaConfig { brokers, namespace, .. } = self.cluster.config();
        match namespace {
            Some(namespace) => format!("{brokers} ({namespace})"),
            None => brokers.clone(),
        }
    }
    fn read(
        &mut self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError> {
        if !self.cluster.has_partition(partition)? {
            return Ok(Vec::new());
        }
        let mut batches = self.cluster.read(&Offsets::from([(partition, from)]), max_bytes)?;
        Ok(batches.remove(&partition).unwrap_or_default())
    }
    fn read_stored(
        &mut self,
        from: &Offsets,
        size: ReadSize,
    ) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
        stored_records::read(&self.cluster, from, size.bytes)
    }
    fn read_newest(
        &mut self,
        partitions: &[TopicPartition],
        records: usize,
    ) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
        stored_records::read_newest(&self.cluster, partitions, records)
    }
    fn offsets_at(
        &mut self,
        partitions: &[TopicPartition],
        instant: Timestamp,
    ) -> Result<Offsets, RuntimeError> {
        stored_records::offsets_at(&self.cluster, partitions, instant)
    }
    fn await_records(&mut self, next: &Offsets, timeout: Duration) -> Result<bool, RuntimeError> {
        let watch = match self.record_watch.take().filter(|watch| watch.is_for(next)) {
            Some(watch) => watch,
            None => RecordWatch::new(&self.cluster, next)?,
        };
        let has_records = watch.wait(timeout)?;
        self.record_watch = (!has_records).then_some(watch);
        Ok(has_records)
    }
    fn dead_letters(
        &mut self,
        processor: &str,
        partition: i32,
        from: Offset,
    ) -> Result<Vec<DeadLetterRecord>, RuntimeError> {
        self.cluster.dead_letters(processor, partition, from)
    }
    fn beginning_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        self.cluster.log_start_offsets(&self.cluster.all_partitions(topics)?)
    }
    fn end_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        self.cluster.last_stable_offsets(&self.cluster.all_partitions(topics)?)
    }
    fn committed_offsets(&mut self, group: &str, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        self.cluster.committed_offsets(group, &self.cluster.all_partitions(topics)?)
    }
    fn count_read_from_other_topics(&mut self, _group: &str, _topics: &[&str]) -> Result<i64, RuntimeError> {
        Ok(0)
    }
    fn restore(&mut self, subscription: &Subscription, partition: i32) -> Result<Restored, RuntimeError> {
        let committed = self.cluster.committed_input_offsets(subscription)?;
        restore_partition(&self.cluster, subscription, partition, &committed)
    }
    fn count_records_below(
        &mut self,
        partition: TopicPartition,
        offset: Offset,
    ) -> Result<RecordCount, RuntimeError> {
        let mut count = 0;
        for batch in self.read(partition, 0, usize::MAX)? {
            for record in batch.records() {
                count += i64::from(record?.offset < offset);
            }
        }
        let log_start_offsets = self.cluster.log_start_offsets(&[partition])?;
        let is_complete = log_start_offsets.get(&partition).is_none_or(|offset| *offset == 0)
            && topics::ALL
                .iter()
                .any(|topic| topic.name == partition.topic && topic.policy != Policy::Compact);
        Ok(if is_complete { RecordCount::Exactly(count) } else { RecordCount::AtLeast(count) })
    }
    fn progress(&mut self, subscriptions: &[Subscription]) -> Result<Vec<ProcessorProgress>, RuntimeError> {
        self.lag_sampler.sample(&self.cluster, subscriptions)
    }
    fn is_caught_up(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
        lag_sample::is_caught_up(&self.cluster, subscriptions)
    }
}

impl LogWriter for KafkaLog {
    fn id(&mut self) -> Result<String, RuntimeError> {
        if let Some(id) = self.existing_id()? {
            return Ok(id);
        }
        let (id, commit) = log_id::new_id(&self.cluster)?;
        let content = TransactionContent { records: commit.records, ..TransactionContent::default() };
        self.producer.commit(content).map_err(|error| error.without_retry("the log id"))?;
        // If two processes wrote an id at the same time, the first one counts.
        Ok(self.existing_id()?.unwrap_or(id))
    }
    fn ingest(&mut self, events: &[RawEventRecord], commit: Commit) -> Result<usize, RuntimeError> {
        self.ingester.ingest(events, commit, &mut self.producer)
    }
    fn append(&mut self, commit: Commit) -> Result<(), CommitError> {
        let offsets = self.offsets_to_commit(&commit.group, &commit.offsets)?;
        let dead_letters = to_records(self.cluster.config(), commit.dead_letters);
        self.producer.commit(TransactionContent { records: commit.records, dead_letters, offsets })
    }
}

impl LogAdmin for KafkaLog {
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, Offset>) -> Result<(), RuntimeError> {
        let config = self.cluster.config();
        Admin::connect(config)?.purge(&config.topic(topic), below)
    }
    fn acquire_run_lock(&mut self) -> Result<(), RuntimeError> {
        // The log needs no lock: several processes share its partitions, and each member locks its own instance name.
        Ok(())
    }
    fn run_maintenance(&mut self, _: &ProgressBoard) -> Result<Duration, RuntimeError> {
        Ok(MAINTENANCE_INTERVAL)
    }
    fn discard(&mut self, topics: &[String], processors: &[String]) -> Result<Vec<String>, RuntimeError> {
        let config = self.cluster.config();
        if config.namespace.is_none() {
            return Err(RuntimeError::Precondition {
                what: format!("discarding {}", self.name()),
                reason: "this is the live log; only the log of a replay can be discarded".into(),
                next: "specify a replay; `fastbreak replay list` lists them".into(),
            });
        }
        let is_discarded =
            |topic: &&String| !topics::is_raw(topic) && self.cluster.partition_count(topic).is_some();
        let topics: Vec<String> =
            topics.iter().filter(is_discarded).map(|topic| config.topic(topic).into_owned()).collect();
        let mut groups = self.cluster.client().group_names(&config.group(""))?;
        // The group name of a stateless processor is its name, `@` and its version.
        groups.retain(|group| {
            processors.iter().map(|name| config.group(name)).any(|processor_group| {
                group
                    .strip_prefix(&processor_group)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
            })
        });
        Admin::connect(config)?.remove(&topics, &groups)
    }
}

impl LogBackend for KafkaLog {
    fn subscribe(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        run_context: Arc<RunContext>,
    ) -> Result<Box<dyn GroupMember>, RuntimeError> {
        check_topics(&self.cluster, &subscription)?;
        self.instance_locks.push(InstanceLock::acquire(self.cluster.config(), &subscription.group)?);
        let cluster = Arc::new(self.cluster.clone_for_thread());
        let log = Box::new(KafkaLog::new(cluster.clone()));
        Ok(Box::new(KafkaMember::new(cluster, log, subscription, limits, run_context)))
    }
}
