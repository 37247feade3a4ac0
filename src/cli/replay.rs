//! `replay`: run, list, compare and discard replays.
//!
//! Invariant: no command changes a live topic, a live consumer group or the live warehouse.
//! Not here: running a replay (`replay`), printing its progress (`progress`), comparing it with the live warehouse (`diff`).
mod diff;
mod progress;

use super::{
    outcome::CommandOutcome,
    output::{self, Output},
    signals,
};
use crate::{
    app::App,
    namespace::Namespace,
    replay::{self, ReadCount, Replay, ReplayStatus},
};
use anyhow::Result;
use clap::Subcommand;
use progress::Progress;
use runtime::{RuntimeError, subscription::RunContext};
use schemas::EasternDate;
use serde::Serialize;
use sinks::DateRange;
use std::{sync::Arc, time::Instant};

#[derive(Subcommand)]
pub enum ReplayCommand {
    /// Reprocess the raw topics from offset 0 into a namespace; run the same command again to resume
    Run {
        /// First date of the games that are written to the replay's warehouse
        #[arg(long, value_name = "DATE")]
        from: EasternDate,
        /// Last date of the games that are written to the replay's warehouse
        #[arg(long, value_name = "DATE")]
        to: EasternDate,
        /// Name of the replay and prefix of its topics and consumer groups: 1 to 40 characters of a-z, 0-9 and -
        #[arg(long, value_name = "NAME")]
        namespace: Namespace,
    },
    /// List all replays and their progress
    List,
    /// Show which rows of the live warehouse differ from those of the replay; exit code 3 if any differ
    Diff {
        #[arg(value_name = "NAME")]
        namespace: Namespace,
        /// Maximum number of differing rows to list
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Delete the topics, consumer groups and warehouse of a replay; refused without --yes
    Discard {
        #[arg(value_name = "NAME")]
        namespace: Namespace,
        /// Delete the replay
        #[arg(long)]
        yes: bool,
    },
}

pub fn replay(app: &App, command: ReplayCommand, output: Output) -> Result<CommandOutcome> {
    match command {
        ReplayCommand::Run { from, to, namespace } => run(app, &namespace, DateRange { from, to }, output),
        ReplayCommand::List => list(app, output),
        ReplayCommand::Diff { namespace, limit } => diff::diff(app, &namespace, limit, output),
        ReplayCommand::Discard { namespace, yes } => discard(app, &namespace, yes, output),
    }
}

/// A replay and its status.
#[derive(Serialize)]
struct ReplayReport {
    namespace: String,
    from: String,
    to: String,
    #[serde(flatten)]
    status: ReplayStatus,
    /// Duration of this run; `None` in a list of replays.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}
impl ReplayReport {
    fn new(app: &App, replay: &Replay, seconds: Option<f64>) -> Result<ReplayReport> {
        Ok(ReplayReport {
            namespace: replay.namespace.to_string(),
            from: replay.dates.from.to_string(),
            to: replay.dates.to.to_string(),
            status: replay::status(app, replay)?,
            seconds,
        })
    }
}

fn run(app: &App, namespace: &Namespace, dates: DateRange, output: Output) -> Result<CommandOutcome> {
    let started = Instant::now();
    let run_context = Arc::new(RunContext::default());
    signals::listen(None, run_context.clone())?;
    let nodes = app.build_processors()?;
    let mut progress = Progress::new(output);
    let replay = replay::run(app, (namespace, dates), nodes, run_context, |log, subscriptions| {
        progress.tick(log, subscriptions)
    })?;
    progress.end();
    let report = ReplayReport::new(app, &replay, Some(started.elapsed().as_secs_f64()))?;
    output::print(output, &report, |report| run_text(report, &replay.command()))?;
    Ok(CommandOutcome::Done)
}

fn run_text(report: &ReplayReport, resume: &str) -> String {
    let seconds = report.seconds.unwrap_or_default();
    // On Kafka these counts are upper bounds, since control records take offsets.
    let raw @ ReadCount { read, of } = report.status.progress.raw;
    match (report.status.caught_up, read == of) {
        (false, _) => format!(
            "stopped after {seconds:.1} s, {:.1} % of the raw topics read\nnext: `{resume}` resumes the replay",
            raw.percent()
        ),
        (true, false) => format!(
            "caught up in {seconds:.1} s; up to {} raw records were appended meanwhile\n\
             next: `{resume}` reads them; `fastbreak replay diff {}`",
            of - read,
            report.namespace
        ),
        (true, true) => format!(
            "caught up in {seconds:.1} s, every raw record is read\nnext: `fastbreak replay diff {}`",
            report.namespace
        ),
    }
}

fn list(app: &App, output: Output) -> Result<CommandOutcome> {
    let replays = Replay::all(app)?;
    let reports =
        replays.iter().map(|replay| ReplayReport::new(app, replay, None)).collect::<Result<Vec<_>>>()?;
    output::print(output, &reports, |reports| list_text(reports))?;
    Ok(CommandOutcome::Done)
}

fn list_text(reports: &[ReplayReport]) -> String {
    if reports.is_empty() {
        return "no replays".to_owned();
    }
    let percent = |read_count: ReadCount| format!("{:.1} %", read_count.percent());
    let rows = reports.iter().map(|report| {
        let ReplayStatus { progress, caught_up, behind, .. } = &report.status;
        let state = match (caught_up, behind.values().sum::<i64>()) {
            (true, 0) => "ready to compare".to_owned(),
            (_, 0) => "not caught up".to_owned(),
            (_, behind) => format!("up to {behind} raw records behind the live loaders"),
        };
        let (raw, derived) = (percent(progress.raw), percent(progress.derived));
        [report.namespace.clone(), report.from.clone(), report.to.clone(), raw, derived, state]
    });
    output::table(["replay", "from", "to", "raw read", "derived read", "state"], rows)
}

fn discard(app: &App, namespace: &Namespace, yes: bool, output: Output) -> Result<CommandOutcome> {
    if !yes {
        let replay = Replay::load(app, namespace)?;
        return Err(RuntimeError::Precondition {
            what: format!("discarding replay {namespace} with the games of {}", replay.dates),
            reason: "--yes is not set, and a discarded replay cannot be restored".into(),
            next: format!("`fastbreak replay discard {namespace} --yes`"),
        }
        .into());
    }
    #[derive(Serialize)]
    struct Discarded {
        namespace: String,
        removed: Vec<String>,
    }
    let removed = replay::discard(app, namespace)?;
    output::print(output, &Discarded { namespace: namespace.to_string(), removed }, |discarded| {
        format!("replay {} was discarded: {}", discarded.namespace, discarded.removed.join(", "))
    })?;
    Ok(CommandOutcome::Done)
}
