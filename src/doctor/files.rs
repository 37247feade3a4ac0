//! The checks of the files of an embedded log and a SQLite warehouse: damage, identity, clock, and the process that holds the lock.
//!
//! Invariant: the files are opened for reading only; the identity of a file that another process has open is read from `/proc`, where it
//! exists.
//! Not here: finding damage (`runtime_embedded::EmbeddedLog::examine`, `sinks::sqlite::examine`), free space (`disk`).
use super::check_result::CheckResult;
use crate::{app::App, await_done::await_done, warehouse::path_in};
use anyhow::Result;
use runtime::{RuntimeError, clock};
use runtime_embedded::{EmbeddedLog, IntegrityReport, lock_holder};
use sinks::sqlite::{WarehouseExamination, examine};
use std::path::Path;

/// By how much a record may be newer than the clock of this process.
const CLOCK_TOLERANCE_MS: i64 = 60_000;
const NEXT_LOG: &str = "restore log.db from a backup; or move it away, `fastbreak ingest` all raw events again, and `fastbreak run`";
const NEXT_WAREHOUSE: &str = "`fastbreak sink rebuild` previews writing all rows again; if the file cannot be opened, move warehouse.db and the files warehouse.db-wal and warehouse.db-shm away, then `fastbreak run` fills a new one from the log";

fn damage(path: &Path, problems: &[String], next: &str) -> RuntimeError {
    RuntimeError::Storage {
        path: path.display().to_string(),
        reason: format!("the file is damaged: {}", problems.join("; ")),
        next: next.into(),
    }
}

/// Returns the damage of the log's file in a folder.
///
/// # Errors
/// If there is no log, or the file is not a database.
pub fn log_damage(folder: &Path) -> Result<IntegrityReport, RuntimeError> {
    EmbeddedLog::examine(folder)
}

/// Returns the damage of the warehouse file in a folder; `None` if there is no file.
///
/// # Errors
/// If the file is not a database.
pub fn warehouse_damage(folder: &Path) -> Result<Option<WarehouseExamination>> {
    let path = path_in(folder);
    Ok(if path.exists() { Some(examine(&path, false)?) } else { None })
}

/// Checks every page and every record batch of the log.
pub(super) fn check_log_file(folder: &Path) -> CheckResult {
    let path = folder.join("log.db");
    match log_damage(folder) {
        Ok(report) if report.problems.is_empty() && report.has_no_checksums => CheckResult::warning(
            format!("integrity of log.db: the structure is sound, {} record batches", report.batches),
            "the file has the format of an earlier version, without checksums\nnext: `fastbreak run` adds them".into(),
        ),
        Ok(report) if report.problems.is_empty() => CheckResult::passed(format!(
            "integrity of log.db: the checksums of {} record batches ({} MB) match, the structure is sound",
            report.batches,
            report.bytes / 1_000_000
        )),
        Ok(report) => {
            CheckResult::from_outcome("integrity of log.db", Err(damage(&path, &report.problems, NEXT_LOG)))
        }
        Err(error) => CheckResult::from_outcome("integrity of log.db", Err(error)),
    }
}

/// Checks the structure of the log and its small tables.
pub(super) fn check_log_structure(folder: &Path) -> CheckResult {
    CheckResult::from_outcome("structure of log.db", EmbeddedLog::examine_structure(folder))
}

/// Checks the file of the warehouse, if it exists.
pub(super) fn check_warehouse_file(folder: &Path, is_quick: bool) -> Option<CheckResult> {
    let path = path_in(folder);
    if !path.exists() {
        return None;
    }
    const WHAT: &str = "integrity of warehouse.db";
    Some(match examine(&path, is_quick) {
        Ok(examination) if examination.problems.is_empty() && is_quick => CheckResult::passed(WHAT),
        Ok(examination) if examination.problems.is_empty() => CheckResult::passed(format!(
            "{WHAT}: the content hashes of {} rows match, the structure is sound",
            examination.rows
        )),
        Ok(examination) => {
            CheckResult::from_outcome(WHAT, Err(damage(&path, &examination.problems, NEXT_WAREHOUSE)))
        }
        Err(error) => CheckResult::from_outcome(WHAT, Err(error)),
    })
}

