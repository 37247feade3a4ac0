//! What comes in through Kafka and cannot be used, on a real broker: records of other programs, records above the limit of an event, and
//! streams whose first records were deleted before they were read.
//!
//! Invariant: record accounting balances after each step.
//! Skipped with a message where no broker can be started. Not here: the same through `ingest` (`commands`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{Fastbreak, broker::Broker, has_member, season, text};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, MAX_EVENT_BYTES, RawEvent},
    wire,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Produces records of the raw topic of schedules, as another program does.
fn produce(broker: &Broker, records: &[(&str, &[u8])]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.bootstrap);
    config.set("message.max.bytes", "50000000").set("compression.type", "zstd");
    let producer: BaseProducer = config.create().unwrap();
    for (key, value) in records {
        let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some("abc") });
        let topic = topics::RAW_SCHEDULES.info.name;
        let record = BaseRecord::to(topic).partition(0).key(*key).payload(*value).headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();
}
fn schedule(key: &str, payload: String) -> RawEvent {
    RawEvent::new(
        Feed::NbacomSchedule,
        key.into(),
        Timestamp(1_700_000_000_000),
        FetchOutcome::Complete,
        payload,
    )
}
fn no_games() -> String {
    r#"{"leagueSchedule":{"gameDates":[]}}"#.to_owned()
}
/// A text without repetitions, which cannot be compressed to much less.
fn random_text(bytes: usize) -> String {
    let mut chance = common::Chance(3);
    (0..bytes)
        .map(|_| {
            char::from(
                b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-"
                    [chance.below(64) as usize],
            )
        })
        .collect()
}
fn dead_letters(run: &Fastbreak) -> Vec<Value> {
    run.json(&["dlq", "show", "schedule-loader"]).as_array().unwrap().clone()
}

#[test]
fn case_49_a_record_of_another_registry_is_a_dead_letter_and_the_loader_goes_on() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::on_broker(&broker);
    let event = wire::encode(&schedule("ours", no_games())).unwrap();
    let mut foreign = event.clone();
    foreign[1..5].copy_from_slice(&[0, 0, 0, 7]);
    produce(&broker, &[("theirs", &foreign), ("ours", &event)]);
    run.catch_up();
    let shown = dead_letters(&run);
    assert_eq!(shown.len(), 1, "{shown:#?}");
    let (code, key, state) = (&shown[0]["code"], &shown[0]["key"], &shown[0]["state"]);
    assert_eq!((code, key, state), (&json!("bad_envelope"), &json!("theirs"), &json!("open")));
    assert!(shown[0]["reason"].as_str().unwrap().contains("schema id 7"), "{shown:#?}");
    let hex: String = foreign.iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes = shown[0]["value"].as_str().unwrap();
    assert!(bytes == hex || bytes.as_bytes() == foreign, "{bytes}");
    run.content();
    // The record still cannot be decoded: a redrive copies nothing.
    let redriven = run.json(&["dlq", "redrive", "schedule-loader"]);
    assert_eq!((&redriven["records"], &redriven["still_rejected"]), (&json!(0), &json!(1)));
    assert_eq!(dead_letters(&run).len(), 1);
}

