//! `topics`: plan, apply, export and lint the topics of a Kafka cluster.
//!
//! Invariant: every result states the cluster that it is about. A plan with a refused entry is not applied; a saved plan is not applied
//! if the cluster has changed since the plan was saved.
//! Not here: making and formatting a plan (crate `topics`), the Kafka client (crate `runtime-kafka`).
mod export;

use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::{App, LogTarget},
    stderr::eprint_line,
    topology::topic_specs::{self, summarize},
};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use runtime::RuntimeError;
use runtime_kafka::{Admin, KafkaConfig};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use topics::{
    plan::{Action, Cluster, Plan, PlanOverrides, Totals},
    spec::TopicSpec,
};

/// Time limit within which all brokers must show the applied changes.
const APPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two reads of the cluster's metadata after an apply.
const APPLY_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Number of characters of a saved plan's hash that are shown.
const PLAN_HASH_CHARS: usize = 16;

#[derive(Subcommand)]
pub enum TopicsCommand {
    /// Show the changes that the cluster needs; exit code 0 if there are none, 3 if there are any, 4 if one is refused
    Plan {
        #[command(flatten)]
        overrides: OverrideArguments,
        /// Save the plan for `topics apply FILE`
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Apply the changes that the cluster needs, after confirmation
    Apply {
        /// A plan saved by `topics plan --out`; refused if the cluster has changed since it was saved
        #[arg(value_name = "FILE", conflicts_with_all = ["accept_key_remap", "allow_delete"])]
        file: Option<PathBuf>,
        #[command(flatten)]
        overrides: OverrideArguments,
        /// Apply without confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Print the topics of the cluster with their topic-level settings, as TOML (or JSON with --output json)
    Export {
        /// Write the export to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check the topic catalog and the topology, without a cluster
    Lint,
}
#[derive(Args)]
pub struct OverrideArguments {
    /// Add partitions to topics that are partitioned by key, although keys then map to other partitions
    #[arg(long)]
    accept_key_remap: bool,
    /// Delete this topic, which Fastbreak does not manage; repeatable
    #[arg(long, value_name = "NAME")]
    allow_delete: Vec<String>,
}
impl From<OverrideArguments> for PlanOverrides {
    fn from(arguments: OverrideArguments) -> PlanOverrides {
        PlanOverrides {
            key_remap: arguments.accept_key_remap,
            delete: arguments.allow_delete.into_iter().collect(),
        }
    }
}

pub fn topics(app: &App, command: TopicsCommand, output: Output) -> Result<CommandOutcome> {
    if let TopicsCommand::Lint = command {
        return lint(app, output);
    }
    let kafka_config = match app.log_target() {
        LogTarget::Kafka(kafka_config) => kafka_config,
        LogTarget::Folder(folder) => return embedded(folder, output),
    };
    let planner = TopicPlanner {
        wanted: app.topic_specs(),
        admin: Admin::connect(kafka_config)?,
        kafka_config,
        output,
    };
    match command {
        TopicsCommand::Plan { overrides, out } => planner.plan(overrides.into(), out.as_deref()),
        TopicsCommand::Apply { file: Some(file), .. } => planner.apply_file(&file),
        TopicsCommand::Apply { file: None, overrides, yes } => planner.apply(overrides.into(), yes),
        TopicsCommand::Export { out } => {
            export::export(&planner.admin, planner.wanted, out.as_deref(), output)
        }
        TopicsCommand::Lint => Ok(CommandOutcome::Done),
    }
}

/// Reports that the embedded log has no topics to manage.
fn embedded(folder: &Path, output: Output) -> Result<CommandOutcome> {
    #[derive(Serialize)]
    struct Embedded {
        log: String,
        note: &'static str,
    }
    let note = "the embedded log creates its topics itself, there is nothing to plan; next: specify a Kafka cluster with `--brokers LIST`";
    output::print(output, &Embedded { log: folder.display().to_string(), note }, |report| {
        format!("{}: {}", report.log, report.note)
    })?;
    Ok(CommandOutcome::Done)
}

fn lint(app: &App, output: Output) -> Result<CommandOutcome> {
    #[derive(Serialize)]
    struct LintReport {
        topics: usize,
        problems: Vec<String>,
    }
    let report =
        LintReport { topics: app.topic_specs().len(), problems: topic_specs::lint(app.topic_specs()) };
    output::print(output, &report, |report| {
        if report.problems.is_empty() {
            return format!("✔ {} topics, no problems", report.topics);
        }
        report.problems.iter().map(|problem| format!("✘ {problem}")).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if report.problems.is_empty() { CommandOutcome::Done } else { CommandOutcome::Unbalanced })
}

/// Plans and applies the desired topics of one cluster.
struct TopicPlanner<'a> {
    wanted: &'a [TopicSpec],
    admin: Admin,
    kafka_config: &'a KafkaConfig,
    output: Output,
}
#[derive(Serialize)]
struct PlanReport<'a> {
    brokers: &'a str,
    #[serde(flatten)]
    plan: &'a Plan,
    totals: Totals,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<String>,
}
#[derive(Serialize)]
struct ApplyReport<'a> {
    brokers: &'a str,
    #[serde(flatten)]
    plan: &'a Plan,
    totals: Totals,
    failed: BTreeMap<String, String>,
}
impl ApplyReport<'_> {
    fn text(&self) -> String {
        let failed = self.failed.iter().map(|(topic, reason)| format!("✘ {topic}: {reason}"));
        let verdict = if self.plan.is_refused() {
            "nothing was changed: a plan with a refused entry is not applied".into()
        } else if self.plan.is_empty() {
            "nothing to change".into()
        } else if self.failed.is_empty() {
            format!("applied to cluster {}", self.plan.cluster)
        } else {
            "some changes failed; next: `fastbreak topics plan` shows the remaining changes".into()
        };
        [self.plan.to_string()].into_iter().chain(failed).chain([verdict]).collect::<Vec<String>>().join("\n")
    }
}

