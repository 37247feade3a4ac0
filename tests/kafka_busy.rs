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
    Chunk, Restored, Storage, engine::changelog_of, kafka::KafkaStorage, kafka::Settings, member::Reader,
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
fn filled(storage: &mut KafkaStorage, reader: &Reader) {
    let mut chunk = Chunk::default();
    (0..RECORDS).for_each(|n| chunk.push(&format!("key-{n}"), Some(&[7; 100])));
    let topics = [changelog_of(reader.name), reader.inputs[0].name.to_owned()];
    let places = topics.iter().flat_map(|topic| (0..PARTITIONS).map(|p| (topic.clone(), p)));
    let out = places.map(|place| (place, chunk.clone())).collect();
    storage.append(out, "a-test", &BTreeMap::new()).unwrap();
}
fn read(chunks: &[Chunk]) -> usize {
    chunks
        .iter()
        .flat_map(Chunk::records)
        .map(|record| assert!(record.unwrap().key.starts_with("key-")))
        .count()
}

#[test]
fn however_many_restore_at_once_each_reads_all_there_is() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(broker) = Broker::start(&[]) else { return };
    let brokers = broker.bootstrap.clone();
    Fastbreak::on(&broker);
    let settings = Settings { brokers, instance: "test".into(), ..Settings::default() };
    let reader = Reader {
        name: "slate",
        group: "slate".into(),
        inputs: vec![topics::GAMES.info],
        outputs: Vec::new(),
        is_view: true,
        is_alone: false,
        upstream: Vec::new(),
    };
    filled(&mut KafkaStorage::open(settings.clone()).unwrap(), &reader);
    let busy = AtomicBool::new(true);
    let spin = || {
        while busy.load(Relaxed) {
            std::hint::spin_loop();
        }
    };
    let restore = || {
        let mut storage = KafkaStorage::open(settings.clone()).unwrap();
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
fn a_broker_that_stood_still_has_all_members_again_and_nothing_is_lost() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(broker) = Broker::start(&["--session-ms", "3000"]) else { return };
    let mut lines = season();
    lines.truncate(lines.len() / 4);
    let run = Fastbreak::on(&broker);
    let (before, after) = lines.split_at(lines.len() / 2);
    run.ingest(before);
    let mut running = run.spawn(&["run"]);
    run.wait_for_stages(has_read_all);
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
    run.wait_for_stages(has_read_all);
    assert!(running.try_wait().unwrap().is_none(), "it goes on");
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(run.content(), Fastbreak::straight(&lines).content());
}
