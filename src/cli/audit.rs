//! `audit`: whether every record read ended as something, what waits for which key, what the tables hold, and whether the warehouse
//! holds what the log says.
use super::{Ended, Output, output};
use crate::{
    agreement::{self, Agreement},
    config::Config,
    dead_letters, reading, storage, topology,
};
use anyhow::{Result, bail};
use processors::names::{Resolution, decide};
use runtime::{Storage, engine::Node, log::Count, member::Reader};
use schemas::{
    EasternDate,
    identity::NameStep,
    ops::LedgerEntry,
    raw::{RejectCode, Source},
};
use serde::Serialize;
use sinks::{Warehouse, WarehouseError};
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};
use topics::{Policy, TopicInfo};

/// How much is looked at side by side: each holds a processor's memory.
const AT_ONCE: usize = 4;
/// How long the warehouse may take for its part.
const ANSWER: Duration = Duration::from_secs(120);

#[derive(Serialize)]
struct Report {
    balanced: bool,
    processors: Vec<Account>,
    parked: Vec<Parked>,
    names: Vec<Resolved>,
    topics: Vec<Content>,
    warehouse: Vec<Content>,
    /// Whether the warehouse holds what the log says; `None`: there is no warehouse yet.
    agreement: Option<Agreement>,
}
/// A processor's account, and what it is held against.
#[derive(Serialize)]
struct Account {
    processor: String,
    read: i64,
    applied: i64,
    unchanged: i64,
    parked: i64,
    rejected: i64,
    rows: i64,
    rows_bad: i64,
    rows_out_of_scope: i64,
    /// What does not balance, in words; empty when everything does.
    wrong: Vec<String>,
}
#[derive(Serialize)]
struct Parked {
    processor: &'static str,
    key: String,
    what: Vec<String>,
}
/// What became of one source's names: each counts once per game or roster and day.
#[derive(Default, Serialize)]
struct Resolved {
    source: String,
    names: u64,
    resolved: u64,
    ambiguous: u64,
    unknown: u64,
    by_rule: BTreeMap<&'static str, u64>,
}
#[derive(Serialize)]
struct Content {
    name: String,
    rows: u64,
    hash: String,
}

pub fn audit(config: &Config, output: Output) -> Result<Ended> {
    let mut log = storage::open(config)?;
    let accounts = reading::accounts(log.as_mut(), 0)?;
    let mut nodes = topology::topology(super::run::predictor(config)?);
    let readers = Reader::of(&nodes);
    let held = side_by_side(config, nodes.iter_mut().zip(&readers), |log, (node, reader)| {
        hold(log, &accounts, node.as_mut(), reader)
    })?;
    let (mut processors, mut parked, mut published) = (Vec::new(), Vec::new(), Vec::new());
    for of_one in held {
        processors.push(of_one.account);
        parked.extend(of_one.parked);
        published.push(of_one.published);
    }
    // Of its newest reading: one that began again has an account of its own.
    let newest = accounts.iter().rfind(|((name, _), _)| name == topology::SINK);
    let of_sink = newest.map(|(_, entry)| entry.clone()).unwrap_or_default();
    let mut wrong = imbalances(&of_sink);
    compare_read(&mut wrong, of_sink.read, log.as_mut(), topology::SINK, &topology::sink_inputs())?;
    processors.push(account(topology::SINK, &of_sink, wrong));

    let tables =
        topics::ALL.iter().filter(|topic| topic.policy == Policy::Compact && !topic.name.starts_with("ops."));
    let contents = side_by_side(config, tables, |log, topic| {
        let (rows, hash) = reading::content(log, *topic)?;
        Ok(Content { name: topic.name.to_owned(), rows, hash })
    })?;
    let looked = nodes.iter_mut().zip(&readers).zip(processors.iter_mut().zip(published));
    for ((node, reader), (account, mut published)) in looked {
        for topic in node.outputs().into_iter().filter(|topic| topic.policy == Policy::Compact) {
            let seen = contents.iter().find(|content| content.name == topic.name);
            let mut rows = seen.map_or(0, |content| content.rows);
            if published.get(topic.name).is_some_and(|stood| *stood > rows) {
                // A row may have gone between the two looks, while processors run: not again just now.
                published = hold(log.as_mut(), &accounts, node.as_mut(), reader)?.published;
                rows = reading::content(log.as_mut(), topic)?.0;
            }
            let stood = published.get(topic.name).copied().unwrap_or(0);
            if stood > rows {
                account.wrong.push(format!(
                    "{}: {stood} rows are published, and the topic holds {rows}; where it was made anew, docs/kafka-brokers.md says how it is filled",
                    topic.name
                ));
            }
        }
    }
    let (warehouse, agreement) = match crate::warehouse::look(config)? {
        Some(warehouse) => (warehouse.content_hashes()?, Some(agreement(log.as_mut(), warehouse.as_ref())?)),
        None => (Vec::new(), None),
    };
    let warehouse = warehouse.into_iter().map(|table| Content {
        name: table.table.to_owned(),
        rows: table.rows,
        hash: table.hash,
    });
    let is_agreed = agreement.as_ref().is_none_or(|agreement| agreement.differences.is_empty());
    let balanced = is_agreed && processors.iter().all(|account| account.wrong.is_empty());
    let names = names(log.as_mut())?;
    let report = Report {
        balanced,
        processors,
        parked,
        names,
        topics: contents,
        warehouse: warehouse.collect(),
        agreement,
    };
    output::print(output, &report, show)?;
    Ok(if report.balanced { Ended::Done } else { Ended::Unbalanced })
}

