//! The administrator of a cluster: lists topics with their settings, carries out plan entries, purges records, deletes the topics and
//! groups of a namespace, and checks rights.
//!
//! Invariant: no topic of a namespace is deleted while a group of this namespace that is to be deleted has a member.
//! Not here: the clients (`connection`), the calls that alter topics (`topic_alterations`), the checks of rights (`acl_checks`).
use super::{
    acl_checks::{self, AclCheck},
    connection::{AdminConnection, CALL_TIMEOUT},
    topic_alterations::{self, TopicOutcome, topic_outcome},
};
use crate::{client_config::KafkaConfig, metadata};
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{ConfigSource, OwnedResourceSpecifier, ResourceSpecifier},
    consumer::Consumer,
    error::RDKafkaErrorCode as Code,
    metadata::Metadata,
};
use runtime::RuntimeError;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use topics::{
    plan::{ActualTopic, Cluster, PlanEntry},
    spec::TopicSpec,
};

/// The time limit of one query for a partition's leader.
const LEADER_QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit for stopped members to leave a group that is to be deleted. It is longer than their session timeout.
const SESSION_END_TIMEOUT: Duration = Duration::from_secs(45);
/// The pause before the deletion of groups with members is tried again.
const GROUP_RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The administrator of one cluster.
pub struct Admin {
    connection: AdminConnection,
}

