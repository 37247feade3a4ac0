//! Topics as code and dead letters on a real broker, which is started here; skipped with the reason where it cannot be.
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

/// The binary on a broker: its exit code and its answer.
fn on(run: &Fastbreak, broker: &Broker, arguments: &[&str]) -> (i32, Value, String) {
    let done = run.command(&["--brokers", &broker.bootstrap]).args(arguments).output().unwrap();
    let message = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code().unwrap(), serde_json::from_slice(&done.stdout).unwrap_or(Value::Null), message)
}

#[test]
fn topics_are_planned_created_and_reconciled_safely() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::new();
    let file = run.folder.path().join("plan.json");
    let plan = |more: &[&str]| on(&run, &broker, &[&["topics", "plan"], more].concat());

    let (code, first, _) = plan(&["--out", text(&file)]);
    assert_eq!(code, 3);
    let many = first["totals"]["create"].as_u64().unwrap();
    assert!(many > 40);
    assert_eq!(on(&run, &broker, &["check"]).0, 3, "missing topics");
    let (code, _, message) = on(&run, &broker, &["topics", "apply"]);
    assert!(code == 4 && message.contains("--yes"), "nobody agreed: {message}");
    assert_eq!(on(&run, &broker, &["topics", "apply", text(&file)]).0, 0);
    assert_eq!(plan(&[]).0, 0, "in sync");
    assert_eq!(on(&run, &broker, &["check"]).0, 0);
    let (code, _, message) = on(&run, &broker, &["topics", "apply", text(&file)]);
    assert!(code == 4 && message.contains("has changed since"), "{message}");

    // Somebody changes what is ours, and makes a topic that is not.
    broker.tool(&["TopicCommand", "--delete", "--topic", "ml.features.v1"]);
    let made = ["TopicCommand", "--create", "--topic", "ml.features.v1", "--partitions", "6"];
    let set = [
        "cleanup.policy=compact",
        "min.compaction.lag.ms=2592000000",
        "delete.retention.ms=5000",
        "flush.messages=9",
    ];
    let set: Vec<&str> = set.into_iter().flat_map(|setting| ["--config", setting]).collect();
    broker.tool(&[&made[..], &set].concat());
    broker.tool(&["TopicCommand", "--create", "--topic", "tmp.debug", "--partitions", "1"]);
    let (code, drift, _) = plan(&[]);
    assert_eq!((code, &drift["totals"]["update"], &drift["totals"]["unmanaged"]), (3, &1.into(), &1.into()));
    assert_eq!(on(&run, &broker, &["check"]).0, 3, "settings differ");
    assert_eq!(on(&run, &broker, &["topics", "apply", "--yes"]).0, 0);
    let (_, export, _) = on(&run, &broker, &["topics", "export"]);
    let features = &export["topics"]["ml.features.v1"];
    assert_eq!(features["settings"]["delete.retention.ms"], "2592000000");
    assert_eq!(features["settings"]["flush.messages"], "9", "not ours to unset");
    assert_eq!(export["topics"]["tmp.debug"]["managed"], false);
    assert_eq!(on(&run, &broker, &["topics", "apply", "--yes", "--allow-delete", "tmp.debug"]).0, 0);
    assert_eq!(plan(&[]).1["totals"]["unmanaged"], 0);
    assert_eq!(plan(&["--allow-delete", "core.games.v1"]).0, 4, "one of ours");

    // More partitions than there shall be cannot be taken back.
    broker.tool(&["TopicCommand", "--alter", "--topic", "core.games.v1", "--partitions", "9"]);
    let (code, refused, _) = plan(&[]);
    assert_eq!((code, &refused["totals"]["refused"]), (4, &1.into()));
    assert_eq!(on(&run, &broker, &["topics", "apply", "--yes"]).0, 4);
    let (code, _, message) = on(&run, &broker, &["run", "--until-caught-up"]);
    assert!(
        code == 4 && message.contains("core.games.v1") && message.contains("delete the topic"),
        "{message}"
    );
}

