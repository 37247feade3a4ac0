//! Doctor: examines everything that a run needs, with the command that mends each failure.
//!
//! Invariant: read-only. Rights that only a write can test, such as writing to a topic, are not checked. A quick examination fails only
//! where a run would do harm, and contacts no server.
//! Not here: finding the problems (for example `App::bind_registry`, `topic_specs::lint`, `runtime_embedded::EmbeddedLog::examine`), exit
//! codes (`cli`).
mod check_result;
mod disk;
mod files;
mod kafka;
mod processors;

pub use check_result::{CheckResult, Failure, Verdict};
pub use files::{log_damage, warehouse_damage};

use crate::{
    app::{App, LogTarget},
    await_done::await_done,
    continuity::{continuity, problem},
    topology::topic_specs,
    warehouse::WarehouseTarget,
};
use anyhow::Result;
use kafka::check_kafka;
use serde::Serialize;
use sinks::{
    continuity::{Continuity, lost_log},
    reconciler::Reconciler,
};
use std::path::Path;

/// The check that compares the rows of the warehouse with the log.
const AGREEMENT: &str = "log and warehouse agree";
/// The check that compares the newest batch of the warehouse with the newest plan of the log.
const CONTINUITY: &str = "the log continues the batches of the warehouse";

/// What an examination found.
#[derive(Serialize)]
pub struct DoctorReport {
    /// The worst result of all checks.
    pub verdict: Verdict,
    pub checks: Vec<CheckResult>,
}
impl DoctorReport {
    fn new(checks: Vec<CheckResult>) -> DoctorReport {
        let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
        DoctorReport { verdict, checks }
    }
}

/// Examines what could do harm if processors run: damage of the files, a log and a warehouse that do not belong together, a wrong clock.
pub fn examine_quickly(app: &App) -> DoctorReport {
    let mut results = vec![CheckResult::passed("configuration")];
    let LogTarget::Folder(folder) = app.log_target() else { return DoctorReport::new(results) };
    let has_log = folder.join("log.db").exists();
    if has_log {
        results.push(files::check_log_structure(folder));
        results.push(files::check_clock(folder));
    }
    if let WarehouseTarget::Folder(warehouse_folder) = app.warehouse() {
        results.extend(files::check_warehouse_file(warehouse_folder, true));
        if has_log && results.iter().all(|check| check.failure.is_none()) {
            let id = app.open_log_read_only().and_then(|mut log| Ok(log.existing_id()?));
            let owned = id.and_then(|id| check_warehouse(app, id.as_deref()));
            let owned = owned.and_then(|()| check_log_is_not_empty(app));
            results.push(CheckResult::from_outcome("log and warehouse belong together", owned));
        }
        if !has_log {
            results.extend(files::check_lost_log(app, folder));
        }
    }
    DoctorReport::new(results)
}

/// Examines everything that a run needs. An error of an operation is the result of its check.
pub fn examine(app: &App) -> DoctorReport {
    let mut results = vec![CheckResult::passed("configuration")];
    if let Some(url) = app.registry_url() {
        let bound = app.bind_registry();
        results.push(CheckResult::from_outcome(format!("schema registry {url} has every schema"), bound));
    }
    let predictor = app.predictor();
    let predictor_version = predictor.as_ref().ok().map(|predictor| predictor.version());
    let can_open_log = match app.log_target() {
        LogTarget::Kafka(kafka_config) => check_kafka(app, kafka_config, predictor_version, &mut results),
        LogTarget::Folder(_) => true,
    };
    let log_id = if can_open_log { check_log(app, &mut results) } else { None };
    if let LogTarget::Folder(folder) = app.log_target() {
        check_folder(folder, &mut results);
    }
    let can_read_log = can_open_log && results.iter().all(|check| check.failure.is_none());
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
    let has_predictor = predictor.is_ok();
    results.push(CheckResult::from_outcome(model, predictor.map(|_| ())));
    let is_owner = check_warehouse_of(app, log_id.as_deref(), &mut results);
    if can_read_log && has_predictor {
        processors::check_processors(app, &mut results);
        if is_owner {
            let continuity = check_continuity(app);
            // If the warehouse is to be written again, the games that differ are no other problem.
            let is_continued = continuity.failure.is_none();
            results.push(continuity);
            if is_continued {
                results.extend(check_agreement(app));
            }
        }
    }
    let versions = format!(
        "versions: fastbreak {}, SQLite {}, tables {}",
        env!("CARGO_PKG_VERSION"),
        rusqlite::version(),
        sinks::tables::TABLES_VERSION
    );
    results.push(CheckResult::passed(versions));
    DoctorReport::new(results)
}

