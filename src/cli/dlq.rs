//! `dlq`: counts of dead letters as tables, and what a redrive or a purge changed or would change.
//!
//! Invariant: a preview states that it is one, and shows the command to run next.
//! Not here: redriving (`redrive`), reading and deleting dead letters (`dead_letters`), the text of one dead letter (`show`).
mod show;

use super::{
    examples,
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    dead_letters::{self, ListedReason, PurgeReport},
    reasons::ReasonCount,
    redrive::{self, MAX_REDRIVES, RedriveOptions, RedriveReport, RedriveSummary},
};
use anyhow::Result;
use clap::Subcommand;
use schemas::raw::RejectCode;

#[derive(Subcommand)]
pub enum DlqCommand {
    /// Count dead letters by processor, code and reason, in each state
    #[command(after_help = examples::DLQ_LIST)]
    List,
    /// Show the newest dead letters of a processor: origin, reason and value
    #[command(after_help = examples::DLQ_SHOW)]
    Show {
        processor: String,
        /// Only dead letters with this code
        #[arg(long)]
        code: Option<RejectCode>,
        /// Maximum number of dead letters to show
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Produce the original records of a processor's dead letters again
    #[command(after_help = examples::DLQ_REDRIVE)]
    Redrive {
        processor: String,
        /// Only dead letters with this code
        #[arg(long)]
        code: Option<RejectCode>,
        /// Only count the dead letters by code and reason, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Also redrive dead letters that were redriven three times
        #[arg(long)]
        force: bool,
    },
    /// Delete all dead letters of a processor; without --yes, preview only
    #[command(after_help = examples::DLQ_PURGE)]
    Purge {
        processor: String,
        /// Delete the dead letters
        #[arg(long)]
        yes: bool,
    },
}

/// Runs `dlq`.
pub fn dlq(app: &App, command: DlqCommand, output: Output) -> Result<CommandOutcome> {
    match command {
        DlqCommand::List => {
            output::print(output, &dead_letters::list(app)?, |listed| list_table(listed))?;
            Ok(CommandOutcome::Done)
        }
        DlqCommand::Show { processor, code, limit } => show::show(app, &processor, code, limit, output),
        DlqCommand::Redrive { processor, code, dry_run, force } => {
            let report = redrive::redrive(app, &processor, RedriveOptions { code, dry_run, force })?;
            output::print(output, &report, redrive_text)?;
            Ok(if report.is_refused() { CommandOutcome::Refused } else { CommandOutcome::Done })
        }
        DlqCommand::Purge { processor, yes } => {
            let report = dead_letters::purge(app, &processor, yes)?;
            output::print(output, &report, purge_text)?;
            Ok(if report.is_refused() { CommandOutcome::Refused } else { CommandOutcome::Done })
        }
    }
}

fn list_table(listed: &[ListedReason]) -> String {
    let rows = listed.iter().map(|reason| {
        let numbers = [reason.open, reason.redriven, reason.resolved, reason.dismissed];
        let [open, redriven, resolved, dismissed] = numbers.map(|number| number.to_string());
        let fetched_at = reason.last_fetched_at.clone().unwrap_or_else(|| "–".to_owned());
        let (processor, code) = (reason.processor.clone(), reason.code.to_owned());
        [processor, code, reason.reason.clone(), open, redriven, resolved, dismissed, fetched_at]
    });
    let header =
        ["processor", "code", "reason", "open", "redriven", "resolved", "dismissed", "last fetched at"];
    if listed.is_empty() {
        return "no dead letters".to_owned();
    }
    let table = output::table(header, rows);
    match listed.iter().find(|reason| reason.open > 0) {
        Some(reason) => {
            format!("{table}\nnext: `fastbreak dlq show {} --code {}`", reason.processor, reason.code)
        }
        None => format!("{table}\nnothing is to be done: no dead letter is open"),
    }
}

fn reason_table(reasons: &[ReasonCount]) -> String {
    let rows = reasons.iter().map(|reason_count| {
        let ReasonCount { code, reason, dead_letters, first } = reason_count;
        [dead_letters.to_string(), (*code).to_owned(), reason.clone(), first.clone()]
    });
    output::table(["dead letters", "code", "reason", "first"], rows)
}

fn redrive_text(report: &RedriveReport) -> String {
    let RedriveSummary { dead_letters, records, still_rejected } = report.summary;
    let mut lines = Vec::new();
    if !report.reasons.is_empty() {
        lines.push(reason_table(&report.reasons));
    }
    lines.push(if report.dry_run {
        format!("preview: {dead_letters} dead letters would be redriven")
    } else {
        format!("{dead_letters} dead letters redriven: {records} records appended")
    });
    if still_rejected > 0 {
        lines.push(format!("{still_rejected} other dead letters still are no events and stay as they are"));
    }
    if report.already_redriven > 0 {
        lines.push(format!(
            "{} other dead letters were redriven before, or are resolved or dismissed, and are skipped",
            report.already_redriven
        ));
    }
    if report.redrive_limit_reached > 0 {
        lines.push(format!(
            "{} other dead letters were redriven {MAX_REDRIVES} times and are skipped; --force redrives them",
            report.redrive_limit_reached
        ));
    }
    lines.push("next: `fastbreak run`, then `fastbreak dlq list`".to_owned());
    lines.join("\n")
}

fn purge_text(report: &PurgeReport) -> String {
    match (report.dead_letters, report.purged) {
        (0, _) => format!("{} has no dead letters", report.processor),
        (count, true) => format!("{}\n{count} dead letters deleted", reason_table(&report.reasons)),
        (count, false) => format!(
            "{}\npreview: {count} dead letters would be deleted and could not be restored\n\
             next: `fastbreak dlq purge {} --yes`",
            reason_table(&report.reasons),
            report.processor
        ),
    }
}
