//! What is read of a real broker is read whole, however busy the machine is. Skipped with the reason where no broker can be started.
//!
//! A record that a reader passes over makes a view derive other rows than it had published, and publish them.
//! Not here: what is made of the records (`kafka`), brokers that end while they are read (`tests/kafka/chaos`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker};
use runtime::{
    Chunk, Restored, Storage, engine::changelog_of, kafka::KafkaStorage, kafka::Settings, member::Reader,
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

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
    let Some(broker) = Broker::start(&[]) else { return };
    let brokers = broker.bootstrap.clone();
    Fastbreak { brokers: Some(brokers.clone()), ..Fastbreak::new() }.json(&["topics", "apply", "--yes"]);
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
