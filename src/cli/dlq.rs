//! `dlq`: the dead letters by processor and code, one by one, put back, or purged.
//!
//! Invariant: what would be lost or done again is shown before it is; a purge needs to be told so.
//! Not here: how they are put back (`dead_letters`).
use super::{Ended, Output, output};
use crate::{
    config::Config,
    dead_letters::{self, CAP, Found, Redriven, kind_of},
};
use anyhow::Result;
use clap::Subcommand;
use runtime::engine::dead_letters_of;
use schemas::{
    Instant,
    raw::{DeadLetter, RawEvent, RejectCode},
    wire,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So much of a letter's value is shown in a table.
const EXCERPT: usize = 400;

#[derive(Subcommand)]
pub enum DlqVerb {
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

pub fn dlq(config: &Config, verb: DlqVerb, output: Output) -> Result<Ended> {
    match verb {
        DlqVerb::List => list(config, output),
        DlqVerb::Show { processor, code, limit } => show(config, &processor, code, limit, output),
        DlqVerb::Redrive { processor, code, dry_run, force } => {
            let asked = Asked { code, dry_run, force };
            redrive(config, &processor, asked, output)
        }
        DlqVerb::Purge { processor, yes } => purge(config, &processor, yes, output),
    }
}

/// Letters of one processor and code.
#[derive(Serialize)]
struct Count {
    processor: String,
    code: &'static str,
    letters: u64,
    /// When the first and the last of their events were fetched.
    first: Option<Instant>,
    last: Option<Instant>,
    /// How often the most frequent returner has come back.
    replays: i32,
}
fn list(config: &Config, output: Output) -> Result<Ended> {
    let mut log = crate::storage::open(config)?;
    let mut counts = Vec::new();
    for processor in dead_letters::stages() {
        let mut by_code: BTreeMap<RejectCode, Count> = BTreeMap::new();
        for Found { letter, .. } in dead_letters::read(log.as_mut(), &processor)?.0 {
            let count = by_code.entry(letter.code).or_insert_with(|| Count {
                processor: processor.clone(),
                code: letter.code.name(),
                letters: 0,
                first: None,
                last: None,
                replays: 0,
            });
            count.letters += 1;
            count.first = [count.first, letter.fetched_at].into_iter().flatten().min();
            count.last = count.last.max(letter.fetched_at);
            count.replays = count.replays.max(letter.replays);
        }
        counts.extend(by_code.into_values());
    }
    output::print(output, &counts, |counts| {
        if counts.is_empty() {
            return "no dead letters".to_owned();
        }
        let at = |at: Option<Instant>| at.map_or_else(|| "–".to_owned(), |at| at.to_string());
        let rows = counts.iter().map(|c| {
            let came_back = if c.replays > 0 { c.replays.to_string() } else { "–".to_owned() };
            [
                c.processor.clone(),
                c.code.to_owned(),
                c.letters.to_string(),
                at(c.first),
                at(c.last),
                came_back,
            ]
        });
        let table = output::table(
            ["processor", "code", "letters", "first fetched", "last fetched", "came back"],
            rows,
        );
        format!("{table}\nnext: `fastbreak dlq show {}`", counts[0].processor)
    })?;
    Ok(Ended::Done)
}

#[derive(Serialize)]
struct Shown {
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
    fetched_at: Option<Instant>,
    version: i64,
    replays: i32,
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
) -> Result<Ended> {
    dead_letters::known(processor)?;
    let mut log = crate::storage::open(config)?;
    let mut found = dead_letters::read(log.as_mut(), processor)?.0;
    found.retain(|found| code.is_none_or(|code| code == found.letter.code));
    let all = found.len();
    let newest = found.into_iter().skip(all.saturating_sub(limit));
    let shown: Vec<Shown> = newest
        .map(|Found { partition, offset, letter }| Shown {
            topic: dead_letters_of(processor),
            partition,
            offset,
            code: letter.code.name(),
            value: value(&letter),
            reason: letter.reason,
            origin: letter.origin,
            origin_partition: letter.partition,
            origin_offset: letter.offset,
            key: letter.key,
            fetched_at: letter.fetched_at,
            version: letter.version,
            replays: letter.replays,
            batch: letter.batch,
        })
        .collect();
    output::print(output, &shown, |shown| {
        let text = |s: &Shown| {
            let mut value = s.value.to_string();
            if let Some((end, _)) = value.char_indices().nth(EXCERPT) {
                value.truncate(end);
                value.push('…');
            }
            let came_back =
                if s.replays > 0 { format!(", came back {} times", s.replays) } else { String::new() };
            let batch = match s.batch.as_str() {
                "" => String::new(),
                batch => format!(", in batch {batch} (version {})", s.version),
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
    Ok(Ended::Done)
}

/// What a letter holds, as JSON where it is any: a raw event, a row, a line, or bytes.
fn value(letter: &DeadLetter) -> Value {
    let text = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    if let Ok(raw) = wire::decode::<RawEvent>(&letter.value) {
        return json!({
            "feed": raw.feed.to_string(), "key": raw.key, "fetched_at": raw.fetched_at.to_string(),
            "outcome": raw.outcome, "payload": text(&raw.payload),
        });
    }
    match std::str::from_utf8(&letter.value) {
        Ok(line) => text(line),
        Err(_) => json!(letter.value.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// Letters of one code whose reasons differ in numbers only.
#[derive(Serialize)]
struct Kind {
    code: &'static str,
    reason: String,
    letters: u64,
}
fn histogram<'a>(letters: impl Iterator<Item = &'a DeadLetter>) -> Vec<Kind> {
    let mut kinds: BTreeMap<(RejectCode, String), u64> = BTreeMap::new();
    letters.for_each(|letter| *kinds.entry((letter.code, kind_of(&letter.reason))).or_default() += 1);
    let kinds =
        kinds.into_iter().map(|((code, reason), letters)| Kind { code: code.name(), reason, letters });
    let mut kinds: Vec<Kind> = kinds.collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.letters));
    kinds
}
fn kinds(kinds: &[Kind]) -> String {
    let rows = kinds.iter().map(|k| [k.letters.to_string(), k.code.to_owned(), k.reason.clone()]);
    output::table(["letters", "code", "reason"], rows)
}

struct Asked {
    code: Option<RejectCode>,
    dry_run: bool,
    force: bool,
}
#[derive(Serialize)]
struct Redrive {
    processor: String,
    dry_run: bool,
    reasons: Vec<Kind>,
    /// Put back before.
    before: usize,
    /// Left alone, having come back too often.
    capped: usize,
    #[serde(flatten)]
    done: Redriven,
}
fn redrive(config: &Config, processor: &str, asked: Asked, output: Output) -> Result<Ended> {
    dead_letters::known(processor)?;
    let mut log = crate::storage::open(config)?;
    let pending = dead_letters::pending(log.as_mut(), processor, asked.code, asked.force)?;
    let (reasons, before, capped) = (histogram(pending.letters()), pending.before, pending.capped);
    let done = match asked.dry_run {
        true => Redriven { letters: pending.letters().count(), ..Redriven::default() },
        false => dead_letters::redrive(log.as_mut(), processor, pending)?,
    };
    let report =
        Redrive { processor: processor.to_owned(), dry_run: asked.dry_run, reasons, before, capped, done };
    output::print(output, &report, |r| {
        let mut lines = Vec::new();
        if !r.reasons.is_empty() {
            lines.push(kinds(&r.reasons));
        }
        let still =
            if r.done.still_dead > 0 { format!(", {} still dead", r.done.still_dead) } else { String::new() };
        lines.push(match r.dry_run {
            true => format!("{} letters would be put back", r.done.letters),
            false => format!("{} letters put back as {} records{still}", r.done.letters, r.done.records),
        });
        if r.before > 0 {
            lines.push(format!("{} were put back before", r.before));
        }
        if r.capped > 0 {
            lines.push(format!(
                "{} have come back {CAP} times and are left alone (--force puts them back)",
                r.capped
            ));
        }
        lines.push("next: `fastbreak run`, then `fastbreak dlq list`".to_owned());
        lines.join("\n")
    })?;
    let nothing_but_capped = report.capped > 0 && report.done.letters == 0;
    Ok(if nothing_but_capped { Ended::Refused } else { Ended::Done })
}

#[derive(Serialize)]
struct Purge {
    processor: String,
    purged: bool,
    letters: usize,
    reasons: Vec<Kind>,
}
fn purge(config: &Config, processor: &str, yes: bool, output: Output) -> Result<Ended> {
    dead_letters::known(processor)?;
    let mut log = crate::storage::open(config)?;
    // What comes in from here on is not looked at, and so not purged.
    let ends = dead_letters::ends(log.as_mut(), processor)?;
    let mut found = dead_letters::read(log.as_mut(), processor)?.0;
    found.retain(|found| ends.get(&found.partition).is_some_and(|end| found.offset < *end));
    let reasons = histogram(found.iter().map(|found| &found.letter));
    if yes && !found.is_empty() {
        log.purge(&dead_letters_of(processor), &ends)?;
    }
    let report = Purge { processor: processor.to_owned(), purged: yes, letters: found.len(), reasons };
    output::print(output, &report, |r| match (r.letters, r.purged) {
        (0, _) => format!("{} has no dead letters", r.processor),
        (letters, true) => format!("{}\n{letters} letters are gone", kinds(&r.reasons)),
        (letters, false) => {
            format!("{}\n{letters} letters would be lost for good; --yes does it", kinds(&r.reasons))
        }
    })?;
    Ok(if yes || report.letters == 0 { Ended::Done } else { Ended::Refused })
}