/// Checks the files of an embedded log: what is in them, and whether this process could write to them.
fn check_folder(folder: &Path, results: &mut Vec<CheckResult>) {
    if folder.join("log.db").exists() {
        results.push(files::check_log_file(folder));
        results.push(files::check_clock(folder));
        results.push(files::check_lock(folder));
        results.push(files::check_identity(folder));
    }
    if folder.exists() {
        results.push(disk::check_writable(folder));
        results.push(disk::check_space(folder));
    }
}

/// Checks the warehouse; returns true if this log owns it.
fn check_warehouse_of(app: &App, log_id: Option<&str>, results: &mut Vec<CheckResult>) -> bool {
    if let WarehouseTarget::Folder(folder) = app.warehouse() {
        results.extend(files::check_warehouse_file(folder, false));
    }
    let owned = check_warehouse(app, log_id);
    let is_owner = owned.is_ok() && log_id.is_some();
    results.push(CheckResult::from_outcome(format!("warehouse {}", app.warehouse().name()), owned));
    is_owner
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

/// Checks that the newest batch of the warehouse is the newest plan of the log, and that no written warehouse is missing.
fn check_continuity(app: &App) -> CheckResult {
    let check = || -> Result<Option<String>> {
        let warehouse = app.warehouse().open_if_provisioned()?;
        let mut log = app.open_log_read_only()?;
        let continuity = continuity(log.as_mut(), warehouse.as_deref())?;
        problem(app, log.as_mut(), continuity)
    };
    match check() {
        Ok(problem) => CheckResult::from_problems(CONTINUITY, &Vec::from_iter(problem)),
        Err(error) => CheckResult::from_outcome(CONTINUITY, Err(error)),
    }
}

/// Checks that the log is not an empty one instead of the log that filled the warehouse. Any other difference is mended by a run.
fn check_log_is_not_empty(app: &App) -> Result<()> {
    let Some(warehouse) = app.warehouse().open_if_provisioned()? else { return Ok(()) };
    let mut log = app.open_log_read_only()?;
    match continuity(log.as_mut(), Some(warehouse.as_ref()))? {
        Continuity::LostLog => Err(lost_log().into()),
        _ => Ok(()),
    }
}

/// Compares the rows of the warehouse with the log, if the warehouse exists.
fn check_agreement(app: &App) -> Option<CheckResult> {
    let compare = || -> Result<Option<sinks::reconciler::Reconciliation>> {
        let Some(warehouse) = app.warehouse().open_if_provisioned()? else { return Ok(None) };
        let mut log = app.open_log_read_only()?;
        let mut reconciler = Reconciler::default();
        Ok(Some(await_done(|| reconciler.reconcile(log.as_mut(), warehouse.as_ref(), &|| false))?))
    };
    match compare() {
        Ok(None) => None,
        Ok(Some(reconciliation)) if reconciliation.mismatches.is_empty() => {
            Some(CheckResult::passed(format!("{AGREEMENT}: {}", reconciliation.summary())))
        }
        Ok(Some(reconciliation)) => Some(CheckResult::from_problems(
            AGREEMENT,
            &[format!(
                "{}\nnext: `fastbreak sink rebuild` previews writing all rows again from the log",
                reconciliation.summary()
            )],
        )),
        Err(error) => Some(CheckResult::from_outcome(AGREEMENT, Err(error))),
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
