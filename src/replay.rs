//! Replays: reprocess the raw topics from offset 0 into an isolated namespace (topics, consumer groups, warehouse).
//!
//! The folder of a namespace contains a manifest with the dates of the games that the replay writes to its warehouse, the kind of
//! warehouse, and the consumer groups of the last run.
//! Invariant: no live topic, live consumer group or live warehouse is changed; dates and warehouse of a namespace never change.
//! Not here: the log of a namespace (crates `runtime-kafka` and `runtime-embedded`), comparing rows (crate `sinks`), status of a replay
//! (`status`), output (`cli`).
mod diff;
mod discard;
mod manifest;
mod namespace_topics;
mod progress;
mod report;
mod status;

pub use diff::{DiffReport, diff};
pub use discard::{Discarded, discard};
pub use progress::{ProgressListener, ProgressReport};
pub use report::{ListedReplay, ReplayReport, list};
pub use status::ReplayStatus;

use crate::{
    app::App, namespace::Namespace, pipeline::Pipeline, precondition::refused, sink_target::SinkTarget,
    usage_error::UsageError,
};
use anyhow::Result;
use manifest::{Replay, subscriptions_of};
use progress::ProgressSampler;
use runtime::{
    LogBackend, ProcessorNode,
    engine::{AcceptedRecords, DlqLimits},
    inspect,
    subscription::RunContext,
};
use sinks::DateRange;
use std::{sync::Arc, time::Instant};

/// The replay to start or resume.
pub struct ReplayRequest<'a> {
    pub namespace: &'a Namespace,
    /// The games of these dates are written to the replay's warehouse.
    pub dates: DateRange,
    /// The processors to run.
    pub nodes: Vec<Box<dyn ProcessorNode>>,
}

/// Opens the log of a replay, for reading.
///
/// # Errors
/// [`runtime::RuntimeError::Precondition`] if there is no such replay; if the log cannot be opened.
pub fn open_log_read_only(app: &App, namespace: &Namespace) -> Result<Box<dyn LogBackend>> {
    Replay::load(app, namespace)?;
    app.open_replay_log_read_only(namespace)
}

/// Starts or resumes a replay, and runs it until it has caught up or the run context stops.
///
/// # Errors
/// If the replay was started with other dates or another warehouse, another process runs it, a raw topic is missing, or a processor
/// fails.
pub fn run(
    app: &App,
    request: ReplayRequest<'_>,
    run_context: Arc<RunContext>,
    listener: ProgressListener<'_>,
) -> Result<ReplayReport> {
    let started = Instant::now();
    let ReplayRequest { namespace, dates, mut nodes } = request;
    ensure_resumable(app, namespace, dates)?;
    if let Some(kafka_config) = app.log_target().replay_kafka(namespace) {
        // The raw topics must exist before a topic of the namespace is created.
        let raw = topics::ALL.iter().map(|topic| topic.name).filter(|name| topics::is_raw(name));
        app.open_log_read_only()?.beginning_offsets(&raw.collect::<Vec<_>>())?;
        namespace_topics::create_missing(app.topic_specs(), &kafka_config)?;
    }
    let mut storage = app.open_replay_log(namespace)?;
    storage.acquire_run_lock()?;
    let subscriptions = subscriptions_of(&nodes);
    let replay = Replay::new(namespace, dates, app.warehouse().kind(), &subscriptions);
    replay.save(app)?;
    // The live processors have passed these records already, so unusable ones among them were accepted.
    nodes.iter_mut().for_each(|node| node.set_dlq_limits(DlqLimits::OFF));
    let sink = Some(SinkTarget {
        warehouse: app.replay_warehouse(namespace),
        dates: Some(dates),
        accepted: AcceptedRecords::default(),
    });
    let pipeline = Pipeline { storage, nodes, sink, until_caught_up: true };
    let mut sampler = ProgressSampler::new(listener);
    let running = pipeline.start(app.pipeline_limits(), run_context)?;
    running.watch(|storage| sampler.sample_if_due(storage, &subscriptions))?;
    ReplayReport::new(app, &replay, Some(started))
}

/// Checks that the live log has a game on these dates, if it has games at all: without one, the replay would compare nothing.
fn ensure_has_games(app: &App, dates: DateRange) -> Result<()> {
    let games = inspect::table(app.open_log_read_only()?.as_mut(), &topics::GAMES, |_| true)?;
    let (first, last) = (games.iter().map(|game| game.date).min(), games.iter().map(|game| game.date).max());
    match first.zip(last) {
        Some((first, last)) if !games.iter().any(|game| dates.contains(game.date)) => Err(refused(
            format!("a replay with the games of {dates}"),
            format!("there is no game on these dates; the log has games of {first} to {last}"),
            "choose other dates",
        )
        .into()),
        _ => Ok(()),
    }
}

/// Checks that the last date is not before the first, and that the dates equal those of the namespace's earlier runs.
fn ensure_resumable(app: &App, namespace: &Namespace, dates: DateRange) -> Result<()> {
    if dates.from > dates.to {
        let (from, to) = (dates.from, dates.to);
        return Err(UsageError::new(
            format!("--to {to} is before --from {from}"),
            format!("swap the dates: `--from {to} --to {from}`"),
        )
        .into());
    }
    let Some(replay) = Replay::find(app, namespace)? else { return ensure_has_games(app, dates) };
    replay.ensure_same_warehouse(app)?;
    if replay.dates == dates {
        return Ok(());
    }
    Err(refused(
        format!("replay {namespace} with the games of {dates}"),
        format!(
            "the replay was started with the games of {}, and its warehouse contains only those games",
            replay.dates
        ),
        format!(
            "`{}` resumes it, `fastbreak replay discard {namespace} --yes` deletes it, another --namespace starts a second replay",
            replay.command()
        ),
    ).into())
}
