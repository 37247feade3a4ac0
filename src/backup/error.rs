//! Errors of a backup and of a restore.
//!
//! Invariant: the message says what is refused or failed, why, and what to run next.
//! Not here: the conditions (the files that check them).
use runtime::RuntimeError;
use std::path::Path;

/// Returns the error of a precondition that is not met.
pub fn refused(what: String, reason: impl Into<String>, next: impl Into<String>) -> RuntimeError {
    RuntimeError::Precondition { what, reason: reason.into(), next: next.into() }
}

/// Returns the context of an error while a file or folder is written.
pub fn write_error(path: &Path) -> String {
    format!(
        "writing {} failed; nothing of it remains\nnext: check the free space and the right to write there, then run the command again",
        path.display()
    )
}
