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

/// The progress that the members of one process share.
#[derive(Debug, Default)]
pub struct ProgressBoard {
    end_offsets: DashMap<TopicPartition, Offset>,
    /// True for a processor that found nothing to read when it last checked.
    idle: DashMap<&'static str, bool>,
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
    /// True if the processor found nothing to read when it last checked.
    pub fn is_idle(&self, processor: &str) -> bool {
        self.idle_state(processor).unwrap_or(false)
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
