//! `audit`: whether every record read ended as something, what waits for which key, what the tables hold, and whether the warehouse
//! holds what the log says.
use super::{CommandOutcome, Output, output};
use crate::{
    config::Config,
    reconciler::{self, Reconciliation},
    storage, topology,
};
use anyhow::{Result, bail};
use processors::names::{Resolution, decide};
use runtime::{LogBackend, RecordCount, dlq, engine::ProcessorNode, inspect, subscription::Subscription};
use schemas::{
    EasternDate,
    identity::NameRevision,
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
const MAX_PARALLEL: usize = 4;
/// How long the warehouse may take for its part.
const WAREHOUSE_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Serialize)]
struct Report {
    balanced: bool,
    processors: Vec<Account>,
    parked: Vec<ParkedReport>,
    names: Vec<Resolved>,
    topics: Vec<Content>,
    warehouse: Vec<Content>,
    /// Whether the warehouse holds what the log says; `None`: there is no warehouse yet.
    reconciliation: Option<Reconciliation>,
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
struct ParkedReport {
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

pub fn audit(config: &Config, output: Output) -> Result<CommandOutcome> {
    let mut log = storage::open(config)?;
    let accounts = inspect::ledger_totals(log.as_mut(), 0)?;
    let mut nodes = topology::topology(super::run::predictor(config)?);
    let subscriptions = Subscription::from_nodes(&nodes);
    let audits = in_parallel(config, nodes.iter_mut().zip(&subscriptions), |log, (node, subscription)| {
        audit_processor(log, &accounts, node.as_mut(), subscription)
    })?;
    let (mut processors, mut parked, mut published) = (Vec::new(), Vec::new(), Vec::new());
    for audit_of_one in audits {
        processors.push(audit_of_one.account);
        parked.extend(audit_of_one.parked);
        published.push(audit_of_one.published);
    }
    // Of its newest reading: one that began again has an account of its own.
    let newest = accounts.iter().rfind(|((name, _), _)| name == topology::SINK);
    let of_sink = newest.map(|(_, entry)| entry.clone()).unwrap_or_default();
    let mut wrong = imbalances(&of_sink);
    compare_read(&mut wrong, of_sink.read, log.as_mut(), topology::SINK, &topology::sink_inputs())?;
    processors.push(account(topology::SINK, &of_sink, wrong));

    let tables =
        topics::ALL.iter().filter(|topic| topic.policy == Policy::Compact && !topic.name.starts_with("ops."));
    let contents = in_parallel(config, tables, |log, topic| {
        let (rows, hash) = inspect::content(log, *topic)?;
        Ok(Content { name: topic.name.to_owned(), rows, hash })
    })?;
    let looked = nodes.iter_mut().zip(&subscriptions).zip(processors.iter_mut().zip(published));
    for ((node, subscription), (account, mut published)) in looked {
        for topic in node.outputs().into_iter().filter(|topic| topic.policy == Policy::Compact) {
            let seen = contents.iter().find(|content| content.name == topic.name);
            let mut rows = seen.map_or(0, |content| content.rows);
            if published.get(topic.name).is_some_and(|published_rows| *published_rows > rows) {
                // A row may have gone between the two looks, while processors run: not again just now.
                published = audit_processor(log.as_mut(), &accounts, node.as_mut(), subscription)?.published;
                rows = inspect::content(log.as_mut(), topic)?.0;
            }
            let published_rows = published.get(topic.name).copied().unwrap_or(0);
            if published_rows > rows {
                account.wrong.push(format!(
                    "{}: {published_rows} rows are published, and the topic holds {rows}; where it was made anew, docs/kafka-broker-requirements.md says how it is filled",
                    topic.name
                ));
            }
        }
    }
    let (warehouse, reconciliation) = match crate::warehouse::look(config)? {
        Some(warehouse) => {
            (warehouse.content_hashes()?, Some(reconciliation(log.as_mut(), warehouse.as_ref())?))
        }
        None => (Vec::new(), None),
    };
    let warehouse = warehouse.into_iter().map(|table| Content {
        name: table.table.to_owned(),
        rows: table.rows,
        hash: table.hash,
    });
    let is_agreed = reconciliation.as_ref().is_none_or(|reconciliation| reconciliation.mismatches.is_empty());
    let balanced = is_agreed && processors.iter().all(|account| account.wrong.is_empty());
    let names = names(log.as_mut())?;
    let report = Report {
        balanced,
        processors,
        parked,
        names,
        topics: contents,
        warehouse: warehouse.collect(),
        reconciliation,
    };
    output::print(output, &report, show)?;
    Ok(if report.balanced { CommandOutcome::Done } else { CommandOutcome::Unbalanced })
}

/// Asks the warehouse for as long as it works on an answer, but not for ever.
fn reconciliation(log: &mut dyn LogBackend, warehouse: &dyn Warehouse) -> Result<Reconciliation> {
    let since = Instant::now();
    loop {
        let looked = reconciler::reconcile(log, warehouse, &|| false);
        let error = looked.as_ref().err().and_then(|error| error.downcast_ref::<WarehouseError>());
        if since.elapsed() > WAREHOUSE_TIMEOUT || !error.is_some_and(WarehouseError::is_pending) {
            return looked;
        }
    }
}

/// Does the same for each, on a thread and a log of its own: on Kafka nearly all of the time is waiting for answers.
fn in_parallel<T: Send, R: Send>(
    config: &Config,
    items: impl Iterator<Item = T>,
    work: impl Fn(&mut dyn LogBackend, T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let (work, mut items, mut done) = (&work, items.fuse(), Vec::new());
    loop {
        let some: Vec<T> = items.by_ref().take(MAX_PARALLEL).collect();
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
struct ProcessorAudit {
    account: Account,
    parked: Vec<ParkedReport>,
    /// Rows that stand in each table, as it remembers them.
    published: BTreeMap<&'static str, u64>,
}

/// Holds one processor's account against the log.
fn audit_processor(
    log: &mut dyn LogBackend,
    accounts: &BTreeMap<(String, i64), LedgerEntry>,
    node: &mut dyn ProcessorNode,
    subscription: &Subscription,
) -> Result<ProcessorAudit> {
    let version = accounts.keys().filter(|(name, _)| name == node.name()).map(|(_, version)| *version);
    let version =
        version.clone().find(|v| node.group() == format!("{}@{v:x}", node.name())).or(version.clone().max());
    let entry = accounts.get(&(node.name().to_owned(), version.unwrap_or(0))).cloned().unwrap_or_default();
    let (many, waiting) = recount_parked(node, subscription, log)?;
    let mut wrong = imbalances(&entry);
    compare_read(&mut wrong, entry.read, log, &subscription.group, &subscription.inputs)?;
    compare(&mut wrong, "records parked", entry.parked, many);
    if node.kind().has_dlq() {
        let all = accounts.iter().filter(|((name, _), _)| name == node.name());
        let in_ledger: i64 = all.map(|(_, entry)| entry.rejected).sum();
        let (found, purged) = rejected(log, node.name())?;
        // Of what was purged nothing is known but how much it was at most.
        compare(&mut wrong, "records rejected", in_ledger, in_ledger.clamp(found, found + purged));
    }
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    waiting.into_iter().for_each(|waits| by_key.entry(waits.key).or_default().push(waits.what));
    let parked =
        by_key.into_iter().map(|(key, what)| ParkedReport { processor: subscription.name, key, what });
    let published = node.published();
    node.reset();
    Ok(ProcessorAudit {
        account: account(subscription.name, &entry, wrong),
        parked: parked.collect(),
        published,
    })
}

/// What waits, counted from the memory as a fresh start would restore it.
fn recount_parked(
    node: &mut dyn ProcessorNode,
    subscription: &Subscription,
    log: &mut dyn LogBackend,
) -> Result<(i64, Vec<processors::materialized_view::ParkedItem>)> {
    for partition in 0..topics::PARTITIONS {
        let restored = log.restore(subscription, partition)?;
        node.assign(partition, restored)?;
    }
    Ok(node.parked())
}

/// The resolution rate by source, from the teams' answers as they stand.
fn names(log: &mut dyn LogBackend) -> Result<Vec<Resolved>> {
    let mut asked: BTreeMap<(Source, String, EasternDate, String), Vec<NameRevision>> = BTreeMap::new();
    for row in inspect::table(log, &topics::NAMES, |_| true)? {
        for name_match in row.matches {
            let Some(last) = name_match.revisions.last() else { continue };
            asked
                .entry((row.source, row.scope.clone(), row.date, name_match.name))
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
    log: &mut dyn LogBackend,
    group: &str,
    inputs: &[TopicInfo],
) -> Result<()> {
    let names: Vec<&str> = inputs.iter().map(|input| input.name).collect();
    let (mut found, mut is_exact) = (0, true);
    for (partition, next) in log.committed_offsets(group, &names)? {
        match log.count_records_below(partition, next)? {
            RecordCount::Exactly(n) => found += n,
            RecordCount::AtLeast(n) => (found, is_exact) = (found + n, false),
        }
    }
    if is_exact || read < found {
        compare(wrong, "records read", read, found);
    }
    Ok(())
}
/// Whole records among a loader's dead letters, each once however often it was put back, and how many letters were purged at most.
fn rejected(log: &mut dyn LogBackend, name: &str) -> Result<(i64, i64)> {
    let dead_letters = dlq::read(log, name)?;
    let whole = dead_letters
        .records
        .iter()
        .map(|found| &found.dead_letter)
        .filter(|dead_letter| dead_letter.code != RejectCode::BadRow);
    let whole: BTreeSet<_> = whole.map(|l| (l.processor_version, &l.origin, l.partition, l.offset)).collect();
    Ok((whole.len() as i64, dead_letters.purged))
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
    let reconciliation = match &report.reconciliation {
        Some(reconciliation) => reconciliation.summary(),
        None => "there is no warehouse yet".to_owned(),
    };
    let verdict = if report.balanced { "everything balances" } else { "something does not balance" };
    format!("{accounts}\n\n{contents}\n\n{names}\n\n{parked}{more}\n\n{reconciliation}\n{verdict}")
}
