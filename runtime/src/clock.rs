//! The clock.
//!
//! Invariant: it is read for waiting, lag and write times only; no content depends on it.
//! Not here: times of events; those come in with the records.
use schemas::Timestamp;

/// The current time, in milliseconds since 1970.
pub fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(since_epoch.as_millis() as i64)
}
