//! Laws of any log in which everything is read: record accounting balances, and every candidate has exactly one row.
//!
//! Invariant: no record is lost without a trace (law 1), and each unit of work has one outcome (law 6).
//! Not here: the content of the rows.
use crate::{
    harness::{Content, content, new_node},
    log::{TestLog, partitions, read_all},
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{
    Restored,
    engine::{LEDGER, changelog_topic},
};
use schemas::{ops::LedgerEntry, raw::RejectCode, wire};
use std::collections::BTreeMap;
use topics::{PARTITIONS, Policy, TopicPartition};

/// Checks record accounting of all processors; returns the sums of the ledger by processor for further checks.
pub fn check_ledger(log: &mut impl TestLog) -> BTreeMap<String, LedgerEntry> {
    let mut ledger: BTreeMap<String, LedgerEntry> = BTreeMap::new();
    for record in read_all(log, LEDGER).records().map(Result::unwrap) {
        let entry: LedgerEntry = wire::decode(record.value.unwrap()).unwrap();
        ledger.entry(entry.processor.clone()).or_default().add(&entry);
    }
    for (processor, node) in topology(Predictor::new(None)).into_iter().enumerate() {
        let name = node.name();
        let entry = ledger.get(name).cloned().unwrap_or_default();
        assert_eq!(entry.imbalance(), (0, 0), "{name}: {entry:?}");
        let mut read = 0;
        for partition in node.inputs().into_iter().flat_map(partitions) {
            let end_offset = log.end_offset(partition);
            let committed = log.committed_offset(&node.group(), partition);
            assert_eq!(committed, end_offset, "{name} has read {partition}");
            read += end_offset;
        }
        assert_eq!(entry.read, read, "{name} counts each record of its inputs once");
        assert_eq!(entry.parked, parked_after_restore(log, processor), "{name}: records parked");
        assert_eq!(entry.rejected, rejected_records(log, name), "{name}: records rejected");
    }
    ledger
}

/// The number of records that a new instance has parked once it is restored.
fn parked_after_restore(log: &mut impl TestLog, processor: usize) -> i64 {
    let mut node = new_node(processor);
    for partition in 0..PARTITIONS {
        let mut restored = Restored::default();
        for input in node.inputs() {
            let input_partition = TopicPartition::new(input.name, partition);
            let committed = log.committed_offset(&node.group(), input_partition);
            restored.offsets.insert(input.name, committed);
            if node.kind().has_changelog() && input.policy == Policy::Compact {
                restored.tables.push((input.name, vec![read_all(log, input_partition)]));
            }
        }
        let changelog = TopicPartition::new(changelog_topic(node.name()), partition);
        restored.changelog = vec![read_all(log, changelog)];
        node.assign(partition, restored).unwrap();
    }
    let (parked, items) = node.parked();
    assert_eq!(parked == 0, items.is_empty(), "parked records have a key for which they wait");
    // The published rows are those that the restored instance derives.
    let commit = node.take_commit().unwrap();
    let published = commit.records.keys().find(|partition| **partition != LEDGER);
    assert_eq!(published, None, "{} publishes again on restore", node.name());
    assert!(commit.dead_letters.is_empty(), "{} rejects again on restore", node.name());
    parked
}

/// The number of dead letters that are whole records, not rows of a record.
fn rejected_records(log: &mut impl TestLog, processor: &str) -> i64 {
    let mut rejected = 0;
    for dead_letter in log.dead_letters(processor) {
        assert_eq!(dead_letter.processor, processor);
        assert!(!dead_letter.reason.is_empty() && dead_letter.raw.is_some());
        rejected += i64::from(dead_letter.code != RejectCode::BadRow);
    }
    rejected
}

/// Checks that every candidate has one row of features and one of predictions, and that there are no other such rows; returns the
/// number of candidates.
pub fn check_candidates(content: &Content) -> usize {
    let keys = |topic: &str| {
        content.keys().filter(|(name, _)| *name == topic).map(|(_, key)| key.clone()).collect::<Vec<_>>()
    };
    let candidates = keys(topics::SLATE_ENTRIES.info.name);
    assert_eq!(candidates, keys(topics::FEATURES.info.name));
    assert_eq!(candidates, keys(topics::PREDICTIONS.info.name));
    candidates.len()
}

/// Checks all of these laws; returns the content.
pub fn checked_content(log: &mut impl TestLog) -> Content {
    check_ledger(log);
    let content = content(log);
    check_candidates(&content);
    content
}
