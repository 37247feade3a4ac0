//! A real broker on a busy machine: what is read is read whole, and one that stood still is found again.
//!
//! A record that a reader passes over makes a view derive other rows than it had published, and publish them. A broker that could not
//! reach its controller tells clients of no broker at all, and librdkafka then forgets all it knew.
//! Skipped with the reason where no broker can be started.
//! Not here: what is made of the records (`kafka`), brokers that end while they are read (`tests/kafka/chaos`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker, has_read_all, season, text};
use runtime::{
    LogBackend, RecordBatch, Restored, engine::changelog_topic, kafka::KafkaConfig, kafka::KafkaLog,
    subscription::Subscription,
};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// One of these tests at a time: each needs the machine for itself.
static ALONE: Mutex<()> = Mutex::new(());

const PARTITIONS: i32 = 3;
const RECORDS: usize = 400;

/// A view's changelog and its input table, as many records in each partition.
fn filled(storage: &mut KafkaLog, reader: &Subscription) {
    let mut record_batch = RecordBatch::default();
    (0..RECORDS).for_each(|n| record_batch.push(&format!("key-{n}"), Some(&[7; 100])));
    let topics = [changelog_topic(reader.name), reader.inputs[0].name.to_owned()];
    let places = topics.iter().flat_map(|topic| (0..PARTITIONS).map(|p| (topic.clone(), p)));
    let out = places.map(|place| (place, record_batch.clone())).collect();
    storage.append(out, "a-test", &BTreeMap::new()).unwrap();
}
fn read(record_batches: &[RecordBatch]) -> usize {
    record_batches
        .iter()
        .flat_map(RecordBatch::records)
        .map(|record| assert!(record.unwrap().key.starts_with("key-")))
        .count()
}

#[test]
fn concurrent_restores_are_complete() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(broker) = Broker::start(&[]) else { return };
    let brokers = broker.bootstrap.clone();
    Fastbreak::on(&broker);
    let settings = KafkaConfig { brokers, instance: "test".into(), ..KafkaConfig::default() };
    let reader = Subscription {
        name: "slate",
        group: "slate".into(),
        inputs: vec![topics::GAMES.info],
        outputs: Vec::new(),
        is_view: true,
        is_alone: false,
        upstream: Vec::new(),
    };
    filled(&mut KafkaLog::open(settings.clone()).unwrap(), &reader);
    let busy = AtomicBool::new(true);
    let spin = || {
        while busy.load(Relaxed) {
            std::hint::spin_loop();
        }
    };
    let restore = || {
        let mut storage = KafkaLog::open(settings.clone()).unwrap();
        for partition in (0..PARTITIONS).cycle().take(6) {
            let Restored { changelog, tables, .. } = storage.restore(&reader, partition).unwrap();
            assert_eq!((read(&changelog), read(&tables[0].1)), (RECORDS, RECORDS));
        }
    };
    thread::scope(|scope| {
        (0..8).for_each(|_| _ = scope.spawn(spin));
        let restoring: Vec<_> = (0..16).map(|_| scope.spawn(restore)).collect();
        let ended: Vec<_> = restoring.into_iter().map(thread::ScopedJoinHandle::join).collect();
        busy.store(false, Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
}

#[test]
fn members_rejoin_after_a_broker_pause_without_loss() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(broker) = Broker::start(&["--session-ms", "3000"]) else { return };
    let mut lines = season();
    lines.truncate(lines.len() / 4);
    let run = Fastbreak::on(&broker);
    let (before, after) = lines.split_at(lines.len() / 2);
    run.ingest(before);
    let mut running = run.spawn(&["run"]);
    run.wait_for_lag(has_read_all);
    for _ in 0..3 {
        // Longer than the controller waits for the broker: nobody leads when it goes on, for a moment.
        broker.node("pause");
        thread::sleep(Duration::from_secs(6));
        broker.node("resume");
        thread::sleep(Duration::from_secs(3));
    }
    // A client that comes while the broker is finding itself again may give up, as its exit code says; whoever feeds it tries again.
    let path = run.file("after.jsonl", after);
    let since = Instant::now();
    while !run.run(&["ingest", text(&path)]).status.success() {
        assert!(since.elapsed() < Duration::from_secs(300), "nothing can be ingested");
    }
    run.wait_for_lag(has_read_all);
    assert!(running.try_wait().unwrap().is_none(), "it goes on");
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(run.content(), Fastbreak::straight(&lines).content());
}
