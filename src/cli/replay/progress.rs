//! Progress of a running replay on standard error: a status line on a terminal, otherwise one line per interval; JSON lines
//! with `--output json`.
//!
//! Invariant: nothing is printed more often than once per interval.
//! Not here: sampling the progress (`replay::progress`), the status after the run (`replay`).
use super::super::{
    output::{self, Output},
    stderr::eprint_line,
};
use crate::replay::ProgressReport;
use indicatif::ProgressBar;
use std::time::Duration;

/// Pause between two updates of the status line, or between two JSON lines.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between two text lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Prints the progress of a replay.
pub struct Progress {
    output: Output,
    status_line: ProgressBar,
}

impl Progress {
    pub fn new(output: Output) -> Self {
        Progress { output, status_line: output::spinner() }
    }
    fn has_status_line(&self) -> bool {
        self.output == Output::Table && !self.status_line.is_hidden()
    }
    /// Returns the pause between two reports.
    pub fn interval(&self) -> Duration {
        if self.has_status_line() || self.output == Output::Json { UPDATE_INTERVAL } else { LINE_INTERVAL }
    }
    pub fn show(&self, report: &ProgressReport) {
        match self.output {
            Output::Json => drop(output::json_line(report).map(|line| eprint_line(&line))),
            Output::Table if self.has_status_line() => {
                self.status_line.set_message(text(report));
                self.status_line.tick();
            }
            Output::Table => eprint_line(&text(report)),
        }
    }
    /// Removes the status line.
    pub fn end(&self) {
        self.status_line.finish_and_clear();
    }
}

fn text(report: &ProgressReport) -> String {
    let optional = |text: Option<String>| text.unwrap_or_default();
    let event_time = optional(report.event_time.as_ref().map(|event_time| format!(" until {event_time}")));
    let rate = optional(report.records_per_second.map(|rate| format!(" · {rate:.0} records/s")));
    let eta = optional(report.eta_seconds.map(|seconds| format!(" · {seconds:.0} s left")));
    format!(
        "raw {:.1} %{event_time} · derived {:.1} % of {}{rate}{eta}",
        report.raw_percent, report.derived_percent, report.progress.derived.of
    )
}
