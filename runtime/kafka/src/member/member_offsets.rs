//! The offsets of a member in its input partitions.
//!
//! Invariant: `committed` is what this member knows to be committed; `next` is where fetching starts after a restore.
//! Not here: offsets that are queried (`cluster`).
use super::control_records::offsets_past_control_records;
use crate::topic_partition::EARLIEST_OFFSET;
use runtime::{RecordBatch, Restored};
use topics::{Offset, Offsets, TopicPartition};

/// Next, committed and delivered offsets.
#[derive(Default)]
pub struct MemberOffsets {
    next: Offsets,
    committed: Offsets,
    /// The end of the records that were delivered since the partitions were assigned.
    delivered: Offsets,
}

impl MemberOffsets {
    /// The committed offset of a partition; 0 if there is none.
    pub fn committed(&self, partition: TopicPartition) -> Offset {
        self.committed.get(&partition).copied().unwrap_or(0)
    }
    /// The offset from which a partition is fetched.
    pub fn fetch_start(&self, partition: TopicPartition) -> Offset {
        self.next.get(&partition).copied().filter(|next| *next > 0).unwrap_or(EARLIEST_OFFSET)
    }
    /// A partition was restored: its inputs continue after what was read of them.
    pub fn on_restored(&mut self, partition: i32, restored: &Restored) {
        for (topic, offset) in &restored.offsets {
            let partition = TopicPartition::new(topic, partition);
            self.next.insert(partition, *offset);
            self.committed.insert(partition, *offset);
        }
        for (topic, batches) in &restored.tables {
            let next = self.next.entry(TopicPartition::new(topic, partition)).or_default();
            *next = batches.last().map_or(0, RecordBatch::next).max(*next);
        }
    }
    /// Fetching starts: nothing was delivered yet.
    pub fn on_fetch_started(&mut self) {
        self.delivered.clear();
    }
    pub fn on_delivered(&mut self, records: &[(TopicPartition, RecordBatch)]) {
        self.delivered.extend(records.iter().map(|(partition, batch)| (*partition, batch.next())));
    }
    pub fn on_committed(&mut self, offsets: &Offsets) {
        self.committed.extend(offsets);
        self.next.extend(offsets);
    }
    /// Continues from these offsets. Another instance may have committed them, so they count as committed: an empty commit must not
    /// move them back.
    pub fn seek(&mut self, offsets: Offsets) {
        self.committed.extend(&offsets);
        self.next = offsets;
    }
    /// The assignment was lost.
    pub fn on_lost(&mut self) {
        self.next.clear();
        self.committed.clear();
    }
    /// The offsets to commit because the consumer's position has passed control records.
    pub fn past_control_records(&self, consumed_offsets: &Offsets) -> Offsets {
        offsets_past_control_records(consumed_offsets, &self.committed, &self.delivered)
    }
}
