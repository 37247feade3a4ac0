//! `check`: whether a run would start and be right, with the fix for each thing that is not.
//!
//! Invariant: it changes nothing. What can only be known by writing (the right to write to a topic) it does not claim to know.
//! Not here: what is checked; each part says for itself what is wrong.
use super::{CommandOutcome, Output, output};
use crate::{
    config::Config,
    storage,
    topology::topic_specs,
    warehouse::{self, WarehouseKind, WarehouseTarget},
};
use anyhow::Result;
use runtime_kafka::{Admin, KafkaConfig};
use serde::Serialize;
use sinks::WarehouseError;
use topics::plan::{Plan, PlanOverrides};

#[derive(Serialize)]
struct CheckResult {
    ok: bool,
    what: String,
    /// What is wrong and what to do, when it is.
    fix: Option<String>,
    /// How the verb ends by it.
    #[serde(skip)]
    code: u8,
}
impl CheckResult {
    fn new(what: impl Into<String>, wrong: Result<(), String>) -> CheckResult {
        CheckResult { ok: wrong.is_ok(), what: what.into(), fix: wrong.err(), code: 1 }
    }
    /// Of a try that ends as any verb would that fails by it.
    fn from_outcome(what: impl Into<String>, outcome: Result<(), impl Into<anyhow::Error>>) -> CheckResult {
        let outcome = outcome.map_err(Into::into);
        let code = outcome.as_ref().err().map_or(1, super::code);
        CheckResult { code, ..CheckResult::new(what, outcome.map_err(|error| output::error_chain(&error))) }
    }
    fn differs(what: impl Into<String>, wrong: Result<(), String>) -> CheckResult {
        CheckResult { code: 3, ..CheckResult::new(what, wrong) }
    }
}

pub fn check(config: &Config, output: Output) -> Result<CommandOutcome> {
    let mut lines = vec![CheckResult::new("configuration", Ok(()))];
    if let Some(url) = &config.registry.url {
        let bound = crate::registry::bind(&config.registry);
        lines.push(CheckResult::from_outcome(format!("schema registry {url} has every schema"), bound));
    }
    let is_sound = match storage::settings(config, None) {
        Some(settings) => kafka(config, &settings, &mut lines),
        None => true,
    };
    let id = if is_sound { log(config, &mut lines) } else { None };
    let wrong = schemas::catalog::check();
    lines.push(CheckResult::new(
        "schemas read all their predecessors",
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) },
    ));
    let wrong = topic_specs::lint(config);
    lines.push(CheckResult::new(
        "topics have writers and meet in equal partitions",
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) },
    ));
    let model = super::run::predictor(config).map(|_| ()).map_err(|error| output::error_chain(&error));
    let what = config.learned_model.as_ref().map_or_else(
        || "learned_v1: no artifact is configured, its predictions will say model_absent".to_owned(),
        |path| format!("learned_v1: {}", path.display()),
    );
    lines.push(CheckResult::new(what, model));
    lines.push(CheckResult::from_outcome(
        format!("warehouse {}", WarehouseTarget::live(config).name()),
        written_by(config, id),
    ));
    output::print(output, &lines, |lines| {
        let text = |line: &CheckResult| match &line.fix {
            None => format!("✔ {}", line.what),
            Some(fix) => format!("✘ {}: {fix}", line.what),
        };
        lines.iter().map(text).collect::<Vec<_>>().join("\n")
    })?;
    let worst = lines.iter().filter(|line| !line.ok).map(|line| line.code).max();
    Ok(match worst {
        None => CommandOutcome::Done,
        Some(5) => CommandOutcome::Unreachable,
        Some(4) => CommandOutcome::Refused,
        Some(3) => CommandOutcome::Differs,
        Some(_) => CommandOutcome::Unbalanced,
    })
}

