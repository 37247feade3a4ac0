//! Decides when a micro-batch is complete: it has enough bytes, no new record arrives, or a time limit is reached.
//!
//! Invariant: a full micro-batch is delivered without waiting; the wait for upstream processors is limited.
//! Not here: the inbox that holds the records (`poll_channel`).
use crate::poll_channel::PollState;
use runtime::subscription::ReadLimits;
use std::time::{Duration, Instant};

/// A queue without new records for this long is idle.
const QUEUE_IDLE_TIMEOUT: Duration = Duration::from_millis(4);
/// The interval at which the consumer's position is requested while no records arrive. The position may advance even then, because it
/// moves past aborted records, too.
const POSITION_REQUEST_INTERVAL: Duration = Duration::from_secs(5);

/// Decides when the records in the inbox of a member are delivered as a micro-batch.
pub struct BatchTiming {
    limits: ReadLimits,
    /// When the member began to wait for upstream processors to become idle.
    waiting_since: Option<Instant>,
    position_requested_at: Instant,
}

impl BatchTiming {
    /// Creates the timing of a member that has no records yet.
    pub fn new(limits: ReadLimits) -> Self {
        BatchTiming { limits, waiting_since: None, position_requested_at: Instant::now() }
    }
    /// Ends the wait for upstream processors, because the inbox is empty or its records were delivered.
    pub fn on_empty(&mut self) {
        self.waiting_since = None;
    }
    /// Returns the time to wait for more records; `None` if the micro-batch is complete.
    pub fn wait_for_more(&mut self, state: &PollState, is_upstream_idle: bool) -> Option<Duration> {
        let quiet = state.newest_added.map_or(Duration::ZERO, |newest| newest.elapsed());
        let age = state.oldest_added.map_or(Duration::ZERO, |oldest| oldest.elapsed());
        let is_full = state.bytes >= self.limits.batch_bytes;
        if quiet < QUEUE_IDLE_TIMEOUT && !is_full && age < self.limits.commit_interval {
            return Some(QUEUE_IDLE_TIMEOUT - quiet);
        }
        let waiting_since = *self.waiting_since.get_or_insert_with(Instant::now);
        let is_waiting =
            !is_upstream_idle && !is_full && waiting_since.elapsed() < self.limits.max_upstream_wait;
        is_waiting.then_some(QUEUE_IDLE_TIMEOUT)
    }
    /// Returns true if the consumer's position must be requested although no records arrive; at most once per
    /// [`POSITION_REQUEST_INTERVAL`].
    pub fn is_position_due(&mut self) -> bool {
        let is_due = self.position_requested_at.elapsed() >= POSITION_REQUEST_INTERVAL;
        if is_due {
            self.position_requested_at = Instant::now();
        }
        is_due
    }
}
