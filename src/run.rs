//! Run: all processors and the sink on the live log, until stopped or caught up.
//!
//! Invariant: an unknown name in `only` is an error before anything starts.
//! Not here: the pipeline (`pipeline`), messages to the service manager (`service_notification`), signals and the status line (`cli`).
mod status_log;

use crate::{
    app::{App, ConsoleSettings},
    http_server::{self, ConsoleServer},
    pipeline::{Pipeline, Running},
    read_progress::{ReadEstimate, ReadEstimator, ReadProgress},
    service_notification::{self, Watchdog},
    sink_target::SinkTarget,
    topology::UnknownProcessor,
};
use anyhow::Result;
use runtime::{
    LogBackend,
    engine::AcceptedRecords,
    inspect,
    subscription::{RunContext, Subscription},
};
use serde::Serialize;
use status_log::StatusLog;
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};
use topics::TopicInfo;

/// What to run, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions<'a> {
    /// True if the run ends when every processor and the sink have caught up.
    pub until_caught_up: bool,
    /// Names of the processors to run; empty for all processors and the sink.
    pub only: &'a [String],
    /// Names of the processors that accept any number of unusable records among those that are in the log when the run starts.
    pub accept_dead_letters: &'a [String],
}

/// The record counts that a run committed, by processor.
#[derive(Serialize)]
pub struct RunReport {
    pub seconds: f64,
    pub processors: Vec<CommittedCounts>,
}
/// The record counts of one processor.
#[derive(Serialize)]
pub struct CommittedCounts {
    pub processor: String,
    pub read: i64,
    pub published: i64,
    pub parked: i64,
    pub rejected: i64,
}

/// Progress of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunProgress {
    pub estimate: ReadEstimate,
    /// End offsets of three tables, each summed over its partitions.
    pub player_games: i64,
    pub candidates: i64,
    pub predictions: i64,
}

/// Receives the events of a run.
pub trait RunObserver {
    /// The default address of the console is not available; the run has no console.
    fn console_unavailable(&mut self, address: SocketAddr);
    /// The processors have started. The observer serves the console, if there is one, and may stop the run context.
    ///
    /// # Errors
    /// If the console cannot be served; the run then ends with this error.
    fn started(&mut self, console: Option<ConsoleServer>, run_context: Arc<RunContext>) -> Result<()>;
    /// Returns the interval of calls of [`progress`](Self::progress); `None` for no calls.
    fn progress_interval(&self) -> Option<Duration>;
    fn progress(&mut self, progress: RunProgress);
}

/// Runs the topology and returns the record counts that were committed.
///
/// # Errors
/// If a name in `only` is unknown, the log or the console's address is not available, or a processor or the sink fails.
pub fn run(app: &App, options: RunOptions<'_>, observer: &mut dyn RunObserver) -> Result<RunReport> {
    let started = Instant::now();
    let watchdog = Watchdog::from_environment()?;
    let mut log = app.open_log()?;
    let ledger_end = inspect::ledger_end(log.as_mut())?;
    run_pipeline(app, options, observer, watchdog)?;
    let ledger = inspect::ledger_totals(log.as_mut(), ledger_end)?;
    let processors = ledger.into_iter().map(|((processor, _), entry)| CommittedCounts {
        processor,
        read: entry.read,
        published: entry.published,
        parked: entry.parked,
        rejected: entry.rejected,
    });
    Ok(RunReport { processors: processors.collect(), seconds: started.elapsed().as_secs_f64() })
}

