//! The progress of processors in their input partitions, as one sample of a log.
//!
//! Invariant: these types contain only values; the values of one sample are consistent with each other.
//! Not here: how a log takes a sample, and how a sample is assessed (`assess`).
use super::owner::Owner;
use std::collections::BTreeMap;
use topics::{Offset, Policy, TopicInfo, TopicPartition};

/// A record that a processor has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    pub offset: Offset,
    /// Append time in milliseconds since 1970; `None` if the log has not stored it.
    pub appended: Option<i64>,
}

/// The offsets of one input partition of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    pub topic: TopicInfo,
    pub partition: i32,
    /// The committed offset; `None` while nothing is committed.
    pub committed: Option<Offset>,
    /// True if nothing is committed although the processor has to read the stream from its first record, which was deleted.
    pub is_start_deleted: bool,
    /// The first offset that is still stored.
    pub log_start_offset: Offset,
    /// The offset at which a reader of committed records stops: on Kafka, the last stable offset.
    pub end_offset: Offset,
    /// The first record at or after the committed offset; `None` if there is no such record, so everything is read.
    pub unread: Option<Unread>,
}

impl PartitionProgress {
    /// Returns the progress in a partition without records.
    pub const fn empty(topic: TopicInfo, partition: i32) -> Self {
        PartitionProgress {
            topic,
            partition,
            committed: None,
            is_start_deleted: false,
            log_start_offset: 0,
            end_offset: 0,
            unread: None,
        }
    }
    pub const fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic.name, self.partition)
    }
    /// Returns the offset that the processor reads next: the committed offset, but not below the log start offset.
    pub fn next_offset(&self) -> Offset {
        self.committed.unwrap_or(self.log_start_offset).max(self.log_start_offset)
    }
    /// Returns the number of unread records. If offsets have gaps, the real number may be lower.
    pub fn behind(&self) -> i64 {
        let first = |unread: Unread| unread.offset.max(self.committed.unwrap_or(self.log_start_offset));
        self.unread.map_or(0, |unread| (self.end_offset - first(unread)).max(1))
    }
    /// Returns the committed offset minus the log start offset. If it is 0, the next deletion by retention deletes unread records; if it is
    /// negative, unread records were already deleted. While nothing is committed, returns `None` or, if the first records of the stream were
    /// deleted, their number below 0. Returns `None` for a table, too:
    /// compaction removes only superseded records, so no row is lost. A margin of −1 is returned as 0, because the single deleted offset is
    /// that of a commit marker.
    pub fn retention_margin(&self) -> Option<i64> {
        if self.is_start_deleted {
            return Some(-self.log_start_offset);
        }
        let margin = self.committed? - self.log_start_offset;
        (self.topic.policy != Policy::Compact).then_some(if margin == -1 { 0 } else { margin })
    }
}

/// The progress of one processor in all its input partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorProgress {
    pub processor: &'static str,
    /// True if some process runs the processor now.
    pub has_active_members: bool,
    /// The owner of each input partition; partitions that no process has are absent.
    pub owners: BTreeMap<TopicPartition, Owner>,
    pub partitions: Vec<PartitionProgress>,
}
