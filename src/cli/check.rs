//! `check`: check everything that a run needs, and show a fix for each problem.
//!
//! Invariant: read-only. Rights that only a write can test, such as writing to a topic, are not checked.
//! Not here: finding the problems (for example `registry::bind`, `topic_specs::lint`, `schemas::catalog::check`).
use super::{
    outcome::{CommandOutcome, error_exit_code},
    output::{self, Output},
    sink,
};
use crate::{
    app::{App, LogTarget},
    error_chain::error_chain,
    topology::topic_specs::{self, summarize},
};
use anyhow::Result;
use runtime::RuntimeError;
use runtime_kafka::{Admin, KafkaConfig};
use serde::Serialize;
use sinks::WarehouseError;
use topics::{
    plan::{Action, Plan, PlanOverrides},
    spec::TopicSpec,
};

const NEXT_TOPICS: &str = "next: `fastbreak topics plan` shows what differs, `fastbreak topics apply` creates missing topics and alters \
     settings; it does not change a partition count, since keys would map to other partitions: to change it, first delete the topic with its records";
/// With fewer brokers than this, a broker that stops during a commit can leave a hanging transaction (one that stays open because no
/// producer will end it).
const SAFE_BROKER_COUNT: usize = 3;

#[derive(Serialize)]
struct CheckResult {
    ok: bool,
    what: String,
    /// The problem and what to do; `None` if the check passed.
    fix: Option<String>,
    /// Exit code for the failure of this check. The command exits with the highest exit code of all failed checks.
    #[serde(skip)]
    exit_code: u8,
}
impl CheckResult {
    fn new(what: impl Into<String>, result: Result<(), String>) -> CheckResult {
        CheckResult { ok: result.is_ok(), what: what.into(), fix: result.err(), exit_code: 1 }
    }
    /// Creates the result of a check that runs an operation. If the operation fails, the exit code is that of a command that fails with
    /// the same error.
    fn from_outcome(what: impl Into<String>, outcome: Result<(), impl Into<anyhow::Error>>) -> CheckResult {
        let outcome = outcome.map_err(Into::into);
        let exit_code = outcome.as_ref().err().map_or(1, error_exit_code);
        CheckResult { exit_code, ..CheckResult::new(what, outcome.map_err(|error| error_chain(&error))) }
    }
    /// Creates a result from a list of differences between actual and desired state.
    fn from_differences(what: impl Into<String>, differences: &[String], next: &str) -> CheckResult {
        let result =
            if differences.is_empty() { Ok(()) } else { Err(format!("{}\n{next}", summarize(differences))) };
        CheckResult { exit_code: 3, ..CheckResult::new(what, result) }
    }
    /// Creates a result from a list of problems.
    fn from_problems(what: impl Into<String>, problems: &[String]) -> CheckResult {
        CheckResult::new(what, if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) })
    }
}

