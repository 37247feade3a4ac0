//! Topics as code, dead letters and access rights on a real broker.
//!
//! Invariant: no command changes a topic that it does not manage, and the message of every refused command has the reason.
//! Skipped with a message where no broker can be started. Not here: the content of a run (`kafka`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{Fastbreak, broker::Broker, text};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// Runs the binary on a broker; returns exit code, JSON output and standard error.
fn run_on(run: &Fastbreak, broker: &Broker, arguments: &[&str]) -> (i32, Value, String) {
    let output = run.command(&["--brokers", &broker.bootstrap]).args(arguments).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), message)
}

#[test]
fn topics_are_planned_created_and_reconciled_safely() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::new();
    let file = run.folder.path().join("plan.json");
    let plan = |options: &[&str]| run_on(&run, &broker, &[&["topics", "plan"], options].concat());

    let (code, report, _) = plan(&["--out", text(&file)]);
    assert_eq!(code, 3);
    assert!(report["totals"]["create"].as_u64().unwrap() > 40, "{report:#}");
    assert_eq!(run_on(&run, &broker, &["doctor"]).0, 3, "`doctor` must report the missing topics");
    let (code, _, message) = run_on(&run, &broker, &["topics", "apply"]);
    assert!(code == 4 && message.contains("--yes"), "`topics apply` must require a plan or --yes: {message}");
    assert_eq!(run_on(&run, &broker, &["topics", "apply", text(&file)]).0, 0);
    assert_eq!(plan(&[]).0, 0, "the topics must equal the catalog after `topics apply`");
    assert_eq!(run_on(&run, &broker, &["doctor"]).0, 0);
    let (code, _, message) = run_on(&run, &broker, &["topics", "apply", text(&file)]);
    assert!(code == 4 && message.contains("has changed since"), "{message}");

    // Another program changes a managed topic, and creates one that is not managed.
    broker.tool(&["TopicCommand", "--delete", "--topic", "ml.features.v2"]);
    let create = ["TopicCommand", "--create", "--topic", "ml.features.v2", "--partitions", "6"];
    let settings = [
        "cleanup.policy=compact",
        "min.compaction.lag.ms=2592000000",
        "delete.retention.ms=5000",
        "flush.messages=9",
    ];
    let settings: Vec<&str> = settings.into_iter().flat_map(|setting| ["--config", setting]).collect();
    broker.tool(&[&create[..], &settings].concat());
    broker.tool(&["TopicCommand", "--create", "--topic", "tmp.debug", "--partitions", "1"]);
    let (code, entries, _) = plan(&[]);
    assert_eq!(
        (code, &entries["totals"]["update"], &entries["totals"]["unmanaged"]),
        (3, &1.into(), &1.into())
    );
    assert_eq!(run_on(&run, &broker, &["doctor"]).0, 3, "`doctor` must report the changed settings");
    assert_eq!(run_on(&run, &broker, &["topics", "apply", "--yes"]).0, 0);
    let (_, export, _) = run_on(&run, &broker, &["topics", "export"]);
    let features = &export["topics"]["ml.features.v2"];
    assert_eq!(features["settings"]["delete.retention.ms"], "2592000000");
    assert_eq!(
        features["settings"]["flush.messages"], "9",
        "`topics apply` must not reset a setting that the plan does not have"
    );
    assert_eq!(export["topics"]["tmp.debug"]["managed"], false);
    assert_eq!(run_on(&run, &broker, &["topics", "apply", "--yes", "--allow-delete", "tmp.debug"]).0, 0);
    assert_eq!(plan(&[]).1["totals"]["unmanaged"], 0);
    assert_eq!(plan(&["--allow-delete", "core.games.v1"]).0, 4, "a managed topic must not be deleted");

    // Kafka cannot reduce the number of partitions.
    broker.tool(&["TopicCommand", "--alter", "--topic", "core.games.v1", "--partitions", "9"]);
    let (code, report, _) = plan(&[]);
    assert_eq!((code, &report["totals"]["refused"]), (4, &1.into()));
    assert_eq!(run_on(&run, &broker, &["topics", "apply", "--yes"]).0, 4);
    let (code, _, message) = run_on(&run, &broker, &["run", "--until-caught-up"]);
    assert!(
        code == 4 && message.contains("core.games.v1") && message.contains("delete the topic"),
        "{message}"
    );
}

