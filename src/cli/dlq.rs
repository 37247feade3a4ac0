//! `dlq`: count, show, redrive and purge dead letters.
//!
//! Invariant: a purge without `--yes` and a redrive with `--dry-run` change nothing and show what they would change.
//! Not here: redriving (`redrive`), the report of one dead letter (`show`).
mod show;

use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    redrive::{self, MAX_REDRIVES, RedriveSummary, normalize_reason},
    topology::dlq_owners,
};
use anyhow::Result;
use clap::Subcommand;
use runtime::{DeadLetterRecord, dlq as dead_letter_queue, engine::dlq_topic};
use schemas::{
    Timestamp,
    raw::{DeadLetter, RejectCode},
};
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeMap};

#[derive(Subcommand)]
pub enum DlqCommand {
    /// Count dead letters by processor and code
    List,
    /// Show the newest dead letters of a processor: origin, reason and value
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
    Purge {
        processor: String,
        /// Delete the dead letters
        #[arg(long)]
        yes: bool,
    },
}

pub fn dlq(app: &App, command: DlqCommand, output: Output) -> Result<CommandOutcome> {
    match command {
        DlqCommand::List => list(app, output),
        DlqCommand::Show { processor, code, limit } => show::show(app, &processor, code, limit, output),
        DlqCommand::Redrive { processor, code, dry_run, force } => {
            redrive(app, &processor, RedriveOptions { code, dry_run, force }, output)
        }
        DlqCommand::Purge { processor, yes } => purge(app, &processor, yes, output),
    }
}

/// Number of dead letters that have the same processor and code, with the range of their fetch times.
#[derive(Serialize)]
struct CodeCount {
    processor: String,
    code: &'static str,
    dead_letters: u64,
    /// Earliest and latest fetch time (RFC 3339) of the raw events of these dead letters; `None` if no fetch time is known.
    first_fetched_at: Option<String>,
    last_fetched_at: Option<String>,
    /// The highest redrive count of these dead letters.
    max_redrive_count: i32,
}
/// The totals from which a [`CodeCount`] is made.
#[derive(Default)]
struct CodeTotals {
    dead_letters: u64,
    first_fetched_at: Option<Timestamp>,
    last_fetched_at: Option<Timestamp>,
    max_redrive_count: i32,
}
impl CodeTotals {
    fn add(&mut self, dead_letter: &DeadLetter) {
        self.dead_letters += 1;
        self.first_fetched_at = [self.first_fetched_at, dead_letter.fetched_at].into_iter().flatten().min();
        self.last_fetched_at = self.last_fetched_at.max(dead_letter.fetched_at);
        self.max_redrive_count = self.max_redrive_count.max(dead_letter.redrive_count);
    }
}

fn list(app: &App, output: Output) -> Result<CommandOutcome> {
    let mut log = app.open_log()?;
    let mut counts = Vec::new();
    for processor in dlq_owners() {
        let mut totals_by_code: BTreeMap<RejectCode, CodeTotals> = BTreeMap::new();
        for DeadLetterRecord { dead_letter, .. } in dead_letter_queue::read(log.as_mut(), processor)?.records
        {
            totals_by_code.entry(dead_letter.code).or_default().add(&dead_letter);
        }
        counts.extend(totals_by_code.into_iter().map(|(code, totals)| CodeCount {
            processor: processor.to_owned(),
            code: code.name(),
            dead_letters: totals.dead_letters,
            first_fetched_at: totals.first_fetched_at.map(|timestamp| timestamp.to_string()),
            last_fetched_at: totals.last_fetched_at.map(|timestamp| timestamp.to_string()),
            max_redrive_count: totals.max_redrive_count,
        }));
    }
    output::print(output, &counts, |counts| list_table(counts))?;
    Ok(CommandOutcome::Done)
}

fn list_table(counts: &[CodeCount]) -> String {
    let Some(first) = counts.first() else { return "no dead letters".to_owned() };
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let rows = counts.iter().map(|count| {
        let redrive_count = match count.max_redrive_count {
            0 => "–".to_owned(),
            redrive_count => redrive_count.to_string(),
        };
        [
            count.processor.clone(),
            count.code.to_owned(),
            count.dead_letters.to_string(),
            or_dash(&count.first_fetched_at),
            or_dash(&count.last_fetched_at),
            redrive_count,
        ]
    });
    let header = ["processor", "code", "dead letters", "first fetched at", "last fetched at", "max redrives"];
    format!("{}\nnext: `fastbreak dlq show {}`", output::table(header, rows), first.processor)
}

