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
    artifact::load_predictor,
    await_done::await_done,
    config::Config,
    error_chain::error_chain,
    storage,
    topology::topic_specs::{self, summarize},
    warehouse::WarehouseTarget,
};
use anyhow::Result;
use runtime::RuntimeError;
use runtime_kafka::{Admin, KafkaConfig};
use serde::Serialize;
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

pub fn check(config: &Config, output: Output) -> Result<CommandOutcome> {
    let mut results = vec![CheckResult::new("configuration", Ok(()))];
    if let Some(url) = &config.registry.url {
        let bound = crate::registry::bind(&config.registry);
        results.push(CheckResult::from_outcome(format!("schema registry {url} has every schema"), bound));
    }
    let can_open_log = match storage::settings(config, None) {
        Some(kafka_config) => check_kafka(config, &kafka_config, &mut results),
        None => true,
    };
    let log_id = if can_open_log { check_log(config, &mut results) } else { None };
    results.push(CheckResult::from_problems(
        "schemas can read records of all earlier versions",
        &schemas::catalog::check(),
    ));
    results.push(CheckResult::from_problems(
        "every topic has a writer, inputs are co-partitioned",
        &topic_specs::lint(config),
    ));
    let model = match &config.learned_model {
        None => {
            "learned_v1: no model artifact is configured; its predictions are skipped as model_absent".into()
        }
        Some(path) => format!("learned_v1: {}", path.display()),
    };
    results.push(CheckResult::new(
        model,
        load_predictor(config).map(|_| ()).map_err(|error| error_chain(&error)),
    ));
    results.push(CheckResult::from_outcome(
        format!("warehouse {}", WarehouseTarget::live(config).name()),
        check_warehouse(config, log_id.as_deref()),
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
fn check_warehouse(config: &Config, log_id: Option<&str>) -> Result<()> {
    match (sink::existing_warehouse(config)?, log_id) {
        (Some(warehouse), Some(log_id)) => {
            Ok(await_done(|| warehouse.writer_state())?.check_writer(log_id, None)?)
        }
        _ => Ok(()),
    }
}

/// Opens the log and returns its id, if it has one.
fn check_log(config: &Config, results: &mut Vec<CheckResult>) -> Option<String> {
    if config.brokers.is_none() && !config.data.join("log.db").exists() {
        let what = format!(
            "log {}: does not exist yet, the first `fastbreak ingest` creates it",
            config.data.display()
        );
        results.push(CheckResult::new(what, Ok(())));
        return None;
    }
    let log = storage::open_to_read(config).and_then(|mut log| Ok((log.name(), log.existing_id()?)));
    let (what, id) = match &log {
        Ok((name, id)) => (format!("log {name}"), id.clone()),
        Err(_) => ("log".to_owned(), None),
    };
    results.push(CheckResult::from_outcome(what, log.map(|_| ())));
    id
}

/// Checks brokers, topics and ACLs. Returns true if the log can be opened.
fn check_kafka(config: &Config, kafka_config: &KafkaConfig, results: &mut Vec<CheckResult>) -> bool {
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
    let specs = topic_specs::specs(config, Some(kafka_config));
    match check_topics(&admin, &specs, results) {
        Ok(true) => {}
        Ok(false) => return false,
        Err(runtime_error) => {
            results.push(CheckResult::from_outcome("topics", Err(runtime_error)));
            return false;
        }
    }
    let names: Vec<String> = specs.into_iter().map(|spec| spec.name).collect();
    for (right, outcome) in admin.acl_checks(&names, &topic_specs::consumer_groups(kafka_config)) {
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