#[test]
fn dead_letters_are_redriven_and_purged_on_kafka() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::new();
    assert_eq!(run_on(&run, &broker, &["topics", "apply", "--yes"]).0, 0);
    let lines = [
        "not json".to_owned(),
        r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{"a":1}}"#.to_owned(),
    ];
    let path = run.file("events.jsonl", &lines);
    let (code, ingested, message) = run_on(&run, &broker, &["ingest", text(&path)]);
    assert_eq!((code, &ingested["new"], &ingested["dead_letters"]), (1, &1.into(), &1.into()), "{message}");
    let catch_up = || {
        let (code, _, message) = run_on(&run, &broker, &["run", "--until-caught-up"]);
        assert_eq!(code, 0, "{message}");
    };
    catch_up();
    let (code, shown, message) = run_on(&run, &broker, &["dlq", "show", "schedule-loader"]);
    assert_eq!(shown[0]["value"]["payload"]["a"], 1, "{code} {shown} {message}");
    assert_eq!(shown[0]["key"], "x");
    for (dead_letters, records) in [(1, 1), (0, 0)] {
        let (code, report, message) = run_on(&run, &broker, &["dlq", "redrive", "schedule-loader"]);
        assert_eq!(
            (code, &report["dead_letters"], &report["records"]),
            (0, &dead_letters.into(), &records.into()),
            "{message}"
        );
    }
    assert_eq!(run_on(&run, &broker, &["dlq", "redrive", "ingest"]).1["still_rejected"], 1);
    catch_up();
    let (_, shown, _) = run_on(&run, &broker, &["dlq", "show", "schedule-loader"]);
    assert_eq!(shown[1]["redrive_count"], 1);
    assert_eq!(run_on(&run, &broker, &["audit"]).1["balanced"], true);
    assert_eq!(run_on(&run, &broker, &["dlq", "purge", "schedule-loader", "--yes"]).0, 0);
    assert_eq!(run_on(&run, &broker, &["dlq", "show", "schedule-loader"]).1, serde_json::json!([]));
    let (_, lag, message) = run_on(&run, &broker, &["lag"]);
    let mut processors = lag["processors"].as_array().unwrap().iter();
    let loader = processors.find(|processor| processor["processor"] == "schedule-loader").unwrap();
    assert_eq!(loader["dead_letters"], 0, "`lag` still counts purged dead letters: {loader:#} {message}");
    assert_eq!(run_on(&run, &broker, &["audit"]).1["balanced"], true);
}

/// Produces a raw record with headers, as another program does.
fn produce(broker: &Broker, key: &[u8], value: &[u8], headers: &[(&str, &str)]) {
    let mut config = ClientConfig::new();
    let producer: BaseProducer = config.set("bootstrap.servers", &broker.bootstrap).create().unwrap();
    let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(*value) })
    });
    let topic = topics::RAW_SCHEDULES.info.name;
    let record = BaseRecord::to(topic).partition(0).key(key).payload(value).headers(headers);
    producer.send(record.timestamp(1_700_000_000_123)).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(20)).unwrap();
}
/// A record as another program reads it.
struct ForeignRecord {
    key: Vec<u8>,
    value: Vec<u8>,
    headers: BTreeMap<String, String>,
}
/// Reads the first records of a topic as another program does.
fn first_records(broker: &Broker, topic: &str, count: usize) -> Vec<ForeignRecord> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.bootstrap).set("group.id", "another-program");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..topics::PARTITIONS {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let text = |header: Header<'_, &[u8]>| {
        (header.key.to_owned(), String::from_utf8(header.value.unwrap().to_vec()).unwrap())
    };
    let read = |_| {
        let record = consumer.poll(Duration::from_secs(20)).expect("a record").unwrap();
        let headers = record.headers().expect("headers").iter().map(text).collect();
        ForeignRecord { key: record.key().unwrap().into(), value: record.payload().unwrap().into(), headers }
    };
    (0..count).map(read).collect()
}

#[test]
fn a_dead_letter_has_the_key_value_headers_and_timestamp_of_its_record() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::new();
    assert_eq!(run_on(&run, &broker, &["topics", "apply", "--yes"]).0, 0);
    let record_headers = [("trace", "abc"), ("dlq.topic", "elsewhere"), ("__connect.errors.topic", "before")];
    let (binary_key, long_key) = (b"\xff\x00key".to_vec(), vec![b'k'; 70_000]);
    produce(&broker, b"their key", b"not an event", &record_headers);
    for key in [&binary_key, &long_key] {
        produce(&broker, key, b"not an event either", &[]);
    }
    assert_eq!(run_on(&run, &broker, &["run", "--until-caught-up"]).0, 0);
    let dead_letters = first_records(&broker, "schedule-loader.dlq", 3);
    let keys: Vec<&[u8]> = dead_letters.iter().map(|dead_letter| dead_letter.key.as_slice()).collect();
    assert_eq!(keys, [&b"their key"[..], &binary_key, &long_key]);
    let ForeignRecord { value, headers, .. } = &dead_letters[0];
    assert_eq!(value, b"not an event");
    let header = |key: &str| headers.get(key).map(String::as_str);
    for (key, value) in [
        ("trace", "abc"),
        ("dlq.timestamp", "1700000000123"),
        ("dlq.error.code", "bad_envelope"),
        ("dlq.processor", "schedule-loader"),
        ("dlq.offset", "0"),
        ("__connect.errors.topic", "before"),
    ] {
        assert_eq!(header(key), Some(value), "{key} of {headers:?}");
    }
    let topic = Some(topics::RAW_SCHEDULES.info.name);
    assert_eq!(header("dlq.topic"), topic, "the header of an earlier dead letter must be replaced");
    let (_, shown, _) = run_on(&run, &broker, &["dlq", "show", "schedule-loader"]);
    assert_eq!((&shown[0]["key"], &shown[0]["offset"]), (&"their key".into(), &0.into()));
    produce(&broker, b"for Connect", b"not an event", &[]);
    let mut command = run.command(&["--brokers", &broker.bootstrap, "run", "--until-caught-up"]);
    assert!(command.env("FASTBREAK_DLQ_HEADER_STYLE", "connect").output().unwrap().status.success());
    let dead_letters = first_records(&broker, "schedule-loader.dlq", 4);
    let headers = &dead_letters[3].headers;
    let header = |key: &str| headers.get(&format!("__connect.errors.{key}")).map(String::as_str);
    assert_eq!(
        (header("topic"), header("partition"), header("offset")),
        (topic, Some("0"), Some("3")),
        "{headers:?}"
    );
    assert_eq!(
        (header("connector.name"), header("exception.class.name")),
        (Some("schedule-loader"), Some("bad_envelope"))
    );
    assert!(header("exception.message").is_some_and(|message| !message.is_empty()), "{headers:?}");

    let (code, redriven, message) = run_on(&run, &broker, &["dlq", "redrive", "schedule-loader"]);
    assert_eq!(
        (code, &redriven["records"], &redriven["still_rejected"]),
        (0, &0.into(), &4.into()),
        "{message}"
    );
    assert_eq!(run_on(&run, &broker, &["audit"]).1["balanced"], true);
}

