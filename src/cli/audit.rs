//! `audit`: record accounting, parked records, retracted events, content hashes and reconciliation as tables.
//!
//! Invariant: every problem of a processor is in the row of this processor.
//! Not here: the audit itself (`audit`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    audit::{self, Accounting, AuditReport, NameResolution, ParkedReport, TableContent},
    retract::RetractedEvent,
};
use anyhow::Result;

/// Maximum number of parked keys that the text lists.
const MAX_PARKED_KEYS: usize = 20;
/// Maximum number of retracted events that the text lists.
const MAX_RETRACTED_EVENTS: usize = 20;
/// Number of characters of a content hash that the text shows.
const HASH_CHARS: usize = 16;

/// Runs `audit`.
pub fn audit(app: &App, output: Output) -> Result<CommandOutcome> {
    let report = audit::audit(app)?;
    output::print(output, &report, text)?;
    Ok(if report.balanced { CommandOutcome::Done } else { CommandOutcome::Unbalanced })
}

fn text(report: &AuditReport) -> String {
    let reconciliation = match &report.reconciliation {
        Some(reconciliation) => reconciliation.summary(),
        None => "there is no warehouse yet".to_owned(),
    };
    let problems: String = report.problems.iter().map(|problem| format!("{problem}\n")).collect();
    let verdict = if report.balanced { "everything balances" } else { "something does not balance" };
    format!(
        "{}\n\n{}\n\n{}\n\n{}\n\n{}\n\n{reconciliation}\n{problems}{verdict}",
        accounting_table(&report.processors),
        content_table(report.topics.iter().chain(&report.warehouse)),
        name_table(&report.names),
        parked_table(&report.parked),
        retracted_table(&report.retracted)
    )
}

fn accounting_table(processors: &[Accounting]) -> String {
    let rows = processors.iter().map(|accounting| {
        let verdict = match accounting.problems.as_slice() {
            [] => "balanced".to_owned(),
            problems => problems.join("; "),
        };
        let counts = [
            accounting.read,
            accounting.applied,
            accounting.unchanged,
            accounting.parked,
            accounting.rejected,
            accounting.rows,
            accounting.rows_bad,
            accounting.rows_out_of_scope,
        ];
        let [read, applied, unchanged, parked, rejected, rows, bad, out_of_scope] =
            counts.map(|count| count.to_string());
        let processor = accounting.processor.clone();
        [processor, read, applied, unchanged, parked, rejected, rows, bad, out_of_scope, verdict]
    });
    let header = [
        "processor",
        "read",
        "applied",
        "unchanged",
        "parked",
        "rejected",
        "rows",
        "bad",
        "out of scope",
        "verdict",
    ];
    output::table(header, rows)
}

fn content_table<'a>(contents: impl Iterator<Item = &'a TableContent>) -> String {
    let rows = contents.map(|content| {
        [content.name.clone(), content.rows.to_string(), content.hash[..HASH_CHARS].to_owned()]
    });
    output::table(["table", "rows", "content hash"], rows)
}

fn name_table(names: &[NameResolution]) -> String {
    if names.is_empty() {
        return "no names were looked up".to_owned();
    }
    let rows = names.iter().map(|counts| {
        let rules: Vec<String> =
            counts.by_rule.iter().map(|(rule, count)| format!("{count} {rule}")).collect();
        let resolved = format!("{:.2} %", 100.0 * counts.resolved as f64 / counts.names.max(1) as f64);
        [
            counts.source.clone(),
            counts.names.to_string(),
            resolved,
            rules.join(", "),
            counts.nobody.to_string(),
            counts.ambiguous.to_string(),
            counts.unknown.to_string(),
        ]
    });
    output::table(["source", "names", "resolved", "by rule", "nobody", "ambiguous", "unknown"], rows)
}

fn parked_table(parked: &[ParkedReport]) -> String {
    if parked.is_empty() {
        return "nothing is parked".to_owned();
    }
    let rows = parked
        .iter()
        .take(MAX_PARKED_KEYS)
        .map(|parked| [parked.processor.to_owned(), parked.key.clone(), parked.items.len().to_string()]);
    let table = output::table(["processor", "parked until", "items"], rows);
    match parked.len().saturating_sub(MAX_PARKED_KEYS) {
        0 => table,
        more => format!("{table}\n… and {more} more keys (--output json lists all)"),
    }
}

fn retracted_table(events: &[RetractedEvent]) -> String {
    if events.is_empty() {
        return "no event is retracted".to_owned();
    }
    let rows = events.iter().take(MAX_RETRACTED_EVENTS).map(|event| {
        let RetractedEvent { raw, feed, key, fetched_at, retracted_at, reason } = event.clone();
        [raw, feed, key, fetched_at, retracted_at, reason]
    });
    let table = output::table(["raw event", "feed", "key", "fetched at", "retracted at", "reason"], rows);
    match events.len().saturating_sub(MAX_RETRACTED_EVENTS) {
        0 => table,
        more => format!("{table}\n… and {more} more retracted events (--output json lists all)"),
    }
}
