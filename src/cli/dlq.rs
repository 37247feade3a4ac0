//! `dlq`: the dead letters by processor and code, one by one, put back, or purged.
//!
//! Invariant: what would be lost or done again is shown before it is; a purge needs to be told so.
//! Not here: how they are put back (`dead_letters`).
use super::{CommandOutcome, Output, output};
use crate::{
    config::Config,
    redrive::{self, MAX_REDRIVES, RedriveSummary, normalize_reason},
};
use anyhow::Result;
use clap::Subcommand;
use runtime::{DeadLetterRecord, dlq as dead_letter_queue, engine::dlq_topic};
use schemas::{
    Timestamp,
    raw::{DeadLetter, RawEvent, RejectCode},
    wire,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So much of a letter's value is shown in a table.
const EXCERPT: usize = 400;

#[derive(Subcommand)]
pub enum DlqCommand {
    /// How many, by processor and code
    List,
    /// The newest of a processor: where they were read, why, and what they are
    Show {
        processor: String,
        #[arg(long)]
        code: Option<RejectCode>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Put back what a processor rejected, into the topic that it was read from
    Redrive {
        processor: String,
        #[arg(long)]
        code: Option<RejectCode>,
        /// Only count, by code and reason
        #[arg(long)]
        dry_run: bool,
        /// Also those that have come back three times
        #[arg(long)]
        force: bool,
    },
    /// Delete a processor's dead letters; without --yes, say what would be lost
    Purge {
        processor: String,
        #[arg(long)]
        yes: bool,
    },
}

pub fn dlq(config: &Config, command: DlqCommand, output: Output) -> Result<CommandOutcome> {
    match command {
        DlqCommand::List => list(config, output),
        DlqCommand::Show { processor, code, limit } => show(config, &processor, code, limit, output),
        DlqCommand::Redrive { processor, code, dry_run, force } => {
            let options = RedriveOptions { code, dry_run, force };
            redrive(config, &processor, options, output)
        }
        DlqCommand::Purge { processor, yes } => purge(config, &processor, yes, output),
    }
}

/// Letters of one processor and code.
#[derive(Serialize)]
struct CodeCount {
    processor: String,
    code: &'static str,
    dead_letters: u64,
    /// When the first and the last of their events were fetched.
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// How often the most frequent returner has come back.
    redrive_count: i32,
}
fn list(config: &Config, output: Output) -> Result<CommandOutcome> {
    let mut log = crate::storage::open(config)?;
    let mut counts = Vec::new();
    for processor in redrive::dlq_owners() {
        let mut by_code: BTreeMap<RejectCode, CodeCount> = BTreeMap::new();
        for DeadLetterRecord { dead_letter, .. } in dead_letter_queue::read(log.as_mut(), &processor)?.records
        {
            let count = by_code.entry(dead_letter.code).or_insert_with(|| CodeCount {
                processor: processor.clone(),
                code: dead_letter.code.name(),
                dead_letters: 0,
                first: None,
                last: None,
                redrive_count: 0,
            });
            count.dead_letters += 1;
            count.first = [count.first, dead_letter.fetched_at].into_iter().flatten().min();
            count.last = count.last.max(dead_letter.fetched_at);
            count.redrive_count = count.redrive_count.max(dead_letter.redrive_count);
        }
        counts.extend(by_code.into_values());
    }
    output::print(output, &counts, |counts| {
        if counts.is_empty() {
            return "no dead letters".to_owned();
        }
        let at = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), |at| at.to_string());
        let rows = counts.iter().map(|c| {
            let came_back = if c.redrive_count > 0 { c.redrive_count.to_string() } else { "–".to_owned() };
            [
                c.processor.clone(),
                c.code.to_owned(),
                c.dead_letters.to_string(),
                at(c.first),
                at(c.last),
                came_back,
            ]
        });
        let table = output::table(
            ["processor", "code", "dead letters", "first fetched", "last fetched", "came back"],
            rows,
        );
        format!("{table}\nnext: `fastbreak dlq show {}`", counts[0].processor)
    })?;
    Ok(CommandOutcome::Done)
}

