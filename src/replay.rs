//! Replays: reprocess the raw topics from offset 0 into an isolated namespace (topics, consumer groups, warehouse).
//!
//! The folder of a namespace contains a manifest with the dates of the games that the replay writes to its warehouse, the kind of
//! warehouse, and the consumer groups of the last run.
//! Invariant: no live topic, live consumer group or live warehouse is changed; dates and warehouse of a namespace never change.
//! Not here: the log of a namespace (crate `runtime`), comparing rows (crate `sinks`), status of a replay (`status`), output (`cli`).
mod manifest;
mod namespace_topics;
mod status;

pub use manifest::Replay;
pub use status::{ReadCount, ReplayProgress, ReplayStatus, ensure_comparable, event_time, progress, status};

use crate::{
    app::App,
    namespace::Namespace,
    pipeline::Pipeline,
    sink_target::SinkTarget,
    warehouse::{self, WarehouseTarget},
};
use anyhow::{Context, Result};
use manifest::{refused, subscriptions_of};
use runtime::{
    LogBackend, ProcessorNode,
    subscription::{RunContext, Subscription},
};
use sinks::DateRange;
use std::sync::Arc;

/// Starts or resumes a replay and runs it until it has caught up or the run context stops; calls `each` periodically.
///
/// # Errors
/// If the replay was started with other dates or another warehouse, another process runs it, a raw topic is missing, or a processor
/// fails.
pub fn run(
    app: &App,
    (namespace, dates): (&Namespace, DateRange),
    nodes: Vec<Box<dyn ProcessorNode>>,
    run_context: Arc<RunContext>,
    mut each: impl FnMut(&mut dyn LogBackend, &[Subscription]),
) -> Result<Replay> {
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
    let sink = Some(SinkTarget { warehouse: app.replay_warehouse(namespace), dates: Some(dates) });
    let pipeline = Pipeline { storage, nodes, sink, until_caught_up: true };
    pipeline.start(app.pipeline_limits(), run_context)?.watch(|storage| each(storage, &subscriptions))?;
    Ok(replay)
}

/// Checks that the last date is not before the first, and that the dates equal those of the namespace's earlier runs.
fn ensure_resumable(app: &App, namespace: &Namespace, dates: DateRange) -> Result<()> {
    if dates.from > dates.to {
        let (from, to) = (dates.from, dates.to);
        return Err(refused(
            format!("a replay from {from} to {to}"),
            "--to is before --from",
            format!("swap the dates: `--from {to} --to {from}`"),
        ));
    }
    let Some(replay) = Replay::find(app, namespace)? else { return Ok(()) };
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
    ))
}

/// Deletes topics, consumer groups, warehouse and folder of a namespace and returns what was deleted.
///
/// # Errors
/// If there is no such replay, it was started with another warehouse, or a deletion fails; another call then deletes the rest.
pub fn discard(app: &App, namespace: &Namespace) -> Result<Vec<String>> {
    let folder = app.replay_folder(namespace);
    let replay = Replay::find(app, namespace)?;
    if let Some(replay) = &replay {
        replay.ensure_same_warehouse(app)?;
    }
    let mut removed = app.discard_replay_log(namespace)?;
    let target = app.replay_warehouse(namespace);
    if let (Some(_), WarehouseTarget::Dataset(options)) = (replay, &target) {
        warehouse::connect(options)?.discard()?;
        removed.push(target.name());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        removed.push(folder.display().to_string());
    }
    if removed.is_empty() {
        Replay::load(app, namespace)?;
    }
    Ok(removed)
}
