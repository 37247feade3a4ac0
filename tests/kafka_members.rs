//! Group members on a real broker: two instances with the same name, commits and rejected commits, expired offsets.
//!
//! Invariant: a fenced or rejected member loses no record and commits none twice.
//! Skipped with a message where no broker can be started. Not here: the content of the whole topology (`kafka`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker, has_member, has_read_all, season};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use runtime::{
    Commit, CommitError, GroupMember, LogBackend, LogReader, TaskEvent,
    engine::ProcessorKind,
    subscription::{ReadLimits, RunContext, Subscription},
};
use runtime_kafka::{KafkaConfig, KafkaLog};
use serde_json::Value;
use std::{
    process::{Child, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use topics::{GAMES, Offsets, TopicPartition};

/// Longest time that the tests wait for a change of a member's state.
const EVENT_TIMEOUT: Duration = Duration::from_secs(180);

/// Kills the running process, runs the processors until they have caught up, and compares the content with that of an uninterrupted run.
fn assert_straight_after(run: &Fastbreak, mut running: Child, lines: &[String]) {
    running.kill().unwrap();
    running.wait().unwrap();
    run.catch_up();
    assert_eq!(run.content(), Fastbreak::straight(lines).content());
}

#[test]
fn the_older_of_two_instances_of_one_name_is_fenced_without_loss() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let (before, after) = lines.split_at(lines.len() / 2);
    let run = Fastbreak::on_broker(&broker);
    run.ingest(before);
    // On one host, a lock in the temporary folder prevents two instances with the same name. So each gets its own temporary folder.
    let start = || {
        let folder = tempfile::tempdir().unwrap();
        let mut command = run.command(&["run", "--instance", "twin"]);
        command.env("TMPDIR", folder.path()).stderr(Stdio::piped());
        (command.spawn().unwrap(), folder)
    };
    let (mut older, _older_folder) = start();
    run.wait_for_lag(has_member);
    let (mut newer, _newer_folder) = start();
    run.ingest(after);
    let started = Instant::now();
    while older.try_wait().unwrap().is_none() {
        assert!(
            started.elapsed() < EVENT_TIMEOUT,
            "the older instance is not fenced: {:#}",
            run.json(&["lag"])
        );
        thread::sleep(Duration::from_millis(500));
    }
    let output = older.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{message}");
    assert!(message.contains("another process took over under the same instance name"), "{message}");
    assert!(newer.try_wait().unwrap().is_none(), "the newer instance has exited");
    assert_straight_after(&run, newer, &lines);
}

/// Returns the name of a processor's consumer group.
fn group_of(processor: &str) -> String {
    let nodes = topology(Predictor::new(None));
    nodes.iter().find(|node| node.name() == processor).unwrap().group()
}

#[test]
fn a_fenced_member_rejoins_once_the_other_has_left() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let (before, after) = lines.split_at(lines.len() / 2);
    let run = Fastbreak::on_broker(&broker);
    run.ingest(before);
    let mut running = run.spawn(&["run", "--instance", "twin"]);
    run.wait_for_lag(has_member);
    let other_member: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &broker.bootstrap)
        .set("client.id", "fastbreak-twin")
        .set("group.id", group_of("predictor"))
        .set("group.instance.id", "twin")
        .set("session.timeout.ms", "10000")
        .create()
        .unwrap();
    other_member.subscribe(&["ml.features.v2"]).unwrap();
    let started = Instant::now();
    while other_member.assignment().unwrap().count() == 0 {
        assert!(started.elapsed() < EVENT_TIMEOUT, "the other member has no assignment");
        drop(other_member.poll(Duration::from_millis(100)));
    }
    // A static member does not leave its group when it is dropped: as after a kill, its assignment stays until its session expires.
    drop(other_member);
    run.ingest(after);
    run.wait_for_lag(has_read_all);
    assert!(running.try_wait().unwrap().is_none(), "the process of the fenced member has exited");
    assert_straight_after(&run, running, &lines);
}

fn open_log(broker: &Broker, instance: &str) -> KafkaLog {
    let brokers = broker.bootstrap.clone();
    KafkaLog::open(KafkaConfig { brokers, instance: instance.into(), ..KafkaConfig::default() }).unwrap()
}
/// Joins the group of a processor; returns the log, the member, and its assigned partitions, which are not restored yet. The caller must
/// keep the log, which holds the lock of the instance name.
fn join(broker: &Broker, name: &'static str) -> (KafkaLog, Box<dyn GroupMember>, Vec<i32>) {
    let subscription = Subscription {
        name,
        group: name.into(),
        kind: ProcessorKind::Stateless,
        inputs: vec![GAMES.info],
        outputs: Vec::new(),
        upstream: Vec::new(),
    };
    let mut log = open_log(broker, "one");
    let mut member =
        log.subscribe(subscription, ReadLimits::default(), Arc::new(RunContext::default())).unwrap();
    let partitions = await_assignment(member.as_mut());
    (log, member, partitions)
}
fn await_assignment(member: &mut dyn GroupMember) -> Vec<i32> {
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < EVENT_TIMEOUT, "the member has no assignment");
        match member.next_event() {
            TaskEvent::Assigned(partitions) if !partitions.is_empty() => return partitions,
            TaskEvent::Failed(runtime_error) => panic!("{runtime_error}"),
            _ => {}
        }
    }
}
fn empty_commit(group: &str) -> Commit {
    Commit { group: group.into(), ..Commit::default() }
}
/// Restores partitions and then makes an empty commit.
fn restore_and_commit(
    member: &mut dyn GroupMember,
    group: &str,
    partitions: &[i32],
) -> Result<(), CommitError> {
    for partition in partitions {
        assert!(member.restore(*partition).unwrap().is_some());
    }
    member.commit(empty_commit(group))
}

