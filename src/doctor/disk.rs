//! The checks of the file system of the data folder: whether it can be written, and its free space.
//!
//! Invariant: nothing is written; the kernel is asked.
//! Not here: the content of the files (`files`).
use super::check_result::CheckResult;
use runtime::RuntimeError;
use rustix::fs::{Access, access, statvfs};
use std::path::{Path, PathBuf};

/// With less free space, a run would soon stop.
const MIN_FREE_BYTES: u64 = 64 << 20;
/// With less free space, a day of live feeds may not fit.
const LOW_FREE_BYTES: u64 = 1 << 30;

fn storage(path: &Path, reason: String, next: &str) -> RuntimeError {
    RuntimeError::Storage { path: path.display().to_string(), reason, next: next.into() }
}

/// Checks that this user may write to the folder and to the files in it.
pub(super) fn check_writable(folder: &Path) -> CheckResult {
    let names = [
        "log.db",
        "log.db-wal",
        "log.db-shm",
        "warehouse.db",
        "warehouse.db-wal",
        "warehouse.db-shm",
        "run.lock",
    ];
    let files = names.map(|name| folder.join(name));
    let existing: Vec<PathBuf> = files.into_iter().filter(|file| file.exists()).collect();
    let refused = std::iter::once(folder.to_owned())
        .chain(existing)
        .find_map(|path| access(&path, Access::WRITE_OK).err().map(|error| (path, error.to_string())));
    let outcome = match refused {
        None => Ok(()),
        Some((path, error)) => Err(storage(
            &path,
            format!("this user may not write to it: {error}"),
            "run as the user that owns the folder, change the permissions, or mount the file system for writing",
        )),
    };
    CheckResult::from_outcome(format!("the folder {} can be written", folder.display()), outcome)
}

/// Checks the free space of the file system.
pub(super) fn check_space(folder: &Path) -> CheckResult {
    let free = match statvfs(folder) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => {
            return CheckResult::from_outcome(
                "free space",
                Err(storage(folder, error.to_string(), "check the file system")),
            );
        }
    };
    let what = format!("free space: {} MB", free / 1_000_000);
    let next = "free space on the disk, or move the folder to a larger one; nothing is lost when it is full";
    if free < MIN_FREE_BYTES {
        CheckResult::from_outcome(what, Err(storage(folder, "the disk is almost full".into(), next)))
    } else if free < LOW_FREE_BYTES {
        CheckResult::warning(
            what,
            format!("the disk of {} has little free space\nnext: {next}", folder.display()),
        )
    } else {
        CheckResult::passed(what)
    }
}
