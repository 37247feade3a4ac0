//! Preflight: check everything that a run needs, with a fix for each problem.
//!
//! Invariant: read-only. Rights that only a write can test, such as writing to a topic, are not checked.
//! Not here: finding the problems (for example `App::bind_registry`, `topic_specs::lint`, `schemas::catalog::check`), exit codes (`cli`).
mod check_result;
mod kafka;

pub use check_result::{CheckResult, Failure};

use crate::{app::App, await_done::await_done, topology::topic_specs};
use anyhow::Result;
use kafka::check_kafka;

/// Checks everything that a run needs. An error of an operation is the result of its check.
pub fn preflight(app: &App) -> Vec<CheckResult> {
    let mut results = vec![CheckResult::passed("configuration")];
    if let Some(url) = app.registry_url() {
        let bound = app.bind_registry();
        results.push(CheckResult::from_outcome(format!("schema registry {url} has every schema"), bound));
    }
    let predictor = app.predictor();
    let predictor_version = predictor.as_ref().ok().map(|predictor| predictor.version());
    let can_open_log = match app.log_target().kafka() {
        Some(kafka_config) => check_kafka(app, kafka_config, predictor_version, &mut results),
        None => true,
    };
    let log_id = if can_open_log { check_log(app, &mut results) } else { None };
    results.push(CheckResult::from_problems(
        "schemas can read records of all earlier versions",
        &schemas::catalog::check(),
    ));
    results.push(CheckResult::from_problems(
        "every topic has a writer, inputs are co-partitioned",
        &topic_specs::lint(app.topic_specs()),
    ));
    let model = match app.learned_model() {
        None => {
            "learned_v1: no model artifact is configured; its predictions are skipped as model_absent".into()
        }
        Some(path) => format!("learned_v1: {}", path.display()),
    };
    results.push(CheckResult::from_outcome(model, predictor.map(|_| ())));
    results.push(CheckResult::from_outcome(
        format!("warehouse {}", app.warehouse().name()),
        check_warehouse(app, log_id.as_deref()),
    ));
    results
}

/// Checks that the warehouse, if it exists, belongs to this log.
fn check_warehouse(app: &App, log_id: Option<&str>) -> Result<()> {
    match (app.warehouse().open_if_provisioned()?, log_id) {
        (Some(warehouse), Some(log_id)) => {
            Ok(await_done(|| warehouse.writer_state())?.check_writer(log_id, None)?)
        }
        _ => Ok(()),
    }
}

/// Opens the log and returns its id, if it has one.
fn check_log(app: &App, results: &mut Vec<CheckResult>) -> Option<String> {
    let log = app.open_log_read_only().and_then(|mut log| Ok((log.name(), log.existing_id()?)));
    let (what, id) = match &log {
        Ok((name, id)) => (format!("log {name}"), id.clone()),
        Err(_) => ("log".to_owned(), None),
    };
    results.push(CheckResult::from_outcome(what, log.map(|_| ())));
    id
}
