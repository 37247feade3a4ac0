//! One thread's connection to a cluster: its topics, and queries by logical names.
//!
//! Invariant: the files that call `KafkaCluster` use logical partitions (topic names of the catalog). The files that it calls use physical
//! partitions (topic names on the brokers).
//! Not here: writing (`transaction`), administration (`admin`), group members (`member`).
use crate::{
    client_config::{Isolation, KafkaConfig},
    context::Context,
    dead_letters, metadata, offsets, partition_reader,
    query_client::{QueryClient, REQUEST_TIMEOUT},
    standalone_consumer::StandaloneConsumer,
    topic_partition::{PhysicalOffsets, PhysicalPartition},
};
use rdkafka::consumer::Consumer as _;
use runtime::{DeadLetterRecord, RecordBatch, RuntimeError, engine::dlq_topic, subscription::Subscription};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use topics::{Offset, Offsets, TopicPartition};

/// Consumer group id used for read-only offset queries.
pub const READ_ONLY_GROUP: &str = "fastbreak-read-only";

/// The connection of one thread to a cluster. Its clients are created when they are needed.
pub struct KafkaCluster {
    config: KafkaConfig,
    id: String,
    /// The number of partitions of each topic, by physical name, when the connection was made.
    partition_counts: BTreeMap<String, i32>,
    /// One query client per consumer group, created on first use.
    clients: Mutex<BTreeMap<String, Arc<QueryClient>>>,
}

