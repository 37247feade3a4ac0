//! One look at the lag of every processor of the topology, and at its dead letters.
//!
//! Invariant: `fastbreak lag`, the console and the metrics look in this one way.
//! Not here: what a lag means (`runtime::lag`).
use crate::{config::Config, sink, topology};
use anyhow::Result;
use runtime::{
    LogBackend,
    engine::dlq_topic,
    lag::{LagMonitor, ProcessorLag},
    subscription::Subscription,
};
use std::collections::BTreeMap;

/// Every reader of the topology, the sink included, upstream first.
pub fn subscriptions(config: &Config) -> Result<Vec<Subscription>> {
    let mut subscriptions = Subscription::from_nodes(&topology::topology(crate::cli::predictor(config)?));
    subscriptions.push(sink::reader(&subscriptions));
    Ok(subscriptions)
}

/// How everyone does, and each one's dead letters.
pub fn sample(
    log: &mut dyn LogBackend,
    subscriptions: &[Subscription],
    watch: &mut LagMonitor,
) -> Result<(Vec<ProcessorLag>, BTreeMap<String, i64>)> {
    let lag_snapshot = log.progress(subscriptions)?;
    let lags = watch.sample(runtime::clock::now().0, &lag_snapshot);
    let topics: Vec<&str> = subscriptions.iter().map(|subscription| dlq_topic(subscription.name)).collect();
    let (starts, ends) = (log.beginning_offsets(&topics)?, log.end_offsets(&topics)?);
    let dead_letters = subscriptions.iter().zip(&topics).map(|(subscription, topic)| {
        let of_topic = ends.iter().filter(|(partition, _)| partition.topic == *topic);
        let dead_letters = of_topic.map(|(at, end)| end - starts.get(at).copied().unwrap_or(0)).sum();
        (subscription.name.to_owned(), dead_letters)
    });
    Ok((lags, dead_letters.collect()))
}
