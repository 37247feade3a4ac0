//! The offsets of a member in its input partitions.
//!
//! Invariant: `committed` is what this member knows to be committed; `next` is where fetching starts after a restore.
//! Not here: queries to the brokers for offsets (`cluster`).
use super::control_records::offsets_past_control_records;
use crate::topic_partition::EARLIEST_OFFSET;
use runtime::{RecordBatch, Restored};
use topics::{Offset, Offsets, TopicPartition};

/// The next, the committed and the delivered offset of each input partition.
#[derive(Default)]
pub struct MemberOffsets {
    next: Offsets,
    committed: Offsets,
    /// The offset after the last record that was delivered since fetching started.
    delivered: Offsets,
}

impl MemberOffsets {
    /// Returns the committed offset of a partition; 0 if there is none.
    pub fn committed(&self, partition: TopicPartition) -> Offset {
        self.committed.get(&partition).copied().unwrap_or(0)
    }
    /// Returns the offset from which a partition is fetched.
    pub fn fetch_start(&self, partition: TopicPartition) -> Offset {
        self.next.get(&partition).copied().filter(|next| *next > 0).unwrap_or(EARLIEST_OFFSET)
    }
    /// Sets the offsets of a restored partition: each input continues after the records that the restore has read.
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
    /// Clears the delivered offsets, because fetching starts.
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
    /// Continues from these offsets. They also count as committed, because another instance may have committed them, and a commit without
    /// new offsets must not move them back.
    pub fn seek(&mut self, offsets: Offsets) {
        self.committed.extend(&offsets);
        self.next = offsets;
    }
    /// Clears the offsets, because the assignment was lost.
    pub fn on_lost(&mut self) {
        self.next.clear();
        self.committed.clear();
    }
    /// Returns the offsets to commit because the consumer's position has passed control records.
    pub fn past_control_records(&self, consumed_offsets: &Offsets) -> Offsets {
        offsets_past_control_records(consumed_offsets, &self.committed, &self.delivered)
    }
}
