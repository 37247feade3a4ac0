//! Converts errors of the log file to runtime errors.
//!
//! Invariant: the message contains the path of the file and what to do next.
//! Not here: errors of an unmet precondition, which are created where the precondition is checked.
use runtime::RuntimeError;
use std::path::Path;

/// Creates the error of a failed access to the log's file.
pub fn storage_error(path: &Path, reason: String) -> RuntimeError {
    let is_full = reason.contains("full") || reason.contains("No space");
    let next = if is_full {
        "free some disk space and start again: nothing is lost"
    } else {
        "run `fastbreak check`"
    };
    RuntimeError::Storage { path: path.display().to_string(), reason, next: next.into() }
}
