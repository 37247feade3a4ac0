//! Law 3, convergence: the stream equals the batch, whatever happened on the way.
//!
//! Invariant: the content of every table topic depends on the set of raw events alone.
//! Not here: what the content is.
use crate::{
    accounts::{check, sound},
    harness::{Content, Plan, batch, content, node, run, written_by},
    histories::{shuffled, tiny},
    log::MemoryLog,
    random::Random,
    seeds,
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use topics::Policy;

/// Equal, or the first rows that differ.
pub fn assert_same(is: &Content, should: &Content) {
    if is == should {
        return;
    }
    let keys = is.keys().chain(should.keys());
    let differ: std::collections::BTreeSet<_> = keys.filter(|key| is.get(key) != should.get(key)).collect();
    let topics: std::collections::BTreeSet<_> = differ.iter().map(|(topic, _)| topic).collect();
    let first: Vec<_> = differ
        .iter()
        .take(5)
        .map(|key| (key, is.get(key).map(Vec::len), should.get(key).map(Vec::len)))
        .collect();
    panic!("{} rows differ in {topics:?}; bytes there are and should be: {first:#?}", differ.len());
}

#[test]
fn stream_equals_batch_under_any_fault_schedule() {
    let mut candidates = 0;
    for seed in seeds(1, 45) {
        let raw = tiny(seed.0);
        let mut log = MemoryLog::default();
        run(&mut log, raw.clone(), Plan::random(seed.0), |_| true);
        let content = sound(&mut log);
        candidates += content.keys().filter(|(topic, _)| *topic == topics::FEATURES.info.name).count();
        assert_same(&content, &crate::harness::content(&mut batch(&raw)));
    }
    eprintln!("{candidates} candidates");
}

#[test]
fn events_in_any_order_and_a_third_of_them_doubled_give_the_same_content() {
    for seed in seeds(2, 20) {
        let raw = tiny(seed.0);
        let mut random = Random::new(seed.0);
        let mut log = MemoryLog::default();
        run(&mut log, shuffled(&raw, &mut random), Plan::random(seed.0), |_| true);
        assert_same(&sound(&mut log), &content(&mut batch(&raw)));
        assert_same(&content(&mut batch(&shuffled(&raw, &mut random))), &content(&mut batch(&raw)));
    }
}

#[test]
fn every_view_alone_equals_its_batch_over_what_it_was_sent() {
    for seed in seeds(3, 15) {
        let raw = tiny(seed.0);
        // A history of rows that were superseded and deleted.
        let mut recorded = MemoryLog::default();
        let first = Plan { compactions: 0, ..Plan::random(seed.0) };
        run(&mut recorded, raw.clone(), first, |_| true);
        let should = content(&mut batch(&raw));
        for processor in 0..topology(Predictor::new(None)).len() {
            let node = node(processor);
            let mut log = recorded.clone();
            log.forget(&node.group(), &written_by(node.as_ref()));
            log.forget("", &[topics::LEDGER.info.name.to_owned()]);
            let name = node.name();
            run(&mut log, Vec::new(), Plan::random(seed.0 ^ processor as u64), |runs| runs == name);
            assert_same(&content(&mut log), &should);
        }
    }
}

#[test]
fn a_straight_run_equals_the_batch_and_reads_each_record_once() {
    for seed in seeds(4, 2) {
        let raw = tiny(seed.0);
        let mut log = MemoryLog::default();
        run(&mut log, raw.clone(), Plan::STRAIGHT, |_| true);
        let ledger = check(&mut log);
        assert!(ledger.values().all(|entry| entry.read > 0));
        assert_same(&content(&mut log), &content(&mut batch(&raw)));
    }
}

#[test]
fn a_view_that_missed_compacted_tombstones_is_correct_after_restore() {
    for seed in seeds(9, 8) {
        let raw = tiny(seed.0);
        let mut random = Random::new(seed.0);
        let views: Vec<&'static str> = topology(Predictor::new(None))
            .iter()
            .filter(|node| node.is_view() && node.inputs().iter().any(|t| t.policy == Policy::Compact))
            .map(|node| node.name())
            .collect();
        let away = random.pick(&views);
        let (first, rest) = raw.split_at(random.below(raw.len()));
        let mut log = MemoryLog::default();
        run(&mut log, first.to_vec(), Plan::STRAIGHT, |_| true);
        run(&mut log, rest.to_vec(), Plan::STRAIGHT, |name| name != away);
        log.compact_tables();
        run(&mut log, Vec::new(), Plan::random(seed.0), |_| true);
        assert_same(&content(&mut log), &content(&mut batch(&raw)));
    }
}
