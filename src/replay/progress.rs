//! Samples the progress of a running replay.
//!
//! Invariant: a failed sample is skipped; it never stops the replay.
//! Not here: the read counts (`status`), the status line (`cli::replay`).
use super::status::{ReplayProgress, event_time, progress};
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
    pub progress: ReplayProgress,
    pub raw_percent: f64,
    pub derived_percent: f64,
    /// Fetch time of the oldest unread raw event, in RFC 3339.
    pub event_time: Option<String>,
    pub records_per_second: Option<f64>,
    /// Estimated seconds until all records that exist now are read.
    pub eta_seconds: Option<f64>,
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
    /// Time of the first sample, and the number of records that were read before it. The read rate is computed from them.
    first_sample: Option<(Instant, i64)>,
}
impl<'a> ProgressSampler<'a> {
    pub fn new(listener: ProgressListener<'a>) -> Self {
        ProgressSampler { listener, last_sampled: None, first_sample: None }
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
        let progress = progress(&lag_snapshot);
        let event_time = event_time(log, &lag_snapshot)?.map(|timestamp| timestamp.to_string());
        let read = progress.raw.read + progress.derived.read;
        let (since, read_before) = *self.first_sample.get_or_insert((Instant::now(), read));
        let rate = (read > read_before).then(|| (read - read_before) as f64 / since.elapsed().as_secs_f64());
        let unread = progress.raw.of + progress.derived.of - read;
        Ok(ProgressReport {
            event: "progress",
            progress,
            raw_percent: progress.raw.percent(),
            derived_percent: progress.derived.percent(),
            event_time,
            records_per_second: rate,
            eta_seconds: rate.map(|rate| unread as f64 / rate),
        })
    }
}
