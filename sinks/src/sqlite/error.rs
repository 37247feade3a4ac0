//! Classification of SQLite's errors.
//!
//! Invariant: only a locked database is retried; every other error needs the operator.
//! Not here: records that cannot be converted; `write` finds them before SQLite does.
use crate::warehouse::WarehouseError;
use read_only_sqlite::{IdentityError, ReadOnlyError};
use rusqlite::{Error, ErrorCode};
use std::{fmt::Display, path::Path, time::Duration};

impl From<Error> for WarehouseError {
    fn from(error: Error) -> Self {
        let what = format!("SQLite error in the warehouse: {error}");
        let fatal = |next: &str| WarehouseError::Fatal { what: what.clone(), next: next.to_owned() };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                WarehouseError::Retry { what, after: Duration::from_millis(50), alert: false }
            }
            Some(ErrorCode::DiskFull) => {
                fatal("free space on the disk, then start `fastbreak run` again: it resumes where it stopped")
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                WarehouseError::Config {
                    what,
                    next:
                        "make the warehouse's file and folder writable, or choose another folder with --data"
                            .into(),
                }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => fatal(
                "move warehouse.db, warehouse.db-wal and warehouse.db-shm away, then start `fastbreak run`: it fills a new file from the log",
            ),
            Some(ErrorCode::SystemIoFailure) => fatal("check the disk, then start `fastbreak run` again"),
            _ => fatal("run `fastbreak doctor`, and report this error with the output of the command"),
        }
    }
}

impl From<ReadOnlyError> for WarehouseError {
    fn from(error: ReadOnlyError) -> Self {
        let config = |next: &str| WarehouseError::Config {
            what: format!("the warehouse cannot be read: {error}"),
            next: next.to_owned(),
        };
        match error {
            ReadOnlyError::Sqlite(error) => error.into(),
            ReadOnlyError::Changed => config("run the same command again"),
            ReadOnlyError::UnreadableChanges(_) | ReadOnlyError::Io(_) => {
                config("check that this user may read the files of the warehouse and its folder")
            }
        }
    }
}

/// Returns the error for a file that was removed or replaced while it was open.
pub(super) fn replaced(error: &IdentityError) -> WarehouseError {
    WarehouseError::Fatal {
        what: format!("the warehouse: {error}"),
        next: "put the file back from where it is now or from a backup, if you can; then `fastbreak sink rebuild` and `fastbreak run` write all rows again from the log, also to a new file"
            .into(),
    }
}

/// Returns the error for a file that cannot be opened.
pub(super) fn opening(path: &Path, cause: &dyn Display) -> WarehouseError {
    WarehouseError::Config {
        what: format!("the warehouse {} cannot be opened: {cause}", path.display()),
        next: "check the path in --data; `fastbreak run` creates the warehouse in an existing folder".into(),
    }
}
