//! One sample of the consumer lag and the dead letters of every processor of the topology.
//!
//! Invariant: `fastbreak lag`, the console and the metrics all take their samples with this module.
//! Not here: assessing the lag (`runtime::lag`).
use anyhow::Result;
use runtime::{
    LogBackend, clock,
    engine::dlq_topic,
    lag::{LagMonitor, ProcessorLag},
    subscription::Subscription,
};
use std::{collections::BTreeMap, time::Duration};

/// Pause between two lag samples of `fastbreak lag --watch` and of the console.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);

/// Samples the lag of each processor, and an upper bound for the number of records in its dead-letter topic.
///
/// # Errors
/// If the log cannot be read.
pub fn sample(
    log: &mut dyn LogBackend,
    subscriptions: &[Subscription],
    monitor: &mut LagMonitor,
) -> Result<(Vec<ProcessorLag>, BTreeMap<String, i64>)> {
    let lag_snapshot = log.progress(subscriptions)?;
    let lags = monitor.sample(clock::now().0, &lag_snapshot);
    let topics: Vec<&str> = subscriptions.iter().map(|subscription| dlq_topic(subscription.name)).collect();
    let (starts, ends) = (log.beginning_offsets(&topics)?, log.end_offsets(&topics)?);
    let dead_letters = subscriptions.iter().zip(&topics).map(|(subscription, topic)| {
        let ends = ends.iter().filter(|(partition, _)| partition.topic == *topic);
        let dead_letters =
            ends.map(|(partition, end)| end - starts.get(partition).copied().unwrap_or(0)).sum();
        (subscription.name.to_owned(), dead_letters)
    });
    Ok((lags, dead_letters.collect()))
}
