//! The conformance suite against a real engine: an emulator, or Google's BigQuery. It is skipped unless `FASTBREAK_BIGQUERY_ENDPOINT` or
//! `FASTBREAK_BIGQUERY_PROJECT` is set.
//!
//! Invariant: each test has its own dataset, and deletes it when it passes.
//! Not here: faults (`faults`, `schedules`, against the in-process fake); properties of BigQuery itself (`smoke`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(dead_code, unused_imports)]
mod conformance;
mod real;

use real::skipped;
use sinks::{BigQuery, Warehouse};

/// Returns a warehouse in a new dataset, which stages batches larger than this number of bytes; `None` if no BigQuery is configured.
fn fresh(inline_bytes: Option<usize>) -> Option<BigQuery> {
    real::config(inline_bytes).map(|config| BigQuery::connect(config).unwrap())
}

#[test]
fn staged_rows_are_merged_like_rows_of_a_parameter() {
    let Some(mut warehouse) = fresh(Some(0)) else { return skipped() };
    conformance::done(warehouse.acquire(conformance::LOG)).unwrap();
    conformance::a_moved_main_line_leaves_no_row_of_the_old_ladder(&mut warehouse);
    assert_eq!(warehouse.counters().staged, 3);
    warehouse.discard().unwrap();
}

macro_rules! suite {
    ($($law:ident),+ $(,)?) => {
        $(#[test] fn $law() {
            match fresh(None) {
                Some(mut warehouse) => {
                    conformance::done(warehouse.acquire(conformance::LOG)).unwrap();
                    conformance::$law(&mut warehouse);
                    warehouse.discard().unwrap();
                }
                None => skipped(),
            }
        })+
    };
}
cases!(suite);
