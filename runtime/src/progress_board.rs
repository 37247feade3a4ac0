//! The position board: how far each topic reaches and each consumer group has read, for whoever watches.
//!
//! Members write it, the lag view and the members' own scheduling read it.
//! Invariant: it may be behind the log and is never ahead of it; nothing is decided from it that a commit depends on.
//! Not here: durable positions; the log has those.
use dashmap::DashMap;
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

/// What members know of each other.
#[derive(Debug, Default)]
pub struct ProgressBoard {
    ends: DashMap<(String, i32), i64>,
    /// Whether a processor found nothing to read when it last looked.
    idle: DashMap<&'static str, bool>,
    change_count: Mutex<u64>,
    changed: Condvar,
}

impl ProgressBoard {
    pub fn end(&self, topic: &str, partition: i32) -> i64 {
        self.ends.get(&(topic.to_owned(), partition)).map_or(0, |end| *end)
    }
    pub fn advance(&self, topic: &str, partition: i32, end: i64) {
        let mut known = self.ends.entry((topic.to_owned(), partition)).or_insert(0);
        *known = (*known).max(end);
    }
    pub fn set_idle(&self, processor: &'static str, idle: bool) {
        self.idle.insert(processor, idle);
    }
    pub fn is_idle(&self, processor: &str) -> bool {
        self.idle.get(processor).is_some_and(|idle| *idle)
    }
    /// Whether a processor is dry; `None` until it has looked for the first time.
    pub fn idle_state(&self, processor: &str) -> Option<bool> {
        self.idle.get(processor).map(|idle| *idle)
    }
    pub fn change_count(&self) -> u64 {
        *self.change_count.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Tells everyone who waits that something changed.
    pub fn notify(&self) {
        *self.change_count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
    /// Waits until something has changed since `seen`, at most for a while.
    pub fn wait(&self, seen: u64, at_most: Duration) {
        let change_count = self.change_count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(change_count, at_most, |now| *now == seen));
    }
}
