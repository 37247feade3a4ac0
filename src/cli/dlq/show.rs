//! `dlq show`: the text of the newest dead letters.
//!
//! Invariant: JSON has the complete value, a table only its first characters.
//! Not here: finding the dead letters (`dead_letters`).
use super::super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    dead_letters::{self, DeadLetterReport, NewestDeadLetters},
};
use anyhow::Result;
use schemas::raw::RejectCode;

/// Maximum number of characters of a value that a table shows.
const EXCERPT_CHARS: usize = 400;

/// Runs `dlq show`.
pub fn show(
    app: &App,
    processor: &str,
    code: Option<RejectCode>,
    limit: usize,
    output: Output,
) -> Result<CommandOutcome> {
    let NewestDeadLetters { dead_letters, older } = dead_letters::show(app, processor, code, limit)?;
    output::print(output, &dead_letters, |reports| {
        if reports.is_empty() {
            return format!("no dead letters of {processor} were found");
        }
        let mut lines: Vec<String> = reports.iter().map(text).collect();
        if older > 0 {
            lines.push(format!("… and {older} older dead letters (--limit shows more)"));
        }
        lines.join("\n")
    })?;
    Ok(CommandOutcome::Done)
}

/// Formats a dead letter; its value is shortened.
fn text(report: &DeadLetterReport) -> String {
    let mut value = report.value.to_string();
    if let Some((end, _)) = value.char_indices().nth(EXCERPT_CHARS) {
        value.truncate(end);
        value.push('…');
    }
    let redriven = match report.redrive_count {
        0 => String::new(),
        count => format!(", redriven {count} times"),
    };
    let batch = match report.batch.as_str() {
        "" => String::new(),
        batch => format!(", sink batch {batch} (table version {})", report.processor_version),
    };
    let dismissed = match &report.retraction {
        Some(retraction) => {
            format!(
                "\n  dismissed: the event was retracted at {}: {}",
                retraction.retracted_at, retraction.reason
            )
        }
        None => String::new(),
    };
    let raw = report.raw.as_ref().map(|raw| format!(", raw event {raw}")).unwrap_or_default();
    format!(
        "{} ({}) {}/{} offset {}{redriven}\n  origin: {}/{} offset {}{raw}{batch}\n  reason: {}{dismissed}\n  {value}",
        report.code,
        report.state.name(),
        report.topic,
        report.partition,
        report.offset,
        report.origin,
        report.origin_partition,
        report.origin_offset,
        report.reason
    )
}
