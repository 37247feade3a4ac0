//! The values of the `bigquery-…` keys, and the backoff of writes to BigQuery.
//!
//! Invariant: on BigQuery itself (not an emulator), the age at which a sink batch is closed is high enough for BigQuery's DML limits.
//! Not here: the client (crate `sinks`).
use sinks::retry::Backoff;
use std::time::Duration;

/// Minimum of `sink-max-age-ms` on BigQuery itself. A table accepts 25 DML statements per 10 s; all sink instances and their retries share
/// this limit.
const MIN_BATCH_AGE: Duration = Duration::from_secs(5);

/// Project, dataset, endpoint and credentials of BigQuery, and how failed writes are retried.
#[derive(Clone, Debug, PartialEq)]
pub struct BigQueryOptions {
    /// Empty if no project is configured.
    pub project: String,
    pub dataset: String,
    pub location: String,
    pub endpoint: Option<String>,
    /// `default`, `none`, or the path of a service account's key file.
    pub credentials: String,
    /// If true, the pauses between attempts grow exponentially.
    pub is_backoff_enabled: bool,
    /// Number of consecutive failed attempts that raise no alert.
    pub max_retries: u32,
    /// If true, repeated failures raise an alert.
    pub is_alerting: bool,
}
impl BigQueryOptions {
    /// Returns after which pauses failed writes are retried.
    pub fn backoff(&self) -> Backoff {
        Backoff {
            is_enabled: self.is_backoff_enabled,
            retries: self.max_retries,
            is_alerting: self.is_alerting,
            ..Backoff::default()
        }
    }
    /// Replaces empty credentials by those that apply: `none` for an emulator, else `default`.
    pub(super) fn set_default_credentials(&mut self) {
        if self.credentials.is_empty() {
            self.credentials = if self.endpoint.is_some() { "none".into() } else { "default".into() };
        }
    }
    /// Checks that the age at which a sink batch is closed is high enough for BigQuery's DML limits; any age is valid for an emulator.
    ///
    /// # Errors
    /// If `age` is too low; the error is the minimum in milliseconds.
    pub(super) fn check_batch_age(&self, age: Duration) -> Result<(), u128> {
        if self.endpoint.is_some() || age >= MIN_BATCH_AGE { Ok(()) } else { Err(MIN_BATCH_AGE.as_millis()) }
    }
}
