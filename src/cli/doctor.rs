//! `doctor`: one verdict and a table, one row per check; then what to do about each failure.
//!
//! Invariant: the command exits with the highest exit code of all failed checks; a warning is no failure.
//! Not here: the checks (`doctor`).
use super::{
    outcome::{CommandOutcome, error_exit_code},
    output::{self, Output},
};
use crate::{
    app::App,
    doctor::{self, CheckResult, DoctorReport, Failure, Verdict},
};
use anyhow::Result;

/// Runs `doctor`.
pub fn doctor(app: &App, is_quick: bool, output: Output) -> Result<CommandOutcome> {
    let report = if is_quick { doctor::examine_quickly(app) } else { doctor::examine(app) };
    output::print(output, &report, text)?;
    let failures = report.checks.iter().filter_map(|check| check.failure.as_ref());
    Ok(CommandOutcome::from_exit_code(failures.map(exit_code).max().unwrap_or(0)))
}

fn text(report: &DoctorReport) -> String {
    let count = |verdict| report.checks.iter().filter(|check| check.verdict == verdict).count();
    let checks = report.checks.len();
    let verdict = match report.verdict {
        Verdict::Ok => format!("healthy: all {checks} checks passed"),
        Verdict::Warning => {
            format!("healthy, but {} of {checks} checks have a warning", count(Verdict::Warning))
        }
        Verdict::Failed => format!("not healthy: {} of {checks} checks failed", count(Verdict::Failed)),
    };
    let rows = report.checks.iter().map(|check| [mark(check.verdict).to_owned(), check.what.clone()]);
    let fixes = report.checks.iter().filter_map(fix);
    format!("{verdict}\n\n{}\n{}", output::table(["", "check"], rows), fixes.collect::<String>())
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "✔",
        Verdict::Warning => "!",
        Verdict::Failed => "✘",
    }
}

fn fix(check: &CheckResult) -> Option<String> {
    check.fix.as_ref().map(|fix| format!("\n{} {}\n{fix}\n", mark(check.verdict), check.what))
}

/// Returns the exit code for a failed check. If an operation failed, it is that of a command that fails with the same error.
fn exit_code(failure: &Failure) -> u8 {
    match failure {
        Failure::Problem => 1,
        Failure::Difference => 3,
        Failure::Error(error) => error_exit_code(error),
    }
}
