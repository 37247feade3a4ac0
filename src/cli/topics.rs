//! `topics`: plan, apply and export the topics of a Kafka cluster; lint and list the topics of the catalog.
//!
//! Invariant: a plan is applied only with `--yes`, from a file, or after confirmation on a terminal.
//! Not here: making and applying a plan (`topic_admin`), its text (crate `topics`).
use super::{
    examples,
    outcome::CommandOutcome,
    output::{self, Output},
    stderr::eprint_line,
};
use crate::{
    app::App,
    cat::{TopicDescription, topic_descriptions},
    topic_admin::{self, ApplyReport, Export, TopicPlanner},
};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};
use topics::plan::{Plan, PlanOverrides};

#[derive(Subcommand)]
pub enum TopicsCommand {
    /// Show the changes that the cluster needs; exit code 0 if there are none, 3 if there are any, 4 if one is refused
    #[command(after_help = examples::TOPICS_PLAN)]
    Plan {
        #[command(flatten)]
        overrides: OverrideArguments,
        /// Save the plan for `topics apply FILE`
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Apply the changes that the cluster needs, after confirmation
    #[command(after_help = examples::TOPICS_APPLY)]
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
    #[command(after_help = examples::TOPICS_EXPORT)]
    Export {
        /// Write the export to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check the topic catalog and the topology, without a cluster
    #[command(after_help = examples::TOPICS_LINT)]
    Lint,
    /// List all topics with key, event and partitions, without a cluster
    #[command(after_help = examples::TOPICS_LIST)]
    List,
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

/// Runs `topics`.
pub fn topics(app: &App, command: TopicsCommand, output: Output) -> Result<CommandOutcome> {
    match command {
        TopicsCommand::Lint => return lint(app, output),
        TopicsCommand::List => return list(app, output),
        _ => {}
    }
    let planner = topic_admin::connect(app)?;
    match command {
        TopicsCommand::Plan { overrides, out } => plan(&planner, overrides.into(), out.as_deref(), output),
        TopicsCommand::Apply { file: Some(file), .. } => {
            show_applied(&planner, planner.apply_file(&file)?, output)
        }
        TopicsCommand::Apply { file: None, overrides, yes } => {
            let report =
                planner.apply(overrides.into(), |plan| if yes { Ok(true) } else { confirm(plan) })?;
            show_applied(&planner, report, output)
        }
        TopicsCommand::Export { out } => export(&planner.export()?, out.as_deref(), output),
        TopicsCommand::Lint | TopicsCommand::List => Ok(CommandOutcome::Done),
    }
}

fn list(app: &App, output: Output) -> Result<CommandOutcome> {
    output::print(output, &topic_descriptions(app), |topics| {
        let rows = topics.iter().map(|topic| {
            let TopicDescription { topic, key, event, partitions, cleanup_policy } = topic.clone();
            [topic, key.to_owned(), event.to_owned(), partitions.to_string(), cleanup_policy]
        });
        let table = output::table(["topic", "key", "event", "partitions", "cleanup policy"], rows);
        format!("{table}\nnext: `fastbreak cat TOPIC`")
    })?;
    Ok(CommandOutcome::Done)
}

fn lint(app: &App, output: Output) -> Result<CommandOutcome> {
    let report = topic_admin::lint(app);
    output::print(output, &report, |report| {
        if !report.has_problems() {
            return format!("✔ {} topics, no problems", report.topics);
        }
        report.problems.iter().map(|problem| format!("✘ {problem}")).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if report.has_problems() { CommandOutcome::Unbalanced } else { CommandOutcome::Done })
}

fn plan(
    planner: &TopicPlanner<'_>,
    overrides: PlanOverrides,
    out: Option<&Path>,
    output: Output,
) -> Result<CommandOutcome> {
    let report = planner.plan(overrides, out)?;
    output::print(output, &report, |report| match &report.saved {
        Some(saved) => format!("{}      saved: {saved}", report.plan),
        None => report.plan.to_string(),
    })?;
    Ok(match (report.plan.is_refused(), report.plan.is_empty()) {
        (true, _) => CommandOutcome::Refused,
        (_, true) => CommandOutcome::Done,
        _ => CommandOutcome::Differs,
    })
}

/// Prints what was applied, then waits until the brokers show it.
fn show_applied(planner: &TopicPlanner<'_>, report: ApplyReport, output: Output) -> Result<CommandOutcome> {
    output::print(output, &report, apply_text)?;
    if report.plan.is_refused() {
        return Ok(CommandOutcome::Refused);
    }
    if let Some(error) = report.error {
        return Err(error.into());
    }
    if !planner.await_applied(&report.plan)? {
        eprint_line(
            "the brokers do not show all changes yet; next: `fastbreak topics plan` shows the remaining changes",
        );
        return Ok(CommandOutcome::Differs);
    }
    Ok(CommandOutcome::Done)
}

fn apply_text(report: &ApplyReport) -> String {
    let failed = report.failed.iter().map(|(topic, reason)| format!("✘ {topic}: {reason}"));
    let verdict = if report.plan.is_refused() {
        "nothing was changed: a plan with a refused entry is not applied".into()
    } else if report.plan.is_empty() {
        "nothing to change".into()
    } else if report.failed.is_empty() {
        format!("applied to cluster {}", report.plan.cluster)
    } else {
        "some changes failed; next: `fastbreak topics plan` shows the remaining changes".into()
    };
    [report.plan.to_string()].into_iter().chain(failed).chain([verdict]).collect::<Vec<String>>().join("\n")
}

/// Shows a plan and prompts for confirmation on the terminal; false if standard input is not a terminal.
fn confirm(plan: &Plan) -> Result<bool> {
    eprint_line(&plan.to_string());
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr().lock(), "apply? [y/N] ")?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Prints the topics of the cluster, or writes them to `out`.
fn export(export: &Export, out: Option<&Path>, output: Output) -> Result<CommandOutcome> {
    let toml = toml::to_string_pretty(export)?;
    let Some(path) = out else {
        output::print(output, export, |_| toml)?;
        return Ok(CommandOutcome::Done);
    };
    let text = match output {
        Output::Json => serde_json::to_string_pretty(export)? + "\n",
        Output::Table => toml,
    };
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    eprint_line(&format!(
        "{} topics of cluster {} exported to {}",
        export.topics.len(),
        export.cluster,
        path.display()
    ));
    Ok(CommandOutcome::Done)
}