#[derive(Serialize)]
struct DeadLetterReport {
    topic: String,
    partition: i32,
    offset: i64,
    code: &'static str,
    reason: String,
    /// Where it was read: topic and partition and offset, or file and line.
    origin: String,
    origin_partition: i32,
    origin_offset: i64,
    key: String,
    fetched_at: Option<Timestamp>,
    processor_version: i64,
    redrive_count: i32,
    /// The sink's batch that it was in, if any.
    batch: String,
    value: Value,
}
fn show(
    config: &Config,
    processor: &str,
    code: Option<RejectCode>,
    limit: usize,
    output: Output,
) -> Result<CommandOutcome> {
    redrive::ensure_owner(processor)?;
    let mut log = crate::storage::open(config)?;
    let mut found = dead_letter_queue::read(log.as_mut(), processor)?.records;
    found.retain(|found| code.is_none_or(|code| code == found.dead_letter.code));
    let all = found.len();
    let newest = found.into_iter().skip(all.saturating_sub(limit));
    let shown: Vec<DeadLetterReport> = newest
        .map(|DeadLetterRecord { partition, offset, dead_letter }| DeadLetterReport {
            topic: dlq_topic(processor),
            partition,
            offset,
            code: dead_letter.code.name(),
            value: value(&dead_letter),
            reason: dead_letter.reason,
            origin: dead_letter.origin,
            origin_partition: dead_letter.partition,
            origin_offset: dead_letter.offset,
            key: dead_letter.key,
            fetched_at: dead_letter.fetched_at,
            processor_version: dead_letter.processor_version,
            redrive_count: dead_letter.redrive_count,
            batch: dead_letter.batch,
        })
        .collect();
    output::print(output, &shown, |shown| {
        let text = |s: &DeadLetterReport| {
            let mut value = s.value.to_string();
            if let Some((end, _)) = value.char_indices().nth(EXCERPT) {
                value.truncate(end);
                value.push('…');
            }
            let came_back = if s.redrive_count > 0 {
                format!(", came back {} times", s.redrive_count)
            } else {
                String::new()
            };
            let batch = match s.batch.as_str() {
                "" => String::new(),
                batch => format!(", in batch {batch} (version {})", s.processor_version),
            };
            format!(
                "{} {}/{} offset {}{came_back}\n  read at {}/{} offset {}{batch}\n  because {}\n  {value}",
                s.code,
                s.topic,
                s.partition,
                s.offset,
                s.origin,
                s.origin_partition,
                s.origin_offset,
                s.reason
            )
        };
        let rest = match all - shown.len() {
            0 => String::new(),
            more => format!("\n… and {more} before these (--limit)"),
        };
        let text: Vec<String> = shown.iter().map(text).collect();
        if text.is_empty() {
            format!("{processor} has no such dead letters")
        } else {
            text.join("\n") + &rest
        }
    })?;
    Ok(CommandOutcome::Done)
}

