//! The progress of processors in their input partitions, as one sample of a log.
//!
//! Invariant: values only; a sample is consistent in itself.
//! Not here: how a log takes a sample, what follows from it (`assess`).
use topics::{Offset, Policy, TopicInfo, TopicPartition};

/// A record that a processor has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    pub offset: Offset,
    /// When it was appended, in milliseconds since 1970; `None` if the log has not recorded it.
    pub appended: Option<i64>,
}

/// The offsets of one input partition of one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    pub topic: TopicInfo,
    pub partition: i32,
    /// The committed offset; `None` while nothing is committed.
    pub committed: Option<Offset>,
    /// The first offset that is still stored.
    pub log_start_offset: Offset,
    /// The end offset; on Kafka the last stable offset.
    pub end_offset: Offset,
    /// The first record at or after the committed offset; `None` if there is none.
    pub unread: Option<Unread>,
}

impl PartitionProgress {
    /// The progress in a partition without records.
    pub const fn empty(topic: TopicInfo, partition: i32) -> Self {
        PartitionProgress {
            topic,
            partition,
            committed: None,
            log_start_offset: 0,
            end_offset: 0,
            unread: None,
        }
    }
    pub const fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic.name, self.partition)
    }
    /// Where the processor reads next: the committed offset, but not below the log start offset.
    pub fn next_offset(&self) -> Offset {
        self.committed.unwrap_or(self.log_start_offset).max(self.log_start_offset)
    }
    /// Unread records; an upper bound where offsets have gaps.
    pub fn behind(&self) -> i64 {
        let first = |unread: Unread| unread.offset.max(self.committed.unwrap_or(self.log_start_offset));
        self.unread.map_or(0, |unread| (self.end_offset - first(unread)).max(1))
    }
    /// Offsets between the log start offset and the committed offset: at 0 the next deletion takes unread records, below 0 it did.
    /// `None` for a table, because compaction only removes records that were replaced. A margin of −1 counts as 0: the one offset after
    /// a record is the commit marker of its transaction.
    pub fn retention_margin(&self) -> Option<i64> {
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
    pub partitions: Vec<PartitionProgress>,
}