/// Checks that the clock is not behind the newest record.
pub(super) fn check_clock(folder: &Path) -> CheckResult {
    let newest = EmbeddedLog::open_read_only(folder).and_then(|log| log.newest_append_time());
    let outcome = newest.and_then(|newest| match newest {
        Some(newest) if newest.0 > clock::now().0 + CLOCK_TOLERANCE_MS => Err(RuntimeError::Precondition {
            what: "a run".into(),
            reason: format!(
                "the clock shows {}, but the newest record was appended at {newest}",
                clock::now()
            ),
            next: "set the clock of this machine, for example with `timedatectl set-ntp true`".into(),
        }),
        _ => Ok(()),
    });
    CheckResult::from_outcome("the clock is not behind the newest record", outcome)
}

/// States which process holds the lock.
pub(super) fn check_lock(folder: &Path) -> CheckResult {
    match lock_holder(folder) {
        Ok(None) => CheckResult::passed("run lock: free, no process runs processors on the log"),
        Ok(Some(holder)) => CheckResult::passed(format!("run lock: held by {holder}")),
        Err(error) => CheckResult::from_outcome("run lock", Err(error)),
    }
}

/// Checks that the process that holds the lock has the files open that the paths name.
pub(super) fn check_identity(folder: &Path) -> CheckResult {
    const WHAT: &str = "the running process has the files open that are in the folder";
    let removed = match lock_holder(folder) {
        Ok(holder) => holder.and_then(|holder| removed_file(&holder)),
        Err(error) => return CheckResult::from_outcome(WHAT, Err(error)),
    };
    let outcome = removed.map_or(Ok(()), |file| {
        Err(RuntimeError::Precondition {
            what: "the run in this folder".into(),
            reason: format!("it has {file} open, which was removed or replaced; what it writes is lost"),
            next: "stop that process, put the file back from where it is now or from a backup, and run `fastbreak run`".into(),
        })
    });
    CheckResult::from_outcome(WHAT, outcome)
}

/// Returns a removed database file that a process has open. `holder` is a text like `process 12 since …`.
fn removed_file(holder: &str) -> Option<String> {
    let process = holder.split_whitespace().nth(1)?;
    let entries = std::fs::read_dir(Path::new("/proc").join(process).join("fd")).ok()?;
    let targets = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let removed = |target: &str| {
        let file = target.strip_suffix(" (deleted)")?;
        let is_database = ["log.db", "warehouse.db"].iter().any(|name| file.ends_with(name));
        is_database.then(|| file.to_owned())
    };
    targets.filter_map(|target| removed(&target.to_string_lossy())).next()
}

/// Checks that no log was lost: a warehouse that a log filled needs this log.
pub(super) fn check_lost_log(app: &App, folder: &Path) -> Option<CheckResult> {
    let warehouse = app.warehouse().open_read_only();
    let owner = warehouse.map_err(anyhow::Error::from).and_then(|warehouse| match warehouse {
        Some(warehouse) => Ok(await_done(|| warehouse.writer_state())?.log),
        None => Ok(None),
    });
    let outcome = match owner {
        Ok(None) => return None,
        Ok(Some(owner)) => Err(anyhow::Error::from(RuntimeError::Precondition {
            what: "a run".into(),
            reason: format!(
                "there is no log at {}, but the warehouse is that of log {owner}; a run would begin an empty log",
                folder.join("log.db").display()
            ),
            next: "check --data; if the log was lost, restore it from a backup".into(),
        })),
        Err(error) => Err(error),
    };
    Some(CheckResult::from_outcome("the log of the warehouse exists", outcome))
}