impl KafkaCluster {
    /// Connects and fetches the topics.
    ///
    /// # Errors
    /// When a setting is rejected or no broker is reachable.
    pub fn connect(config: KafkaConfig) -> Result<KafkaCluster, RuntimeError> {
        config.check()?;
        let client_config = config.standalone_consumer(READ_ONLY_GROUP, Isolation::ReadCommitted);
        let consumer = StandaloneConsumer::new(&config, &client_config, Context::new(&config.brokers))?;
        let metadata = metadata::fetch_metadata(&consumer, REQUEST_TIMEOUT)?;
        let topics = metadata.topics().iter();
        let partition_counts =
            topics.map(|topic| (topic.name().to_owned(), topic.partitions().len() as i32)).collect();
        let id = metadata::fetch_cluster_id(consumer.client(), REQUEST_TIMEOUT)?;
        Ok(KafkaCluster { config, id, partition_counts, clients: Mutex::default() })
    }
    /// Returns a connection to the same cluster for another thread, without any client yet.
    pub fn clone_for_thread(&self) -> KafkaCluster {
        KafkaCluster {
            config: self.config.clone(),
            id: self.id.clone(),
            partition_counts: self.partition_counts.clone(),
            clients: Mutex::default(),
        }
    }
    pub fn config(&self) -> &KafkaConfig {
        &self.config
    }
    /// Returns the id of the cluster.
    pub fn id(&self) -> &str {
        &self.id
    }
    /// Returns the client for queries that do not depend on a consumer group.
    pub fn client(&self) -> Arc<QueryClient> {
        self.client_of_group(READ_ONLY_GROUP)
    }
    /// Returns the client that queries the committed offsets of a group.
    pub fn client_of_group(&self, group: &str) -> Arc<QueryClient> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let new_client = || Arc::new(QueryClient::new(&self.config, group));
        clients.entry(group.to_owned()).or_insert_with(new_client).clone()
    }
    /// Closes all clients; they are created again on the next use.
    pub fn release_clients(&self) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    /// Returns the number of partitions of a topic; `None` if the cluster has no such topic.
    pub fn partition_count(&self, topic: &str) -> Option<i32> {
        self.partition_counts.get(self.config.topic(topic).as_ref()).copied()
    }
    /// Returns all partitions of a topic. If the topic belongs to a replay and does not exist yet, returns none.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` when a topic of the live log, or a raw topic, does not exist.
    pub fn partitions(&self, topic: &str) -> Result<Vec<TopicPartition>, RuntimeError> {
        let is_in_namespace = self.config.topic(topic) != topic;
        let count = self.partition_count(topic).or(is_in_namespace.then_some(0));
        let count = count.ok_or_else(|| RuntimeError::Precondition {
            what: format!("reading topic {topic}"),
            reason: format!("the topic does not exist on {}", self.config.brokers),
            next: "`fastbreak topics apply` creates missing topics".into(),
        })?;
        Ok((0..count).map(|partition| TopicPartition::from_name(topic, partition)).collect())
    }
    /// Returns all partitions of these topics.
    ///
    /// # Errors
    /// As [`KafkaCluster::partitions`].
    pub fn all_partitions(&self, topics: &[&str]) -> Result<Vec<TopicPartition>, RuntimeError> {
        let partitions = topics.iter().map(|topic| self.partitions(topic));
        Ok(partitions.collect::<Result<Vec<_>, _>>()?.concat())
    }
    /// Returns true if the cluster has the partition.
    ///
    /// # Errors
    /// As [`KafkaCluster::partitions`].
    pub fn has_partition(&self, partition: TopicPartition) -> Result<bool, RuntimeError> {
        Ok(self.partitions(partition.topic)?.contains(&partition))
    }
    /// Sends a query for offsets with physical partitions, and returns the offsets by logical partition.
    fn query_offsets(
        &self,
        partitions: &[TopicPartition],
        query: impl FnOnce(&[PhysicalPartition]) -> Result<PhysicalOffsets, RuntimeError>,
    ) -> Result<Offsets, RuntimeError> {
        let physical: Vec<PhysicalPartition> =
            partitions.iter().map(|partition| self.config.physical(*partition)).collect();
        let offsets = query(&physical)?;
        let logical = partitions.iter().zip(&physical);
        Ok(logical.filter_map(|(partition, physical)| Some((*partition, *offsets.get(physical)?))).collect())
    }
    /// Returns the committed offsets of a group; partitions without a committed offset are absent.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn committed_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Offsets, RuntimeError> {
        let client = self.client_of_group(group);
        self.query_offsets(partitions, |physical| offsets::committed_offsets(&client, physical))
    }
    /// Returns the committed offsets of a processor in all its inputs.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn committed_input_offsets(&self, subscription: &Subscription) -> Result<Offsets, RuntimeError> {
        let partitions: Vec<TopicPartition> =
            subscription.input_partitions().map(|(_, partition)| partition).collect();
        self.committed_offsets(&subscription.group, &partitions)
    }
    /// Returns the first offsets that are still stored.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn log_start_offsets(&self, partitions: &[TopicPartition]) -> Result<Offsets, RuntimeError> {
        let client = self.client();
        self.query_offsets(partitions, |physical| offsets::log_start_offsets(&client, physical))
    }
    /// Returns the last stable offsets: the end offsets of committed records.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn last_stable_offsets(&self, partitions: &[TopicPartition]) -> Result<Offsets, RuntimeError> {
        let client = self.client();
        self.query_offsets(partitions, |physical| offsets::last_stable_offsets(&client, physical))
    }
    /// Returns the high watermarks: the end offsets of all records, including those of open transactions.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn high_watermarks(&self, partitions: &[TopicPartition]) -> Result<Offsets, RuntimeError> {
        let client = self.client();
        self.query_offsets(partitions, |physical| offsets::high_watermarks(&client, physical))
    }
    /// Reads the records from these offsets to the current end, or to about `max_bytes` per partition.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn read(
        &self,
        from: &Offsets,
        max_bytes: usize,
    ) -> Result<BTreeMap<TopicPartition, Vec<RecordBatch>>, RuntimeError> {
        let physical: PhysicalOffsets =
            from.iter().map(|(partition, offset)| (self.config.physical(*partition), *offset)).collect();
        let mut batches = partition_reader::read(&self.client(), &physical, max_bytes)?;
        let logical = from.keys().map(|partition| {
            (*partition, batches.remove(&self.config.physical(*partition)).unwrap_or_default())
        });
        Ok(logical.collect())
    }
    /// Reads one whole partition.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn read_partition(&self, partition: TopicPartition) -> Result<Vec<RecordBatch>, RuntimeError> {
        Ok(self.read(&Offsets::from([(partition, 0)]), usize::MAX)?.remove(&partition).unwrap_or_default())
    }
    /// Reads the dead letters of a processor in one partition of its dead-letter queue.
    ///
    /// # Errors
    /// When the log cannot be read, or a record of the queue is not a dead letter.
    pub fn dead_letters(
        &self,
        processor: &str,
        partition: i32,
        from: Offset,
    ) -> Result<Vec<DeadLetterRecord>, RuntimeError> {
        if !self.has_partition(TopicPartition::new(dlq_topic(processor), partition))? {
            return Ok(Vec::new());
        }
        dead_letters::read(&self.client(), &self.config, processor, partition, from)
    }
    /// Returns true if a consumer group has any member.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn has_active_members(&self, group: &str) -> Result<bool, RuntimeError> {
        self.client().has_member(&self.config.group(group), |_| true)
    }
}
