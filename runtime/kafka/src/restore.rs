//! Reads the content from which a partition's state is restored: changelog, input tables, committed offsets.
//!
//! Invariant: changelog and input tables are read to their current end; the offsets of the restored state are the committed offsets. No
//! stream is read for the first time after records at its start were deleted.
//! Not here: the check whether state in memory is still current (`member`), the reading of partitions (`partition_reader`).
use crate::{cluster::KafkaCluster, offset_expiry::has_ledger_entries};
use runtime::{Restored, RuntimeError, engine::changelog_topic, subscription::Subscription};
use std::collections::BTreeMap;
use topics::{Offset, Offsets, Policy, TopicPartition};

/// Reads changelog and input tables of one partition, and adds the committed offsets of the group.
///
/// # Errors
/// When the log cannot be read.
pub fn restore_partition(
    cluster: &KafkaCluster,
    subscription: &Subscription,
    partition: i32,
    committed: &Offsets,
) -> Result<Restored, RuntimeError> {
    let mut restored = Restored::default();
    let mut from = Offsets::new();
    let has_changelog = subscription.kind.has_changelog();
    let changelog = TopicPartition::new(changelog_topic(subscription.name), partition);
    if has_changelog {
        from.insert(changelog, 0);
    }
    for input in &subscription.inputs {
        let input_partition = TopicPartition::new(input.name, partition);
        restored.offsets.insert(input.name, committed.get(&input_partition).copied().unwrap_or(0));
        if has_changelog && input.policy == Policy::Compact {
            from.insert(input_partition, 0);
        }
    }
    let mut batches = cluster.read(&from, usize::MAX)?;
    restored.changelog = batches.remove(&changelog).unwrap_or_default();
    for input in &subscription.inputs {
        if let Some(table) = batches.remove(&TopicPartition::new(input.name, partition)) {
            restored.tables.push((input.name, table));
        }
    }
    Ok(restored)
}

/// Returns the streams of a partition number of which the group has no committed offset, although their first records were deleted, with
/// their log start offsets. No such stream counts if the committed offsets of the whole group have expired: its ledger entries show that it
/// has read before.
///
/// # Errors
/// When the log cannot be read.
pub fn streams_without_start(
    cluster: &KafkaCluster,
    subscription: &Subscription,
    partitions: &[TopicPartition],
    committed: &Offsets,
) -> Result<Offsets, RuntimeError> {
    let is_stream = |partition: &&TopicPartition| {
        let topic = subscription.inputs.iter().find(|topic| topic.name == partition.topic);
        topic.is_some_and(|topic| topic.policy != Policy::Compact)
    };
    let unread = partitions.iter().filter(is_stream).filter(|partition| !committed.contains_key(*partition));
    let mut starts = cluster.log_start_offsets(&unread.copied().collect::<Vec<_>>())?;
    starts.retain(|_, start| *start > 0);
    if starts.is_empty() || !cluster.committed_input_offsets(subscription)?.is_empty() {
        return Ok(starts);
    }
    Ok(if has_ledger_entries(cluster, subscription)? { Offsets::new() } else { starts })
}

/// Checks that no stream is read for the first time after records at its start were deleted.
///
/// # Errors
/// `RuntimeError::Storage` with the stream and the way to read what is left; when the log cannot be read.
pub fn ensure_streams_have_start(
    cluster: &KafkaCluster,
    subscription: &Subscription,
    partition: i32,
    committed: &Offsets,
) -> Result<(), RuntimeError> {
    let inputs = subscription.inputs.iter().map(|topic| TopicPartition::new(topic.name, partition));
    let streams = streams_without_start(cluster, subscription, &inputs.collect::<Vec<_>>(), committed)?;
    let Some((stream, start)) = streams.first_key_value() else { return Ok(()) };
    let config = cluster.config();
    Err(RuntimeError::Storage {
        path: config.brokers.clone(),
        reason: format!(
            "{}: records of {} below offset {start} were deleted before they were read",
            subscription.name,
            config.physical(*stream)
        ),
        next: format!(
            "`fastbreak lag` shows the affected partitions; docs/kafka-outages.md describes how to derive the records again and to let \
             the group {} begin at the first record that is left",
            config.group(&subscription.group)
        ),
    })
}

/// Moves committed offsets past a commit marker that retention has deleted. A committed offset is the offset after the last processed
/// record, and this may be the offset of the commit marker of the record's transaction. When retention deletes both, the log start offset
/// is one above the committed offset. No record was lost then, because an unread record and its commit marker would take two offsets.
/// In one case a record is lost and this function does not recognize it: a segment ended between an unread record and its commit marker,
/// so that only the record was deleted, and the processor did not run during the whole retention time.
///
/// # Errors
/// When the log start offsets cannot be read.
pub fn skip_deleted_control_records(
    cluster: &KafkaCluster,
    committed: &mut BTreeMap<&'static str, Offset>,
    partition: i32,
) -> Result<(), RuntimeError> {
    // Other programs may produce to raw topics without transactions, so there a missing offset may be a lost record.
    let is_transactional =
        |(topic, offset): &(&&'static str, &Offset)| **offset > 0 && !topics::is_raw(topic);
    let partitions: Vec<TopicPartition> = committed
        .iter()
        .filter(is_transactional)
        .map(|(topic, _)| TopicPartition::new(topic, partition))
        .collect();
    let log_start_offsets = cluster.log_start_offsets(&partitions)?;
    for (topic, offset) in committed {
        if log_start_offsets.get(&TopicPartition::new(topic, partition)) == Some(&(*offset + 1)) {
            *offset += 1;
        }
    }
    Ok(())
}
