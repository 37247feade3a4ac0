//! A run as its operator sees it: its log messages, signals, and a warehouse that another process holds.
//!
//! Invariant: every run ends within the test.
//! Not here: the content that a run writes.
use crate::{
    common::{Fastbreak, has_member},
    support::{fastbreak, processed, run},
};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

/// Starts a run with log messages as JSON, ends it with this signal, and returns its exit code and its messages.
fn run_until_signal(data: &Fastbreak, name: &str) -> (Option<i32>, String) {
    let mut command = fastbreak(data.folder.path(), &["--log-format", "json", "run"]);
    command.env("FASTBREAK_LOG", "info").env("FASTBREAK_CONSOLE", "127.0.0.1:0");
    let running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    data.wait_for_lag(has_member);
    // The run samples the lag soon after its processors have started.
    std::thread::sleep(Duration::from_secs(2));
    let signal = Command::new("kill").args(["-s", name, &running.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let output = running.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_run_logs_its_start_and_each_change_of_a_status_and_a_hangup_stops_it_after_the_next_commit() {
    let data = processed();
    let (code, messages) = run_until_signal(&data, "HUP");
    assert_eq!(code, Some(0), "{messages}");
    assert!(messages.contains("stopping after the next commit"), "{messages}");
    let log: Vec<Value> = messages
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let started = log.iter().find(|line| line["message"] == "run started").expect(&messages);
    let path = |name: &str| Value::from(data.folder.path().join(name).to_str().unwrap());
    assert_eq!((&started["log"], &started["warehouse"]), (&path("log.db"), &path("warehouse.db")));
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));
    assert!(started["processors"].as_str().unwrap().contains("schedule-loader"), "{started}");
    assert!(started["console"].as_str().unwrap().starts_with("127.0.0.1:"), "{started}");
    let changes = log.iter().filter(|line| line["message"] == "status changed");
    let sink: Vec<&Value> = changes.filter(|line| line["processor"] == "windowed-sink").collect();
    assert!(!sink.is_empty() && sink[0]["to"].is_string(), "{messages}");
}

#[test]
fn a_run_waits_for_a_warehouse_that_another_process_has_locked() {
    let data = processed();
    let mut db = Connection::open(data.folder.path().join("warehouse.db")).unwrap();
    let lock = db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let mut command = fastbreak(data.folder.path(), &["run", "--until-caught-up"]);
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // SQLite itself waits for ten seconds before the run does.
    let mut messages = BufReader::new(running.stderr.take().unwrap()).lines().map(Result::unwrap);
    let waits = messages.by_ref().any(|line| line.contains("the warehouse is not ready, retrying"));
    assert!(waits, "the run did not wait: {:?}", running.wait());
    drop(lock);
    let messages: Vec<String> = messages.collect();
    assert_eq!(running.wait().unwrap().code(), Some(0), "{messages:?}");
}

#[test]
fn a_command_that_ends_does_not_announce_another_attempt() {
    let data = processed();
    let mut db = Connection::open(data.folder.path().join("warehouse.db")).unwrap();
    let lock = db.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let (code, message) = run(fastbreak(data.folder.path(), &["sink", "rebuild", "--yes"]));
    drop(lock);
    assert_eq!(code, Some(5), "{message}");
    assert!(
        message.contains("next: run the same command again") && !message.contains("attempt"),
        "{message}"
    );
}
