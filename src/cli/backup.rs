//! `backup`: what was written, as text.
//!
//! Invariant: the text says what is not part of the backup, and the command that restores it.
//! Not here: writing the backup (`backup`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    backup::{self, BackupReport, Manifest},
};
use anyhow::Result;
use std::path::Path;

/// The texts after the help of the command.
pub const EXAMPLES: &str = "Examples:
  fastbreak backup backups/2024-11-22                        log.db and warehouse.db, also while a run writes to them
  fastbreak --brokers kafka:9092 backup backups/2024-11-22   the raw events of the topics, as lines that `ingest` reads
  fastbreak restore backups/2024-11-22                       restores the backup; docs/recovery.md says when";

/// Runs `backup`.
pub fn backup(app: &App, target: &Path, output: Output) -> Result<CommandOutcome> {
    let report = backup::backup(app, target)?;
    output::print(output, &report, text)?;
    Ok(CommandOutcome::Done)
}

fn text(report: &BackupReport) -> String {
    let mut lines = vec![content(&report.manifest), files(&report.manifest)];
    lines.extend(report.not_included.iter().map(|sentence| format!("note: {sentence}")));
    if report.manifest.rejected_records > 0 {
        lines.push(format!(
            "note: {} records of the raw topics are not part of the backup, because their loaders had rejected them",
            report.manifest.rejected_records
        ));
    }
    lines.push(format!("{} was read back, and its hashes match", report.path));
    lines.push(format!("next: `fastbreak restore {}` restores it", report.path));
    lines.join("\n")
}

/// Returns what a backup contains, as a sentence.
pub fn content(manifest: &Manifest) -> String {
    let log =
        manifest.log.as_ref().map_or_else(|| "a log without an id".to_owned(), |id| format!("log {id}"));
    let newest =
        manifest.newest.as_ref().map_or_else(String::new, |newest| format!(", the newest of {newest}"));
    let batch = manifest.newest_batch.as_ref().map_or_else(String::new, |batch| {
        format!("; warehouse up to batch {} of {}", batch.id, batch.planned_at)
    });
    format!(
        "backup of {}, made by Fastbreak {}: {log}, {} raw events{newest}{batch}",
        manifest.created_at, manifest.fastbreak, manifest.raw_events
    )
}

fn files(manifest: &Manifest) -> String {
    let rows = manifest.files.iter().map(|file| {
        let hash: String = file.hash.chars().take(16).collect();
        [format!("{}.zst", file.name), file.compressed_bytes.to_string(), file.bytes.to_string(), hash]
    });
    output::table(["file", "bytes", "uncompressed", "hash"], rows)
}
