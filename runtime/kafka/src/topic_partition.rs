//! Partitions with the physical name of their topic, and the client's lists of partitions with offsets.
//!
//! Invariant: a [`PhysicalPartition`] is created by [`KafkaConfig::physical`] only, so the namespace of a replay is always applied and
//! a replay cannot address a live topic. A physical partition is converted back by a lookup among the partitions
//! that were converted before.
//! Not here: the names of topics and groups in a namespace (`client_config`).
use crate::client_config::KafkaConfig;
use rdkafka::{TopicPartitionList, error::KafkaError};
use std::{collections::BTreeMap, fmt};
use topics::{Offset, TopicPartition};

/// The special offset by which the protocol requests the log start offset.
pub const EARLIEST_OFFSET: Offset = -2;
/// The special offset by which the protocol requests the end offset: the last stable offset with `read_committed`, otherwise the high
/// watermark.
pub const LATEST_OFFSET: Offset = -1;

/// One partition of one topic, with the physical name of the topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysicalPartition {
    topic: String,
    partition: i32,
}

/// One offset per physical partition.
pub type PhysicalOffsets = BTreeMap<PhysicalPartition, Offset>;

impl PhysicalPartition {
    pub fn topic(&self) -> &str {
        &self.topic
    }
    pub fn partition(&self) -> i32 {
        self.partition
    }
}

impl fmt::Display for PhysicalPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

impl KafkaConfig {
    /// Returns the physical partition of a logical partition.
    pub(crate) fn physical(&self, partition: TopicPartition) -> PhysicalPartition {
        PhysicalPartition { topic: self.topic(partition.topic).into_owned(), partition: partition.partition }
    }
}

/// Returns a list of partitions without offsets, for a query.
pub fn partition_list<'a>(partitions: impl Iterator<Item = &'a PhysicalPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(partition.topic(), partition.partition());
    }
    list
}

/// Returns a list of partitions, each with an offset.
///
/// # Errors
/// When the client rejects an offset.
pub fn offset_list<'a>(
    offsets: impl Iterator<Item = (&'a PhysicalPartition, Offset)>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(
            partition.topic(),
            partition.partition(),
            rdkafka::Offset::from_raw(offset),
        )?;
    }
    Ok(list)
}

/// Returns the offset of a partition in a list; `None` if the list has no offset for it.
pub fn offset_in(list: &TopicPartitionList, partition: &PhysicalPartition) -> Option<Offset> {
    match list.find_partition(partition.topic(), partition.partition())?.offset() {
        rdkafka::Offset::Offset(offset) if offset >= 0 => Some(offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_part_of_a_physical_partition_except_for_raw_topics() {
        let live = KafkaConfig::default();
        let replay = KafkaConfig { namespace: Some("january".into()), ..KafkaConfig::default() };
        let games = TopicPartition::new("core.games.v1", 3);
        assert_eq!(live.physical(games).to_string(), "core.games.v1/3");
        assert_eq!(replay.physical(games).to_string(), "january.core.games.v1/3");
        assert_eq!(replay.physical(TopicPartition::new("raw.odds.v1", 0)).to_string(), "raw.odds.v1/0");
    }
    #[test]
    fn a_list_returns_the_offsets_that_were_added_and_no_placeholder() {
        let config = KafkaConfig::default();
        let (first, second) =
            (config.physical(TopicPartition::new("a", 0)), config.physical(TopicPartition::new("a", 1)));
        let list = offset_list([(&first, 7), (&second, EARLIEST_OFFSET)].into_iter()).unwrap();
        assert_eq!((offset_in(&list, &first), offset_in(&list, &second)), (Some(7), None));
    }
}
