//! Clock for pauses and rate limits; tests replace it.
//!
//! Invariant: `now_ms` never decreases.
//! Not here: the commit time in a batch record, which BigQuery's clock supplies.
use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A monotonic clock.
pub trait Clock: Send + Sync {
    /// Returns the milliseconds since an arbitrary point in time.
    fn now_ms(&self) -> i64;
    fn sleep(&self, pause: Duration);
    /// Returns the milliseconds since 1970, for comparison with the creation time of a table.
    fn unix_ms(&self) -> i64;
}

/// The clock of the machine.
pub struct Monotonic;
impl Clock for Monotonic {
    fn now_ms(&self) -> i64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed().as_millis() as i64
    }
    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
    fn unix_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
    }
}
