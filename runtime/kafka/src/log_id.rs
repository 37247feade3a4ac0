//! The log id: the cluster id and a random number, stored as a record in a topic of its own.
//!
//! A re-created topic is empty, so a log whose topics were re-created gets a new id.
//! Invariant: the first record of the topic is the id; a second record, which another process wrote at the same time, has no effect.
//! Not here: the transaction that writes the record (`backend`).
use crate::cluster::KafkaCluster;
use runtime::{Commit, RuntimeError};
use schemas::{ops::LogId, wire};
use std::hash::{BuildHasher, Hasher, RandomState};
use topics::TopicPartition;

const LOG_ID_PARTITION: TopicPartition = TopicPartition::new(topics::LOG_IDS.info.name, 0);
const KEY: &str = "log";

/// Returns the stored id; `None` if no id is stored, or the topic for it does not exist.
///
/// # Errors
/// When the topic cannot be read, or its first record is not a log id.
pub fn existing_id(cluster: &KafkaCluster) -> Result<Option<String>, RuntimeError> {
    if cluster.partition_count(LOG_ID_PARTITION.topic).is_none() {
        return Ok(None);
    }
    for batch in cluster.read_partition(LOG_ID_PARTITION)? {
        for record in batch.records() {
            let record = record?;
            let Some(value) = record.value else { continue };
            let log_id = wire::decode::<LogId>(value).map_err(|error| RuntimeError::Undecodable {
                processor: "fastbreak".into(),
                topic: LOG_ID_PARTITION.topic.into(),
                partition: LOG_ID_PARTITION.partition,
                offset: record.offset,
                reason: error.to_string(),
            })?;
            return Ok(Some(log_id.id));
        }
    }
    Ok(None)
}

/// Creates an id and the commit that stores it.
///
/// # Errors
/// `RuntimeError::Precondition` when the topic for the id does not exist.
pub fn new_id(cluster: &KafkaCluster) -> Result<(String, Commit), RuntimeError> {
    if cluster.partition_count(LOG_ID_PARTITION.topic).is_none() {
        return Err(RuntimeError::Precondition {
            what: format!("storing the log id in topic {}", cluster.config().topic(LOG_ID_PARTITION.topic)),
            reason: "the topic does not exist".into(),
            next: "`fastbreak topics apply` creates missing topics".into(),
        });
    }
    let log_id = LogId { id: format!("{}-{:016x}", cluster.id(), random_suffix()) };
    let value = wire::encode(&log_id).map_err(|error| RuntimeError::Unencodable {
        processor: "fastbreak".into(),
        topic: LOG_ID_PARTITION.topic.into(),
        reason: error.to_string(),
    })?;
    let mut commit = Commit::default();
    commit.append(LOG_ID_PARTITION, KEY, Some(&value));
    Ok((log_id.id, commit))
}

/// Returns a random number. It is not secret, but differs between processes.
pub fn random_suffix() -> u64 {
    RandomState::new().build_hasher().finish()
}