/// Asks the warehouse for as long as it works on an answer, but not for ever.
fn agreement(log: &mut dyn Storage, warehouse: &dyn Warehouse) -> Result<Agreement> {
    let since = Instant::now();
    loop {
        let looked = agreement::look(log, warehouse, &|| false);
        let error = looked.as_ref().err().and_then(|error| error.downcast_ref::<WarehouseError>());
        if since.elapsed() > ANSWER || !error.is_some_and(WarehouseError::is_wait) {
            return looked;
        }
    }
}

/// Does the same for each, on a thread and a log of its own: on Kafka nearly all of the time is waiting for answers.
fn side_by_side<T: Send, R: Send>(
    config: &Config,
    items: impl Iterator<Item = T>,
    work: impl Fn(&mut dyn Storage, T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let (work, mut items, mut done) = (&work, items.fuse(), Vec::new());
    loop {
        let some: Vec<T> = items.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            return Ok(done);
        }
        let ended = thread::scope(|scope| {
            let start = |item| scope.spawn(move || work(storage::open(config)?.as_mut(), item));
            let started: Vec<_> = some.into_iter().map(start).collect();
            started.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        for one in ended {
            done.push(one.unwrap_or_else(|_| bail!("a thread of the audit died"))?);
        }
    }
}

/// A processor's account, held against the log, and what its memory says.
struct Held {
    account: Account,
    parked: Vec<Parked>,
    /// Rows that stand in each table, as it remembers them.
    published: BTreeMap<&'static str, u64>,
}

/// Holds one processor's account against the log.
fn hold(
    log: &mut dyn Storage,
    accounts: &BTreeMap<(String, i64), LedgerEntry>,
    node: &mut dyn Node,
    reader: &Reader,
) -> Result<Held> {
    let version = accounts.keys().filter(|(name, _)| name == node.name()).map(|(_, version)| *version);
    let version =
        version.clone().find(|v| node.group() == format!("{}@{v:x}", node.name())).or(version.clone().max());
    let entry = accounts.get(&(node.name().to_owned(), version.unwrap_or(0))).cloned().unwrap_or_default();
    let (many, waiting) = recount(node, reader, log)?;
    let mut wrong = imbalances(&entry);
    compare_read(&mut wrong, entry.read, log, &reader.group, &reader.inputs)?;
    compare(&mut wrong, "records parked", entry.parked, many);
    if !node.is_view() {
        let all = accounts.iter().filter(|((name, _), _)| name == node.name());
        let in_ledger: i64 = all.map(|(_, entry)| entry.rejected).sum();
        let (found, purged) = rejected(log, node.name())?;
        // Of what was purged nothing is known but how much it was at most.
        compare(&mut wrong, "records rejected", in_ledger, in_ledger.clamp(found, found + purged));
    }
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    waiting.into_iter().for_each(|waits| by_key.entry(waits.key).or_default().push(waits.what));
    let parked = by_key.into_iter().map(|(key, what)| Parked { processor: reader.name, key, what });
    let published = node.published();
    node.reset();
    Ok(Held { account: account(reader.name, &entry, wrong), parked: parked.collect(), published })
}

/// What waits, counted from the memory as a fresh start would restore it.
fn recount(
    node: &mut dyn Node,
    reader: &Reader,
    log: &mut dyn Storage,
) -> Result<(i64, Vec<processors::view::Waiting>)> {
    for partition in 0..topics::PARTITIONS {
        let restored = log.restore(reader, partition)?;
        node.assign(partition, restored)?;
    }
    Ok(node.waiting())
}

/// The resolution rate by source, from the teams' answers as they stand.
fn names(log: &mut dyn Storage) -> Result<Vec<Resolved>> {
    let mut asked: BTreeMap<(Source, String, EasternDate, String), Vec<NameStep>> = BTreeMap::new();
    for row in reading::table(log, &topics::NAMES, |_| true)? {
        for answer in row.answers {
            let Some(last) = answer.steps.last() else { continue };
            asked
                .entry((row.source, row.scope.clone(), row.date, answer.name))
                .or_default()
                .push(last.clone());
        }
    }
    let mut by_source: BTreeMap<Source, Resolved> = BTreeMap::new();
    for ((source, ..), steps) in &asked {
        let resolved = by_source
            .entry(*source)
            .or_insert_with(|| Resolved { source: source.to_string(), ..Resolved::default() });
        resolved.names += 1;
        match decide(steps.iter()) {
            Resolution::Player(_, rule) => {
                resolved.resolved += 1;
                *resolved.by_rule.entry(rule.name()).or_default() += 1;
            }
            Resolution::Ambiguous(_) => resolved.ambiguous += 1,
            Resolution::Unknown => resolved.unknown += 1,
        }
    }
    Ok(by_source.into_values().collect())
}

fn imbalances(entry: &LedgerEntry) -> Vec<String> {
    let (records, rows) = entry.imbalance();
    let mut wrong = Vec::new();
    if records != 0 {
        wrong.push(format!("{records} records read ended as nothing"));
    }
    if rows != 0 {
        wrong.push(format!("{rows} rows found ended as nothing"));
    }
    wrong
}
fn compare(wrong: &mut Vec<String>, what: &str, ledger: i64, found: i64) {
    if ledger != found {
        wrong.push(format!("{what}: the ledger has {ledger}, the log {found}"));
    }
}
/// Compares the records read with those below the committed positions.
fn compare_read(
    wrong: &mut Vec<String>,
    read: i64,
    log: &mut dyn Storage,
    group: &str,
    inputs: &[TopicInfo],
) -> Result<()> {
    let names: Vec<&str> = inputs.iter().map(|input| input.name).collect();
    let (mut found, mut is_exact) = (0, true);
    for ((topic, partition), next) in log.positions(group, &names)? {
        match log.count(&topic, partition, next)? {
            Count::Exactly(n) => found += n,
            Count::AtLeast(n) => (found, is_exact) = (found + n, false),
        }
    }
    if is_exact || read < found {
        compare(wrong, "records read", read, found);
    }
    Ok(())
}
/// Whole records among a loader's dead letters, each once however often it was put back, and how many letters were purged at most.
fn rejected(log: &mut dyn Storage, name: &str) -> Result<(i64, i64)> {
    let (letters, purged) = dead_letters::read(log, name)?;
    let whole = letters.iter().map(|found| &found.letter).filter(|letter| letter.code != RejectCode::BadRow);
    let whole: BTreeSet<_> = whole.map(|l| (l.version, &l.origin, l.partition, l.offset)).collect();
    Ok((whole.len() as i64, purged))
}
fn account(processor: &str, entry: &LedgerEntry, wrong: Vec<String>) -> Account {
    Account {
        processor: processor.to_owned(),
        read: entry.read,
        applied: entry.applied,
        unchanged: entry.unchanged,
        parked: entry.parked,
        rejected: entry.rejected,
        rows: entry.rows,
        rows_bad: entry.rows_bad,
        rows_out_of_scope: entry.rows_out_of_scope,
        wrong,
    }
}

fn show(report: &Report) -> String {
    let accounts = report.processors.iter().map(|a| {
        let verdict = if a.wrong.is_empty() { "balanced".to_owned() } else { a.wrong.join("; ") };
        let numbers =
            [a.read, a.applied, a.unchanged, a.parked, a.rejected, a.rows, a.rows_bad, a.rows_out_of_scope];
        let [read, applied, unchanged, parked, rejected, rows, bad, out] = numbers.map(|n| n.to_string());
        [a.processor.clone(), read, applied, unchanged, parked, rejected, rows, bad, out, verdict]
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
    let accounts = output::table(header, accounts);
    let contents = report.topics.iter().chain(&report.warehouse);
    let contents = contents.map(|c| [c.name.clone(), c.rows.to_string(), c.hash[..16].to_owned()]);
    let contents = output::table(["table", "rows", "content"], contents);
    let many = report.parked.len();
    let parked = report
        .parked
        .iter()
        .take(20)
        .map(|p| [p.processor.to_owned(), p.key.clone(), p.what.len().to_string()]);
    let parked = match many {
        0 => "nothing is parked".to_owned(),
        _ => output::table(["parked at", "waiting for", "facts"], parked),
    };
    let more = if many > 20 {
        format!("\n… and {} more keys (--output json lists all)", many - 20)
    } else {
        String::new()
    };
    let names = report.names.iter().map(|n| {
        let rules: Vec<String> = n.by_rule.iter().map(|(rule, count)| format!("{count} {rule}")).collect();
        let rate = format!("{:.2} %", 100.0 * n.resolved as f64 / n.names.max(1) as f64);
        [
            n.source.clone(),
            n.names.to_string(),
            rate,
            rules.join(", "),
            n.ambiguous.to_string(),
            n.unknown.to_string(),
        ]
    });
    let names = match report.names.is_empty() {
        true => "no names were asked".to_owned(),
        false => output::table(["names of", "asked", "resolved", "by", "ambiguous", "unknown"], names),
    };
    let agreement = match &report.agreement {
        Some(agreement) => agreement.said(),
        None => "there is no warehouse yet".to_owned(),
    };
    let verdict = if report.balanced { "everything balances" } else { "something does not balance" };
    format!("{accounts}\n\n{contents}\n\n{names}\n\n{parked}{more}\n\n{agreement}\n{verdict}")
}
