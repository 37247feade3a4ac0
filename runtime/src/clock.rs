//! The system clock.
//!
//! Invariant: the system clock is used only for waiting, lag and write times; no content depends on it.
//! Not here: the timestamps of events; these are read from the records.
use schemas::Timestamp;

/// Returns the current time in milliseconds since 1970.
pub fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(since_epoch.as_millis() as i64)
}
