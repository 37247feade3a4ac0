//! `replay`: run, list, compare and discard replays.
mod diff;
mod progress;

use super::{CommandOutcome, Output, output, run};
use crate::{
    config::Config,
    replay::{self, Namespace, ReadCount, Replay},
    topology,
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
    /// Run the topology over the raw topics from their start, beside what is live; again to go on
    Run {
        /// The first Eastern day whose games are written
        #[arg(long, value_name = "DATE")]
        from: EasternDate,
        /// The last
        #[arg(long, value_name = "DATE")]
        to: EasternDate,
        /// What its topics and its warehouse are called by: 1 to 40 of a-z, 0-9 and -
        #[arg(long, value_name = "NAME")]
        namespace: Namespace,
    },
    /// The replays that there are, and how far they are
    List,
    /// Which rows of the warehouse would change; 3 when any
    Diff {
        #[arg(value_name = "NAME")]
        namespace: Namespace,
        /// How many rows that differ are listed
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Remove all that is of a replay
    Discard {
        #[arg(value_name = "NAME")]
        namespace: Namespace,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

pub fn replay(config: &Config, command: ReplayCommand, output: Output) -> Result<CommandOutcome> {
    match command {
        ReplayCommand::Run { from, to, namespace } => {
            start(config, &namespace, DateRange { from, to }, output)
        }
        ReplayCommand::List => list(config, output),
        ReplayCommand::Diff { namespace, limit } => diff::diff(config, &namespace, limit, output),
        ReplayCommand::Discard { namespace, yes } => discard(config, &namespace, yes, output),
    }
}

/// A replay, and where it stands.
#[derive(Serialize)]
struct Line {
    namespace: String,
    from: String,
    to: String,
    #[serde(flatten)]
    status: replay::ReplayStatus,
    /// Of this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}
impl Line {
    fn new(config: &Config, replay: &Replay, seconds: Option<f64>) -> Result<Line> {
        Ok(Line {
            namespace: replay.namespace.to_string(),
            from: replay.dates.from.to_string(),
            to: replay.dates.to.to_string(),
            status: replay::status(config, replay)?,
            seconds,
        })
    }
}

fn start(config: &Config, namespace: &Namespace, dates: DateRange, output: Output) -> Result<CommandOutcome> {
    let started = Instant::now();
    let run_context = Arc::new(RunContext::default());
    run::listen(None, run_context.clone())?;
    let nodes = topology::topology(run::predictor(config)?);
    let mut progress = Progress::new(output);
    let replay = replay::run(config, (namespace, dates), nodes, run_context, |log, readers| {
        progress.tick(log, readers)
    })?;
    progress.end();
    let line = Line::new(config, &replay, Some(started.elapsed().as_secs_f64()))?;
    output::print(output, &line, |line| {
        // Offsets: on Kafka commits take some, too.
        let raw @ ReadCount { read, of } = line.status.progress.raw;
        let (seconds, next) = (line.seconds.unwrap_or_default(), replay.command());
        match (line.status.caught_up, read == of) {
            (false, _) => format!(
                "stopped after {seconds:.1} s with {:.1} % of the raw topics read\nnext: `{next}` goes on",
                raw.percent()
            ),
            (true, false) => format!(
                "caught up in {seconds:.1} s with the raw topics as they were; up to {} raw records came meanwhile\nnext: `{next}` reads them; `fastbreak replay diff {}`",
                of - read,
                line.namespace
            ),
            (true, true) => format!(
                "caught up in {seconds:.1} s with all of the raw topics\nnext: `fastbreak replay diff {}`",
                line.namespace
            ),
        }
    })?;
    Ok(CommandOutcome::Done)
}

fn list(config: &Config, output: Output) -> Result<CommandOutcome> {
    let replays = Replay::all(config)?;
    let lines = replays.iter().map(|replay| Line::new(config, replay, None)).collect::<Result<Vec<_>>>()?;
    output::print(output, &lines, |lines| {
        if lines.is_empty() {
            return "there is no replay".to_owned();
        }
        let percent = |read_count: ReadCount| format!("{:.1} %", read_count.percent());
        let rows = lines.iter().map(|line| {
            let replay::ReplayStatus { progress, caught_up, behind, .. } = &line.status;
            let state = match (caught_up, behind.values().sum::<i64>()) {
                (true, 0) => "ready to compare".to_owned(),
                (_, 0) => "not caught up".to_owned(),
                (_, behind) => format!("up to {behind} raw records behind the live loaders"),
            };
            [
                line.namespace.clone(),
                line.from.clone(),
                line.to.clone(),
                percent(progress.raw),
                percent(progress.derived),
                state,
            ]
        });
        output::table(["replay", "from", "to", "raw read", "derived read", "state"], rows)
    })?;
    Ok(CommandOutcome::Done)
}

fn discard(config: &Config, namespace: &Namespace, yes: bool, output: Output) -> Result<CommandOutcome> {
    if !yes {
        let replay = Replay::load(config, namespace)?;
        return Err(RuntimeError::Precondition {
            what: format!("discarding replay {namespace} with the games of {}", replay.dates),
            reason: "it cannot be taken back".into(),
            next: format!("`fastbreak replay discard {namespace} --yes`"),
        }
        .into());
    }
    #[derive(Serialize)]
    struct Discarded {
        namespace: String,
        removed: Vec<String>,
    }
    let removed = replay::discard(config, namespace)?;
    output::print(output, &Discarded { namespace: namespace.to_string(), removed }, |discarded| {
        format!("replay {} is gone: {}", discarded.namespace, discarded.removed.join(", "))
    })?;
    Ok(CommandOutcome::Done)
}
