//! Status of a replay: its progress, and the number of raw records by which it is behind the live processors.
//!
//! Invariant: read-only; it joins no consumer group.
//! Not here: comparing rows (crate `sinks`).
use super::manifest::Replay;
use crate::{
    app::App,
    precondition::refused,
    read_progress::{ReadCount, ReadProgress},
    topology::versioned_group,
};
use anyhow::Result;
use runtime::{LogBackend, engine::ProcessorKind, inspect, lag, subscription::Subscription};
use schemas::{Timestamp, raw::RawEvent, wire};
use serde::Serialize;
use std::collections::BTreeMap;

/// Reads the fetch time of the oldest unread raw event; `None` if all raw events are read.
///
/// # Errors
/// If the log cannot be read.
pub(super) fn event_time(
    log: &mut dyn LogBackend,
    lag_snapshot: &[lag::ProcessorProgress],
) -> Result<Option<Timestamp>> {
    let mut oldest: Option<Timestamp> = None;
    for partition in lag_snapshot.iter().flat_map(|processor| &processor.partitions) {
        let Some(unread) = partition.unread.filter(|_| topics::is_raw(partition.topic.name)) else {
            continue;
        };
        let record_batches = log.read(partition.topic_partition(), unread.offset, 1)?;
        let Some(record) = record_batches.iter().flat_map(|record_batch| record_batch.records()).next()
        else {
            continue;
        };
        if let Some(bytes) = record?.value {
            let fetched_at = wire::decode::<RawEvent>(bytes)?.fetched_at;
            oldest = Some(oldest.map_or(fetched_at, |oldest| oldest.min(fetched_at)));
        }
    }
    Ok(oldest)
}

/// Status of a replay, compared with the live processors.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayStatus {
    #[serde(flatten)]
    pub progress: ReadProgress,
    /// True if the replay's processors have processed every record that the replay's loaders have emitted, and its sink has written all
    /// resulting rows.
    pub caught_up: bool,
    /// By raw topic, the number of records that the live loaders have read and the replay's loaders have not.
    pub behind: BTreeMap<String, i64>,
    /// True if the live processors and the live sink have caught up. If not, a difference that `replay diff` finds may be due to a record
    /// that they have not processed yet.
    pub live_caught_up: bool,
}

/// Determines the status of a replay.
///
/// # Errors
/// If a log cannot be read.
pub(super) fn status(app: &App, replay: &Replay) -> Result<ReplayStatus> {
    let (mut live_log, mut replay_log) =
        (app.open_log_read_only()?, app.open_replay_log_read_only(&replay.namespace)?);
    let subscriptions = replay.subscriptions();
    let live_subscriptions = live_subscriptions(live_log.as_mut(), &subscriptions)?;
    let mut behind = BTreeMap::new();
    for (subscription, live_subscription) in subscriptions.iter().zip(&live_subscriptions) {
        let inputs = subscription.inputs.iter().map(|input| input.name);
        let raw: Vec<&str> = inputs.filter(|name| topics::is_raw(name)).collect();
        let committed = replay_log.committed_offsets(&subscription.group, &raw)?;
        let live_committed = live_log.committed_offsets(&live_subscription.group, &raw)?;
        for (topic_partition, next) in live_committed {
            let missing = next - committed.get(&topic_partition).copied().unwrap_or(0);
            if missing > 0 {
                *behind.entry(topic_partition.topic.to_owned()).or_default() += missing;
            }
        }
    }
    let progress = ReadProgress::of(&replay_log.progress(&subscriptions)?);
    let mut downstream = subscriptions;
    for subscription in &mut downstream {
        subscription.inputs.retain(|input| !topics::is_raw(input.name));
    }
    Ok(ReplayStatus {
        progress,
        caught_up: replay_log.is_caught_up(&downstream)?,
        behind,
        live_caught_up: live_log.is_caught_up(&live_subscriptions)?,
    })
}

/// Returns the subscriptions of the live processors. The group name of a stateless processor contains its version. This version is read
/// from the processor's latest ledger entry, since the live processors may run another release than this program.
fn live_subscriptions(
    live_log: &mut dyn LogBackend,
    subscriptions: &[Subscription],
) -> Result<Vec<Subscription>> {
    let versions = inspect::newest_versions(live_log)?;
    let mut live_subscriptions = subscriptions.to_vec();
    let is_versioned = |subscription: &&mut Subscription| subscription.kind == ProcessorKind::Stateless;
    for subscription in live_subscriptions.iter_mut().filter(is_versioned) {
        if let Some(version) = versions.get(subscription.name) {
            subscription.group = versioned_group(subscription.name, *version);
        }
    }
    Ok(live_subscriptions)
}

/// Checks that a replay can be compared with the live warehouse.
///
/// # Errors
/// `Precondition` with the reasons if the replay is behind the live loaders or has not caught up.
pub(super) fn ensure_comparable(replay: &Replay, status: &ReplayStatus) -> Result<()> {
    let mut reasons: Vec<String> = status
        .behind
        .iter()
        .map(|(topic, records)| {
            format!("the replay has not read {records} records of {topic} yet that the live loader has read")
        })
        .collect();
    if !status.caught_up {
        let ReadCount { read, of } = status.progress.derived;
        reasons.push(format!("the replay has processed only {read} of {of} derived records"));
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let what = format!("comparing replay {}", replay.namespace);
    Err(refused(what, reasons.join("; "), format!("`{}` resumes it", replay.command())).into())
}
