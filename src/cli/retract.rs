//! `retract`: the events that were or would be retracted, as a table.
//!
//! Invariant: a preview states that it is one, and shows the command to run next.
//! Not here: retracting events (`retract`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    retract::{self, RetractOptions, RetractReport, RetractionReport, RetractionStatus},
};
use anyhow::Result;
use clap::Args;
use schemas::RawId;

#[derive(Args)]
pub struct RetractArguments {
    /// Ids of raw events, as `explain`, `audit` and `dlq show` print them
    #[arg(required = true, value_name = "RAW_ID")]
    events: Vec<RawId>,
    /// Why the events are retracted; `explain` and `audit` show it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Undo earlier retractions of these events
    #[arg(long)]
    undo: bool,
    /// Append the retractions
    #[arg(long)]
    yes: bool,
}

/// Runs `retract`.
pub fn retract(app: &App, arguments: &RetractArguments, output: Output) -> Result<CommandOutcome> {
    let RetractArguments { events, reason, undo, yes } = arguments;
    let report = retract::retract(app, &RetractOptions { events, reason, undo: *undo, is_confirmed: *yes })?;
    output::print(output, &report, text)?;
    Ok(if report.is_refused() { CommandOutcome::Refused } else { CommandOutcome::Done })
}

fn text(report: &RetractReport) -> String {
    let header = ["raw event", "feed", "key", "fetched at", "outcome", "observations", "rows", "status"];
    let table = output::table(header, report.events.iter().map(row));
    let what = if report.undo { "retractions" } else { "events" };
    let count = report.appends();
    let changed = match (count, report.undo) {
        (0, _) => return format!("{table}\nnothing to do"),
        (_, false) => "retracted",
        (_, true) => "undone",
    };
    let next = if report.confirmed {
        format!("{count} {what} {changed}\nnext: `fastbreak run --until-caught-up`")
    } else {
        let would = if count == 1 { "would be" } else { "in total would be" };
        format!("preview: {count} {what} {would} {changed}\nnext: the same command with `--yes`")
    };
    format!("{table}\n{next}")
}

fn row(report: &RetractionReport) -> [String; 8] {
    let status = match report.status {
        RetractionStatus::WouldBeRetracted => "would be retracted",
        RetractionStatus::WouldBeRestored => "retraction would be undone",
        RetractionStatus::Retracted => "retracted",
        RetractionStatus::Restored => "retraction undone",
        RetractionStatus::AlreadyRetracted => "already retracted",
        RetractionStatus::AlreadyRestored => "retraction already undone",
    };
    let since = report.at.as_ref().map(|at| format!(" at {at}: {}", report.reason)).unwrap_or_default();
    [
        report.raw.clone(),
        report.feed.clone(),
        report.key.clone(),
        report.fetched_at.clone(),
        report.outcome.to_owned(),
        report.observations.to_string(),
        report.rows.to_string(),
        format!("{status}{since}"),
    ]
}
