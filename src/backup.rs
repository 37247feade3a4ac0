//! Backup: a folder with everything that cannot be derived again, and a manifest that describes it.
//!
//! An embedded log is copied as a file, with its SQLite warehouse, at one instant, also while a run writes to both. Of a log on Kafka, the
//! raw events are written as lines that `ingest` reads; everything else is derived from them.
//! Invariant: the log and the warehouse are only read. A folder under the name of the target is a whole backup, whose files were read back
//! and had the hashes of the manifest.
//! Not here: restoring a backup (`restore`).
mod archive;
mod embedded;
mod error;
mod manifest;
mod raw_events;
mod staging;

pub use archive::verify;
pub use embedded::{LOG, LogContent, WAREHOUSE, describe_log, newest_batch};
pub use error::write_error;
pub use manifest::{BackupKind, Manifest, NewestBatch, StoredFile};
pub use raw_events::RAW_EVENTS;
pub use staging::{Staging, sync_folder};

use crate::{
    app::{App, LogTarget},
    warehouse::WarehouseTarget,
};
use anyhow::Result;
use serde::Serialize;
use std::path::Path;

/// A backup that was written, and what is not part of it.
#[derive(Debug, Serialize)]
pub struct BackupReport {
    pub path: String,
    pub manifest: Manifest,
    /// What is not part of the backup although the configuration has it, one sentence each.
    pub not_included: Vec<String>,
}

/// Writes a backup of the log, and of the warehouse if it is a SQLite file beside an embedded log, into a new folder.
///
/// # Errors
/// If the folder exists already; if the log is missing, damaged or cannot be read; if the folder cannot be written. Nothing remains then.
pub fn backup(app: &App, target: &Path) -> Result<BackupReport> {
    app.log_target().ensure_exists()?;
    let staging = Staging::create(target)?;
    let (manifest, not_included) = match app.log_target() {
        LogTarget::Folder(folder) => {
            let warehouse = match app.warehouse() {
                WarehouseTarget::Folder(warehouse_folder) => Some(warehouse_folder.as_path()),
                WarehouseTarget::Dataset(_) => None,
            };
            (embedded::write(folder, warehouse, &staging)?, without_dataset(app))
        }
        LogTarget::Kafka(_) => {
            let mut log = app.open_log_read_only()?;
            (raw_events::write(log.as_mut(), &staging)?, vec![derived_again(app)])
        }
    };
    manifest.write(&staging)?;
    let path = staging.publish()?.display().to_string();
    Ok(BackupReport { path, manifest, not_included })
}

fn without_dataset(app: &App) -> Vec<String> {
    match app.warehouse() {
        WarehouseTarget::Folder(_) => Vec::new(),
        WarehouseTarget::Dataset(_) => vec![format!(
            "the BigQuery dataset {} is not part of the backup: after a restore, `fastbreak run` writes its rows again if the log is older",
            app.warehouse().name()
        )],
    }
}

fn derived_again(app: &App) -> String {
    format!(
        "only the raw events are part of the backup: `fastbreak run` derives all other topics and the warehouse {} from them again",
        app.warehouse().name()
    )
}
