//! Converts errors of the log file to runtime errors.
//!
//! Invariant: the message contains the path of the file and what to do next.
//! Not here: errors of an unmet precondition, which are created where the precondition is checked.
use read_only_sqlite::IdentityError;
use runtime::RuntimeError;
use std::path::Path;

/// Creates the error for a log that does not exist.
pub fn missing_log(path: &Path) -> RuntimeError {
    RuntimeError::Missing {
        path: path.display().to_string(),
        next: "check --data, which specifies the folder; `fastbreak ingest FILE` creates a log there".into(),
    }
}

/// Creates the error for a file that was removed or replaced while it was open.
pub fn file_replaced(path: &Path, error: &IdentityError) -> RuntimeError {
    RuntimeError::Storage {
        path: path.display().to_string(),
        reason: error.to_string(),
        next: "put the file back from where it is now or from a backup, then run `fastbreak doctor`; with no file there, `fastbreak ingest FILE` creates a new log"
            .into(),
    }
}

/// Creates the error of a failed access to the log's file.
pub fn storage_error(path: &Path, reason: String) -> RuntimeError {
    let contains = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
    let next = if contains(&["full", "No space"]) {
        "free some disk space and start again: nothing is lost"
    } else if contains(&["disk I/O error"]) {
        "free some disk space if the disk is full (`fastbreak doctor` states it), or check the disk; then run the same command again: nothing is lost"
    } else if contains(&["while it was read"]) {
        "run the same command again"
    } else if contains(&["is not a database", "malformed", "no such table", "no such column", "corrupt"]) {
        "`fastbreak doctor` lists the damage; restore the file from a backup, or move it away and ingest all raw events again"
    } else if contains(&["readonly", "unable to open", "cannot be created", "ermission denied", "Read-only"])
    {
        "check that this user may read the file, and write to file and folder if the command writes"
    } else {
        "check the disk, then run the same command again"
    };
    RuntimeError::Storage { path: path.display().to_string(), reason, next: next.into() }
}
