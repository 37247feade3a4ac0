//! SQLite errors as runtime errors.
//!
//! Invariant: the message names the file and the next command.
//! Not here: errors of a precondition; each is made where it is checked.
use runtime::RuntimeError;
use std::path::Path;

/// An error of the log's file.
pub fn storage_error(path: &Path, reason: String) -> RuntimeError {
    let is_full = reason.contains("full") || reason.contains("No space");
    let next =
        if is_full { "free some space and start again: nothing is lost" } else { "run `fastbreak check`" };
    RuntimeError::Storage { path: path.display().to_string(), reason, next: next.into() }
}
