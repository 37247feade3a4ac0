//! Members of groups on a real broker: two under one name, one whose place was taken for a while, and what their commits say.
//!
//! Skipped with the reason where no broker can be started. Not here: what the whole topology makes of it (`kafka`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker, has_member, has_read_all, season};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use runtime::{
    Commit, GroupMember, LogBackend, RuntimeError, TaskEvent,
    kafka::{KafkaConfig, KafkaLog},
    subscription::{ReadLimits, RunContext, Subscription},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    process::{Child, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// Whatever is waited for here comes sooner, or not at all.
const LONGEST: Duration = Duration::from_secs(180);

/// Whether all is as if nothing had happened, once the one that goes on is killed and the rest is caught up.
fn is_straight_after(run: &Fastbreak, mut running: Child, lines: &[String]) {
    running.kill().unwrap();
    running.wait().unwrap();
    run.catch_up();
    assert_eq!(run.content(), Fastbreak::straight(lines).content());
}

#[test]
fn of_two_instances_of_one_name_the_older_is_fenced_without_loss() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let (before, after) = lines.split_at(lines.len() / 2);
    let run = Fastbreak::on(&broker);
    run.ingest(before);
    // On one host a lock among the temporary files keeps the second from starting: these have folders of their own.
    let start = || {
        let folder = tempfile::tempdir().unwrap();
        let mut command = run.command(&["run", "--instance", "twin"]);
        command.env("TMPDIR", folder.path()).stderr(Stdio::piped());
        (command.spawn().unwrap(), folder)
    };
    let (mut older, _its_folder) = start();
    run.wait_for_lag(has_member);
    let (mut newer, _its_folder) = start();
    run.ingest(after);
    let since = Instant::now();
    while older.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < LONGEST, "the older one goes on: {:#}", run.json(&["lag"]));
        std::thread::sleep(Duration::from_millis(500));
    }
    let ended = older.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(4), "{message}");
    assert!(message.contains("another process took over under the same instance name"), "{message}");
    assert!(newer.try_wait().unwrap().is_none(), "the newer one goes on");
    is_straight_after(&run, newer, &lines);
}

#[test]
fn a_fenced_member_rejoins_once_the_other_has_left() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let (before, after) = lines.split_at(lines.len() / 2);
    let run = Fastbreak::on(&broker);
    run.ingest(before);
    let mut running = run.spawn(&["run", "--instance", "twin"]);
    run.wait_for_lag(has_member);
    let guest: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &broker.bootstrap)
        .set("client.id", "fastbreak-twin")
        .set("group.id", "predictor")
        .set("group.instance.id", "twin")
        .set("session.timeout.ms", "10000")
        .create()
        .unwrap();
    guest.subscribe(&["ml.features.v1"]).unwrap();
    let since = Instant::now();
    while guest.assignment().unwrap().count() == 0 {
        assert!(since.elapsed() < LONGEST, "the guest was handed nothing");
        drop(guest.poll(Duration::from_millis(100)));
    }
    // As one that was killed: its place stays until its session ends.
    drop(guest);
    run.ingest(after);
    run.wait_for_lag(has_read_all);
    assert!(running.try_wait().unwrap().is_none(), "it goes on");
    is_straight_after(&run, running, &lines);
}

/// A member that has joined the group of a processor, and was handed its partitions. It has not taken them up yet.
fn joined(broker: &Broker, name: &'static str) -> (KafkaLog, Box<dyn GroupMember>, Vec<i32>) {
    let settings =
        KafkaConfig { brokers: broker.bootstrap.clone(), instance: "one".into(), ..KafkaConfig::default() };
    let reader = Subscription {
        name,
        group: name.into(),
        inputs: vec![topics::GAMES.info],
        outputs: Vec::new(),
        is_view: false,
        is_alone: false,
        upstream: Vec::new(),
    };
    let mut storage = KafkaLog::open(settings).unwrap();
    let mut member =
        storage.subscribe(reader, ReadLimits::default(), Arc::new(RunContext::default())).unwrap();
    let partitions = assigned(member.as_mut());
    (storage, member, partitions)
}
fn assigned(member: &mut dyn GroupMember) -> Vec<i32> {
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < LONGEST, "it was handed nothing");
        match member.next_event() {
            TaskEvent::Assigned(partitions) if !partitions.is_empty() => return partitions,
            TaskEvent::Failed(runtime_error) => panic!("{runtime_error}"),
            _ => {}
        }
    }
}
/// Takes partitions up and commits, as a processor does that has something to say of what it restored.
fn take_up(member: &mut dyn GroupMember, group: &str, partitions: &[i32]) -> Result<(), RuntimeError> {
    for partition in partitions {
        assert!(member.restore(*partition).unwrap().is_some());
    }
    member.commit(Commit { group: group.into(), ..Commit::default() })
}

