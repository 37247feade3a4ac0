//! The record accounting of one processor or the sink, compared with the log.
//!
//! Invariant: every record below the committed offsets has an outcome in the ledger; parked records are counted in a state store that
//! is restored in the same way as when the processor starts.
//! Not here: how a running processor counts its records (crate `runtime`).
use super::report::{Accounting, ParkedReport};
use crate::topology::versioned_group;
use anyhow::Result;
use runtime::{LogBackend, RecordCount, dlq, engine::ProcessorNode, subscription::Subscription};
use schemas::{
    ops::LedgerEntry,
    raw::{DeadLetter, RejectCode},
};
use std::collections::{BTreeMap, BTreeSet};
use topics::TopicInfo;

/// Ledger totals by processor and version.
pub type Ledger = BTreeMap<(String, i64), LedgerEntry>;

/// Result of auditing one processor.
pub struct ProcessorAudit {
    pub accounting: Accounting,
    pub parked: Vec<ParkedReport>,
    /// Number of rows that the processor has published, by output topic. Determined from the restored state store.
    pub published: BTreeMap<&'static str, u64>,
}

/// Restores a processor's state store and compares its ledger totals with the log.
///
/// # Errors
/// If the log cannot be read.
pub fn audit_processor(
    log: &mut dyn LogBackend,
    ledger: &Ledger,
    node: &mut dyn ProcessorNode,
    subscription: &Subscription,
) -> Result<ProcessorAudit> {
    let totals = current_totals(ledger, node);
    let (parked_count, parked_items) = restore_parked(node, subscription, log)?;
    let mut problems = imbalances(&totals);
    compare_read(&mut problems, totals.read, log, &subscription.group, &subscription.inputs)?;
    compare(&mut problems, "records parked", totals.parked, parked_count);
    if node.kind().has_dlq() {
        let entries = ledger.iter().filter(|((name, _), _)| name == node.name());
        let in_ledger: i64 = entries.map(|(_, entry)| entry.rejected).sum();
        let (in_dlq, purged) = count_rejected(log, node.name())?;
        // For the number of purged dead letters, only an upper bound is known. So the ledger balances if its count is from `in_dlq` to
        // `in_dlq + purged`.
        compare(&mut problems, "records rejected", in_ledger, in_ledger.clamp(in_dlq, in_dlq + purged));
    }
    let mut items_by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in parked_items {
        items_by_key.entry(item.key).or_default().push(item.what);
    }
    let parked = items_by_key.into_iter();
    let parked =
        parked.map(|(key, items)| ParkedReport { processor: subscription.name, key, items }).collect();
    let published = node.published();
    node.reset();
    Ok(ProcessorAudit {
        accounting: Accounting::new(subscription.name, &totals, problems),
        parked,
        published,
    })
}

/// Compares the sink's ledger totals with the log. When the sink reads the log again, it raises the version of its ledger entries; only the
/// totals of the highest version are compared.
///
/// # Errors
/// If the log cannot be read.
pub fn audit_sink(log: &mut dyn LogBackend, ledger: &Ledger) -> Result<Accounting> {
    let latest = ledger.iter().rfind(|((name, _), _)| name == sinks::SINK);
    let totals = latest.map(|(_, entry)| entry.clone()).unwrap_or_default();
    let mut problems = imbalances(&totals);
    compare_read(&mut problems, totals.read, log, sinks::SINK, &sinks::subscription::INPUTS)?;
    Ok(Accounting::new(sinks::SINK, &totals, problems))
}

/// Returns the ledger totals of the processor's current version or, if the ledger has none, those of the highest version in the ledger.
fn current_totals(ledger: &Ledger, node: &dyn ProcessorNode) -> LedgerEntry {
    let versions = ledger.keys().filter(|(name, _)| name == node.name()).map(|(_, version)| *version);
    let is_current = |version: &i64| node.group() == versioned_group(node.name(), *version);
    let version = versions.clone().find(is_current).or(versions.max()).unwrap_or(0);
    ledger.get(&(node.name().to_owned(), version)).cloned().unwrap_or_default()
}

/// Restores the state store and returns the number of parked records and the items that are parked.
fn restore_parked(
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

fn imbalances(totals: &LedgerEntry) -> Vec<String> {
    let (records, rows) = totals.imbalance();
    let mut problems = Vec::new();
    if records != 0 {
        problems.push(format!("{records} records unaccounted for"));
    }
    if rows != 0 {
        problems.push(format!("{rows} rows unaccounted for"));
    }
    problems
}

fn compare(problems: &mut Vec<String>, what: &str, in_ledger: i64, in_log: i64) {
    if in_ledger != in_log {
        problems.push(format!("{what}: {in_ledger} in the ledger, but {in_log} in the log"));
    }
}

/// Compares the number of records read with the records below the committed offsets.
fn compare_read(
    problems: &mut Vec<String>,
    read: i64,
    log: &mut dyn LogBackend,
    group: &str,
    inputs: &[TopicInfo],
) -> Result<()> {
    let names: Vec<&str> = inputs.iter().map(|input| input.name).collect();
    // The ledger also counts the records that the processor read from the inputs of former versions. On Kafka, where they cannot be counted,
    // every processor whose inputs ever changed has a compacted input, so only a lower bound is known anyway.
    let (mut in_log, mut is_exact) = (log.count_read_from_other_topics(group, &names)?, true);
    for (partition, next) in log.committed_offsets(group, &names)? {
        match log.count_records_below(partition, next)? {
            RecordCount::Exactly(n) => in_log += n,
            RecordCount::AtLeast(n) => (in_log, is_exact) = (in_log + n, false),
        }
    }
    if is_exact || read < in_log {
        compare(problems, "records read", read, in_log);
    }
    Ok(())
}

/// Returns the number of rejected records among a loader's dead letters, and an upper bound for the number of purged dead letters. A record
/// counts once, however often it was redriven. Dead letters of single rows do not count, since their record was not rejected.
fn count_rejected(log: &mut dyn LogBackend, processor: &str) -> Result<(i64, i64)> {
    let dead_letters = dlq::read(log, processor)?;
    let records: BTreeSet<_> = dead_letters
        .records
        .iter()
        .map(|record| &record.dead_letter)
        .filter(|dead_letter| dead_letter.code != RejectCode::BadRow)
        .map(|dead_letter| {
            let DeadLetter { processor_version, origin, partition, offset, .. } = dead_letter;
            (processor_version, origin, partition, offset)
        })
        .collect();
    Ok((records.len() as i64, dead_letters.purged))
}