#[test]
fn dead_letters_are_redriven_and_purged_on_kafka() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::new();
    assert_eq!(on(&run, &broker, &["topics", "apply", "--yes"]).0, 0);
    let lines = [
        "not json".to_owned(),
        r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{"a":1}}"#.to_owned(),
    ];
    let path = run.file("dirty.jsonl", &lines);
    let (code, ingested, message) = on(&run, &broker, &["ingest", text(&path)]);
    assert_eq!((code, &ingested["new"], &ingested["dead_letters"]), (1, &1.into(), &1.into()), "{message}");
    let catch_up = || {
        let (code, _, message) = on(&run, &broker, &["run", "--until-caught-up"]);
        assert_eq!(code, 0, "{message}");
    };
    catch_up();
    let (code, shown, message) = on(&run, &broker, &["dlq", "show", "schedule-loader"]);
    assert_eq!(shown[0]["value"]["payload"]["a"], 1, "{code} {shown} {message}");
    assert_eq!(shown[0]["key"], "x");
    for (left, put_back) in [(1, 1), (0, 0)] {
        let (code, report, message) = on(&run, &broker, &["dlq", "redrive", "schedule-loader"]);
        assert_eq!(
            (code, &report["dead_letters"], &report["records"]),
            (0, &left.into(), &put_back.into()),
            "{message}"
        );
    }
    assert_eq!(on(&run, &broker, &["dlq", "redrive", "ingest"]).1["still_rejected"], 1);
    catch_up();
    let (_, shown, _) = on(&run, &broker, &["dlq", "show", "schedule-loader"]);
    assert_eq!(shown[1]["redrive_count"], 1);
    assert_eq!(on(&run, &broker, &["audit"]).1["balanced"], true);
    assert_eq!(on(&run, &broker, &["dlq", "purge", "schedule-loader", "--yes"]).0, 0);
    assert_eq!(on(&run, &broker, &["dlq", "show", "schedule-loader"]).1, serde_json::json!([]));
    let (_, lag, message) = on(&run, &broker, &["lag"]);
    let loader =
        lag["processors"].as_array().unwrap().iter().find(|s| s["processor"] == "schedule-loader").unwrap();
    assert_eq!(loader["dead_letters"], 0, "what was purged is counted no more: {loader:#} {message}");
    assert_eq!(on(&run, &broker, &["audit"]).1["balanced"], true);
}

/// A record with headers, as some other program produces it.
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
/// A record as any other program sees it.
struct Seen {
    key: Vec<u8>,
    value: Vec<u8>,
    headers: BTreeMap<String, String>,
}
/// The first records of a topic.
fn first(broker: &Broker, topic: &str, many: usize) -> Vec<Seen> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.bootstrap).set("group.id", "somebody");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..topics::PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let text = |header: Header<'_, &[u8]>| {
        (header.key.to_owned(), String::from_utf8(header.value.unwrap().to_vec()).unwrap())
    };
    let read = |_| {
        let record = consumer.poll(Duration::from_secs(20)).expect("a record").unwrap();
        let headers = record.headers().expect("headers").iter().map(text).collect();
        Seen { key: record.key().unwrap().into(), value: record.payload().unwrap().into(), headers }
    };
    (0..many).map(read).collect()
}

#[test]
fn a_dead_letter_keeps_key_bytes_headers_and_time_of_its_record() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::new();
    assert_eq!(on(&run, &broker, &["topics", "apply", "--yes"]).0, 0);
    let own = [("trace", "abc"), ("dlq.topic", "elsewhere"), ("__connect.errors.topic", "before")];
    let (no_text, long) = (b"\xff\x00key".to_vec(), vec![b'k'; 70_000]);
    produce(&broker, b"their key", b"no event", &own);
    for key in [&no_text, &long] {
        produce(&broker, key, b"none either", &[]);
    }
    assert_eq!(on(&run, &broker, &["run", "--until-caught-up"]).0, 0);
    let dead_letters = first(&broker, "schedule-loader.dlq", 3);
    let keys: Vec<&[u8]> = dead_letters.iter().map(|dead_letter| dead_letter.key.as_slice()).collect();
    assert_eq!(keys, [&b"their key"[..], &no_text, &long]);
    let Seen { value, headers, .. } = &dead_letters[0];
    assert_eq!(value, b"no event");
    let message = |key: &str| headers.get(key).map(String::as_str);
    for (key, value) in [
        ("trace", "abc"),
        ("dlq.timestamp", "1700000000123"),
        ("dlq.error.code", "bad_envelope"),
        ("dlq.processor", "schedule-loader"),
        ("dlq.offset", "0"),
        ("__connect.errors.topic", "before"),
    ] {
        assert_eq!(message(key), Some(value), "{key} of {headers:?}");
    }
    let topic = Some(topics::RAW_SCHEDULES.info.name);
    assert_eq!(message("dlq.topic"), topic, "of this failure, not of one before");
    let (_, shown, _) = on(&run, &broker, &["dlq", "show", "schedule-loader"]);
    assert_eq!((&shown[0]["key"], &shown[0]["offset"]), (&"their key".into(), &0.into()));
    produce(&broker, b"for Connect", b"no event", &[]);
    let mut command = run.command(&["--brokers", &broker.bootstrap, "run", "--until-caught-up"]);
    assert!(command.env("FASTBREAK_DLQ_HEADER_STYLE", "connect").output().unwrap().status.success());
    let dead_letters = first(&broker, "schedule-loader.dlq", 4);
    let headers = &dead_letters[3].headers;
    let message = |key: &str| headers.get(&format!("__connect.errors.{key}")).map(String::as_str);
    assert_eq!(
        (message("topic"), message("partition"), message("offset")),
        (topic, Some("0"), Some("3")),
        "{headers:?}"
    );
    assert_eq!(
        (message("connector.name"), message("exception.class.name")),
        (Some("schedule-loader"), Some("bad_envelope"))
    );
    assert!(message("exception.message").is_some_and(|message| !message.is_empty()), "{headers:?}");

    let (code, redriven, message) = on(&run, &broker, &["dlq", "redrive", "schedule-loader"]);
    assert_eq!(
        (code, &redriven["records"], &redriven["still_rejected"]),
        (0, &0.into(), &4.into()),
        "{message}"
    );
    assert_eq!(on(&run, &broker, &["audit"]).1["balanced"], true);
}

