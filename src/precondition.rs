//! The error of a precondition that is not met.
//!
//! Invariant: the message says what is refused, why, and what to run next.
//! Not here: the conditions (the files that check them), wrong usage (`usage_error`).
use runtime::RuntimeError;

/// Returns the error that `what` is refused for a reason, with the next command.
pub fn refused(what: impl Into<String>, reason: impl Into<String>, next: impl Into<String>) -> RuntimeError {
    RuntimeError::Precondition { what: what.into(), reason: reason.into(), next: next.into() }
}