/// Number of dead letters of one code whose reasons differ only in numbers.
#[derive(Serialize)]
struct ReasonCount {
    code: &'static str,
    reason: String,
    dead_letters: u64,
}
fn count_reasons<'a>(dead_letters: impl Iterator<Item = &'a DeadLetter>) -> Vec<ReasonCount> {
    let mut counts: BTreeMap<(RejectCode, String), u64> = BTreeMap::new();
    for dead_letter in dead_letters {
        *counts.entry((dead_letter.code, normalize_reason(&dead_letter.reason))).or_default() += 1;
    }
    let counts = counts.into_iter();
    let mut reasons: Vec<ReasonCount> = counts
        .map(|((code, reason), dead_letters)| ReasonCount { code: code.name(), reason, dead_letters })
        .collect();
    reasons.sort_by_key(|reason_count| Reverse(reason_count.dead_letters));
    reasons
}
fn reason_table(reasons: &[ReasonCount]) -> String {
    let rows = reasons.iter().map(|reason_count| {
        [reason_count.dead_letters.to_string(), reason_count.code.to_owned(), reason_count.reason.clone()]
    });
    output::table(["dead letters", "code", "reason"], rows)
}

struct RedriveOptions {
    code: Option<RejectCode>,
    dry_run: bool,
    force: bool,
}
#[derive(Serialize)]
struct RedriveReport {
    processor: String,
    dry_run: bool,
    reasons: Vec<ReasonCount>,
    already_redriven: usize,
    /// Number of dead letters that are skipped because they were redriven [`MAX_REDRIVES`] times.
    redrive_limit_reached: usize,
    #[serde(flatten)]
    summary: RedriveSummary,
}
fn redrive(app: &App, processor: &str, options: RedriveOptions, output: Output) -> Result<CommandOutcome> {
    redrive::ensure_owner(processor)?;
    let mut log = app.open_log()?;
    let pending = redrive::pending(log.as_mut(), processor, options.code, options.force)?;
    let reasons = count_reasons(pending.dead_letters());
    let (already_redriven, redrive_limit_reached) = (pending.already_redriven, pending.at_redrive_limit);
    let summary = if options.dry_run {
        RedriveSummary { dead_letters: pending.dead_letters().count(), ..RedriveSummary::default() }
    } else {
        redrive::redrive(log.as_mut(), processor, pending)?
    };
    let report = RedriveReport {
        processor: processor.to_owned(),
        dry_run: options.dry_run,
        reasons,
        already_redriven,
        redrive_limit_reached,
        summary,
    };
    output::print(output, &report, redrive_text)?;
    let is_refused = report.redrive_limit_reached > 0 && report.summary.dead_letters == 0;
    Ok(if is_refused { CommandOutcome::Refused } else { CommandOutcome::Done })
}

fn redrive_text(report: &RedriveReport) -> String {
    let RedriveSummary { dead_letters, records, still_rejected } = report.summary;
    let mut lines = Vec::new();
    if !report.reasons.is_empty() {
        lines.push(reason_table(&report.reasons));
    }
    lines.push(if report.dry_run {
        format!("preview: {dead_letters} dead letters would be redriven")
    } else if still_rejected > 0 {
        format!("{dead_letters} dead letters redriven: {records} records appended, {still_rejected} dead letters rejected again")
    } else {
        format!("{dead_letters} dead letters redriven: {records} records appended")
    });
    if report.already_redriven > 0 {
        lines.push(format!(
            "{} other dead letters were redriven before and are skipped",
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

#[derive(Serialize)]
struct PurgeReport {
    processor: String,
    purged: bool,
    dead_letters: usize,
    reasons: Vec<ReasonCount>,
}
fn purge(app: &App, processor: &str, yes: bool, output: Output) -> Result<CommandOutcome> {
    redrive::ensure_owner(processor)?;
    let mut log = app.open_log()?;
    // Dead letters that are appended after this call are neither reported nor deleted.
    let ends = dead_letter_queue::end_offsets(log.as_mut(), processor)?;
    let mut found = dead_letter_queue::read(log.as_mut(), processor)?.records;
    found.retain(|record| ends.get(&record.partition).is_some_and(|end| record.offset < *end));
    let reasons = count_reasons(found.iter().map(|record| &record.dead_letter));
    if yes && !found.is_empty() {
        log.purge(dlq_topic(processor), &ends)?;
    }
    let report =
        PurgeReport { processor: processor.to_owned(), purged: yes, dead_letters: found.len(), reasons };
    output::print(output, &report, |report| match (report.dead_letters, report.purged) {
        (0, _) => format!("{} has no dead letters", report.processor),
        (count, true) => format!("{}\n{count} dead letters deleted", reason_table(&report.reasons)),
        (count, false) => format!(
            "{}\npreview: {count} dead letters would be deleted and could not be restored\n\
             next: `fastbreak dlq purge {} --yes`",
            reason_table(&report.reasons),
            report.processor
        ),
    })?;
    Ok(if yes || report.dead_letters == 0 { CommandOutcome::Done } else { CommandOutcome::Refused })
}