#[test]
fn an_empty_commit_has_the_offset_of_one_partition_and_a_rejected_commit_rejoins() {
    let Some(broker) = Broker::start(&[]) else { return };
    Fastbreak::on_broker(&broker);
    let first_partition = TopicPartition::new(GAMES.info.name, 0);
    let (_log, mut member, partitions) = join(&broker, "predictor");
    let mut reader = open_log(&broker, "reader");
    let mut committed_offsets = || reader.committed_offsets("predictor", &[first_partition.topic]).unwrap();
    assert_eq!(committed_offsets(), Offsets::new());
    restore_and_commit(member.as_mut(), "predictor", &partitions).unwrap();
    let committed = committed_offsets();
    assert_eq!(
        committed,
        Offsets::from([(first_partition, 0)]),
        "the first empty commit must commit the offset of one partition"
    );
    // Seeks as the sink does when the warehouse already has the batch that the sink planned.
    member.seek(Offsets::from([(first_partition, 5)]));
    member.commit(empty_commit("predictor")).unwrap();
    assert_eq!(committed_offsets(), Offsets::from([(first_partition, 5)]));

    // The member is removed from its group before it has restored its partitions, as happens if its process is paused for long.
    let (_log, mut member, partitions) = join(&broker, "schedule-loader");
    broker.tool(&["StreamsResetter", "--application-id", "schedule-loader", "--force"]);
    let mut committed = restore_and_commit(member.as_mut(), "schedule-loader", &partitions);
    assert!(matches!(committed, Err(CommitError::Aborted { .. })), "{committed:?}");
    let started = Instant::now();
    while let Err(error) = committed {
        assert!(started.elapsed() < EVENT_TIMEOUT, "the member does not rejoin: {error}");
        let partitions = await_assignment(member.as_mut());
        committed = restore_and_commit(member.as_mut(), "schedule-loader", &partitions);
    }
}

/// Record counts of one processor: read (`None` unless it is a loader), parked, rejected.
type Accounting = (Option<Value>, Value, Value);

/// Returns the content hashes and the record accounting of an audit. The number of records read is included for loaders only: a loader
/// that reprocesses publishes its output again, so the processors downstream of it read more records.
fn content_and_accounting(run: &Fastbreak) -> (Value, Value, Vec<Accounting>) {
    let audit = run.json(&["audit"]);
    let counts = |processor: &Value| {
        let is_loader = processor["processor"].as_str().unwrap().ends_with("-loader");
        let read = is_loader.then(|| processor["read"].clone());
        (read, processor["parked"].clone(), processor["rejected"].clone())
    };
    let counts = audit["processors"].as_array().unwrap().iter().map(counts).collect();
    (audit["topics"].clone(), audit["warehouse"].clone(), counts)
}

#[test]
fn expired_offsets_are_reprocessed_and_counted_once() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut lines = season();
    lines.truncate(lines.len() / 4);
    let run = Fastbreak::on_broker(&broker);
    run.ingest(&lines);
    run.catch_up();
    let before = content_and_accounting(&run);
    // The offsets of a group without members expire after a long time. Deleting the group has the same effect at once.
    run.wait_for_lag(|processor| !has_member(processor));
    broker.tool(&["consumer.group.ConsumerGroupCommand", "--delete", "--group", "games"]);
    run.wait_for_lag(|processor| {
        let mut partitions = processor["partitions"].as_array().unwrap().iter();
        processor["processor"] != "games" || partitions.all(|partition| partition["committed"].is_null())
    });
    run.catch_up();
    assert_eq!(content_and_accounting(&run), before);

    let delete = |topic| broker.tool(&["TopicCommand", "--delete", "--topic", topic]);
    let table = topics::QUOTED_PLAYERS.info.name;
    delete(table);
    run.json(&["topics", "apply", "--yes"]);
    run.catch_up();
    let output = run.run(&["audit"]);
    let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut processors = audit["processors"].as_array().unwrap().iter();
    let markets = processors.find(|processor| processor["processor"] == "markets").unwrap();
    let problem = markets["problems"][0].as_str().unwrap();
    assert!(output.status.code() == Some(1) && problem.contains("the topic has only 0"), "{audit:#}");
    // Fills the re-created topic by the procedure in docs/kafka-broker-requirements.md.
    run.wait_for_lag(|processor| !has_member(processor));
    broker.tool(&["consumer.group.ConsumerGroupCommand", "--delete", "--all-groups"]);
    delete("markets.changelog");
    run.json(&["topics", "apply", "--yes"]);
    run.catch_up();
    assert_eq!(
        content_and_accounting(&run),
        before,
        "reprocessing after the deletion of all committed offsets changed the content or the accounting"
    );
}
