//! The values of the `bigquery-…` keys.
//!
//! Invariant: on BigQuery itself (not an emulator), the age at which a sink batch is closed is high enough for BigQuery's DML limits.
//! Not here: the client (crate `sinks`).
use sinks::retry::Backoff;
use std::time::Duration;

/// Minimum of `sink-max-age-ms` on BigQuery itself. A table accepts 25 DML statements per 10 s; all sink instances and their retries share
/// this limit.
const MIN_BATCH_AGE: Duration = Duration::from_secs(5);

/// Project, dataset, endpoint and credentials of BigQuery.
#[derive(Clone, Debug, PartialEq)]
pub struct BigQueryOptions {
    pub project: String,
    pub dataset: String,
    pub location: String,
    pub endpoint: Option<String>,
    /// `default`, `none`, or the path of a service account's key file.
    pub credentials: String,
    /// How often and after which pauses failed writes are retried.
    pub backoff: Backoff,
}
impl BigQueryOptions {
    /// Creates the options from the values of the `bigquery-…` keys; an empty value counts as unset.
    pub fn from_values(value: impl Fn(&str) -> String) -> BigQueryOptions {
        let endpoint = Some(value("bigquery-endpoint")).filter(|text| !text.is_empty());
        let credentials = match (value("bigquery-credentials"), &endpoint) {
            (text, _) if !text.is_empty() => text,
            (_, Some(_)) => "none".into(),
            (_, None) => "default".into(),
        };
        BigQueryOptions {
            project: value("bigquery-project"),
            dataset: value("bigquery-dataset"),
            location: value("bigquery-location"),
            endpoint,
            credentials,
            backoff: Backoff::default(),
        }
    }
    /// Checks that the age at which a sink batch is closed is high enough for BigQuery's DML limits; any age is valid for an emulator.
    ///
    /// # Errors
    /// If `age` is too low; the error has the reason and the remedy.
    pub fn check_batch_age(&self, age: Duration) -> Result<(), String> {
        if self.endpoint.is_some() || age >= MIN_BATCH_AGE {
            return Ok(());
        }
        let min_age = MIN_BATCH_AGE.as_millis();
        Err(format!(
            "too low for BigQuery's limit of DML statements per table; next: set it to {min_age} or more, or set bigquery-endpoint to an emulator"
        ))
    }
    /// Returns the value of a `bigquery-…` key.
    pub fn entry(&self, key: &str) -> String {
        match key {
            "bigquery-project" => self.project.clone(),
            "bigquery-dataset" => self.dataset.clone(),
            "bigquery-location" => self.location.clone(),
            "bigquery-endpoint" => self.endpoint.clone().unwrap_or_default(),
            "bigquery-credentials" => self.credentials.clone(),
            _ => String::new(),
        }
    }
}
