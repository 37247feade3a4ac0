//! Progress of a running replay on standard error: a status line on a terminal, otherwise one line per interval; JSON lines
//! with `--output json`.
//!
//! Invariant: a failed sample is skipped; it never stops the replay.
//! Not here: the status after the run (`replay`).
use super::super::output::{self, Output};
use crate::{
    replay::{self, ReplayProgress},
    stderr::eprint_line,
};
use anyhow::Result;
use indicatif::ProgressBar;
use runtime::{LogBackend, subscription::Subscription};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Pause between two updates of the status line, or between two JSON lines.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between two text lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Samples and prints the progress of a replay.
pub struct Progress {
    output: Output,
    status_line: ProgressBar,
    last_printed: Option<Instant>,
    /// Time of the first sample, and the number of records that were read before it. The read rate is computed from them.
    first_sample: Option<(Instant, i64)>,
}

#[derive(Serialize)]
struct ProgressReport {
    event: &'static str,
    #[serde(flatten)]
    progress: ReplayProgress,
    raw_percent: f64,
    derived_percent: f64,
    /// Fetch time of the oldest unread raw event, in RFC 3339.
    event_time: Option<String>,
    records_per_second: Option<f64>,
    /// Estimated seconds until all records that exist now are read.
    eta_seconds: Option<f64>,
}

impl Progress {
    pub fn new(output: Output) -> Self {
        Progress { output, status_line: output::spinner(), last_printed: None, first_sample: None }
    }
    /// Samples and prints the progress if an interval has passed since the last line.
    pub fn tick(&mut self, log: &mut dyn LogBackend, subscriptions: &[Subscription]) {
        let has_status_line = self.output == Output::Table && !self.status_line.is_hidden();
        let interval =
            if has_status_line || self.output == Output::Json { UPDATE_INTERVAL } else { LINE_INTERVAL };
        if self.last_printed.is_some_and(|last_printed| last_printed.elapsed() < interval) {
            return;
        }
        self.last_printed = Some(Instant::now());
        let Ok(report) = self.sample(log, subscriptions) else { return };
        match self.output {
            Output::Json => drop(serde_json::to_string(&report).map(|line| eprint_line(&line))),
            Output::Table if has_status_line => {
                self.status_line.set_message(report.text());
                self.status_line.tick();
            }
            Output::Table => eprint_line(&report.text()),
        }
    }
    fn sample(&mut self, log: &mut dyn LogBackend, subscriptions: &[Subscription]) -> Result<ProgressReport> {
        let lag_snapshot = log.progress(subscriptions)?;
        let progress = replay::progress(&lag_snapshot);
        let event_time = replay::event_time(log, &lag_snapshot)?.map(|timestamp| timestamp.to_string());
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
    /// Removes the status line.
    pub fn end(&self) {
        self.status_line.finish_and_clear();
    }
}

impl ProgressReport {
    fn text(&self) -> String {
        let optional = |text: Option<String>| text.unwrap_or_default();
        let event_time = optional(self.event_time.as_ref().map(|event_time| format!(" until {event_time}")));
        let rate = optional(self.records_per_second.map(|rate| format!(" · {rate:.0} records/s")));
        let eta = optional(self.eta_seconds.map(|seconds| format!(" · {seconds:.0} s left")));
        format!(
            "raw {:.1} %{event_time} · derived {:.1} % of {}{rate}{eta}",
            self.raw_percent, self.derived_percent, self.progress.derived.of
        )
    }
}
