//! The whole topology on a real broker against the embedded log: equal content, killed or not, with a replay beside it.
//!
//! Skipped with the reason where no broker can be started. Not here: members that
//! meet or miss each other (`kafka_members`), many kills, joining, leaving, cuts (`tests/kafka/chaos`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker, has_read_all, middle, replay_arguments, season};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use runtime::{
    LogBackend,
    kafka::{KafkaConfig, KafkaLog},
};
use serde_json::{Value, json};
use std::time::Duration;
use topics::TopicInfo;

/// Where every live group stands in every partition, and where that ends.
fn watermarks(run: &Fastbreak) -> Value {
    let lag = run.json(&["lag"]);
    let processors = lag["processors"].as_array().unwrap_or_else(|| panic!("{lag:#}"));
    let stood = |processor: &Value| {
        let partitions = processor["partitions"].as_array().unwrap().iter();
        let places = partitions.map(|p| json!([p["topic"], p["partition"], p["committed"], p["high"]]));
        (processor["processor"].as_str().unwrap().to_owned(), Value::Array(places.collect()))
    };
    processors.iter().map(stood).collect()
}

#[test]
fn kafka_and_embedded_log_give_equal_content_when_instances_are_killed() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let straight = Fastbreak::straight(&lines);
    let run = Fastbreak::on(&broker);
    let (before, after) = lines.split_at(lines.len() / 2);
    run.ingest(before);
    // Half of the processors in a process of their own, which is killed while they work.
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
    assert_eq!(again["new"], 0, "what is in the raw topics is known: {again}");
}

#[test]
fn a_replay_beside_live_ingestion_on_kafka_changes_nothing_live_and_differs_in_nothing() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let straight = Fastbreak::straight(&lines);
    let dates = middle(&straight);
    let live = Fastbreak::on(&broker);
    let (before, after) = lines.split_at(lines.len() / 2);
    live.ingest(before);
    let mut running = live.spawn(&["run"]);
    let mut killed = live.spawn(&replay_arguments(&dates, "beside"));
    let slices: Vec<&[String]> = after.chunks(after.len() / 4 + 1).collect();
    live.ingest(slices[0]);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut replaying = live.spawn(&replay_arguments(&dates, "beside"));
    slices[1..].iter().for_each(|slice| _ = live.ingest(slice));
    assert!(
        replaying.wait().unwrap().success(),
        "killed and begun again it ends although the live side goes on"
    );
    live.wait_for_lag(has_read_all);
    assert_eq!(live.content(), straight.content(), "the live side is as if there had been no replay");

    let ended = live.json(&replay_arguments(&dates, "beside"));
    assert_eq!((&ended["caught_up"], &ended["behind"]), (&Value::from(true), &json!({})));
    assert_eq!(ended["raw"]["read"], ended["raw"]["of"], "markers are nothing that is left: {ended:#}");
    let diff = live.json(&["replay", "diff", "beside"]);
    assert_eq!((&diff["equal"], &diff["live_caught_up"]), (&true.into(), &true.into()), "{diff:#}");
    assert_eq!(diff["rows"], json!([]));

    let before = watermarks(&live);
    live.json(&["replay", "discard", "beside", "--yes"]);
    assert_eq!(live.json(&["replay", "list"]), json!([]));
    assert_eq!(watermarks(&live), before, "no live group or topic was touched");
    assert!(running.try_wait().unwrap().is_none(), "it never noticed");
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(live.content(), straight.content());
}

/// Leaves what somebody began and aborted as the last in every partition of these topics.
fn abort_in(broker: &Broker, topics: &[&TopicInfo]) {
    let (mut config, wait) = (ClientConfig::new(), Duration::from_secs(30));
    config.set("bootstrap.servers", &broker.bootstrap).set("transactional.id", "somebody");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(wait).unwrap();
    producer.begin_transaction().unwrap();
    for topic in topics {
        for partition in 0..topic.partitions {
            let record =
                BaseRecord::to(topic.name).partition(partition).key("nobody").payload("is to read this");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
    }
    producer.flush(wait).unwrap();
    producer.abort_transaction(wait).unwrap();
}

#[test]
fn retention_of_records_that_are_read_stops_no_processor() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut lines = season();
    lines.truncate(lines.len() / 4);
    let (before, after) = lines.split_at(lines.len() / 2);
    let run = Fastbreak::on(&broker);
    run.ingest(before);
    run.catch_up();
    let streams = topics::ALL
        .iter()
        .filter(|topic| topic.policy == topics::Policy::Delete && topic.name.starts_with("core."));
    let streams: Vec<&topics::TopicInfo> = streams.collect();
    abort_in(&broker, &streams);
    let mut running = run.spawn(&["run"]);
    // All that is behind a position is its own commit's marker.
    run.wait_for_lag(|processor| {
        let behind =
            |place: &Value| place["high"].as_i64().unwrap() - place["committed"].as_i64().unwrap_or(0);
        processor["partitions"].as_array().unwrap().iter().all(|place| behind(place) <= 1)
    });
    running.kill().unwrap();
    running.wait().unwrap();
    // As after a summer: all of it is older than the retention.
    let settings =
        KafkaConfig { brokers: broker.bootstrap.clone(), instance: "test".into(), ..KafkaConfig::default() };
    let mut storage = KafkaLog::open(settings).unwrap();
    let mut purged = 0;
    for TopicInfo { name, .. } in streams {
        let ends = storage.end_offsets(&[name]).unwrap();
        purged += ends.values().filter(|end| **end > 0).count();
        storage
            .purge(name, &ends.into_iter().map(|((_, partition), end)| (partition, end)).collect())
            .unwrap();
    }
    assert!(purged > 10, "{purged} partitions are empty now");
    let lag = run.json(&["lag"]);
    let losing =
        lag["processors"].as_array().unwrap().iter().filter(|processor| processor["status"] == "losing_data");
    assert_eq!(losing.count(), 0, "{lag:#}");
    run.ingest(after);
    run.catch_up();
    assert_eq!(run.content(), Fastbreak::straight(&lines).content());
}