impl Admin {
    /// Creates the clients; they connect in the background.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` with the setting that is rejected.
    pub fn connect(config: &KafkaConfig) -> Result<Admin, RuntimeError> {
        Ok(Admin { connection: AdminConnection::new(config)? })
    }
    fn metadata(&self) -> Result<Metadata, RuntimeError> {
        metadata::fetch_metadata(&self.connection.consumer, CALL_TIMEOUT)
    }
    fn cluster_id(&self) -> Result<String, RuntimeError> {
        metadata::fetch_cluster_id(self.connection.consumer.client(), CALL_TIMEOUT)
    }
    /// Returns the cluster's id and its number of brokers.
    ///
    /// # Errors
    /// When the brokers are not reachable.
    pub fn brokers(&self) -> Result<(String, usize), RuntimeError> {
        let brokers = self.metadata()?.brokers().len();
        Ok((self.cluster_id()?, brokers))
    }
    /// Returns the cluster's topics except Kafka's internal ones, with the settings of the topics that `is_described` selects.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject a request.
    pub fn cluster(&self, is_described: impl Fn(&str) -> bool) -> Result<Cluster, RuntimeError> {
        let metadata = self.metadata()?;
        let id = self.cluster_id()?;
        let mut topics: BTreeMap<String, ActualTopic> = BTreeMap::new();
        for topic in metadata.topics().iter().filter(|topic| !topic.name().starts_with("__")) {
            let replicas = topic.partitions().iter().map(|partition| partition.replicas().len() as i32).min();
            let actual = ActualTopic {
                name: topic.name().to_owned(),
                partitions: topic.partitions().len() as i32,
                replication: replicas.unwrap_or(0),
                ..ActualTopic::default()
            };
            topics.insert(actual.name.clone(), actual);
        }
        let names: Vec<String> = topics.keys().filter(|name| is_described(name)).cloned().collect();
        self.describe(&names, &mut topics)?;
        Ok(Cluster { id, topics: topics.into_values().collect() })
    }
    /// Fetches the settings of the topics in `names`, and adds them to `topics`.
    fn describe(
        &self,
        names: &[String],
        topics: &mut BTreeMap<String, ActualTopic>,
    ) -> Result<(), RuntimeError> {
        if names.is_empty() {
            return Ok(());
        }
        let operation = "describing the settings of topics";
        let resources: Vec<ResourceSpecifier<'_>> =
            names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let call = self.connection.client.describe_configs(&resources, &AdminConnection::options());
        for resource in self.connection.wait(operation, call)? {
            let resource = resource.map_err(|code| self.connection.rejected(operation, code))?;
            let OwnedResourceSpecifier::Topic(name) = &resource.specifier else { continue };
            let Some(actual) = topics.get_mut(name) else { continue };
            for entry in resource.entries {
                let Some(value) = entry.value else { continue };
                if entry.source == ConfigSource::DynamicTopic {
                    actual.topic_overrides.insert(entry.name.clone(), value.clone());
                }
                actual.settings.insert(entry.name, value);
            }
        }
        Ok(())
    }
    /// Returns a message for each topic that does not exist or has an unexpected number of partitions.
    ///
    /// # Errors
    /// When the brokers are not reachable.
    pub fn missing(&self, expected: &[TopicSpec]) -> Result<Vec<String>, RuntimeError> {
        let metadata = self.metadata()?;
        let partition_counts: BTreeMap<&str, i32> =
            metadata.topics().iter().map(|topic| (topic.name(), topic.partitions().len() as i32)).collect();
        let difference = |spec: &TopicSpec| match partition_counts.get(spec.name.as_str()) {
            None => Some(format!("{} is missing", spec.name)),
            Some(count) if *count != spec.partitions => {
                Some(format!("{} has {count} partitions instead of {}", spec.name, spec.partitions))
            }
            Some(_) => None,
        };
        Ok(expected.iter().filter_map(difference).collect())
    }
    /// Carries out plan entries; each succeeds or fails on its own.
    pub fn carry_out<'a>(&self, entries: impl Iterator<Item = &'a PlanEntry>) -> Vec<TopicOutcome> {
        topic_alterations::carry_out(&self.connection, entries)
    }
    /// Deletes consumer groups and then topics, and returns the names of all that were deleted. Waits for groups whose members have just
    /// stopped: a static member stays in the group until its session times out.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` when a group still has a member; no topic is deleted then.
    pub fn remove(&self, topics: &[String], groups: &[String]) -> Result<Vec<String>, RuntimeError> {
        let mut deleted = Vec::new();
        let (mut remaining, started) = (groups.to_vec(), Instant::now());
        while !remaining.is_empty() {
            remaining = self.delete_groups(&remaining, &mut deleted)?;
            let Some(group) = remaining.first() else { break };
            if started.elapsed() > SESSION_END_TIMEOUT {
                return Err(RuntimeError::Precondition {
                    what: format!("deleting the group {group}"),
                    reason: "the group has members".into(),
                    next: "stop the process that runs this replay, then try again".into(),
                });
            }
            std::thread::sleep(GROUP_RETRY_INTERVAL);
        }
        if !topics.is_empty() {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            let call = self.connection.client.delete_topics(&names, &AdminConnection::options());
            for result in self.connection.wait("deleting topics of a namespace", call)? {
                let (topic, outcome) = topic_outcome(&self.connection, "deleting", result);
                outcome?;
                deleted.push(topic);
            }
        }
        Ok(deleted)
    }
    /// Tries once to delete groups; returns those that still have members.
    fn delete_groups(
        &self,
        groups: &[String],
        deleted: &mut Vec<String>,
    ) -> Result<Vec<String>, RuntimeError> {
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let call = self.connection.client.delete_groups(&names, &AdminConnection::options());
        let mut active_groups = Vec::new();
        for result in self.connection.wait("deleting groups of a namespace", call)? {
            match result {
                Ok(group) => deleted.push(group),
                Err((_, Code::GroupIdNotFound)) => {}
                Err((group, Code::NonEmptyGroup)) => active_groups.push(group),
                Err((group, code)) => {
                    return Err(self.connection.rejected(&format!("deleting the group {group}"), code));
                }
            }
        }
        Ok(active_groups)
    }
    /// Deletes the records below these offsets in the partitions of a topic.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the call.
    pub fn purge(&self, topic: &str, below: &BTreeMap<i32, topics::Offset>) -> Result<(), RuntimeError> {
        let operation = format!("purging {topic}");
        let mut list = TopicPartitionList::new();
        for (partition, below) in below {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*below));
            added.map_err(|error| self.connection.to_runtime_error(&operation, &error))?;
        }
        let call = self.connection.client.delete_records(&list, &AdminConnection::options());
        for element in self.connection.wait(&operation, call)?.elements() {
            element.error().map_err(|error| {
                let operation = format!("{operation}/{}", element.partition());
                self.connection.to_runtime_error(&operation, &error)
            })?;
        }
        Ok(())
    }
    /// Checks the rights that can be tested without changing anything.
    pub fn acl_checks(&self, topics: &[String], groups: &[String]) -> Vec<AclCheck> {
        acl_checks::acl_checks(&self.connection, topics, groups)
    }
    /// Waits until every partition of these topics has a leader that responds to queries. Right after its creation, a topic may have none.
    pub fn await_leaders<'a>(&self, topics: impl Iterator<Item = (&'a str, i32)>) {
        let started = Instant::now();
        let partitions =
            topics.flat_map(|(topic, count)| (0..count).map(move |partition| (topic, partition)));
        for (topic, partition) in partitions {
            let consumer = &self.connection.consumer;
            while consumer.fetch_watermarks(topic, partition, LEADER_QUERY_TIMEOUT).is_err()
                && started.elapsed() < CALL_TIMEOUT
            {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}
