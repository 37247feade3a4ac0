//! Restore: replaces the files of the data folder by those of a backup, or ingests the raw events of a backup.
//!
//! The files of an embedded log are uncompressed beside the old ones and verified; then they replace them by renaming. If the process is
//! killed between the two renames, the next `run` begins a new epoch of the warehouse, as it does for every log that was replaced.
//! Invariant: nothing is replaced before every hash of the backup was verified; a log or a warehouse is replaced only with confirmation, and
//! never while another process has it open. Raw events are only added.
//! Not here: the backup (`backup`), the replacement of the files (`replacement`), what the sink does afterwards (`sinks::recovery`).
mod replacement;

use crate::{
    app::{App, LogTarget},
    backup::{self, BackupKind, LOG, Manifest, RAW_EVENTS, StoredFile, WAREHOUSE, verify},
    ingest::{
        Ingested,
        files::{IngestProgress, ingest_files},
    },
    precondition::refused,
    warehouse::WarehouseTarget,
};
use anyhow::Result;
use runtime::RuntimeError;
use runtime_embedded::lock_holder;
use serde::Serialize;
use std::{io, path::Path};

/// Which backup is restored.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOptions<'a> {
    pub backup: &'a Path,
    /// True to replace a log or a warehouse.
    pub is_confirmed: bool,
}

/// A file of the data folder that was replaced or, in a preview, would be.
#[derive(Debug, Serialize)]
pub struct ReplacedFile {
    pub path: String,
    /// What it contains, or why it cannot be read.
    pub content: String,
}

/// The backup that was restored or, in a preview, would be.
#[derive(Debug, Serialize)]
pub struct RestoreReport {
    pub backup: String,
    pub manifest: Manifest,
    /// The log to which the backup was or would be restored.
    pub log: String,
    /// The files that were replaced or, in a preview, would be.
    pub replaced: Vec<ReplacedFile>,
    /// What is not restored, or is not part of the backup and stays, one sentence each.
    pub not_restored: Vec<String>,
    /// The counts of the raw events, if the backup consists of them.
    pub ingested: Option<Ingested>,
    /// False for a preview.
    pub restored: bool,
}

/// Restores a backup. If this would replace a log or a warehouse, without confirmation it only reports which.
///
/// # Errors
/// If the backup is damaged, or a newer program wrote it; if it is not for this kind of log; if a process has the files open; if the data
/// folder cannot be written. Nothing is replaced then.
pub fn restore(
    app: &App,
    options: RestoreOptions<'_>,
    on_progress: &mut dyn FnMut(IngestProgress),
) -> Result<RestoreReport> {
    let manifest = Manifest::read(options.backup)?;
    match (manifest.kind, app.log_target()) {
        (BackupKind::RawEvents, _) => restore_raw_events(app, options.backup, manifest, on_progress),
        (BackupKind::EmbeddedLog, LogTarget::Folder(folder)) => restore_files(app, options, manifest, folder),
        (BackupKind::EmbeddedLog, LogTarget::Kafka(kafka_config)) => Err(refused(
            restoring(options.backup),
            format!("the backup has an embedded log, but the log is on the brokers {}", kafka_config.brokers),
            "restore it without `--brokers`",
        )
        .into()),
    }
}

fn restoring(backup: &Path) -> String {
    format!("restoring {}", backup.display())
}

fn restore_raw_events(
    app: &App,
    backup: &Path,
    manifest: Manifest,
    on_progress: &mut dyn FnMut(IngestProgress),
) -> Result<RestoreReport> {
    for file in &manifest.files {
        verify(backup, file, &mut io::sink())?;
    }
    let lines = backup.join(format!("{RAW_EVENTS}.zst"));
    let ingested = ingest_files(app, &[lines], on_progress)?;
    Ok(RestoreReport {
        backup: backup.display().to_string(),
        log: log_name(app),
        manifest,
        replaced: Vec::new(),
        not_restored: Vec::new(),
        ingested: Some(ingested),
        restored: true,
    })
}