impl TopicPlanner<'_> {
    fn cluster(&self) -> Result<Cluster> {
        Ok(self.admin.cluster(|name| self.wanted.iter().any(|spec| spec.name == name))?)
    }
    fn make_plan(&self, overrides: PlanOverrides) -> Result<Plan> {
        Ok(Plan::new(self.wanted, &self.cluster()?, overrides))
    }
    fn plan(&self, overrides: PlanOverrides, out: Option<&Path>) -> Result<CommandOutcome> {
        let plan = self.make_plan(overrides)?;
        let saved = out.map(|path| save_plan(&plan, path)).transpose()?;
        let report =
            PlanReport { brokers: &self.kafka_config.brokers, plan: &plan, totals: plan.totals(), saved };
        output::print(self.output, &report, |report| match &report.saved {
            Some(saved) => format!("{plan}      saved: {saved}"),
            None => plan.to_string(),
        })?;
        Ok(match (plan.is_refused(), plan.is_empty()) {
            (true, _) => CommandOutcome::Refused,
            (_, true) => CommandOutcome::Done,
            _ => CommandOutcome::Differs,
        })
    }
    fn apply_file(&self, path: &Path) -> Result<CommandOutcome> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading the plan {}", path.display()))?;
        let saved: Plan =
            serde_json::from_str(&text).with_context(|| format!("parsing {} as a plan", path.display()))?;
        let current = self.make_plan(saved.overrides.clone())?;
        if let Some(reason) = plan_change(&saved, &current) {
            let refused = RuntimeError::Precondition {
                what: format!("the plan {}", path.display()),
                reason,
                next: format!("`fastbreak topics plan --out {}` makes a new plan", path.display()),
            };
            return Err(refused.into());
        }
        self.carry_out(&current)
    }
    fn apply(&self, overrides: PlanOverrides, yes: bool) -> Result<CommandOutcome> {
        let plan = self.make_plan(overrides)?;
        if !yes && !plan.is_empty() && !plan.is_refused() {
            eprint_line(&plan.to_string());
            if !confirm()? {
                let refused = RuntimeError::Precondition {
                    what: "applying this plan".into(),
                    reason: "the plan was confirmed neither on a terminal nor with --yes".into(),
                    next:
                        "`fastbreak topics apply --yes`, or `fastbreak topics plan --out FILE` and `fastbreak topics apply FILE`"
                            .into(),
                };
                return Err(refused.into());
            }
        }
        self.carry_out(&plan)
    }
    /// Applies all changes of a plan. If one entry of the plan is refused, applies no change at all.
    fn carry_out(&self, plan: &Plan) -> Result<CommandOutcome> {
        let results = if plan.is_refused() { Vec::new() } else { self.admin.carry_out(plan.steps()) };
        let failed =
            results.iter().filter_map(|(topic, result)| Some((topic.clone(), result.as_ref().err()?)));
        let report = ApplyReport {
            brokers: &self.kafka_config.brokers,
            plan,
            totals: plan.totals(),
            failed: failed.map(|(topic, runtime_error)| (topic, runtime_error.to_string())).collect(),
        };
        output::print(self.output, &report, ApplyReport::text)?;
        if plan.is_refused() {
            return Ok(CommandOutcome::Refused);
        }
        if let Some((_, Err(runtime_error))) = results.into_iter().find(|(_, result)| result.is_err()) {
            return Err(runtime_error.into());
        }
        self.await_applied(plan)
    }
    /// Waits until the cluster's metadata shows the changes and every new partition has a leader.
    fn await_applied(&self, plan: &Plan) -> Result<CommandOutcome> {
        let started = Instant::now();
        while !self.make_plan(plan.overrides.clone())?.is_empty() {
            if started.elapsed() > APPLY_TIMEOUT {
                eprint_line(
                    "the brokers do not show all changes yet; next: `fastbreak topics plan` shows the remaining changes",
                );
                return Ok(CommandOutcome::Differs);
            }
            std::thread::sleep(APPLY_POLL_INTERVAL);
        }
        self.admin.await_leaders(plan.steps().filter_map(|entry| match entry.action {
            Action::Create { partitions, .. } => Some((entry.topic.as_str(), partitions)),
            Action::AddPartitions { to, .. } => Some((entry.topic.as_str(), to)),
            _ => None,
        }));
        Ok(CommandOutcome::Done)
    }
}

