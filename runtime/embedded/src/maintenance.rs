//! Maintenance of the log's file: when to compact, merge, delete what is too old, and return free pages.
//!
//! Invariant: one step is one transaction, so commits wait only briefly; the steps of an idle log end.
//! Not here: the steps themselves (`compaction`, `merging`, `retention`, `vacuum`).
use crate::{compaction::compact_one, merging::merge_one, retention::delete_expired, store::Store, vacuum};
use runtime::{RuntimeError, clock};
use std::time::{Duration, Instant};

/// How long to wait for the next step if the last one found nothing to do.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// How often to look for records whose retention has ended.
const RETENTION_INTERVAL: Duration = Duration::from_secs(3600);
/// How long one call may take steps, so that the lag is published in time.
const MAX_DURATION: Duration = Duration::from_millis(50);

/// When which step is due.
#[derive(Default)]
pub struct Maintenance {
    idle_since: Option<Instant>,
    last_retention: Option<Instant>,
}

impl Maintenance {
    /// Takes the steps that are due.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn run(&mut self, store: &mut Store) -> Result<(), RuntimeError> {
        if self.idle_since.is_some_and(|idle_since| idle_since.elapsed() < IDLE_INTERVAL) {
            return Ok(());
        }
        if self.last_retention.is_none_or(|last| last.elapsed() > RETENTION_INTERVAL) {
            let batches = delete_expired(store, clock::now().0)?;
            if batches > 0 {
                tracing::info!(batches, "deleted records of streams whose retention has ended");
            }
            self.last_retention = Some(Instant::now());
        }
        let start = Instant::now();
        while start.elapsed() < MAX_DURATION {
            if !take_step(store)? {
                self.idle_since = Some(Instant::now());
                return Ok(());
            }
        }
        self.idle_since = None;
        Ok(())
    }
}

/// Takes one step; returns false if there is nothing to do.
fn take_step(store: &mut Store) -> Result<bool, RuntimeError> {
    // Merging comes first: it removes most superseded records of a table, and reads only what was appended last.
    Ok(merge_one(store, None)?
        || compact_one(store, None)?
        || store.ok(vacuum::release_some_free_pages(&store.db))?)
}
