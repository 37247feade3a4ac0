//! `SharedCounters`: the counters of the warehouse, which its parts increase together.
//!
//! Invariant: all clones share one set of counters. The lock is held only for one change, never during a call to BigQuery.
//! Not here: the meaning of a counter (`counters`).
use super::error::ErrorClass;
use crate::counters::Counters;
use std::sync::{Arc, Mutex, PoisonError};

/// The counters of one warehouse.
#[derive(Clone, Default)]
pub struct SharedCounters {
    counters: Arc<Mutex<Counters>>,
}
impl SharedCounters {
    /// Changes the counters with `change`, which must not use this object.
    pub fn update(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }
    /// Counts a failure of this class.
    pub fn count_error(&self, class: ErrorClass) {
        self.update(|counters| *counters.errors.entry(class.name()).or_default() += 1);
    }
    /// Returns the present counts.
    pub fn snapshot(&self) -> Counters {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