/// What a letter holds, as JSON where it is any: a raw event, a row, a line, or bytes.
fn value(dead_letter: &DeadLetter) -> Value {
    let text = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    if let Ok(raw) = wire::decode::<RawEvent>(&dead_letter.value) {
        return json!({
            "feed": raw.feed.to_string(), "key": raw.key, "fetched_at": raw.fetched_at.to_string(),
            "outcome": raw.outcome, "payload": text(&raw.payload),
        });
    }
    match std::str::from_utf8(&dead_letter.value) {
        Ok(line) => text(line),
        Err(_) => json!(dead_letter.value.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// Letters of one code whose reasons differ in numbers only.
#[derive(Serialize)]
struct ReasonCount {
    code: &'static str,
    reason: String,
    dead_letters: u64,
}
fn histogram<'a>(dead_letters: impl Iterator<Item = &'a DeadLetter>) -> Vec<ReasonCount> {
    let mut reasons: BTreeMap<(RejectCode, String), u64> = BTreeMap::new();
    dead_letters.for_each(|dead_letter| {
        *reasons.entry((dead_letter.code, normalize_reason(&dead_letter.reason))).or_default() += 1
    });
    let reasons = reasons.into_iter().map(|((code, reason), dead_letters)| ReasonCount {
        code: code.name(),
        reason,
        dead_letters,
    });
    let mut reasons: Vec<ReasonCount> = reasons.collect();
    reasons.sort_by_key(|reason_count| std::cmp::Reverse(reason_count.dead_letters));
    reasons
}
fn reason_table(reasons: &[ReasonCount]) -> String {
    let rows = reasons.iter().map(|k| [k.dead_letters.to_string(), k.code.to_owned(), k.reason.clone()]);
    output::table(["dead letters", "code", "reason"], rows)
}

struct RedriveOptions {
    code: Option<RejectCode>,
    dry_run: bool,
    force: bool,
}
#[derive(Serialize)]
struct Redrive {
    processor: String,
    dry_run: bool,
    reasons: Vec<ReasonCount>,
    /// Put back before.
    already_redriven: usize,
    /// Left alone, having come back too often.
    redrive_limit_reached: usize,
    #[serde(flatten)]
    done: RedriveSummary,
}
fn redrive(
    config: &Config,
    processor: &str,
    options: RedriveOptions,
    output: Output,
) -> Result<CommandOutcome> {
    redrive::ensure_owner(processor)?;
    let mut log = crate::storage::open(config)?;
    let pending = redrive::pending(log.as_mut(), processor, options.code, options.force)?;
    let (reasons, already_redriven, redrive_limit_reached) =
        (histogram(pending.dead_letters()), pending.already_redriven, pending.at_redrive_limit);
    let done = match options.dry_run {
        true => RedriveSummary { dead_letters: pending.dead_letters().count(), ..RedriveSummary::default() },
        false => redrive::redrive(log.as_mut(), processor, pending)?,
    };
    let report = Redrive {
        processor: processor.to_owned(),
        dry_run: options.dry_run,
        reasons,
        already_redriven,
        redrive_limit_reached,
        done,
    };
    output::print(output, &report, |r| {
        let mut lines = Vec::new();
        if !r.reasons.is_empty() {
            lines.push(reason_table(&r.reasons));
        }
        let still = if r.done.still_rejected > 0 {
            format!(", {} still dead", r.done.still_rejected)
        } else {
            String::new()
        };
        lines.push(match r.dry_run {
            true => format!("{} letters would be put back", r.done.dead_letters),
            false => format!("{} letters put back as {} records{still}", r.done.dead_letters, r.done.records),
        });
        if r.already_redriven > 0 {
            lines.push(format!("{} were put back before", r.already_redriven));
        }
        if r.redrive_limit_reached > 0 {
            lines.push(format!(
                "{} have come back {MAX_REDRIVES} times and are left alone (--force puts them back)",
                r.redrive_limit_reached
            ));
        }
        lines.push("next: `fastbreak run`, then `fastbreak dlq list`".to_owned());
        lines.join("\n")
    })?;
    let nothing_but_capped = report.redrive_limit_reached > 0 && report.done.dead_letters == 0;
    Ok(if nothing_but_capped { CommandOutcome::Refused } else { CommandOutcome::Done })
}

#[derive(Serialize)]
struct Purge {
    processor: String,
    purged: bool,
    dead_letters: usize,
    reasons: Vec<ReasonCount>,
}
fn purge(config: &Config, processor: &str, yes: bool, output: Output) -> Result<CommandOutcome> {
    redrive::ensure_owner(processor)?;
    let mut log = crate::storage::open(config)?;
    // What comes in from here on is not looked at, and so not purged.
    let ends = dead_letter_queue::end_offsets(log.as_mut(), processor)?;
    let mut found = dead_letter_queue::read(log.as_mut(), processor)?.records;
    found.retain(|found| ends.get(&found.partition).is_some_and(|end| found.offset < *end));
    let reasons = histogram(found.iter().map(|found| &found.dead_letter));
    if yes && !found.is_empty() {
        log.purge(dlq_topic(processor), &ends)?;
    }
    let report = Purge { processor: processor.to_owned(), purged: yes, dead_letters: found.len(), reasons };
    output::print(output, &report, |r| match (r.dead_letters, r.purged) {
        (0, _) => format!("{} has no dead letters", r.processor),
        (dead_letters, true) => format!("{}\n{dead_letters} letters are gone", reason_table(&r.reasons)),
        (dead_letters, false) => {
            format!(
                "{}\n{dead_letters} letters would be lost for good; --yes does it",
                reason_table(&r.reasons)
            )
        }
    })?;
    Ok(if yes || report.dead_letters == 0 { CommandOutcome::Done } else { CommandOutcome::Refused })
}
