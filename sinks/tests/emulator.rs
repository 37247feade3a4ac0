//! The conformance suite over a BigQuery that is really there: an emulator, or Google's own. Runs where `FASTBREAK_BIGQUERY_ENDPOINT` or
//! `FASTBREAK_BIGQUERY_PROJECT` says where, and says so where not.
//!
//! Invariant: each test has a dataset of its own, and deletes it when it passes.
//! Not here: faults (`faults`, `schedules`, over the in-process fake); what BigQuery itself promises (`smoke`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(dead_code, unused_imports)]
mod conformance;
mod real;

use real::skipped;
use sinks::{BigQuery, Warehouse};

/// A warehouse in a new dataset, that loads what has more bytes than these; none where no BigQuery is given.
fn fresh(inline_bytes: Option<usize>) -> Option<BigQuery> {
    real::config(inline_bytes).map(|config| BigQuery::connect(config).unwrap())
}

#[test]
fn rows_that_are_loaded_first_end_as_those_of_a_parameter() {
    let Some(mut warehouse) = fresh(Some(0)) else { return skipped() };
    warehouse.acquire(conformance::LOG).unwrap();
    conformance::a_moved_main_line_leaves_no_rung_of_the_old_one(&mut warehouse);
    assert_eq!(warehouse.counters().staged, 3);
    warehouse.discard().unwrap();
}

macro_rules! suite {
    ($($law:ident),+ $(,)?) => {
        $(#[test] fn $law() {
            match fresh(None) {
                Some(mut warehouse) => {
                    warehouse.acquire(conformance::LOG).unwrap();
                    conformance::$law(&mut warehouse);
                    warehouse.discard().unwrap();
                }
                None => skipped(),
            }
        })+
    };
}
cases!(suite);
