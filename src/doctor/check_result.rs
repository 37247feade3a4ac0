//! The result of one check.
//!
//! Invariant: a check that did not pass has a text that states the problem and what to do.
//! Not here: the checks (`doctor`), exit codes (`cli::outcome`).
use crate::{error_chain::error_chain, summarize::summarize};
use serde::Serialize;

/// How a check ended, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Something needs attention, but a run is possible.
    Warning,
    Failed,
}

/// The result of one check.
#[derive(Serialize)]
pub struct CheckResult {
    /// False if the check failed.
    pub ok: bool,
    pub verdict: Verdict,
    pub what: String,
    /// The problem and what to do; `None` if the check passed.
    pub fix: Option<String>,
    /// The kind of problem; `None` if the check passed.
    #[serde(skip)]
    pub failure: Option<Failure>,
}

/// The kind of problem that a check found.
pub enum Failure {
    /// A part of this program or of its configuration is invalid.
    Problem,
    /// The actual state differs from the desired state.
    Difference,
    /// An operation failed with this error.
    Error(anyhow::Error),
}

impl CheckResult {
    /// Creates the result of a check that passed.
    pub(super) fn passed(what: impl Into<String>) -> CheckResult {
        CheckResult { ok: true, verdict: Verdict::Ok, what: what.into(), fix: None, failure: None }
    }
    /// Creates the result of a check that found something that needs attention.
    pub(super) fn warning(what: impl Into<String>, fix: String) -> CheckResult {
        CheckResult { ok: true, verdict: Verdict::Warning, what: what.into(), fix: Some(fix), failure: None }
    }
    fn failed(what: impl Into<String>, fix: String, failure: Failure) -> CheckResult {
        CheckResult {
            ok: false,
            verdict: Verdict::Failed,
            what: what.into(),
            fix: Some(fix),
            failure: Some(failure),
        }
    }
    /// Creates the result of a check that runs an operation.
    pub(super) fn from_outcome(
        what: impl Into<String>,
        outcome: Result<(), impl Into<anyhow::Error>>,
    ) -> CheckResult {
        match outcome.map_err(Into::into) {
            Ok(()) => CheckResult::passed(what),
            Err(error) => CheckResult::failed(what, error_chain(&error), Failure::Error(error)),
        }
    }
    /// Creates a result from a list of differences between actual and desired state.
    pub(super) fn from_differences(
        what: impl Into<String>,
        differences: &[String],
        next: &str,
    ) -> CheckResult {
        if differences.is_empty() {
            return CheckResult::passed(what);
        }
        let fix = format!("{}\n{next}", summarize(differences));
        CheckResult::failed(what, fix, Failure::Difference)
    }
    /// Creates a result from a list of problems.
    pub(super) fn from_problems(what: impl Into<String>, problems: &[String]) -> CheckResult {
        if problems.is_empty() {
            return CheckResult::passed(what);
        }
        CheckResult::failed(what, problems.join("; "), Failure::Problem)
    }
}
