//! Laws that hold once all records of a log are read: record accounting balances, and every candidate (a player who may appear in a game)
//! has one feature row and one prediction.
//!
//! Invariant: every record is counted (law 1), and each candidate has exactly one outcome (law 6).
//! Not here: the content of the rows.
use crate::{
    group::new_node,
    harness::{Content, content},
    log::{TestLog, partitions, read_all},
    sides::check_sides,
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{
    ProcessorNode, Restored,
    engine::{LEDGER, changelog_topic},
};
use schemas::{ops::LedgerEntry, raw::RejectCode, wire};
use std::collections::BTreeMap;
use topics::{PARTITIONS, Policy, TopicPartition};

/// Checks record accounting of all processors; returns the sum of each processor's ledger entries.
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
            assert_eq!(committed, end_offset, "{name} has not read all of {partition}");
            read += end_offset;
        }
        assert_eq!(entry.read, read, "{name} does not count each record of its inputs once");
        assert_eq!(
            entry.parked,
            parked_after_restore(log, processor),
            "{name}: a restored instance must have as many parked records as the ledger"
        );
        assert_eq!(
            entry.rejected,
            rejected_records(log, name),
            "{name}: the ledger must count each rejected record"
        );
    }
    ledger
}

/// Restores a new instance of a processor from the log: all partitions, to the committed offsets and the ends of the input tables.
pub fn restored_node(log: &mut impl TestLog, processor: usize) -> Box<dyn ProcessorNode> {
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
    node
}

/// Restores a new instance of a processor from the log, and checks that it publishes nothing; returns its number of parked records.
fn parked_after_restore(log: &mut impl TestLog, processor: usize) -> i64 {
    let mut node = restored_node(log, processor);
    let (parked, items) = node.parked();
    assert_eq!(
        parked == 0,
        items.is_empty(),
        "records are parked without a key, or keys are listed without a parked record"
    );
    // The log already has the rows that the restored instance derives, so the instance publishes none.
    let commit = node.take_commit().unwrap();
    let published = commit.records.iter().filter(|(partition, _)| **partition != LEDGER);
    let published: Vec<_> = published
        .flat_map(|(partition, batch)| {
            batch.records().map(|record| (*partition, record.unwrap().key.to_owned()))
        })
        .collect();
    assert_eq!(published, [], "{} publishes rows again on restore", node.name());
    assert!(commit.dead_letters.is_empty(), "{} rejects records again on restore", node.name());
    parked
}

/// Counts the dead letters of a processor that contain a whole rejected record. Dead letters of single rows are not counted.
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
    // A slate entry is of one pair of teams; a game on a date has entries of two pairs if its opponent changed.
    let mut candidates: Vec<String> = keys(topics::SLATE_ENTRIES.info.name)
        .iter()
        .map(|key| key.rsplit_once('/').unwrap().0.to_owned())
        .collect();
    candidates.dedup();
    assert_eq!(candidates, keys(topics::FEATURES.info.name));
    assert_eq!(candidates, keys(topics::PREDICTIONS.info.name));
    candidates.len()
}

/// Checks all laws of this file; returns the content of the log.
pub fn checked_content(log: &mut impl TestLog) -> Content {
    check_ledger(log);
    let content = content(log);
    check_candidates(&content);
    check_sides(&content);
    content
}
