//! `replay`: run, list, compare and discard replays.
//!
//! Invariant: no command changes a live topic, a live consumer group or the live warehouse.
//! Not here: the replays (`replay`), printing the progress (`progress`) and the differences (`diff`).
mod diff;
mod progress;

use super::{
    examples,
    outcome::CommandOutcome,
    output::{self, Output},
    signals,
};
use crate::{
    app::App,
    namespace::Namespace,
    read_progress::ReadCount,
    replay::{self, ListedReplay, ProgressListener, ReplayReport, ReplayRequest, ReplayStatus},
};
use anyhow::Result;
use clap::Subcommand;
use progress::Progress;
use runtime::subscription::RunContext;
use schemas::EasternDate;
use sinks::DateRange;
use std::sync::Arc;

#[derive(Subcommand)]
pub enum ReplayCommand {
    /// Reprocess the raw topics from offset 0 into a namespace; run the same command again to resume
    #[command(after_help = examples::REPLAY_RUN)]
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
    #[command(after_help = examples::REPLAY_LIST)]
    List,
    /// Show which rows of the live warehouse differ from those of the replay; exit code 3 if any differ
    #[command(after_help = examples::REPLAY_DIFF)]
    Diff {
        #[arg(value_name = "NAME")]
        namespace: Namespace,
        /// Maximum number of differing rows to list
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Delete the topics, consumer groups and warehouse of a replay; refused without --yes
    #[command(after_help = examples::REPLAY_DISCARD)]
    Discard {
        #[arg(value_name = "NAME")]
        namespace: Namespace,
        /// Delete the replay
        #[arg(long)]
        yes: bool,
    },
}

/// Runs `replay`.
pub fn replay(app: &App, command: ReplayCommand, output: Output) -> Result<CommandOutcome> {
    match command {
        ReplayCommand::Run { from, to, namespace } => run(app, &namespace, DateRange { from, to }, output),
        ReplayCommand::List => {
            let replays = replay::list(app)?;
            output::print(output, &replays, |replays| list_text(replays))?;
            let is_damaged = |replay: &ListedReplay| matches!(replay, ListedReplay::Unreadable { .. });
            Ok(if replays.iter().any(is_damaged) { CommandOutcome::Unbalanced } else { CommandOutcome::Done })
        }
        ReplayCommand::Diff { namespace, limit } => diff::diff(app, &namespace, limit, output),
        ReplayCommand::Discard { namespace, yes } => {
            output::print(output, &replay::discard(app, &namespace, yes)?, |discarded| {
                format!("replay {} was discarded: {}", discarded.namespace, discarded.removed.join(", "))
            })?;
            Ok(CommandOutcome::Done)
        }
    }
}

fn run(app: &App, namespace: &Namespace, dates: DateRange, output: Output) -> Result<CommandOutcome> {
    let run_context = Arc::new(RunContext::default());
    signals::listen(None, run_context.clone())?;
    let request = ReplayRequest { namespace, dates, nodes: app.build_processors()? };
    let progress = Progress::new(output);
    let listener =
        ProgressListener { interval: progress.interval(), on_progress: &mut |report| progress.show(report) };
    let report = replay::run(app, request, run_context, listener)?;
    progress.end();
    output::print(output, &report, run_text)?;
    Ok(CommandOutcome::Done)
}

fn run_text(report: &ReplayReport) -> String {
    let resume = &report.command;
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

fn list_text(replays: &[ListedReplay]) -> String {
    if replays.is_empty() {
        return "no replays".to_owned();
    }
    let percent = |read_count: ReadCount| format!("{:.1} %", read_count.percent());
    let rows = replays.iter().map(|replay| {
        let report = match replay {
            ListedReplay::Readable(report) => report,
            ListedReplay::Unreadable { namespace, error } => {
                let mut row: [String; 6] = Default::default();
                (row[0], row[5]) = (namespace.clone(), error.replace('\n', "; "));
                return row;
            }
        };
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
