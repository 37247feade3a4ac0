//! A real broker on a busy machine: a restore reads every record, and members rejoin after the broker was paused.
//!
//! If a restore skipped a record, a materialized view would publish rows that differ from the rows that it published earlier. While a
//! broker cannot reach its controller, its metadata response lists no brokers, and librdkafka then drops the metadata in its cache.
//! Invariant: no record is lost if a broker or a client is slow.
//! Skipped with a message where no broker can be started. Not here: the content of a run (`kafka`), brokers that are killed
//! (`tests/kafka/chaos`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker, has_read_all, season, text};
use runtime::{
    Commit, LogReader, LogWriter, RecordBatch, Restored,
    engine::{ProcessorKind, changelog_topic},
    subscription::Subscription,
};
use runtime_kafka::{KafkaConfig, KafkaLog};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};
use topics::TopicPartition;

/// Each test locks this mutex, so that only one test runs at a time: each test needs the whole machine.
static ONE_TEST: Mutex<()> = Mutex::new(());

/// Number of partitions with records, and number of records in each of them.
const FILLED_PARTITIONS: i32 = 3;
const RECORDS: usize = 400;

/// Appends `RECORDS` records to each of the filled partitions of a materialized view's changelog and input table.
fn fill(log: &mut KafkaLog, subscription: &Subscription) {
    let mut commit = Commit { group: "a-test".into(), ..Commit::default() };
    for topic in [changelog_topic(subscription.name), subscription.inputs[0].name] {
        for partition in 0..FILLED_PARTITIONS {
            for number in 0..RECORDS {
                commit.append(
                    TopicPartition::new(topic, partition),
                    &format!("key-{number}"),
                    Some(&[7; 100]),
                );
            }
        }
    }
    log.append(commit).unwrap();
}

fn count_records(batches: &[RecordBatch]) -> usize {
    let records = batches.iter().flat_map(RecordBatch::records).map(Result::unwrap);
    records.inspect(|record| assert!(record.key.starts_with("key-"))).count()
}

#[test]
fn concurrent_restores_are_complete() {
    let _one_test = ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(broker) = Broker::start(&[]) else { return };
    Fastbreak::on_broker(&broker);
    let brokers = broker.bootstrap.clone();
    let config = KafkaConfig { brokers, instance: "test".into(), ..KafkaConfig::default() };
    let subscription = Subscription {
        name: "slate",
        group: "slate".into(),
        kind: ProcessorKind::MaterializedView,
        inputs: vec![topics::GAMES.info],
        outputs: Vec::new(),
        upstream: Vec::new(),
    };
    fill(&mut KafkaLog::open(config.clone()).unwrap(), &subscription);
    let is_busy = AtomicBool::new(true);
    let spin = || {
        while is_busy.load(Relaxed) {
            std::hint::spin_loop();
        }
    };
    let restore = || {
        let mut log = KafkaLog::open(config.clone()).unwrap();
        for partition in (0..FILLED_PARTITIONS).cycle().take(6) {
            let Restored { changelog, tables, .. } = log.restore(&subscription, partition).unwrap();
            assert_eq!((count_records(&changelog), count_records(&tables[0].1)), (RECORDS, RECORDS));
        }
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(spin);
        }
        let restores: Vec<_> = (0..16).map(|_| scope.spawn(restore)).collect();
        let outcomes: Vec<_> = restores.into_iter().map(ScopedJoinHandle::join).collect();
        is_busy.store(false, Relaxed);
        assert!(outcomes.iter().all(Result::is_ok));
    });
}

#[test]
fn members_rejoin_after_a_broker_pause_without_loss() {
    let _one_test = ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(broker) = Broker::start(&["--session-ms", "3000"]) else { return };
    let mut lines = season();
    lines.truncate(lines.len() / 4);
    let run = Fastbreak::on_broker(&broker);
    let (before, after) = lines.split_at(lines.len() / 2);
    run.ingest(before);
    let mut running = run.spawn(&["run"]);
    run.wait_for_lag(has_read_all);
    for _ in 0..3 {
        // The pause is longer than the broker's session with the controller, so for a moment after the pause no partition has a leader.
        broker.node("pause");
        thread::sleep(Duration::from_secs(6));
        broker.node("resume");
        thread::sleep(Duration::from_secs(3));
    }
    // A client that connects while the broker registers again may fail, with an exit code that allows a retry.
    let path = run.file("after.jsonl", after);
    let started = Instant::now();
    while !run.run(&["ingest", text(&path)]).status.success() {
        assert!(started.elapsed() < Duration::from_secs(300), "every ingest has failed for 300 s");
    }
    run.wait_for_lag(has_read_all);
    assert!(running.try_wait().unwrap().is_none(), "the process of the members has exited");
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(run.content(), Fastbreak::straight(&lines).content());
}
