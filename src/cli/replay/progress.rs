//! How far a replay is, on standard error: a line that is rewritten on a terminal, a line now and then elsewhere, JSON when asked for.
//!
//! Invariant: what cannot be read now is shown the next time; a replay does not stop for being watched.
//! Not here: how far it is when it has ended (`replay`).
use super::super::{Output, output};
use crate::replay::{self, ReplayProgress};
use anyhow::Result;
use indicatif::ProgressBar;
use runtime::{LogBackend, subscription::Subscription};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How often it is said, and how often where lines stay.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Says how far a replay is.
pub struct Progress {
    output: Output,
    line: ProgressBar,
    shown: Option<Instant>,
    /// When it was looked first, and how much had been read.
    first: Option<(Instant, i64)>,
}

#[derive(Serialize)]
struct ProgressReport {
    event: &'static str,
    #[serde(flatten)]
    progress: ReplayProgress,
    raw_percent: f64,
    derived_percent: f64,
    /// When the oldest raw event that is not read yet was fetched.
    event_time: Option<String>,
    records_per_second: Option<f64>,
    /// For the records that there are by now.
    eta_seconds: Option<f64>,
}

impl Progress {
    pub fn new(output: Output) -> Self {
        let line = output::spinner();
        Progress { output, line, shown: None, first: None }
    }
    pub fn tick(&mut self, log: &mut dyn LogBackend, subscriptions: &[Subscription]) {
        let is_rewritten = self.output == Output::Table && !self.line.is_hidden();
        let every = if is_rewritten || self.output == Output::Json { UPDATE_INTERVAL } else { LINE_INTERVAL };
        if self.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.shown = Some(Instant::now());
        let Ok(report) = self.sample(log, subscriptions) else { return };
        match self.output {
            Output::Json => drop(serde_json::to_string(&report).map(|line| output::eprint_line(&line))),
            Output::Table if is_rewritten => {
                self.line.set_message(report.text());
                self.line.tick();
            }
            Output::Table => output::eprint_line(&report.text()),
        }
    }
    fn sample(&mut self, log: &mut dyn LogBackend, subscriptions: &[Subscription]) -> Result<ProgressReport> {
        let lag_snapshot = log.progress(subscriptions)?;
        let progress = replay::progress(&lag_snapshot);
        let event_time = replay::event_time(log, &lag_snapshot)?.map(|at| at.to_string());
        let read = progress.raw.read + progress.derived.read;
        let (since, before) = *self.first.get_or_insert((Instant::now(), read));
        let rate = (read > before).then(|| (read - before) as f64 / since.elapsed().as_secs_f64());
        let left = progress.raw.of + progress.derived.of - read;
        Ok(ProgressReport {
            event: "progress",
            progress,
            raw_percent: progress.raw.percent(),
            derived_percent: progress.derived.percent(),
            event_time,
            records_per_second: rate,
            eta_seconds: rate.map(|rate| left as f64 / rate),
        })
    }
    pub fn end(&self) {
        self.line.finish_and_clear();
    }
}

impl ProgressReport {
    fn text(&self) -> String {
        let at = self.event_time.as_ref().map_or_else(String::new, |at| format!(", at {at}"));
        let rate = self.records_per_second.map_or_else(String::new, |rate| format!(" · {rate:.0} records/s"));
        let eta =
            self.eta_seconds.map_or_else(String::new, |left| format!(" · {left:.0} s left of what there is"));
        format!(
            "raw {:.1} %{at} · derived {:.1} % of {}{rate}{eta}",
            self.raw_percent, self.derived_percent, self.progress.derived.of
        )
    }
}
