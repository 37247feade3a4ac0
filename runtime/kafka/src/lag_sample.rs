//! One sample of the progress of all processors, and the check whether processors have caught up.
//!
//! A sample takes one request for all end offsets, one for all log start offsets, one per group for committed offsets, one for the
//! members of all groups, and one read of the first unread records.
//! Invariant: nothing is committed. The end offset of a sample is the last stable offset, so records of an open transaction do not
//! count as lag.
//! Not here: finding an unread record (`lag_probe`), the assessment of a sample (`runtime::lag`).
use crate::{
    cluster::{KafkaCluster, READ_ONLY_GROUP},
    group_members::AssignedMember,
    lag_probe::LagProbe,
    restore::streams_without_start,
    topic_partition::PhysicalPartition,
};
use runtime::{
    RuntimeError,
    lag::{Owner, PartitionProgress, ProcessorProgress},
    subscription::Subscription,
};
use std::collections::{BTreeMap, BTreeSet};
use topics::{Offset, Offsets, TopicPartition};

/// Takes samples of the progress of processors. Keeps the probe, which finds unread records, for the next sample.
#[derive(Default)]
pub struct LagSampler {
    probe: Option<LagProbe>,
}

impl LagSampler {
    /// Takes one sample.
    ///
    /// # Errors
    /// When the brokers are not reachable, or reject a request.
    pub fn sample(
        &mut self,
        cluster: &KafkaCluster,
        subscriptions: &[Subscription],
    ) -> Result<Vec<ProcessorProgress>, RuntimeError> {
        let mut progress = sample_offsets(cluster, subscriptions)?;
        let mut end_offsets = BTreeMap::new();
        for partition in progress.iter().flat_map(|progress| &progress.partitions) {
            if partition.next_offset() < partition.end_offset {
                end_offsets.insert(probe_start(cluster, partition), partition.end_offset);
            }
        }
        // A probe that failed is not used again: a new client may reach brokers that the old one does not.
        let mut probe = match self.probe.take() {
            Some(probe) => probe,
            None => LagProbe::new(cluster.config(), READ_ONLY_GROUP)?,
        };
        let (unread, members) = (probe.find(&end_offsets)?, probe.members_by_group()?);
        self.probe = Some(probe);
        for (subscription, progress) in subscriptions.iter().zip(&mut progress) {
            let members = members.get(&cluster.config().group(&subscription.group));
            progress.has_active_members = members.is_some();
            progress.owners = owners(cluster, subscription, members.map_or(&[][..], Vec::as_slice));
            for partition in &mut progress.partitions {
                partition.unread = unread.get(&probe_start(cluster, partition)).copied();
            }
        }
        Ok(progress)
    }
}

/// Returns the owner of each input partition of a processor. The sink is assigned only the partition of its own topic, and its owner reads
/// all inputs.
fn owners(
    cluster: &KafkaCluster,
    subscription: &Subscription,
    members: &[AssignedMember],
) -> BTreeMap<TopicPartition, Owner> {
    let owner_of = |partition: TopicPartition| {
        let physical = cluster.config().physical(partition);
        let is_owner = |member: &&AssignedMember| {
            let mut assigned = member.partitions.iter();
            assigned.any(|(topic, number)| {
                subscription.kind.is_exclusive()
                    || (topic.as_str(), *number) == (physical.topic(), physical.partition())
            })
        };
        members.iter().find(is_owner).map(|member| (partition, member.owner.clone()))
    };
    subscription.input_partitions().filter_map(|(_, partition)| owner_of(partition)).collect()
}

fn probe_start(cluster: &KafkaCluster, progress: &PartitionProgress) -> (PhysicalPartition, Offset) {
    (cluster.config().physical(progress.topic_partition()), progress.next_offset())
}

/// Returns the offsets of all processors; unread records and active members are not set yet. A topic that does not exist yet counts as
/// empty.
fn sample_offsets(
    cluster: &KafkaCluster,
    subscriptions: &[Subscription],
) -> Result<Vec<ProcessorProgress>, RuntimeError> {
    let inputs = subscriptions.iter().flat_map(Subscription::input_partitions);
    let existing: BTreeSet<TopicPartition> = inputs
        .map(|(_, partition)| partition)
        .filter(|partition| {
            cluster.partition_count(partition.topic).is_some_and(|count| partition.partition < count)
        })
        .collect();
    let existing: Vec<TopicPartition> = existing.into_iter().collect();
    let end_offsets = cluster.last_stable_offsets(&existing)?;
    let log_start_offsets = cluster.log_start_offsets(&existing)?;
    let mut sample = Vec::new();
    for subscription in subscriptions {
        let committed = cluster.committed_input_offsets(subscription)?;
        let inputs: Vec<TopicPartition> = subscription
            .input_partitions()
            .map(|(_, partition)| partition)
            .filter(|partition| log_start_offsets.contains_key(partition))
            .collect();
        let without_start = streams_without_start(cluster, subscription, &inputs, &committed)?;
        let partitions = subscription.input_partitions().map(|(topic, partition)| PartitionProgress {
            committed: committed.get(&partition).copied(),
            is_start_deleted: without_start.contains_key(&partition),
            log_start_offset: log_start_offsets.get(&partition).copied().unwrap_or(0),
            end_offset: end_offsets.get(&partition).copied().unwrap_or(0),
            ..PartitionProgress::empty(topic, partition.partition)
        });
        sample.push(ProcessorProgress {
            processor: subscription.name,
            has_active_members: false,
            owners: BTreeMap::new(),
            partitions: partitions.collect(),
        });
    }
    Ok(sample)
}

/// Returns true if the committed offsets of these processors are past every record of their inputs.
///
/// # Errors
/// When the brokers are not reachable or reject the request.
pub fn is_caught_up(cluster: &KafkaCluster, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
    // Committed offsets are fetched before end offsets: a commit publishes records and moves offsets atomically, so the records published
    // with any committed offset fetched here are below the end offsets. The end offsets are high watermarks, because commit markers may
    // not be written yet.
    let mut next_offsets = Offsets::new();
    for subscription in subscriptions {
        let committed = cluster.committed_input_offsets(subscription)?;
        for (_, partition) in subscription.input_partitions() {
            let offset = committed.get(&partition).copied().unwrap_or(0);
            let lowest = next_offsets.entry(partition).or_insert(offset);
            *lowest = offset.min(*lowest);
        }
    }
    let partitions: Vec<TopicPartition> = next_offsets.keys().copied().collect();
    let high_watermarks = cluster.high_watermarks(&partitions)?;
    next_offsets.retain(|partition, offset| high_watermarks.get(partition) > Some(offset));
    // For each remaining partition, check by reading whether records follow the committed offset, or only control records.
    let batches = cluster.read(&next_offsets, usize::MAX)?;
    Ok(batches.values().flatten().all(|batch| batch.is_empty()))
}
