//! Samples the progress of a running replay.
//!
//! Invariant: a failed sample is skipped; it never stops the replay.
//! Not here: the read counts and the estimate (`read_progress`), the status line (`cli::replay`).
use super::status::event_time;
use crate::read_progress::{ReadEstimate, ReadEstimator, ReadProgress};
use anyhow::Result;
use runtime::{LogBackend, subscription::Subscription};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Progress of a running replay.
#[derive(Serialize)]
pub struct ProgressReport {
    /// `progress`; it tells the lines of progress from other lines.
    pub event: &'static str,
    #[serde(flatten)]
    pub progress: ReadProgress,
    pub raw_percent: f64,
    pub derived_percent: f64,
    /// Fetch time of the oldest unread raw event, in RFC 3339.
    pub event_time: Option<String>,
    #[serde(flatten)]
    pub estimate: ReadEstimate,
}

/// Receives the progress of a replay, at most once per interval.
pub struct ProgressListener<'a> {
    pub interval: Duration,
    pub on_progress: &'a mut dyn FnMut(&ProgressReport),
}

/// Samples the progress of a replay for a listener.
pub(super) struct ProgressSampler<'a> {
    listener: ProgressListener<'a>,
    last_sampled: Option<Instant>,
    estimator: ReadEstimator,
}
impl<'a> ProgressSampler<'a> {
    pub fn new(listener: ProgressListener<'a>) -> Self {
        ProgressSampler { listener, last_sampled: None, estimator: ReadEstimator::default() }
    }
    /// Samples the progress if the interval has passed since the last sample.
    pub fn sample_if_due(&mut self, log: &mut dyn LogBackend, subscriptions: &[Subscription]) {
        if self.last_sampled.is_some_and(|last_sampled| last_sampled.elapsed() < self.listener.interval) {
            return;
        }
        self.last_sampled = Some(Instant::now());
        if let Ok(report) = self.sample(log, subscriptions) {
            (self.listener.on_progress)(&report);
        }
    }
    fn sample(&mut self, log: &mut dyn LogBackend, subscriptions: &[Subscription]) -> Result<ProgressReport> {
        let lag_snapshot = log.progress(subscriptions)?;
        let progress = ReadProgress::of(&lag_snapshot);
        let event_time = event_time(log, &lag_snapshot)?.map(|timestamp| timestamp.to_string());
        Ok(ProgressReport {
            event: "progress",
            progress,
            raw_percent: progress.raw.percent(),
            derived_percent: progress.derived.percent(),
            event_time,
            estimate: self.estimator.estimate(progress, Instant::now()),
        })
    }
}