#[test]
fn case_50_large_events_pass_up_to_the_limit_and_larger_ones_do_not_stop_anything() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::on_broker(&broker);
    let line = |key: &str, payload: &str| {
        format!(
            r#"{{"source":"nbacom","feed":"schedule","key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{payload}}}"#
        )
    };
    let page = json!(format!("<html>{}</html>", random_text(9_000_000))).to_string();
    let largest = MAX_EVENT_BYTES - line("largest", r#""""#).len() - 1;
    let lines = [
        line("large", &json!(random_text(17_500_000)).to_string()),
        line("page", &page),
        line("largest", &json!(random_text(largest)).to_string()),
        line("games", &no_games()),
    ];
    let output = run.run(&["ingest", text(&run.file("events.jsonl", &lines))]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(
        (output.status.code(), &counts["new"], &counts["too_large"]),
        (Some(1), &json!(3), &json!(1)),
        "{message}"
    );
    assert!(message.contains("events.jsonl:1") && message.contains("16 MiB"), "{message}");
    // Other programs can produce larger records, because brokers limit the compressed size.
    let huge = vec![b'x'; 20_000_000];
    let event = wire::encode(&schedule("huge event", format!("\"{}\"", "x".repeat(20_000_000)))).unwrap();
    let games = wire::encode(&schedule("games after", no_games())).unwrap();
    produce(&broker, &[("huge", &huge), ("huge event", &event), ("games after", &games)]);
    run.catch_up();
    let mut sizes: Vec<(String, usize, usize)> = Vec::new();
    for dead_letter in dead_letters(&run) {
        let reason = dead_letter["reason"].as_str().unwrap().chars().count();
        sizes.push((
            dead_letter["key"].as_str().unwrap().to_owned(),
            reason,
            dead_letter["value"].to_string().len(),
        ));
    }
    sizes.sort();
    let keys: Vec<&str> = sizes.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(keys, ["huge", "huge event", "largest", "page"]);
    assert!(sizes.iter().all(|(_, reason, _)| *reason <= 1001), "{sizes:?}");
    assert!(
        sizes[2].2 > largest && sizes[3].2 > 9_000_000,
        "the bytes of events within the limit are complete: {sizes:?}"
    );
    run.content();
}

/// Deletes all records that the partitions of a topic have, as retention does.
fn delete_records(run: &Fastbreak, broker: &Broker, processor: &str, topic: &str) {
    let lag = run.json(&["lag"]);
    let mut processors = lag["processors"].as_array().unwrap().iter();
    let reader = processors.find(|reader| reader["processor"] == processor).unwrap();
    let mut below = TopicPartitionList::new();
    for partition in
        reader["partitions"].as_array().unwrap().iter().filter(|partition| partition["topic"] == topic)
    {
        let end = Offset::Offset(partition["end_offset"].as_i64().unwrap());
        let number = partition["partition"].as_i64().unwrap();
        below.add_partition_offset(topic, i32::try_from(number).unwrap(), end).unwrap();
    }
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.bootstrap);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let deleted = admin.delete_records(&below, &AdminOptions::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(deleted).unwrap();
}

#[test]
fn case_54_records_deleted_before_the_first_read_end_the_processor_and_the_documented_repair_works() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut lines = season();
    lines.truncate(lines.len() / 4);
    let straight = Fastbreak::straight(&lines).content();
    let run = Fastbreak::on_broker(&broker);
    run.ingest(&lines);
    let others =
        ["schedule-loader", "box-score-loader", "roster-loader", "odds-loader", "name-resolver", "fixtures"];
    let topic = topics::BOX_SCORE_OBSERVATIONS.info.name;
    run.json(&["run", "--until-caught-up", "--only", &others.join(",")]);
    delete_records(&run, &broker, "games", topic);
    let output = run.run(&["run", "--until-caught-up"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(0), "{message}");
    for part in [
        "games: records of core.box-score-observations.v1/",
        "deleted before they were read",
        "kafka-outages.md",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let lag = run.json(&["lag"]);
    let losing: Vec<&Value> = lag["processors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|processor| processor["status"] == "losing_data")
        .collect();
    assert_eq!(losing.len(), 1, "{lag:#}");
    assert_eq!(losing[0]["processor"], "games");

    // The repair of docs/kafka-outages.md.
    // A processor that loses data is shown as such also if no process runs it.
    run.wait_for_lag(|processor| !has_member(processor) || processor["status"] == "losing_data");
    let groups = "consumer.group.ConsumerGroupCommand";
    let loader = format!("box-score-loader@{}", processors::loader::VERSION);
    broker.tool(&[groups, "--delete", "--group", &loader]);
    broker.tool(&[
        groups,
        "--reset-offsets",
        "--to-earliest",
        "--execute",
        "--group",
        "games",
        "--topic",
        topic,
    ]);
    run.catch_up();
    assert_eq!(run.content(), straight);
}
