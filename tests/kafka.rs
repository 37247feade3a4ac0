//! Compares the whole topology on a real broker with the embedded log: the content is equal after kills, during a replay, and after
//! retention has deleted records.
//!
//! Invariant: the content does not depend on the kind of log.
//! Skipped with a message where no broker can be started. Not here: membership and fencing (`kafka_members`), many kills, joining,
//! leaving and network cuts (`tests/kafka/chaos`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker, has_read_all, middle_dates, replay_arguments, season};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use runtime::{LogAdmin, LogReader};
use runtime_kafka::{KafkaConfig, KafkaLog};
use serde_json::{Value, json};
use std::time::Duration;
use topics::{Policy, TopicInfo};

/// Returns the committed offset and the end offset of every live group in every partition of its inputs.
fn live_offsets(run: &Fastbreak) -> Value {
    let lag = run.json(&["lag"]);
    let processors = lag["processors"].as_array().unwrap_or_else(|| panic!("{lag:#}"));
    let offsets = |processor: &Value| {
        let partitions = processor["partitions"].as_array().unwrap().iter();
        let offsets =
            partitions.map(|p| json!([p["topic"], p["partition"], p["committed"], p["end_offset"]]));
        (processor["processor"].as_str().unwrap().to_owned(), Value::Array(offsets.collect()))
    };
    processors.iter().map(offsets).collect()
}

#[test]
fn kafka_and_embedded_log_give_equal_content_when_instances_are_killed() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let straight = Fastbreak::straight(&lines);
    let run = Fastbreak::on_broker(&broker);
    let (before, after) = lines.split_at(lines.len() / 2);
    run.ingest(before);
    // Two loaders run in a process of their own, which is killed while they work.
    let mut loaders =
        run.spawn(&["run", "--instance", "a", "--only", "box-score-loader", "--only", "odds-loader"]);
    let mut rest = run.spawn(&["run", "--instance", "b"]);
    run.ingest(after);
    loaders.kill().unwrap();
    loaders.wait().unwrap();
    rest.kill().unwrap();
    rest.wait().unwrap();
    run.catch_up();
    assert_eq!(run.content(), straight.content());
    let again = run.ingest(&lines);
    assert_eq!(again["new"], 0, "events that are in the raw topics already were ingested again: {again}");
}

#[test]
fn a_replay_beside_live_ingestion_on_kafka_changes_nothing_live_and_has_no_differences() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let straight = Fastbreak::straight(&lines);
    let dates = middle_dates(&straight);
    let live = Fastbreak::on_broker(&broker);
    let (before, after) = lines.split_at(lines.len() / 2);
    live.ingest(before);
    let mut running = live.spawn(&["run"]);
    let mut killed = live.spawn(&replay_arguments(&dates, "beside"));
    let slices: Vec<&[String]> = after.chunks(after.len() / 4 + 1).collect();
    live.ingest(slices[0]);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut replaying = live.spawn(&replay_arguments(&dates, "beside"));
    for slice in &slices[1..] {
        live.ingest(slice);
    }
    assert!(replaying.wait().unwrap().success(), "the resumed replay failed during live ingestion");
    live.wait_for_lag(has_read_all);
    assert_eq!(live.content(), straight.content(), "the replay changed the live content");

    let report = live.json(&replay_arguments(&dates, "beside"));
    assert_eq!((&report["caught_up"], &report["behind"]), (&Value::from(true), &json!({})));
    assert_eq!(report["raw"]["read"], report["raw"]["of"], "control records must count as read: {report:#}");
    let diff = live.json(&["replay", "diff", "beside"]);
    assert_eq!((&diff["equal"], &diff["live_caught_up"]), (&true.into(), &true.into()), "{diff:#}");
    assert_eq!(diff["rows"], json!([]));

    let offsets = live_offsets(&live);
    live.json(&["replay", "discard", "beside", "--yes"]);
    assert_eq!(live.json(&["replay", "list"]), json!([]));
    assert_eq!(
        live_offsets(&live),
        offsets,
        "discarding the replay changed offsets of a live group or topic"
    );
    assert!(running.try_wait().unwrap().is_none(), "the process of the live processors has exited");
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(live.content(), straight.content());
}

/// Appends a record of an aborted transaction to every partition of these topics.
fn append_aborted_records(broker: &Broker, topics: &[&TopicInfo]) {
    let (mut config, timeout) = (ClientConfig::new(), Duration::from_secs(30));
    config.set("bootstrap.servers", &broker.bootstrap).set("transactional.id", "another-program");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(timeout).unwrap();
    producer.begin_transaction().unwrap();
    for topic in topics {
        for partition in 0..topic.partitions {
            let record = BaseRecord::to(topic.name).partition(partition).key("aborted").payload("aborted");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
    }
    producer.flush(timeout).unwrap();
    producer.abort_transaction(timeout).unwrap();
}

#[test]
fn retention_of_records_that_are_read_stops_no_processor() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut lines = season();
    lines.truncate(lines.len() / 4);
    let (before, after) = lines.split_at(lines.len() / 2);
    let run = Fastbreak::on_broker(&broker);
    run.ingest(before);
    run.catch_up();
    let is_core_stream =
        |topic: &&TopicInfo| topic.policy == Policy::Delete && topic.name.starts_with("core.");
    let streams: Vec<&TopicInfo> = topics::ALL.iter().filter(is_core_stream).collect();
    append_aborted_records(&broker, &streams);
    let mut running = run.spawn(&["run"]);
    // Waits until each committed offset is at most 1 below the end offset. The difference can be 1 although everything is read, because
    // the commit marker of the group's transaction takes an offset.
    run.wait_for_lag(|processor| {
        let unread_offsets = |partition: &Value| {
            partition["end_offset"].as_i64().unwrap() - partition["committed"].as_i64().unwrap_or(0)
        };
        processor["partitions"].as_array().unwrap().iter().all(|partition| unread_offsets(partition) <= 1)
    });
    running.kill().unwrap();
    running.wait().unwrap();
    // Deletes all records, as Kafka does when they are older than the retention.
    let config =
        KafkaConfig { brokers: broker.bootstrap.clone(), instance: "test".into(), ..KafkaConfig::default() };
    let mut log = KafkaLog::open(config).unwrap();
    let mut purged_partitions = 0;
    for topic in streams {
        let end_offsets = log.end_offsets(&[topic.name]).unwrap();
        purged_partitions += end_offsets.values().filter(|end_offset| **end_offset > 0).count();
        let below = end_offsets.into_iter().map(|(partition, end_offset)| (partition.partition, end_offset));
        log.purge(topic.name, &below.collect()).unwrap();
    }
    assert!(purged_partitions > 10, "only {purged_partitions} partitions were purged");
    let lag = run.json(&["lag"]);
    let is_losing_data = |processor: &&Value| processor["status"] == "losing_data";
    assert_eq!(lag["processors"].as_array().unwrap().iter().filter(is_losing_data).count(), 0, "{lag:#}");
    run.ingest(after);
    run.catch_up();
    assert_eq!(run.content(), Fastbreak::straight(&lines).content());
}