fn restore_files(
    app: &App,
    RestoreOptions { backup, is_confirmed }: RestoreOptions<'_>,
    manifest: Manifest,
    folder: &Path,
) -> Result<RestoreReport> {
    ensure_no_run(folder)?;
    let (files, not_restored) = files_of(app, &manifest, folder);
    let replaced = existing(folder, &files);
    let restored = is_confirmed || replaced.is_empty();
    if restored {
        replacement::replace(folder, backup, &files)?;
    } else {
        for file in &files {
            verify(backup, file, &mut io::sink())?;
        }
    }
    Ok(RestoreReport {
        backup: backup.display().to_string(),
        log: log_name(app),
        manifest,
        replaced,
        not_restored,
        ingested: None,
        restored,
    })
}

fn log_name(app: &App) -> String {
    match app.log_target() {
        LogTarget::Folder(folder) => folder.join(LOG).display().to_string(),
        LogTarget::Kafka(kafka_config) => kafka_config.brokers.clone(),
    }
}

/// Checks that no process runs processors on the log of a folder.
fn ensure_no_run(folder: &Path) -> Result<(), RuntimeError> {
    match lock_holder(folder)? {
        None => Ok(()),
        Some(holder) => Err(RuntimeError::Locked {
            path: folder.join(LOG).display().to_string(),
            holder,
            next: "stop that process, then run the command again".into(),
        }),
    }
}

/// Returns the files that are restored, the log first, and what is not restored.
fn files_of(app: &App, manifest: &Manifest, folder: &Path) -> (Vec<StoredFile>, Vec<String>) {
    let mut files: Vec<StoredFile> = manifest.file(LOG).cloned().into_iter().collect();
    let mut not_restored = Vec::new();
    match (manifest.file(WAREHOUSE), app.warehouse()) {
        (Some(file), WarehouseTarget::Folder(_)) => files.push(file.clone()),
        (Some(_), WarehouseTarget::Dataset(_)) => not_restored.push(format!(
            "the warehouse of the backup is not restored, because the warehouse is {}",
            app.warehouse().name()
        )),
        (None, WarehouseTarget::Folder(_)) if folder.join(WAREHOUSE).exists() => not_restored.push(format!(
            "{} stays as it is, because the backup has no warehouse; the next run writes its rows again",
            folder.join(WAREHOUSE).display()
        )),
        (None, _) => {}
    }
    (files, not_restored)
}

/// Returns the files of the data folder that would be replaced, with what they contain.
fn existing(folder: &Path, files: &[StoredFile]) -> Vec<ReplacedFile> {
    let exists = |file: &&StoredFile| folder.join(&file.name).symlink_metadata().is_ok();
    let describe = |file: &StoredFile| {
        let described = if file.name == LOG { describe_log(folder) } else { describe_warehouse(folder) };
        ReplacedFile {
            path: folder.join(&file.name).display().to_string(),
            // A damaged file is a reason for a restore.
            content: described.unwrap_or_else(|error| format!("it cannot be read: {error}")),
        }
    };
    files.iter().filter(exists).map(describe).collect()
}

fn describe_log(folder: &Path) -> Result<String> {
    let log = backup::describe_log(folder)?;
    let id = log.id.map_or_else(|| "a log without an id".to_owned(), |id| format!("log {id}"));
    let newest =
        log.newest.map_or_else(|| "no record".to_owned(), |newest| format!("the newest record of {newest}"));
    Ok(format!("{id}, {} raw events, {newest}", log.raw_events))
}

fn describe_warehouse(folder: &Path) -> Result<String> {
    Ok(match backup::newest_batch(folder)? {
        Some(batch) => {
            format!("the newest batch is {} of {}, in epoch {}", batch.id, batch.planned_at, batch.epoch)
        }
        None => "no batch".to_owned(),
    })
}
