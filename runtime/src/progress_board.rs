//! The progress board: the end offsets of partitions and the names of idle processors, shared by the members of one process.
//!
//! Each member writes its own progress to the board, and reads the board to decide when to read its input.
//! Invariant: the board may be behind the log but is never ahead of it; no commit depends on it.
//! Not here: committed offsets, which the log stores.
use dashmap::DashMap;
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};
use topics::{Offset, TopicPartition};

/// Whether a processor has its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartitionState {
    /// It joins its consumer group, or restores the state of the partitions that are assigned to it.
    #[default]
    Restoring,
    /// It has restored the state of all partitions that are assigned to it.
    Restored,
    /// Its consumer group has removed it, for example because it could not reach the brokers; it joins again.
    Lost,
}

/// The progress that the members of one process share.
#[derive(Debug, Default)]
pub struct ProgressBoard {
    end_offsets: DashMap<TopicPartition, Offset>,
    /// True for a processor that found nothing to read when it last checked.
    idle: DashMap<&'static str, bool>,
    partitions: DashMap<&'static str, PartitionState>,
    /// Processors that have stopped while the others continue.
    stopped: DashMap<&'static str, ()>,
    change_count: Mutex<u64>,
    changed: Condvar,
}

impl ProgressBoard {
    /// Returns the end offset of a partition; 0 while it is unknown.
    pub fn end_offset(&self, partition: TopicPartition) -> Offset {
        self.end_offsets.get(&partition).map_or(0, |end| *end)
    }
    /// Raises the end offset of a partition; a lower value is ignored.
    pub fn advance(&self, partition: TopicPartition, end_offset: Offset) {
        let mut known = self.end_offsets.entry(partition).or_insert(0);
        *known = (*known).max(end_offset);
    }
    pub fn set_idle(&self, processor: &'static str, is_idle: bool) {
        self.idle.insert(processor, is_idle);
    }
    pub fn set_partition_state(&self, processor: &'static str, state: PartitionState) {
        self.partitions.insert(processor, state);
    }
    pub fn partition_state(&self, processor: &str) -> PartitionState {
        self.partitions.get(processor).map_or(PartitionState::default(), |state| *state)
    }
    /// States that the processor has stopped while the others continue. It counts as idle, because nobody has to wait for its output.
    pub fn set_stopped(&self, processor: &'static str) {
        self.stopped.insert(processor, ());
        self.notify();
    }
    pub fn is_stopped(&self, processor: &str) -> bool {
        self.stopped.contains_key(processor)
    }
    /// True if any processor has stopped while the others continue.
    pub fn has_stopped(&self) -> bool {
        !self.stopped.is_empty()
    }
    /// True if the processor found nothing to read when it last checked, or has stopped.
    pub fn is_idle(&self, processor: &str) -> bool {
        self.is_stopped(processor) || self.idle_state(processor).unwrap_or(false)
    }
    /// True if the processor is idle; `None` until it has checked for the first time.
    pub fn idle_state(&self, processor: &str) -> Option<bool> {
        self.idle.get(processor).map(|is_idle| *is_idle)
    }
    /// Returns the number of notifications so far.
    pub fn change_count(&self) -> u64 {
        *self.change_count.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Wakes every member that waits.
    pub fn notify(&self) {
        *self.change_count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
    /// Waits until the number of notifications is no longer `seen`, at most for `timeout`.
    pub fn wait(&self, seen: u64, timeout: Duration) {
        let change_count = self.change_count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(change_count, timeout, |count| *count == seen));
    }
}
