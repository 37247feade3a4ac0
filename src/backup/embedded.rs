//! The backup of an embedded log: copies of `log.db` and `warehouse.db` at one instant, each compressed on a thread of its own.
//!
//! Both snapshots begin at one instant, and that of the warehouse first: a batch of the warehouse is always in the log.
//! Invariant: a log with damage, or a warehouse whose structure is damaged, is not backed up: the backup would replace an older one without
//! damage.
//! Not here: snapshots (`read_only_sqlite`), the compressed files (`archive`).
use super::{
    archive::Archive,
    error::{read_error, write_error},
    manifest::{BackupKind, Manifest, NewestBatch, StoredFile},
    staging::Staging,
};
use crate::{
    await_done::await_done,
    doctor::log_damage,
    precondition::refused,
    warehouse::{WarehouseTarget, path_in},
};
use anyhow::{Result, anyhow};
use read_only_sqlite::Snapshot;
use runtime::LogReader;
use runtime_embedded::EmbeddedLog;
use sinks::sqlite::examine;
use std::{path::Path, thread, time::Duration};

const BUSY_TIMEOUT: Duration = Duration::from_secs(60);
/// The name of the log's file.
pub const LOG: &str = "log.db";
/// The name of the warehouse's file.
pub const WAREHOUSE: &str = "warehouse.db";

/// Writes the files of a backup of the log in `folder`, and of the SQLite warehouse in `warehouse`, if there is one.
pub(super) fn write(folder: &Path, warehouse: Option<&Path>, staging: &Staging) -> Result<Manifest> {
    let mut manifest = Manifest::new(BackupKind::EmbeddedLog);
    let log = folder.join(LOG);
    let warehouse = warehouse.map(path_in).filter(|path| path.exists());
    let failed = |error| read_error(folder, error);
    let (of_warehouse, of_log) = match &warehouse {
        Some(path) => {
            let (first, second) = Snapshot::begin_together((path, &log), BUSY_TIMEOUT).map_err(failed)?;
            (Some(first), second)
        }
        None => (None, Snapshot::begin(&log, BUSY_TIMEOUT).map_err(failed)?),
    };
    if of_log.is_empty().map_err(failed)? {
        let what = format!("a backup of {}", log.display());
        return Err(refused(what, "another process is creating the log", "run the command again").into());
    }
    // The first run creates the warehouse; before it has tables, it is no warehouse.
    let of_warehouse = match of_warehouse {
        Some(snapshot) if !snapshot.is_empty().map_err(failed)? => Some(snapshot),
        _ => None,
    };
    let target = staging.folder();
    let (log, warehouse) = thread::scope(|scope| {
        let thread = of_warehouse.map(|snapshot| scope.spawn(move || store_warehouse(snapshot, target)));
        let log = store_log(of_log, target);
        let warehouse = thread.map(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("the thread that copies the warehouse failed")))
        });
        (log, warehouse.transpose())
    });
    let ((log, described), warehouse) = (log?, warehouse?);
    manifest.log = described.id;
    manifest.raw_events = described.raw_events;
    manifest.newest = described.newest;
    manifest.files.push(log);
    if let Some((warehouse, newest_batch)) = warehouse {
        manifest.files.push(warehouse);
        manifest.newest_batch = newest_batch;
    }
    Ok(manifest)
}

/// What a log contains, for a manifest and for the preview of a restore.
pub struct LogContent {
    pub id: Option<String>,
    pub raw_events: u64,
    /// The time of the newest record; `None` if there is none.
    pub newest: Option<String>,
}
/// Describes the log in a folder.
///
/// # Errors
/// If there is no log, or it cannot be read.
pub fn describe_log(folder: &Path) -> Result<LogContent> {
    let mut log = EmbeddedLog::open_read_only(folder)?;
    let newest = log.newest_append_time()?.map(|time| time.to_string());
    let raw: Vec<&str> =
        topics::ALL.iter().map(|topic| topic.name).filter(|name| topics::is_raw(name)).collect();
    let raw_events = log.end_offsets(&raw)?.values().map(|end| end.unsigned_abs()).sum();
    Ok(LogContent { id: log.existing_id()?, raw_events, newest })
}
/// Returns the newest batch of the SQLite warehouse in a folder; `None` if there is no warehouse, or no batch in its epoch.
///
/// # Errors
/// If the warehouse cannot be read.
pub fn newest_batch(folder: &Path) -> Result<Option<NewestBatch>> {
    let Some(warehouse) = WarehouseTarget::Folder(folder.to_owned()).open_read_only()? else {
        return Ok(None);
    };
    let epoch = await_done(|| warehouse.writer_state())?.epoch;
    let newest = await_done(|| warehouse.newest_batch(epoch))?;
    Ok(newest.map(|batch| NewestBatch {
        id: batch.id.to_string(),
        planned_at: batch.planned_at.to_string(),
        epoch,
    }))
}

fn store_log(snapshot: Snapshot, staging: &Path) -> Result<(StoredFile, LogContent)> {
    copy(snapshot, &staging.join(LOG))?;
    ensure_sound(LOG, &log_damage(staging)?.problems)?;
    let described = describe_log(staging)?;
    Ok((compress(staging, LOG)?, described))
}

fn store_warehouse(snapshot: Snapshot, staging: &Path) -> Result<(StoredFile, Option<NewestBatch>)> {
    copy(snapshot, &staging.join(WAREHOUSE))?;
    // Its rows can be written again from the log; comparing each with its hash would take longer than everything else.
    ensure_sound(WAREHOUSE, &examine(&staging.join(WAREHOUSE), true)?.problems)?;
    let newest_batch = newest_batch(staging)?;
    Ok((compress(staging, WAREHOUSE)?, newest_batch))
}

fn copy(snapshot: Snapshot, target: &Path) -> Result<()> {
    // SQLite would create the file with another mode.
    file_modes::create_file(target).map_err(|error| write_error(target, error))?;
    snapshot.copy_to(target).map_err(|error| write_error(target, error))
}

fn ensure_sound(name: &str, problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let reason = format!("{name} is damaged: {}", problems.join("; "));
    Err(refused("a backup", reason, "`fastbreak doctor` states how to mend it").into())
}

/// Compresses a file, which is removed then.
fn compress(folder: &Path, name: &str) -> Result<StoredFile> {
    let mut archive = Archive::create(folder, name)?;
    archive.copy_from(&folder.join(name))?;
    let stored = archive.finish()?;
    std::fs::remove_file(folder.join(name)).map_err(|error| write_error(&folder.join(name), error))?;
    Ok(stored)
}