/// Runs the topology on the live log and the live warehouse; its loop notifies the watchdog.
///
/// # Errors
/// If a name in `only` is unknown, the log or the console's address is not available, or a processor or the sink fails.
pub fn run_pipeline(
    app: &App,
    options: RunOptions<'_>,
    observer: &mut dyn RunObserver,
    watchdog: Watchdog,
) -> Result<()> {
    let RunOptions { until_caught_up, only, accept_dead_letters } = options;
    let mut nodes = app.build_processors()?;
    let names: Vec<&str> = nodes.iter().map(|node| node.name()).chain([sinks::SINK]).collect();
    ensure_known(only, &names)?;
    let with_dlq = nodes.iter().filter(|node| node.kind().has_dlq()).map(|node| node.name());
    ensure_known(accept_dead_letters, &with_dlq.chain([sinks::SINK]).collect::<Vec<_>>())?;
    let is_selected = |name: &str| only.is_empty() || is_named(only, name);
    let mut storage = app.open_log()?;
    nodes.retain(|node| is_selected(node.name()));
    for node in &mut nodes {
        node.set_dlq_limits(app.pipeline_limits().dlq);
        if is_named(accept_dead_letters, node.name()) {
            node.accept_records(stored_records(storage.as_mut(), &node.inputs())?);
        }
    }
    let run_context = Arc::new(RunContext::default());
    let listener = bind_console(app.console(), until_caught_up, observer)?;
    let accepted = if is_named(accept_dead_letters, sinks::SINK) {
        stored_records(storage.as_mut(), &sinks::subscription::INPUTS)?
    } else {
        AcceptedRecords::default()
    };
    let sink = is_selected(sinks::SINK).then(|| SinkTarget {
        warehouse: app.warehouse().clone(),
        dates: None,
        accepted,
    });
    let mut subscriptions = Subscription::from_nodes(&nodes);
    if sink.is_some() {
        subscriptions.push(sinks::subscription::subscription(&subscriptions));
    }
    let processors = subscriptions.iter().map(|subscription| subscription.name).collect();
    let log_name = storage.name();
    let pipeline = Pipeline { storage, nodes, sink, until_caught_up };
    let running = pipeline.start(app.pipeline_limits(), run_context.clone())?;
    let server = listener.map(|listener| http_server::start(app, listener, processors, &run_context));
    let server = server.transpose()?;
    let address = server.as_ref().map(|server| server.address);
    let status_log = StatusLog::start(app, &log_name, subscriptions.clone(), address);
    observer.started(server, run_context)?;
    service_notification::ready()?;
    watch(running, observer, (&subscriptions, status_log), watchdog)
}

fn is_named(names: &[String], name: &str) -> bool {
    names.iter().any(|selected| selected == name)
}
fn ensure_known(names: &[String], known: &[&str]) -> Result<(), UnknownProcessor> {
    let unknown = names.iter().find(|name| !known.contains(&name.as_str()));
    unknown.map_or(Ok(()), |unknown| Err(UnknownProcessor::new(unknown, known)))
}
/// Returns the records that are in these topics now.
fn stored_records(log: &mut dyn LogBackend, topics: &[TopicInfo]) -> Result<AcceptedRecords> {
    let names: Vec<&str> = topics.iter().map(|topic| topic.name).collect();
    Ok(AcceptedRecords::below(log.end_offsets(&names)?))
}

/// Binds the console's address. A run that ends when it has caught up has a console only if the address is set explicitly.
fn bind_console(
    ConsoleSettings { address, is_explicit, .. }: &ConsoleSettings,
    until_caught_up: bool,
    observer: &mut dyn RunObserver,
) -> Result<Option<TcpListener>> {
    let Some(address) = address.filter(|_| *is_explicit || !until_caught_up) else { return Ok(None) };
    match http_server::bind(address) {
        Err(_) if !*is_explicit => {
            observer.console_unavailable(address);
            Ok(None)
        }
        bound => bound.map(Some),
    }
}

/// Blocks until the run ends, and tells the service manager that the loop is not stuck. Progress is that of the processors and the sink with these subscriptions.
fn watch(
    running: Running,
    observer: &mut dyn RunObserver,
    (subscriptions, mut status_log): (&[Subscription], Option<StatusLog>),
    mut watchdog: Watchdog,
) -> Result<()> {
    let interval = observer.progress_interval();
    let mut sampled_at: Option<Instant> = None;
    let mut estimator = ReadEstimator::default();
    running.watch(|log| {
        watchdog.notify_if_due();
        if let Some(status_log) = &mut status_log {
            status_log.sample_if_due(log);
        }
        let is_due = |interval| sampled_at.is_none_or(|sampled_at| sampled_at.elapsed() > interval);
        if interval.is_some_and(is_due) {
            sampled_at = Some(Instant::now());
            if let Some(progress) = sample_progress(log, subscriptions, &mut estimator) {
                observer.progress(progress);
            }
        }
    })
}

/// Reads the progress of a run; `None` if the log cannot be read at the moment.
fn sample_progress(
    log: &mut dyn LogBackend,
    subscriptions: &[Subscription],
    estimator: &mut ReadEstimator,
) -> Option<RunProgress> {
    let topics @ [player_games, candidates, predictions] =
        [topics::PLAYER_GAMES.info, topics::SLATE_ENTRIES.info, topics::PREDICTIONS.info].map(|t| t.name);
    let read_progress = ReadProgress::of(&log.progress(subscriptions).ok()?);
    let ends = log.end_offsets(&topics).ok()?;
    let end_offsets = |topic: &str| -> i64 {
        ends.iter().filter(|(partition, _)| partition.topic == topic).map(|(_, end)| end).sum()
    };
    Some(RunProgress {
        estimate: estimator.estimate(read_progress, Instant::now()),
        player_games: end_offsets(player_games),
        candidates: end_offsets(candidates),
        predictions: end_offsets(predictions),
    })
}
