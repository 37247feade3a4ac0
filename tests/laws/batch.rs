//! Computes the tables from scratch, with neither interruptions nor incremental derivation.
//!
//! Invariant: every row of a view is derived by an instance that has read nothing but retained observations and input tables.
//! Not here: runs with a schedule (`harness`).
use crate::{
    group::new_node,
    log::{MemoryLog, TestLog, append_raw, partitions, read_all},
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{
    Commit, RecordBatch, Restored,
    engine::{LEDGER, changelog_topic},
};
use schemas::raw::RawEvent;
use std::collections::BTreeMap;
use topics::{Offsets, PARTITIONS, Policy, TopicPartition};

/// Computes the tables from scratch: runs each processor once on its whole input, in the order of the topology.
///
/// An instance of a materialized view merges the observations; then a second instance derives every row from the observations that
/// the first one retained and from the input tables. So the result does not depend on which rows the view derives again after a record.
pub fn batch(raw_events: &[RawEvent]) -> MemoryLog {
    let mut log = MemoryLog::default();
    append_raw(&mut log, raw_events);
    for processor in 0..topology(Predictor::new(None)).len() {
        let mut node = new_node(processor);
        for partition in 0..PARTITIONS {
            node.assign(partition, Restored::default()).unwrap();
        }
        let mut offsets = Offsets::new();
        for input in node.inputs() {
            for partition in partitions(input) {
                let batch = read_all(&mut log, partition);
                offsets.insert(partition, batch.next());
                if input.policy != Policy::Compact || !node.kind().has_changelog() {
                    node.process(partition, &batch).unwrap();
                }
            }
        }
        let mut commit = node.take_commit().unwrap();
        if node.kind().has_changelog() {
            commit = derive_all_rows(&mut log, processor, &commit);
        }
        commit.offsets = offsets;
        commit.records.remove(&LEDGER);
        log.append(commit);
    }
    log
}

/// Restores a second instance of a materialized view from the first one's retained observations and from the input tables; returns
/// its commit.
fn derive_all_rows(log: &mut MemoryLog, processor: usize, merged: &Commit) -> Commit {
    let mut node = new_node(processor);
    let changelog = changelog_topic(node.name());
    let mut retained_by_partition = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let mut retained = RecordBatch::default();
        let records = merged.records.get(&TopicPartition::new(changelog, partition));
        for record in records.into_iter().flat_map(RecordBatch::records).map(Result::unwrap) {
            if !record.key.starts_with("published|") && record.key != "parked-count" {
                retained.push(record.key, record.value);
            }
        }
        let tables = node.inputs().into_iter().filter(|input| input.policy == Policy::Compact);
        let tables = tables
            .map(|input| (input.name, vec![read_all(log, TopicPartition::new(input.name, partition))]))
            .collect();
        let restored = Restored { changelog: vec![retained.clone()], tables, offsets: BTreeMap::new() };
        node.assign(partition, restored).unwrap();
        retained_by_partition.insert(partition, retained);
    }
    let mut commit = node.take_commit().unwrap();
    for (partition, retained) in retained_by_partition {
        for record in retained.records().map(Result::unwrap) {
            commit.append(TopicPartition::new(changelog, partition), record.key, record.value);
        }
    }
    commit.group = node.group();
    commit
}
