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
    format!(
        "the warehouse {} belongs to {owner} in epoch {}\n\
         preview: log {log} would own it in epoch {}; the next `fastbreak run` would write all rows again from offset 0 and then delete \
         the rows of older epochs; rows stay readable\n\
         next: `fastbreak sink rebuild{take_over} --yes`",
        report.warehouse, report.previous_epoch, report.epoch
    )
}
