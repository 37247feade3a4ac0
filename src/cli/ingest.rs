//! `ingest`: the counts of ingested lines as text, and a progress bar for each file.
//!
//! Invariant: if any line became a dead letter, the command exits with 1, and one line on standard error names the first one.
//! Not here: ingesting files (`ingest::files`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
    stderr::eprint_line,
};
use crate::{
    app::App,
    ingest::{
        DEAD_LETTERS, Ingested,
        files::{IngestProgress, ingest_files},
    },
};
use anyhow::Result;
use indicatif::ProgressBar;
use std::path::PathBuf;

/// Runs `ingest`.
pub fn ingest(app: &App, files: &[PathBuf], output: Output) -> Result<CommandOutcome> {
    let mut bar = ProgressBar::hidden();
    let ingested = ingest_files(app, files, &mut |progress| match progress {
        IngestProgress::Opened { size } => bar = output::bar(size, "ingest"),
        IngestProgress::Read { bytes } => bar.set_position(bytes),
        IngestProgress::Finished => bar.finish_and_clear(),
    })?;
    output::print(output, &ingested, show)?;
    if let Some(first) = &ingested.first_dead_letter {
        eprint_line(&format!("warning: {}; the first is {first}", dead_lines(ingested.dead_letters)));
    }
    Ok(if ingested.has_dead_letters() { CommandOutcome::Unbalanced } else { CommandOutcome::Done })
}

fn dead_lines(lines: u64) -> String {
    if lines == 1 { "1 line is a dead letter".to_owned() } else { format!("{lines} lines are dead letters") }
}

fn show(ingested: &Ingested) -> String {
    let Ingested { lines, new, known, dead_letters, .. } = ingested;
    let summary = match (new, known) {
        (0, _) if *lines > 0 => format!("nothing new: {known} events were already in the log"),
        (new, 0) => format!("{new} events ingested"),
        (new, known) => format!("{new} events ingested, {known} were already in the log"),
    };
    let dead_letters = match dead_letters {
        0 => String::new(),
        count => format!("; {} in {DEAD_LETTERS}, `fastbreak dlq show ingest` shows all", dead_lines(*count)),
    };
    format!("{summary}{dead_letters}\nnext: `fastbreak run --until-caught-up`")
}
