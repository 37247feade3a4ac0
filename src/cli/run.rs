//! `run`: run the processors and the sink until stopped or caught up.
//!
//! Invariant: an unknown name in `--only` is a usage error before anything starts.
//! Not here: the pipeline (`pipeline`), signals (`signals`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
    signals,
};
use crate::{
    app::App,
    http_server,
    pipeline::{Pipeline, Running},
    sink_target::SinkTarget,
    stderr::eprint_line,
    topology,
};
use anyhow::Result;
use console::Console;
use indicatif::ProgressBar;
use runtime::{
    LogBackend, inspect,
    subscription::{RunContext, Subscription},
};
use serde::Serialize;
use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

/// Pause between two updates of the status line.
const STATUS_LINE_INTERVAL: Duration = Duration::from_millis(200);

/// The record counts that a run committed, by processor.
#[derive(Serialize)]
struct Report {
    seconds: f64,
    processors: Vec<CommittedCounts>,
}
#[derive(Serialize)]
struct CommittedCounts {
    processor: String,
    read: i64,
    published: i64,
    parked: i64,
    rejected: i64,
}

pub fn run(app: &App, until_caught_up: bool, only: &[String], output: Output) -> Result<CommandOutcome> {
    let started = Instant::now();
    let mut log = app.open_log()?;
    let ledger_end = inspect::ledger_end(log.as_mut())?;
    run_pipeline(app, until_caught_up, only)?;
    let ledger = inspect::ledger_totals(log.as_mut(), ledger_end)?;
    let processors = ledger.into_iter().map(|((processor, _), entry)| CommittedCounts {
        processor,
        read: entry.read,
        published: entry.published,
        parked: entry.parked,
        rejected: entry.rejected,
    });
    let report = Report { seconds: started.elapsed().as_secs_f64(), processors: processors.collect() };
    output::print(output, &report, |report| show(report, until_caught_up))?;
    Ok(CommandOutcome::Done)
}

fn show(report: &Report, until_caught_up: bool) -> String {
    if report.processors.is_empty() {
        let reason = if until_caught_up { ": all records were already processed" } else { "" };
        return format!("nothing new was committed in {:.1} s{reason}", report.seconds);
    }
    let rows = report.processors.iter().map(|counts| {
        let numbers = [counts.read, counts.published, counts.parked, counts.rejected];
        let [read, published, parked, rejected] = numbers.map(|number| number.to_string());
        [counts.processor.clone(), read, published, parked, rejected]
    });
    let table = output::table(["processor", "read", "published", "parked", "rejected"], rows);
    format!("{table}\ncommitted in {:.1} s", report.seconds)
}

/// Runs the topology on the configured log: all processors and the sink, or only those in `only`.
///
/// # Errors
/// If a name in `only` is unknown, the log or the console's address is not available, or a processor or the sink fails.
pub fn run_pipeline(app: &App, until_caught_up: bool, only: &[String]) -> Result<()> {
    let mut nodes = app.build_processors()?;
    let names: Vec<&str> = nodes.iter().map(|node| node.name()).chain([sinks::SINK]).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(topology::UnknownProcessor::new(unknown, &names).into());
    }
    let is_selected = |name: &str| only.is_empty() || only.iter().any(|selected| selected == name);
    nodes.retain(|node| is_selected(node.name()));
    for node in &mut nodes {
        node.set_dlq_limits(app.pipeline_limits().dlq);
    }
    let run_context = Arc::new(RunContext::default());
    let subscriptions = Subscription::from_nodes(&nodes);
    let processors = subscriptions.iter().map(|subscription| subscription.name).collect();
    let listener = bind_console(app, until_caught_up)?;
    let sink =
        is_selected(sinks::SINK).then(|| SinkTarget { warehouse: app.warehouse().clone(), dates: None });
    let pipeline = Pipeline { storage: app.open_log()?, nodes, sink, until_caught_up };
    let running = pipeline.start(app.pipeline_limits(), run_context.clone())?;
    let console = listener.map(|listener| -> Result<(TcpListener, Console)> {
        let address = listener.local_addr()?;
        let console = http_server::start(app, processors, &run_context)?;
        eprint_line(&format!("console: http://{address}"));
        Ok((listener, console))
    });
    signals::listen(console.transpose()?, run_context)?;
    watch(running)
}

/// Binds the console's address. A run with `--until-caught-up` has a console only if `console` is set.
fn bind_console(app: &App, until_caught_up: bool) -> Result<Option<TcpListener>> {
    if until_caught_up && !app.console().is_explicit { Ok(None) } else { http_server::bind(app.console()) }
}

/// Blocks until the run ends and updates the status line.
fn watch(running: Running) -> Result<()> {
    let progress = output::spinner();
    let mut updated = Instant::now();
    running.watch(|log| {
        if updated.elapsed() > STATUS_LINE_INTERVAL && !progress.is_hidden() {
            updated = Instant::now();
            update_status_line(&progress, log);
        }
    })?;
    progress.finish_and_clear();
    Ok(())
}

fn update_status_line(progress: &ProgressBar, log: &mut dyn LogBackend) {
    let topics @ [games, candidates, predictions] =
        [topics::PLAYER_GAMES.info, topics::SLATE_ENTRIES.info, topics::PREDICTIONS.info].map(|t| t.name);
    if let Ok(ends) = log.end_offsets(&topics) {
        let end_offsets = |topic: &str| -> i64 {
            ends.iter().filter(|(partition, _)| partition.topic == topic).map(|(_, end)| end).sum()
        };
        progress.set_message(format!(
            "{} player games · {} candidates · {} predictions",
            end_offsets(games),
            end_offsets(candidates),
            end_offsets(predictions)
        ));
        progress.tick();
    }
}
