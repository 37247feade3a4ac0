//! `cat` and `lag` on a real broker: committed records only, records of other programs, following, owners and feeds.
//!
//! Invariant: the commands commit nothing and join no consumer group.
//! Skipped with a message where no broker can be started. Not here: the same on the embedded log (`commands`, `lag`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker, has_member};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use schemas::{raw::RawEvent, wire::Event};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

const RAW: &str = "raw.schedules.v1";
const TIMEOUT: Duration = Duration::from_secs(30);

fn schedule(key: &str) -> String {
    format!(
        r#"{{"source":"nbacom","feed":"schedule","key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{{"leagueSchedule":{{"gameDates":[]}}}}}}"#
    )
}
fn cat_with(run: &Fastbreak, arguments: &[&str], expected: i32) -> Vec<Value> {
    let output = run.run(&[&["cat"], arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
fn keys(records: &[Value]) -> Vec<&str> {
    let mut keys: Vec<&str> = records.iter().map(|record| record["key"].as_str().unwrap()).collect();
    keys.sort_unstable();
    keys
}
fn producer(broker: &Broker, transactional_id: Option<&str>) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.bootstrap);
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    config.create().unwrap()
}
/// Produces records of another program: bytes that are no event, a tombstone, and a record of a dead-letter queue without its headers.
fn produce_foreign(broker: &Broker) {
    let producer = producer(broker, None);
    let send =
        |record: BaseRecord<'_, [u8], [u8]>| producer.send(record).map_err(|(error, _)| error).unwrap();
    let timestamp = 1_700_000_000_123;
    send(
        BaseRecord::to(RAW)
            .partition(3)
            .key(&b"foreign\xff"[..])
            .payload(&b"no event"[..])
            .timestamp(timestamp),
    );
    send(BaseRecord::to(RAW).partition(3).key(&b"deleted"[..]));
    let headers = OwnedHeaders::new().insert(Header { key: "other", value: Some("x") });
    send(
        BaseRecord::to("odds-loader.dlq").partition(0).key(&b"k"[..]).payload(&b"\x00x"[..]).headers(headers),
    );
    producer.flush(TIMEOUT).unwrap();
}
/// Appends a record in a transaction that is aborted or, if `is_open`, not ended.
fn append_uncommitted(broker: &Broker, is_open: bool) -> BaseProducer {
    let producer = producer(broker, Some(if is_open { "open" } else { "aborted" }));
    producer.init_transactions(TIMEOUT).unwrap();
    producer.begin_transaction().unwrap();
    let record = BaseRecord::to(RAW).partition(5).key("uncommitted").payload("uncommitted");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(TIMEOUT).unwrap();
    if !is_open {
        producer.abort_transaction(TIMEOUT).unwrap();
    }
    producer
}

#[test]
fn committed_records_are_shown_and_followed_and_those_of_other_programs_do_not_stop_the_rest() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::on_broker(&broker);
    run.ingest(&["a", "b", "c"].map(schedule));
    drop(append_uncommitted(&broker, false));
    let records = cat_with(&run, &[RAW], 0);
    assert_eq!(keys(&records), ["a", "b", "c"]);
    let first = &records[0];
    assert_eq!(
        (&first["event"], &first["schema_version"]),
        (&json!("raw-event"), &json!(RawEvent::RELEASED.len()))
    );
    assert_eq!(first["value"]["key"], first["key"]);
    assert_eq!(keys(&cat_with(&run, &[RAW, "--key", "b"], 0)), ["b"]);
    assert_eq!(cat_with(&run, &[RAW, "--limit", "2"], 0), records[..2]);
    let from = first["timestamp"].as_str().unwrap();
    assert_eq!(cat_with(&run, &[RAW, "--from", from], 0), records);
    assert_eq!(cat_with(&run, &[RAW, "--from", "2999-01-01"], 0), Vec::<Value>::new());

    // Following shows new records, although a transaction is open in another partition.
    let open = append_uncommitted(&broker, true);
    let mut command = run.command(&["cat", RAW, "--follow", "--from", from]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!([next(), next(), next()], records[..]);
    for key in ["d", "e"] {
        run.ingest(&[schedule(key)]);
        assert_eq!(next()["key"], key);
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // On a slow machine, the broker has aborted the transaction already.
    drop(open.abort_transaction(TIMEOUT));

    produce_foreign(&broker);
    let records = cat_with(&run, &[RAW], 1);
    assert_eq!(keys(&records), ["a", "b", "c", "d", "deleted", "e", "foreign\u{fffd}"]);
    let foreign = records.iter().find(|record| record["key"] == "foreign\u{fffd}").unwrap();
    assert_eq!(
        (&foreign["bytes"], &foreign["timestamp"]),
        (&json!("6e6f206576656e74"), &json!("2023-11-14T22:13:20.123Z"))
    );
    let dead_letters = cat_with(&run, &["odds-loader.dlq"], 1);
    assert!(dead_letters[0]["error"].as_str().unwrap().contains("headers"), "{dead_letters:?}");
    run.catch_up();
    let dead_letters = cat_with(&run, &["schedule-loader.dlq"], 0);
    assert_eq!(
        (&dead_letters[0]["event"], &dead_letters[0]["value"]["value"]),
        (&json!("dead-letter"), &json!("no event"))
    );
    assert!(!cat_with(&run, &["ops.ledger.v1", "--key", "schedule-loader"], 0).is_empty());
}

#[test]
fn lag_shows_the_member_that_has_each_partition_and_the_newest_event_of_each_feed() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::on_broker(&broker);
    run.ingest(&["a", "b", "c"].map(schedule));
    let owners = |report: &Value| -> Vec<Value> {
        let processors = report["processors"].as_array().unwrap().iter();
        processors
            .flat_map(|processor| processor["partitions"].as_array().unwrap())
            .map(|partition| partition["owner"].clone())
            .collect()
    };
    let report = run.json(&["lag"]);
    assert!(owners(&report).iter().all(Value::is_null));
    assert_eq!(run.run(&["lag", "--fail-on", "stopped"]).status.code(), Some(3));
    let newest: Vec<&Value> =
        report["feeds"].as_array().unwrap().iter().map(|feed| &feed["last_fetched_at"]).collect();
    assert_eq!(newest[0], "2024-01-01T00:00:00Z");
    assert_eq!(report["feeds"][0]["is_complete"], true);
    assert!(newest[1..].iter().all(|fetched_at| fetched_at.is_null()), "{newest:?}");

    let mut running = run.spawn(&["run", "--instance", "a"]);
    run.wait_for_lag(has_member);
    let mut report = run.json(&["lag"]);
    // A group has members before its partitions are assigned.
    for _ in 0..60 {
        if owners(&report).iter().all(Value::is_object) {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
        report = run.json(&["lag"]);
    }
    for owner in owners(&report) {
        assert_eq!(
            (&owner["client"], &owner["host"]),
            (&json!("fastbreak-a"), &json!("127.0.0.1")),
            "{owner}"
        );
        assert!(owner["member"].as_str().unwrap().starts_with("a-"), "{owner}");
    }
    running.kill().unwrap();
    running.wait().unwrap();
}
