//! The error for arguments that make no sense together, although each of them is valid.
//!
//! Invariant: nothing was opened or changed; the command exits with 2, as for an argument that does not parse.
//! Not here: exit codes (`cli::outcome`).

/// Why the arguments of a command are refused, and what to write instead.
#[derive(Debug, thiserror::Error)]
#[error("{reason}\nnext: {next}")]
pub struct UsageError {
    reason: String,
    next: String,
}
impl UsageError {
    pub fn new(reason: impl Into<String>, next: impl Into<String>) -> UsageError {
        UsageError { reason: reason.into(), next: next.into() }
    }
}
