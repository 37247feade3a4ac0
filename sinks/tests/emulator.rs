//! The conformance suite over a BigQuery that is really there: an emulator, or Google's own. Runs where `FASTBREAK_BIGQUERY_ENDPOINT` or
//! `FASTBREAK_BIGQUERY_PROJECT` says where, and says so where not.
//!
//! Invariant: each test has a dataset of its own, and deletes it when it passes.
//! Not here: faults (`faults`, `schedules`, over the in-process fake).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
#[allow(dead_code, unused_imports)]
mod conformance;

use sinks::{
    BigQuery, Warehouse,
    bigquery::{Credentials, Settings},
};
use std::sync::atomic::{AtomicU32, Ordering};

/// A warehouse in a new dataset, that loads what has more bytes than these; none where no BigQuery is given.
fn fresh(inline_bytes: Option<usize>) -> Option<BigQuery> {
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
    let usual = Settings::new(project.as_deref().unwrap_or("fastbreak-test"), &dataset, &location);
    let inline_bytes = inline_bytes.unwrap_or(usual.inline_bytes);
    let settings = Settings { endpoint, credentials, inline_bytes, ..usual };
    Some(BigQuery::connect(settings).unwrap())
}

fn skipped() {
    eprintln!("skipped: set FASTBREAK_BIGQUERY_ENDPOINT, or FASTBREAK_BIGQUERY_PROJECT and credentials");
}

#[test]
fn rows_that_are_loaded_first_end_as_those_of_a_parameter() {
    let Some(mut warehouse) = fresh(Some(0)) else { return skipped() };
    warehouse.claim(conformance::LOG).unwrap();
    conformance::a_moved_main_line_leaves_no_rung_of_the_old_one(&mut warehouse);
    assert_eq!(warehouse.counters().staged, 3);
    warehouse.discard().unwrap();
}

macro_rules! suite {
    ($($law:ident),+ $(,)?) => {
        $(#[test] fn $law() {
            match fresh(None) {
                Some(mut warehouse) => {
                    warehouse.claim(conformance::LOG).unwrap();
                    conformance::$law(&mut warehouse);
                    warehouse.discard().unwrap();
                }
                None => skipped(),
            }
        })+
    };
}
cases!(suite);