/// Writes a plan to a file and returns the file's path and hash.
fn save_plan(plan: &Plan, path: &Path) -> Result<String> {
    let text = serde_json::to_string_pretty(plan)? + "\n";
    std::fs::write(path, &text).with_context(|| format!("writing the plan to {}", path.display()))?;
    let hash = blake3::hash(text.as_bytes()).to_hex();
    Ok(format!("{} (blake3 {})", path.display(), &hash[..PLAN_HASH_CHARS]))
}

/// Describes how the plan that the cluster needs now differs from a saved plan; `None` if they are equal.
fn plan_change(saved: &Plan, current: &Plan) -> Option<String> {
    if current.cluster != saved.cluster {
        return Some(format!(
            "it was made for cluster {}, but the brokers belong to cluster {}",
            saved.cluster, current.cluster
        ));
    }
    let lines = |plan: &Plan| -> BTreeSet<String> {
        plan.entries.iter().map(ToString::to_string).filter(|line| !line.starts_with('?')).collect()
    };
    let (current_lines, saved_lines) = (lines(current), lines(saved));
    if current_lines == saved_lines && current.steps().eq(saved.steps()) {
        return None;
    }
    let removed = saved_lines.difference(&current_lines).map(|line| format!("no longer {line}"));
    let added = current_lines.difference(&saved_lines).map(|line| format!("now {line}"));
    let differences: Vec<String> = removed.chain(added).collect();
    Some(format!("the cluster has changed since the plan was saved: {}", summarize(&differences)))
}

/// Prompts for confirmation on the terminal; false if standard input is not a terminal.
fn confirm() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr().lock(), "apply? [y/N] ")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
