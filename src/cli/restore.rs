//! `restore`: what was or would be restored and replaced, as text.
//!
//! Invariant: a preview states that it is one, and shows the command to run next.
//! Not here: restoring a backup (`restore`).
use super::{
    backup::content,
    ingest::count_events,
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    ingest::files::IngestProgress,
    restore::{self, RestoreOptions, RestoreReport},
};
use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use std::path::PathBuf;

/// The texts after the help of the command.
pub const EXAMPLES: &str = "Examples:
  fastbreak restore backups/2024-11-22          into an empty data folder; otherwise a preview of what would be replaced
  fastbreak restore backups/2024-11-22 --yes    replaces log.db and warehouse.db of the data folder
  fastbreak --data elsewhere restore backups/2024-11-22
  fastbreak --brokers kafka:9092 restore backups/2024-11-22   adds the raw events that the topics do not have";

#[derive(Args)]
pub struct RestoreArguments {
    /// Folder that `backup` wrote
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Replace the log and the warehouse that are in the data folder
    #[arg(long)]
    yes: bool,
}

/// Runs `restore`.
pub fn restore(app: &App, arguments: &RestoreArguments, output: Output) -> Result<CommandOutcome> {
    let mut bar = ProgressBar::hidden();
    let options = RestoreOptions { backup: &arguments.backup, is_confirmed: arguments.yes };
    let report = restore::restore(app, options, &mut |progress| match progress {
        IngestProgress::Opened { size } => bar = output::bar(size, "restore"),
        IngestProgress::Read { bytes } => bar.set_position(bytes),
        IngestProgress::Finished => bar.finish_and_clear(),
    })?;
    output::print(output, &report, text)?;
    Ok(match &report.ingested {
        _ if !report.restored => CommandOutcome::Refused,
        Some(ingested) if !ingested.is_complete() => CommandOutcome::Unbalanced,
        _ => CommandOutcome::Done,
    })
}

fn text(report: &RestoreReport) -> String {
    let mut lines = vec![content(&report.manifest)];
    if let Some(ingested) = &report.ingested {
        lines.push(format!("restored into {}: {}", report.log, count_events(ingested)));
        lines.extend(ingested.first_dead_letter.as_ref().map(|first| {
            let dead_letters = ingested.dead_letters;
            format!("{dead_letters} lines are dead letters; the first is {first}; next: `fastbreak dlq show ingest`")
        }));
    }
    let verb = if report.restored { "replaced" } else { "would be replaced" };
    lines.extend(report.replaced.iter().map(|file| format!("{verb}: {} ({})", file.path, file.content)));
    lines.extend(report.not_restored.iter().map(|sentence| format!("note: {sentence}")));
    lines.push(match (report.restored, &report.ingested) {
        (false, _) => format!(
            "preview: all hashes of the backup match; nothing was changed\nnext: `fastbreak restore {} --yes` replaces the files above",
            report.backup
        ),
        (true, Some(_)) => "next: `fastbreak run --until-caught-up`".to_owned(),
        (true, None) => format!(
            "restored into {}; all hashes match\nnext: `fastbreak doctor`, then `fastbreak run`",
            report.log
        ),
    });
    lines.join("\n")
}
