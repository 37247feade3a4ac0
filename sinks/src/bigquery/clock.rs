//! The clock that pauses and rates are measured with, so that tests can have one of their own.
//!
//! Invariant: it only goes forward.
//! Not here: instants that are written; BigQuery's own clock makes those.
use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Time that passes.
pub trait Clock: Send + Sync {
    /// Milliseconds since some moment.
    fn now_ms(&self) -> i64;
    fn sleep(&self, pause: Duration);
    /// Milliseconds since 1970, to compare with what BigQuery says of the age of a table.
    fn unix_ms(&self) -> i64;
}

/// The machine's own.
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
