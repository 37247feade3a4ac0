//! What must hold of any log in which everything is read: the accounts balance, and every candidate has one terminal state.
//!
//! Invariant: nothing is lost in silence (law 1), and each unit of work ends once (law 6).
//! Not here: what the rows say.
use crate::{
    harness::{Content, content, node},
    log::{Store, whole},
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{Restored, engine::changelog_topic, engine::dlq_topic};
use schemas::{
    ops::LedgerEntry,
    raw::{DeadLetter, RejectCode},
    wire,
};
use std::collections::BTreeMap;
use topics::{PARTITIONS, Policy};

/// Checks the accounts of all processors; answers the ledger by processor, for more to be asked of it.
pub fn check(log: &mut impl Store) -> BTreeMap<String, LedgerEntry> {
    let mut ledger: BTreeMap<String, LedgerEntry> = BTreeMap::new();
    for record in whole(log, topics::LEDGER.info.name, 0).records().map(Result::unwrap) {
        let entry: LedgerEntry = wire::decode(record.value.unwrap()).unwrap();
        ledger.entry(entry.processor.clone()).or_default().add(&entry);
    }
    for (processor, node) in topology(Predictor::new(None)).into_iter().enumerate() {
        let name = node.name();
        let entry = ledger.get(name).cloned().unwrap_or_default();
        assert_eq!(entry.imbalance(), (0, 0), "{name}: {entry:?}");
        let mut read = 0;
        for (input, p) in node.inputs().into_iter().flat_map(|t| (0..t.partitions).map(move |p| (t, p))) {
            let end = log.end(input.name, p);
            assert_eq!(log.position(&node.group(), input.name, p), end, "{name} has read {}/{p}", input.name);
            read += end;
        }
        assert_eq!(entry.read, read, "{name} counts each record of its topics once");
        assert_eq!(entry.parked, parked(log, processor), "{name}: what waits, counted anew");
        assert_eq!(entry.rejected, rejected(log, name), "{name}: whole records in the dead letters");
    }
    ledger
}

/// What a new instance finds waiting, once restored.
fn parked(log: &mut impl Store, processor: usize) -> i64 {
    let mut node = node(processor);
    for partition in 0..PARTITIONS {
        let tables = node.inputs().into_iter().filter(|t| t.policy == Policy::Compact && node.is_view());
        let tables = tables.map(|t| (t.name, vec![whole(log, t.name, partition)])).collect();
        let changelog = vec![whole(log, &changelog_topic(node.name()), partition)];
        let next =
            node.inputs().into_iter().map(|t| (t.name, log.position(&node.group(), t.name, partition)));
        let restored = Restored { changelog, tables, next: next.collect() };
        node.assign(partition, restored).unwrap();
    }
    let (parked, what) = node.parked();
    assert_eq!(parked == 0, what.is_empty(), "what waits has a key it waits for");
    // It finds nothing to publish: what stands published is what it derives.
    let commit = node.take_commit().unwrap();
    let at = |(topic, _): &&(String, i32)| **topic != *topics::LEDGER.info.name;
    assert_eq!(commit.out.keys().find(at), None, "{} publishes anew on restore", node.name());
    parked
}

fn rejected(log: &mut impl Store, name: &str) -> i64 {
    let mut rejected = 0;
    for partition in 0..PARTITIONS {
        for record in whole(log, &dlq_topic(name), partition).records().map(Result::unwrap) {
            let dead_letter: DeadLetter = wire::decode(record.value.unwrap()).unwrap();
            assert!(!dead_letter.reason.is_empty() && dead_letter.raw.is_some());
            rejected += i64::from(dead_letter.code != RejectCode::BadRow);
        }
    }
    rejected
}

/// Every candidate has one row of features and one of predictions, and nobody else has.
pub fn one_terminal_state_each(content: &Content) -> usize {
    let keys = |topic: &str| {
        content.keys().filter(|(name, _)| *name == topic).map(|(_, key)| key.clone()).collect::<Vec<_>>()
    };
    let candidates = keys(topics::SLATE_ENTRIES.info.name);
    assert_eq!(candidates, keys(topics::FEATURES.info.name));
    assert_eq!(candidates, keys(topics::PREDICTIONS.info.name));
    candidates.len()
}

/// All of it, and the content.
pub fn sound(log: &mut impl Store) -> Content {
    check(log);
    let content = content(log);
    one_terminal_state_each(&content);
    content
}