/// Whether the warehouse, when there is one, is this log's.
fn written_by(config: &Config, log: Option<String>) -> Result<(), WarehouseError> {
    // A dataset that is not there yet is made by the first run.
    if config.warehouse == WarehouseKind::BigQuery
        && !warehouse::bigquery(config)?.plan()?.datasets.is_empty()
    {
        return Ok(());
    }
    match (warehouse::look(config)?, log) {
        (Some(found), Some(log)) => found.writer_state()?.check_writer(&log, None),
        _ => Ok(()),
    }
}

/// Opens the log; its id, when it has one.
fn log(config: &Config, lines: &mut Vec<CheckResult>) -> Option<String> {
    if config.brokers.is_none() && !config.data.join("log.db").exists() {
        lines.push(CheckResult::new(
            format!("log {}: made by the first ingest", config.data.display()),
            Ok(()),
        ));
        return None;
    }
    let log = storage::open_to_read(config).and_then(|mut log| Ok((log.name(), log.existing_id()?)));
    let (what, id) = match &log {
        Ok((name, id)) => (format!("log {name}"), id.clone()),
        Err(_) => ("log".to_owned(), None),
    };
    lines.push(CheckResult::from_outcome(what, log.map(|_| ())));
    id
}

/// The brokers, the topics, the rights; whether there is a log to open.
fn kafka(config: &Config, settings: &KafkaConfig, lines: &mut Vec<CheckResult>) -> bool {
    let brokers = format!("brokers {}", settings.brokers);
    let reached = Admin::connect(settings).and_then(|admin| Ok((admin.brokers()?, admin)));
    let (id, many, admin) = match reached {
        Ok(((id, many), admin)) => (id, many, admin),
        Err(runtime_error) => {
            lines.push(CheckResult::from_outcome(brokers, Err(runtime_error)));
            return false;
        }
    };
    let replicas = match many {
        1 | 2 => {
            " (a broker that is stopped in a commit can leave it open; three are safe: docs/kafka-broker-requirements.md)"
        }
        _ => "",
    };
    lines.push(CheckResult::new(format!("{brokers}: cluster {id}, {many} of them{replicas}"), Ok(())));
    let specs = topic_specs::specs(config, Some(settings));
    let missing = match admin.missing(&specs) {
        Ok(missing) => missing,
        Err(runtime_error) => {
            lines.push(CheckResult::from_outcome("topics", Err(runtime_error)));
            return false;
        }
    };
    let are_there = missing.is_empty();
    let next = "`fastbreak topics plan` shows what differs, `fastbreak topics apply` makes what is missing or set otherwise; another number of partitions it leaves alone, as keys would not meet: such a topic is to be deleted first, with what is in it";
    let wrong =
        if are_there { Ok(()) } else { Err(format!("{}\nnext: {next}", topic_specs::summarize(&missing))) };
    lines.push(CheckResult::differs(format!("{} topics are there, in equal partitions", specs.len()), wrong));
    let what = "the topics that are there are set as they shall be";
    match admin.cluster(|name| specs.iter().any(|spec| spec.name == name)) {
        Ok(cluster) => {
            let plan = Plan::new(&specs, &cluster, PlanOverrides::default());
            let differs = plan.entries.iter().filter(|line| {
                use topics::plan::Action;
                !matches!(line.action, Action::Unmanaged | Action::Create { .. })
            });
            let differs: Vec<String> = differs.map(ToString::to_string).collect();
            let wrong = if differs.is_empty() {
                Ok(())
            } else {
                Err(format!("{}\nnext: {next}", topic_specs::summarize(&differs)))
            };
            lines.push(CheckResult::differs(what, wrong));
        }
        Err(runtime_error) => lines.push(CheckResult::from_outcome(what, Err(runtime_error))),
    }
    if are_there {
        let names: Vec<String> = specs.into_iter().map(|spec| spec.name).collect();
        for (right, outcome) in admin.acl_checks(&names, &topic_specs::consumer_groups(settings)) {
            lines.push(CheckResult::from_outcome(format!("the right to {right}"), outcome));
        }
    }
    are_there
}