#[test]
fn unreachable_brokers_are_reported_with_their_own_exit_code() {
    let run = Fastbreak::new();
    let free_address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = run.command(&["--brokers", &free_address.to_string(), "doctor"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
}

/// A broker on which each operation needs a user who has the right to it; `tests/kafka/broker --sasl --acls` creates the users.
struct SecuredBroker {
    broker: Broker,
    run: Fastbreak,
}
impl SecuredBroker {
    fn start() -> Option<SecuredBroker> {
        Some(SecuredBroker { broker: Broker::start(&["--sasl", "--acls"])?, run: Fastbreak::new() })
    }
    /// Runs a command as this user; returns the exit code, and the text on standard output and standard error.
    fn run_with_password(&self, user: &str, password: &str, arguments: &[&str]) -> (i32, String) {
        let mut command = self.run.command(&["--brokers", &self.broker.bootstrap]);
        command
            .args(arguments)
            .env("FASTBREAK_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
            .env("FASTBREAK_KAFKA_SASL_MECHANISM", "PLAIN")
            .env("FASTBREAK_KAFKA_SASL_USERNAME", user)
            .env("FASTBREAK_KAFKA_SASL_PASSWORD", password);
        let output = command.output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), format!("{stdout}{stderr}"))
    }
    fn run_as(&self, user: &str, arguments: &[&str]) -> (i32, String) {
        self.run_with_password(user, &format!("{user}-secret"), arguments)
    }
    /// Checks that a command of a user fails with exit code 4 and a message that contains `expected`.
    fn assert_refused(&self, user: &str, arguments: &[&str], expected: &str) {
        let (code, message) = self.run_as(user, arguments);
        assert!(code == 4 && message.contains(expected), "{arguments:?} as {user}: {code} {message}");
    }
}

#[test]
fn a_wrong_password_missing_topics_and_missing_rights_have_different_messages() {
    let Some(secured) = SecuredBroker::start() else { return };
    let event =
        r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{}}"#;
    let path = secured.run.file("events.jsonl", &[event.to_owned()]);
    let ingest = ["ingest", text(&path)];
    for command in [&["doctor"][..], &["run"], &ingest, &["lag"], &["audit"], &["dlq", "list"]] {
        let (code, message) = secured.run_with_password("fastbreak", "guess", command);
        assert!(code == 4 && message.contains("kafka.sasl.password"), "{command:?}: {code} {message}");
    }
    secured.assert_refused("limited", &["topics", "apply", "--yes"], "give this user the right");
    for command in [&["run"][..], &ingest, &["lag"], &["audit"], &["dlq", "list"]] {
        secured.assert_refused("fastbreak", command, "topics apply");
    }
    let (code, message) = secured.run_as("fastbreak", &["topics", "apply", "--yes"]);
    assert_eq!(code, 0, "{message}");
    for command in
        [&ingest[..], &["run", "--until-caught-up"], &["doctor"], &["lag"], &["audit"], &["dlq", "list"]]
    {
        let (code, message) = secured.run_as("runner", command);
        assert_eq!(code, 0, "the documented rights are not sufficient for {command:?}: {message}");
    }
    let path = secured.run.file("other-events.jsonl", &[event.replace('x', "y")]);
    for command in [&["run"][..], &["ingest", text(&path)]] {
        secured.assert_refused("limited", command, "give this user the right");
    }
    let (_, audit) = secured.run_as("runner", &["audit"]);
    assert!(audit.contains(r#""balanced": true"#), "a refused command lost a record: {audit}");
    secured.assert_refused("outsider", &["doctor"], "the right to commit the groups' offsets");
    secured.assert_refused("limited", &["doctor"], "the right to read the topics");
}