#[test]
fn brokers_that_are_not_there_a_wrong_password_and_missing_rights_are_told_apart() {
    let run = Fastbreak::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let done = run.command(&["--brokers", &free.to_string(), "check"]).output().unwrap();
    assert_eq!(done.status.code(), Some(5));
    let Some(broker) = Broker::start(&["--sasl", "--acls"]) else { return };
    let as_user = |user: &str, password: &str, arguments: &[&str]| {
        let mut command = run.command(&["--brokers", &broker.bootstrap]);
        command
            .args(arguments)
            .env("FASTBREAK_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
            .env("FASTBREAK_KAFKA_SASL_MECHANISM", "PLAIN")
            .env("FASTBREAK_KAFKA_SASL_USERNAME", user)
            .env("FASTBREAK_KAFKA_SASL_PASSWORD", password);
        let done = command.output().unwrap();
        let message =
            format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        (done.status.code().unwrap(), message)
    };
    let line =
        r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{}}"#;
    let path = run.file("one.jsonl", &[line.to_owned()]);
    let ingest = ["ingest", text(&path)];
    for command in [&["check"][..], &["run"], &ingest, &["lag"], &["audit"], &["dlq", "list"]] {
        let (code, message) = as_user("fastbreak", "guess", command);
        assert!(code == 4 && message.contains("kafka.sasl.password"), "{command:?}: {code} {message}");
    }
    let (code, message) = as_user("limited", "limited-secret", &["topics", "apply", "--yes"]);
    assert!(code == 4 && message.contains("give this user the right"), "{code} {message}");
    for command in [&["run"][..], &ingest, &["lag"], &["audit"], &["dlq", "list"]] {
        let (code, message) = as_user("fastbreak", "fastbreak-secret", command);
        assert!(
            code == 4 && message.contains("topics apply"),
            "{command:?} without topics: {code} {message}"
        );
    }
    let (code, message) = as_user("fastbreak", "fastbreak-secret", &["topics", "apply", "--yes"]);
    assert_eq!(code, 0, "{message}");
    for command in
        [&ingest[..], &["run", "--until-caught-up"], &["check"], &["lag"], &["audit"], &["dlq", "list"]]
    {
        let (code, message) = as_user("runner", "runner-secret", command);
        assert_eq!(code, 0, "the documented rights are enough for {command:?}: {message}");
    }
    for command in [&["run"][..], &["ingest", text(&run.file("two.jsonl", &[line.replace('x', "y")]))]] {
        let (code, message) = as_user("limited", "limited-secret", command);
        assert!(code == 4 && message.contains("give this user the right"), "{command:?}: {code} {message}");
    }
    let (_, audit) = as_user("runner", "runner-secret", &["audit"]);
    assert!(audit.contains(r#""balanced": true"#), "who was refused has lost nothing: {audit}");
    let (code, message) = as_user("outsider", "outsider-secret", &["check"]);
    assert!(code == 4 && message.contains("the right to commit the groups' offsets"), "{code} {message}");
    let (code, message) = as_user("limited", "limited-secret", &["check"]);
    assert!(code == 4 && message.contains("the right to read the topics"), "{code} {message}");
}
