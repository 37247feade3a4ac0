//! `check`: everything that a run needs, one line per check.
//!
//! Invariant: the command exits with the highest exit code of all failed checks.
//! Not here: the checks (`preflight`).
use super::{
    outcome::{CommandOutcome, error_exit_code},
    output::{self, Output},
};
use crate::{
    app::App,
    preflight::{self, CheckResult, Failure},
};
use anyhow::Result;

/// Runs `check`.
pub fn check(app: &App, output: Output) -> Result<CommandOutcome> {
    let results = preflight::preflight(app);
    output::print(output, &results, |results| {
        let line = |result: &CheckResult| match &result.fix {
            None => format!("✔ {}", result.what),
            Some(fix) => format!("✘ {}: {fix}", result.what),
        };
        results.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    let failures = results.iter().filter_map(|result| result.failure.as_ref());
    Ok(CommandOutcome::from_exit_code(failures.map(exit_code).max().unwrap_or(0)))
}

/// Returns the exit code for a failed check. If an operation failed, it is that of a command that fails with the same error.
fn exit_code(failure: &Failure) -> u8 {
    match failure {
        Failure::Problem => 1,
        Failure::Difference => 3,
        Failure::Error(error) => error_exit_code(error),
    }
}
