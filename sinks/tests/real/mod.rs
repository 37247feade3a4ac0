//! Configuration of a real engine, an emulator or Google's BigQuery, from environment variables.
//!
//! `FASTBREAK_BIGQUERY_ENDPOINT` is the URL of an emulator. Without it, `FASTBREAK_BIGQUERY_PROJECT` is a project of Google's BigQuery, and
//! `FASTBREAK_BIGQUERY_LOCATION` and `FASTBREAK_BIGQUERY_CREDENTIALS` are its location and key file.
//!
//! Invariant: each test has its own dataset.
//! Not here: the in-process fake (`fakebq`).
#![allow(clippy::print_stderr)]
use sinks::bigquery::{BigQueryConfig, Credentials};
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns a configuration with a new dataset, which stages batches larger than this number of bytes; `None` if no BigQuery is configured.
pub fn config(inline_bytes: Option<usize>) -> Option<BigQueryConfig> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let endpoint = std::env::var("FASTBREAK_BIGQUERY_ENDPOINT").ok();
    let project = std::env::var("FASTBREAK_BIGQUERY_PROJECT").ok();
    if endpoint.is_none() && project.is_none() {
        return None;
    }
    let stamp = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let dataset = format!("fastbreak_test_{stamp}_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let location = std::env::var("FASTBREAK_BIGQUERY_LOCATION").unwrap_or_else(|_| "US".into());
    let credentials = match (&endpoint, std::env::var_os("FASTBREAK_BIGQUERY_CREDENTIALS")) {
        (Some(_), _) => Credentials::None,
        (None, Some(path)) => Credentials::ServiceAccount(path.into()),
        (None, None) => Credentials::ApplicationDefault,
    };
    let default = BigQueryConfig::new(project.as_deref().unwrap_or("fastbreak-test"), &dataset, &location);
    let inline_bytes = inline_bytes.unwrap_or(default.inline_bytes);
    Some(BigQueryConfig { endpoint, credentials, inline_bytes, ..default })
}

pub fn skipped() {
    eprintln!("skipped: set FASTBREAK_BIGQUERY_ENDPOINT, or FASTBREAK_BIGQUERY_PROJECT and credentials");
}
