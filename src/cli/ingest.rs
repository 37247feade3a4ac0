//! `ingest`: the counts of ingested lines as text, and a progress bar for each file.
//!
//! Invariant: if any line became a dead letter or is above the limit, the command exits with 1. One line on standard error names the first
//! dead letter, another the first line above the limit; each has the next command.
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

/// Maximum number of reasons that the table shows.
const MAX_REASONS: usize = 10;

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
        let dead_lines = dead_lines(ingested.dead_letters);
        eprint_line(&format!(
            "warning: {dead_lines}; the first is {first}; next: `fastbreak dlq show ingest`"
        ));
    }
    if let Some(first) = &ingested.first_too_large {
        let lines = match ingested.too_large {
            1 => "1 line is too large and was refused".to_owned(),
            lines => format!("{lines} lines are too large and were refused"),
        };
        eprint_line(&format!(
            "warning: {lines}; the first is {first}; next: split the response, and ingest the file again"
        ));
    }
    Ok(if ingested.is_complete() { CommandOutcome::Done } else { CommandOutcome::Unbalanced })
}

fn dead_lines(lines: u64) -> String {
    if lines == 1 { "1 line is a dead letter".to_owned() } else { format!("{lines} lines are dead letters") }
}

/// Returns how many events are new and how many were known, as a sentence.
pub fn count_events(ingested: &Ingested) -> String {
    match ingested {
        Ingested { new: 0, known: 0, lines: 1.., .. } => "no line is an event".to_owned(),
        Ingested { new: 0, known, lines: 1.., .. } => {
            format!("nothing new: {known} events were already in the log")
        }
        Ingested { new, known: 0, .. } => format!("{new} events ingested"),
        Ingested { new, known, .. } => format!("{new} events ingested, {known} were already in the log"),
    }
}

fn show(ingested: &Ingested) -> String {
    let Ingested { dead_letters, .. } = ingested;
    let mut shown = vec![count_events(ingested)];
    if *dead_letters > 0 {
        let rows =
            ingested.reasons.most_frequent_first().into_iter().take(MAX_REASONS).map(|count| {
                [count.dead_letters.to_string(), count.code.to_owned(), count.reason, count.first]
            });
        shown.push(output::table(["dead letters", "code", "reason", "first line"], rows));
        shown.push(format!(
            "{} in {DEAD_LETTERS}: `fastbreak dlq show ingest` shows all",
            dead_lines(*dead_letters)
        ));
    }
    shown.push("next: `fastbreak run --until-caught-up`".to_owned());
    shown.join("\n")
}
