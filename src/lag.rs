//! Samples of the consumer lag and the dead letters of every processor of the topology, taken without contact to the running processors.
//!
//! Invariant: read-only; it joins no consumer group. `fastbreak lag`, the console and the metrics all take their samples with this module.
//! Not here: assessing the lag (`runtime::lag`).
mod feeds;

pub use feeds::FeedReport;

use crate::app::App;
use anyhow::Result;
use feeds::FeedTimes;
use runtime::{
    LogBackend, clock,
    engine::dlq_topic,
    lag::{LagMonitor, ProcessorLag, Status},
    subscription::Subscription,
};
use serde::Serialize;
use sinks::SINK;
use std::{collections::BTreeMap, time::Duration};
use topics::Offsets;

/// Pause between two lag samples of `fastbreak lag --watch` and of the console.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(2);
/// Number of samples that [`lag`] takes if there are unread records: trend and catch-up time need three samples.
const MAX_SAMPLES: usize = 3;
/// Pause between the samples of [`lag`].
const SHORT_SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The lag of each processor, and an upper bound for the number of records in its dead-letter topic; and the newest event of each feed.
#[derive(Serialize)]
pub struct LagReport {
    pub log: String,
    pub processors: Vec<ProcessorReport>,
    pub feeds: Vec<FeedReport>,
}
impl LagReport {
    /// Returns the processors that have one of these statuses.
    pub fn with_status<'a>(&'a self, statuses: &'a [Status]) -> impl Iterator<Item = &'a ProcessorLag> {
        let lags = self.processors.iter().map(|processor| &processor.lag);
        lags.filter(|lag| statuses.contains(&lag.lag.status))
    }
}

/// The processors that a report has: those with one of the names or statuses; all, if there are neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LagFilter {
    pub names: Vec<String>,
    pub statuses: Vec<Status>,
}
impl LagFilter {
    fn matches(&self, lag: &ProcessorLag) -> bool {
        let is_all = self.names.is_empty() && self.statuses.is_empty();
        is_all
            || self.names.iter().any(|name| name == lag.processor)
            || self.statuses.contains(&lag.lag.status)
    }
}

/// The lag of one processor.
#[derive(Serialize)]
pub struct ProcessorReport {
    #[serde(flatten)]
    pub lag: ProcessorLag,
    pub dead_letters: i64,
}

/// One sample of all processors, upstream first, and of the sink.
pub struct LagSample {
    pub lags: Vec<ProcessorLag>,
    /// Upper bound for the number of dead letters, by processor.
    pub dead_letters: BTreeMap<String, i64>,
}

/// Samples the lag of all processors, with a connection of its own to the log.
pub struct LagSampler {
    log: Box<dyn LogBackend>,
    subscriptions: Vec<Subscription>,
    monitor: LagMonitor,
    feed_times: FeedTimes,
}
impl LagSampler {
    /// Connects to the log.
    ///
    /// # Errors
    /// If the configured model artifact cannot be loaded or the log cannot be opened.
    pub fn new(app: &App) -> Result<LagSampler> {
        let subscriptions = app.subscriptions()?.to_vec();
        let monitor = LagMonitor::new([(SINK, app.pipeline_limits().sink_batch.age_ms)]);
        let feed_times = FeedTimes::default();
        Ok(LagSampler { log: app.open_log_read_only()?, subscriptions, monitor, feed_times })
    }
    /// Returns the name of the log, to be shown to an operator.
    pub fn log_name(&self) -> String {
        self.log.name()
    }
    /// Takes one sample.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn sample(&mut self) -> Result<LagSample> {
        let lag_snapshot = self.log.progress(&self.subscriptions)?;
        let lags = self.monitor.sample(clock::now().0, &lag_snapshot);
        let topics: Vec<&str> =
            self.subscriptions.iter().map(|subscription| dlq_topic(subscription.name)).collect();
        let (starts, ends) = (self.log.beginning_offsets(&topics)?, self.log.end_offsets(&topics)?);
        let names = self.subscriptions.iter().map(|subscription| subscription.name.to_owned());
        let counts = topics.iter().map(|topic| offset_count(topic, &starts, &ends));
        Ok(LagSample { lags, dead_letters: names.zip(counts).collect() })
    }
    /// Takes one sample and returns it as a report.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn report(&mut self, filter: &LagFilter) -> Result<LagReport> {
        let LagSample { lags, dead_letters } = self.sample()?;
        let processors = lags.into_iter().filter(|lag| filter.matches(lag)).map(|lag| {
            let dead_letters = dead_letters.get(lag.processor).copied().unwrap_or(0);
            ProcessorReport { lag, dead_letters }
        });
        let feeds = self.feed_times.report(self.log.as_mut(), clock::now())?;
        Ok(LagReport { log: self.log_name(), processors: processors.collect(), feeds })
    }
}

/// Returns the number of offsets of a topic that are still stored.
fn offset_count(topic: &str, starts: &Offsets, ends: &Offsets) -> i64 {
    let ends = ends.iter().filter(|(partition, _)| partition.topic == topic);
    ends.map(|(partition, end)| end - starts.get(partition).copied().unwrap_or(0)).sum()
}

/// Samples the lag until trend and catch-up time are known; once if there are no unread records.
///
/// # Errors
/// If the configured model artifact cannot be loaded or the log cannot be read.
pub fn lag(app: &App, filter: &LagFilter) -> Result<LagReport> {
    let mut sampler = LagSampler::new(app)?;
    let mut report = sampler.report(filter)?;
    for _ in 1..MAX_SAMPLES {
        if report.processors.iter().all(|processor| processor.lag.lag.records == 0) {
            break;
        }
        std::thread::sleep(SHORT_SAMPLE_INTERVAL);
        report = sampler.report(filter)?;
    }
    Ok(report)
}
