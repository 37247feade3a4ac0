//! Checks before a group member is created: that its topics exist with the right partition count, and that no other process on the host has
//! its instance name.
//!
//! Invariant: a member with topics that are not co-partitioned never starts.
//! Not here: a process with the same instance name on a different host; the brokers fence the older process (`member::join`).
use crate::{client_config::KafkaConfig, cluster::KafkaCluster};
use runtime::{
    RuntimeError,
    engine::{changelog_topic, dlq_topic},
    subscription::Subscription,
};
use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
};

/// Checks the topics of a subscription.
///
/// # Errors
/// `RuntimeError::Precondition` with the first topic that is missing or has an unexpected partition count.
pub fn check_topics(cluster: &KafkaCluster, subscription: &Subscription) -> Result<(), RuntimeError> {
    for (topic, expected) in expected_topics(subscription) {
        let (reason, next) = match cluster.partition_count(topic) {
            Some(count) if count == expected => continue,
            None => (
                "the topic does not exist".to_owned(),
                "`fastbreak topics plan` shows missing topics, `fastbreak topics apply` creates them",
            ),
            Some(count) => (
                format!("the topic has {count} partitions, but needs {expected} to be co-partitioned"),
                "stop all processes, delete the topic with Kafka's own tool, then run `fastbreak topics apply`; if it is a raw topic, its records must be produced again",
            ),
        };
        return Err(RuntimeError::Precondition {
            what: format!("running {} on topic {}", subscription.name, cluster.config().topic(topic)),
            reason,
            next: next.into(),
        });
    }
    Ok(())
}

/// Returns the topics of a subscription with their expected partition counts.
fn expected_topics(subscription: &Subscription) -> BTreeMap<&'static str, i32> {
    let catalog = subscription.inputs.iter().chain(&subscription.outputs).chain([&topics::LEDGER.info]);
    let mut expected: BTreeMap<&'static str, i32> =
        catalog.map(|topic| (topic.name, topic.partitions)).collect();
    if subscription.kind.has_changelog() {
        expected.insert(changelog_topic(subscription.name), topics::PARTITIONS);
    }
    if subscription.kind.has_dlq() {
        let partitions = if subscription.kind.is_exclusive() { 1 } else { topics::PARTITIONS };
        expected.insert(dlq_topic(subscription.name), partitions);
    }
    expected
}

/// A lock on a group's instance name on this host, so that no second process with the same name starts. Released on drop.
pub struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Acquires the lock.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` when another process holds the lock.
    pub fn acquire(config: &KafkaConfig, group: &str) -> Result<InstanceLock, RuntimeError> {
        let KafkaConfig { brokers, instance, .. } = config;
        let name = blake3::hash(format!("{brokers}\n{}\n{instance}", config.group(group)).as_bytes());
        let path = std::env::temp_dir().join(format!("fastbreak-{}.lock", &name.to_hex()[..16]));
        let not_lockable = |error: std::io::Error| {
            RuntimeError::Storage {
            path: path.display().to_string(),
            reason: error.to_string(),
            next: "this lock file prevents a second process with the same instance name on this host: if the file belongs to another user, choose a different --instance, or delete the file when no process with this name runs".into(),
        }
        };
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(not_lockable)?;
        match file.try_lock() {
            Ok(()) => Ok(InstanceLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(RuntimeError::Precondition {
                what: format!("running {group} as instance {instance}"),
                reason: "another process on this host runs with the same instance name".into(),
                next: "stop the other process, or give this one a different --instance".into(),
            }),
            Err(TryLockError::Error(error)) => Err(not_lockable(error)),
        }
    }
}
