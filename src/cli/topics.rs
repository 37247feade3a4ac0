//! `topics`: what a cluster's topics shall be, as a plan, carried out, exported, or checked without a cluster.
//!
//! Invariant: every answer names the cluster that it is about; a plan of which anything is refused is not carried out, and neither
//! is a plan's file when the cluster is no longer as it was.
//! Not here: the plan itself (crate `topics`).
use super::{CommandOutcome, Output, output};
use crate::{config::Config, storage, topology::topic_specs};
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

/// For so long a cluster may take to show what was done to it.
const APPLY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Subcommand)]
pub enum TopicsCommand {
    /// What would be done: 0 when nothing, 3 when something, 4 when something is refused
    Plan {
        #[command(flatten)]
        allow: Allow,
        /// Keep the plan, for `topics apply FILE`
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Do it
    Apply {
        /// A plan that `topics plan --out` kept; refused when the cluster has changed since
        #[arg(value_name = "FILE", conflicts_with_all = ["accept_key_remap", "allow_delete"])]
        file: Option<PathBuf>,
        #[command(flatten)]
        allow: Allow,
        /// Without asking
        #[arg(long)]
        yes: bool,
    },
    /// The cluster's topics, with what is set on each, as TOML (or JSON by --output json)
    Export {
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check what is written down, without a cluster
    Lint,
}
#[derive(Args)]
pub struct Allow {
    /// Add partitions to topics whose records find them by key
    #[arg(long)]
    accept_key_remap: bool,
    /// Delete this topic, which is none of Fastbreak's; may be repeated
    #[arg(long, value_name = "NAME")]
    allow_delete: Vec<String>,
}
impl From<Allow> for PlanOverrides {
    fn from(allow: Allow) -> PlanOverrides {
        PlanOverrides { key_remap: allow.accept_key_remap, delete: allow.allow_delete.into_iter().collect() }
    }
}

pub fn topics(config: &Config, command: TopicsCommand, output: Output) -> Result<CommandOutcome> {
    if let TopicsCommand::Lint = command {
        return lint(config, output);
    }
    let Some(settings) = storage::settings(config, None) else { return embedded(config, output) };
    let planner = TopicPlanner {
        wanted: topic_specs::specs(config, Some(&settings)),
        admin: Admin::connect(&settings)?,
        settings,
        output,
    };
    match command {
        TopicsCommand::Plan { allow, out } => planner.plan(allow.into(), out.as_deref()),
        TopicsCommand::Apply { file: Some(file), .. } => planner.apply_file(&file),
        TopicsCommand::Apply { file: None, allow, yes } => planner.apply(allow.into(), yes),
        TopicsCommand::Export { out } => planner.export(out.as_deref()),
        TopicsCommand::Lint => Ok(CommandOutcome::Done),
    }
}

/// The embedded log needs none of this.
fn embedded(config: &Config, output: Output) -> Result<CommandOutcome> {
    #[derive(Serialize)]
    struct Embedded {
        log: String,
        note: &'static str,
    }
    let note = "the embedded log makes its topics itself: there is nothing to plan; `--brokers LIST` names a Kafka cluster";
    output::print(output, &Embedded { log: config.data.display().to_string(), note }, |it| {
        format!("{}: {}", it.log, it.note)
    })?;
    Ok(CommandOutcome::Done)
}

fn lint(config: &Config, output: Output) -> Result<CommandOutcome> {
    #[derive(Serialize)]
    struct Linted {
        topics: usize,
        wrong: Vec<String>,
    }
    let linted = Linted { topics: topic_specs::specs(config, None).len(), wrong: topic_specs::lint(config) };
    output::print(output, &linted, |linted| match linted.wrong.is_empty() {
        true => format!("✔ {} topics, nothing wrong", linted.topics),
        false => linted.wrong.iter().map(|wrong| format!("✘ {wrong}")).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(if linted.wrong.is_empty() { CommandOutcome::Done } else { CommandOutcome::Unbalanced })
}

/// What is wanted, and the cluster it is wanted of.
struct TopicPlanner {
    wanted: Vec<TopicSpec>,
    admin: Admin,
    settings: KafkaConfig,
    output: Output,
}
#[derive(Serialize)]
struct Planned<'a> {
    brokers: &'a str,
    #[serde(flatten)]
    plan: &'a Plan,
    totals: Totals,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<String>,
}
#[derive(Serialize)]
struct Applied<'a> {
    brokers: &'a str,
    #[serde(flatten)]
    plan: &'a Plan,
    totals: Totals,
    failed: BTreeMap<String, String>,
}

impl TopicPlanner {
    fn look(&self) -> Result<Cluster> {
        Ok(self.admin.cluster(|name| self.wanted.iter().any(|spec| spec.name == name))?)
    }
    fn make(&self, overrides: PlanOverrides) -> Result<Plan> {
        Ok(Plan::new(&self.wanted, &self.look()?, overrides))
    }
    fn plan(&self, overrides: PlanOverrides, out: Option<&Path>) -> Result<CommandOutcome> {
        let plan = self.make(overrides)?;
        let saved = out.map(|path| -> Result<String> {
            let text = serde_json::to_string_pretty(&plan)? + "\n";
            std::fs::write(path, &text).with_context(|| format!("writing the plan to {}", path.display()))?;
            Ok(format!("{} (blake3 {})", path.display(), &blake3::hash(text.as_bytes()).to_hex()[..16]))
        });
        let saved = saved.transpose()?;
        let planned = Planned {
            brokers: &self.settings.brokers,
            plan: &plan,
            totals: plan.totals(),
            saved: saved.clone(),
        };
        output::print(self.output, &planned, |planned| match &planned.saved {
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
        let kept: Plan =
            serde_json::from_str(&text).with_context(|| format!("{} is no plan", path.display()))?;
        let now = self.make(kept.overrides.clone())?;
        let changed = |reason: String| RuntimeError::Precondition {
            what: format!("the plan {}", path.display()),
            reason,
            next: format!("`fastbreak topics plan --out {}` makes another", path.display()),
        };
        if now.cluster != kept.cluster {
            let reason = format!("it was made for cluster {}, this is {}", kept.cluster, now.cluster);
            return Err(changed(reason).into());
        }
        let steps = |plan: &Plan| -> BTreeSet<String> {
            plan.entries.iter().map(|line| format!("{line}")).filter(|line| !line.starts_with('?')).collect()
        };
        if steps(&now) != steps(&kept) || now.steps().ne(kept.steps()) {
            let (now, kept) = (steps(&now), steps(&kept));
            let no_more = kept.difference(&now).map(|line| format!("no longer {line}"));
            let new = now.difference(&kept).map(|line| format!("now {line}"));
            let differs: Vec<String> = no_more.chain(new).collect();
            let reason = format!(
                "the cluster has changed since: {}",
                crate::topology::topic_specs::summarize(&differs)
            );
            return Err(changed(reason).into());
        }
        self.carry_out(&now)
    }
    fn apply(&self, overrides: PlanOverrides, yes: bool) -> Result<CommandOutcome> {
        let plan = self.make(overrides)?;
        if !yes && !plan.is_empty() && !plan.is_refused() {
            output::eprint_line(&plan.to_string());
            if !is_agreed()? {
                let refused = RuntimeError::Precondition {
                    what: "applying this plan".into(),
                    reason: "nobody agreed to it".into(),
                    next:
                        "`fastbreak topics apply --yes`, or `topics plan --out FILE` and `topics apply FILE`"
                            .into(),
                };
                return Err(refused.into());
            }
        }
        self.carry_out(&plan)
    }
    /// All of it or, when anything is refused, nothing of it.
    fn carry_out(&self, plan: &Plan) -> Result<CommandOutcome> {
        let done = if plan.is_refused() { Vec::new() } else { self.admin.carry_out(plan.steps()) };
        let failed = done.iter().filter_map(|(topic, result)| Some((topic.clone(), result.as_ref().err()?)));
        let applied = Applied {
            brokers: &self.settings.brokers,
            plan,
            totals: plan.totals(),
            failed: failed.map(|(topic, runtime_error)| (topic, runtime_error.to_string())).collect(),
        };
        output::print(self.output, &applied, |applied| {
            let failed = applied.failed.iter().map(|(topic, reason)| format!("✘ {topic}: {reason}"));
            let verdict = match (plan.is_refused(), plan.is_empty(), applied.failed.is_empty()) {
                (true, ..) => {
                    "nothing was done: a plan of which anything is refused is not carried out".into()
                }
                (_, true, _) => "nothing to do".into(),
                (.., true) => format!("done on cluster {}", plan.cluster),
                _ => "not all was done: `fastbreak topics plan` shows the rest".into(),
            };
            [plan.to_string()].into_iter().chain(failed).chain([verdict]).collect::<Vec<String>>().join("\n")
        })?;
        if plan.is_refused() {
            return Ok(CommandOutcome::Refused);
        }
        if let Some((_, Err(runtime_error))) = done.into_iter().find(|(_, result)| result.is_err()) {
            return Err(runtime_error.into());
        }
        self.await_applied(plan)
    }
    /// Waits until the cluster shows what was done.
    fn await_applied(&self, plan: &Plan) -> Result<CommandOutcome> {
        let started = Instant::now();
        while !self.make(plan.overrides.clone())?.is_empty() {
            if started.elapsed() > APPLY_TIMEOUT {
                output::eprint_line(
                    "the cluster does not show all of it yet: `fastbreak topics plan` says what is left",
                );
                return Ok(CommandOutcome::Differs);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.admin.await_leaders(plan.steps().filter_map(|line| match line.action {
            Action::Create { partitions, .. } => Some((line.topic.as_str(), partitions)),
            Action::AddPartitions { to, .. } => Some((line.topic.as_str(), to)),
            _ => None,
        }));
        Ok(CommandOutcome::Done)
    }
    fn export(&self, out: Option<&Path>) -> Result<CommandOutcome> {
        #[derive(Serialize)]
        struct Export {
            cluster: String,
            topics: BTreeMap<String, Exported>,
        }
        #[derive(Serialize)]
        struct Exported {
            partitions: i32,
            replication: i32,
            /// Whether it is one of Fastbreak's.
            managed: bool,
            /// What is set on the topic itself.
            settings: BTreeMap<String, String>,
        }
        let cluster = self.admin.cluster(|_| true)?;
        let topics = cluster.topics.into_iter().map(|found| {
            let managed = self.wanted.iter().any(|spec| spec.name == found.name);
            (
                found.name,
                Exported {
                    partitions: found.partitions,
                    replication: found.replication,
                    managed,
                    settings: found.topic_overrides,
                },
            )
        });
        let export = Export { cluster: cluster.id, topics: topics.collect() };
        let toml = toml::to_string_pretty(&export)?;
        let Some(path) = out else {
            output::print(self.output, &export, |_| toml)?;
            return Ok(CommandOutcome::Done);
        };
        let text = match self.output {
            Output::Json => serde_json::to_string_pretty(&export)? + "\n",
            Output::Table => toml,
        };
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        output::eprint_line(&format!(
            "{} topics of cluster {} in {}",
            export.topics.len(),
            export.cluster,
            path.display()
        ));
        Ok(CommandOutcome::Done)
    }
}

/// Asks whoever sits at the terminal.
fn is_agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr().lock(), "apply? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
