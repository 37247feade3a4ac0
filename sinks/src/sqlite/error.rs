//! SQLite's errors, by who has to act.
//!
//! Invariant: only what passes by itself is tried again.
//! Not here: bad records; `write` finds them before SQLite does.
use crate::warehouse::WarehouseError;
use rusqlite::{Error, ErrorCode};
use std::{path::Path, time::Duration};

impl From<Error> for WarehouseError {
    fn from(error: Error) -> Self {
        let what = format!("the warehouse's database: {error}");
        let fatal = |next: &str| WarehouseError::Fatal { what: what.clone(), next: next.to_owned() };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                WarehouseError::Retry { what, after: Duration::from_millis(50), alert: false }
            }
            Some(ErrorCode::DiskFull) => {
                fatal("free space on the disk, then start `fastbreak run` again: it goes on where it was")
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                WarehouseError::Config {
                    what,
                    next: "make the warehouse's file and folder writable, or give another folder with --data"
                        .into(),
                }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => fatal(
                "move warehouse.db, -wal and -shm away, then `fastbreak run`: it fills a new one from the log",
            ),
            Some(ErrorCode::SystemIoFailure) => fatal("check the disk, then start `fastbreak run` again"),
            _ => fatal("run `fastbreak check`, and report this with its output"),
        }
    }
}

/// A file that cannot be opened.
pub(super) fn opening(path: &Path, cause: &Error) -> WarehouseError {
    WarehouseError::Config {
        what: format!("the warehouse {} cannot be opened: {cause}", path.display()),
        next: "check the path given with --data; `fastbreak run` makes the warehouse in a folder that exists"
            .into(),
    }
}
