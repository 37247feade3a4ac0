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
pub struct Board {
    ends: DashMap<(String, i32), i64>,
    /// Whether a processor found nothing to read when it last looked.
    dry: DashMap<&'static str, bool>,
    generation: Mutex<u64>,
    changed: Condvar,
}

impl Board {
    pub fn end(&self, topic: &str, partition: i32) -> i64 {
        self.ends.get(&(topic.to_owned(), partition)).map_or(0, |end| *end)
    }
    pub fn advance(&self, topic: &str, partition: i32, end: i64) {
        let mut known = self.ends.entry((topic.to_owned(), partition)).or_insert(0);
        *known = (*known).max(end);
    }
    pub fn set_dry(&self, processor: &'static str, dry: bool) {
        self.dry.insert(processor, dry);
    }
    pub fn is_dry(&self, processor: &str) -> bool {
        self.dry.get(processor).is_some_and(|dry| *dry)
    }
    /// Whether a processor is dry; `None` until it has looked for the first time.
    pub fn state(&self, processor: &str) -> Option<bool> {
        self.dry.get(processor).map(|dry| *dry)
    }
    pub fn generation(&self) -> u64 {
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Tells everyone who waits that something changed.
    pub fn wake(&self) {
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
    /// Waits until something has changed since `seen`, at most for a while.
    pub fn wait(&self, seen: u64, at_most: Duration) {
        let generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(generation, at_most, |now| *now == seen));
    }
}
