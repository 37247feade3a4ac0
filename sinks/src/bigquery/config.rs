//! `BigQueryConfig`: connection, dataset and parameters of writing.
//!
//! Invariant: a value of this type can be created without a call to BigQuery and without reading credentials.
//! Not here: the names and default values of the configuration keys (the program).
use super::{
    auth::Credentials,
    clock::{Clock, Monotonic},
    schema::Names,
};
use crate::retry::Backoff;
use std::{sync::Arc, time::Duration};

/// How to connect to BigQuery, which dataset to use, and parameters of writing.
#[derive(Clone)]
pub struct BigQueryConfig {
    pub project: String,
    pub dataset: String,
    pub location: String,
    /// URL without a path, for example `http://127.0.0.1:9050`. `None`: Google's endpoint.
    pub endpoint: Option<String>,
    pub credentials: Credentials,
    pub backoff: Backoff,
    /// Maximum size in bytes of rows sent as a query parameter; larger batches are staged. BigQuery limits a request to 10 MB.
    pub inline_bytes: usize,
    /// Timeout of one HTTP call.
    pub timeout: Duration,
    /// Time after which BigQuery cancels a job.
    pub job_timeout: Duration,
    pub clock: Arc<dyn Clock>,
}
impl BigQueryConfig {
    /// Returns a configuration with default parameters.
    pub fn new(project: &str, dataset: &str, location: &str) -> BigQueryConfig {
        BigQueryConfig {
            project: project.to_owned(),
            dataset: dataset.to_owned(),
            location: location.to_owned(),
            endpoint: None,
            credentials: Credentials::ApplicationDefault,
            backoff: Backoff::default(),
            inline_bytes: 6 * 1024 * 1024,
            timeout: Duration::from_secs(60),
            job_timeout: Duration::from_secs(600),
            clock: Arc::new(Monotonic),
        }
    }
    pub(super) fn names(&self) -> Names {
        Names { project: self.project.clone(), dataset: self.dataset.clone() }
    }
}
