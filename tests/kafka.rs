//! The whole topology on a real broker against the embedded log: equal content, killed or not, with a replay beside it.
//!
//! Skipped with the reason where no broker can be started. Not here: many kills, joining, leaving, cuts (`tests/kafka/chaos`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, broker::Broker, middle, replay_arguments, season};
use serde_json::{Value, json};
use std::{process::Stdio, time::Duration};

/// Fastbreak on the broker, its topics made.
fn on(broker: &Broker) -> Fastbreak {
    let run = Fastbreak { brokers: Some(broker.bootstrap.clone()), ..Fastbreak::new() };
    run.json(&["topics", "apply", "--yes"]);
    run
}
/// What an embedded log makes of the same lines.
fn straight(lines: &[String]) -> Fastbreak {
    let straight = Fastbreak::new();
    straight.ingest(lines);
    straight.catch_up();
    straight
}
/// Where every live group stands in every partition, and where that ends.
fn watermarks(run: &Fastbreak) -> Value {
    let lag = run.json(&["lag"]);
    let stages = lag["stages"].as_array().unwrap_or_else(|| panic!("{lag:#}"));
    let stood = |stage: &Value| {
        let partitions = stage["partitions"].as_array().unwrap().iter();
        let places = partitions.map(|p| json!([p["topic"], p["partition"], p["committed"], p["high"]]));
        (stage["processor"].as_str().unwrap().to_owned(), Value::Array(places.collect()))
    };
    stages.iter().map(stood).collect()
}

#[test]
fn a_season_through_kafka_is_the_season_through_the_embedded_log_whoever_is_killed() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let straight = straight(&lines);
    let run = on(&broker);
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
    let straight = straight(&lines);
    let dates = middle(&straight);
    let live = on(&broker);
    let (before, after) = lines.split_at(lines.len() / 2);
    live.ingest(before);
    let mut running = live.spawn(&["run"]);
    let mut replaying = live.spawn(&replay_arguments(&dates, "beside"));
    for slice in after.chunks(after.len() / 4 + 1) {
        live.ingest(slice);
    }
    assert!(replaying.wait().unwrap().success(), "it ends although the live side goes on");
    running.kill().unwrap();
    running.wait().unwrap();
    live.catch_up();
    assert_eq!(live.content(), straight.content(), "the live side is as if there had been no replay");

    let ended = live.json(&replay_arguments(&dates, "beside"));
    assert_eq!((&ended["caught_up"], &ended["behind"]), (&Value::from(true), &json!({})));
    let diff = live.json(&["replay", "diff", "beside"]);
    assert_eq!((&diff["equal"], &diff["live_caught_up"]), (&true.into(), &true.into()), "{diff:#}");
    assert_eq!(diff["rows"], json!([]));

    let before = watermarks(&live);
    live.json(&["replay", "discard", "beside", "--yes"]);
    assert_eq!(live.json(&["replay", "list"]), json!([]));
    assert_eq!(watermarks(&live), before, "no live group or topic was touched");
    assert_eq!(live.content(), straight.content());
}

#[test]
fn of_two_processes_under_one_name_the_older_ends_and_nothing_is_lost() {
    let Some(broker) = Broker::start(&[]) else { return };
    let lines = season();
    let (before, after) = lines.split_at(lines.len() / 2);
    let run = on(&broker);
    run.ingest(before);
    // On one host a lock among the temporary files keeps the second from starting: these have folders of their own.
    let start = || {
        let folder = tempfile::tempdir().unwrap();
        let mut command = run.command(&["run", "--instance", "twin"]);
        command.env("TMPDIR", folder.path()).stderr(Stdio::piped());
        (command.spawn().unwrap(), folder)
    };
    let (older, _its_folder) = start();
    while run.json(&["lag"])["stages"].as_array().unwrap().iter().any(|stage| stage["status"] == "stopped") {
        std::thread::sleep(Duration::from_millis(200));
    }
    let (mut newer, _its_folder) = start();
    run.ingest(after);
    let ended = older.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("another process took over under the same instance name"), "{said}");
    assert!(newer.try_wait().unwrap().is_none(), "the newer one goes on");
    newer.kill().unwrap();
    newer.wait().unwrap();
    run.catch_up();
    assert_eq!(run.content(), straight(&lines).content());
}