pub fn check(app: &App, output: Output) -> Result<CommandOutcome> {
    let mut results = vec![CheckResult::new("configuration", Ok(()))];
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
    results.push(CheckResult::new(model, predictor.map(|_| ()).map_err(|error| error_chain(&error))));
    results.push(CheckResult::from_outcome(
        format!("warehouse {}", app.warehouse().name()),
        check_warehouse(app, log_id.as_deref()),
    ));
    output::print(output, &results, |results| {
        let line = |result: &CheckResult| match &result.fix {
            None => format!("✔ {}", result.what),
            Some(fix) => format!("✘ {}: {fix}", result.what),
        };
        results.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    let failed = results.iter().filter(|result| !result.ok);
    Ok(CommandOutcome::from_exit_code(failed.map(|result| result.exit_code).max().unwrap_or(0)))
}

/// Checks that the warehouse, if it exists, belongs to this log.
fn check_warehouse(app: &App, log_id: Option<&str>) -> Result<(), WarehouseError> {
    match (sink::existing_warehouse(app)?, log_id) {
        (Some(warehouse), Some(log_id)) => warehouse.writer_state()?.check_writer(log_id, None),
        _ => Ok(()),
    }
}

/// Opens the log and returns its id, if it has one.
fn check_log(app: &App, results: &mut Vec<CheckResult>) -> Option<String> {
    if let LogTarget::Folder(folder) = app.log_target()
        && app.log_target().is_missing()
    {
        let what =
            format!("log {}: does not exist yet, the first `fastbreak ingest` creates it", folder.display());
        results.push(CheckResult::new(what, Ok(())));
        return None;
    }
    let log = app.open_log_read_only().and_then(|mut log| Ok((log.name(), log.existing_id()?)));
    let (what, id) = match &log {
        Ok((name, id)) => (format!("log {name}"), id.clone()),
        Err(_) => ("log".to_owned(), None),
    };
    results.push(CheckResult::from_outcome(what, log.map(|_| ())));
    id
}

/// Checks brokers, topics and ACLs. Returns true if the log can be opened. If the model artifact is invalid, `predictor_version` is `None`:
/// the name of the predictor's group is not known then, and the rights to it are not checked.
fn check_kafka(
    app: &App,
    kafka_config: &KafkaConfig,
    predictor_version: Option<i64>,
    results: &mut Vec<CheckResult>,
) -> bool {
    let brokers = format!("brokers {}", kafka_config.brokers);
    let connected = Admin::connect(kafka_config).and_then(|admin| Ok((admin.brokers()?, admin)));
    let (cluster, broker_count, admin) = match connected {
        Ok(((cluster, broker_count), admin)) => (cluster, broker_count, admin),
        Err(runtime_error) => {
            results.push(CheckResult::from_outcome(brokers, Err(runtime_error)));
            return false;
        }
    };
    let warning = if broker_count < SAFE_BROKER_COUNT {
        " (fewer than three: a broker that stops during a commit can leave a hanging transaction, \
         see docs/kafka-broker-requirements.md)"
    } else {
        ""
    };
    results.push(CheckResult::new(
        format!("{brokers}: cluster {cluster}, {broker_count} brokers{warning}"),
        Ok(()),
    ));
    let specs = app.topic_specs();
    match check_topics(&admin, specs, results) {
        Ok(true) => {}
        Ok(false) => return false,
        Err(runtime_error) => {
            results.push(CheckResult::from_outcome("topics", Err(runtime_error)));
            return false;
        }
    }
    let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    let groups = topic_specs::consumer_groups(kafka_config, predictor_version);
    for (right, outcome) in admin.acl_checks(&names, &groups) {
        results.push(CheckResult::from_outcome(format!("the right to {right}"), outcome));
    }
    true
}

/// Checks that all topics exist with their partitions and settings. Returns true if none is missing.
fn check_topics(
    admin: &Admin,
    specs: &[TopicSpec],
    results: &mut Vec<CheckResult>,
) -> Result<bool, RuntimeError> {
    let missing = admin.missing(specs)?;
    let what = format!("all {} topics exist with their partition counts", specs.len());
    results.push(CheckResult::from_differences(what, &missing, NEXT_TOPICS));
    let what = "existing topics have the desired settings";
    match admin.cluster(|name| specs.iter().any(|spec| spec.name == name)) {
        Ok(cluster) => {
            let plan = Plan::new(specs, &cluster, PlanOverrides::default());
            let is_difference =
                |action: &Action| !matches!(action, Action::Unmanaged | Action::Create { .. });
            let differences = plan.entries.iter().filter(|entry| is_difference(&entry.action));
            let differences: Vec<String> = differences.map(ToString::to_string).collect();
            results.push(CheckResult::from_differences(what, &differences, NEXT_TOPICS));
        }
        Err(runtime_error) => results.push(CheckResult::from_outcome(what, Err(runtime_error))),
    }
    Ok(missing.is_empty())
}
