//! The checks of the processors: retention margins, and processors without an owner.
//!
//! Invariant: one sample, so nothing that needs a trend is assessed.
//! Not here: the lag itself (`lag`), its assessment (`runtime::lag`).
use super::check_result::CheckResult;
use crate::{app::App, lag::LagSampler};
use runtime::lag::{ProcessorLag, Status};

/// Checks that no processor loses records, and that every processor runs if any does.
pub(super) fn check_processors(app: &App, results: &mut Vec<CheckResult>) {
    const WHAT: &str = "no records are deleted before they are read";
    let lags = match LagSampler::new(app).and_then(|mut sampler| sampler.sample()) {
        Ok(sample) => sample.lags,
        Err(error) => return results.push(CheckResult::from_outcome(WHAT, Err(error))),
    };
    let losing: Vec<String> = lags
        .iter()
        .filter(|lag| lag.lag.status == Status::LosingData)
        .map(|lag| format!("{}: {}", lag.processor, lag.lag.reason))
        .collect();
    let margin = lags.iter().flat_map(|lag| &lag.partitions).filter_map(|lag| lag.retention_margin).min();
    let passed = match margin {
        Some(margin) => format!("{WHAT}: the smallest retention margin is {margin} records"),
        None => WHAT.to_owned(),
    };
    results.push(if losing.is_empty() {
        CheckResult::passed(passed)
    } else {
        let next = "next: docs/operations.md, \"Losing data\", names the steps; raise the retention of the topic first";
        CheckResult::from_problems(WHAT, &[format!("{}\n{next}", losing.join("; "))])
    });
    results.push(check_owners(&lags));
}

/// A processor without an owner needs one if it has unread records, or if a process runs others.
fn check_owners(lags: &[ProcessorLag]) -> CheckResult {
    let is_stopped = |lag: &ProcessorLag| lag.lag.status == Status::Stopped;
    let is_any_running = lags.iter().any(|lag| !is_stopped(lag));
    let needs_owner = |lag: &&ProcessorLag| is_stopped(lag) && (is_any_running || lag.lag.records > 0);
    let stopped: Vec<&str> = lags.iter().filter(needs_owner).map(|lag| lag.processor).collect();
    if stopped.is_empty() {
        return CheckResult::passed("every processor with unread records has an owner");
    }
    CheckResult::warning(
        "every processor with unread records has an owner",
        format!(
            "no process runs {}\nnext: `fastbreak run`, or `fastbreak run --only {}` where others run the rest",
            stopped.join(", "),
            stopped.join(",")
        ),
    )
}