#[test]
fn an_empty_commit_refreshes_offsets_and_a_rejected_one_rejoins() {
    let Some(broker) = Broker::start(&[]) else { return };
    Fastbreak::on(&broker);
    let games = topics::GAMES.info.name;
    let (_storage, mut member, partitions) = joined(&broker, "slate");
    let settings = KafkaConfig {
        brokers: broker.bootstrap.clone(),
        instance: "looker".into(),
        ..KafkaConfig::default()
    };
    let mut looker = KafkaLog::open(settings).unwrap();
    let mut positions = || looker.committed_offsets("slate", &[games]).unwrap();
    assert_eq!(positions(), BTreeMap::new());
    take_up(member.as_mut(), "slate", &partitions).unwrap();
    assert_eq!(positions(), BTreeMap::from([((games.to_owned(), 0), 0)]), "none was committed before");
    // As a sink that finds a batch of another's done.
    member.seek(BTreeMap::from([((games, 0), 5)]));
    member.commit(Commit { group: "slate".into(), ..Commit::default() }).unwrap();
    assert_eq!(positions(), BTreeMap::from([((games.to_owned(), 0), 5)]));

    // The group does without it before it has taken its partitions up, as after a long pause of its process.
    let (_storage, mut member, partitions) = joined(&broker, "team-form");
    broker.tool(&["StreamsResetter", "--application-id", "team-form", "--force"]);
    let mut taken_up = take_up(member.as_mut(), "team-form", &partitions);
    assert!(matches!(taken_up, Err(RuntimeError::Aborted { .. })), "{taken_up:?}");
    let since = Instant::now();
    while let Err(refused) = taken_up {
        assert!(since.elapsed() < LONGEST, "it never joins again: {refused}");
        let partitions = assigned(member.as_mut());
        taken_up = take_up(member.as_mut(), "team-form", &partitions);
    }
}

#[test]
fn expired_offsets_are_reprocessed_and_counted_once() {
    let Some(broker) = Broker::start(&[]) else { return };
    let mut lines = season();
    lines.truncate(lines.len() / 4);
    let run = Fastbreak::on(&broker);
    run.ingest(&lines);
    run.catch_up();
    // What stands, and of each raw event once, however often it was read. Who reads what loaders publish reads more, since they
    // publish it again.
    let stands = || {
        let audit = run.json(&["audit"]);
        let of = |p: &Value| {
            let is_loader = p["processor"].as_str().unwrap().ends_with("-loader");
            (is_loader.then(|| p["read"].clone()), p["parked"].clone(), p["rejected"].clone())
        };
        let accounts: Vec<_> = audit["processors"].as_array().unwrap().iter().map(of).collect();
        (audit["topics"].clone(), audit["warehouse"].clone(), accounts)
    };
    let before = stands();
    // As after a summer without any member.
    run.wait_for_lag(|processor| !has_member(processor));
    broker.tool(&["consumer.group.ConsumerGroupCommand", "--delete", "--group", "games"]);
    run.wait_for_lag(|processor| {
        let mut partitions = processor["partitions"].as_array().unwrap().iter();
        processor["processor"] != "games" || partitions.all(|partition| partition["committed"].is_null())
    });
    run.catch_up();
    assert_eq!(stands(), before);

    let delete = |topic| broker.tool(&["TopicCommand", "--delete", "--topic", topic]);
    let table = topics::QUOTED_PLAYERS.info.name;
    delete(table);
    run.json(&["topics", "apply", "--yes"]);
    run.catch_up();
    let message = run.run(&["audit"]);
    let audit: Value = serde_json::from_slice(&message.stdout).unwrap();
    let markets =
        audit["processors"].as_array().unwrap().iter().find(|p| p["processor"] == "markets").unwrap();
    let wrong = markets["problems"][0].as_str().unwrap();
    assert!(message.status.code() == Some(1) && wrong.contains("the topic has 0"), "{audit:#}");
    // As docs/kafka-broker-requirements.md says.
    run.wait_for_lag(|processor| !has_member(processor));
    broker.tool(&["consumer.group.ConsumerGroupCommand", "--delete", "--all-groups"]);
    delete("markets.changelog");
    run.json(&["topics", "apply", "--yes"]);
    run.catch_up();
    assert_eq!(stands(), before, "all positions are forgotten, and the table is filled");
}
