//! Law 3, convergence: processing a stream under any schedule gives the same content as processing all events in one batch.
//!
//! Invariant: the content of every table topic depends on the set of raw events alone.
//! Not here: whether the content is correct (the tests of crate `processors`).
use crate::{
    accounting::{check_ledger, checked_content},
    batch::batch,
    fixtures::check_fixtures,
    group::new_node,
    harness::{Content, Schedule, content, run, topics_written_by},
    histories::{shuffled, tiny_season},
    log::{MemoryLog, TestLog, read_all},
    random::Random,
    seeds,
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{Commit, engine::changelog_topic};
use schemas::raw::RawEvent;
use std::collections::BTreeSet;
use topics::{Policy, TopicPartition};

fn batch_content(raw_events: &[RawEvent]) -> Content {
    content(&mut batch(raw_events))
}

/// Panics if the contents differ, and prints the first rows that differ.
pub fn assert_same(actual: &Content, expected: &Content) {
    if actual == expected {
        return;
    }
    let keys = actual.keys().chain(expected.keys());
    let mismatched: BTreeSet<_> = keys.filter(|key| actual.get(key) != expected.get(key)).collect();
    let topics: BTreeSet<_> = mismatched.iter().map(|(topic, _)| topic).collect();
    let bytes = |content: &Content, key| content.get(key).map(Vec::len);
    let first: Vec<_> =
        mismatched.iter().take(5).map(|key| (key, bytes(actual, key), bytes(expected, key))).collect();
    panic!("{} rows differ in {topics:?}; key, actual bytes, expected bytes: {first:#?}", mismatched.len());
}

#[test]
fn stream_equals_batch_under_any_fault_schedule() {
    let mut candidates = 0;
    for seed in seeds(1, 33) {
        let raw_events = tiny_season(seed.0);
        let mut log = MemoryLog::default();
        run(&mut log, raw_events.clone(), Schedule::random(seed.0), |_| true);
        let content = checked_content(&mut log);
        check_fixtures(&raw_events, &content);
        candidates += content.keys().filter(|(topic, _)| *topic == topics::FEATURES.info.name).count();
        assert_same(&content, &batch_content(&raw_events));
    }
    eprintln!("{candidates} candidates");
}

#[test]
fn events_in_any_order_and_a_third_of_them_doubled_give_the_same_content() {
    for seed in seeds(2, 16) {
        let raw_events = tiny_season(seed.0);
        let mut random = Random::new(seed.0);
        let mut log = MemoryLog::default();
        run(&mut log, shuffled(&raw_events, &mut random), Schedule::random(seed.0), |_| true);
        let expected = batch_content(&raw_events);
        check_fixtures(&raw_events, &expected);
        assert_same(&checked_content(&mut log), &expected);
        if random.percent(25) {
            assert_same(&batch_content(&shuffled(&raw_events, &mut random)), &expected);
        }
    }
}

#[test]
fn every_processor_alone_equals_its_batch_over_the_records_of_its_inputs() {
    for seed in seeds(3, 10) {
        let raw_events = tiny_season(seed.0);
        // Records the log of a complete run without compaction, which still contains the older versions of rows that were later replaced
        // or deleted.
        let mut recorded = MemoryLog::default();
        let schedule = Schedule { compaction_percent: 0, ..Schedule::random(seed.0) };
        run(&mut recorded, raw_events.clone(), schedule, |_| true);
        let expected = batch_content(&raw_events);
        for processor in 0..topology(Predictor::new(None)).len() {
            let node = new_node(processor);
            let mut log = recorded.clone();
            log.delete(&node.group(), &topics_written_by(node.as_ref()));
            log.delete("", &[topics::LEDGER.info.name]);
            let schedule = Schedule::random(seed.0 ^ processor as u64);
            run(&mut log, Vec::new(), schedule, |name| name == node.name());
            assert_same(&content(&mut log), &expected);
        }
    }
}

#[test]
fn a_straight_run_equals_the_batch_and_reads_each_record_once() {
    for seed in seeds(4, 2) {
        let raw_events = tiny_season(seed.0);
        let mut log = MemoryLog::default();
        run(&mut log, raw_events.clone(), Schedule::STRAIGHT, |_| true);
        let ledger = check_ledger(&mut log);
        assert!(ledger.values().all(|entry| entry.read > 0));
        assert_same(&content(&mut log), &batch_content(&raw_events));
    }
}

#[test]
fn a_materialized_view_that_missed_compacted_tombstones_is_correct_after_restore() {
    for seed in seeds(9, 6) {
        let raw_events = tiny_season(seed.0);
        let mut random = Random::new(seed.0);
        let names: Vec<&'static str> = topology(Predictor::new(None))
            .iter()
            .filter(|node| node.kind().has_changelog())
            .filter(|node| node.inputs().iter().any(|topic| topic.policy == Policy::Compact))
            .map(|node| node.name())
            .collect();
        let stopped = random.pick(&names);
        let (first, rest) = raw_events.split_at(random.below(raw_events.len()));
        let mut log = MemoryLog::default();
        run(&mut log, first.to_vec(), Schedule::STRAIGHT, |_| true);
        run(&mut log, rest.to_vec(), Schedule::STRAIGHT, |name| name != stopped);
        log.compact_tables();
        run(&mut log, Vec::new(), Schedule::random(seed.0), |_| true);
        assert_same(&content(&mut log), &batch_content(&raw_events));
    }
}

#[test]
fn copies_in_the_changelog_of_a_former_version_are_deleted_and_change_nothing() {
    let raw_events = tiny_season(14_000_000);
    for (view, key) in [
        ("markets", "retained|core.odds-observations.v1|BOS-NYK|odds/e1/1731013200000"),
        ("markets", "published|core.markets.v1|BOS-NYK|7/0022400001"),
        ("games", "state|BOS-NYK|game/0022400001/1731013200000/0123456789abcdef"),
        ("team-form", "state|BOS|roster/espn/roster/1731013200000/0123456789abcdef"),
    ] {
        let changelog = TopicPartition::new(changelog_topic(view), 0);
        let mut commit = Commit::default();
        commit.append(changelog, key, Some(b"8 bytes."));
        let mut log = MemoryLog::default();
        log.append(commit);
        run(&mut log, raw_events.clone(), Schedule::STRAIGHT, |_| true);
        assert_same(&content(&mut log), &batch_content(&raw_events));
        let records = read_all(&mut log, changelog);
        let values = records.records().map(Result::unwrap).filter(|record| record.key == key);
        assert_eq!(values.map(|record| record.value.is_some()).collect::<Vec<_>>(), [true, false], "{key}");
    }
}
