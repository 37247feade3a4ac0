//! Progress of a running replay on standard error: a bar on a terminal, otherwise one line per interval; JSON lines
//! with `--output json`.
//!
//! Invariant: nothing is printed more often than once per interval.
//! Not here: sampling the progress (`replay::progress`), the status after the run (`replay`).
use super::super::{
    output::{self, Output, RunBar},
    stderr::eprint_line,
};
use crate::replay::ProgressReport;
use std::time::Duration;

/// Pause between two updates of the bar, or between two JSON lines.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between two text lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Prints the progress of a replay.
pub struct Progress {
    output: Output,
    bar: RunBar,
}

impl Progress {
    pub fn new(output: Output) -> Self {
        Progress { output, bar: RunBar::new() }
    }
    fn has_bar(&self) -> bool {
        self.output == Output::Table && !self.bar.is_hidden()
    }
    /// Returns the pause between two reports.
    pub fn interval(&self) -> Duration {
        if self.has_bar() || self.output == Output::Json { UPDATE_INTERVAL } else { LINE_INTERVAL }
    }
    pub fn show(&self, report: &ProgressReport) {
        match self.output {
            Output::Json => drop(output::json_line(report).map(|line| eprint_line(&line))),
            Output::Table if self.has_bar() => {
                self.bar.show(&report.estimate, event_time(report).trim_start());
            }
            Output::Table => eprint_line(&text(report)),
        }
    }
    /// Removes the bar.
    pub fn end(&self) {
        self.bar.clear();
    }
}

fn text(report: &ProgressReport) -> String {
    let optional = |text: Option<String>| text.unwrap_or_default();
    let rate = optional(report.estimate.records_per_second.map(|rate| format!(" · {rate:.0} records/s")));
    let eta = optional(report.estimate.eta_seconds.map(|seconds| format!(" · {seconds:.0} s left")));
    format!(
        "raw {:.1} %{} · derived {:.1} % of {}{rate}{eta}",
        report.raw_percent,
        event_time(report),
        report.derived_percent,
        report.progress.derived.of
    )
}
/// Returns the text for the fetch time of the oldest unread raw event; empty if all raw events are read.
fn event_time(report: &ProgressReport) -> String {
    report.event_time.as_ref().map(|event_time| format!(" until {event_time}")).unwrap_or_default()
}
