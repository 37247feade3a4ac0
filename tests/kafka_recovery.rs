//! Every path of docs/recovery.md on Kafka, walked with the binary on a real broker: a lost topic, a lost consumer group, a lost cluster.
//!
//! Invariant: each path ends in the content of a straight run over the same events, with a balanced `audit`.
//! Skipped with a message where no broker can be started. Not here: the paths on the embedded log (`recovery`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{Fastbreak, broker::Broker, has_member, season, text};
use fastbreak::ingest;
use serde_json::{Value, json};
use std::path::PathBuf;

fn backup(run: &Fastbreak) -> (PathBuf, Value) {
    let path = run.folder.path().join("backup");
    let report = run.json(&["backup", text(&path)]);
    (path, report)
}
/// A season with an event that is retracted, and one whose retraction is undone.
fn with_retractions(run: &Fastbreak, lines: &[String]) {
    let ids: Vec<String> =
        lines.iter().filter_map(|line| ingest::parse(line).ok()).map(|event| event.id.to_string()).collect();
    let (first, second) = (&ids[ids.len() / 2], &ids[ids.len() / 3]);
    run.json(&["retract", first, second, "--reason", "wrong \"season\"", "--yes"]);
    run.json(&["retract", second, "--reason", "right", "--undo", "--yes"]);
}

#[test]
fn a_lost_cluster_is_filled_again_from_a_backup_with_retractions_and_a_second_restore_adds_nothing() {
    let (Some(broker), Some(other)) = (Broker::start(&[]), Broker::start(&[])) else { return };
    let run = Fastbreak::on_broker(&broker);
    let lines = season();
    run.ingest(&lines);
    with_retractions(&run, &lines);
    run.catch_up();
    let (expected, retracted) = (run.content(), run.json(&["audit"])["retracted"].clone());
    assert_eq!(retracted.as_array().unwrap().len(), 1);
    let (path, report) = backup(&run);
    assert!(report["not_included"][0].as_str().unwrap().contains("derives all other topics"), "{report:#}");
    drop(broker);

    // The warehouse is still there, but belongs to the lost log.
    let fresh = Fastbreak { folder: run.folder, ..Fastbreak::on_broker(&other) };
    let restored = fresh.json(&["restore", text(&path)]);
    let events = &report["manifest"]["raw_events"];
    assert_eq!((&restored["ingested"]["new"], &restored["ingested"]["known"]), (events, &json!(0)));
    let refused = fresh.run(&["run", "--until-caught-up"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(4) && message.contains("the log was rebuilt, or it is a different log"),
        "{message}"
    );
    // The session of the process that was refused expires.
    fresh.wait_for_lag(|processor| !has_member(processor));
    fresh.json(&["sink", "rebuild", "--take-over", "--yes"]);
    fresh.catch_up();
    assert_eq!(fresh.content(), expected);
    assert_eq!(fresh.json(&["audit"])["retracted"], retracted);
    let again = fresh.json(&["restore", text(&path)]);
    assert_eq!((&again["ingested"]["new"], &again["ingested"]["known"]), (&json!(0), events));

    // The same lines fill an embedded log, with `ingest`, too.
    let embedded = Fastbreak::new();
    let ingested = embedded.json(&["ingest", text(&path.join("raw-events.jsonl.zst"))]);
    assert_eq!(&ingested["new"], events);
    embedded.catch_up();
    assert_eq!(embedded.content(), expected);
    let wrong = Fastbreak::straight(&lines[..1]);
    let embedded_backup = wrong.folder.path().join("backup");
    wrong.json(&["backup", text(&embedded_backup)]);
    let refused = fresh.run(&["restore", text(&embedded_backup)]);
    assert_eq!(refused.status.code(), Some(4), "an embedded log on Kafka");
}

#[test]
fn lost_topics_and_lost_consumer_groups_are_filled_again() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::on_broker(&broker);
    let mut lines = season();
    lines.truncate(lines.len() / 2);
    let (before, after) = lines.split_at(lines.len() / 2);
    run.ingest(before);
    run.catch_up();
    let (path, _) = backup(&run);
    run.ingest(after);
    run.catch_up();
    let expected = run.content();
    let stopped = || run.wait_for_lag(|processor| !has_member(processor));
    let delete = |topic| broker.tool(&["TopicCommand", "--delete", "--topic", topic]);

    // A consumer group.
    stopped();
    for group in ["games", sinks::SINK] {
        broker.tool(&["consumer.group.ConsumerGroupCommand", "--delete", "--group", group]);
    }
    run.catch_up();
    assert_eq!(run.content(), expected, "a consumer group was lost");

    // A raw topic.
    stopped();
    delete("raw.box-scores.v1");
    let missing = run.run(&["run", "--until-caught-up"]);
    let message = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(missing.status.code() == Some(4) && message.contains("topics apply"), "{message}");
    run.json(&["topics", "apply", "--yes"]);
    let restored = run.json(&["restore", text(&path)]);
    let count = |field: &str| restored["ingested"][field].as_u64().unwrap();
    assert!(count("new") > 0 && count("known") > 0, "{restored:#}");
    run.ingest(&lines);
    run.catch_up();
    assert_eq!(run.content(), expected, "a raw topic was lost");

    // A topic that a processor writes.
    stopped();
    delete("core.games.v1");
    broker.tool(&["consumer.group.ConsumerGroupCommand", "--delete", "--all-groups"]);
    delete("games.changelog");
    run.json(&["topics", "apply", "--yes"]);
    run.catch_up();
    assert_eq!(run.content(), expected, "a table topic was lost");
}
