//! `sink rebuild`: the rebuild that was begun or previewed, as text.
//!
//! Invariant: a preview states that it is one, and shows the command to run next.
//! Not here: beginning the rebuild (`sink_rebuild`), the rebuild itself, which the sink does at the next `run`.
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    sink_rebuild::{self, RebuildOptions, RebuildReport},
};
use anyhow::Result;

/// Runs `sink rebuild`.
pub fn rebuild(app: &App, options: RebuildOptions, output: Output) -> Result<CommandOutcome> {
    let report = sink_rebuild::rebuild(app, options)?;
    output::print(output, &report, show)?;
    Ok(if report.started { CommandOutcome::Done } else { CommandOutcome::Refused })
}

fn show(report: &RebuildReport) -> String {
    let log = report.log.as_deref().unwrap_or("without an id");
    if report.started {
        return format!(
            "the warehouse {} belongs to log {log} in epoch {}\n\
             next: `fastbreak run --until-caught-up` writes all rows again and then deletes the rows of older epochs",
            report.warehouse, report.epoch
        );
    }
    let (owner, take_over) = match &report.previous_log {
        None => ("no log".to_owned(), ""),
        Some(owner) if Some(owner) == report.log.as_ref() => (format!("log {owner}, this log,"), ""),
        Some(owner) => (format!("log {owner}"), " --take-over"),
    };
    let unread = if report.has_unread_records {
        "; processors have not read all of its records: `fastbreak run --only` with their names first gives an exact count"
    } else {
        ""
    };
    let next = match (report.raw_events, report.deleted_rows()) {
        (0, 1..) => {
            "next: restore the log from a backup; it has no raw events, so a rebuild is refused".to_owned()
        }
        _ => format!("next: `fastbreak sink rebuild{take_over} --yes`"),
    };
    format!(
        "{}\n\nthis log has {} raw events{unread}\n\
         the warehouse {} belongs to {owner} in epoch {}\n\
         preview: log {log} would own it in epoch {}; the next `fastbreak run` would write all rows again from offset 0 and then delete \
         the rows of older epochs, {} in total; the other rows stay readable\n\
         {next}",
        table(report),
        report.raw_events,
        report.warehouse,
        report.previous_epoch,
        report.epoch,
        report.deleted_rows()
    )
}

fn table(report: &RebuildReport) -> String {
    let or_dash = |date: &Option<String>| date.clone().unwrap_or_else(|| "–".to_owned());
    let rows = report.tables.iter().map(|table| {
        let [rows, deleted] = [table.rows, table.deleted].map(|count| count.to_string());
        [table.table.to_owned(), rows, deleted, or_dash(&table.first_date), or_dash(&table.last_date)]
    });
    output::table(["table", "rows", "not in this log", "first date", "last date"], rows)
}
